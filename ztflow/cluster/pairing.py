"""The steps of `pair.by_group` on the workers, and what is put together between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ztflow.cluster.connect import at_hand, beside, on_each, threads_of
from ztflow.cluster.parting import Pieces, numbered, one_table
from ztflow.cluster.placing import Finish, placed
from ztflow.cluster.progress import SHARE_PAIRED, Meter
from ztflow.cluster.sending import Sent
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
_ONE_TASK: Final = 2_000_000
"""Of so many access lines one task chains all hops, however many of them are."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What all parts have to know before they are paired."""

    seen: SeenAddresses
    requests: ConnectRequests


First = tuple[Sent, Evidence, GroupPairer, Counts]
"""What the first step gives: its flows, what it knows of the clocks, what the others go on with."""
Second = tuple[GroupPairer, Hops, int]
"""What the second step gives: what the third goes on with; hops, and how many."""


Wanted = tuple[int, int]
"""Which stream of a reading task's is wanted, and what its line numbers lack."""


def isolate(pieces: Sequence[Pieces], wanted: Sequence[Wanted], heard: Heard) -> First:
    """The first step, on a worker."""
    found = [(piece[stream], offset) for piece, (stream, offset) in zip(pieces, wanted, strict=True)]
    tables = [numbered(one.table, offset) for one, offset in found if one is not None]
    pairer = GroupPairer(heard.seen, heard.requests)
    flows, evidence = pairer.isolate(one_table(tables))
    return Sent.of(flows), evidence, pairer, evidence.counts()


def match(first: First, offsets: Sequence[Mapping[int, Offsets]]) -> Second:
    """The second step, on a worker. Results of tasks are not changed: Dask may have to use them again."""
    pairer = first[2].fork()
    hops = pairer.match({epoch: made for share in offsets for epoch, made in share.items()})
    return pairer, hops, len(hops.place)


def conclude(
    first: First, second: Second, chained: Sequence[Chained], topology: Topology, number: int, finish: Finish
) -> Any:
    """The third step, on a worker: all flows of a part, placed, and what becomes of them."""
    flows = [first[0].table, second[0].fork().conclude(Chained.of(chained))]
    return placed(flows, topology, number, finish)


def _cut(first: First, shared: Sequence[Share], at: int) -> Evidence | None:
    return first[1].cut(shared[at]) if at < len(shared) else None


def _estimated(parts: Sequence[Evidence], shared: Sequence[Share], at: int) -> dict[int, Offsets]:
    return offsets_of_all(parts, shared[at].epochs) if at < len(shared) else {}


def _parted(second: Second, count: int) -> list[Hops]:
    return second[1].parted(count)


@dataclass(frozen=True, slots=True)
class Matched:
    """Parts after two steps; one entry a part.

    Attributes:
        workers: Where each is.
        first: What the first step gives.
        second: What the second does.
    """

    workers: list[str]
    first: list[Future]
    second: list[Future]


def matched(
    client: Client, pieces: Sequence[Sequence[Future]], wanted: Sequence[Sequence[Wanted]], heard: Heard, meter: Meter
) -> Matched:
    """The first two steps of each part. All of it is handed over at once: nothing between them waits for this process.

    Args:
        client: The cluster.
        pieces: The access lines of each part: results of `parting.part_of`.
        wanted: What of each of these.
        heard: What all have to know.
        meter: Counts what is done.
    """
    threads = threads_of(client)  # each begins with the part that `parsing.parts_of` sent it
    workers = list(islice(cycle(threads), len(pieces)))
    known = on_each(client, workers, heard)
    heard_there = [known[one] for one in workers]
    first = beside(client, workers, isolate, pieces, wanted, heard_there)
    meter.after(first, SHARE_PAIRED)
    count = len(threads)
    shared = client.submit(shares, at_hand(client, itemgetter(3), first), count, priority=1, pure=False)
    every = at_hand(client, _cut, first * count, repeat(shared, len(first) * count), _each(range(count), len(first)))
    cuts = [every[at : at + len(first)] for at in range(0, len(every), len(first))]
    offsets = beside(client, threads, _estimated, cuts, [shared] * count, range(count))
    second = beside(client, workers, match, first, [offsets] * len(first))
    return Matched(workers, first, second)


def concluded(client: Client, made: Matched, rows: int, topology: Mapping[str, Future], finish: Finish) -> list[Future]:
    """The third step of each part.

    Args:
        client: The cluster.
        made: The steps before.
        rows: Access lines of all parts.
        topology: What is known of places, on each worker.
        finish: What becomes of the flows of a part.
    """
    parts = len(made.second)
    hops = _ONE_TASK if rows <= _ONE_TASK else sum(client.gather(at_hand(client, itemgetter(2), made.second)))
    count = 1 if rows <= _ONE_TASK else -(-hops // _HOPS)
    pieces = at_hand(client, _parted, made.second, repeat(count, parts)) if count else []
    chained = [client.submit(chains, at_hand(client, itemgetter(at), pieces), pure=False) for at in range(count)]
    mine = [at_hand(client, itemgetter(at), chained) or [_NONE_CHAINED] for at in range(parts)]
    there = [topology[one] for one in made.workers]
    given = made.first, made.second, mine, there, range(parts), repeat(finish, parts)
    return beside(client, made.workers, conclude, *given)


def _each(numbers: Iterable[int], times: int) -> Iterator[int]:
    return chain.from_iterable(repeat(one, times) for one in numbers)


_NONE_CHAINED: Final = Chained(np.zeros(0, np.intp), [], np.zeros(0, np.int64), np.zeros(0, np.intp))
