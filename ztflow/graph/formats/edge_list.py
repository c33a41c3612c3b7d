"""CSV: one row an edge, for spreadsheets; and the same as an Arrow table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa

from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.graph.columns import AnyGraph, GraphColumns, encoded, joined
from ztflow.text.escapes import csv_cell

PLACES = ("source_node", "target_node", "source_zone", "target_zone")
"""Columns taken from the vertices."""

COLUMNS: tuple[str, ...] = ("source", "target", "path", *PLACES, *MEASURE_NAMES)

_TEXTS = frozenset({"source", "target", "path", *PLACES, "first_seen", "last_seen"})


def edge_rows(graph: AnyGraph) -> list[dict[str, Any]]:
    """One dictionary an edge with the keys of `COLUMNS`; None where unknown."""
    rows = []
    for source, target, attributes in graph.edges(data=True):
        known: dict[str, Any] = {"source": source, "target": target, **attributes}
        for end, vertex in (("source", source), ("target", target)):
            known[f"{end}_node"] = graph.nodes[vertex].get("node")
            known[f"{end}_zone"] = graph.nodes[vertex].get("zone")
        rows.append({name: known.get(name) for name in COLUMNS})
    return rows


def edge_table(graph: AnyGraph) -> pa.Table:
    """Edges as an Arrow table with the columns of `COLUMNS`: text, times, and integers.

    A sum that 64 bits cannot hold makes its column a float.
    """
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


def csv_pieces(graph: AnyGraph) -> Iterator[bytes]:
    """The edges as CSV (RFC 4180, but lines end in a line feed) with a heading."""
    yield (",".join(COLUMNS) + "\n").encode()
    if isinstance(graph, GraphColumns):
        yield from map(partial(_lines_of, graph, *_cells_of(graph)), graph.portions())
        return
    yield from encoded(",".join(map(_cell, row.values())) + "\n" for row in edge_rows(graph))


def _cells_of(graph: GraphColumns) -> tuple[dict[str, list[str]], list[str]]:
    """Cells of each vertex by column, and of each path."""
    ends = {"": [csv_cell(name) for name in graph.names]}
    for place in ("node", "zone"):
        ends[f"_{place}"] = [_cell(graph.nodes[name].get(place)) for name in graph.names]
    return ends, [_cell(path) for path in graph.paths]


def _lines_of(graph: GraphColumns, ends: dict[str, list[str]], paths: list[str], places: range) -> bytes:
    cells: dict[str, pa.Array] = dict(graph.measured.arrow(places))
    for fact, texts in ends.items():
        cells[f"source{fact}"], cells[f"target{fact}"], cells["path"] = graph.texts(places, texts, paths)
    first, *others = (cells[name] for name in COLUMNS)
    return joined([first, *chain.from_iterable((",", column) for column in others), "\n"])


def to_csv(graph: AnyGraph) -> str:
    """`csv_pieces` as one text."""
    return b"".join(csv_pieces(graph)).decode()


def _cell(value: str | float | None) -> str:
    return csv_cell(value) if isinstance(value, str) else "" if value is None else str(value)
