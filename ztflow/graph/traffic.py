"""`TrafficGraph`: a `networkx.MultiDiGraph` that converts to tables and draws itself in a notebook.

Importing this module imports networkx (about 200 ms), so it is imported where a graph is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import networkx as nx

from ztflow.columns.gc_pause import gc_paused

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ztflow.graph.columns import GraphColumns

    Base = nx.MultiDiGraph[str]
else:
    Base = nx.MultiDiGraph


class EdgeKey(str):
    """The key of an edge: its path. `networkx.display` bends parallel edges by the rest of their keys."""

    __slots__ = ()

    def __mod__(self, divisor: Any) -> Any:
        """The rest of a number made of the text."""
        return sum(self.encode()) % divisor


class TrafficGraph(Base):
    """A traffic graph; see `ztflow.graph.build_graph`. Everything networkx offers works on it."""

    if TYPE_CHECKING:
        _succ: dict[str, dict[str, dict[str, dict[str, Any]]]]
        _pred: dict[str, dict[str, dict[str, dict[str, Any]]]]

    @classmethod
    def of(cls, columns: GraphColumns) -> TrafficGraph:
        """The graph of columns. Cost: 3 µs an edge, most of it to get memory: its attributes take a kilobyte."""
        names, keys = columns.names, [*map(EdgeKey, columns.keys)]
        with gc_paused():
            graph = cls()
            graph.graph.update(columns.graph)
            graph.add_nodes_from(columns.nodes.items())
            graph.put_edges(
                [names[code] for code in columns.source.tolist()],
                [names[code] for code in columns.target.tolist()],
                [keys[code] for code in columns.way.tolist()],
                columns.facts(range(len(columns.source))),
            )
        return graph

    def put_edges(
        self, sources: Iterable[str], targets: Iterable[str], keys: Iterable[str], attributes: Iterable[dict[str, Any]]
    ) -> None:
        """Put in the edges of a new graph whose vertices are there; the dictionaries become the edges' own.

        What `add_edge` does one by one, in a tenth of the time: it looks at nothing twice and copies nothing.
        """
        follow, precede = self._succ, self._pred
        for source, target, key, facts in zip(sources, targets, keys, attributes, strict=True):
            heads = follow[source]
            if target in heads:
                heads[target][key] = facts
            else:
                heads[target] = precede[target][source] = {key: facts}

    def to_arrow(self) -> pa.Table:
        """Edges as a table, one row an edge; see `formats.edge_list.edge_table`."""
        from ztflow.graph.formats.edge_list import edge_table

        return edge_table(self)

    def to_pandas(self) -> pd.DataFrame:
        """Edges as a DataFrame with nullable dtypes."""
        from ztflow.model.frames import to_pandas

        return to_pandas(self.to_arrow())

    def export(self, name: str) -> str:
        """The graph as text in a format of `ztflow.graph.formats`.

        Raises:
            UsageError: No such format.
        """
        from ztflow.graph.formats import write_graph

        return write_graph(self, name)

    def _repr_html_(self) -> str:
        from ztflow.graph.notebook import graph_html

        return graph_html(self)
