"""Mermaid flowchart, for Markdown pages. Thin arrows stay on a node, thick ones cross nodes, dotted ones: unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.boxes import MIXED, box_attribute, boxes, edge_class
from ztflow.model.vocabulary import NodeLocality
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text

if TYPE_CHECKING:
    import networkx as nx

_ARROW: dict[str, str] = {
    NodeLocality.SAME_NODE: "-->",
    NodeLocality.CROSS_NODE: "==>",
    MIXED: "==>",
    NodeLocality.UNKNOWN: "-.->",
}

_PLAIN = frozenset(" _./:-,()")

_MAX_EDGES = 500
"""Mermaid draws no more edges than its `maxEdges` setting, by default this many."""


def quoted(text: str) -> str:
    """A Mermaid string: whatever is not plain is written as a character code (`#34;`), which Mermaid decodes."""
    coded = (char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in visible(text))
    return f'"{"".join(coded)}"'


def to_mermaid(graph: nx.MultiDiGraph[str]) -> str:
    """The graph as a Mermaid flowchart; ids are numbers, names are in the labels."""
    attribute = box_attribute(graph)
    numbers = {vertex: f"v{number}" for number, vertex in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    if graph.number_of_edges() > _MAX_EDGES:
        lines.append(f"%% {graph.number_of_edges()} edges: to draw them, raise Mermaid's maxEdges ({_MAX_EDGES})")
    for number, (place, members) in enumerate(boxes(graph, attribute).items()):
        if place is not None:
            lines.append(f"  subgraph b{number}[{quoted(f'{attribute} {place}')}]")
        lines.extend(f"    {numbers[vertex]}[{quoted(vertex)}]" for vertex in members)
        if place is not None:
            lines.append("  end")
    refused_edges = []
    for number, (source, target, attributes) in enumerate(graph.edges(data=True)):
        size = bytes_text(attributes.get("request_bytes", 0) + attributes.get("response_bytes", 0))
        label = f"{attributes.get('flows', 0)} conn, {size}"
        refused = attributes.get("denied", 0) + attributes.get("failed", 0)
        if refused:
            label += f", {refused} refused"
            refused_edges.append(str(number))
        arrow = _ARROW[edge_class(attributes)]
        lines.append(f"  {numbers[source]} {arrow}|{quoted(label)}| {numbers[target]}")
    if refused_edges:
        lines.append(f"  linkStyle {','.join(refused_edges)} stroke:#b3261e")
    unknown = [numbers[vertex] for vertex, known in graph.nodes(data=True) if known.get("unknown")]
    if unknown:
        lines.append("  classDef unknown stroke-dasharray:4 4")
        lines.append(f"  class {','.join(unknown)} unknown")
    return "\n".join(lines) + "\n"
