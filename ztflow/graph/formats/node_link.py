"""JSON: `{"nodes": [{"id", …}], "edges": [{"source", "target", "key", …}], …}`, networkx's node-link shape.

Read back with `networkx.node_link_graph(data)`, which learns from the data that edges have a direction and may be
parallel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ztflow.text.format import json_text

if TYPE_CHECKING:
    import networkx as nx


def node_objects(graph: nx.MultiDiGraph[str]) -> Iterable[dict[str, Any]]:
    """Vertices as JSON objects."""
    for vertex, attributes in graph.nodes(data=True):
        yield {"id": vertex, **attributes}


def edge_objects(graph: nx.MultiDiGraph[str]) -> Iterable[dict[str, Any]]:
    """Edges as JSON objects."""
    for source, target, key, attributes in graph.edges(keys=True, data=True):
        yield {"source": source, "target": target, "key": key, **attributes}


def to_json(graph: nx.MultiDiGraph[str]) -> str:
    """The graph as node-link JSON, one vertex or edge a line."""
    nodes = ",\n".join(json_text(node) for node in node_objects(graph))
    edges = ",\n".join(json_text(edge) for edge in edge_objects(graph))
    about = json_text(dict(graph.graph))
    return f'{{"directed":true,"multigraph":true,"graph":{about},\n"nodes":[\n{nodes}\n],"edges":[\n{edges}\n]}}\n'
