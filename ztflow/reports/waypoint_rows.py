"""The rows of `report waypoints`, made from the traffic of waypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.aggregate import Measures, View, measure, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.dtypes import NO_TIME, BoolArray, Integers
from ztflow.columns.grouping import Groups, Members, group
from ztflow.model.vocabulary import REFUSED, ErrorClass
from ztflow.reports.joins import NO_ROW
from ztflow.reports.refusals import same, wanted_port
from ztflow.reports.waypoint_hops import KnownBy, MayBeOf, WaypointTraffic

_CLOCKS = 100_000
"""Microseconds two nodes' clocks may differ when lives of connections are compared."""


@dataclass(frozen=True, slots=True)
class Waypoint:
    """Both sides of a waypoint.

    Attributes:
        waypoint: Its workload.
        identity: Its SPIFFE identity, which is what its servers see.
        flows: Connections of clients to it.
        bytes: Their payload both ways.
        server_flows: Connections of its own to servers, of which there is a line.
        server_bytes: Their payload both ways.
        closed: Of these, closed by the waypoint with an error line that is none.
        denied: Of these, refused by a policy at the server.
        failed: Of these, failed otherwise.
    """

    waypoint: str
    identity: str | None
    flows: int
    bytes: int
    server_flows: int
    server_bytes: int
    closed: int
    denied: int
    failed: int


@dataclass(frozen=True, slots=True)
class Through:
    """What came to a waypoint for one service, and what went to that service's pods past it.

    Attributes:
        service: The service, or the workload and port where clients dialled an address of no service.
        waypoint: The waypoint's workload.
        clients: Workloads that came.
        flows: Connections of clients to the waypoint.
        bytes: Their payload both ways.
        refused: Of these, denied or failed.
        carried_on: Of these, with a connection of the waypoint that ended with them and moved the same bytes.
        alongside: Of the others, while a connection of the waypoint to servers of this service was open.
        unseen: The rest: no line of such a connection yet.
        servers: Workloads and ports that stand behind the service; empty where no line shows any.
        past_flows: Connections that reached these servers from others; None where no server is known.
        past_bytes: Their payload both ways; likewise.
        past_plaintext: Of these connections, not encrypted by the mesh; likewise.
    """

    service: str
    waypoint: str
    clients: int
    flows: int
    bytes: int
    refused: int
    carried_on: int
    alongside: int
    unseen: int
    servers: tuple[str, ...]
    past_flows: int | None
    past_bytes: int | None
    past_plaintext: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """Connections of one client to a waypoint for one service.

    Attributes:
        source: The client's workload.
        identity: Its SPIFFE identity.
        waypoint: The waypoint's workload.
        service: As in `Through`.
        measures: Sums.
    """

    source: str
    identity: str | None
    waypoint: str
    service: str
    measures: Measures


@dataclass(frozen=True, slots=True)
class Hop:
    """Connections of a waypoint to one server.

    Attributes:
        waypoint: The waypoint's workload.
        target: The server's workload.
        target_nodes: Known nodes of the server.
        port: The port they asked for.
        services: The service they are of, as in `Through`; several where the log does not tell which; none where no
            client's line of that waypoint is there.
        known_by: How that is known: a key of `KNOWN_BY`; None where it is not.
        closed: Connections the waypoint closed with an error line that is none.
        carried_on: Connections that carry on one client's connection, by size and end.
        measures: Sums.
    """

    waypoint: str
    target: str
    target_nodes: tuple[str, ...]
    port: int | None
    services: tuple[str, ...]
    known_by: KnownBy | None
    closed: int
    carried_on: int
    measures: Measures


def waypoints_of(traffic: WaypointTraffic) -> tuple[Waypoint, ...]:
    """One row a waypoint, busiest first."""
    ends, count = traffic.ends, len(traffic.ends.all)
    both = np.concatenate([traffic.to, traffic.back])
    part = traffic.view.take(both)
    groups = group([(np.concatenate([traffic.to_waypoint, traffic.back_waypoint]), count)], len(both))
    behind = np.arange(len(both)) >= len(traffic.to)
    to, back = part.where(~behind), part.where(behind)
    identities = [
        seen or own
        for seen, own in zip(
            same(to, Groups(groups.codes[~behind], groups.first), "dst_identity"),
            same(back, Groups(groups.codes[behind], groups.first), "src_identity"),
            strict=True,
        )
    ]
    size = len(groups)
    first, second = (
        [tally(groups.codes[mask], size).tolist(), _bytes(view, groups.codes[mask], size)]
        for view, mask in ((to, ~behind), (back, behind))
    )
    ended = [
        tally(groups.codes[behind], size, mask).tolist()
        for mask in (
            back.equals("error_class", ErrorClass.WAYPOINT_CLOSED),
            *(back.equals("verdict", verdict) for verdict in REFUSED),
        )
    ]
    codes = np.concatenate([traffic.to_waypoint, traffic.back_waypoint])[groups.first].tolist()
    rows = [
        Waypoint(ends.id(code), identity, *sums)
        for code, identity, *sums in zip(codes, identities, *first, *second, *ended, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.flows, -row.server_flows, row.waypoint)))


def services_of(traffic: WaypointTraffic) -> tuple[Through, ...]:
    """One row a waypoint and service, busiest first."""
    ends, part, view = traffic.ends, traffic.view.take(traffic.to), traffic.view
    groups = group([(traffic.to_waypoint, len(ends.all)), (traffic.to_asked, len(traffic.asked))], len(traffic.to))
    count = len(groups)
    refused = part.equals("verdict", *REFUSED)
    carried = (traffic.follower != NO_ROW) & ~refused
    alongside = _alongside(traffic) & ~carried & ~refused
    tallies = [tally(groups.codes, count, mask).tolist() for mask in (None, refused, carried, alongside)]
    clients = Members(groups, ends.source[traffic.to], len(ends.all))
    size = _bytes(part, groups.codes, count)
    past = traffic.past[~view.equals("verdict", *REFUSED)[traffic.past]]
    server = traffic.servers.codes[past]
    known = view.take(past)
    mtls, told = known.numbers("mtls")
    everywhere = len(traffic.servers)
    reached, plain = tally(server, everywhere), tally(server, everywhere, told & ~mtls.astype(bool))
    moved = _bytes(known, server, everywhere)
    rows = []
    for number, row in enumerate(groups.first.tolist()):
        asked = int(traffic.to_asked[row])
        servers = sorted(traffic.behind.get(asked, ()))
        flows, failed, followed, beside = (values[number] for values in tallies)
        rows.append(
            Through(
                traffic.asked[asked].name,
                ends.id(int(traffic.to_waypoint[row])),
                len(clients[number]),
                flows,
                size[number],
                failed,
                followed,
                beside,
                flows - failed - followed - beside,
                tuple(sorted(_server_name(traffic, one) for one in servers)),
                int(reached[servers].sum()) if servers else None,
                sum(moved[one] for one in servers) if servers else None,
                int(plain[servers].sum()) if servers else None,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.flows, row.service, row.waypoint)))


def clients_of(traffic: WaypointTraffic) -> tuple[Client, ...]:
    """One row a client, waypoint and service, busiest first."""
    ends, part = traffic.ends, traffic.view.take(traffic.to)
    identity = part.labels("src_identity")
    groups = group(
        [
            (ends.source[traffic.to], len(ends.all)), identity.part, (traffic.to_waypoint, len(ends.all)),
            (traffic.to_asked, len(traffic.asked)),
        ],
        len(part),
    )  # fmt: skip
    rows = [
        Client(
            ends.id(int(ends.source[traffic.to[row]])),
            identity.words[identity.codes[row]] if identity.codes[row] >= 0 else None,
            ends.id(int(traffic.to_waypoint[row])),
            traffic.asked[traffic.to_asked[row]].name,
            measured,
        )
        for row, measured in zip(groups.first.tolist(), measure(part, groups), strict=True)
    ]
    return tuple(
        sorted(rows, key=lambda row: (-row.measures.flows, row.source, row.service, row.waypoint, row.identity or ""))
    )


def hops_of(traffic: WaypointTraffic) -> tuple[Hop, ...]:
    """One row a waypoint, server and what its connections may be of: each flow behind a waypoint is in exactly one."""
    ends, part = traffic.ends, traffic.view.take(traffic.back)
    groups = group(
        [
            (traffic.back_waypoint, len(ends.all)), (traffic.servers.codes[traffic.back], len(traffic.servers)),
            (traffic.back_set, len(traffic.sets)),
        ],
        len(part),
    )  # fmt: skip
    closed = tally(groups.codes, len(groups), part.equals("error_class", ErrorClass.WAYPOINT_CLOSED)).tolist()
    carrying: BoolArray = np.zeros(len(part), np.bool_)
    carrying[traffic.follower[traffic.follower != NO_ROW]] = True
    carried = tally(groups.codes, len(groups), carrying).tolist()
    ports = wanted_port(part)
    nodes = vertices(part, "node")
    on = Members(groups, nodes.target, len(nodes.all))
    rows = [
        Hop(
            ends.id(int(traffic.back_waypoint[row])),
            ends.id(int(ends.target[traffic.back[row]])),
            nodes.known(on[number]),
            int(ports[row]) if ports[row] >= 0 else None,
            *_told(traffic, traffic.sets[traffic.back_set[row]]),
            closed[number],
            carried[number],
            measured,
        )
        for number, (row, measured) in enumerate(zip(groups.first.tolist(), measure(part, groups), strict=True))
    ]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                -row.measures.flows,
                row.waypoint,
                row.target,
                row.port or 0,
                row.services,
                row.known_by or "",
            ),
        )
    )


def _told(traffic: WaypointTraffic, may_be: MayBeOf) -> tuple[tuple[str, ...], KnownBy | None]:
    return tuple(traffic.asked[one].name for one in may_be.asked), may_be.known_by if may_be.asked else None


def _bytes(view: View, codes: Integers, count: int) -> list[int]:
    request, response = (sums(view, f"{way}_bytes", codes, count) for way in ("request", "response"))
    return [one + other for one, other in zip(request, response, strict=True)]


def _server_name(traffic: WaypointTraffic, server: int) -> str:
    row = traffic.servers.first[server : server + 1]
    port = int(wanted_port(traffic.view.take(row))[0])
    name = traffic.ends.id(int(traffic.ends.target[row[0]]))
    return f"{name}:{port}" if port >= 0 else name


def _alongside(traffic: WaypointTraffic) -> BoolArray:
    """Which clients' connections lived while a connection of their waypoint to a server of that service did."""
    found: BoolArray = np.zeros(len(traffic.to), np.bool_)
    began, ended = traffic.view.seen()
    pairs = group(
        [(traffic.to_waypoint, len(traffic.ends.all)), (traffic.to_asked, len(traffic.asked))], len(traffic.to)
    )
    timed = began[traffic.back] != NO_TIME
    order = np.argsort(pairs.codes, kind="stable")
    edges = np.searchsorted(pairs.codes[order], np.arange(len(pairs) + 1))
    for number, head in enumerate(pairs.first.tolist()):
        asked = int(traffic.to_asked[head])
        may = np.array([asked in one.asked for one in traffic.sets] or [False], np.bool_)[traffic.back_set]
        mask = may & timed & (traffic.back_waypoint == traffic.to_waypoint[head])
        hops = traffic.back[mask]
        if not len(hops):
            continue
        mine = order[edges[number] : edges[number + 1]]
        rows = traffic.to[mine]
        had_begun = np.searchsorted(np.sort(began[hops]), ended[rows] + _CLOCKS, side="right")
        had_ended = np.searchsorted(np.sort(ended[hops]), began[rows] - _CLOCKS, side="left")
        found[mine] = (had_begun > had_ended) & (began[rows] != NO_TIME)
    return found
