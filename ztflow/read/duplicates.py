"""Removes lines that several captures hold (a rotated and a current file, two exports), found by a fingerprint.

Two lines are one when time (to the microsecond), ends, direction, sizes and duration are equal. Within one stream equal
lines can be two connections: there they are copies only where a ztunnel's time jumped back to lines seen before.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import IO, Any, Final
from weakref import finalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import WordMemory, coded_of, codes_of, text_hash
from ztflow.columns.dtypes import BoolArray, Codes, IntArray, UIntArray
from ztflow.model.provenance import ReadStats
from ztflow.model.tables import HALVES_SCHEMA, lines_of

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FACTORS: Final = {
    name: np.uint64(text_hash(name) | 1)
    for name in (
        "time", "message", "direction", "src_ip", "src_port", "dst_ip", "dst_port", "bytes_sent", "bytes_recv",
        "duration_ms",
    )
}  # fmt: skip
"""What identifies a line: one ztunnel cannot end two connections from one port in one microsecond. Two sums of small
numbers times these are as good as never equal."""

IDENTIFYING: Final = tuple(_FACTORS)
"""The columns of these."""

_AS_LINES: Final = {
    "time": "end", "message": "paired", "direction": "verdict", "bytes_sent": "request_bytes",
    "bytes_recv": "response_bytes", **{name: name for name in ("src_ip", "src_port", "dst_ip", "dst_port")},
    "duration_ms": "duration_ms",
}  # fmt: skip
"""What identifies a flow, in the place of what identifies a line; no line has its words."""

_NULL = np.uint64(0xD6E8FEB86659FD93)


class Fingerprints:
    """Hashes rows; what texts hash to is remembered from batch to batch."""

    def __init__(self) -> None:
        self._words = WordMemory()

    def of(self, table: pa.Table) -> UIntArray:
        """A hash of each row; what was around the line does not count.

        Shape: one value a row; equal in any batch and process. Cost: about 2 ns a column a row.
        """
        total = np.zeros(table.num_rows, dtype=np.uint64)
        for name, factor in _FACTORS.items():
            column = table.column(name)
            column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
            total += self._hashed(name, column) * factor
        total ^= total >> np.uint64(29)
        total *= _FACTOR
        total ^= total >> np.uint64(32)
        return total

    def _hashed(self, name: str, column: pa.Array) -> UIntArray:
        missing = pc.is_null(column).to_numpy(zero_copy_only=False) if column.null_count else None
        if pa.types.is_dictionary(column.type):
            hashed = self._words.by_word(name, column.dictionary, text_hash, np.uint64)[codes_of(column)]
        else:
            hashed = _whole(column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column, missing)
        hashed = hashed.astype(np.uint64, copy=False)
        return hashed if missing is None else np.where(missing, _NULL, hashed)


def _whole(numbers: pa.Array, missing: Any) -> npt.NDArray[Any]:
    """Numbers as they are; 0 for those that are not there."""
    filled = numbers if missing is None else pc.fill_null(numbers, 0)
    found: npt.NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return found


SEGMENT: Final = 1 << 22
"""Hashes held in memory (32 MB) before they go to a file."""


class Counted:
    """Hashes that came, sorted only when asked for.

    Args:
        keep: Forget the oldest beyond this many (at least; at most twice as many are held). None keeps all.

    Memory: with *keep*, 16 bytes a hash to be kept. Without, 8 bytes a hash up to `SEGMENT` hashes; then they go to a
    temporary file that has no name, and stay in memory only where there is none to be had.

    Cost: an append when never queried; O(log² n) a hash when queried after every batch.
    """

    def __init__(self, keep: int | None = None, segment: int = SEGMENT) -> None:
        self._limit = segment if keep is None else keep
        self._file = _Segments() if keep is None else None
        self._size = 0
        self._new: list[UIntArray] = []
        self._runs: list[UIntArray] = []
        self._older: list[UIntArray] = []

    def add(self, hashes: UIntArray) -> None:
        """Add hashes."""
        self._new.append(hashes)
        self._size += len(hashes)
        if self._size < self._limit:
            return
        if self._file is None:
            self._sort()
            self._older = self._runs
        elif not self._file.take([*self._runs, *self._new]):
            self._limit = 1 << 62
            return
        self._new, self._runs, self._size = [], [], 0

    def count(self, hashes: UIntArray) -> IntArray:
        """How often each of these was added."""
        self._sort()
        total = np.zeros(len(hashes), dtype=np.int64)
        for run in (*self._older, *self._runs, *(self._file.runs() if self._file is not None else ())):
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


class _Segments:
    """Segments of hashes in a temporary file, each sorted once it is asked for."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._written: list[tuple[int, int]] = []
        self._sorted: list[UIntArray] = []

    def take(self, parts: list[UIntArray]) -> bool:
        """Write a segment; False when it cannot be."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
                finalize(self, self._file.close)
            start = self._file.seek(0, 2)
            for part in parts:
                self._file.write(part.data)
            self._file.flush()
        except OSError:
            return False
        self._written.append((start, sum(map(len, parts))))
        return True

    def runs(self) -> list[UIntArray]:
        """All segments, sorted; they are mapped, so that memory they take is given back when it is needed."""
        for start, count in self._written[len(self._sorted) :]:
            assert self._file is not None
            run = np.memmap(self._file, np.uint64, "r+", start, (count,))
            run.sort()
            self._sorted.append(run)
        return self._sorted


FEW_STREAMS: Final = 8
"""Streams that are each asked for a line; of more it is asked first whether any has it."""
REPLAY_GAP = 50_000
"""Microseconds a ztunnel's time must jump back for a re-run; ztunnel's own lines are out of order by a few thousand."""


class _Stream:
    """One input: its lines so far, when they were written, and by whom."""

    def __init__(self, keep: int | None) -> None:
        self.lines = Counted(keep)
        self.first: int | None = None
        self.last: int | None = None
        self.pods: set[str | None] = set()
        self.latest: dict[str | None, int] = {}
        self.rerun: dict[str | None, bool] = {}

    def add(self, hashes: UIntArray, first: int, last: int, pods: set[str | None]) -> None:
        self.lines.add(hashes)
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)
        self.pods |= pods

    def may_share(self, first: int, last: int, pods: set[str | None]) -> bool:
        """Whether lines of that time and those ztunnels can be here too."""
        if self.first is None or self.last is None or self.first > last or first > self.last:
            return False
        return None in pods or None in self.pods or not pods.isdisjoint(self.pods)

    def jumps(self, times: IntArray, codes: Codes, names: list[str | None]) -> BoolArray:
        """Where a ztunnel's time goes back by more than its own disorder."""
        latest = np.maximum.accumulate(times)
        np.maximum(latest, max(self.latest.values(), default=int(times[0])), out=latest)
        latest -= times
        if int(latest.max()) <= REPLAY_GAP:  # no time goes back, whichever ztunnel wrote it
            last = np.full(len(names), -1)
            last[codes] = np.arange(len(codes))  # of several rows of a ztunnel the last one stays
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
        jumped: BoolArray = np.empty(len(order), dtype=np.bool_)
        jumped[order] = before - at > REPLAY_GAP
        return jumped


class Overlaps:
    """Finds copies of lines across streams, and across re-runs within one.

    The n-th occurrence of a line in a stream is a copy when another stream has brought it n times, so a line that
    truly appears twice in one stream is kept twice. Rows without a time are never taken for copies.

    Args:
        keep: Lines remembered per stream, for input that never ends; None remembers all.

    Memory: 16 bytes a row, in temporary files from `SEGMENT` rows of a stream on.

    Cost: O(log² n) a row, and for each row that came before, one look at each stream that may have it.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._streams: dict[int, _Stream] = {}
        self._every = Counted() if keep is None else None
        self._fingerprints = Fingerprints()

    def copies(self, stream: int, table: pa.Table, *, in_order: bool = True) -> BoolArray:
        """Which rows of a stream's next batch are copies. Shape: one flag a row.

        Args:
            stream: Any number, one a stream.
            table: The batch (`schema.HALVES`).
            in_order: Whether rows come as they were written; in a table that was sorted anew no jump is a re-run.
        """
        own = self._streams.setdefault(stream, _Stream(self._keep))
        copies: BoolArray = np.zeros(table.num_rows, dtype=np.bool_)
        column = table.column("time")
        if column.null_count == len(column):
            return copies
        hashes = self._fingerprints.of(table)
        codes, names = _ztunnels(table.column("ztunnel_pod"))
        known: BoolArray | None = None
        if column.null_count:
            known = column.is_valid().to_numpy()
            column, hashes, codes = column.filter(column.is_valid()), hashes[known], codes[known]
        times: IntArray = column.cast(pa.int64()).to_numpy()
        first, last = int(times.min()), int(times.max())
        ztunnels = {names[code] for code in (np.flatnonzero(np.bincount(codes + 1)) - 1).tolist()}
        near = [one for one in self._streams.values() if one is not own and one.may_share(first, last, ztunnels)]
        found = self._rerun_copies(own, hashes, times, codes, names) if in_order else np.zeros(len(hashes), np.bool_)
        if near:
            rows = np.arange(len(hashes))
            if self._every is not None and len(near) > FEW_STREAMS:
                rows = np.flatnonzero(self._every.count(hashes) > own.lines.count(hashes))
            if len(rows):
                found[rows] |= _copied(hashes[rows], own, near)
        own.add(hashes, first, last, ztunnels)
        if self._every is not None:
            self._every.add(hashes)
        if known is None:
            return found
        copies[known] = found
        return copies

    @staticmethod
    def _rerun_copies(
        own: _Stream, hashes: UIntArray, times: IntArray, codes: Codes, names: list[str | None]
    ) -> BoolArray:
        """Rows of a stretch that this stream had passed: a ztunnel's time jumped back to lines that came before."""
        copies: BoolArray = np.zeros(len(hashes), dtype=np.bool_)
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


def _ztunnels(pods: pa.ChunkedArray) -> tuple[Codes, list[str | None]]:
    """The ztunnel of each row, as a place in a list of names; the last is None, for unknown."""
    ztunnels = coded_of(pods)
    return ztunnels.codes, [*ztunnels.words, None]  # null has the code -1, the place of the last


def _copied(hashes: UIntArray, own: _Stream, near: list[_Stream]) -> BoolArray:
    """Rows that other streams hold, as often as they hold them."""
    copies: BoolArray = np.zeros(len(hashes), dtype=np.bool_)
    rows = np.arange(len(hashes))
    if len(near) <= FEW_STREAMS:
        rows = np.flatnonzero(np.max([one.lines.count(hashes) for one in near], axis=0))
    if not len(rows):
        return copies
    came = own.lines.count(hashes[rows])
    order = np.argsort(hashes[rows], kind="stable")
    in_order = hashes[rows][order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]]))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    before = came + rank
    for one in near:  # what one of them holds no other is asked for
        has = one.lines.count(hashes[rows]) > before
        copies[rows[has]] = True
        rows, before = rows[~has], before[~has]
        if not len(rows):
            break
    return copies


@dataclass(slots=True)
class Copies:
    """Leaves out of one stream's batches what came before, and counts it."""

    overlaps: Overlaps
    stream: int
    stats: ReadStats

    def left_out(self, table: pa.Table, *, in_order: bool = True) -> pa.Table:
        """The batch without copies; `in_order` as for `Overlaps.copies`."""
        copies = self.overlaps.copies(self.stream, table, in_order=in_order)
        count = int(copies.sum())
        if not count:
            return table
        self.stats.duplicates += count
        return table.filter(pa.array(np.logical_not(copies)))

    def flows_left_out(self, flows: pa.Table) -> pa.Table:
        """The same for saved flows; each counts as the access lines it was made of."""
        lines = pa.table([flows[name] for name in _AS_LINES.values()], [*_AS_LINES])
        lines = lines.append_column("ztunnel_pod", pa.nulls(flows.num_rows, HALVES_SCHEMA.field("ztunnel_pod").type))
        copies = pa.array(self.overlaps.copies(self.stream, lines, in_order=False))
        if not copies.true_count:
            return flows
        self.stats.duplicates += lines_of(flows.filter(copies))
        return flows.filter(pc.invert(copies))
