"""Waypoints: client → waypoint → server as one path, where pairing inferred which second hop continues the first.

The two hops are two connections that share no id, and a waypoint may send many requests over one of them. Which hop
follows which is therefore an inference made while pairing (`next_hop_file`, `next_hop_line`), right per service rather
than per connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ztflow.aggregate import Vertices, View, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED, Direction, FlowPath, NodeLocality, Paired
from ztflow.reports.joins import NO_ROW, find, places
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit


@dataclass(frozen=True, slots=True)
class Chain:
    """Connections that took one way through a waypoint or gateway.

    Attributes:
        source: Client's workload.
        waypoint: Workload of the waypoint or gateway.
        path: How the first hop travelled: `waypoint`, where the log tells.
        service: Service addressed.
        target: Server's workload; None where the second hop was not found.
        flows: Connections of the first hop.
        first_bytes: Their payload both ways.
        second_flows: Connections of the second hop inferred to follow, each counted once.
        second_bytes: Their payload both ways; None without a second hop.
        crossing_first: First hops that crossed nodes.
        crossing_second: Second hops, one per first hop, that crossed nodes.
        refused: First hops denied or failed.
    """

    source: str
    waypoint: str
    path: str | None
    service: str | None
    target: str | None
    flows: int
    first_bytes: int
    second_flows: int
    second_bytes: int | None
    crossing_first: int
    crossing_second: int
    refused: int


@dataclass(frozen=True)
class Waypoints(Report):
    """Traffic through waypoints and gateways.

    Attributes:
        chains: Ways through, busiest first.
        first_hops: Connections to a waypoint or gateway.
        linked: Of those, with an inferred second hop.
    """

    name: ClassVar[str] = "waypoints"
    title: ClassVar[str] = "Waypoint hops"

    chains: tuple[Chain, ...]
    first_hops: int
    linked: int

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """How many hops were linked, then the ways."""
        limit = self.cap(limit)
        rows = [
            (row.source, row.waypoint, row.path, row.service, row.target, row.flows, row.first_bytes, row.second_flows,
             row.second_bytes, row.crossing_first, row.crossing_second, row.refused)
            for row in self.chains
        ]  # fmt: skip
        linked = [(self.first_hops, self.linked, self.first_hops - self.linked, share(self.linked, self.first_hops))]
        return [
            titled("First hops", _LINKED, linked),
            titled("Client, waypoint, server", _CHAINS, rows, limit),
        ]

    def notes(self) -> list[str]:
        """How far a chain can be trusted."""
        return ["Hops share no id: a chain is an inference, good for a service's totals, not for one connection."]


_LINKED = (
    ("conns to waypoints", Unit.COUNT), ("second hop found", Unit.COUNT), ("not found", Unit.COUNT),
    ("found", Unit.SHARE),
)  # fmt: skip
_CHAINS = (
    ("source", Unit.TEXT), ("waypoint", Unit.TEXT), ("path", Unit.TEXT), ("service", Unit.TEXT),
    ("server", Unit.TEXT), ("conns", Unit.COUNT), ("bytes", Unit.BYTES), ("2nd conns", Unit.COUNT),
    ("2nd bytes", Unit.BYTES), ("1st cross node", Unit.COUNT), ("2nd cross node", Unit.COUNT),
    ("refused", Unit.COUNT),
)  # fmt: skip


def waypoints(flows: Flows) -> Waypoints:
    """Client → waypoint → server paths.

    Args:
        flows: Connections of a whole capture: second hops are looked up among them.

    Cost: about 0.4 s for 1 M flows.
    """
    view = View(flows.to_arrow())
    ends = vertices(view, "workload")
    hop = (view.equals("path", FlowPath.WAYPOINT) | view.known("next_hop_line")) & ~view.equals(
        "paired", Paired.INBOUND_ONLY
    )
    first = np.flatnonzero(hop)
    second = _second_hops(view)[first]
    hops = view.take(first)
    target = np.where(second == NO_ROW, -1, ends.target[second])
    count = len(ends.all)
    groups = group(
        [
            (ends.source[first], count),
            (ends.target[first], count),
            hops.part("path"),
            hops.part("dst_service"),
            (target, count),
        ],
        len(hops),
    )
    return Waypoints(
        Basis.of(flows, view),
        _chains(view, ends, hops, first, second, groups.codes, groups.first),
        len(first),
        int((second != NO_ROW).sum()),
    )


def _second_hops(view: View) -> Integers:
    """Row of the flow inferred to follow each row, `NO_ROW` where there is none."""
    files: dict[str, int] = {}
    wanted = places(view, "next_hop_file", "next_hop_line", files)
    rows = np.full(len(view), NO_ROW)
    for half in Direction:
        found = find(wanted, places(view, f"{half}_file", f"{half}_line", files))
        rows = np.where(rows == NO_ROW, found, rows)
    return rows


def _chains(
    view: View, ends: Vertices, hops: View, first: Integers, second: Integers, codes: Integers, heads: Integers
) -> tuple[Chain, ...]:
    count = len(heads)
    flows = tally(codes, count).tolist()
    request, response = (sums(hops, f"{way}_bytes", codes, count) for way in ("request", "response"))
    refused = tally(codes, count, hops.equals("verdict", *REFUSED)).tolist()
    crossing = view.equals("locality", NodeLocality.CROSS_NODE)
    crossing_first = tally(codes, count, crossing[first]).tolist()
    linked = second != NO_ROW
    crossing_second = tally(codes[linked], count, crossing[second[linked]]).tolist()
    # A hop that follows several is one connection: count it once in each group.
    once = group([(codes[linked], count), (second[linked], len(view))], int(linked.sum())).first
    followers = view.take(second[linked][once])
    follower_codes = codes[linked][once]
    second_flows = tally(follower_codes, count).tolist()
    second_request, second_response = (
        sums(followers, f"{way}_bytes", follower_codes, count) for way in ("request", "response")
    )
    path, service = hops.labels("path"), hops.labels("dst_service")
    chains = []
    for number, row in enumerate(heads.tolist()):
        has_second = second[row] != NO_ROW
        chains.append(
            Chain(
                ends.id(int(ends.source[first[row]])),
                ends.id(int(ends.target[first[row]])),
                path.words[path.codes[row]] if path.codes[row] >= 0 else None,
                service.words[service.codes[row]] if service.codes[row] >= 0 else None,
                ends.id(int(ends.target[second[row]])) if has_second else None,
                flows[number],
                request[number] + response[number],
                second_flows[number],
                second_request[number] + second_response[number] if has_second else None,
                crossing_first[number],
                crossing_second[number],
                refused[number],
            )
        )
    return tuple(
        sorted(
            chains,
            key=lambda row: (-row.flows, row.source, row.waypoint, row.service or "", row.target or "", row.path or ""),
        )
    )
