"""What the kernel proved and what it left, in the order of the lines: counted, given its ztunnel, made one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import BoolArray, Codes, Index
from ztflow.kernel.columns import LineSpan
from ztflow.kernel.table_layout import INSIDE_BYTES
from ztflow.model.provenance import LogLine
from ztflow.model.vocabulary import Producer
from ztflow.read.slow_path import Prefixes, SlowPath
from ztflow.read.unwrap.envelopes import alone, is_read_whole, plain_inside, string_stop
from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    from ztflow.kernel.columns import BlockPart

_NO_LINE: Final = 1 << 62
_HTTP_ACCESS: Final = lazy_pattern(rb"http access(?:\t|\\t)request complete")
"""As `parse.classify.producer_of` knows it; inside JSON a tab is escaped."""
_FEW: Final = 2500
"""Where there are so many bytes for each other line, or more, they are searched one by one."""
_AT_ONCE: Final = 4096
"""Rows looked at together."""
_SLICES: Final = 16
"""Up to so many interruptions a table is put together from slices; with more its rows are taken in order."""


class Settling:
    """One part's way to tables.

    Lines are in order of their first bytes, which tells lines inside the JSON of one physical line apart, too. Such a
    physical line is taken line by line only if that is sure of all of them; else the slow path gets it whole.
    """

    def __init__(self, slow: SlowPath, behind: Prefixes, part: BlockPart, data: memoryview, number: int) -> None:
        self._slow = slow
        self._stats = slow.stats
        self._part = part
        self._data = data
        self._number = number
        self._lines = part.number("line")
        self._starts = part.number("start")
        self._prefix = part.codes("prefix")
        self._others: Any = part.others
        self._row = 0
        self._other = 0
        self._over = 0
        """Where the last physical line is over that the slow path read though it was taken apart."""
        self._whole = 0
        """Physical lines the slow path read."""
        self._origin: Codes = np.full(part.rows, -1, np.int32)
        self._places = [-1] * len(slow.builder)
        """For each row of the slow path: the first byte of what it came with."""
        self._behind = behind
        self._origins = list(slow.origins)
        self._refused = part.refused()
        self._any_refused = bool(self._refused.any())
        self._unsure: set[int] = set()
        self._unsure_rows: BoolArray = np.zeros(part.rows, np.bool_)
        self._unsure_others: BoolArray = np.zeros(len(part.others[0]), np.bool_)
        """Physical lines that were taken apart and are not sure."""
        self._assigned = 0
        """Rows before this one have their origin, or were left."""
        self._requests = self._find_requests()

    def tables(self) -> list[pa.Table]:
        """Settle the part; its rows and those of the slow path, in order of their lines."""
        self._resolve()
        spans = self._part.slow
        starts = [span.start for span in spans]
        stops = np.searchsorted(self._starts, starts).tolist(), np.searchsorted(self._others[2], starts).tolist()
        for span, row_stop, other_stop in zip(spans, *stops, strict=True):
            if span.start >= self._over:
                self._take(row_stop, other_stop)
            if span.start < self._over:
                continue
            if span.lines:
                self._read(span.line, span.start, span.stop)
            elif span.line in self._unsure:
                self._leave_whole(span.line, span.start)
            else:
                self._read_inside(span)
        self._take(self._part.rows, len(self._others[0]))
        self._assign()
        slow = self._slow
        self._stats.physical_lines += self._part.lines - self._whole
        table = self._part.table(list(slow.origins), self._origin, slow.source_file, self._number)
        if not len(slow.builder):
            return [table] if table.num_rows else []
        places = np.searchsorted(self._starts[self._origin >= 0], self._places)
        return _woven(table, slow.builder.take(slow.source_file), places)

    def _read(self, line: int, start: int, stop: int) -> None:
        """Read some lines by the slow path."""
        before = self._stats.physical_lines
        self._slow.read(bytes(self._data[start:stop]), self._number + line)
        self._whole += self._stats.physical_lines - before
        self._learn(start)

    def _read_inside(self, span: LineSpan) -> None:
        """Read one of the lines inside JSON by the slow path, as if it were alone there."""
        around, raw = self._behind.texts[span.prefix] or "", bytes(self._data[span.start : span.stop])
        line = plain_inside(around, raw)
        if line is not None:
            origin = self._origins[self._behind.lookup[span.prefix + 1]]
            self._slow.record(LogLine(line, self._number + span.line, origin))
        else:
            stats = self._stats
            lines = stats.physical_lines, stats.slow_lines
            self._slow.read(alone(around, raw), self._number + span.line)
            stats.physical_lines, stats.slow_lines = lines
        self._learn(span.start)

    def _learn(self, start: int) -> None:
        """Note where new rows of the slow path belong, and what it learned."""
        self._places += [start] * (len(self._slow.builder) - len(self._places))
        if self._behind.outdated:
            self._resolve()

    def _take(self, row_stop: int, other_stop: int) -> None:
        """Take the rows and count the other lines up to these."""
        while self._row < row_stop or self._other < other_stop:
            is_sure = self._behind.all_known and not self._any_refused and not self._unsure
            if is_sure and self._slow.settled() and self._slow.counts():
                self._accept(row_stop, other_stop)
                return
            row, other = self._first_to_leave(row_stop, other_stop)
            start = min(
                int(self._starts[row]) if row < row_stop else _NO_LINE,
                int(self._others[2, other]) if other < other_stop else _NO_LINE,
            )
            if start == _NO_LINE:
                self._accept(row_stop, other_stop)
                return
            self._leave(start)

    def _first_to_leave(self, row_stop: int, other_stop: int) -> tuple[int, int]:
        """The first row and the first other line that must take the slow path, by what is known now."""
        if not self._slow.settled():
            return self._row, self._other
        lookup, prefix, refused, others = self._behind.lookup, self._prefix, self._refused, self._others[1]
        unsure_rows, unsure_others = self._unsure_rows, self._unsure_others

        def rows(at: slice) -> BoolArray:
            found: BoolArray = refused[at] | (lookup[prefix[at] + 1] < 0) | unsure_rows[at]
            return found

        def counted(at: slice) -> BoolArray:
            found: BoolArray = (lookup[others[at] + 1] < 0) | unsure_others[at]
            return found

        row = _first(self._row, row_stop, rows)
        return row, _first(self._other, other_stop, counted) if self._slow.counts() else self._other

    def _accept(self, row: int, other: int) -> None:
        """Rows and other lines up to these are read as they are."""
        count, counted = row - self._row, other - self._other
        self._stats.lines += count + counted
        self._stats.access += count
        self._stats.other += counted
        if self._requests is not None and (requests := int(self._requests[self._other : other].sum())):
            producers = self._slow.producers
            producers[Producer.SOLO_HTTP] = producers.get(Producer.SOLO_HTTP, 0) + requests
        self._row, self._other = row, other

    def _find_requests(self) -> BoolArray | None:
        """Which of the other lines are requests of Solo's ztunnel, the only ones of another program among them.

        Cost: 0.5 µs an other line where there are few; else one search of the block, and 0.2 µs for each such line. The
        slow path takes 10 µs for one.
        """
        _, _, begins, stops = self._others
        if not len(begins):
            return None
        data = self._data
        if len(begins) * _FEW < len(data):
            spans = zip(begins.tolist(), stops.tolist(), strict=True)
            requests = np.array([_HTTP_ACCESS.search(data, start, stop) is not None for start, stop in spans])
            return requests if requests.any() else None
        found = [one.start() for one in _HTTP_ACCESS.finditer(data[int(begins[0]) : int(stops[-1])])]
        if not found:
            return None
        at = np.array(found, np.int64) + int(begins[0])
        line = np.searchsorted(begins, at, side="right") - 1
        requests = np.zeros(len(begins), np.bool_)
        requests[line[at < stops[line]]] = True
        return requests

    def _assign(self) -> None:
        """Fill in the ztunnel of the rows accepted since the last time, by what is known now."""
        rows = slice(self._assigned, self._row)
        self._origin[rows] = self._behind.lookup[self._prefix[rows] + 1]
        self._assigned = self._row

    def _leave(self, start: int) -> None:
        """Accept what is before the row or other line that begins here, and leave that to the slow path."""
        row, other = self._place(start)
        is_row = row < self._part.rows and self._starts[row] == start
        line, prefix = (self._lines[row], self._prefix[row]) if is_row else self._others[:2, other].tolist()
        line, prefix = int(line), int(prefix)
        is_inside = bool(self._behind.inside[prefix + 1])
        if is_inside and (line in self._unsure or not self._slow.settled()):
            self._leave_whole(line, start)
            return
        self._accept(row, other)
        self._assign()
        if is_row:
            self._row += 1
            self._assigned = self._row
        else:
            self._other += 1
        if is_inside:
            stop = string_stop(self._data, start) if is_row else int(self._others[3, other])
            self._read_inside(LineSpan(line, 0, start, stop, prefix))
            return
        self._read(line, start, line_end(self._data, start))
        self._behind.left(prefix)

    def _leave_whole(self, line: int, start: int) -> None:
        """Accept what is before the physical line in which this byte is, and leave all that is in it."""
        begin, self._over = _line_begin(self._data, start), line_end(self._data, start)
        self._accept(*self._place(begin))
        self._assign()
        row, other = self._place(self._over)
        prefixes = {*self._prefix[self._row : row].tolist(), *self._others[1, self._other : other].tolist()}
        self._row = self._assigned = row
        self._other = other
        self._read(line, begin, self._over)
        for prefix in prefixes:
            self._behind.left(prefix)

    def _place(self, start: int) -> tuple[int, int]:
        """The first row and the first other line that do not begin before this byte."""
        return int(np.searchsorted(self._starts, start)), int(np.searchsorted(self._others[2], start))

    def _resolve(self) -> None:
        """Which ztunnel writes behind each prefix, as known now, and which physical lines that leaves unsure."""
        self._assign()
        self._behind.renew()
        self._origins = list(self._slow.origins)
        inside = self._behind.inside
        if not inside.any():
            return
        lookup, prefix, others = self._behind.lookup, self._prefix, self._others
        unknown = inside & (lookup < 0)
        # behind a prefix damage is undone for the physical line as a whole
        together = inside & np.array([False, *map(is_read_whole, self._behind.texts)])
        left = [span for span in self._part.slow if not span.lines]
        self._unsure = {
            span.line
            for span in left
            if (unknown | together)[span.prefix + 1] or span.stop - span.start > INSIDE_BYTES  # maybe a part of a line
        }
        if not self._behind.all_known or self._any_refused:
            self._unsure.update(self._lines[unknown[prefix + 1] | (self._refused & together[prefix + 1])].tolist())
            self._unsure.update(others[0, unknown[others[1] + 1]].tolist())
        self._unsure_rows = np.isin(self._lines, [*self._unsure])
        self._unsure_others = np.isin(others[0], [*self._unsure])


def _woven(table: pa.Table, slow: pa.Table, places: Index) -> list[pa.Table]:
    """Two tables as one order: each row of the second is before the row of the first its place names."""
    edges = np.flatnonzero(np.diff(places)) + 1
    if len(edges) < _SLICES:
        tables = []
        done = 0
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(places)], strict=True):
            place = int(places[start])
            tables += [table.slice(done, place - done), slow.slice(start, stop - start)]
            done = place
        return [one for one in (*tables, table.slice(done)) if one.num_rows]
    both = pa.concat_tables([table, slow]).unify_dictionaries()
    order = np.insert(np.arange(table.num_rows), places, np.arange(table.num_rows, both.num_rows))
    return [both.take(pa.array(order))]


def _first(start: int, stop: int, flags: Callable[[slice], BoolArray]) -> int:
    """The first place of a range whose flag is set, `stop` when none is; looks no further than it must."""
    for at in range(start, stop, _AT_ONCE):
        found = flags(slice(at, min(at + _AT_ONCE, stop)))
        if found.any():
            return at + int(np.argmax(found))
    return stop


def line_end(data: memoryview, start: int) -> int:
    """Where the line that holds this byte is over."""
    width = 4096
    while True:
        found = bytes(data[start : start + width]).find(b"\n")
        if found >= 0:
            return start + found + 1
        start += width


def _line_begin(data: memoryview, start: int) -> int:
    """Where the line begins that holds this byte."""
    width, stop = 4096, start
    while stop > 0:
        found = bytes(data[max(0, stop - width) : stop]).rfind(b"\n")
        if found >= 0:
            return max(0, stop - width) + found + 1
        stop -= width
        width *= 2
    return 0
