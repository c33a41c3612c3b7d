"""Summaries in bounded memory keep their published bounds, for any input and any cut into batches."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.aggregate.distinct import STANDARD_ERROR, DistinctCount, pair_hashes
from ztflow.aggregate.durations import Buckets
from ztflow.aggregate.heavy_hitters import HeavyHitters, KeyPart
from ztflow.columns.dictionaries import text_hash

words = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", None])
keys = st.tuples(words, words, st.integers(-1, 2))
batches = st.lists(st.lists(keys, max_size=30), max_size=8)


def add(hitters, batch):
    """Count a batch; gives what its keys' counters are."""
    counts = Counter(batch)
    parts = []
    for column in (0, 1):
        names = sorted({key[column] for key in counts} - {None})
        parts.append(KeyPart(np.array([names.index(k[column]) if k[column] else -1 for k in counts], np.int64), names))
    parts.append(KeyPart(np.array([key[2] for key in counts], np.int64)))
    found = hitters.add(parts, np.array(list(counts.values()), np.int64))
    return dict(zip(counts, found.counters.tolist(), strict=True)), found.given_up.tolist()


def held(hitters):
    used = np.flatnonzero(hitters.used)
    return {
        (*key[:2], -1 if key[2] is None else key[2]): counter
        for key, counter in zip(hitters.keys(used), used.tolist(), strict=True)
    }


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(1, 6))
def test_counts_are_within_the_bound_of_misra_and_gries(batches, capacity):
    hitters, true = HeavyHitters(capacity, 3), Counter()
    for batch in batches:
        add(hitters, batch)
        true.update(batch)
        found = held(hitters)
        assert len(found) == min(capacity, len(found))
        assert hitters.missed * (capacity + 1) <= sum(true.values())
        for key, count in true.items():
            if key in found:
                counter = found[key]
                assert hitters.counts[counter] <= count <= hitters.counts[counter] + hitters.short[counter]
                assert hitters.short[counter] <= hitters.missed
            else:
                assert count <= hitters.missed
        if len(true) <= capacity:
            assert found.keys() == true.keys()
            assert hitters.missed == 0


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(1, 6))
def test_counters_that_change_hands_are_told(batches, capacity):
    """Whoever keeps sums beside the counters keeps them right by what `add` says alone."""
    hitters, sums, others, true = HeavyHitters(capacity, 3), Counter(), 0, Counter()
    for batch in batches:
        fork = hitters.fork()
        counters, given_up = add(hitters, batch)
        assert add(fork, batch) == (counters, given_up), "a fork goes on alike"
        for counter in given_up:
            others += sums.pop(counter, 0)
        for key, count in Counter(batch).items():
            if counters[key] == capacity:
                others += count
            else:
                sums[counters[key]] += count
        true.update(batch)
        assert {counter: sums[counter] for counter in held(hitters).values()} == {
            counter: int(hitters.counts[counter]) for counter in held(hitters).values()
        }
        assert sum(sums.values()) + others == sum(true.values())


def test_ever_new_keys_take_no_more_memory():
    hitters = HeavyHitters(10, 3)
    for n in range(50):
        add(hitters, [(f"new {n} {m}", "b", 1) for m in range(40)] + [("busy", "b", 1)] * 5)
    assert max(len(words) for words in hitters._words) <= 50
    assert hitters.counts[held(hitters)["busy", "b", 1]] == 250


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**62), min_size=1, max_size=40), min_size=1, max_size=5), st.sampled_from([5, 8])
)
def test_a_quantile_is_within_its_share_of_the_value_of_nearest_rank(groups, bits):
    buckets = Buckets(bits)
    counts = np.array([np.bincount(buckets.of(np.array(values)), minlength=buckets.count) for values in groups])
    for percent in (50, 95):
        for found, values in zip(buckets.quantile(counts, percent).tolist(), groups, strict=True):
            true = sorted(values)[(percent * len(values) + 99) // 100 - 1]
            assert abs(found - true) <= buckets.error * true
            assert found == true or true >= 2**bits


def test_buckets_follow_each_other():
    for bits in (5, 8):
        buckets = Buckets(bits)
        values = np.unique(np.concatenate([np.arange(3000), (1 << np.arange(62)) - 1, 1 << np.arange(63)]))
        assert (np.diff(buckets.of(values)) >= 0).all()
        assert buckets.of(np.array([-5, 2**63 - 1])).tolist() == [0, buckets.count - 1]
        assert (np.abs(buckets.value(buckets.of(values)) - values) <= buckets.error * values).all()
    assert Buckets(5).quantile(np.zeros((1, Buckets(5).count), np.int64), 50).tolist() == [-1]


@pytest.mark.parametrize("count", [0, 1, 100, 5000, 40_000, 200_000])
def test_distinct_values_are_counted_within_the_standard_error(count):
    distinct, whole = DistinctCount(), np.random.default_rng(7).integers(0, 2**64, count, np.uint64)
    for part in np.array_split(whole, 7):
        distinct.add(part)
        distinct.add(part)
    assert abs(distinct.estimate() - count) <= 4 * STANDARD_ERROR * count


def test_pairs_of_names_are_told_apart():
    hashes = np.array([text_hash(f"name {n}") for n in range(300)], np.uint64)
    left, right = np.repeat(hashes, 300), np.tile(hashes, 300)
    assert len(np.unique(pair_hashes(left, right))) == 90_000
    distinct = DistinctCount()
    distinct.add(pair_hashes(left, right))
    assert abs(distinct.estimate() - 90_000) <= 4 * STANDARD_ERROR * 90_000
