"""The rows of one edge of a traffic graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ztflow.aggregate.levels import UNKNOWN, vertices
from ztflow.aggregate.view import View
from ztflow.errors import UsageError


def edge_mask(table: pa.Table, graph: Mapping[str, Any], source: str, target: str, path: str | None) -> pa.Array:
    """Which rows of a flows table are in the edges between two vertices.

    Args:
        table: Columns of `schema.FLOWS`.
        graph: Attributes of the graph; `by` is its level.
        source: Vertex of the client.
        target: Vertex of the server.
        path: Key of one edge; None for all between the two.

    Raises:
        UsageError: The graph does not tell its level.
    """
    by = graph.get("by")
    if not isinstance(by, str):
        raise UsageError("this graph does not say what its vertices are (graph['by']); was it made by ztflow?")
    view = View(table)
    ends = vertices(view, by)
    wanted = [np.array([vertex.id == name for vertex in ends.all] or [False], np.bool_) for name in (source, target)]
    mask = wanted[0][ends.source] & wanted[1][ends.target]
    if path is not None:
        mask &= ~view.known("path") if path == UNKNOWN else view.equals("path", path)
    return pa.array(mask)
