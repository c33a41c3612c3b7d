"""Reads big blocks: by the compiled kernel, and what it leaves by the slow path, in the order of the lines.

The kernel decides about each line alone. What a line means may also depend on the lines before it: a record that waits
for its end, a JSON document that is open, a section marker. So the lines are taken in stretches between those the slow
path reads, and a stretch only while the slow path could take its short cut, too; else its next line is read there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import BoolArray, Codes, Index
from ztflow.kernel import POLICY
from ztflow.kernel.columns import LineSpan
from ztflow.model.provenance import LogLine, Origin, ReadStats
from ztflow.model.tables import HalvesBuilder
from ztflow.read.limits import PREFIXES
from ztflow.read.unwrap import Unwrapper
from ztflow.read.unwrap.content import find_head
from ztflow.read.unwrap.envelopes import alone, plain_inside
from ztflow.text.escapes import may_have_residue

if TYPE_CHECKING:
    from ztflow.kernel.blocks import Block
    from ztflow.kernel.columns import BlockPart
    from ztflow.kernel.known_words import Vocabulary


_ACCESS: Final = b"connection "
_SOME_HEAD: Final = "2024-11-05T12:00:01.013201Z\tinfo\t"

LEAST: Final = 32 << 10
"""Smallest block that goes through the kernel: below it making the table costs more than the kernel saves."""
_THREADS: Final = 4
"""More threads bring nothing: the part done in Python is single-threaded."""
_PIECE: Final = 8 << 20
"""Bytes one thread reads at a time."""
_NO_LINE: Final = 1 << 62
_AT_ONCE: Final = 4096
"""Rows looked at together."""
_REFUSED_AFTER: Final = 64
"""Lines behind one prefix that are given to the slow path one by one before it gets all of them at once."""
_SLICES: Final = 16
"""Up to so many interruptions a table is put together from slices; with more its rows are taken in order."""


@dataclass(frozen=True, slots=True)
class SlowPath:
    """What the stream does line by line.

    Attributes:
        read: Reads these whole lines; the first has this number.
        record: Takes a line with everything around it off.
        unwrapper: Knows which ztunnel wrote a line, by the text before it.
        settled: Whether nothing is held that the next line could change.
        counts: Whether other lines need only be counted.
    """

    read: Callable[[bytes, int], None]
    record: Callable[[LogLine], None]
    unwrapper: Unwrapper
    settled: Callable[[], bool]
    counts: Callable[[], bool]

    def origin(self, prefix: str) -> Origin | None:
        """Who wrote a line behind this prefix (`""`: bare), if the stream would take its quick way; else None.

        A prefix with a line end in it is an envelope (`kernel.json_envelope`).
        """
        if not prefix:
            return self.unwrapper.bare()
        before, inside, behind = prefix.partition("\n")
        if inside:
            from ztflow.read.unwrap.envelopes import origin_inside

            return origin_inside(self.unwrapper, before, behind[0], behind[1:])
        head = find_head(prefix + _SOME_HEAD)
        if head is None or head.start() != len(prefix) or prefix[0] == "{" or may_have_residue(prefix):
            return None
        known = self.unwrapper.known(prefix)
        return self.unwrapper.quick_prefix(prefix) if known is None else known

    def state(self) -> object:
        """Everything `origin` depends on."""
        return self.unwrapper.state()


def pays(data: bytes, size: int) -> bool:
    """Whether these bytes, of an input of that size, are for the kernel."""
    return len(data) >= LEAST and _ACCESS in data and POLICY.ready(size)


class Bulk:
    """The kernel at work on one stream.

    Args:
        slow: The line-by-line way.
        builder: Where the slow path puts its rows.
        stats: Where lines are counted.
        source_file: The stream's name.

    Attributes:
        origins: Every ztunnel that wrote a line so far, with a number.
        useless: Whether prefixes differ from line to line, so that the kernel does not help.
    """

    def __init__(self, slow: SlowPath, builder: HalvesBuilder, stats: ReadStats, source_file: str) -> None:
        from ztflow.kernel.blocks import BlockReader

        self.slow = slow
        self.builder = builder
        self.stats = stats
        self.source_file = source_file
        self._readers = [BlockReader() for _ in range(min(_THREADS, _processors()))]
        self.origins: dict[Origin, int] = {}
        self._known: WeakKeyDictionary[Vocabulary, _Prefixes] = WeakKeyDictionary()
        self.useless = False

    def known(self, vocabulary: Vocabulary) -> _Prefixes:
        """Which ztunnel writes behind the prefixes of a vocabulary."""
        if vocabulary not in self._known:
            self._known[vocabulary] = _Prefixes(self, vocabulary)
        return self._known[vocabulary]

    def read(self, blocks: list[memoryview], number: int) -> tuple[pa.Table, int]:
        """Read whole lines behind the line of this number; all rows, the builder's too, and the last line's number."""
        tables: list[pa.Table] = []
        for piece, block in self._blocks(blocks):
            for part in block.parts:
                tables += _Settling(self, part, piece, number + 1).tables()
            number += block.lines
            self.useless |= len(block.parts[-1].vocabulary.prefixes) > PREFIXES
        if len(self.builder) or not tables:
            tables.append(self.builder.take(self.source_file))
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries(), number

    def _blocks(self, blocks: list[memoryview]) -> Iterator[tuple[memoryview, Block]]:
        """The blocks in pieces cut at line ends, each as soon as it is read; the kernel is ahead on other threads."""
        pieces = [piece for block in blocks for piece in _pieces(block)]
        if len(pieces) < 2:
            yield from ((piece, self._readers[0].read(piece)) for piece in pieces)
            return
        count = len(self._readers)
        reading = [
            _threads()[place % count].submit(self._readers[place % count].read, piece)
            for place, piece in enumerate(pieces)
        ]
        try:
            for piece, block in zip(pieces, reading, strict=True):
                yield piece, block.result()
        finally:
            wait(reading)  # the buffer must outlive the kernel


class _Prefixes:
    """Which ztunnel writes behind each prefix of a vocabulary, as known when last asked.

    Attributes:
        lookup: Number of the origin by number of the prefix + 1, the bare line first; -1 for one to be looked at.
        all_known: Whether none is -1.
    """

    def __init__(self, bulk: Bulk, vocabulary: Vocabulary) -> None:
        self.lookup: Codes = np.zeros(0, np.int32)
        self.all_known = False
        self.inside: BoolArray = np.zeros(1, np.bool_)
        """Which are around lines inside JSON, likewise."""
        self._bulk = bulk
        self._vocabulary = vocabulary
        self._state: object = None
        self._left: dict[int, int] = {}

    @property
    def outdated(self) -> bool:
        """Whether something was learned since."""
        return self._bulk.slow.state() != self._state

    def renew(self) -> None:
        """Ask for those that are new; for all when something was learned."""
        state = self._bulk.slow.state()
        done = len(self.lookup) if state == self._state else 0
        self._state = state
        count = len(self._vocabulary.prefixes) + 1
        if done == count:
            return
        found = [self._code(prefix) for prefix in range(done - 1, count - 1)]
        self.lookup = np.concatenate([self.lookup[:done], np.array(found, np.int32)])
        self.inside = np.array([False, *self._vocabulary.inside])
        self.all_known = not (self.lookup < 0).any()

    def text(self, prefix: int) -> str:
        """What is around a line inside JSON."""
        return self._vocabulary.prefixes[prefix] or ""

    def left(self, prefix: int) -> None:
        """Count a line behind this prefix that took the slow path; after many the kernel leaves all of them to it."""
        if prefix < 0 or self.lookup[prefix + 1] >= 0:
            return
        self._left[prefix] = self._left.get(prefix, 0) + 1
        if self._left[prefix] == _REFUSED_AFTER:
            self._vocabulary.refuse_prefix(prefix)

    def _code(self, prefix: int) -> int:
        origins = self._bulk.origins
        text = "" if prefix < 0 else self._vocabulary.prefixes[prefix]
        origin = None if text is None else self._bulk.slow.origin(text)
        return -1 if origin is None else origins.setdefault(origin, len(origins))


class _Settling:
    """One part's way to tables.

    Lines are in order of their first bytes, which tells lines inside the JSON of one physical line apart, too. Such a
    physical line is taken line by line only if that is sure of all of them; else the slow path gets it whole.
    """

    def __init__(self, bulk: Bulk, part: BlockPart, data: memoryview, number: int) -> None:
        self._bulk = bulk
        self._slow = bulk.slow
        self._stats = bulk.stats
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
        self._places = [-1] * len(bulk.builder)
        """For each row of the slow path: the first byte of what it came with."""
        self._behind = bulk.known(part.vocabulary)
        self._origins = list(bulk.origins)
        self._refused = part.refused()
        self._any_refused = bool(self._refused.any())
        self._unsure: set[int] = set()
        """Physical lines that were taken apart and are not sure."""
        self._assigned = 0
        """Rows before this one have their origin, or were left."""

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
        bulk = self._bulk
        self._stats.physical_lines += self._part.lines - self._whole
        table = self._part.table(list(bulk.origins), self._origin, bulk.source_file, self._number)
        if not len(bulk.builder):
            return [table] if table.num_rows else []
        places = np.searchsorted(self._starts[self._origin >= 0], self._places)
        return _woven(table, bulk.builder.take(bulk.source_file), places)

    def _read(self, line: int, start: int, stop: int) -> None:
        """Read some lines by the slow path."""
        before = self._stats.physical_lines
        self._slow.read(bytes(self._data[start:stop]), self._number + line)
        self._whole += self._stats.physical_lines - before
        self._learn(start)

    def _read_inside(self, span: LineSpan) -> None:
        """Read one of the lines inside JSON by the slow path, as if it were alone there."""
        around, raw = self._behind.text(span.prefix), bytes(self._data[span.start : span.stop])
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
        self._places += [start] * (len(self._bulk.builder) - len(self._places))
        if self._behind.outdated:
            self._resolve()

    def _take(self, row_stop: int, other_stop: int) -> None:
        """Take the rows and count the other lines up to these."""
        while self._row < row_stop or self._other < other_stop:
            if self._behind.all_known and not self._any_refused and self._slow.settled() and self._slow.counts():
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
        unsure = [*self._unsure]

        def rows(at: slice) -> BoolArray:
            found = refused[at] | (lookup[prefix[at] + 1] < 0)
            return found | np.isin(self._lines[at], unsure) if unsure else found

        def counted(at: slice) -> BoolArray:
            found = lookup[others[at] + 1] < 0
            return found | np.isin(self._others[0, at], unsure) if unsure else found

        row = _first(self._row, row_stop, rows)
        return row, _first(self._other, other_stop, counted) if self._slow.counts() else self._other

    def _accept(self, row: int, other: int) -> None:
        """Rows and other lines up to these are read as they are."""
        count, counted = row - self._row, other - self._other
        self._stats.lines += count + counted
        self._stats.access += count
        self._stats.other += counted
        self._row, self._other = row, other

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
        if self._behind.inside[prefix + 1] and (is_row or line in self._unsure or not self._slow.settled()):
            self._leave_whole(line, start)
            return
        self._accept(row, other)
        self._assign()
        if is_row:
            self._row += 1
            self._assigned = self._row
        else:
            self._other += 1
        if self._behind.inside[prefix + 1]:
            self._read_inside(LineSpan(line, 0, start, int(self._others[3, other]), prefix))
            return
        self._read(line, start, _line_end(self._data, start))
        self._behind.left(prefix)

    def _leave_whole(self, line: int, start: int) -> None:
        """Accept what is before the physical line in which this byte is, and leave all that is in it."""
        begin, self._over = _line_begin(self._data, start), _line_end(self._data, start)
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
        """Which ztunnel writes behind each prefix, by what is known now."""
        self._assign()
        self._behind.renew()
        self._origins = list(self._bulk.origins)
        self._unsure = set()
        inside = self._behind.inside
        if not inside.any() or (self._behind.all_known and not self._any_refused):
            return
        unknown = inside & (self._behind.lookup < 0)
        rows = unknown[self._prefix + 1] | (self._refused & inside[self._prefix + 1])
        self._unsure.update(self._lines[rows].tolist())
        self._unsure.update(self._others[0, unknown[self._others[1] + 1]].tolist())
        self._unsure.update(span.line for span in self._part.slow if not span.lines and unknown[span.prefix + 1])


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


def _line_end(data: memoryview, start: int) -> int:
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


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _threads() -> list[ThreadPoolExecutor]:
    """A thread for each reader; they live as long as the process and only wait when there is nothing to do."""
    return [ThreadPoolExecutor(1, "ztflow-kernel") for _ in range(min(_THREADS, _processors()))]


def _pieces(data: memoryview) -> Iterator[memoryview]:
    """Whole lines, about `_PIECE` bytes each."""
    start = 0
    while start < len(data):
        stop = len(data) if len(data) - start < 2 * _PIECE else _line_end(data, start + _PIECE)
        yield data[start:stop]
        start = stop
