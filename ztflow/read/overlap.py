"""Lines that several captures hold: rotated and current file, two exports, stern after a reconnect.

Two lines are one when time (to the microsecond), ends, direction, sizes and duration are equal. Within one stream equal
lines can be true, so there they count as copies only where a writer's time jumped back to lines that came before.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes: TypeAlias = npt.NDArray[np.uint64]
Times: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

REPLAY_GAP = 50_000
"""Microseconds a writer's time must jump back for a re-run; ztunnel's own lines are out of order by a few thousand."""

_COLUMNS = (
    "time", "message", "direction", "src_ip", "src_port", "dst_ip", "dst_port", "bytes_sent", "bytes_recv",
    "duration_ms",
)  # fmt: skip
"""What tells lines apart: one ztunnel cannot end two connections from one port in one microsecond."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0xD6E8FEB86659FD93)


def row_hashes(table: pa.Table) -> Hashes:
    """A 64-bit hash of what tells a row's line apart; what stood around the line does not count.

    Shape: one value a row; equal in any batch and process. Cost: about 5 ns a column a row.
    """
    total = np.zeros(table.num_rows, dtype=np.uint64)
    for name in _COLUMNS:
        column = table.column(name)
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        total = (total ^ _hashed(column)) * _FACTOR
        total ^= total >> np.uint64(29)
    return total


def _hashed(column: pa.Array) -> Hashes:
    if pa.types.is_dictionary(column.type):
        texts = column.dictionary.to_pylist()
        values = np.array([0 if text is None else _text_hash(text) for text in texts] or [0], dtype=np.uint64)
        hashed = values[pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)]
    else:
        numbers = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        hashed = pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False).astype(np.uint64)
    if column.null_count:
        hashed = np.where(pc.is_null(column).to_numpy(zero_copy_only=False), _NULL, hashed)
    return np.asarray(hashed, dtype=np.uint64)


@lru_cache(maxsize=1 << 16)
def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


class _Counted:
    """Hashes that came, and how often; sorted only when somebody asks.

    Args:
        keep: Forget the oldest beyond this many (at least; at most twice as many are held). None keeps all.

    Cost: O(log² n) a hash when asked after every batch; nothing but an append when never asked.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._size = 0
        self._new: list[Hashes] = []
        self._runs: list[Hashes] = []
        self._older: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        self._new.append(hashes)
        self._size += len(hashes)
        if self._keep is not None and self._size >= self._keep:
            self._sort()
            self._older, self._runs, self._size = self._runs, [], 0

    def count(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """How often each of these came."""
        self._sort()
        total = np.zeros(len(hashes), dtype=np.int64)
        for run in (*self._older, *self._runs):
            total += np.searchsorted(run, hashes, "right") - np.searchsorted(run, hashes, "left")
        return total

    def _sort(self) -> None:
        if not self._new:
            return
        self._runs.append(np.sort(np.concatenate(self._new)))
        self._new = []
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")


class _Stream:
    """One input: its lines so far, when they were written, and by whom."""

    def __init__(self, keep: int | None) -> None:
        self.lines = _Counted(keep)
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

    def jumps(self, name: str | None, times: Times) -> Flags:
        """Where a writer's time goes back by more than its own disorder."""
        before = np.concatenate([[self.latest.get(name, times[0])], times[:-1]])
        self.latest[name] = int(times[-1])
        return np.asarray(before - times > REPLAY_GAP, dtype=np.bool_)


class Overlaps:
    """Finds copies of lines across streams, and across re-runs within one.

    The n-th occurrence of a line in a stream is a copy when another stream has brought it n times, so a line that
    truly stands twice in one stream is kept twice. Rows without a time are never taken for copies.

    Args:
        keep: Lines remembered per stream, for input that never ends; None remembers all.

    Memory: 8 bytes a row.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._streams: dict[int, _Stream] = {}

    def copies(self, stream: int, table: pa.Table) -> Flags:
        """Which rows of a stream's next batch are copies. Shape: one flag a row.

        Args:
            stream: Any number that stands for the stream.
            table: The batch (`schema.HALVES`).
        """
        own = self._streams.setdefault(stream, _Stream(self._keep))
        count = table.num_rows
        copies: Flags = np.zeros(count, dtype=np.bool_)
        column = table.column("time")
        if column.null_count == count:
            return copies
        known: Flags = pc.is_valid(column).to_numpy()
        times: Times = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
        first, last = int(times[known].min()), int(times[known].max())
        pods = table.column("ztunnel_pod").combine_chunks().dictionary_encode()
        names: list[str | None] = pods.dictionary.to_pylist()
        codes = pc.fill_null(pods.indices, len(names)).to_numpy(zero_copy_only=False)
        names.append(None)
        hashes = row_hashes(table)
        writers = {names[code] for code in np.unique(codes)}
        near = [one for one in self._streams.values() if one is not own and one.may_share(first, last, writers)]
        if near:
            copies |= _copied(hashes, own, near) & known
        copies |= self._rerun_copies(own, hashes, times, known, codes, names)
        own.add(hashes[known], first, last, writers)
        return copies

    @staticmethod
    def _rerun_copies(
        own: _Stream,
        hashes: Hashes,
        times: Times,
        known: Flags,
        codes: npt.NDArray[np.int32],
        names: list[str | None],
    ) -> Flags:
        """Rows of a stretch that this stream had passed: a writer's time jumped back to lines that came before."""
        copies: Flags = np.zeros(len(hashes), dtype=np.bool_)
        groups = [(names[code], np.flatnonzero((codes == code) & known)) for code in np.unique(codes).tolist()]
        jumps = {name: own.jumps(name, times[rows]) for name, rows in groups if len(rows)}
        if not any(own.rerun.values()) and not any(jumped.any() for jumped in jumps.values()):
            return copies
        _, first_at, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        came = (first_at[inverse] < np.arange(len(hashes))) | (own.lines.count(hashes) > 0)
        for name, rows in groups:
            if not len(rows):
                continue
            rerun = own.rerun.get(name, False)
            for row, jumped, again in zip(rows.tolist(), jumps[name].tolist(), came[rows].tolist(), strict=True):
                rerun = again and (jumped or rerun)
                copies[row] = rerun
            own.rerun[name] = rerun
        return copies


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
