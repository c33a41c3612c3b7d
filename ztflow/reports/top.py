"""Top: who had most traffic, at one level or by pair, with rates, shares and refusals; the rest as one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from ztflow.aggregate import View, check_level, measure, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import GraphLevel, GraphLevelWord, Verdict
from ztflow.reports.identities import SharedIdentity, shared_identities, shared_table
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.rates import Span
from ztflow.reports.tables import TOTAL, Field, TitledTable, titled
from ztflow.text.format import Unit, counted

PAIR = "pair"
"""What `by` is for rows of a client and a server."""

By: TypeAlias = GraphLevelWord | Literal["pair"]


@dataclass(frozen=True, slots=True)
class End:
    """One end of connections, in both roles.

    Attributes:
        name: At the level asked for.
        opened: Connections it opened.
        accepted: Connections it accepted.
        bytes_sent: Payload it sent, in both roles.
        bytes_received: Payload it received, in both roles.
        bytes_share: Its share of all payload, of which each end of a connection has half; None without any.
        sent_per_s: Bytes sent a second of `Top.span`; None where there is no time to divide by.
        received_per_s: Bytes received a second.
        opened_per_s: Connections opened a second.
        accepted_per_s: Connections accepted a second.
        denied: Of its connections, in both roles, those refused by policy.
        failed: Those that failed otherwise.
    """

    name: str
    opened: int
    accepted: int
    bytes_sent: int
    bytes_received: int
    bytes_share: float | None
    sent_per_s: float | None
    received_per_s: float | None
    opened_per_s: float | None
    accepted_per_s: float | None
    denied: int
    failed: int


@dataclass(frozen=True, slots=True)
class Pair:
    """All connections from one client to one server, by workload.

    Attributes:
        source: Client.
        target: Server.
        flows: Connections.
        request_bytes: Payload client → server.
        response_bytes: Payload server → client.
        bytes_share: Of all payload; None without any.
        flows_share: Of all connections.
        bytes_per_s: Bytes both ways a second of `Top.span`; None where there is no time to divide by.
        flows_per_s: Connections a second.
        denied: Connections refused by policy.
        failed: Connections that failed otherwise.
    """

    source: str
    target: str
    flows: int
    request_bytes: int
    response_bytes: int
    bytes_share: float | None
    flows_share: float | None
    bytes_per_s: float | None
    flows_per_s: float | None
    denied: int
    failed: int


@dataclass(frozen=True)
class Top(Report):
    """Who had most traffic.

    Attributes:
        by: Level of the names, or `pair`.
        span: The time the rates are over.
        ends: Every end, most bytes first; empty for `pair`. Bytes sent, and bytes received, add up to all payload;
            connections opened, and those accepted, to all connections.
        pairs: Every pair of workloads, most bytes first; empty for other levels. They add up to everything.
        total: The sums over all connections, each counted once.
        identities: For `identity`: those of more than one workload.
    """

    name: ClassVar[str] = "top"
    title: ClassVar[str] = "Top"
    rows_shown: ClassVar[int] = 10

    by: str
    span: Span
    ends: tuple[End, ...]
    pairs: tuple[Pair, ...]
    total: End
    identities: tuple[SharedIdentity, ...]

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """The ends or pairs, and for `identity` those of more than one workload."""
        limit = self.cap(limit)
        if self.by == PAIR:
            pairs = [
                (row.source, row.target, row.flows, row.request_bytes, row.response_bytes, row.bytes_share,
                 row.bytes_per_s, row.denied, row.failed, row.flows_per_s, row.flows_share)
                for row in self.pairs
            ]  # fmt: skip
            return [titled("Pairs of workloads", _PAIRS, pairs, limit)]
        rows = [_cells(end) for end in self.ends]
        title = _PLURAL.get(self.by, self.by.capitalize() + "s")
        found = [titled(title, _ENDS, rows, limit, total=_cells(self.total))]
        if self.identities:
            found.append(shared_table(self.identities, limit))
        return found

    def notes(self) -> list[str]:
        """What the rates are over, and what the sums count twice."""
        notes = [self.span.note()]
        if self.by != PAIR:
            notes.append(
                "A connection is in the row of its client and in that of its server; the total counts it once. Half of "
                "its bytes make up the share of each."
            )
        if self.basis.bytes_unknown:
            notes.append(f"{counted(self.basis.bytes_unknown, 'connection')} without a known size: no bytes counted.")
        return notes


_PLURAL: dict[str, str] = {GraphLevel.IDENTITY: "Identities"}

_ENDS = (
    Field("name"), Field("opened", Unit.COUNT, adds=True), Field("accepted", Unit.COUNT, adds=True),
    Field("sent", Unit.BYTES, adds=True), Field("received", Unit.BYTES, adds=True),
    Field("share", Unit.SHARE, adds=True), Field("denied", Unit.COUNT, adds=True),
    Field("failed", Unit.COUNT, adds=True), Field("sent/s", Unit.BYTES_PER_S, adds=True, spare=True),
    Field("received/s", Unit.BYTES_PER_S, adds=True, spare=True),
    Field("opened/s", Unit.PER_S, adds=True, spare=True), Field("accepted/s", Unit.PER_S, adds=True, spare=True),
)  # fmt: skip


def _cells(end: End) -> tuple[object, ...]:
    return (
        end.name, end.opened, end.accepted, end.bytes_sent, end.bytes_received, end.bytes_share, end.denied,
        end.failed, end.sent_per_s, end.received_per_s, end.opened_per_s, end.accepted_per_s,
    )  # fmt: skip


_PAIRS = (
    Field("source"), Field("destination"), Field("conns", Unit.COUNT, adds=True),
    Field("request", Unit.BYTES, adds=True), Field("response", Unit.BYTES, adds=True),
    Field("share", Unit.SHARE, adds=True), Field("bytes/s", Unit.BYTES_PER_S, adds=True),
    Field("denied", Unit.COUNT, adds=True), Field("failed", Unit.COUNT, adds=True),
    Field("conns/s", Unit.PER_S, adds=True, spare=True), Field("share of conns", Unit.SHARE, adds=True, spare=True),
)  # fmt: skip


def top(flows: Flows, by: By = "workload") -> Top:
    """Who had most traffic.

    Args:
        flows: Connections.
        by: Level of the ends (`graph.build_graph`), or `pair` for pairs of workloads.

    Raises:
        UsageError: `by` is neither.

    Cost: about 0.3 s for 1 M flows.
    """
    if by != PAIR:
        check_level(by)
    view = View(flows.to_arrow())
    basis = Basis.of(flows, view)
    span = Span.of(flows, basis)
    made = _ends(view, "workload" if by == PAIR else by, span)
    pairs = _pairs(view, span) if by == PAIR else ()
    shared = shared_identities(view) if by == GraphLevel.IDENTITY.value else ()
    return Top(basis, by, span, () if by == PAIR else made[:-1], pairs, made[-1], shared)


def _ends(view: View, by: str, span: Span) -> tuple[End, ...]:
    """Every end, most bytes first, and last the total."""
    ends = vertices(view, by)
    count = len(ends.all)
    opened, accepted = (tally(codes, count).tolist() for codes in (ends.source, ends.target))
    out, back = ("request_bytes", "response_bytes")
    request, answered = (sums(view, name, ends.source, count) for name in (out, back))
    taken, response = (sums(view, name, ends.target, count) for name in (out, back))
    itself = ends.source == ends.target
    refused = []
    for verdict in (Verdict.DENIED, Verdict.FAILED):
        mask = view.equals("verdict", verdict)
        both = tally(ends.source, count, mask) + tally(ends.target, count, mask & ~itself)
        refused.append([*both.tolist(), int(np.count_nonzero(mask))])
    sent = [one + other for one, other in zip(request, response, strict=True)]
    received = [one + other for one, other in zip(answered, taken, strict=True)]
    whole = sum(sent)
    names = [*(vertex.id for vertex in ends.all), TOTAL]
    columns = zip(
        names, [*opened, len(view)], [*accepted, len(view)], [*sent, whole], [*received, whole], *refused, strict=True
    )
    rows = [
        End(
            name, opens, accepts, sends, receives, share(sends + receives, 2 * whole), span.rate(sends),
            span.rate(receives), span.rate(opens), span.rate(accepts), denied, failed,
        )
        for name, opens, accepts, sends, receives, denied, failed in columns
    ]  # fmt: skip
    *found, total = rows
    found.sort(key=lambda end: (-end.bytes_sent - end.bytes_received, -end.opened - end.accepted, end.name))
    return (*found, total)


def _pairs(view: View, span: Span) -> tuple[Pair, ...]:
    ends = vertices(view, "workload")
    count = len(ends.all)
    pairs = group([(ends.source, count), (ends.target, count)], len(view))
    measured = measure(view, pairs)
    whole = sum(row.bytes for row in measured)
    found = [
        Pair(
            ends.id(source), ends.id(target), row.flows, row.request_bytes, row.response_bytes,
            share(row.bytes, whole), share(row.flows, len(view)), span.rate(row.bytes), span.rate(row.flows),
            row.denied, row.failed,
        )
        for source, target, row in zip(
            ends.source[pairs.first].tolist(), ends.target[pairs.first].tolist(), measured, strict=True
        )
    ]  # fmt: skip
    found.sort(key=lambda row: (-row.request_bytes - row.response_bytes, -row.flows, row.source, row.target))
    return tuple(found)
