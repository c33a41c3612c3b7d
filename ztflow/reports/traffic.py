"""Traffic: top talkers, who talks to whom, how a service's load spreads over its pods, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import add
from typing import ClassVar, Literal

import numpy as np

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import sums, tally
from ztflow.aggregate.timeline import SPREAD
from ztflow.columns.grouping import falling, group, ranks
from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.plot.charts import Chart
from ztflow.reports.lazy_rows import Rows, mapped
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.over_time import (
    Moment,
    NameOverTime,
    course_chart,
    over_time,
    over_time_table,
    timeline_table,
)
from ztflow.reports.pairs import PAIR_COLUMNS, Order, PairRow, Pairs, pair_cells
from ztflow.reports.rates import Span
from ztflow.reports.tables import Field, TitledTable, titled
from ztflow.text.format import Unit, counted


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


@dataclass(frozen=True)
class Traffic(Report):
    """Who talks most.

    Attributes:
        by: Level of the names.
        talkers: Every vertex, in the order asked for.
        pairs: Every (source, destination), likewise. Rows are made when they are looked at, and read like a tuple.
        endpoints: Services with more than one endpoint seen, by pod.
        span: The time the rates are over.
        step_seconds: Length of a step of the timeline; None when no time is known.
        timeline: Every step, the empty ones too: connections by time of their end, bytes spread evenly over their life.
        folded: Whether the first step holds all that was before its end, however long ago.
        timeless: Connections without any time, which are not in the timeline.
        over_time: The same by name, where a step was asked for; the last may be `(others)`.
    """

    name: ClassVar[str] = "traffic"
    title: ClassVar[str] = "Traffic"

    by: str
    talkers: Sequence[Talker]
    pairs: Sequence[PairRow]
    endpoints: tuple[EndpointLoad, ...]
    span: Span
    step_seconds: float | None
    timeline: tuple[Moment, ...]
    folded: bool
    timeless: int
    over_time: tuple[NameOverTime, ...]

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Over time by name and step where a step was asked for; talkers, pairs, endpoints of services, timeline."""
        steps_shown, limit, rate = limit or None, self.cap(limit), self.span.rate
        found = []
        if self.over_time and self.step_seconds is not None:
            found.append(over_time_table(self.by, self.over_time, self.timeline, self.step_seconds, limit))
        steps = []
        if self.timeline and self.step_seconds is not None:
            steps.append(timeline_table(self.timeline, self.step_seconds, steps_shown, folded=self.folded))
        if self.over_time:
            return found + steps

        def talker_cells(row: Talker) -> tuple[object, ...]:
            return (
                row.name, row.flows_out, row.flows_in, row.bytes_sent, row.bytes_received, row.peers,
                rate(row.bytes_sent), rate(row.bytes_received),
            )  # fmt: skip

        def cells(row: PairRow) -> tuple[object, ...]:
            return (*pair_cells(row), rate(row.measures.bytes), rate(row.measures.flows))

        found = [
            titled(f"Top talkers by {self.by}", _TALKERS, mapped(self.talkers, talker_cells), limit),
            titled("Who talks to whom", _PAIRS, mapped(self.pairs, cells), limit),
        ]
        if self.endpoints:
            loads = [
                (row.service, row.endpoint, row.node, row.flows, row.flows_share, row.bytes) for row in self.endpoints
            ]
            found.append(titled("Load by endpoint of a service", _ENDPOINTS, loads, limit))
        return found + steps

    def _chart(self, table: str | None = None, *, column: str | None = None, top: int = 20) -> Chart:
        """The course over time where it has one; else, or with a table's name, as every report."""
        if table is not None or column is not None or self.step_seconds is None:
            return super()._chart(table, column=column, top=top)
        return course_chart(self.by, self.over_time, self.timeline, self.step_seconds, top, folded=self.folded)

    def notes(self) -> list[str]:
        """What the sums count twice, what the rates are over, what is not in the timeline."""
        notes = [
            "A request through a waypoint is two connections, client to waypoint and waypoint to server.",
            self.span.note(),
            SPREAD,
        ]
        if self.over_time:
            notes.insert(
                1, "A connection is in the row of its client and in that of its server; the total has it once."
            )
        if self.timeless:
            notes.append(f"Not in the timeline: {counted(self.timeless, 'connection')} without a time.")
        return notes


_TALKERS = (
    Field("name"), Field("opened", Unit.COUNT), Field("accepted", Unit.COUNT), Field("sent", Unit.BYTES),
    Field("received", Unit.BYTES), Field("peers", Unit.COUNT), Field("sent/s", Unit.BYTES_PER_S, spare=True),
    Field("received/s", Unit.BYTES_PER_S, spare=True),
)  # fmt: skip
_PAIRS = (
    *(Field(*column) for column in PAIR_COLUMNS), Field("bytes/s", Unit.BYTES_PER_S, spare=True),
    Field("conns/s", Unit.PER_S, spare=True),
)  # fmt: skip
_ENDPOINTS = (
    ("service", Unit.TEXT), ("endpoint", Unit.TEXT), ("on", Unit.TEXT), ("conns", Unit.COUNT),
    ("share", Unit.SHARE), ("bytes", Unit.BYTES),
)  # fmt: skip


def traffic(
    flows: Flows,
    by: str = "workload",
    *,
    sort: Literal["bytes", "flows"] = "bytes",
    every: str | timedelta | None = None,
) -> Traffic:
    """Who talks most.

    Args:
        flows: Connections.
        by: Level of the names; see `graph.build_graph`.
        sort: What makes a talker big.
        every: Length of a step of time (`10s`, `1m`, `1h`, or a `timedelta`), which then gets a row whether or not
            anything happened, and every name its course over time; else at most 60 steps of a round length.

    Raises:
        UsageError: `by` is no level, `sort` neither `bytes` nor `flows`, `every` no duration or too short.

    Cost: about 0.6 s for 1 M flows.
    """
    if sort not in ("bytes", "flows"):
        raise UsageError(f"sort={sort!r} is no order of talkers; choose bytes or flows")
    view = view_of(flows)
    ends = vertices(view, by)
    pairs = Pairs(view, ends)
    basis = Basis.of(flows, view)
    course = over_time(view, ends, every)
    return Traffic(
        basis=basis,
        by=by,
        talkers=_talkers(view, ends, pairs, sort),
        pairs=pairs.rows(sort),
        endpoints=_endpoints(view),
        span=Span.of(flows, basis),
        step_seconds=course.step_seconds,
        timeline=course.moments,
        folded=course.folded,
        timeless=course.timeless,
        over_time=course.names,
    )


def _talkers(view: View, ends: Vertices, pairs: Pairs, sort: Order) -> Rows[Talker]:
    count = len(ends.all)
    opened, accepted = (tally(end, count, weights=view.weights) for end in (ends.source, ends.target))
    sent, received = (
        list(map(add, sums(view, out, ends.source, count), sums(view, back, ends.target, count)))
        for out, back in (("request_bytes", "response_bytes"), ("response_bytes", "request_bytes"))
    )
    either = np.concatenate([pairs.source, pairs.target]), np.concatenate([pairs.target, pairs.source])
    linked = group([(end, count) for end in either], len(either[0])).first
    peers = np.bincount(either[0][linked], minlength=count).tolist()
    names = [vertex.id for vertex in ends.all]
    moved, flows = falling(list(map(add, sent, received))), -(opened + accepted)
    first, second = (moved, flows) if sort == "bytes" else (flows, moved)
    columns = names, opened.tolist(), accepted.tolist(), sent, received, peers
    order = np.lexsort((ranks(names), second, first)).tolist()
    return Rows(count, lambda places: (Talker(*(column[order[one]] for column in columns)) for one in places))


def _endpoints(view: View) -> tuple[EndpointLoad, ...]:
    """Connections of each service by endpoint; services with one endpoint show nothing."""
    part = view.where(view.known("dst_service"))
    pods: Vertices = vertices(part, "pod", described=True)
    service = part.labels("dst_service")
    groups = group([service.part, (pods.target, len(pods.all))], len(part))
    counts = tally(groups.codes, len(groups), weights=part.weights).tolist()
    request, response = (sums(part, f"{way}_bytes", groups.codes, len(groups)) for way in ("request", "response"))
    of_service = tally(service.codes, len(service.words), weights=part.weights).tolist()
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
