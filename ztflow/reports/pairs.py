"""Rows by (source, destination), shared by several reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ztflow.aggregate import Measures, Vertices, View, vertices
from ztflow.aggregate.levels import known
from ztflow.aggregate.measures import list_of, measured
from ztflow.columns.grouping import Members, falling, group, ranks
from ztflow.reports.lazy_rows import Rows
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


Order = Literal["flows", "bytes"]


class Pairs:
    """Every (source, target), in the columns its row is made of.

    Args:
        view: Rows of `schema.FLOWS`.
        ends: Their ends at the level wanted.
        nodes: Their ends as nodes; found unless given.
    """

    def __init__(self, view: View, ends: Vertices, nodes: Vertices | None = None) -> None:
        count = len(ends.all)
        pairs = group([(ends.source, count), (ends.target, count)], len(view))
        nodes = nodes or vertices(view, "node")
        self.source, self.target = ends.source[pairs.first], ends.target[pairs.first]
        self.measured = measured(view, pairs)
        self._names = [vertex.id for vertex in ends.all]
        self._nodes = nodes.all
        self._on, self._at = (Members(pairs, end, len(nodes.all)) for end in (nodes.source, nodes.target))

    def rows(self, order: Order = "flows") -> Rows[PairRow]:
        """A row each, in order of connections, then bytes, or the other way round; then by name."""
        ranked, flows = ranks(self._names), falling(list_of(self.measured.columns["flows"]))
        first, second = (flows, falling(self.measured.bytes))[:: 1 if order == "flows" else -1]
        places = np.lexsort((ranked[self.target], ranked[self.source], second, first))
        return Rows(len(places), lambda wanted: self._make(places[wanted].tolist()))

    def _make(self, places: list[int]) -> Iterator[PairRow]:
        for place, sums in zip(places, self.measured.of(places), strict=True):
            on, at = (known(self._nodes, some[place]) for some in (self._on, self._at))
            yield PairRow(self._names[self.source[place]], self._names[self.target[place]], on, at, sums)


def busiest(row: PairRow) -> tuple[int, int, str, str]:
    """Sort key: most connections first, then most bytes, then by name."""
    return -row.measures.flows, -row.measures.bytes, row.source, row.target


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
