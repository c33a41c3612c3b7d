"""Export formats of the traffic graph, one module each: name → `writer(graph) -> str`.

Every writer takes any `networkx.MultiDiGraph` with scalar attributes, is deterministic, and escapes names for its
format: they come from a log and may hold anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from ztflow.errors import UsageError
from ztflow.graph.columns import AnyGraph
from ztflow.graph.formats.cytoscape import cytoscape_pieces, to_cytoscape
from ztflow.graph.formats.dot import dot_pieces, to_dot
from ztflow.graph.formats.edge_list import csv_pieces, to_csv
from ztflow.graph.formats.gexf import to_gexf
from ztflow.graph.formats.graphml import to_graphml
from ztflow.graph.formats.map.page import to_html
from ztflow.graph.formats.map.svg import to_svg
from ztflow.graph.formats.mermaid import to_mermaid
from ztflow.graph.formats.node_link import json_pieces, to_json

if TYPE_CHECKING:
    import networkx as nx

Writer: TypeAlias = "Callable[[nx.MultiDiGraph[str]], str]"

GRAPH_WRITERS: dict[str, Writer] = {
    "json": to_json,
    "dot": to_dot,
    "mermaid": to_mermaid,
    "graphml": to_graphml,
    "gexf": to_gexf,
    "cytoscape": to_cytoscape,
    "csv": to_csv,
    "svg": to_svg,
    "html": to_html,
}
"""Every format by the name the command line uses."""

STREAMED: dict[str, Callable[[AnyGraph], Iterator[bytes]]] = {
    "json": json_pieces,
    "cytoscape": cytoscape_pieces,
    "csv": csv_pieces,
    "dot": dot_pieces,
}
"""Formats that are written piece by piece, of columns as well as of a graph of networkx: memory is bounded."""


def write_graph(graph: nx.MultiDiGraph[str], name: str) -> str:
    """The graph as text in the named format.

    Args:
        graph: What `build_graph` gave, or any `networkx.MultiDiGraph` whose attributes are single values.
        name: One of `json`, `dot`, `mermaid`, `graphml`, `gexf`, `cytoscape`, `csv`, `svg`, `html`; see
            docs/reference/graph.md#formats.

    Raises:
        UsageError: No such format; names those there are.
    """
    writer = GRAPH_WRITERS.get(name)
    if writer is None:
        raise UsageError(f"no graph format {name!r}; choose one of {', '.join(GRAPH_WRITERS)}")
    return writer(graph)


__all__ = ["GRAPH_WRITERS", "STREAMED", "Writer", "write_graph"]
