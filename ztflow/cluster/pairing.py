"""The steps of `pair.by_group` on the workers, and what is put together between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.connect import at_hand
from ztflow.cluster.parting import one_table
from ztflow.cluster.placing import InOrder, placed
from ztflow.cluster.progress import SHARE_PAIRED, SHARE_PLACED, Meter
from ztflow.cluster.sending import Sent
from ztflow.columns.dtypes import IntArray
from ztflow.pair.by_group import Chained, GroupPairer, Hops, chains
from ztflow.pair.clocks.offsets import Offsets
from ztflow.pair.clocks.shared import Counts, Evidence, Share, offsets_of_all, shares
from ztflow.pair.exact_evidence import ConnectRequests
from ztflow.pair.stages.unpaired_reasons import SeenAddresses
from ztflow.place import Topology

if TYPE_CHECKING:
    from distributed import Client, Future

_HOPS: Final = 500_000
"""Hops that one task chains, about."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What all parts have to know before they are paired."""

    seen: SeenAddresses
    requests: ConnectRequests


First = tuple[pa.Table, Evidence, GroupPairer, Counts]
"""What the first step gives: its flows, what it knows of the clocks, what the others go on with."""
Second = tuple[GroupPairer, Hops, int]
"""What the second step gives: what the third goes on with; hops, and how many."""


def isolate(tables: Sequence[Sent | None], heard: Heard) -> First:
    """The first step, on a worker."""
    pairer = GroupPairer(heard.seen, heard.requests)
    flows, evidence = pairer.isolate(one_table([one.table for one in tables if one is not None]))
    return flows, evidence, pairer, evidence.counts()


def match(first: First, offsets: Sequence[Mapping[int, Offsets]]) -> Second:
    """The second step, on a worker. Results of tasks are not changed: Dask may have to use them again."""
    pairer = first[2].fork()
    hops = pairer.match({epoch: made for share in offsets for epoch, made in share.items()})
    return pairer, hops, len(hops.place)


def conclude(first: First, second: Second, chained: Sequence[Chained], topology: Topology) -> InOrder:
    """The third step, on a worker: all flows of a part, placed."""
    return placed([first[0], second[0].fork().conclude(Chained.of(chained))], topology)


def _cut(first: First, share: Share) -> Evidence:
    return first[1].cut(share)


def _estimated(parts: Sequence[Evidence], epochs: IntArray) -> dict[int, Offsets]:
    return offsets_of_all(parts, epochs)


def _parted(second: Second, count: int) -> list[Hops]:
    return second[1].parted(count)


def isolated(client: Client, parts: Iterable[Sequence[Future]], heard: Future, meter: Meter) -> list[Future]:
    """What the first step gives for each part."""
    first = [client.submit(isolate, list(tables), heard, pure=False) for tables in parts]
    meter.after(first, SHARE_PAIRED)
    return first


def paired(client: Client, first: Sequence[Future], topology: Future, meter: Meter) -> list[Future]:
    """The flows of each part, placed, in order of their end (`placing.InOrder`)."""
    counts: list[Counts] = client.gather(at_hand(client, itemgetter(3), first))
    offsets = []
    for share in shares(counts, len(client.nthreads())):
        evidence = at_hand(client, _cut, first, repeat(share, len(first)))
        offsets.append(client.submit(_estimated, evidence, share.epochs, pure=False))
    where = client.who_has(first)
    second = [_beside(client, where, one, match, one, offsets) for one in first]
    hops: int = sum(client.gather(at_hand(client, itemgetter(2), second)))
    count = -(-hops // _HOPS)
    pieces = at_hand(client, _parted, second, repeat(count, len(second))) if count else []
    chained = [client.submit(chains, at_hand(client, itemgetter(at), pieces), pure=False) for at in range(count)]
    third = []
    for at, both in enumerate(zip(first, second, strict=True)):
        mine = at_hand(client, itemgetter(at), chained) or [_NONE_CHAINED]
        third.append(_beside(client, where, both[0], conclude, *both, mine, topology))
    meter.after(third, SHARE_PLACED)
    return third


def _beside(
    client: Client, where: Mapping[str, Collection[str]], large: Future, function: Callable[..., Any], *given: Any
) -> Future:
    """A task on the worker that has its large argument, unless that worker is lost.

    Each worker has as many of them as any other. Dask would rather move one than have it wait for the task before.
    """
    workers = [*where.get(large.key, ())]  # none, where it has just been lost
    return client.submit(function, *given, workers=workers or None, allow_other_workers=bool(workers), pure=False)


_NONE_CHAINED: Final = Chained(np.zeros(0, np.intp), [], np.zeros(0, np.int64), np.zeros(0, np.intp))
