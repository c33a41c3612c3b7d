"""Order of time with bounded memory: what went by way of the disk is what did not."""

from __future__ import annotations

import pyarrow as pa
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import logs

import ztflow
from ztflow import order
from ztflow.order import EndOrder, LogOrder
from ztflow.tables import FLOWS_SCHEMA


def lines_of(tables):
    return [line for part in tables for line in part.column("line_number").to_pylist()]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=8), st.integers(1, 40))
def test_slices_are_in_order_and_lose_nothing(batches, limit):
    rows = [[half | {"line_number": n, "time": n} for n in batch for half in connection()[:1]] for batch in batches]
    with LogOrder(limit=limit) as kept:
        for batch in rows:
            kept.add(table(batch))
        assert lines_of(kept.slices()) == sorted(n for batch in batches for n in batch)


def test_rows_without_a_time_come_last():
    rows = [connection(line=1)[0] | {"time": None}, connection(line=2)[0]]
    for limit in (1, 100):
        with LogOrder(limit=limit) as kept:
            kept.add(table(rows))
            assert lines_of(kept.slices()) == [2, 1]


def test_files_are_removed_when_reading_breaks_off():
    kept = LogOrder(limit=1)
    with pytest.raises(RuntimeError, match="broken"), kept:  # noqa: PT012
        kept.add(table(connection()))
        path = kept._pieces[0].path
        assert path.exists()
        raise RuntimeError("broken")
    assert not path.exists()


@pytest.mark.parametrize("run", ["1.29.5-storm", "1.22.0-json"])
def test_flows_by_way_of_the_disk_are_the_same(run, monkeypatch):
    whole = ztflow.read_flows(*logs(run))
    monkeypatch.setattr(order, "SLICE", 700)
    monkeypatch.setattr(order, "PIECE", 300)
    monkeypatch.setattr(order.LogOrder.__init__, "__kwdefaults__", {"limit": 1000})
    sliced = ztflow.read_flows(*logs(run))
    key = lambda row: (row["end"], str(row["outbound_file"]), row["outbound_line"] or 0, row["inbound_line"] or 0)  # noqa: E731
    assert [row["end"] for row in sliced.rows()] == sorted(row["end"] for row in sliced.rows())
    assert sorted(sliced.rows(), key=key) == sorted(whole.rows(), key=key)
    assert sliced.stats == whole.stats


def test_flows_wait_for_those_that_end_before_them():
    def flows(*ends):
        return pa.Table.from_pylist([dict.fromkeys(FLOWS_SCHEMA.names) | {"end": end} for end in ends], FLOWS_SCHEMA)

    def ends(part):
        return part.column("end").cast(pa.int64()).to_pylist()

    kept = EndOrder()
    assert ends(kept.push(flows(5, 3), 4)) == [3]
    assert ends(kept.push(flows(4), 5)) == [4]
    assert ends(kept.push(flows(None, 7, 8, 9, 10, 11), 6)) == []  # one of seven is not worth a sort
    assert ends(kept.push(flows(6), 8)) == [5, 6, 7]
    assert ends(kept.finish()) == [8, 9, 10, 11, None]
