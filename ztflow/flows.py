"""`Flows`: the table of connections, both halves where seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from ztflow.origin import Problem, ReadStats
from ztflow.schema import FLOWS, Column
from ztflow.tables import FLOWS_SCHEMA, Table

if TYPE_CHECKING:
    import networkx as nx

    from ztflow.objects import Flow


class Flows(Table):
    """Connections as an Arrow table (`schema.FLOWS`), with the counts of how the input was read.

    Attributes:
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read.
        evicted: Halves given up because a memory bound was hit.
    """

    columns: ClassVar[Sequence[Column]] = FLOWS
    schema: ClassVar[pa.Schema] = FLOWS_SCHEMA

    def __init__(
        self,
        table: pa.Table | None = None,
        *,
        stats: ReadStats | None = None,
        problems: Sequence[Problem] = (),
        evicted: int = 0,
    ) -> None:
        super().__init__(table)
        self.stats = stats or ReadStats()
        self.problems = tuple(problems)
        self.evicted = evicted

    def __iter__(self) -> Iterator[Flow]:
        from ztflow.objects import Flow

        for row in self.rows():
            yield Flow.model_validate(row)

    def graph(self, by: str = "pod") -> nx.MultiDiGraph[str]:
        """The traffic graph; see `ztflow.graph.build_graph`."""
        from ztflow.graph import build_graph

        return build_graph(self, by=by)
