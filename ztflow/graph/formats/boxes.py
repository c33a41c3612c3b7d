"""Which box a vertex is drawn in: its Kubernetes node, else the best place known."""

from __future__ import annotations

from typing import Any

from ztflow.graph.columns import AnyGraph
from ztflow.model.vocabulary import NodeLocality

MIXED = "mixed"
"""Beside the words of `NodeLocality`: an edge with connections of both kinds."""

CLASS_TEXT: dict[str, str] = {
    NodeLocality.SAME_NODE: "same node",
    NodeLocality.CROSS_NODE: "cross node",
    MIXED: "same and cross node",
    NodeLocality.UNKNOWN: "node unknown",
}


def box_attribute(graph: AnyGraph) -> str | None:
    """The attribute vertices are boxed by: the node; zones for a graph of nodes, namespaces for one of workloads.

    None where nothing applies.
    """
    by = graph.graph.get("by")
    orders: dict[Any, tuple[str, ...]] = {
        "node": ("zone", "cluster"),
        "zone": ("cluster",),
        "workload": ("namespace", "node", "zone"),
        "service": ("namespace", "node", "zone"),
    }
    order = orders.get(by, ("node", "zone", "namespace"))
    for name in order:
        if name != by and any(name in attributes for _, attributes in graph.nodes(data=True)):
            return name
    return None


def boxes(graph: AnyGraph, attribute: str | None) -> dict[str | None, list[str]]:
    """Vertices by box, boxes in order of name, those without one last under None."""
    found: dict[str | None, list[str]] = {}
    for vertex, attributes in graph.nodes(data=True):
        place = attributes.get(attribute) if attribute else None
        found.setdefault(place, []).append(vertex)
    named = sorted(place for place in found if place is not None)
    order: list[str | None] = [*named, *([None] if None in found else [])]
    return {place: found[place] for place in order}


def edge_class(attributes: dict[str, int]) -> str:
    """How far an edge goes, from its counts: a word of `NodeLocality` or `MIXED`."""
    same, cross = attributes.get("same_node", 0), attributes.get("cross_node", 0)
    if same and cross:
        return MIXED
    if same:
        return NodeLocality.SAME_NODE.value
    return (NodeLocality.CROSS_NODE if cross else NodeLocality.UNKNOWN).value
