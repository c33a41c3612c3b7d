"""Traffic: top talkers, who talks to whom, how a service's load spreads over its pods, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import numpy as np

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.dtypes import NO_TIME
from ztflow.columns.grouping import group
from ztflow.errors import UsageError
from ztflow.model.provenance import time_from_micros
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.pairs import PAIR_COLUMNS, PairRow, busiest, heaviest, pair_cells, pair_rows
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted, duration_text

_BUCKETS = 60
"""Steps of the timeline at most: what a screen shows."""

_STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Lengths of a step in seconds; longer captures use whole days."""


@dataclass(frozen=True, slots=True)
class Talker:
    """One vertex with its traffic.

    Attributes:
        name: At the level asked for.
        flows_out: Connections it opened.
        flows_in: Connections it accepted.
        bytes_sent: Payload it sent, in both roles.
        bytes_received: Payload it received, in both roles.
        peers: Distinct others it talked with.
    """

    name: str
    flows_out: int
    flows_in: int
    bytes_sent: int
    bytes_received: int
    peers: int


@dataclass(frozen=True, slots=True)
class EndpointLoad:
    """What one pod took of a service's connections.

    Attributes:
        service: Service addressed.
        endpoint: Pod, or address, that took them; a waypoint where the service has one.
        node: Its node, where known and the same throughout.
        flows: Connections.
        bytes: Payload both ways.
        flows_share: Of the service's connections.
    """

    service: str
    endpoint: str
    node: str | None
    flows: int
    bytes: int
    flows_share: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Connections that ended in one step of time."""

    start: datetime
    flows: int
    bytes: int
    denied: int
    failed: int


@dataclass(frozen=True)
class Traffic(Report):
    """Who talks most.

    Attributes:
        by: Level of the names.
        talkers: Every vertex, in the order asked for.
        pairs: Every (source, destination).
        endpoints: Services with more than one endpoint seen, by pod.
        step_seconds: Length of a step of the timeline; None when no time is known.
        timeline: Connections by time of their end; empty steps are left out.
        timeless: Connections without any time, which are not in the timeline.
    """

    name: ClassVar[str] = "traffic"
    title: ClassVar[str] = "Traffic"

    by: str
    talkers: tuple[Talker, ...]
    pairs: tuple[PairRow, ...]
    endpoints: tuple[EndpointLoad, ...]
    step_seconds: int | None
    timeline: tuple[Moment, ...]
    timeless: int

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Talkers, pairs, endpoints of services, timeline."""
        limit = self.cap(limit)
        talkers = [
            (row.name, row.flows_out, row.flows_in, row.bytes_sent, row.bytes_received, row.peers)
            for row in self.talkers
        ]
        found = [
            titled(f"Top talkers by {self.by}", _TALKERS, talkers, limit),
            titled("Who talks to whom", PAIR_COLUMNS, [pair_cells(row) for row in self.pairs], limit),
        ]
        if self.endpoints:
            loads = [
                (row.service, row.endpoint, row.node, row.flows, row.flows_share, row.bytes) for row in self.endpoints
            ]
            found.append(titled("Load by endpoint of a service", _ENDPOINTS, loads, limit))
        if self.timeline and self.step_seconds is not None:
            rows = [(row.start, row.flows, row.bytes, row.denied, row.failed) for row in self.timeline]
            title = f"Ended in each {duration_text(self.step_seconds * 1000)}"
            found.append(titled(title, _TIMELINE, rows, None))
        return found

    def notes(self) -> list[str]:
        """What the sums count twice."""
        notes = ["A request through a waypoint is two connections, client to waypoint and waypoint to server."]
        if self.timeless:
            notes.append(f"Not in the timeline: {counted(self.timeless, 'connection')} without a time.")
        return notes


_TALKERS = (
    ("name", Unit.TEXT), ("opened", Unit.COUNT), ("accepted", Unit.COUNT), ("sent", Unit.BYTES),
    ("received", Unit.BYTES), ("peers", Unit.COUNT),
)  # fmt: skip
_ENDPOINTS = (
    ("service", Unit.TEXT), ("endpoint", Unit.TEXT), ("on", Unit.TEXT), ("conns", Unit.COUNT),
    ("share", Unit.SHARE), ("bytes", Unit.BYTES),
)  # fmt: skip
_TIMELINE = (
    ("from", Unit.TIME), ("conns", Unit.COUNT), ("bytes", Unit.BYTES), ("denied", Unit.COUNT), ("failed", Unit.COUNT),
)  # fmt: skip


def traffic(
    flows: Flows,
    by: str = "workload",
    *,
    sort: Literal["bytes", "flows"] = "bytes",
) -> Traffic:
    """Who talks most.

    Args:
        flows: Connections.
        by: Level of the names; see `graph.build_graph`.
        sort: What makes a talker big.

    Raises:
        UsageError: `by` is no level, or `sort` neither `bytes` nor `flows`.

    Cost: about 0.6 s for 1 M flows.
    """
    if sort not in ("bytes", "flows"):
        raise UsageError(f"sort={sort!r} is no order of talkers; choose bytes or flows")
    view = View(flows.to_arrow())
    ends = vertices(view, by)
    pairs = sorted(pair_rows(view, ends), key=heaviest if sort == "bytes" else busiest)
    step, timeline, timeless = _timeline(view)
    return Traffic(
        basis=Basis.of(flows, view),
        by=by,
        talkers=_talkers(pairs, sort),
        pairs=tuple(pairs),
        endpoints=_endpoints(view),
        step_seconds=step,
        timeline=timeline,
        timeless=timeless,
    )


def _talkers(pairs: list[PairRow], sort: str) -> tuple[Talker, ...]:
    found: dict[str, list[int]] = {}
    peers: dict[str, set[str]] = {}
    for row in pairs:
        sums_ = row.measures
        client, server = found.setdefault(row.source, [0] * 4), found.setdefault(row.target, [0] * 4)
        client[0] += sums_.flows
        client[2] += sums_.request_bytes
        client[3] += sums_.response_bytes
        server[1] += sums_.flows
        server[2] += sums_.response_bytes
        server[3] += sums_.request_bytes
        peers.setdefault(row.source, set()).add(row.target)
        peers.setdefault(row.target, set()).add(row.source)
    talkers = [
        Talker(name, opened, accepted, sent, received, len(peers[name]))
        for name, (opened, accepted, sent, received) in found.items()
    ]

    def size(row: Talker) -> tuple[int, int, str]:
        flows, moved = row.flows_out + row.flows_in, row.bytes_sent + row.bytes_received
        return (-moved, -flows, row.name) if sort == "bytes" else (-flows, -moved, row.name)

    return tuple(sorted(talkers, key=size))


def _endpoints(view: View) -> tuple[EndpointLoad, ...]:
    """Connections of each service by endpoint; services with one endpoint show nothing."""
    part = view.where(view.known("dst_service"))
    pods: Vertices = vertices(part, "pod", described=True)
    service = part.labels("dst_service")
    groups = group([service.part, (pods.target, len(pods.all))], len(part))
    counts = tally(groups.codes, len(groups)).tolist()
    request, response = (sums(part, f"{way}_bytes", groups.codes, len(groups)) for way in ("request", "response"))
    of_service = np.bincount(service.codes, minlength=len(service.words)).tolist()
    loads: dict[str, list[EndpointLoad]] = {}
    for number, row in enumerate(groups.first.tolist()):
        name, pod = service.words[service.codes[row]], pods.all[pods.target[row]]
        node = pod.attributes().get("node")
        loads.setdefault(name, []).append(
            EndpointLoad(
                name,
                pod.id,
                str(node) if node is not None and pod.id != UNKNOWN else None,
                counts[number],
                request[number] + response[number],
                share(counts[number], of_service[service.codes[row]]) or 0.0,
            )
        )
    several = sorted(
        (rows for rows in loads.values() if len(rows) > 1), key=lambda rows: -sum(row.flows for row in rows)
    )
    return tuple(row for rows in several for row in sorted(rows, key=lambda row: (-row.flows, row.endpoint)))


def _timeline(view: View) -> tuple[int | None, tuple[Moment, ...], int]:
    """Connections by time of end, in at most `_BUCKETS` steps of a round length."""
    _, ended = view.seen()
    told = ended != NO_TIME
    timeless = int((~told).sum())
    if not told.any():
        return None, (), timeless
    part, ended = view.where(told), ended[told]
    first, last = int(ended.min()), int(ended.max())
    seconds = (last - first) // 1_000_000 + 1
    step = next((step for step in _STEPS if seconds <= step * (_BUCKETS - 1)), None)
    if step is None:
        step = 86400 * -(-seconds // (86400 * (_BUCKETS - 1)))
    numbers = ended // (step * 1_000_000)
    numbers -= numbers.min()
    origin = first // (step * 1_000_000)
    count = int(numbers.max()) + 1
    flows = tally(numbers, count).tolist()
    denied, failed = (tally(numbers, count, part.equals("verdict", word)).tolist() for word in REFUSED)
    request, response = (sums(part, f"{way}_bytes", numbers, count) for way in ("request", "response"))
    moments = tuple(
        Moment(
            time_from_micros((origin + number) * step * 1_000_000),
            flows[number],
            request[number] + response[number],
            denied[number],
            failed[number],
        )
        for number in range(count)
        if flows[number]
    )
    return step, moments, timeless
