"""Traffic: talkers in both roles, load by endpoint, and a timeline that loses nothing."""

from __future__ import annotations

import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.reports import render, traffic


def test_talkers_send_and_receive_in_both_roles():
    some = Flows(
        table(
            flow(request_bytes=10, response_bytes=100),
            flow(src_pod="data/db-0", dst_pod="shop/web-0", dst_service=None, request_bytes=1, response_bytes=2),
        )
    )
    web, db = sorted(traffic(some).talkers, key=lambda row: row.name, reverse=True)
    assert (web.name, web.flows_out, web.flows_in, web.bytes_sent, web.bytes_received, web.peers) == (
        "shop/web", 1, 1, 12, 101, 1,
    )  # fmt: skip
    assert (db.bytes_sent, db.bytes_received) == (101, 12)


def test_big_means_bytes_or_connections():
    some = Flows(table(flow(), flow(), flow(src_pod="a/bulk-0", response_bytes=10**9)))
    assert [row.source for row in traffic(some).pairs] == ["a/bulk", "shop/web"]
    assert [row.source for row in traffic(some, sort="flows").pairs] == ["shop/web", "a/bulk"]
    assert traffic(some, by="namespace").pairs[0].source == "a"
    with pytest.raises(UsageError, match="choose bytes or flows"):
        traffic(some, sort="size")


def test_uneven_load_shows_by_endpoint():
    even = {"dst_service": "even.data.svc.cluster.local", "dst_pod": "data/even-0"}
    some = Flows(table(*[flow(dst_pod="data/db-0")] * 3, flow(dst_pod="data/db-1", dst_node="node-c"), flow(**even)))
    assert [(row.service, row.endpoint, row.node, row.flows_share) for row in traffic(some).endpoints] == [
        ("db.data.svc.cluster.local", "data/db-0", "node-b", 0.75),
        ("db.data.svc.cluster.local", "data/db-1", "node-c", 0.25),
    ]


def test_the_timeline_has_round_steps():
    report = traffic(Flows(table(flow(0), flow(65), flow(66, verdict="denied"), flow(start=None, end=None))))
    assert report.step_seconds == 2
    assert [(f"{m.start:%H:%M:%S}", m.flows, m.denied) for m in report.timeline] == [
        ("12:48:50", 1, 0), ("12:49:56", 2, 1),
    ]  # fmt: skip
    assert report.timeless == 1
    assert "Not in the timeline: 1 connection without a time." in report.notes()


@quick
@given(flows(), st.integers(0, 4 * 10**8))
def test_every_connection_is_in_the_timeline_once(some, late):
    rows = some.to_arrow().to_pylist()
    report = traffic(Flows(table(*rows, flow(late))))
    assert sum(moment.flows for moment in report.timeline) + report.timeless == len(rows) + 1
    starts = [moment.start for moment in report.timeline]
    assert starts == sorted(set(starts))
    assert len(starts) <= 60
    assert report.step_seconds is not None
    assert all(int(start.timestamp()) % report.step_seconds == 0 for start in starts)


def test_waypoint_traffic_is_said_to_count_twice():
    assert "two connections, client to waypoint and waypoint to server" in render(traffic(Flows()), "text")
