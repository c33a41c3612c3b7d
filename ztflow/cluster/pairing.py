"""The steps of `pair.by_group` on the workers, and what is put together between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.parsing import one_table
from ztflow.columns.dtypes import IntArray
from ztflow.pair.by_group import Chained, GroupPairer, Hops, chains
from ztflow.pair.clocks.offsets import Offsets
from ztflow.pair.clocks.shared import Counts, Evidence, offsets_of_all, stretches
from ztflow.pair.exact_evidence import ConnectRequests
from ztflow.pair.stages.unpaired_reasons import SeenAddresses

if TYPE_CHECKING:
    from distributed import Client, Future

_HOPS: Final = 500_000
"""Hops that one task chains, about."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What all parts have to know before they are paired."""

    seen: SeenAddresses
    requests: ConnectRequests


def isolate(tables: Sequence[pa.Table | None], heard: Heard) -> tuple[pa.Table, Evidence, GroupPairer, Counts]:
    """The first step, on a worker."""
    pairer = GroupPairer(heard.seen, heard.requests)
    flows, evidence = pairer.isolate(one_table([table for table in tables if table is not None]))
    return flows, evidence, pairer, evidence.counts()


def match(pairer: GroupPairer, offsets: Mapping[int, Offsets]) -> tuple[GroupPairer, Hops, int]:
    """The second step, on a worker. Results of tasks are not changed: Dask may have to use them again."""
    pairer = pairer.fork()
    hops = pairer.match(offsets)
    return pairer, hops, len(hops.place)


def conclude(pairer: GroupPairer, chained: Sequence[Chained]) -> pa.Table:
    """The third step, on a worker."""
    return pairer.fork().conclude(Chained.of(chained))


def _cut(evidence: Evidence, since: IntArray, until: IntArray) -> Evidence:
    return evidence.cut(since, until)


def _estimated(parts: Sequence[Evidence]) -> dict[int, Offsets]:
    return offsets_of_all(parts)


def _parted(hops: Hops, count: int) -> list[Hops]:
    return hops.parted(count)


def paired(client: Client, parts: Iterable[Sequence[Future]], heard: Future) -> list[tuple[Future, Future]]:
    """The flows of each part, in two tables: those of the first step and those of the last."""

    def item(of: Future, at: int) -> Future:
        return client.submit(itemgetter(at), of, pure=False)

    first = [client.submit(isolate, list(tables), heard, pure=False) for tables in parts]
    counts: list[Counts] = client.gather([item(one, 3) for one in first])
    edges = stretches(counts)
    evidence = [client.submit(_cut, item(one, 1), *edges, pure=False) for one in first]
    offsets = client.submit(_estimated, evidence, pure=False)
    second = [client.submit(match, item(one, 2), offsets, pure=False) for one in first]
    hops: int = sum(client.gather([item(one, 2) for one in second]))
    count = -(-hops // _HOPS)
    pieces = [client.submit(_parted, item(one, 1), count, pure=False) for one in second] if count else []
    chained = [client.submit(chains, [item(one, at) for one in pieces], pure=False) for at in range(count)]
    third = []
    for at, one in enumerate(second):
        mine = [item(part, at) for part in chained] if count else [_NONE_CHAINED]
        third.append(client.submit(conclude, item(one, 0), mine, pure=False))
    return [(item(one, 0), other) for one, other in zip(first, third, strict=True)]


_NONE_CHAINED: Final = Chained(np.zeros(0, np.intp), [], np.zeros(0, np.int64), np.zeros(0, np.intp))
