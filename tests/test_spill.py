"""Order of time with bounded memory: what went by way of the disk is what did not."""

from __future__ import annotations

import pyarrow as pa
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import logs

import ztflow
from ztflow import memory, spill
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.runs import Runs
from ztflow.spill import EndOrder, LogOrder


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


def test_lines_that_come_in_order_go_to_disk_sooner_than_those_that_have_to_be_sorted():
    rows = [[connection(line=n)[0] | {"time": n} for n in range(start, start + 20)] for start in range(0, 200, 18)]
    same = [[connection(line=n)[0] | {"time": n} for n in range(20)] for _ in rows]
    size = table(rows[0]).get_total_buffer_size()
    for batches, sooner in ((rows, True), (same, False)):
        with LogOrder(limit=100 * size, in_order=4 * size) as kept:
            for batch in batches:
                kept.add(table(batch))
            assert bool(kept._away) is sooner
            assert lines_of(kept.slices()) == sorted(row["line_number"] for batch in batches for row in batch)


def test_columns_that_hold_nothing_take_no_room_on_disk_and_come_back_as_they_were():
    halves = table([connection(client=n)[0] | {"time": n} for n in range(2000)])
    empty = [name for name in halves.column_names if halves.column(name).null_count == len(halves)]
    held = halves.set_column(
        halves.schema.get_field_index("src_ip"), "src_ip", pa.nulls(len(halves), halves.schema.field("src_ip").type)
    )
    runs, fewer = Runs("time", 1 << 16), Runs("time", 1 << 16)
    try:
        stretches = runs.write(held.combine_chunks())
        read = pa.concat_tables(map(runs.read, stretches))
        assert read.schema == held.schema
        assert read.to_pylist() == held.to_pylist()
        assert len(stretches) > 1
        smaller = fewer.write(held.drop_columns([*empty, "src_ip"]).combine_chunks())
        full, less = (sum(path.stat().st_size for path in {one.path for one in some}) for some in (stretches, smaller))
        assert full < less * 1.2
    finally:
        runs.remove()
        fewer.remove()


def test_rows_without_a_time_come_last():
    rows = [connection(line=1)[0] | {"time": None}, connection(line=2)[0]]
    for limit in (1, 100):
        with LogOrder(limit=limit) as kept:
            kept.add(table(rows))
            assert lines_of(kept.slices()) == [2, 1]


@pytest.mark.parametrize("limit", [2, 100])
def test_of_equal_times_the_batch_that_came_first_is_first(limit):
    with LogOrder(limit=limit) as kept:
        for batch in ((1, 2), (3, 4), (5, 6)):
            kept.add(table([connection(line=line)[0] for line in batch]))
        assert lines_of(kept.slices()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limit", [1, 1 << 30])
def test_a_slice_has_no_words_of_those_before_it(limit):
    with LogOrder(limit=limit, portion=1) as kept:
        for batch in range(30):
            rows = [connection(client=20 * batch + n)[0] | {"time": 100 * batch + 7 * n} for n in range(20)]
            kept.add(table(rows))
        words = [len(part.column("src_ip").chunk(0).dictionary) for part in kept.slices()]
    assert len(words) > 10
    assert max(words) <= 80


def test_files_are_removed_when_reading_breaks_off():
    kept = LogOrder(limit=1)
    with pytest.raises(RuntimeError, match="broken"), kept:  # noqa: PT012
        kept.add(table(connection()))
        path = kept._away[0].where.path
        assert path.exists()
        raise RuntimeError("broken")
    assert not path.exists()


@pytest.mark.parametrize("run", ["1.29.5-storm", "1.22.0-json"])
def test_flows_by_way_of_the_disk_are_the_same(run, monkeypatch):
    whole = ztflow.read_flows(*logs(run))
    little = memory.DEFAULT._replace(halves=200_000, portion=150_000, flows=10_000, ends=20)
    monkeypatch.setattr(memory, "DEFAULT", little)
    sliced = ztflow.read_flows(*logs(run))
    key = lambda row: (row["end"], str(row["outbound_file"]), row["outbound_line"] or 0, row["inbound_line"] or 0)  # noqa: E731
    assert [row["end"] for row in sliced.rows()] == sorted(row["end"] for row in sliced.rows())
    assert sorted(sliced.rows(), key=key) == sorted(whole.rows(), key=key)
    assert sliced.stats == whole.stats


def flows(*ends, line=0):
    rows = [dict.fromkeys(FLOWS_SCHEMA.names) | {"end": end, "outbound_line": line} for end in ends]
    return pa.Table.from_pylist(rows, FLOWS_SCHEMA)


def pushed(kept, table, until):
    kept.hold(table)
    return kept.before(until)


def ends(*parts):
    return [end for part in parts for end in part.column("end").cast(pa.int64()).to_pylist()]


@pytest.mark.parametrize("limit", [0, 1, 3, 100])
def test_flows_wait_for_those_that_end_before_them(limit):
    with EndOrder(limit=limit) as kept:
        assert ends(*pushed(kept, flows(5, 3), 4)) == [3]
        assert ends(*pushed(kept, flows(4), 5)) == [4]
        assert ends(*pushed(kept, flows(None, 7, 8, 9, 10, 11), 5)) == []
        assert ends(*pushed(kept, flows(6), 8)) == [5, 6, 7]
        assert ends(*kept.finish()) == [8, 9, 10, 11, None]
        assert ends(*kept.finish()) == []


@settings(deadline=None)
@given(
    st.lists(st.lists(st.none() | st.integers(0, 50), max_size=12), max_size=12), st.integers(0, 30), st.integers(1, 5)
)
def test_flows_by_way_of_the_disk_come_in_the_order_of_those_that_stayed(batches, limit, piece):
    def given_out(limit):
        out = []
        with EndOrder(limit=limit, portion=6 * 10_000) as kept:
            for number, batch in enumerate(batches):
                out += pushed(kept, flows(*batch, line=number), 4 * number)
            out += kept.finish()
        return [row for part in out for row in zip(ends(part), part.column("outbound_line").to_pylist(), strict=True)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "STRETCHES", piece)
        rows = given_out(limit)
    assert rows == given_out(10_000)
    wanted = [(end, number) for number, batch in enumerate(batches) for end in batch]
    assert sorted(rows, key=str) == sorted(wanted, key=str)
    late = [4 * number > end for number, batch in enumerate(batches) for end in batch if end is not None]
    if not any(late):
        assert rows == sorted(wanted, key=lambda row: (row[0] is None, row[0] or 0))


def test_what_becomes_free_at_once_comes_in_slices():
    row = flows(*range(200)).get_total_buffer_size() // 200
    with EndOrder(limit=0, portion=spill.STRETCHES * 10 * row) as kept:
        for run in range(5):
            kept.hold(flows(*range(run, 1000, 5)))
        sizes = [part.num_rows for part in pushed(kept, flows(2000), 1500)]
        assert sum(sizes) == 1000
        assert max(sizes) <= (spill.STRETCHES + 5) * 11
        assert ends(*kept.finish()) == [2000]


def test_the_files_of_flows_are_removed():
    with EndOrder(limit=0) as kept:
        kept.hold(flows(1, 2))
        path = kept._held[0].stretches[0].path
        assert path.exists()
    assert not path.exists()
