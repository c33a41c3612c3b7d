"""HTML of a graph for notebooks: the map as inline SVG, then the busiest edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.boxes import box_attribute
from ztflow.graph.formats.edge_list import edge_rows
from ztflow.graph.formats.map.svg import svg_map
from ztflow.text.format import ROWS_SHOWN, Unit, html_table

if TYPE_CHECKING:
    import networkx as nx

_SHOWN: tuple[tuple[str, str, Unit], ...] = (
    ("source", "source", Unit.TEXT), ("target", "target", Unit.TEXT), ("path", "path", Unit.TEXT),
    ("flows", "flows", Unit.COUNT), ("request_bytes", "request", Unit.BYTES),
    ("response_bytes", "response", Unit.BYTES), ("duration_p95_ms", "p95", Unit.MS),
    ("same_node", "same node", Unit.COUNT),
    ("cross_node", "cross node", Unit.COUNT), ("locality_unknown", "node unknown", Unit.COUNT),
    ("denied", "denied", Unit.COUNT), ("failed", "failed", Unit.COUNT), ("plaintext", "plaintext", Unit.COUNT),
)  # fmt: skip


def graph_html(graph: nx.MultiDiGraph[str]) -> str:
    """The graph as HTML without scripts."""
    rows = sorted(edge_rows(graph), key=lambda row: -row["flows"])
    table = html_table(
        [title for _, title, _ in _SHOWN],
        [[row[name] for name, _, _ in _SHOWN] for row in rows[:ROWS_SHOWN]],
        units=[unit for _, _, unit in _SHOWN],
        caption=f"traffic by {graph.graph.get('by', 'vertex')}: {graph.number_of_nodes():,} vertices, "
        f"{graph.number_of_edges():,} edges",
        hidden=max(len(rows) - ROWS_SHOWN, 0),
    )
    svg = svg_map(graph, box_attribute(graph))
    return f'<div style="overflow:auto;max-height:640px">{svg}</div>\n{table}'
