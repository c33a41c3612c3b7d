"""HTML of a graph for notebooks: the map as inline SVG, then the busiest edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.boxes import CLASS_TEXT, box_attribute, edge_class
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
    return f'<div style="overflow:auto;max-height:640px">{svg}</div>\n{_legend(graph)}{table}'


def _legend(graph: nx.MultiDiGraph[str]) -> str:
    """What colours, widths and numbers of the map mean; only those that are on it."""
    found = {edge_class(attributes) for _, _, attributes in graph.edges(data=True)}
    keys = "".join(
        f'<svg class="ztmap" width="34" height="10" aria-hidden="true"><g class="edge {kind}">'
        f'<path class="line" d="M1 5H33" stroke-width="3"/></g></svg> {text} &#160; '
        for kind, text in CLASS_TEXT.items()
        if kind in found
    )
    return f"<p>{keys}thicker: more connections; red number: denied or failed</p>\n" if found else ""
