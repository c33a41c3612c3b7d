"""Isolated pairs: the rules applied to each two halves by hand, against how they are found in bulk."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.dictionaries import WordMemory, per_word
from ztflow.columns.sorting import time_order
from ztflow.pair.buffers import MatchedHistory
from ztflow.pair.features.basic import BasicFeatures, basic_features
from ztflow.pair.stages.isolated import find_isolated

MS = 1_000
SECOND = 1_000_000
T0 = 1_700_000_000 * SECOND
u64 = st.integers(0, 2**64 - 1)

gaps = st.sampled_from([0, 1, 200, 49_999, 50_000, 50_001, 250_000, 250_001, 500_000, 500_001, SECOND, 2 * SECOND,
                        2 * SECOND + 1, 8 * SECOND, 8 * SECOND + 1])  # fmt: skip
halves = st.lists(
    st.tuples(gaps, st.sampled_from([0, 1, 2]), st.booleans(), st.sampled_from([0, 300]), st.integers(1, 2)),
    max_size=14,
)


def features(drawn):
    """Halves as (gap, key, outbound, response, ztunnel)."""
    gap, key, outbound, response, ztunnel = ([*column] for column in zip(*drawn, strict=True)) if drawn else [[]] * 5
    times = T0 + np.cumsum(np.array(gap, np.int64))
    none = np.zeros(len(drawn), np.uint64)
    return BasicFeatures(
        times, np.zeros(len(drawn), np.int64), np.array(outbound, bool), np.ones(len(drawn), bool),
        np.array(key, np.uint64), none.astype(bool), none, np.array(response, np.uint64), np.array(ztunnel, np.uint64),
        none.astype(bool), ~none.astype(bool),
    )  # fmt: skip


def by_the_rules(all_halves, gone, watermark):
    """Every pair of halves held against the words and figures of `docs/explanation/pairing.md`."""
    time, exact_key = all_halves.time.tolist(), all_halves.exact_key.tolist()
    found = set()
    for a, b in combinations(range(len(time)), 2):
        if exact_key[a] != exact_key[b] or all_halves.outbound[a] == all_halves.outbound[b] or gone & {a, b}:
            continue
        first, last = sorted([time[a], time[b]])
        others = [t for k, t in enumerate(time) if exact_key[k] == exact_key[a] and k not in {a, b}]
        moved = all_halves.response[a] != 0

        def alone(before, after, others=others, first=first, last=last):
            return all(t < first - before or t > last + after for t in others) and last + after < watermark

        apart, one_clock = last - first, all_halves.ztunnel[a] == all_halves.ztunnel[b]
        near = one_clock and apart <= 50 * MS and alone(500 * MS, 500 * MS)
        far = moved and apart <= 1 * SECOND and alone(2 * SECOND, 2 * SECOND)
        fresh = moved and apart <= 50 * MS and alone(8 * SECOND, 100 * MS)
        if near or far or fresh:
            found.add(frozenset((a, b)))
    return found


@settings(max_examples=300, deadline=None)
@given(halves, st.data())
def test_bulk_search_finds_what_the_rules_say(drawn, data):
    whole = features(drawn)
    count = len(drawn)
    gone = set(data.draw(st.lists(st.integers(0, max(count - 1, 0)), max_size=4))) & set(range(count))
    watermark = T0 + data.draw(st.integers(0, 30 * SECOND))
    history = MatchedHistory()
    for k in sorted(gone):
        history.add(whole.exact_key[[k]], whole.time[[k]])
    here = data.draw(st.permutations([k for k in range(count) if k not in gone]))
    places = np.array(here, np.intp)
    part = whole.take(places)
    found = find_isolated(part, part.exact_key, history, watermark)
    assert part.outbound[found.outbound].all()
    assert (np.diff(found.outbound) > 0).all()
    pairs = {
        frozenset((here[a], here[b])) for a, b in zip(found.outbound.tolist(), found.inbound.tolist(), strict=True)
    }
    assert pairs == by_the_rules(whole, gone, watermark)


@pytest.mark.parametrize(("pause", "at_once"), [(1, False), (5, False), (9, True)])
def test_what_comes_again_within_seconds_is_not_paired_at_once(pause, at_once):
    """A probe every few seconds: the last one's late half must not meet the next one's, so each waits for the quiet."""
    first, again = T0, T0 + pause * SECOND
    two = features([(0, 1, True, 300, 1), (10 * MS, 1, False, 300, 2)])
    past = MatchedHistory()
    past.add(two.exact_key, np.array([first, first + 10 * MS]))
    two = replace(two, time=np.array([again, again + 10 * MS]))
    assert len(find_isolated(two, two.exact_key, past, again + 200 * MS).outbound) == at_once
    assert len(find_isolated(two, two.exact_key, MatchedHistory(), again + 200 * MS).outbound) == 1


def test_keys_that_differ_in_their_lowest_bits_are_two_keys():
    drawn = [(0, key, side, 0, 1) for key in range(40) for side in (True, False)]
    part = features(drawn)
    part = part.take(np.random.default_rng(1).permutation(len(part)))
    found = find_isolated(part, part.blocking_key, MatchedHistory(), T0 + 60 * SECOND)
    assert len(found.outbound) == 40
    assert (part.blocking_key[found.outbound] == part.blocking_key[found.inbound]).all()


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=30), max_size=8),
    st.sets(st.integers(0, 12)), st.integers(0, 60),
)  # fmt: skip
def test_the_past_has_what_was_added_and_not_forgotten(batches, wanted, before):
    history = MatchedHistory()
    for batch in batches:
        history.add(np.array([c for c, _ in batch], np.uint64), np.array([t for _, t in batch], np.int64))
    history.forget(before)
    exact_key, times = history.of(np.array(sorted(wanted), np.uint64))
    found = sorted(zip(exact_key.tolist(), times.tolist(), strict=True))
    all_ends = sorted(end for batch in batches for end in batch if end[0] in wanted)
    assert [end for end in found if end[1] >= before] == [end for end in all_ends if end[1] >= before]
    assert set(found) <= set(all_ends)


@given(st.lists(st.one_of(st.integers(-(2**62), 2**62), st.integers(0, 5)), max_size=50))
def test_time_order_is_stable(times):
    array = np.array(times, np.int64)
    assert time_order(array).tolist() == np.argsort(array, kind="stable").tolist()


def test_words_are_looked_at_once_however_often_their_dictionary_comes():
    asked = []

    def rate(word):
        asked.append(word)
        return len(word)

    memory = WordMemory()
    for end in range(1, 4):  # each batch's dictionary is the last one's and a word more
        batch = table([half for n in range(end) for half in connection(client=n)])
        given_ = memory.per_row(batch, "src_ip", rate, np.int64)
        assert given_.tolist() == [len(ip) for ip in batch.column("src_ip").to_pylist()]
    assert asked == ["10.0.0.1", "10.0.1.1", "10.0.2.1"]


@given(st.lists(st.lists(st.sampled_from(["", "a", "bb", "ccc", "dddd", None]), max_size=5, unique=True), max_size=6))
def test_what_is_remembered_of_words_is_what_they_are_in_any_turn_of_dictionaries(dictionaries):
    memory = WordMemory()
    for words in dictionaries:
        found = memory.by_word("name", pa.array(words, pa.string()), len, np.int64)
        assert found.tolist() == [len(word or "") for word in words] + [0]


def test_null_words_are_zero_in_any_dictionary():
    batch = table(connection(out={"src_ip": None}) + connection(client=5))
    assert per_word(batch.column("src_ip"), len, np.int64).tolist() == [0, 8, 8, 8]
    few = batch.slice(0, 2)
    assert per_word(few.column("src_ip"), len, np.int64).tolist() == [0, 8]
    assert basic_features(batch, WordMemory()).pairable.all()
