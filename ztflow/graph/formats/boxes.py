"""Which box a vertex is drawn in: the Kubernetes node it is on, or the next best place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import networkx as nx

EdgeClass = Literal["same_node", "cross_node", "mixed", "unknown"]

CLASS_TEXT: dict[EdgeClass, str] = {
    "same_node": "same node",
    "cross_node": "cross node",
    "mixed": "same and cross node",
    "unknown": "node unknown",
}


def box_attribute(graph: nx.MultiDiGraph[str]) -> str | None:
    """The attribute vertices are boxed by: the node; zones for a graph of nodes; none where nothing applies."""
    by = graph.graph.get("by")
    order = ("zone", "cluster") if by == "node" else ("cluster",) if by == "zone" else ("node", "zone", "namespace")
    for name in order:
        if name != by and any(name in attributes for _, attributes in graph.nodes(data=True)):
            return name
    return None


def boxes(graph: nx.MultiDiGraph[str], attribute: str | None) -> dict[str | None, list[str]]:
    """Vertices by box, boxes in order of name, those without one last under None."""
    found: dict[str | None, list[str]] = {}
    for vertex, attributes in graph.nodes(data=True):
        place = attributes.get(attribute) if attribute else None
        found.setdefault(place, []).append(vertex)
    named = sorted(place for place in found if place is not None)
    order: list[str | None] = [*named, *([None] if None in found else [])]
    return {place: found[place] for place in order}


def edge_class(attributes: dict[str, int]) -> EdgeClass:
    """How far an edge goes, from its counts."""
    same, cross = attributes.get("same_node", 0), attributes.get("cross_node", 0)
    if same and cross:
        return "mixed"
    if same:
        return "same_node"
    return "cross_node" if cross else "unknown"
