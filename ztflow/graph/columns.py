"""`GraphColumns`: a traffic graph in columns: what is said of an edge is made as it is written.

It is read as a `networkx.MultiDiGraph` is, by `graph`, `nodes` and `edges`, in the same order.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.aggregate.measures import Measured
from ztflow.columns.dtypes import Integers

if TYPE_CHECKING:
    import networkx as nx

AnyGraph: TypeAlias = "nx.MultiDiGraph[str] | GraphColumns"

EDGES_AT_ONCE = 1 << 14
"""Edges that are made at once."""


class Nodes(dict[str, dict[str, Any]]):
    """Attributes of the vertices."""

    def __call__(self, *, data: bool) -> ItemsView[str, dict[str, Any]]:  # noqa: ARG002 - as networkx has it
        """The vertices with their attributes."""
        return self.items()


def joined(parts: Sequence[pa.Array | str]) -> bytes:
    """Texts of rows joined, and the rows; null is nothing, and what is no array is the same in all rows."""
    rows = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")
    _, ends, text = rows.buffers()
    return bytes(memoryview(text)[: int(np.frombuffer(ends, np.int32)[len(rows)])])


def encoded(lines: Iterable[str]) -> Iterator[bytes]:
    """Text that comes in small pieces, in larger ones."""
    rest = iter(lines)
    while some := list(islice(rest, EDGES_AT_ONCE)):
        yield "".join(some).encode()


@dataclass(frozen=True, slots=True)
class GraphColumns:
    """A traffic graph; edges in order of source, target and key.

    Attributes:
        graph: What it was made of.
        nodes: Attributes of the vertices, in order of name.
        names: Names of the vertices, as `source` and `target` number them.
        paths: The paths there are, as `way` numbers them; the last, which -1 stands for, is None.
        keys: Keys of edges, likewise.
        source: Client of each edge.
        target: Its server.
        way: Its path.
        measured: What was measured of each.
    """

    graph: dict[str, int | str]
    nodes: Nodes
    names: list[str]
    paths: list[str | None]
    keys: list[str]
    source: Integers
    target: Integers
    way: Integers
    measured: Measured

    def edges(self, *, keys: bool = False, data: bool) -> Iterator[Any]:  # noqa: ARG002 - as networkx has it
        """The edges one after the other, with their attributes."""
        for places in self.portions():
            part = slice(places.start, places.stop)
            for source, target, way, facts in zip(
                self.source[part].tolist(), self.target[part].tolist(), self.way[part].tolist(), self.facts(places),
                strict=True,
            ):  # fmt: skip
                ends = self.names[source], self.names[target]
                yield (*ends, self.keys[way], facts) if keys else (*ends, facts)

    def portions(self) -> Iterator[range]:
        """The edges, some at a time."""
        for start in range(0, len(self.source), EDGES_AT_ONCE):
            yield range(start, min(start + EDGES_AT_ONCE, len(self.source)))

    def texts(self, places: range, names: list[str], keys: list[str]) -> Iterator[pa.Array]:
        """A text for the source, target and key of each edge.

        Args:
            places: Which edges.
            names: A text for each vertex, as `names`.
            keys: A text for each key, as `keys`.
        """
        for words, codes in ((names, self.source), (names, self.target), (keys, self.way)):
            some = codes[places.start : places.stop]
            yield pa.array(words, pa.string()).take(pa.array(some % len(words)))

    def facts(self, places: range) -> list[dict[str, Any]]:
        """What is said of some edges."""
        paths = [self.paths[way] for way in self.way[places.start : places.stop].tolist()]
        return self.measured.scalars(places, path=paths)
