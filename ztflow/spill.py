"""Sorts rows by time with bounded memory: halves before pairing, flows after it.

`LogOrder` takes halves in any order and gives them back in slices of log time. `EndOrder` holds flows back until none
that ends earlier can come. Past a limit both keep sorted runs in temporary files (`runs.Runs`).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import without_unused
from ztflow.columns.dtypes import AFTER_ALL
from ztflow.memory import DEFAULT
from ztflow.model.table import empty
from ztflow.model.tables import Flows
from ztflow.runs import Runs, Stretch, times_of

STRETCHES = 3
"""Stretches of runs on disk in one slice, about: a stretch is what has to be read to find a slice's edge."""
ACROSS = 4
"""Batches that may lie across one instant and still go to disk as they are; more are sorted among each other first."""
NEIGHBOURS = 2
"""Batches that lie across one instant where lines come in order: the last of one are later than the first of the next.
Where they do not, much has to be sorted together, or each slice would need a stretch of a great many runs."""
PIECES = 8
"""So many pieces are sorted one after the other: only one of them is copied at a time."""


def _sorted(table: pa.Table, name: str) -> pa.Table:
    times = times_of(table, name)
    if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
        return table
    order = pa.array(np.argsort(times, kind="stable"))
    moved = [column if column.null_count == len(column) else column.take(order) for column in table.columns]
    return pa.Table.from_arrays(moved, schema=table.schema)


class _Ordering:
    """What keeps runs on disk: used in a `with` statement, which removes the files."""

    def __init__(self, time: str, portion: int) -> None:
        self._portion = portion
        self._runs = Runs(time, portion // STRETCHES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs.remove()


class _Batch(NamedTuple):
    """Halves that came together, in memory or on disk, between which times they lie, and the bytes they take."""

    first: int
    last: int
    rows: int
    size: int
    where: pa.Table | Stretch


class LogOrder(_Ordering):
    """Halves in, slices of log time out; used in a `with` statement, which removes the files it made.

    Halves mostly come nearly in order, so batches are only put in order among themselves; rows are not touched unless
    each has to be in its place, or batches lie across each other and have to go to disk. Memory: `limit` bytes, and
    while slices are taken one slice and whatever lies across its end: of runs on disk one stretch each.

    Args:
        limit: Bytes of halves in memory.
        in_order: The same while no more than `NEIGHBOURS` batches lie across one instant; `limit` unless given.
        portion: Bytes of a slice, about; equal times are never parted.
    """

    def __init__(
        self, *, limit: int = DEFAULT.halves, in_order: int | None = None, portion: int = DEFAULT.portion
    ) -> None:
        super().__init__("time", portion)
        self._limit = limit
        self._in_order = limit if in_order is None else in_order
        self._here: list[_Batch] = []
        self._size = self._total = self._rows = 0
        self._away: list[_Batch] = []

    def add(self, table: pa.Table) -> None:
        """Take in halves."""
        if not table.num_rows:
            return
        times = times_of(table, "time")
        size = table.get_total_buffer_size()
        self._here.append(_Batch(int(times.min()), int(times.max()), table.num_rows, size, table))
        self._size += size
        self._total += size
        self._rows += table.num_rows
        if self._size > self._limit or (self._size > self._in_order and _across(self._by_first()) <= NEIGHBOURS):
            self._spill()

    def _by_first(self) -> list[_Batch]:
        return sorted(self._here, key=lambda part: part.first)

    def clear(self) -> None:
        """Forget all halves."""
        self._here, self._away, self._rows, self._size, self._total = [], [], 0, 0, 0
        self._runs.remove()

    @property
    def row(self) -> float:
        """Bytes a row takes in memory, on average."""
        return self._total / max(1, self._rows)

    def crowds(self, rows: int) -> Iterator[Iterator[pa.Table]]:
        """The halves of each instant that has more than so many rows in batches of nothing else, in tables.

        Those given are gone. Rows without a time are such an instant.
        """
        instants: defaultdict[int, list[_Batch]] = defaultdict(list)
        for part in (*self._away, *self._here):
            if part.first == part.last:
                instants[part.first].append(part)
        for instant, parts in instants.items():
            if sum(part.rows for part in parts) > rows:
                self._away, self._here = (
                    [part for part in some if not part.first == part.last == instant]
                    for some in (self._away, self._here)
                )
                yield (self._table(parts.pop(0)) for _ in range(len(parts)))

    def _table(self, part: _Batch) -> pa.Table:
        return self._runs.read(part.where) if isinstance(part.where, Stretch) else part.where

    def portions(self, *, keep: bool = False) -> Iterator[tuple[pa.Table, int | None]]:
        """All halves, in tables of about `portion` bytes, each with the time before which no later table has a row.

        The last one has None.

        Args:
            keep: Give them again next time, with those that came meanwhile.
        """
        if self._away and self._here:
            self._spill()  # pairing needs the room
        waiting = deque(sorted([*self._away, *self._here], key=lambda part: part.first))
        if not keep:
            self._here, self._away = [], []
        held: list[pa.Table] = []
        size = 0
        while waiting:
            part = waiting.popleft()
            held.append(self._table(part))
            size += part.size
            del part  # what is yielded shall be all that keeps it
            if size >= self._portion or not waiting:
                table = pa.concat_tables(held)
                held, size = [], 0
                yield table, waiting[0].first if waiting else None
                del table

    def slices(self) -> Iterator[pa.Table]:
        """All halves in order of time, in tables of about `portion` bytes; rows without a time come last.

        Of equal times those of the batch that begins earlier come first, within it in the order they came.
        """
        held: list[pa.Table] = []
        for table, edge in self.portions():
            held.append(table)
            whole = _sorted(_one_dictionary(held), "time")
            place = whole.num_rows if edge is None else int(np.searchsorted(times_of(whole, "time"), edge, "right"))
            rest = whole.slice(place)
            held = [without_unused(rest)] if rest.num_rows else []  # or each slice had the words of all before it
            if place:
                yield whole.slice(0, place)

    def _spill(self) -> None:
        parts = self._by_first()
        self._here, self._size = [], 0
        tables = [part.where for part in parts if isinstance(part.where, pa.Table)]
        one_instant = parts[0].first == max(part.last for part in parts)  # in order already, and cannot be cut
        for table in _pieces(tables) if _across(parts) > ACROSS and not one_instant else tables:
            for one in self._runs.write(_one_dictionary([table])):
                self._away.append(_Batch(one.first, one.last, one.rows, one.size, one))


def _pieces(tables: list[pa.Table]) -> Iterator[pa.Table]:
    """The rows of several tables in order of time, in `PIECES` tables; equal times are not parted."""
    times = [times_of(table, "time") for table in tables]
    every = np.sort(np.concatenate(times))
    edges = [*np.unique(every[:: max(1, len(every) // PIECES)])[1:].tolist(), None]
    before = np.iinfo(np.int64).min
    for edge in edges:
        masks = [(time >= before) & (True if edge is None else time < edge) for time in times]
        parts = [table.filter(pa.array(mask)) for table, mask in zip(tables, masks, strict=True) if mask.any()]
        before = edge
        if parts:
            yield _sorted(_one_dictionary(parts), "time")


def _across(parts: list[_Batch]) -> int:
    """How many batches, in order of their first time, lie across one instant at most."""
    ends = np.sort([part.last for part in parts])
    over = np.searchsorted(ends, [part.first for part in parts])
    return int((np.arange(1, len(parts) + 1) - over).max())


class EndOrder(_Ordering):
    """Flows in as they are decided, out in order of their end; used in a `with` statement, which removes its files.

    Flows of equal end keep the order they came in. Memory: `limit` bytes, what is given out, one stretch a run.

    Args:
        limit: Bytes of flows held back in memory.
        portion: Bytes given out together, about.
    """

    def __init__(self, *, limit: int = DEFAULT.flows, portion: int = DEFAULT.portion) -> None:
        super().__init__("end", portion)
        self._limit = limit
        self._held: list[_Held] = []

    def hold(self, flows: pa.Table) -> None:
        """Take in flows; give none yet."""
        if not flows.num_rows:
            return
        table = _sorted(_one_dictionary([flows]), "end")
        if table.get_total_buffer_size() + sum(held.size for held in self._held) <= self._limit:
            self._held.append(_Held(table, []))
        else:
            self._held.append(_Held(empty(Flows), self._runs.write(table)))

    def before(self, until: int) -> Iterator[pa.Table]:
        """Give in slices the flows that end before `until` (microseconds), which no later one precedes."""
        edge = None
        while edge != until:
            # Runs overlap, so a slice may hold a stretch of each; beyond those in memory it is about so many stretches.
            starts = sorted(stretch.first for held in self._held for stretch in held.stretches if stretch.first < until)
            edge = starts[STRETCHES] if len(starts) > STRETCHES else until
            parts = [part for held in self._held for part in held.before(edge, self._runs)]
            if parts:
                yield _sorted(_one_dictionary(parts), "end")
            if edge != until:
                yield from self._of_one_time(edge)
        self._held = [held for held in self._held if held]

    def _of_one_time(self, time: int) -> Iterator[pa.Table]:
        """The flows that end at a time, in slices; none that ends before it is left."""
        parts: list[pa.Table] = []
        size = 0
        for part in (part for held in self._held for part in held.before(time + 1, self._runs)):
            parts.append(part)
            size += part.nbytes
            if size >= self._portion:
                yield _one_dictionary(parts)
                parts, size = [], 0
        if parts:
            yield _one_dictionary(parts)

    def finish(self) -> Iterator[pa.Table]:
        """The rest, in slices; flows without a time last. At least one table, which may be empty."""
        yield from self.before(AFTER_ALL)
        given = False
        for table in self._of_one_time(AFTER_ALL):
            given = True
            yield table
        self._held = []
        if not given:
            yield empty(Flows)


@dataclass(slots=True)
class _Held:
    """What is left of flows that came together: rows in memory, then stretches on disk, in order of their end."""

    table: pa.Table
    stretches: list[Stretch]

    def __bool__(self) -> bool:
        return bool(self.table.num_rows or self.stretches)

    @property
    def size(self) -> int:
        """Bytes it keeps in memory."""
        return int(self.table.get_total_buffer_size()) if self.table.num_rows else 0

    def before(self, until: int, runs: Runs) -> Iterator[pa.Table]:
        """Give up the rows before a time."""
        while True:
            edge = int(np.searchsorted(times_of(self.table, "end"), until))
            if edge:
                yield self.table.slice(0, edge)
                rest = self.table.slice(edge)
                # A slice keeps all of its table alive: few rows left are worth a copy.
                self.table = rest if rest.num_rows > edge else rest.take(pa.array(np.arange(rest.num_rows)))
            if self.table.num_rows or not self.stretches or self.stretches[0].first >= until:
                return
            self.table = runs.read(self.stretches.pop(0))


def _one_dictionary(parts: list[pa.Table]) -> pa.Table:
    """Tables as one, in one chunk, with one dictionary a column."""
    table = parts[0] if len(parts) == 1 else pa.concat_tables(parts)
    return table.unify_dictionaries().combine_chunks()
