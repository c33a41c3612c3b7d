"""Rows by (source, destination), shared by several reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ztflow.aggregate import Measures, Vertices, View, measure, vertices
from ztflow.columns.grouping import group, members
from ztflow.text.format import Unit


@dataclass(frozen=True, slots=True)
class PairRow:
    """All connections from one source to one destination.

    Attributes:
        source: Client, at the level asked for.
        target: Server, likewise.
        source_nodes: Known nodes of the client in these connections, in order of name.
        target_nodes: Known nodes of the server.
        measures: Sums.
    """

    source: str
    target: str
    source_nodes: tuple[str, ...]
    target_nodes: tuple[str, ...]
    measures: Measures


def pair_rows(view: View, ends: Vertices, nodes: Vertices | None = None) -> list[PairRow]:
    """One row a (source, target), in order of connections, then bytes, then name."""
    count = len(ends.all)
    pairs = group([(ends.source, count), (ends.target, count)], len(view))
    nodes = nodes or vertices(view, "node")
    source_nodes = members(pairs, nodes.source, len(nodes.all))
    target_nodes = members(pairs, nodes.target, len(nodes.all))
    rows = [
        PairRow(
            ends.id(source),
            ends.id(target),
            nodes.known(source_nodes[number]),
            nodes.known(target_nodes[number]),
            measured,
        )
        for number, (source, target, measured) in enumerate(
            zip(
                ends.source[pairs.first].tolist(),
                ends.target[pairs.first].tolist(),
                measure(view, pairs),
                strict=True,
            )
        )
    ]
    return sorted(rows, key=busiest)


def busiest(row: PairRow) -> tuple[int, int, str, str]:
    """Sort key: most connections first, then most bytes, then by name."""
    return -row.measures.flows, -row.measures.bytes, row.source, row.target


def heaviest(row: PairRow) -> tuple[int, int, str, str]:
    """Sort key: most bytes first, then most connections, then by name."""
    return -row.measures.bytes, -row.measures.flows, row.source, row.target


def nodes_text(nodes: Sequence[str]) -> str | None:
    """Up to three nodes by name, more as a number; None when none is known."""
    if not nodes:
        return None
    return ", ".join(nodes) if len(nodes) <= 3 else f"{len(nodes)} nodes"


def nodes_split(sums: Measures) -> str:
    """`6 same, 5 cross, 1 ?`: connections by how far they go; parts that do not occur are left out."""
    parts = ((sums.same_node, "same"), (sums.cross_node, "cross"), (sums.locality_unknown, "?"))
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)


PAIR_COLUMNS: tuple[tuple[str, Unit], ...] = (
    ("source", Unit.TEXT), ("on", Unit.TEXT), ("destination", Unit.TEXT), ("on", Unit.TEXT),
    ("conns", Unit.COUNT), ("request", Unit.BYTES), ("response", Unit.BYTES), ("p95", Unit.MS),
    ("same node", Unit.COUNT), ("cross node", Unit.COUNT), ("node unknown", Unit.COUNT),
    ("refused", Unit.COUNT),
)  # fmt: skip


def pair_cells(row: PairRow) -> tuple[object, ...]:
    """Cells for `PAIR_COLUMNS`."""
    sums = row.measures
    return (
        row.source, nodes_text(row.source_nodes), row.target, nodes_text(row.target_nodes), sums.flows,
        known_bytes(sums, sums.request_bytes), known_bytes(sums, sums.response_bytes), sums.duration_p95_ms,
        sums.same_node, sums.cross_node, sums.locality_unknown, sums.denied + sums.failed,
    )  # fmt: skip


def known_bytes(sums: Measures, count: int) -> int | None:
    """A sum of bytes, or None when no connection of the group told its size."""
    return None if sums.flows and sums.bytes_unknown == sums.flows and not count else count
