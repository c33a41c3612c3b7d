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
from ztflow.model.provenance import Origin, ReadStats
from ztflow.model.tables import HalvesBuilder
from ztflow.read.limits import PREFIXES
from ztflow.read.unwrap import Unwrapper
from ztflow.read.unwrap.content import find_head
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
        unwrapper: Knows which ztunnel wrote a line, by the text before it.
        settled: Whether nothing is held that the next line could change.
        counts: Whether other lines need only be counted.
    """

    read: Callable[[bytes, int], None]
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

    def read(self, data: memoryview, number: int) -> tuple[pa.Table, int]:
        """Read whole lines behind the line of this number; all rows, the builder's too, and the last line's number."""
        tables: list[pa.Table] = []
        for piece, block in self._blocks(data):
            for part in block.parts:
                tables += _Settling(self, part, piece, number + 1).tables()
            number += block.lines
            self.useless |= len(block.parts[-1].vocabulary.prefixes) > PREFIXES
        if len(self.builder) or not tables:
            tables.append(self.builder.take(self.source_file))
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries(), number

    def _blocks(self, data: memoryview) -> Iterator[tuple[memoryview, Block]]:
        """The block in pieces cut at line ends, each as soon as it is read; the kernel is ahead on other threads."""
        pieces = list(_pieces(data))
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
        self._bulk = bulk
        self._prefixes = vocabulary.prefixes
        self._refuse = vocabulary.refuse_prefix
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
        count = len(self._prefixes) + 1
        if done == count:
            return
        found = [self._code(prefix) for prefix in range(done - 1, count - 1)]
        self.lookup = np.concatenate([self.lookup[:done], np.array(found, np.int32)])
        self.all_known = not (self.lookup < 0).any()

    def left(self, prefix: int) -> None:
        """Count a line behind this prefix that took the slow path; after many the kernel leaves all of them to it."""
        if prefix < 0 or self.lookup[prefix + 1] >= 0:
            return
        self._left[prefix] = self._left.get(prefix, 0) + 1
        if self._left[prefix] == _REFUSED_AFTER:
            self._refuse(prefix)

    def _code(self, prefix: int) -> int:
        origins = self._bulk.origins
        text = "" if prefix < 0 else self._prefixes[prefix]
        origin = None if text is None else self._bulk.slow.origin(text)
        return -1 if origin is None else origins.setdefault(origin, len(origins))


class _Settling:
    """One part's way to tables."""

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
        self._origin: Codes = np.full(part.rows, -1, np.int32)
        self._places = [-1] * len(bulk.builder)
        """For each row of the slow path: the line it came with."""
        self._behind = bulk.known(part.vocabulary)
        self._refused = part.refused()
        self._any_refused = bool(self._refused.any())
        self._assigned = 0
        """Rows before this one have their origin, or were left."""

    def tables(self) -> list[pa.Table]:
        """Settle the part; its rows and those of the slow path, in order of their lines."""
        self._resolve()
        others = self._others[0]
        lines = [span.line for span in self._part.slow]
        stops = np.searchsorted(self._lines, lines).tolist(), np.searchsorted(others, lines).tolist()
        for span, row_stop, other_stop in zip(self._part.slow, *stops, strict=True):
            self._take(row_stop, other_stop)
            self._read(span.line, span.start, span.stop)
        self._take(self._part.rows, len(others))
        self._assign()
        bulk = self._bulk
        table = self._part.table(list(bulk.origins), self._origin, bulk.source_file, self._number)
        if not len(bulk.builder):
            return [table] if table.num_rows else []
        places = np.searchsorted(self._lines[self._origin >= 0], self._places)
        return _woven(table, bulk.builder.take(bulk.source_file), places)

    def _read(self, line: int, start: int, stop: int) -> None:
        """Read some lines by the slow path."""
        self._slow.read(bytes(self._data[start:stop]), self._number + line)
        self._places += [line] * (len(self._bulk.builder) - len(self._places))
        if self._behind.outdated:
            self._resolve()

    def _take(self, row_stop: int, other_stop: int) -> None:
        """Take the rows and count the other lines up to these."""
        while self._row < row_stop or self._other < other_stop:
            if self._behind.all_known and not self._any_refused and self._slow.settled() and self._slow.counts():
                self._accept(row_stop, other_stop)
                return
            row, other = self._first_to_leave(row_stop, other_stop)
            line = min(
                int(self._lines[row]) if row < row_stop else _NO_LINE,
                int(self._others[0, other]) if other < other_stop else _NO_LINE,
            )
            if line == _NO_LINE:
                self._accept(row_stop, other_stop)
                return
            self._accept(int(np.searchsorted(self._lines, line)), int(np.searchsorted(self._others[0], line)))
            self._leave(line)

    def _first_to_leave(self, row_stop: int, other_stop: int) -> tuple[int, int]:
        """The first row and the first other line that must take the slow path, by what is known now."""
        if not self._slow.settled():
            return self._row, self._other
        lookup, prefix, refused, others = self._behind.lookup, self._prefix, self._refused, self._others[1]
        row = _first(self._row, row_stop, lambda rows: refused[rows] | (lookup[prefix[rows] + 1] < 0))
        if not self._slow.counts():
            return row, self._other
        return row, _first(self._other, other_stop, lambda lines: lookup[others[lines] + 1] < 0)

    def _accept(self, row: int, other: int) -> None:
        """Rows and other lines up to these are read as they are."""
        count, counted = row - self._row, other - self._other
        self._stats.physical_lines += count + counted
        self._stats.lines += count + counted
        self._stats.access += count
        self._stats.other += counted
        self._row, self._other = row, other

    def _assign(self) -> None:
        """Fill in the ztunnel of the rows accepted since the last time, by what is known now."""
        rows = slice(self._assigned, self._row)
        self._origin[rows] = self._behind.lookup[self._prefix[rows] + 1]
        self._assigned = self._row

    def _leave(self, line: int) -> None:
        """The next row or other line takes the slow path."""
        self._assign()
        if self._row < self._part.rows and self._lines[self._row] == line:
            start, prefix = int(self._starts[self._row]), int(self._prefix[self._row])
            self._row += 1
            self._assigned = self._row
        else:
            start, prefix = int(self._others[2, self._other]), int(self._others[1, self._other])
            self._other += 1
        self._read(line, start, _line_end(self._data, start))
        self._behind.left(prefix)

    def _resolve(self) -> None:
        """Which ztunnel writes behind each prefix, by what is known now."""
        self._assign()
        self._behind.renew()


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
