"""Graphviz DOT: `dot -Tsvg`. Vertices in clusters by node, same-node edges solid green, cross-node bold orange."""

from __future__ import annotations

from collections.abc import Iterator

from ztflow.graph.columns import AnyGraph, encoded
from ztflow.graph.formats.boxes import MIXED, box_attribute, boxes, edge_class
from ztflow.model.vocabulary import NodeLocality
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text

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


def dot_pieces(graph: AnyGraph) -> Iterator[bytes]:
    """The graph in DOT, a line or more at a time; edge labels say connections and payload."""
    return encoded(line + "\n" for line in _lines(graph))


def to_dot(graph: AnyGraph) -> str:
    """`dot_pieces` as one text."""
    return b"".join(dot_pieces(graph)).decode()


def _lines(graph: AnyGraph) -> Iterator[str]:
    attribute = box_attribute(graph)
    yield from (
        "digraph ztflow {",
        # Ranks shared by all clusters: with one ranking each, Graphviz gives up on cycles between clusters.
        "  rankdir=LR; newrank=true;",
        '  node [shape=box style="rounded,filled" fillcolor="#f4f6f8" fontname="Helvetica" fontsize=10];',
        '  edge [fontname="Helvetica" fontsize=9];',
    )
    for number, (place, members) in enumerate(boxes(graph, attribute).items()):
        indent = "  "
        if place is not None:
            yield f"  subgraph cluster_{number} {{"
            yield f'    label={_label(f"{attribute} {place}")}; style=rounded; color="#9aa5b1";'
            indent = "    "
        for vertex in members:
            dashed = " style=dashed" if graph.nodes[vertex].get("unknown") else ""
            yield f"{indent}{quoted(vertex)} [label={_label(vertex)}{dashed}];"
        if place is not None:
            yield "  }"
    for source, target, attributes in graph.edges(data=True):
        size = bytes_text(attributes.get("request_bytes", 0) + attributes.get("response_bytes", 0))
        label = f"{attributes.get('flows', 0):,} conn, {size}"
        refused = attributes.get("denied", 0) + attributes.get("failed", 0)
        extra = ""
        if refused:
            label += f", {refused:,} refused"
            extra = ' fontcolor="#b3261e" arrowhead=tee'
        style = _STYLE[edge_class(attributes)]
        yield f"  {quoted(source)} -> {quoted(target)} [label={_label(label)} {style}{extra}];"
    yield "}"
