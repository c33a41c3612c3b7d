"""Flows that an earlier build saved: its `src_workload` is what is called `src_name` today."""

from __future__ import annotations

from flows_by_hand import flow, table

from ztflow.model.earlier import is_earlier_flows, renamed_flows

TODAY = table(flow(), flow())


def test_the_names_as_logged_move_and_nothing_else():
    kept = [name for name in TODAY.column_names if name not in {"src_workload", "dst_workload"}]
    names = [{"src_name": "src_workload", "dst_name": "dst_workload"}.get(name, name) for name in kept]
    earlier = TODAY.select(kept).rename_columns(names)
    assert is_earlier_flows(earlier)
    assert renamed_flows(earlier).equals(TODAY.select(kept))


def test_a_table_of_today_stays():
    assert not is_earlier_flows(TODAY)
    assert renamed_flows(TODAY) is TODAY
