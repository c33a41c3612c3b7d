"""Traffic: talkers in both roles, load by endpoint, and a timeline that loses nothing."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from flow_strategies import flows, quick
from flows_by_hand import END, flow, table
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


def test_the_timeline_has_round_steps_and_the_empty_ones():
    report = traffic(Flows(table(flow(0), flow(65), flow(66, verdict="denied"), flow(start=None, end=None))))
    assert report.step_seconds == 2
    assert len(report.timeline) == 34
    assert [(f"{m.start:%H:%M:%S}", m.flows, m.denied) for m in report.timeline if m.flows] == [
        ("12:48:50", 1, 0), ("12:49:56", 2, 1),
    ]  # fmt: skip
    assert report.timeless == 1
    assert "Not in the timeline: 1 connection without a time." in report.notes()


@quick
@given(flows(), st.data())
def test_the_steps_add_up_to_every_connection_and_every_byte(some, data):
    every = data.draw(st.sampled_from([None, "30d"]))  # shorter steps are millions where a flow lives for a century
    rows = Flows(table(*some.to_arrow().to_pylist(), flow(data.draw(st.integers(0, 4 * 10**8)))))
    report = traffic(rows, every=every)
    timed = [row for row in rows.rows() if row["end"] or row["start"]]
    assert sum(moment.flows for moment in report.timeline) == len(timed) == len(rows) - report.timeless
    for name in ("request_bytes", "response_bytes"):
        assert sum(getattr(moment, name) for moment in report.timeline) == sum(row[name] or 0 for row in timed)
        assert min(getattr(moment, name) for moment in report.timeline) >= 0
    starts = [moment.start for moment in report.timeline]
    assert len(set(starts)) == len(starts)
    assert report.step_seconds is not None
    assert {(later - start).total_seconds() for start, later in pairwise(starts)} <= {report.step_seconds}
    if every is None:
        assert len(starts) <= 60
        return
    moved = sum(moment.bytes for moment in report.timeline)
    assert sum(sum(name.sent) for name in report.over_time) == moved
    assert sum(sum(name.received) for name in report.over_time) == moved
    assert sum(sum(name.opened) for name in report.over_time) == len(timed)
    assert {len(name.sent) for name in report.over_time} == {len(starts)}


def test_bytes_of_a_long_connection_are_spread_and_folded_when_it_is_old():
    begins = END.replace(second=0, microsecond=0)
    long = flow(start=begins, end=begins + timedelta(minutes=3), request_bytes=3000, response_bytes=0)
    report = traffic(Flows(table(long, flow(start=END, request_bytes=0, response_bytes=7))), every="1m")
    assert [moment.request_bytes for moment in report.timeline] == [1000, 1000, 1000, 0]
    (web,) = [name for name in report.over_time if name.name == "shop/web"]
    assert (web.sent, web.received) == ((1000, 1000, 1000, 0), (7, 0, 0, 0))
    old = flow(start=END - timedelta(days=20), end=END, request_bytes=20 * 24 * 3600, response_bytes=0)
    folded = traffic(Flows(table(old, flow(60))), every="10s")
    assert folded.folded
    assert sum(moment.request_bytes for moment in folded.timeline) == 20 * 24 * 3600 + 84
    assert folded.timeline[0].request_bytes > 20 * 24 * 3600 - 20
    assert "The first row is all that passed before" in render(folded, "text")


def test_names_beyond_the_bound_are_put_together(monkeypatch):
    monkeypatch.setattr("ztflow.reports.over_time._CELLS", 3)
    rows = Flows(table(*[flow(src_pod=f"shop/w{number}-0", request_bytes=number) for number in range(5)]))
    names = traffic(rows, every="1h").over_time
    assert [name.name for name in names] == ["data/db", "shop/w4", "(others)"]
    assert sum(sum(name.sent) for name in names) == sum(range(5)) + 5 * 9832


def test_a_chart_is_as_wide_as_there_is_room_for():
    rows = Flows(table(*[flow(60 * number, request_bytes=number * 1000) for number in range(100)]))
    shown = {width: render(traffic(rows, every="1m"), "text", width=width) for width in (80, 200)}
    assert "█" in shown[80]
    assert max(map(len, shown[80].split("Each")[0].splitlines()[6:])) <= 80
    for width, bars in ((80, 16), (200, 40)):
        (chart,) = [word for line in shown[width].splitlines() if line.startswith("shop/web")
                    for word in line.split() if "█" in word]  # fmt: skip
        assert len(chart) == bars


def test_waypoint_traffic_is_said_to_count_twice():
    assert "two connections, client to waypoint and waypoint to server" in render(traffic(Flows()), "text")
