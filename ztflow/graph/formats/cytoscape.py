"""Cytoscape JSON: Cytoscape.js, Cytoscape desktop, `networkx.cytoscape_graph`.

Every element stands for a vertex or an edge, so all three see the same graph. The node a vertex is on is in
`data.node`; Cytoscape.js takes elements by `getElementById`, for a name may hold what a selector would read otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from ztflow.graph.columns import AnyGraph, encoded
from ztflow.graph.formats.boxes import edge_class
from ztflow.text.format import json_text


def cytoscape_pieces(graph: AnyGraph) -> Iterator[bytes]:
    """`{"data": …, "directed": true, "multigraph": true, "elements": {"nodes": [{"data": …}], "edges": […]}}`."""
    nodes = [
        {"data": {**attributes, "id": vertex, "value": vertex, "name": vertex}}
        for vertex, attributes in graph.nodes(data=True)
    ]
    about = json_text({"data": dict(graph.graph), "directed": True, "multigraph": True})
    yield f'{about[:-1]},"elements":{{"nodes":{json_text(nodes)},"edges":['.encode()
    yield from encoded(_edges(graph))
    yield b"]}}\n"


def _edges(graph: AnyGraph) -> Iterator[str]:
    for number, (source, target, key, attributes) in enumerate(graph.edges(keys=True, data=True)):
        ends = {"id": f"e{number}", "source": source, "target": target, "key": key, "interaction": key}
        edge = json_text({"data": {**attributes, **ends}, "classes": edge_class(attributes)})
        yield f",{edge}" if number else edge


def to_cytoscape(graph: AnyGraph) -> str:
    """`cytoscape_pieces` as one text."""
    return b"".join(cytoscape_pieces(graph)).decode()
