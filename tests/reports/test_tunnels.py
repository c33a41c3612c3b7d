"""Tunnels: which connections shared one, and how many at a time."""

from __future__ import annotations

from halves_by_hand import connection
from halves_by_hand import table as halves_table

from ztflow.model.tables import Flows, Halves
from ztflow.reports import render, tunnels


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
