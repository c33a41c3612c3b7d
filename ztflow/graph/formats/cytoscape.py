"""Cytoscape JSON: Cytoscape.js, Cytoscape desktop, `networkx.cytoscape_graph`.

Every element stands for a vertex or an edge, so all three see the same graph. The node a vertex is on is in
`data.node`; Cytoscape.js takes elements by `getElementById`, for a name may hold what a selector would read otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.boxes import edge_class
from ztflow.text.format import json_text

if TYPE_CHECKING:
    import networkx as nx


def to_cytoscape(graph: nx.MultiDiGraph[str]) -> str:
    """`{"data": …, "directed": true, "multigraph": true, "elements": {"nodes": [{"data": …}], "edges": […]}}`."""
    nodes = [
        {"data": {**attributes, "id": vertex, "value": vertex, "name": vertex}}
        for vertex, attributes in graph.nodes(data=True)
    ]
    edges = [
        {
            "data": {
                **attributes,
                "id": f"e{number}",
                "source": source,
                "target": target,
                "key": key,
                "interaction": key,
            },
            "classes": edge_class(attributes),
        }
        for number, (source, target, key, attributes) in enumerate(graph.edges(keys=True, data=True))
    ]
    elements = {"nodes": nodes, "edges": edges}
    about = {"data": dict(graph.graph), "directed": True, "multigraph": True}
    return json_text({**about, "elements": elements}) + "\n"
