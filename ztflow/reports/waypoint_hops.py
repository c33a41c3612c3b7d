"""Which connections belong to a waypoint: those to it, its own to servers, and those to the same servers past it.

No line joins the two sides of a waypoint. It hands on what it gets, byte for byte or changed, in connections of its
own, which it may keep and use for many requests of many clients. So a connection behind it is of a service where the
log says so: its line names a service that clients asked the waypoint for, or pairing found that it carries on one
client's connection (`next_hop_line`). Else it is of any service that clients asked this waypoint for and whose
connections are not all carried on by others.

What stands behind a service is where the waypoint's connections went, and where others went that name the service;
besides, what an inventory states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from ztflow.aggregate import Vertices, View, vertices
from ztflow.aggregate.levels import UNKNOWN
from ztflow.columns.dictionaries import NONE
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import Groups, group
from ztflow.model.vocabulary import REFUSED, Direction, FlowPath, Paired, Unpaired
from ztflow.reports.joins import NO_ROW, find, places
from ztflow.reports.refusals import PORT_NUMBERS, wanted_port


class Asked(NamedTuple):
    """What clients asked a waypoint for.

    Attributes:
        service: The service.
        address: `workload:port`, or `ip:port`, where they dialled an address of no service.
    """

    service: str | None
    address: str | None = None

    @property
    def name(self) -> str:
        """Either."""
        return self.service or self.address or UNKNOWN


KnownBy = Literal["line", "same_bytes", "left_over"]

KNOWN_BY: dict[KnownBy, str] = {
    "line": "its line names the service",
    "same_bytes": "it ended with a client's connection and moved the same bytes",
    "left_over": "clients whose lines are here asked that waypoint for nothing else that is not accounted for",
}
"""How the service of a connection behind a waypoint is known."""


class MayBeOf(NamedTuple):
    """What connections behind a waypoint may be of.

    Attributes:
        known_by: How it is known.
        asked: Places in `WaypointTraffic.asked`, in order of name; one where it is told.
    """

    known_by: KnownBy
    asked: tuple[int, ...]


class StatedService(NamedTuple):
    """What an inventory says of a service.

    Attributes:
        hostname: Its name as in `dst_service`.
        workloads: The workloads (`namespace/name`) of the pods behind it.
        ports: The ports it has at these pods.
    """

    hostname: str
    workloads: frozenset[str]
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class WaypointTraffic:
    """The connections of all waypoints.

    Attributes:
        view: All flows.
        ends: Their workloads.
        asked: What clients asked waypoints for.
        sets: What a connection behind a waypoint may be of.
        servers: Every (workload, port) of the flows; `first` is a flow to it.
        to: Flows of clients to a waypoint.
        to_waypoint: Vertex of each one's waypoint.
        to_asked: What each asked for.
        back: Flows of waypoints to servers.
        back_waypoint: Vertex of each one's waypoint.
        back_set: What each may be of: place in `sets`.
        follower: For each of `to` the place in `back` of the one that carries it on, or `NO_ROW`.
        past: Flows to servers that stand behind a service with a waypoint, from others than the waypoint.
        behind: The servers of each of `asked`, as groups of `servers`; none known is not there.
    """

    view: View
    ends: Vertices
    asked: list[Asked]
    sets: list[MayBeOf]
    servers: Groups
    to: Integers
    to_waypoint: Integers
    to_asked: Integers
    back: Integers
    back_waypoint: Integers
    back_set: Integers
    follower: Integers
    past: Integers
    behind: Mapping[int, frozenset[int]]


def waypoint_traffic(view: View, stated: Iterable[StatedService] = ()) -> WaypointTraffic:
    """Find them.

    Args:
        view: Flows of a whole capture.
        stated: What an inventory says of services.

    Cost: a few passes over numpy columns; Python once a distinct service, server or address.
    """
    ends = vertices(view, "workload")
    is_to = view.equals("path", FlowPath.WAYPOINT) | view.known("next_hop_line")
    is_to &= ~view.equals("paired", Paired.INBOUND_ONLY)
    to = np.flatnonzero(is_to)
    back, back_waypoint = _behind(view, ends, to, ~is_to)
    servers = group([(ends.target, len(ends.all)), (wanted_port(view), PORT_NUMBERS)], len(view))
    asked, to_asked, pods = _asked(view, ends, to, servers)
    follower = _followers(view, back)[to]
    sets, back_set = _sets(view, asked, pods, servers, (to, ends.target[to], to_asked, follower), (back, back_waypoint))
    others = ~is_to
    others[back] = False
    others &= view.known("path")
    behind = _servers_of(view, asked, pods, servers, (back, back_set, sets), others)
    _add_stated(view, ends, behind, asked, servers, stated)
    told = np.array([ends.id(int(vertex)) != UNKNOWN for vertex in ends.target[servers.first]], np.bool_)
    wanted = np.zeros(len(servers), np.bool_)
    wanted[list(set[int]().union(*behind.values()))] = True
    past = np.flatnonzero(others & (wanted & told)[servers.codes])
    return WaypointTraffic(
        view, ends, asked, sets, servers, to, ends.target[to], to_asked, back, back_waypoint, back_set, follower, past,
        {one: frozenset(standing) for one, standing in behind.items() if standing},
    )  # fmt: skip


def _behind(view: View, ends: Vertices, to: Integers, others: BoolArray) -> tuple[Integers, Integers]:
    """Flows of waypoints, and the vertex of each one's waypoint: by its name, else by its address."""
    is_waypoint = np.zeros(len(ends.all) + 1, np.bool_)
    is_waypoint[ends.target[to]] = True
    is_waypoint[[code for code, vertex in enumerate(ends.all) if vertex.id == UNKNOWN]] = False
    dialled, source = view.labels("dst_ip"), view.labels("src_ip")
    at = dict(zip((dialled.words[code] if code >= 0 else None for code in dialled.codes[to].tolist()),
                  ends.target[to].tolist(), strict=True))  # fmt: skip
    at.pop(None, None)
    by_address = np.array([*(at.get(word, NONE) for word in source.words), NONE], np.int64)[source.codes]
    named = is_waypoint[ends.source]
    alone = view.equals("paired", Paired.INBOUND_ONLY)
    mask = named | (alone & (by_address != NONE)) | view.equals("unpaired_reason", Unpaired.WAYPOINT_SOURCE)
    back = np.flatnonzero(mask & others)
    known = np.where(named | (by_address == NONE), ends.source, by_address)
    return back, known[back].astype(np.int64)


def _asked(
    view: View, ends: Vertices, to: Integers, servers: Groups
) -> tuple[list[Asked], Integers, dict[int, int | None]]:
    """What was asked for, which of it each flow asked, and the server of what is an address, None where unseen."""
    part = view.take(to)
    service, host, port = part.labels("dst_service"), part.labels("hbone_host"), wanted_port(part)
    nameless = service.codes == NONE
    groups = group(
        [
            service.part,
            (np.where(nameless, host.codes, NONE), host.size),
            (np.where(nameless, port, NONE), PORT_NUMBERS),
        ],
        len(part),
    )
    pods = _pods(view, ends) if nameless.any() else {}
    ports = wanted_port(view)[servers.first].tolist()
    server_at = {key: place for place, key in enumerate(zip(ends.target[servers.first].tolist(), ports, strict=True))}
    index: dict[Asked, int] = {}
    numbers: list[int] = []
    server: dict[int, int | None] = {}
    for row in groups.first.tolist():
        if not nameless[row]:
            asked = Asked(service.words[service.codes[row]])
            numbers.append(index.setdefault(asked, len(index)))
            continue
        address = host.words[host.codes[row]] if host.codes[row] >= 0 else UNKNOWN
        pod, number = pods.get(address), int(port[row])
        asked = Asked(None, f"{address if pod is None else ends.id(pod)}:{number if number >= 0 else '?'}")
        numbers.append(index.setdefault(asked, len(index)))
        server[numbers[-1]] = None if pod is None else server_at.get((pod, number))
    return list(index), np.array(numbers, np.int64)[groups.codes], server


def _pods(view: View, ends: Vertices) -> dict[str, int]:
    """The workload at each address that the log shows to be a pod's, unless it shows several."""
    found: dict[str, set[int]] = defaultdict(set)
    own = ~view.equals("paired", Paired.INBOUND_ONLY)  # of an inbound line alone the source may be a gateway's address
    for side, codes, mask in (("dst", ends.target, True), ("src", ends.source, own)):
        rows = np.flatnonzero(mask & view.known(f"{side}_pod") & view.known(f"{side}_ip"))
        labels = view.labels(f"{side}_ip")
        distinct = group([(labels.codes[rows], labels.size), (codes[rows], len(ends.all))], len(rows)).first
        for row in rows[distinct].tolist():
            found[labels.words[labels.codes[row]]].add(int(codes[row]))
    return {address: next(iter(several)) for address, several in found.items() if len(several) == 1}


def _followers(view: View, back: Integers) -> Integers:
    """Place in `back` of the flow inferred to carry each flow on, `NO_ROW` where there is none."""
    files: dict[str, int] = {}
    wanted = places(view, "next_hop_file", "next_hop_line", files)
    part = view.take(back)
    rows = np.full(len(view), NO_ROW)
    for half in Direction:
        found = find(wanted, places(part, f"{half}_file", f"{half}_line", files))
        rows = np.where(rows == NO_ROW, found, rows)
    return rows


def _sets(
    view: View,
    asked: list[Asked],
    pods: Mapping[int, int | None],
    servers: Groups,
    clients: tuple[Integers, Integers, Integers, Integers],
    hops: tuple[Integers, Integers],
) -> tuple[list[MayBeOf], Integers]:
    """What each flow behind a waypoint may be of; adds to `asked` what only those flows name."""
    to, to_waypoint, to_asked, follower = clients
    back, back_waypoint = hops
    linked = follower != NO_ROW
    by_link = np.full(len(back), NONE, np.int64)
    by_link[follower[linked][::-1]] = to_asked[linked][::-1]
    of: dict[int, dict[int, None]] = defaultdict(dict)
    left: dict[int, dict[int, None]] = defaultdict(dict)
    waiting = ~linked & ~view.equals("verdict", *REFUSED)[to]
    for which, rows in ((of, np.arange(len(to))), (left, np.flatnonzero(waiting))):
        distinct = group(
            [(to_waypoint[rows], int(to_waypoint.max(initial=0)) + 1), (to_asked[rows], len(asked))], len(rows)
        )
        for row in rows[distinct.first].tolist():
            which[int(to_waypoint[row])][int(to_asked[row])] = None
    named = {one.service: number for number, one in enumerate(asked) if one.service is not None}
    service = view.labels("dst_service")
    own = service.codes[back]
    groups = group(
        [
            (back_waypoint, int(back_waypoint.max(initial=0)) + 1), (own, service.size), (by_link, len(asked)),
            (servers.codes[back], len(servers)),
        ],
        len(back),
    )  # fmt: skip
    index: dict[MayBeOf, int] = {}
    numbers = []
    for row in groups.first.tolist():
        waypoint = int(back_waypoint[row])
        word = service.words[own[row]] if own[row] >= 0 else None
        here = int(servers.codes[back[row]])
        known_by: KnownBy = "line"
        if by_link[row] != NONE:
            known_by, found = "same_bytes", {int(by_link[row])}
        elif word is not None and (named.get(word) in of[waypoint] or not of[waypoint]):
            if word not in named:
                named[word] = len(asked)
                asked.append(Asked(word))
            found = {named[word]}
        else:
            known_by = "left_over"
            found = {one for one in left[waypoint] or of[waypoint] if pods.get(one) in {None, here}}
        may_be = MayBeOf(known_by, tuple(sorted(found, key=lambda one: asked[one].name)))
        numbers.append(index.setdefault(may_be, len(index)))
    return list(index), np.array(numbers, np.int64)[groups.codes]


def _servers_of(
    view: View,
    asked: list[Asked],
    pods: Mapping[int, int | None],
    servers: Groups,
    hops: tuple[Integers, Integers, list[MayBeOf]],
    others: BoolArray,
) -> dict[int, set[int]]:
    """The servers that stand behind what was asked for."""
    back, back_set, sets = hops
    found: dict[int, set[int]] = defaultdict(set)
    for one, server in pods.items():
        if server is not None:
            found[one].add(server)
    codes = servers.codes[back]
    for row in group([(back_set, len(sets)), (codes, len(servers))], len(back)).first.tolist():
        for one in sets[back_set[row]].asked:
            found[one].add(int(codes[row]))
    service = view.labels("dst_service")
    named = {one.service: number for number, one in enumerate(asked) if one.service is not None}
    number_of = np.array([*(named.get(word, NONE) for word in service.words), NONE], np.int64)[service.codes]
    rows = np.flatnonzero(others & (number_of != NONE))
    for row in rows[
        group([(number_of[rows], len(asked)), (servers.codes[rows], len(servers))], len(rows)).first
    ].tolist():
        found[int(number_of[row])].add(int(servers.codes[row]))
    return found


def _add_stated(
    view: View,
    ends: Vertices,
    behind: dict[int, set[int]],
    asked: list[Asked],
    servers: Groups,
    stated: Iterable[StatedService],
) -> None:
    """Servers that an inventory says stand behind a service."""
    by_name = {one.service: number for number, one in enumerate(asked) if one.service is not None}
    ports = wanted_port(view)[servers.first].tolist()
    at = {
        (ends.id(vertex), port): place
        for place, (vertex, port) in enumerate(zip(ends.target[servers.first].tolist(), ports, strict=True))
    }
    for service in stated:
        number = by_name.get(service.hostname)
        if number is not None:
            keys = product(service.workloads, service.ports)
            behind[number].update(place for key in keys if (place := at.get(key)) is not None)
