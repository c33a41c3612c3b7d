"""Lines that several inputs hold, looked for in one process: of most captures the times and the writers show none.

Otherwise `read.duplicates` is asked, as when reading in one go; for that only what identifies a line comes here, one
part after the other. That is some 60 bytes a line, and some 50 ns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pyarrow as pa

from ztflow.cluster.parsing import Part, Times
from ztflow.columns.dtypes import AFTER_ALL, BoolArray
from ztflow.model.provenance import ReadStats
from ztflow.read.duplicates import IDENTIFYING, REPLAY_GAP, Copies, Overlaps

Mask = BoolArray | None
"""Which rows of a part are kept; None for all."""


def kept(streams: Sequence[tuple[list[Part], ReadStats]]) -> Iterator[list[tuple[Part, Mask]]]:
    """The parts of each stream, with the rows that are no copies; counts the others."""
    overlaps = Overlaps() if may_hold_copies([[part.said.times for part in parts] for parts, _ in streams]) else None
    flows = any(part.said.flows for parts, _ in streams for part in parts)
    overlaps = Overlaps() if overlaps is None and flows else overlaps
    for number, (parts, stats) in enumerate(streams):
        if overlaps is None:
            yield [(part, None) for part in parts]
            continue
        copies = Copies(overlaps, number, stats)
        found: list[tuple[Part, Mask]] = []
        for part in parts:
            mask: Mask = None
            if part.said.rows:
                slim = part.halves.client.submit(_slim, part.halves, pure=False).result()
                again = overlaps.copies(number, slim, in_order=part.said.ordered)
                stats.duplicates += int(again.sum())
                mask = ~again if again.any() else None
            part.said.flows = [copies.flows_left_out(table) for table in part.said.flows]
            found.append((part, mask))
        yield found


def may_hold_copies(streams: Sequence[Sequence[Times]]) -> bool:
    """Whether lines of a stream can have come before, in it or in another; sure only when it says no."""
    spans: list[Times] = []
    for parts in streams:
        timed = [part for part in parts if part.first != AFTER_ALL]
        if not timed:
            continue
        last = timed[0].last
        for part in timed:
            if part.back or part.first < last - REPLAY_GAP:
                return True
            last = max(last, part.last)
        pods = frozenset(pod for part in timed for pod in part.pods)
        spans.append(Times(min(part.first for part in timed), last, pods, back=False, traced=False))
    spans.sort(key=lambda one: one.first)
    return any(
        one.first <= other.last and other.first <= one.last
        and (None in one.pods or None in other.pods or not one.pods.isdisjoint(other.pods))
        for one, other in combinations(spans, 2)
    )  # fmt: skip


def _slim(halves: pa.Table) -> pa.Table:
    return halves.select([*IDENTIFYING, "ztunnel_pod"])
