"""Lines that several captures hold: rotated and current file, two exports, stern after a reconnect.

Two lines are one when time (to the microsecond), ends, direction, sizes and duration are equal. Within one stream equal
lines can be true, so there they count as copies only where a writer's time jumped back to lines that came before.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.read.counted import Counted
from ztflow.read.fingerprint import Fingerprints, Hashes

Times: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.uint32]
Flags: TypeAlias = npt.NDArray[np.bool_]

REPLAY_GAP = 50_000
"""Microseconds a writer's time must jump back for a re-run; ztunnel's own lines are out of order by a few thousand."""


class _Stream:
    """One input: its lines so far, when they were written, and by whom."""

    def __init__(self, keep: int | None) -> None:
        self.lines = Counted(keep)
        self.first: int | None = None
        self.last: int | None = None
        self.pods: set[str | None] = set()
        self.latest: dict[str | None, int] = {}
        self.rerun: dict[str | None, bool] = {}

    def add(self, hashes: Hashes, first: int, last: int, pods: set[str | None]) -> None:
        self.lines.add(hashes)
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)
        self.pods |= pods

    def may_share(self, first: int, last: int, pods: set[str | None]) -> bool:
        """Whether lines of that time and those writers can be here too."""
        if self.first is None or self.last is None or self.first > last or first > self.last:
            return False
        return None in pods or None in self.pods or not pods.isdisjoint(self.pods)

    def jumps(self, times: Times, codes: Codes, names: list[str | None]) -> Flags:
        """Where a writer's time goes back by more than its own disorder."""
        latest = np.maximum.accumulate(times)
        np.maximum(latest, max(self.latest.values(), default=int(times[0])), out=latest)
        latest -= times
        if int(latest.max()) <= REPLAY_GAP:  # nobody's time goes back, whoever wrote what
            last = np.full(len(names), -1)
            last[codes] = np.arange(len(codes))  # of several rows of a writer the last one stays
            for code in np.flatnonzero(last >= 0).tolist():
                self.latest[names[code]] = int(times[last[code]])
            return np.zeros(len(times), dtype=np.bool_)
        order = np.argsort(codes, kind="stable")
        in_order, at = codes[order], times[order]
        starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]]))
        stops = np.append(starts[1:], len(order)) - 1
        before = np.concatenate([at[:1], at[:-1]])
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            name = names[in_order[start]]
            before[start] = self.latest.get(name, at[start])
            self.latest[name] = int(at[stop])
        jumped: Flags = np.empty(len(order), dtype=np.bool_)
        jumped[order] = before - at > REPLAY_GAP
        return jumped


class Overlaps:
    """Finds copies of lines across streams, and across re-runs within one.

    The n-th occurrence of a line in a stream is a copy when another stream has brought it n times, so a line that
    truly stands twice in one stream is kept twice. Rows without a time are never taken for copies.

    Args:
        keep: Lines remembered per stream, for input that never ends; None remembers all.

    Memory: 8 bytes a row, in a temporary file from `counted.SEGMENT` rows of a stream on.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._streams: dict[int, _Stream] = {}
        self._fingerprints = Fingerprints()

    def copies(self, stream: int, table: pa.Table) -> Flags:
        """Which rows of a stream's next batch are copies. Shape: one flag a row.

        Args:
            stream: Any number that stands for the stream.
            table: The batch (`schema.HALVES`).
        """
        own = self._streams.setdefault(stream, _Stream(self._keep))
        copies: Flags = np.zeros(table.num_rows, dtype=np.bool_)
        column = table.column("time")
        if column.null_count == len(column):
            return copies
        hashes = self._fingerprints.of(table)
        codes, names = _writers(table.column("ztunnel_pod"))
        known: Flags | None = None
        if column.null_count:
            known = column.is_valid().to_numpy()
            column, hashes, codes = column.filter(column.is_valid()), hashes[known], codes[known]
        times: Times = column.cast(pa.int64()).to_numpy()
        first, last = int(times.min()), int(times.max())
        writers = {names[code] for code in np.flatnonzero(np.bincount(codes)).tolist()}
        near = [one for one in self._streams.values() if one is not own and one.may_share(first, last, writers)]
        found = self._rerun_copies(own, hashes, times, codes, names)
        if near:
            found |= _copied(hashes, own, near)
        own.add(hashes, first, last, writers)
        if known is None:
            return found
        copies[known] = found
        return copies

    @staticmethod
    def _rerun_copies(own: _Stream, hashes: Hashes, times: Times, codes: Codes, names: list[str | None]) -> Flags:
        """Rows of a stretch that this stream had passed: a writer's time jumped back to lines that came before."""
        copies: Flags = np.zeros(len(hashes), dtype=np.bool_)
        jumps = own.jumps(times, codes, names)
        if not any(own.rerun.values()) and not jumps.any():
            return copies
        _, first_at, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        came = (first_at[inverse] < np.arange(len(hashes))) | (own.lines.count(hashes) > 0)
        rerun = own.rerun
        for row, (code, jumped, again) in enumerate(zip(codes.tolist(), jumps.tolist(), came.tolist(), strict=True)):
            name = names[code]
            copies[row] = rerun[name] = again and (jumped or rerun.get(name, False))
        return copies


def _writers(pods: pa.ChunkedArray) -> tuple[Codes, list[str | None]]:
    """Who wrote each row, as a place in a list of names; None is nobody known."""
    column = pods.combine_chunks() if pods.num_chunks != 1 else pods.chunk(0)
    column = column.dictionary_encode()
    names: list[str | None] = [*column.dictionary.to_pylist(), None]
    indices = column.indices.fill_null(len(names) - 1) if column.null_count else column.indices
    return indices.to_numpy(zero_copy_only=False).astype(np.uint32), names


def _copied(hashes: Hashes, own: _Stream, near: list[_Stream]) -> Flags:
    """Rows that other streams hold, as often as they hold them."""
    allowed = np.max([one.lines.count(hashes) for one in near], axis=0)
    copies: Flags = np.zeros(len(hashes), dtype=np.bool_)
    rows = np.flatnonzero(allowed)
    if not len(rows):
        return copies
    came = own.lines.count(hashes[rows])
    order = np.argsort(hashes[rows], kind="stable")
    in_order = hashes[rows][order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]]))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    copies[rows] = came + rank < allowed[rows]
    return copies
