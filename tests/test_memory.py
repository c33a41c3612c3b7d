"""A bound on memory: how it is said and shared out, and that what it makes go by way of the disk comes out the same."""

from __future__ import annotations

import tracemalloc

import pyarrow as pa
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow import memory
from ztflow.cli import main
from ztflow.errors import UsageError
from ztflow.filters.quantities import budget_of, parse_size
from ztflow.memory import MIB, budget
from ztflow.model.tables import Flows, Halves
from ztflow.pair import Pairer
from ztflow.read import ReadBatch
from ztflow.session import Session


@pytest.mark.parametrize(
    ("text", "size"),
    [("640MiB", 640 * MIB), ("1GiB", 1 << 30), ("1G", 1 << 30), ("600M", 600 * MIB), ("2GB", 2 * 10**9),
     ("1.5GiB", 3 << 29), ("629145600", 600 * MIB)],
)  # fmt: skip
def test_sizes_as_people_type_them(text, size):
    assert parse_size(text) == size
    assert budget_of(text) == budget(size)


@pytest.mark.parametrize("text", ["", "1X", "GiB", "-1GiB", "1 GiB", "1e9", "100MiB"])
def test_a_size_that_cannot_be_kept_is_one_line(text, capsys):
    assert main(["flows", "--memory", text, "fixtures/seed/cross-node.log"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--memory" in said
    assert "600MiB" in said or "is not a size" in said


def test_the_least_bound_is_kept_and_less_is_refused():
    assert budget(memory.LEAST_BOUND).bound == memory.LEAST_BOUND
    with pytest.raises(UsageError, match="600MiB"):
        budget(memory.LEAST_BOUND - 1)


def test_all_that_is_shared_out_fits_and_grows_with_the_bound():
    few, many = budget(memory.LEAST_BOUND), budget(4 << 30)
    for one in (few, many):
        assert one.halves + one.flows + 4 * one.portion < one.bound - memory.BASE
        assert one.pending + one.flows + 4 * one.portion <= one.bound - memory.BASE
    assert all(less < more for less, more in zip(few, many, strict=True))


def paired(rows, **bounds):
    """The pairs of lines Session makes of halves that come in batches of twelve."""
    with Session(memory=memory.DEFAULT._replace(**bounds)) as session:
        for start in range(0, len(rows), 12):
            session.feed(ReadBatch(Halves(table(rows[start : start + 12])), [], "log"))
        flows = Flows.concat(session.finish())
    report = session.report
    lines = [(row["outbound_line"], row["inbound_line"], row["unpaired_reason"]) for row in flows.rows()]
    assert 2 * report.paired_flows + report.unpaired_halves == len(rows)
    return sorted(lines, key=str), report


@settings(deadline=None, max_examples=12)
@given(st.permutations(range(60)), st.sets(st.integers(0, 59), max_size=8))
def test_halves_of_one_instant_are_paired_in_parts(order, lost):
    rows = [
        half | {"line_number": 2 * number + place, "time": 1_700_000_000_000_000}
        for number in range(30)
        for place, half in enumerate(connection(client=number % 5, server=9, request=number, response=7 * number))
    ]
    rows = [rows[place] for place in order if place not in lost]
    little, report = paired(rows, halves=1000, portion=600, flows=1000, pending=20_000)
    whole, _ = paired(rows)
    assert little == whole
    assert not report.evicted


@settings(deadline=None, max_examples=5)
@given(st.permutations(range(120)), st.sets(st.integers(0, 119), max_size=9))
def test_equal_connections_of_one_instant_find_partners_whatever_came_first(order, lost):
    rows = [
        half | {"line_number": 2 * number + place, "time": 1_700_000_000_000_000}
        for number in range(60)
        for place, half in enumerate(connection(client=1, server=9, request=84, response=9832))
    ]
    mixed = [rows[place] for place in order if place not in lost]
    for apart in (mixed, sorted(mixed, key=lambda half: half["direction"])):
        _, report = paired(apart, halves=1000, portion=600, flows=1000, pending=20_000)
        sides = [half["direction"] for half in apart]
        assert report.paired_flows == min(sides.count("outbound"), sides.count("inbound"))
        assert not report.evicted


def test_lines_of_one_instant_without_partners_are_not_held_together(monkeypatch):
    largest = []
    finish, decide = Pairer.finish, Pairer.decide

    def noted(self, last=None):
        largest.append(0 if last is None else last.num_rows)
        return finish(self, last)

    def noted_too(self, halves, before):
        largest.append(halves.num_rows)
        return decide(self, halves, before)

    monkeypatch.setattr(Pairer, "finish", noted)
    monkeypatch.setattr(Pairer, "decide", noted_too)
    rows = [connection()[1] | {"line_number": number} for number in range(400)]
    little, report = paired(rows, halves=1000, portion=600, flows=1000, pending=40_000)
    assert sorted(inbound if outbound is None else outbound for outbound, inbound, _ in little) == list(range(400))
    assert not report.evicted
    assert max(largest) < 100


def test_a_line_takes_no_more_than_is_shared_out_for_it():
    halves = table([connection()[1] | {"line_number": number} for number in range(20_000)])
    size = halves.get_total_buffer_size()
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        Pairer().finish(halves)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    shared_out = 1 << 30
    rows = memory.capacity(shared_out, size / len(halves))
    assert max(taken, counted.max_memory()) * rows / len(halves) <= shared_out - rows * size / len(halves)


def test_what_was_freed_is_looked_for_only_when_memory_grew(monkeypatch):
    held = [0]
    looked = []
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory, "_left", 0)
    monkeypatch.setattr(memory, "_resident", lambda: held[0] * MIB)
    monkeypatch.setattr(memory, "give_back", lambda: looked.append(held[0]))
    for held[0] in (300, 700, 700, 720, 760, 300, 600, 600):
        memory.keep_below(768 * MIB)
    assert looked == [700, 760, 600]
