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

    Cost: O(log² n) a hash when asked after every batch; nothing but an append when never asked.
    """

    def __init__(self) -> None:
        self._new: list[Hashes] = []
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        self._new.append(hashes)

    def count(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """How often each of these came."""
        if self._new:
            self._runs.append(np.sort(np.concatenate(self._new)))
            self._new = []
            while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
                last = self._runs.pop()
                self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")
        total = np.zeros(len(hashes), dtype=np.int64)
        for run in self._runs:
            total += np.searchsorted(run, hashes, "right") - np.searchsorted(run, hashes, "left")
        return total


class _Stream:
    """One input that was read: its lines, when they were written, and by whom."""

    def __init__(self) -> None:
        self.lines = _Counted()
        self.first: int | None = None
        self.last: int | None = None
        self.pods: set[str | None] = set()

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


class Overlaps:
    """Finds copies of lines across streams, and across re-runs within one.

    A line that stands n times in one stream and m times in another is kept max(n, m) times. Rows without a time are
    never taken for copies.

    Memory: 8 bytes a row.
    """

    def __init__(self) -> None:
        self._before: list[_Stream] = []
        self._stream = _Stream()
        self._used: dict[int, int] = {}
        self._latest: dict[str | None, int] = {}
        self._rerun: dict[str | None, bool] = {}

    def next_stream(self) -> None:
        """The stream is over; the next one begins."""
        self._before.append(self._stream)
        self._stream = _Stream()
        self._used.clear()
        self._latest.clear()
        self._rerun.clear()

    def copies(self, table: pa.Table) -> Flags:
        """Which rows of the stream's next batch are copies. Shape: one flag a row."""
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
        near = [one for one in self._before if one.may_share(first, last, writers)]
        if near:
            copies |= self._copied(np.where(known, hashes, np.uint64(0)), near) & known
        copies |= self._rerun_copies(hashes, times, known, codes, names)
        self._stream.add(hashes[known], first, last, writers)
        return copies

    def _copied(self, hashes: Hashes, near: list[_Stream]) -> Flags:
        """Rows that other streams hold, as often as they hold them."""
        allowed = np.max([one.lines.count(hashes) for one in near], axis=0)
        copies: Flags = np.zeros(len(hashes), dtype=np.bool_)
        for index in np.flatnonzero(allowed).tolist():
            key = int(hashes[index])
            used = self._used.get(key, 0)
            if used < allowed[index]:
                self._used[key] = used + 1
                copies[index] = True
        return copies

    def _rerun_copies(
        self, hashes: Hashes, times: Times, known: Flags, codes: npt.NDArray[np.int32], names: list[str | None]
    ) -> Flags:
        """Rows of a stretch that this stream had passed: a writer's time jumped back to lines that came before."""
        copies: Flags = np.zeros(len(hashes), dtype=np.bool_)
        groups = [(names[code], np.flatnonzero((codes == code) & known)) for code in np.unique(codes).tolist()]
        jumps = {name: self._jumps(name, times[rows]) for name, rows in groups if len(rows)}
        if not any(self._rerun.values()) and not any(jumped.any() for jumped in jumps.values()):
            return copies
        _, first_at, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        came = (first_at[inverse] < np.arange(len(hashes))) | (self._stream.lines.count(hashes) > 0)
        for name, rows in groups:
            if not len(rows):
                continue
            rerun = self._rerun.get(name, False)
            for row, jumped, again in zip(rows.tolist(), jumps[name].tolist(), came[rows].tolist(), strict=True):
                rerun = again and (jumped or rerun)
                copies[row] = rerun
            self._rerun[name] = rerun
        return copies

    def _jumps(self, name: str | None, times: Times) -> Flags:
        """Where a writer's time goes back by more than its own disorder."""
        before = np.concatenate([[self._latest.get(name, times[0])], times[:-1]])
        self._latest[name] = int(times[-1])
        return np.asarray(before - times > REPLAY_GAP, dtype=np.bool_)
