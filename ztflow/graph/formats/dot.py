"""Graphviz DOT: `dot -Tsvg`. Vertices in clusters by node, same-node edges solid green, cross-node bold orange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.boxes import MIXED, box_attribute, boxes, edge_class
from ztflow.model.vocabulary import NodeLocality
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text

if TYPE_CHECKING:
    import networkx as nx

_STYLE: dict[str, str] = {
    NodeLocality.SAME_NODE: 'color="#1b7f5c"',
    NodeLocality.CROSS_NODE: 'color="#c2570c" penwidth=2',
    MIXED: 'color="#1b7f5c:#c2570c"',
    NodeLocality.UNKNOWN: 'color="#777777" style=dashed',
}


def quoted(text: str) -> str:
    """An id: a DOT string, which Graphviz ends only at an unescaped `"`; different names stay different."""
    return '"' + visible(text.replace("\\", "\\\\")).replace('"', '\\"') + '"'


def _label(text: str) -> str:
    """A label, in which Graphviz also reads backslash sequences and HTML entities."""
    return '"' + visible(text).replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"') + '"'


def to_dot(graph: nx.MultiDiGraph[str]) -> str:
    """The graph in DOT; edge labels say connections and payload."""
    attribute = box_attribute(graph)
    lines = [
        "digraph ztflow {",
        # Ranks shared by all clusters: with one ranking each, Graphviz gives up on cycles between clusters.
        "  rankdir=LR; newrank=true;",
        '  node [shape=box style="rounded,filled" fillcolor="#f4f6f8" fontname="Helvetica" fontsize=10];',
        '  edge [fontname="Helvetica" fontsize=9];',
    ]
    for number, (place, members) in enumerate(boxes(graph, attribute).items()):
        indent = "  "
        if place is not None:
            lines.append(f"  subgraph cluster_{number} {{")
            lines.append(f'    label={_label(f"{attribute} {place}")}; style=rounded; color="#9aa5b1";')
            indent = "    "
        for vertex in members:
            dashed = " style=dashed" if graph.nodes[vertex].get("unknown") else ""
            lines.append(f"{indent}{quoted(vertex)} [label={_label(vertex)}{dashed}];")
        if place is not None:
            lines.append("  }")
    for source, target, attributes in graph.edges(data=True):
        size = bytes_text(attributes.get("request_bytes", 0) + attributes.get("response_bytes", 0))
        label = f"{attributes.get('flows', 0):,} conn, {size}"
        refused = attributes.get("denied", 0) + attributes.get("failed", 0)
        extra = ""
        if refused:
            label += f", {refused:,} refused"
            extra = ' fontcolor="#b3261e" arrowhead=tee'
        style = _STYLE[edge_class(attributes)]
        lines.append(f"  {quoted(source)} -> {quoted(target)} [label={_label(label)} {style}{extra}];")
    lines.append("}")
    return "\n".join(lines) + "\n"
