"""Locality: what stays on a node or in a zone, what crosses, what that costs, and what would keep it local."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from ztflow.aggregate import UNKNOWN, Measures, Vertices, View, measure, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.dtypes import BoolArray
from ztflow.columns.grouping import Groups, group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import GraphLevel, NodeLocality, ZoneLocality
from ztflow.reports.model import Basis, Portion, Report, share
from ztflow.reports.pairs import nodes_split
from ztflow.reports.prices import GB, Prices
from ztflow.reports.remedies import ADVICE, SHORT, Remedy, remedies
from ztflow.reports.summary import node_kinds, parts_of, zone_kinds
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted

MATRIX_SIDE = 12
"""Places a matrix shows side by side; more are listed cell by cell, the biggest first."""

_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Cell:
    """Connections from one place to another.

    Attributes:
        source: Node or zone of the client; `(unknown)` where it is not known.
        target: Node or zone of the server.
        flows: Connections.
        request_bytes: Payload source → target, where known.
        response_bytes: Payload target → source, where known.
    """

    source: str
    target: str
    flows: int
    request_bytes: int
    response_bytes: int

    @property
    def bytes(self) -> int:
        """Payload both ways."""
        return self.request_bytes + self.response_bytes


@dataclass(frozen=True, slots=True)
class PairLocality:
    """How local the traffic of one pair of workloads is.

    Attributes:
        source: Client's workload.
        target: Server's workload.
        measures: Sums.
        cross_node_bytes: Payload of its cross-node connections.
        cross_zone_bytes: Payload of its cross-zone connections.
        node_share: Same-node share of the connections whose two nodes are known; None when none is.
        zone_share: Same-zone share of the connections whose two zones are known; None when none is.
    """

    source: str
    target: str
    measures: Measures
    cross_node_bytes: int
    cross_zone_bytes: int
    node_share: float | None
    zone_share: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What the payload between two zones costs at the given prices.

    Attributes:
        sender: Zone that sent.
        receiver: Zone that received.
        bytes: Payload sent that way, as request or response.
        egress: Charged to the sender; None without a price.
        ingress: Charged to the receiver; None without a price.
    """

    sender: str
    receiver: str
    bytes: int
    egress: float | None
    ingress: float | None


@dataclass(frozen=True, slots=True)
class Bill:
    """Costs of a capture.

    Attributes:
        currency: Of all amounts.
        costs: By direction between zones, dearest first.
        total: Sum of what has a price.
        unpriced_bytes: Payload between zones without a price.
        unknown_bytes: Payload of connections with an unknown zone, which may cost too.
        bytes_unknown: Connections that moved an unknown number of bytes.
        projected_30_days: `total`, if 30 days were like the window; None for a window without length.
    """

    currency: str
    costs: tuple[Cost, ...]
    total: float
    unpriced_bytes: int
    unknown_bytes: int
    bytes_unknown: int
    projected_30_days: float | None


@dataclass(frozen=True)
class Locality(Report):
    """What stays local.

    Attributes:
        nodes: Shares `same_node`, `cross_node`, `unknown`.
        zones: Shares `same_zone`, `cross_zone`, `unknown`.
        clusters: Shares `same_cluster`, `other_cluster`, `unknown`; None when no cluster is known at all.
        node_matrix: Connections and payload by pair of nodes.
        zone_matrix: Connections and payload by pair of zones.
        pairs: By pair of workloads, most cross-zone (then cross-node) payload first.
        remedies: What would keep cross-zone traffic in its zone.
        bill: Costs, when prices were given.
    """

    name: ClassVar[str] = "locality"
    title: ClassVar[str] = "Locality"

    nodes: Mapping[str, Portion]
    zones: Mapping[str, Portion]
    clusters: Mapping[str, Portion] | None
    node_matrix: tuple[Cell, ...]
    zone_matrix: tuple[Cell, ...]
    pairs: tuple[PairLocality, ...]
    remedies: tuple[Remedy, ...]
    bill: Bill | None

    @property
    def findings(self) -> int:
        """Remedies found."""
        return len(self.remedies)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Shares, matrices, pairs, costs, remedies."""
        limit = self.cap(limit)
        rows = [
            (f"{what} unknown" if name == "unknown" else name.replace("_", " "), part.flows, part.flows_share,
             part.bytes, part.bytes_share)
            for what, parts in (("node", self.nodes), ("zone", self.zones), ("cluster", self.clusters or {}))
            for name, part in parts.items()
        ]  # fmt: skip
        found = [
            titled("Local or not", _SHARES, rows),
            *matrix("Node to node", self.node_matrix, limit),
            *matrix("Zone to zone", self.zone_matrix, limit),
        ]
        pairs = [
            (row.source, row.target, row.measures.flows, nodes_split(row.measures), row.node_share,
             row.cross_node_bytes, row.zone_share, row.cross_zone_bytes, row.measures.zone_unknown)
            for row in self.pairs
        ]  # fmt: skip
        found.append(titled("By pair of workloads", _PAIRS, pairs, limit))
        if self.bill is not None:
            found.append(_bill_table(self.bill, limit))
        advice = [
            (row.source, row.source_zone, row.target, row.flows, row.bytes, row.local_endpoints, SHORT[row.kind])
            for row in self.remedies
        ]
        kinds = dict.fromkeys(row.kind for row in self.remedies)
        legend = [f"{SHORT[kind]}: {ADVICE[kind]}." for kind in kinds]
        found.append(titled("What would keep it in its zone", _REMEDIES, advice, limit, legend))
        return found

    def notes(self) -> list[str]:
        """What the numbers leave out."""
        notes = [_PAYLOAD]
        if (
            self.basis.flows
            and not self.zones[ZoneLocality.SAME_ZONE].flows
            and not self.zones[ZoneLocality.CROSS_ZONE].flows
        ):
            notes.append("No zone is known: add an inventory with node labels, kubectl get nodes --show-labels.")
        if self.basis.locality_unknown:
            notes.append("An unknown node or zone is never counted as local or as crossing.")
        if self.bill is not None and self.bill.projected_30_days is not None:
            notes.append("The 30-day figure only scales this window; it is no forecast.")
        return notes


_PAYLOAD = (
    "Bytes are payload as ztunnel counts it, a lower bound of what is billed: TLS, HBONE and TCP headers, "
    "handshakes and retransmissions come on top."
)

_SHARES = (
    ("", Unit.TEXT), ("conns", Unit.COUNT), ("share", Unit.SHARE), ("bytes", Unit.BYTES), ("share", Unit.SHARE),
)  # fmt: skip
_PAIRS = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("conns", Unit.COUNT), ("nodes", Unit.TEXT),
    ("same node", Unit.SHARE), ("crossing nodes", Unit.BYTES), ("same zone", Unit.SHARE),
    ("crossing zones", Unit.BYTES), ("zone unknown", Unit.COUNT),
)  # fmt: skip
_REMEDIES = (
    ("source", Unit.TEXT), ("in zone", Unit.TEXT), ("destination", Unit.TEXT), ("crossing conns", Unit.COUNT),
    ("bytes", Unit.BYTES), ("its pods there", Unit.COUNT), ("what to do", Unit.TEXT),
)  # fmt: skip
_CELLS = (
    ("from", Unit.TEXT), ("to", Unit.TEXT), ("conns", Unit.COUNT), ("request", Unit.BYTES), ("response", Unit.BYTES),
)  # fmt: skip


def matrix(title: str, cells: tuple[Cell, ...], limit: int | None) -> list[TitledTable]:
    """Two square tables (connections, payload both ways), or a list when the square would be too wide."""
    places = sorted(
        {cell.source for cell in cells} | {cell.target for cell in cells}, key=lambda name: (name == UNKNOWN, name)
    )
    if len(places) > MATRIX_SIDE or not places:
        ordered = sorted(cells, key=lambda cell: (-cell.flows, -cell.bytes, cell.source, cell.target))
        rows = [(cell.source, cell.target, cell.flows, cell.request_bytes, cell.response_bytes) for cell in ordered]
        return [titled(title, _CELLS, rows, limit)]
    by_ends = {(cell.source, cell.target): cell for cell in cells}
    tables = []
    for what, unit in (("connections", Unit.COUNT), ("bytes", Unit.BYTES)):
        square = []
        for source in places:
            row = [by_ends.get((source, target)) for target in places]
            square.append((source, *(_size(cell, unit) for cell in row)))
        columns = (("from \\ to", Unit.TEXT), *((place, unit) for place in places))
        tables.append(titled(f"{title}: {what}", columns, square))
    return tables


def _size(cell: Cell | None, unit: Unit) -> int:
    if cell is None:
        return 0
    return cell.flows if unit is Unit.COUNT else cell.bytes


def _bill_table(bill: Bill, limit: int | None) -> TitledTable:
    rows = [(cost.sender, cost.receiver, cost.bytes, cost.egress, cost.ingress) for cost in bill.costs]
    notes = [f"Total {bill.total:,.4g} {bill.currency} for the window, an estimate from payload."]
    if bill.projected_30_days is not None:
        notes.append(f"30 days like this window: {bill.projected_30_days:,.4g} {bill.currency}.")
    for count, text in (
        (bill.unpriced_bytes, "between zones without a price"),
        (bill.unknown_bytes, "in unknown zones"),
    ):
        if count:
            notes.append(f"Not in the total: {count:,} bytes {text}.")
    if bill.bytes_unknown:
        notes.append(f"Not in the total: {counted(bill.bytes_unknown, 'connection')} of unknown size.")
    columns = (
        ("from", Unit.TEXT), ("to", Unit.TEXT), ("bytes", Unit.BYTES), (f"egress {bill.currency}", Unit.MONEY),
        (f"ingress {bill.currency}", Unit.MONEY),
    )  # fmt: skip
    return titled("Cost between zones", columns, rows, limit, notes)


def locality(flows: Flows, *, prices: Prices | None = None) -> Locality:
    """What stays on a node or in a zone, and what crosses.

    Args:
        flows: Connections.
        prices: What a GB between zones costs each side; None leaves money out.

    Cost: about 0.8 s for 1 M flows.
    """
    view = view_of(flows)
    levels = (GraphLevel.WORKLOAD, GraphLevel.NODE, GraphLevel.ZONE)
    ends, nodes, zones = (vertices(view, by) for by in levels)
    zone_cells = _cells(view, zones)
    basis = Basis.of(flows, view)
    return Locality(
        basis=basis,
        nodes=parts_of(view, node_kinds(view)),
        zones=parts_of(view, zone_kinds(view)),
        clusters=_clusters(view),
        node_matrix=_cells(view, nodes),
        zone_matrix=zone_cells,
        pairs=_pairs(view, ends),
        remedies=remedies(view, ends, zones),
        bill=None if prices is None else _bill(zone_cells, prices, basis),
    )


def _clusters(view: View) -> dict[str, Portion] | None:
    """Shares by cluster, which ztunnel logs since 1.31."""
    known = view.known("src_cluster") & view.known("dst_cluster")
    if not known.any():
        return None
    places = vertices(view, "cluster")
    same = known & (places.source == places.target)
    return parts_of(view, {"same_cluster": same, "other_cluster": known & ~same})


def _cells(view: View, places: Vertices) -> tuple[Cell, ...]:
    count = len(places.all)
    groups = group([(places.source, count), (places.target, count)], len(view))
    flows = tally(groups.codes, len(groups), weights=view.weights).tolist()
    request, response = (sums(view, f"{way}_bytes", groups.codes, len(groups)) for way in ("request", "response"))
    cells = [
        Cell(places.id(source), places.id(target), *numbers)
        for source, target, *numbers in zip(
            places.source[groups.first].tolist(), places.target[groups.first].tolist(), flows, request, response,
            strict=True,
        )
    ]  # fmt: skip
    return tuple(
        sorted(cells, key=lambda cell: (cell.source == UNKNOWN, cell.source, cell.target == UNKNOWN, cell.target))
    )


def _pairs(view: View, ends: Vertices) -> tuple[PairLocality, ...]:
    count = len(ends.all)
    groups = group([(ends.source, count), (ends.target, count)], len(view))
    cross_node = _bytes_of(view, groups, view.equals("locality", NodeLocality.CROSS_NODE))
    cross_zone = _bytes_of(view, groups, view.equals("zone_locality", ZoneLocality.CROSS_ZONE))
    rows = [
        PairLocality(
            ends.id(source),
            ends.id(target),
            found,
            cross_node[number],
            cross_zone[number],
            share(found.same_node, found.same_node + found.cross_node),
            share(found.same_zone, found.same_zone + found.cross_zone),
        )
        for number, (source, target, found) in enumerate(
            zip(
                ends.source[groups.first].tolist(),
                ends.target[groups.first].tolist(),
                measure(view, groups),
                strict=True,
            )
        )
    ]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                -row.cross_zone_bytes, -row.cross_node_bytes, -row.measures.flows, row.source, row.target
            ),
        )
    )  # fmt: skip


def _bytes_of(view: View, groups: Groups, mask: BoolArray) -> list[int]:
    """Payload both ways of some rows, by group."""
    part = view.where(mask)
    codes = groups.codes[mask]
    request, response = (sums(part, f"{way}_bytes", codes, len(groups)) for way in ("request", "response"))
    return [up + down for up, down in zip(request, response, strict=True)]


def _bill(cells: tuple[Cell, ...], prices: Prices, basis: Basis) -> Bill:
    sent: dict[tuple[str, str], int] = {}
    unknown = 0
    for cell in cells:
        if UNKNOWN in (cell.source, cell.target):
            unknown += cell.bytes
            continue
        for ends, count in (
            ((cell.source, cell.target), cell.request_bytes),
            ((cell.target, cell.source), cell.response_bytes),
        ):
            sent[ends] = sent.get(ends, 0) + count
    costs, unpriced = [], 0
    for (sender, receiver), count in sent.items():
        price = prices.of(sender, receiver)
        if price is None:
            unpriced += count
            costs.append(Cost(sender, receiver, count, None, None))
        elif sender != receiver or price.egress or price.ingress:
            costs.append(Cost(sender, receiver, count, count / GB * price.egress, count / GB * price.ingress))
    costs.sort(key=lambda cost: (-((cost.egress or 0) + (cost.ingress or 0)), -cost.bytes, cost.sender, cost.receiver))
    total = sum((cost.egress or 0.0) + (cost.ingress or 0.0) for cost in costs)
    projected = total * (_MONTH / basis.window) if basis.window else None
    return Bill(prices.currency, tuple(costs), total, unpriced, unknown, basis.bytes_unknown, projected)
