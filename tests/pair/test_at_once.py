"""Equal halves that ended at once: assigned in order, counted by formula, and no more work than a few sorts."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair import Pairer
from ztflow.pair.assignment import at_once, matching, segments
from ztflow.pair.assignment.segments import SEGMENTS
from ztflow.pair.hmm import posterior

ZERO = np.zeros


def in_order(out, inn, farthest=10**6):
    out, inn = np.array(out, np.int64), np.array(inn, np.int64)
    return at_once.in_order(out, inn, ZERO(len(out), np.int64), ZERO(len(inn), np.int64), farthest)


def least_sum(out, inn):
    """The least sum of distances of as many pairs as there can be, by trying all."""
    few, many = sorted((out, inn), key=len)
    return min(
        sum(abs(a - b) for a, b in zip(few, chosen, strict=True))
        for some in combinations(many, len(few))
        for chosen in permutations(some)
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=4), st.lists(st.integers(0, 30), max_size=4))
def test_the_assignment_leaves_out_no_more_than_it_must_and_has_the_least_sum(out, inn):
    out, inn = sorted(out), sorted(inn)
    rows, columns = in_order(out, inn)
    assert len(rows) == len(columns) == min(len(out), len(inn))
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert sum(abs(out[a] - inn[b]) for a, b in zip(rows, columns, strict=True)) == least_sum(out, inn)
    assert (np.diff(columns[np.argsort(rows)]) > 0).all(), "no two cross"


def test_what_is_too_far_apart_is_no_pair():
    rows, columns = in_order([0, 500], [10, 100], farthest=50)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def flows_of(rows, portions=1, **options):
    pairer = Pairer(**options)
    rows = sorted(rows, key=lambda row: row["time"])
    cuts = np.linspace(0, len(rows), portions + 1).astype(int)
    found = [pairer.push(table(rows[a:b])) for a, b in pairwise(cuts) if a < b]
    return [row for part in (*found, pairer.finish()) for row in part.rows()]


def at_one_instant(count, *, out=None, inn=None, delay_us=0, **more):
    rows = []
    for number in range(count):
        pair = connection(0.0, line=number + 1, delay_us=delay_us, **more)
        pair[0]["src_port"] = 32768 + number % 28000
        rows += pair[: 1 if inn is not None and number >= inn else 2]
    return rows


@pytest.mark.parametrize("delay", [0, 200])
@pytest.mark.parametrize("sizes", [{}, {"request": 0, "response": 0}], ids=["bytes", "no-bytes"])
def test_all_are_as_likely_and_none_is_lost(delay, sizes):
    count = 1000
    flows = flows_of(at_one_instant(count, delay_us=delay, **sizes))
    assert Counter(flow["paired"] for flow in flows) == {"ambiguous": count}
    assert {flow["alternatives"] for flow in flows} == {count - 1}
    assert [flow["confidence"] for flow in flows] == pytest.approx([0.975 * 0.95 / count] * count)


def test_few_and_many_are_weighed_alike():
    """What the hidden Markov model gives for a few halves at one instant, the formula gives for many."""
    few = SEGMENTS.dense // 2 - 2
    (claimed,) = {round(flow["confidence"], 9) for flow in flows_of(at_one_instant(few))}
    assert claimed == pytest.approx(0.975 / few)
    (claimed,) = {flow["confidence"] for flow in flows_of(at_one_instant(few + 10))}
    assert claimed == pytest.approx(0.975 / (few + 10))
    assert {flow["alternatives"] for flow in flows_of(at_one_instant(few + 10))} == {few + 9}


def test_where_half_of_one_side_is_missing_the_other_half_stays_alone():
    flows = flows_of(at_one_instant(1000, inn=500))
    assert Counter(flow["paired"] for flow in flows) == {"ambiguous": 500, "outbound_only": 500}
    paired = [flow for flow in flows if flow["paired"] == "ambiguous"]
    assert [flow["confidence"] for flow in paired] == pytest.approx([0.975 * 0.95 / 1000] * 500)


def test_durations_tell_apart_what_ended_at_once():
    rows = []
    for number in range(600):
        rows += connection(0.0, line=number + 1, delay_us=0, duration=number // 3)
    flows = flows_of(rows)
    assert all((flow["outbound_line"] - 1) // 3 == (flow["inbound_line"] - 1) // 3 for flow in flows)
    assert 0.2 < np.mean([flow["confidence"] for flow in flows]) < 1 / 3


def crowd(seconds, count, *, seed=1):
    """Equal connections, among them moments at which hundreds ended."""
    chance, rows = np.random.default_rng(seed), []
    for number in range(count):
        end = float(chance.integers(0, int(seconds))) if number % 3 else float(chance.uniform(0, seconds))
        rows += connection(end, line=number + 1, delay_us=int(chance.integers(50, 400)))
    return rows


@pytest.mark.parametrize("portions", [7, 40])
def test_a_stream_gives_what_a_batch_gives(portions):
    def key(flow):
        return (flow["end"], str(flow["outbound_line"]), str(flow["inbound_line"]))

    rows = crowd(6, 1200)
    options = {"window": timedelta(seconds=0)}
    assert sorted(flows_of(rows, portions, **options), key=key) == sorted(flows_of(rows, **options), key=key)


def test_a_dense_stretch_costs_no_search(monkeypatch):
    """Neither an assignment over a matrix nor a path through the trellis for any of thousands at one instant."""

    def never(*_arguments, **_options):
        raise AssertionError("the long road was taken")

    monkeypatch.setattr(matching, "_assign", never)
    monkeypatch.setattr(posterior, "sum_paths", never)
    assert len(flows_of(at_one_instant(2000))) == 2000


@pytest.mark.parametrize("stretches", [10, 40])
def test_each_cut_looks_at_a_bounded_part_of_the_segment(monkeypatch, stretches):
    """What is left of a segment is not looked at whole again for each cut."""
    looked = []
    dense = segments._dense
    monkeypatch.setattr(segments, "_dense", lambda time, use: looked.append(len(time)) or dense(time, use))
    rows = [row for n in range(stretches) for row in crowd_at(n * 0.22)]
    assert len(flows_of(rows)) == len(rows) // 2
    assert sum(looked) < 40 * len(rows)


def crowd_at(second):
    return [row for line in range(60) for row in connection(second, line=line + 1 + int(second * 1e6), delay_us=100)]
