"""Waypoints: which second hop carried on what a client sent to a waypoint."""

from __future__ import annotations

from flows_by_hand import flow, table
from truth import logs, true_rows

import ztflow
from ztflow.model.tables import Flows
from ztflow.reports import waypoints


def hop(number, **values):
    return flow(
        path="waypoint", dst_pod="shop/way-0", dst_name="way-0", paired="outbound_only", inbound_file=None,
        inbound_line=None, outbound_file="a.log", outbound_line=number, **values,
    )  # fmt: skip


def test_hops_are_chained_by_the_place_of_the_next():
    second = flow(
        src_pod="shop/way-0", paired="inbound_only", dst_service=None, outbound_file=None, outbound_line=None,
        inbound_file="b.log", inbound_line=7, request_bytes=50, response_bytes=60, locality="same_node",
    )  # fmt: skip
    some = Flows(
        table(
            hop(1, next_hop_file="b.log", next_hop_line=7),
            hop(2, next_hop_file="b.log", next_hop_line=7),
            hop(3, next_hop_file="gone.log", next_hop_line=7),
            hop(4),
            second,
            flow(),
        )
    )
    report = waypoints(some)
    assert (report.first_hops, report.linked) == (4, 2)
    assert waypoints(Flows(table(flow(path="double_hbone")))).first_hops == 0, "one connection, end to end"
    chains = {(row.source, row.waypoint, row.target): row for row in report.chains}
    linked = chains[("shop/web", "shop/way", "data/db")]
    assert (linked.flows, linked.second_flows, linked.second_bytes) == (2, 1, 110), "one connection, counted once"
    assert (linked.crossing_first, linked.crossing_second) == (2, 0)
    lost = chains[("shop/web", "shop/way", None)]
    assert (lost.flows, lost.second_flows, lost.second_bytes) == (2, 0, None)
    assert linked.service == "db.data.svc.cluster.local"


def test_a_captured_storm_goes_through_its_waypoint():
    run = "1.29.5-storm"
    report = waypoints(ztflow.read_flows(*logs(run)))
    true = [row for row in true_rows(run) if row["next_hop_inbound"] != "-"]
    assert report.first_hops == len(true)
    assert report.linked > 0.99 * len(true)
    assert {chain.waypoint for chain in report.chains} == {"shop/way"}
