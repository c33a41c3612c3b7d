"""Flows of a part on their nodes, in order of their end; then of all parts in stretches of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import without_unused
from ztflow.columns.dtypes import AFTER_ALL, IntArray
from ztflow.columns.timestamps import micros_of
from ztflow.place import Topology, place_flows

if TYPE_CHECKING:
    from distributed import Client, Future

_GRAINS: Final = 256
"""Points of time a part tells of its rows, between each two of which it has as many."""


def in_order(table: pa.Table, time: str) -> tuple[pa.Table, IntArray]:
    """A table in order of time, rows without a time last; and some of its times, evenly spread over its rows."""
    table = table.unify_dictionaries().combine_chunks()
    micros = micros_of(table.column(time), AFTER_ALL)
    order = np.argsort(micros, kind="stable")
    micros = micros[order]
    return table.take(pa.array(order)), micros[:: max(1, len(micros) // _GRAINS)]


def placed(tables: Sequence[pa.Table], topology: Topology) -> tuple[pa.Table, IntArray]:
    """Flows, placed, in order of their end; and some of their ends. Runs on a worker."""
    filled = [table for table in tables if table.num_rows] or list(tables[:1])
    return in_order(place_flows(pa.concat_tables(filled).unify_dictionaries().combine_chunks(), topology), "end")


def cut(table: pa.Table, time: str, edges: Sequence[int]) -> list[pa.Table | None]:
    """A table in order of time, cut at some times; runs on a worker."""
    micros = micros_of(table.column(time), AFTER_ALL)
    places = [0, *np.searchsorted(micros, edges).tolist(), len(micros)]
    return [
        without_unused(table.slice(start, stop - start)) if stop > start else None
        for start, stop in itertools.pairwise(places)
    ]


def merged(tables: Sequence[pa.Table | None], time: str) -> pa.Table | None:
    """Tables in order of time as one; runs on a worker."""
    filled = [table for table in tables if table is not None]
    return in_order(pa.concat_tables(filled), time)[0] if filled else None


@dataclass(frozen=True, slots=True)
class Sorted:
    """Tables on the workers, each in order of time, and points of time as evenly spread over all rows as is known."""

    client: Client
    tables: Sequence[Future]
    points: Iterable[IntArray]
    time: str

    def stretches(self, count: int) -> list[Future]:
        """All rows in so many stretches of time, about equally large, in order."""
        points = np.sort(np.concatenate([*self.points, np.zeros(0, np.int64)]))
        points = points[points != AFTER_ALL]
        edges = np.unique(points[len(points) * np.arange(1, count) // count]).tolist() if len(points) else []
        pieces = [self.client.submit(cut, table, self.time, edges, pure=False) for table in self.tables]
        return [
            self.client.submit(
                merged, [self.client.submit(itemgetter(at), one, pure=False) for one in pieces], self.time, pure=False
            )
            for at in range(len(edges) + 1)
        ]
