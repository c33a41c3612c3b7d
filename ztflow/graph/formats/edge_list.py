"""CSV: one row an edge, for spreadsheets; and the same as an Arrow table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.text.escapes import csv_cell

if TYPE_CHECKING:
    import networkx as nx
    import pyarrow as pa

PLACES = ("source_node", "target_node", "source_zone", "target_zone")
"""Columns taken from the vertices."""

COLUMNS: tuple[str, ...] = ("source", "target", "path", *PLACES, *MEASURE_NAMES)

_TEXTS = frozenset({"source", "target", "path", *PLACES, "first_seen", "last_seen"})


def edge_rows(graph: nx.MultiDiGraph[str]) -> list[dict[str, Any]]:
    """One dictionary an edge with the keys of `COLUMNS`; None where unknown."""
    rows = []
    for source, target, attributes in graph.edges(data=True):
        known: dict[str, Any] = {"source": source, "target": target, **attributes}
        for end, vertex in (("source", source), ("target", target)):
            known[f"{end}_node"] = graph.nodes[vertex].get("node")
            known[f"{end}_zone"] = graph.nodes[vertex].get("zone")
        rows.append({name: known.get(name) for name in COLUMNS})
    return rows


def edge_table(graph: nx.MultiDiGraph[str]) -> pa.Table:
    """Edges as an Arrow table with the columns of `COLUMNS`: text, times, and integers.

    A sum that 64 bits cannot hold makes its column a float.
    """
    import pyarrow as pa

    rows = edge_rows(graph)
    arrays = {}
    for name in COLUMNS:
        values = [row[name] for row in rows]
        if name in ("first_seen", "last_seen"):
            arrays[name] = pa.array(values, pa.string()).cast(pa.timestamp("us", tz="UTC"))
        elif name in _TEXTS:
            arrays[name] = pa.array(values, pa.string())
        elif any(value is not None and value >= 2**63 for value in values):
            arrays[name] = pa.array([None if value is None else float(value) for value in values], pa.float64())
        else:
            arrays[name] = pa.array(values, pa.int64())
    return pa.table(arrays)


def to_csv(graph: nx.MultiDiGraph[str]) -> str:
    """The edges as CSV (RFC 4180, but lines end in a line feed) with a heading."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(map(_cell, row.values())) for row in edge_rows(graph)]
    return "\n".join(lines) + "\n"


def _cell(value: str | float | None) -> str:
    return csv_cell(value) if isinstance(value, str) else "" if value is None else str(value)
