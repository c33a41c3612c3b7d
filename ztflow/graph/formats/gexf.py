"""GEXF 1.2, Gephi's own format; edge weight = connections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ztflow.graph.formats.xml_copy import xml_copy

if TYPE_CHECKING:
    import networkx as nx


def to_gexf(graph: nx.MultiDiGraph[str]) -> str:
    """The graph in GEXF with typed attributes."""
    import networkx as nx

    copy = xml_copy(graph)
    for _, _, attributes in copy.edges(data=True):
        attributes["weight"] = attributes.get("flows", 1)
    text = "\n".join(nx.generate_gexf(copy, version="1.2draft"))
    # networkx stamps the day of writing; the same graph must give the same text.
    return re.sub(r' lastmodifieddate="[\d-]*"', "", text, count=1) + "\n"
