"""Cytoscape JSON (Cytoscape.js, Cytoscape desktop): compound boxes by node, ids that are safe as selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ztflow.graph.formats.boxes import box_attribute, boxes, edge_class
from ztflow.text.format import json_text

if TYPE_CHECKING:
    import networkx as nx


def to_cytoscape(graph: nx.MultiDiGraph[str]) -> str:
    """`{"data": …, "elements": {"nodes": [{"data": …, "classes": …}], "edges": […]}}`; names are in `data.name`."""
    attribute = box_attribute(graph)
    numbers = {vertex: f"v{number}" for number, vertex in enumerate(graph.nodes)}
    nodes: list[dict[str, Any]] = []
    for number, (place, members) in enumerate(boxes(graph, attribute).items()):
        if place is not None:
            nodes.append({"data": {"id": f"b{number}", "name": place, "box": attribute}, "classes": "box"})
        for vertex in members:
            data: dict[str, Any] = {**graph.nodes[vertex], "id": numbers[vertex], "name": vertex}
            if place is not None:
                data["parent"] = f"b{number}"
            nodes.append({"data": data})
    edges = [
        {
            "data": {
                **attributes,
                "id": f"e{number}",
                "source": numbers[source],
                "target": numbers[target],
                "interaction": key,
            },
            "classes": edge_class(attributes),
        }
        for number, (source, target, key, attributes) in enumerate(graph.edges(keys=True, data=True))
    ]
    return json_text({"data": dict(graph.graph), "elements": {"nodes": nodes, "edges": edges}}) + "\n"
