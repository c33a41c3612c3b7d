"""Sorts rows by time with bounded memory: halves before pairing, flows after it.

`LogOrder` takes halves in any order and gives them back in slices of log time. `EndOrder` holds flows back until none
that ends earlier can come. Past a limit both keep sorted runs in temporary files, which `Runs` writes and reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import AFTER_ALL, IntArray
from ztflow.columns.timestamps import micros_of
from ztflow.files.placing import told
from ztflow.files.scratch import Scratch, temporary_folder
from ztflow.model.tables import FLOWS_SCHEMA

IN_MEMORY = 1_000_000
"""Halves kept in memory before they go to disk (about 200 MB)."""
SLICE = 200_000
"""Halves in one slice, about; equal times are never parted."""
FLOWS_IN_MEMORY = 150_000
"""Flows held back in memory; what comes beyond goes to disk (a flow takes some 250 bytes)."""
STRETCH_ROWS = 32_768
"""Rows in one stretch of a run on disk: what has to be read to find a slice's edge."""
_NO_ROOM = "what does not fit in memory waits there; set TMPDIR to a folder with room"
ACROSS = 4
"""Batches that may lie across one instant and still go to disk as they are; more are sorted into one run first."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a table on disk, and between which times its rows lie."""

    path: Path
    number: int
    first: int
    last: int
    rows: int


def _times(table: pa.Table, name: str) -> IntArray:
    """The time column as integers; rows without a time after all others."""
    return micros_of(table.column(name), AFTER_ALL)


def _sorted(table: pa.Table, name: str) -> pa.Table:
    times = _times(table, name)
    if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
        return table
    return table.take(pa.array(np.argsort(times, kind="stable")))


class Runs:
    """Tables in temporary files, read back stretch by stretch; `remove` deletes the files.

    Args:
        time: The column of their time, by which they are sorted, at least roughly.
    """

    def __init__(self, time: str) -> None:
        self._time = time
        self._count = 0
        self._folder: Scratch | None = None

    def remove(self) -> None:
        """Delete the files."""
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def write(self, table: pa.Table) -> list[Stretch]:
        """Write a table of one dictionary a column; what it is in stretches, in order of the rows.

        Raises:
            OutputError: The place for temporary files is full, missing or not to be written to.
        """
        parent = temporary_folder() if self._folder is None else self._folder.path.parent
        with told(str(parent), _NO_ROOM):
            if self._folder is None:
                self._folder = Scratch(parent)
            self._count += 1
            return self._written(table, self._folder.path / f"{self._count}.arrow")

    def _written(self, table: pa.Table, path: Path) -> list[Stretch]:
        times = _times(table, self._time)
        stretches = []
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            for number, start in enumerate(range(0, table.num_rows, STRETCH_ROWS)):
                stop = min(start + STRETCH_ROWS, table.num_rows)
                writer.write_table(table.slice(start, stop - start), max_chunksize=STRETCH_ROWS)
                inside = times[start:stop]
                stretches.append(Stretch(path, number, int(inside.min()), int(inside.max()), stop - start))
        return stretches

    def read(self, stretch: Stretch) -> pa.Table:
        """A stretch, still in its file until it is looked at."""
        with pa.memory_map(str(stretch.path)) as source:
            return pa.Table.from_batches([pa.ipc.open_file(source).get_batch(stretch.number)])


class _Ordering:
    """What keeps runs on disk: used in a `with` statement, which removes the files."""

    def __init__(self, time: str) -> None:
        self._runs = Runs(time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs.remove()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Halves that came together, in memory or on disk, and between which times they lie."""

    first: int
    last: int
    rows: int
    where: pa.Table | Stretch


class LogOrder(_Ordering):
    """Halves in, slices of log time out; used in a `with` statement, which removes the files it made.

    Halves mostly come nearly in order, so batches are only put in order among themselves; rows are not touched unless
    each has to be in its place, or batches lie across each other and have to go to disk. Memory: `limit` rows, and
    while slices are taken one slice and whatever lies across its end: of runs on disk one stretch each.
    """

    def __init__(self, *, limit: int = IN_MEMORY) -> None:
        super().__init__("time")
        self._limit = limit
        self._here: list[_Batch] = []
        self._rows = 0
        self._away: list[_Batch] = []

    def add(self, table: pa.Table) -> None:
        """Take in halves."""
        if not table.num_rows:
            return
        times = _times(table, "time")
        self._here.append(_Batch(int(times.min()), int(times.max()), table.num_rows, table))
        self._rows += table.num_rows
        if self._rows > self._limit:
            self._spill()

    def clear(self) -> None:
        """Forget all halves."""
        self._here, self._away, self._rows = [], [], 0
        self._runs.remove()

    def portions(self, *, keep: bool = False) -> Iterator[tuple[pa.Table, int | None]]:
        """All halves, in tables of about `SLICE` rows, each with the time before which no later table has a row.

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
        rows = 0
        while waiting:
            part = waiting.popleft()
            held.append(self._runs.read(part.where) if isinstance(part.where, Stretch) else part.where)
            rows += part.rows
            if rows >= SLICE or not waiting:
                yield pa.concat_tables(held), waiting[0].first if waiting else None
                held, rows = [], 0

    def slices(self) -> Iterator[pa.Table]:
        """All halves in order of time, in tables of about `SLICE` rows; rows without a time come last.

        Of equal times those of the batch that begins earlier come first, within it in the order they came.
        """
        held: list[pa.Table] = []
        for table, edge in self.portions():
            held.append(table)
            whole = _sorted(_one_dictionary(held), "time")
            place = whole.num_rows if edge is None else int(np.searchsorted(_times(whole, "time"), edge))
            held = [whole.slice(place)]
            if place:
                yield whole.slice(0, place)

    def _spill(self) -> None:
        parts = sorted(self._here, key=lambda part: part.first)
        self._here, self._rows = [], 0
        tables = [part.where for part in parts if isinstance(part.where, pa.Table)]
        if _across(parts) > ACROSS:
            tables = [_sorted(_one_dictionary(tables), "time")]
        for table in tables:
            self._away += [_Batch(p.first, p.last, p.rows, p) for p in self._runs.write(_one_dictionary([table]))]


def _across(parts: list[_Batch]) -> int:
    """How many batches, in order of their first time, lie across one instant at most."""
    ends = np.sort([part.last for part in parts])
    over = np.searchsorted(ends, [part.first for part in parts])
    return int((np.arange(1, len(parts) + 1) - over).max())


class EndOrder(_Ordering):
    """Flows in as they are decided, out in order of their end; used in a `with` statement, which removes its files.

    Flows of equal end keep the order they came in. Memory: `limit` rows, what is given out, one stretch a run.
    """

    def __init__(self, *, limit: int = FLOWS_IN_MEMORY) -> None:
        super().__init__("end")
        self._limit = limit
        self._held: list[_Held] = []

    def hold(self, flows: pa.Table) -> None:
        """Take in flows; give none yet."""
        if not flows.num_rows:
            return
        table = _sorted(_one_dictionary([flows]), "end")
        if table.num_rows + sum(held.table.num_rows for held in self._held) <= self._limit:
            self._held.append(_Held(table, []))
        else:
            self._held.append(_Held(table.slice(0, 0), self._runs.write(table)))

    def push(self, flows: pa.Table, until: int) -> Iterator[pa.Table]:
        """Take in flows; give in slices those that end before `until` (microseconds), which nothing later precedes."""
        self.hold(flows)
        stretches = SLICE // STRETCH_ROWS
        edge = None
        while edge != until:
            # Runs overlap, so a slice may hold a stretch of each; beyond those in memory it is about so many stretches.
            starts = sorted(stretch.first for held in self._held for stretch in held.stretches if stretch.first < until)
            edge = starts[stretches] + 1 if len(starts) > stretches else until
            parts = [part for held in self._held for part in held.before(edge, self._runs)]
            if parts:
                yield _sorted(_one_dictionary(parts), "end")
        self._held = [held for held in self._held if held]

    def finish(self) -> Iterator[pa.Table]:
        """The rest, in slices; flows without a time last. At least one table, which may be empty."""
        empty = FLOWS_SCHEMA.empty_table()
        yield from self.push(empty, AFTER_ALL)
        parts = [part for held in self._held for part in held.all(self._runs)]
        self._held = []
        yield _sorted(_one_dictionary(parts), "end") if parts else empty


@dataclass(slots=True)
class _Held:
    """What is left of flows that came together: rows in memory, then stretches on disk, in order of their end."""

    table: pa.Table
    stretches: list[Stretch]

    def __bool__(self) -> bool:
        return bool(self.table.num_rows or self.stretches)

    def all(self, runs: Runs) -> Iterator[pa.Table]:
        """Give up all rows."""
        yield self.table
        yield from map(runs.read, self.stretches)

    def before(self, until: int, runs: Runs) -> Iterator[pa.Table]:
        """Give up the rows before a time."""
        while True:
            edge = int(np.searchsorted(_times(self.table, "end"), until))
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
