"""Flows of a part on their nodes, in order of their end; then of all parts in stretches of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.connect import at_hand
from ztflow.cluster.sending import Sent
from ztflow.columns.dictionaries import without_unused
from ztflow.columns.dtypes import AFTER_ALL, IntArray
from ztflow.columns.sorting import time_order
from ztflow.columns.timestamps import micros_of
from ztflow.place import Topology, place_flows

if TYPE_CHECKING:
    from distributed import Client, Future

_GRAINS: Final = 256
"""Points of time a part tells of its rows, between each two of which it has as many."""


InOrder = tuple[pa.Table, IntArray]
"""A table in order of time, and some of its times, evenly spread over its rows."""


def in_order(table: pa.Table, time: str) -> InOrder:
    """A table in order of time, rows without a time last."""
    table = table.unify_dictionaries().combine_chunks()
    micros = micros_of(table.column(time), AFTER_ALL)
    if not bool((micros[1:] >= micros[:-1]).all()):
        order = time_order(micros)
        table, micros = table.take(pa.array(order)), micros[order]
    return table, micros[:: max(1, len(micros) // _GRAINS)]


Finish = Callable[[InOrder, int, Topology], Any]
"""What becomes of the flows of a part, given its number and what is known of places."""


def as_they_are(made: InOrder, number: int, topology: Topology) -> InOrder:
    """Nothing: they are wanted as they are."""
    del number, topology
    return made


def placed(tables: Sequence[pa.Table], topology: Topology, number: int, finish: Finish) -> Any:
    """Flows of a part, placed, in order of their end, and what becomes of them; runs on a worker."""
    filled = [table for table in tables if table.num_rows] or list(tables[:1])
    flows = place_flows(pa.concat_tables(filled).unify_dictionaries().combine_chunks(), topology)
    return finish(in_order(flows, "end"), number, topology)


def cut(made: InOrder, time: str, edges: Sequence[int]) -> list[Sent | None]:
    """A table in order of time, cut at some times; runs on a worker."""
    table = made[0]
    micros = micros_of(table.column(time), AFTER_ALL)
    places = [0, *np.searchsorted(micros, edges).tolist(), len(micros)]
    return [
        Sent.of(without_unused(table.slice(start, stop - start))) if stop > start else None
        for start, stop in pairwise(places)
    ]


def merged(tables: Sequence[Sent | None], time: str) -> pa.Table | None:
    """Tables in order of time as one; runs on a worker."""
    filled = [table for one in tables if one is not None and (table := one.table).num_rows]
    return in_order(pa.concat_tables(filled), time)[0] if filled else None


def _whole(made: InOrder) -> Sent:
    return Sent.of(made[0])


def stretches(client: Client, made: Sequence[Future], time: str, count: int) -> list[Future]:
    """All rows of tables on the workers (`InOrder`) in so many stretches of time, about equally large, in order."""
    if len(made) == 1 and count == 1:
        whole = at_hand(client, _whole, made)
        return [client.submit(merged, whole, time, pure=False)]
    told: list[IntArray] = client.gather(at_hand(client, itemgetter(1), made))
    points = np.sort(np.concatenate([*told, np.zeros(0, np.int64)]))
    points = points[points != AFTER_ALL]
    edges = np.unique(points[len(points) * np.arange(1, count) // count]).tolist() if len(points) else []
    pieces = at_hand(client, cut, made, repeat(time, len(made)), repeat(edges, len(made)))
    return [
        client.submit(merged, at_hand(client, itemgetter(at), pieces), time, pure=False) for at in range(len(edges) + 1)
    ]
