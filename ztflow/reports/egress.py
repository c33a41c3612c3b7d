"""Egress: connections that left the mesh, and those to addresses of no known service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import ClassVar, Literal

import numpy as np

from ztflow.aggregate import View, measure, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import sums
from ztflow.columns.dtypes import BoolArray
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Paired
from ztflow.reports.model import Basis, Portion, Report, share
from ztflow.reports.rates import Span
from ztflow.reports.refusals import PORT_NUMBERS, wanted_port
from ztflow.reports.tables import Field, TitledTable, titled
from ztflow.text.format import Unit, bytes_text, counted, share_text

Kind = Literal["no_service", "outside_mesh"]
Scope = Literal["public", "private", "link_local", "loopback", "other"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of the mesh.

    Attributes:
        kind: `no_service`: neither a service nor a workload is known for the address, as with a missing ServiceEntry.
            `outside_mesh`: the destination is known but not in the mesh.
        source: Client's workload.
        target: Name of the destination; the address where nothing else is known.
        address: Address dialled.
        port: Port dialled.
        scope: What kind of address it is; `link_local` includes the cloud metadata service, 169.254.169.254.
        flows: Connections.
        request_bytes: Payload sent out.
        response_bytes: Payload that came back.
        refused: Connections denied or failed.
        flows_share: Of all connections that left the mesh.
        bytes_share: Of all payload that left the mesh or came back; None without any.
        first_seen: First.
        last_seen: Last.
    """

    kind: Kind
    source: str
    target: str
    address: str | None
    port: int | None
    scope: Scope | None
    flows: int
    request_bytes: int
    response_bytes: int
    refused: int
    flows_share: float
    bytes_share: float | None
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True)
class Egress(Report):
    """What leaves the mesh.

    Attributes:
        ways: Every way out, busiest first.
        total: Connections that left the mesh, and their payload, with their shares of everything.
        span: The time the rates are over.
    """

    name: ClassVar[str] = "egress"
    title: ClassVar[str] = "Egress"

    ways: tuple[Way, ...]
    total: Portion
    span: Span

    @property
    def findings(self) -> int:
        """Ways out that belong to no known service."""
        return sum(way.kind == "no_service" for way in self.ways)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """To addresses without a service, then to known destinations outside the mesh."""
        limit = self.cap(limit)
        return [
            titled(title, _COLUMNS, [_cells(way, self.span) for way in self.ways if way.kind == kind], limit)
            for kind, title in (
                ("no_service", "To addresses no service or workload is known for"),
                ("outside_mesh", "To known destinations outside the mesh"),
            )
        ]

    def notes(self) -> list[str]:
        """How much it is, what to make of an address without a service, what shares and rates are of."""
        total, notes = self.total, []
        if total.flows:
            of_flows, of_bytes = (
                "" if part is None else f" ({share_text(part)} of all)"
                for part in (total.flows_share, total.bytes_share)
            )
            notes += [
                (
                    f"Left the mesh: {counted(total.flows, 'connection')}{of_flows}, {bytes_text(total.bytes)} "
                    f"sent and received{of_bytes}. Shares are of what left the mesh."
                ),
                self.span.note(),
            ]
        if self.findings:
            notes.append(
                "An address without a service usually lacks a ServiceEntry, or belongs to a pod outside the "
                "mesh's view."
            )
        return notes


_COLUMNS = (
    Field("source"), Field("destination"), Field("address"), Field("port", Unit.NUMBER), Field("scope", spare=True),
    Field("conns", Unit.COUNT, adds=True), Field("sent", Unit.BYTES, adds=True),
    Field("received", Unit.BYTES, adds=True), Field("share", Unit.SHARE, adds=True),
    Field("share of conns", Unit.SHARE, adds=True, spare=True), Field("refused", Unit.COUNT, adds=True),
    Field("bytes/s", Unit.BYTES_PER_S, adds=True, spare=True), Field("conns/s", Unit.PER_S, adds=True, spare=True),
    Field("first", Unit.TIME, spare=True), Field("last", Unit.TIME, spare=True),
)  # fmt: skip


def _cells(way: Way, span: Span) -> tuple[object, ...]:
    scope = None if way.scope is None else way.scope.replace("_", " ")
    return (
        way.source, way.target, way.address, way.port, scope, way.flows, way.request_bytes, way.response_bytes,
        way.bytes_share, way.flows_share, way.refused, span.rate(way.request_bytes + way.response_bytes),
        span.rate(way.flows), way.first_seen, way.last_seen,
    )  # fmt: skip


def egress(flows: Flows) -> Egress:
    """Connections that left the mesh: dialled by a captured client, not encrypted by the mesh.

    Args:
        flows: Connections.

    Cost: about 0.3 s for 1 M flows.
    """
    view = view_of(flows)
    ends = vertices(view, "workload")
    left_mesh = outside(view)
    part, source, target = view.where(left_mesh), ends.source[left_mesh], ends.target[left_mesh]
    address, port = part.labels("dst_ip"), wanted_port(part)
    nameless = ~(part.known("dst_service") | part.known("dst_name") | part.known("dst_pod"))
    service = part.labels("dst_service")
    count = len(ends.all)
    groups = group(
        [
            (nameless.astype("int64"), 2),
            (source, count),
            (target, count),
            address.part,
            (port, PORT_NUMBERS),
            service.part,
        ],
        len(part),
    )
    ways, left = [], part.count()
    measured = measure(part, groups)
    moved = sum(found.bytes for found in measured)
    for row, found in zip(groups.first.tolist(), measured, strict=True):
        ip = address.words[address.codes[row]] if address.codes[row] >= 0 else None
        name = service.words[service.codes[row]] if service.codes[row] >= 0 else ends.id(int(target[row]))
        ways.append(
            Way(
                "no_service" if nameless[row] else "outside_mesh",
                ends.id(int(source[row])),
                name,
                ip,
                int(port[row]) if port[row] >= 0 else None,
                scope_of(ip),
                found.flows,
                found.request_bytes,
                found.response_bytes,
                found.denied + found.failed,
                found.flows / left,
                share(found.bytes, moved),
                found.first_seen,
                found.last_seen,
            )
        )
    ways.sort(key=lambda way: (-way.flows, way.source, way.target, way.address or "", way.port or 0))
    everything = np.zeros(len(view), np.int64)
    every = sum(sums(view, f"{way}_bytes", everything, 1)[0] for way in ("request", "response"))
    basis = Basis.of(flows, view)
    total = Portion(left, moved, share(left, view.count()), share(moved, every))
    return Egress(basis, tuple(ways), total, Span.of(flows, basis))


def outside(view: View) -> BoolArray:
    """Rows a captured client dialled and the mesh did not encrypt.

    Early refusals are no egress: their lines name no destination, so it may well be in the mesh. Nor is a connection in
    plaintext that the destination's ztunnel tells of too.
    """
    values, known = view.numbers("mtls")
    found: BoolArray = known & ~values.astype(bool) & view.equals("paired", Paired.OUTBOUND_ONLY)
    return found


def scope_of(ip: str | None) -> Scope | None:
    """What kind of address it is; None for none, or text that is no address."""
    if ip is None:
        return None
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    if address.is_multicast:
        return "other"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link_local"
    if address.is_private:
        return "private"
    return "public" if address.is_global else "other"
