"""Halves that wait: whatever is joined, taken over, sorted or dropped, each keeps its own row and evidence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from halves_by_hand import START, connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair.buffers import Unmatched
from ztflow.pair.features.full import full_features

NO_TIME = np.iinfo(np.int64).min


def half(line, second=0.0, **more):
    return connection(second, line=line, **more)[line % 2]


def take_in(waiting, rows):
    """Add halves as the pairer does; `tunnel` and `noted` carry the line, to be recognised by."""
    new = waiting.join([table(rows)])
    lines = np.array([row["line_number"] for row in rows])
    waiting.add(np.arange(len(rows)), full_features(new), lines % 3 == 0, lines.astype(np.uint64), lines.copy())


def held(waiting):
    """Lines of what is there, by place; all that is known of a half must be of the same line."""
    lines = waiting.table.column("line_number").to_numpy()[waiting.row]
    times = waiting.table.column("time").cast(pa.int64()).to_numpy()[waiting.row]
    clients = waiting.table.column("src_ip").to_pylist()
    assert waiting.features.time.tolist() == times.tolist()
    assert waiting.tunnel.tolist() == waiting.noted.tolist() == lines.tolist()
    assert waiting.late.tolist() == (lines % 3 == 0).tolist()
    assert waiting.corrected.tolist() == [NO_TIME] * len(lines)
    assert [clients[row] for row in waiting.row] == [f"10.0.{line % 7}.1" for line in lines]
    return lines.tolist()


steps = st.lists(st.tuples(st.sampled_from(["add", "over", "keep"]), st.integers(0, 4), st.integers(1, 3)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_each_half_keeps_its_row_and_evidence(steps):
    waiting, young, line = Unmatched(), Unmatched(), 0
    here, there = [], []
    for what, count, every in steps:
        if what == "add":
            lines = list(range(line, line + count))
            line += count
            if lines:
                take_in(young, [half(n, second=n * 0.37 % 1, client=n % 7) for n in lines])
            there += lines
        elif what == "over":
            moved = np.array([n % every == 0 for n in there], bool)
            waiting.take_over(young, moved)
            assert (young.status[moved] > 1).all(), "gone there"
            young.keep(~moved)
            here += [n for n in there if n % every == 0]
            there = [n for n in there if n % every]
        else:
            kept = [n for n in here if n % (every + 1)]
            waiting.keep(np.array([n % (every + 1) != 0 for n in here], bool))
            here = kept
    assert held(waiting) == here
    assert held(young) == there
    assert waiting.count == len(here)
    assert waiting.table.num_rows == len(here), "no row that is nobody's"


def test_places_are_given_in_order_of_time():
    waiting = Unmatched()
    take_in(waiting, [half(n, second=(n * 5) % 11, client=n % 7) for n in range(1, 11)])
    waiting.sort()
    asked = waiting.where(waiting.features.time > START + 3_500_000)
    times = waiting.features.time[asked]
    assert len(asked) == sum((n * 5) % 11 >= 4 for n in range(1, 11))
    assert (np.diff(times) >= 0).all()


def test_words_that_stand_in_no_row_are_let_go():
    waiting = Unmatched()
    for step in range(10):
        lines = range(step * 1000, (step + 1) * 1000)
        rows = [connection(line=n, out={"src_workload": f"pod-{n}"})[0] for n in lines]
        new = waiting.join([table(rows)])
        nothing = np.zeros(len(rows), np.uint64)
        waiting.add(np.arange(len(rows)), full_features(new), nothing == 1, nothing, np.full(len(rows), NO_TIME))
        waiting.keep(np.arange(len(waiting.row)) % 500 == 0)
    words = waiting.table.column("src_workload").chunk(0).dictionary
    assert len(words) < 6000
    names = waiting.table.column("src_workload").to_pylist()
    assert names == [f"pod-{line}" for line in waiting.table.column("line_number").to_pylist()]
