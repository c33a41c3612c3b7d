"""Loss, tunnels, clocks, waypoints: what only two halves and their places in the input can tell."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from truth import logs, true_rows

import ztflow
from ztflow.aggregate import UNKNOWN
from ztflow.model.tables import Flows, Halves
from ztflow.model.vocabulary import Unpaired
from ztflow.pair import Pairer
from ztflow.reports import clocks, loss, render, tunnels, waypoints
from ztflow.reports.loss import LOSS

CAPTURED = Path(__file__).parents[2] / "fixtures" / "captured"


def lone(side, reason, **values):
    return flow(paired=f"{side}_only", unpaired_reason=reason, **values)


def test_every_reason_pairing_gives_has_a_meaning():
    assert set(LOSS) == {str(reason) for reason in Unpaired}


def test_a_missing_half_belongs_to_the_other_ends_node():
    some = Flows(
        table(
            flow(),
            lone("outbound", "partner_missing"),
            lone("outbound", "destination_not_captured", dst_node="node-z"),
            lone("inbound", "partner_missing", src_node=None),
            lone("outbound", "plaintext"),
            lone("inbound", "source_not_captured"),
        )
    )
    report = loss(some)
    nodes = {row.node: (row.seen, row.missing, row.maybe, row.verdict) for row in report.nodes}
    assert nodes == {
        "node-a": (4, 0, 1, "nothing missing for sure"),
        "node-b": (3, 1, 0, "lines missing"),
        "node-z": (0, 1, 0, "log seems missing altogether"),
        UNKNOWN: (0, 1, 0, "node unknown"),
    }
    assert report.findings == 3
    lost = {(row.reason, row.missing): row.loss for row in report.reasons}
    assert lost[("plaintext", "inbound")] == "no"
    assert lost[("source_not_captured", "outbound")] == "maybe"


def test_minutes_name_the_node_that_lost_most():
    some = Flows(
        table(
            flow(),
            lone("outbound", "partner_missing"),
            lone("outbound", "partner_missing"),
            lone("inbound", "partner_missing"),
            lone("outbound", "partner_missing", seconds=70),
            lone("outbound", "late", start=None, end=None),
            flow(200),
        )
    )
    report = loss(some)
    assert [(f"{row.start:%H:%M}", row.flows, row.missing, row.node) for row in report.minutes] == [
        ("12:48", 4, 3, "node-b"), ("12:50", 1, 1, "node-b"),
    ]  # fmt: skip
    assert report.timeless == 1
    assert "1 missing half without a time" in render(report, "text")


def test_a_reason_of_a_newer_release_is_not_called_lost():
    report = loss(Flows(table(lone("outbound", "of tomorrow"), lone("outbound", None))))
    assert {(row.reason, row.loss) for row in report.reasons} == {("of tomorrow", "maybe"), (None, "maybe")}
    assert report.findings == 0


def test_a_node_whose_log_is_left_out_is_found():
    run = "1.29.5-json"
    places = [CAPTURED / run / name for name in ("pods.txt", "nodes.txt")]
    kept = [path for path in logs(run) if "9xw2d" not in path.name]
    report = loss(ztflow.read_flows(*kept, inventory=places))
    worst = report.nodes[0]
    assert worst.node == "node-b"
    assert worst.seen == 0
    assert worst.missing > 0
    whole = loss(ztflow.read_flows(*logs(run), inventory=places))
    assert whole.findings < report.findings / 5


def tunnel_halves(*starts_and_ports, duration=1000):
    rows = []
    for number, (end, port) in enumerate(starts_and_ports):
        rows += connection(end, line=number + 1, duration=duration, inn={"src_port": port})
    return Halves(halves_table(rows))


def test_connections_of_one_port_share_a_tunnel():
    halves = tunnel_halves((1, 40000), (1.5, 40000), (9, 40000), (9, 40001))
    report = tunnels(Flows(), halves)
    assert report.inbound_halves == 4
    assert report.reuse == 0.5
    assert (report.streams_p50, report.streams_max) == (1, 3)
    first = report.tunnels[0]
    assert (first.source, first.target, first.source_port, first.streams, first.concurrent) == (
        "a/client-1", "b/server-2", 40000, 3, 2,
    )  # fmt: skip
    assert first.life.total_seconds() == 9
    assert first.bytes == 1200
    (pair,) = report.pairs
    assert (pair.source, pair.target, pair.tunnels, pair.streams, pair.streams_per_tunnel) == (
        "a/client",
        "b/server",
        2,
        4,
        2,
    )


def test_a_port_used_again_after_the_idle_limit_is_another_tunnel():
    assert [row.streams for row in tunnels(Flows(), tunnel_halves((1, 40000), (301, 40000))).tunnels] == [2]
    assert [row.streams for row in tunnels(Flows(), tunnel_halves((1, 40000), (302.5, 40000))).tunnels] == [1, 1]


def test_a_long_connection_keeps_its_tunnel_alive():
    rows = connection(1000, duration=999_000, inn={"src_port": 40000}) + connection(
        700, line=2, duration=10, inn={"src_port": 40000}
    )
    (tunnel,) = tunnels(Flows(), Halves(halves_table(rows))).tunnels
    assert (tunnel.streams, tunnel.concurrent) == (2, 2)


def test_connections_that_follow_each_other_do_not_overlap():
    (tunnel,) = tunnels(Flows(), tunnel_halves((1, 40000), (2, 40000), (2, 40000), duration=1000)).tunnels
    assert tunnel.concurrent == 2
    instant = tunnels(Flows(), tunnel_halves((1, 40000), (2, 40000), duration=0)).tunnels[0]
    assert instant.concurrent == 1


def test_lines_without_port_or_time_are_counted():
    rows = connection(inn={"src_port": None}) + connection(line=2, inn={"time": None}) + connection(line=3)
    report = tunnels(Flows(), Halves(halves_table(rows)))
    assert (report.inbound_halves, report.unusable, len(report.tunnels)) == (3, 2, 1)
    assert "2 inbound lines without source port or time" in render(report, "text")


def paired(halves):
    rows = halves_table(halves)
    both = Halves(rows)
    pairer = Pairer(window=timedelta.max)
    pairer.push(both)
    return pairer.finish(), both


def skewed(client, server, ahead, number, delay=200):
    """A connection whose outbound line is written `ahead` microseconds early or late, plus the delay."""
    return connection(
        number, client=client, server=server, request=100 + number, line=number + 1, delay_us=ahead + delay
    )


def test_connections_both_ways_give_the_offset():
    halves = [row for number in range(20) for row in skewed(1, 2, 300_000, number)]
    halves += [row for number in range(20, 40) for row in skewed(2, 1, -300_000, number, delay=400)]
    report = clocks(*paired(halves))
    (offset,) = report.offsets
    assert (offset.ztunnel, offset.other, offset.both_ways, offset.flows) == ("ztunnel-1", "ztunnel-2", True, 40)
    assert offset.offset_ms == pytest.approx(299.9, abs=0.2)
    assert offset.delay_ms == pytest.approx(0.3, abs=0.01)
    assert report.findings == 1


def test_one_way_only_is_said_to_mix_offset_and_delay():
    halves = [row for number in range(20) for row in skewed(1, 2, 300_000, number)]
    report = clocks(*paired(halves))
    (offset,) = report.offsets
    assert (offset.both_ways, offset.delay_ms) == (False, None)
    assert report.findings == 0, "it may all be delay"
    assert "one way: offset and delay together" in render(report, "text")


def test_uncertain_pairs_and_missing_lines_are_not_compared():
    flows, halves = paired(connection(0) + connection(0.00001, line=2))
    assert {row["paired"] for row in flows.to_arrow().to_pylist()} == {"ambiguous"}
    assert clocks(flows, halves).compared == 0
    flows, _ = paired(connection(0))
    assert clocks(flows, Halves()).compared == 0


def hop(number, **values):
    return flow(
        path="waypoint", dst_pod="shop/way-0", dst_workload="way-0", paired="outbound_only", inbound_file=None,
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
