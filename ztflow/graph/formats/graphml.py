"""GraphML: Gephi, yEd, igraph, `networkx.read_graphml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.graph.formats.xml_copy import xml_copy

if TYPE_CHECKING:
    import networkx as nx


def to_graphml(graph: nx.MultiDiGraph[str]) -> str:
    """The graph in GraphML with typed attributes."""
    import networkx as nx

    return "\n".join(nx.generate_graphml(xml_copy(graph))) + "\n"
