"""Lines that several inputs hold, looked for in one process: of most captures the times and the writers show none.

Otherwise `read.duplicates` is asked, as when reading in one go; for that only what identifies a line comes here, one
part after the other. That is some 60 bytes a line, and some 50 ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import combinations
from operator import itemgetter
from typing import TYPE_CHECKING

import pyarrow as pa

from ztflow.cluster.parsing import Part, Times
from ztflow.cluster.parting import Read
from ztflow.cluster.plan import Piece, opened
from ztflow.columns.dtypes import BoolArray
from ztflow.model.provenance import ReadReport, ReadStats
from ztflow.read.duplicates import IDENTIFYING, REPLAY_GAP, Copies, Overlaps
from ztflow.read.sources.twins import Kin, kin_of

if TYPE_CHECKING:
    from distributed import Client


def without_twins(client: Client, inputs: Sequence[list[Piece]], report: ReadReport) -> list[list[Piece]]:
    """The inputs without files of folders that hold what an earlier one holds; see `read.sources.twins`."""
    kin = [kin_of(pieces[0].name, pieces[0].size) if pieces[0].inside else None for pieces in inputs]
    several = {key for key, count in Counter(kin).items() if key is not None and count > 1}
    digests = {
        at: client.submit(_digest, pieces[0], pure=False)
        for at, (key, pieces) in enumerate(zip(kin, inputs, strict=True))
        if key in several
    }
    seen: set[tuple[Kin | None, bytes]] = set()
    left = []
    for at, pieces in enumerate(inputs):
        if at in digests:
            known = kin[at], digests[at].result()
            if known in seen:
                report.copies.append(pieces[0].name)
                continue
            seen.add(known)
        left.append(pieces)
    return left


def _digest(piece: Piece) -> bytes:
    assert piece.path is not None
    with opened(piece.path, piece.name) as file:
        digest = blake2b()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.digest()


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
                slim = part.read.client.submit(_slim, part.read, part.stream, pure=False).result()
                again = overlaps.copies(number, slim, in_order=part.said.ordered)
                stats.duplicates += int(again.sum())
                mask = ~again if again.any() else None
            part.said.flows = [copies.flows_left_out(table) for table in part.said.flows]
            found.append((part, mask))
        yield found


def may_hold_copies(streams: Sequence[Sequence[Times]]) -> bool:
    """Whether lines of a stream can have come before, in it or in another; sure only when it says no.

    Within a stream that asks for a ztunnel whose time goes back, as `Overlaps` has it: ztunnels that are behind each
    other are no sign of it.
    """
    spans: list[tuple[int, int, set[str | None]]] = []
    for parts in streams:
        timed = [part for part in parts if part.turns]
        latest: dict[str | None, int] = {}
        for part in timed:
            if part.back or any(latest.get(pod, first) - first > REPLAY_GAP for pod, (first, _) in part.turns.items()):
                return True
            latest.update((pod, last) for pod, (_, last) in part.turns.items())
        if timed:
            spans.append((min(part.first for part in timed), max(part.last for part in timed), set(latest)))
    spans.sort(key=itemgetter(0))
    return any(
        one[0] <= other[1] and other[0] <= one[1]
        and (None in one[2] or None in other[2] or not one[2].isdisjoint(other[2]))
        for one, other in combinations(spans, 2)
    )  # fmt: skip


def _slim(read: Read, stream: int) -> pa.Table:
    return read[0][stream].whole().select([*IDENTIFYING, "ztunnel_pod"])
