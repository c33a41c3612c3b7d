"""The traffic graph: flows → `networkx.MultiDiGraph`, and its export formats (`ztflow.graph.formats`).

networkx is imported when a graph is built, not before.
"""

from __future__ import annotations

from ztflow.aggregate import LEVELS, UNKNOWN
from ztflow.graph.build import build_graph, columns_of

__all__ = ["LEVELS", "UNKNOWN", "build_graph", "columns_of"]
