"""Putting rows in order of time with bounded memory: halves before pairing, flows after it.

`LogOrder` takes halves in any order and gives them back in slices of log time; past a limit it keeps them in temporary
files. `EndOrder` holds flows back until none that ends earlier can come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.tables import FLOWS_SCHEMA, HALVES_SCHEMA

IN_MEMORY = 1_000_000
"""Halves kept in memory before a sorted run of them goes to disk (about 200 MB)."""
SLICE = 200_000
"""Halves in one slice, about; equal times are never parted."""
PORTION = 0.25
"""Share of the flows held back that has to be free before they are sorted and given out."""
PIECE = 32_768
"""Halves in one piece of a run on disk: what has to be read to find a slice's edge."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a run on disk, in order of time."""

    path: Path
    number: int
    first: int
    last: int
    rows: int


def _times(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """The time column as integers; rows without a time after all others."""
    column = table.column(name).cast(pa.int64())
    array: npt.NDArray[np.int64] = pc.fill_null(column, np.iinfo(np.int64).max).to_numpy()
    return array


def _sorted(table: pa.Table, name: str) -> pa.Table:
    times = _times(table, name)
    if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
        return table
    return table.take(pa.array(np.argsort(times, kind="stable")))


class LogOrder:
    """Halves in, slices of log time out; used in a `with` statement, which removes the files it made.

    Rows of equal time keep the order they came in. Memory: `limit` rows, and while slices are taken one slice and one
    piece of each run.
    """

    def __init__(self, *, limit: int = IN_MEMORY) -> None:
        self._limit = limit
        self._parts: list[pa.Table] = []
        self._rows = 0
        self._pieces: list[_Piece] = []
        self._runs = 0
        self._directory: TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def add(self, table: pa.Table) -> None:
        """Take in halves."""
        if not table.num_rows:
            return
        self._parts.append(table)
        self._rows += table.num_rows
        if self._rows > self._limit:
            self._spill()

    def slices(self, *, inside: bool = True) -> Iterator[pa.Table]:
        """All halves, in slices of ascending time; rows without a time come last.

        Args:
            inside: Whether the rows within a slice have to be in order, too.
        """
        if not self._pieces:
            table = self._gathered()
            if table.num_rows:
                yield _sorted(table, "time") if inside else table
            return
        if self._rows:
            self._spill()
        waiting = sorted(self._pieces, key=lambda piece: piece.first)
        held: list[pa.Table] = []
        while waiting or held:
            rows = 0
            while waiting and rows < SLICE:
                piece = waiting.pop(0)
                held.append(self._load(piece))
                rows += piece.rows
            table = _sorted(pa.concat_tables(held).unify_dictionaries().combine_chunks(), "time")
            held = []
            if waiting:
                # What is left on disk starts here: rows from here on wait for it.
                edge = int(np.searchsorted(_times(table, "time"), waiting[0].first))
                held = [table.slice(edge)] if edge < table.num_rows else []
                table = table.slice(0, edge)
            if table.num_rows:
                yield table

    def _gathered(self) -> pa.Table:
        parts, self._parts, self._rows = self._parts, [], 0
        if not parts:
            return HALVES_SCHEMA.empty_table()
        return pa.concat_tables(parts).unify_dictionaries().combine_chunks()

    def _spill(self) -> None:
        if self._directory is None:
            self._directory = TemporaryDirectory(prefix="ztflow-")
        table = _sorted(self._gathered(), "time")
        times = _times(table, "time")
        path = Path(self._directory.name) / f"{self._runs}.arrow"
        self._runs += 1
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            for number, start in enumerate(range(0, table.num_rows, PIECE)):
                stop = min(start + PIECE, table.num_rows)
                writer.write_table(table.slice(start, stop - start), max_chunksize=PIECE)
                self._pieces.append(_Piece(path, number, int(times[start]), int(times[stop - 1]), stop - start))

    def _load(self, piece: _Piece) -> pa.Table:
        with pa.memory_map(str(piece.path)) as source:
            return pa.Table.from_batches([pa.ipc.open_file(source).get_batch(piece.number)])


class EndOrder:
    """Flows in as they are decided, out in order of their end."""

    def __init__(self) -> None:
        self._held: list[pa.Table] = []

    def hold(self, flows: pa.Table) -> None:
        """Take in flows; give none yet."""
        if flows.num_rows:
            self._held.append(flows)

    def push(self, flows: pa.Table, until: int) -> pa.Table:
        """Take in flows; give such that end before `until` (microseconds), which nothing later will precede.

        They come in portions worth their while: sorting all that is held for a few rows would cost more than it frees.
        """
        self.hold(flows)
        free = sum(int(np.count_nonzero(_times(table, "end") < until)) for table in self._held)
        if free < PORTION * sum(table.num_rows for table in self._held):
            return FLOWS_SCHEMA.empty_table()
        return self._release(until)

    def finish(self) -> pa.Table:
        """The rest; flows without a time last."""
        table = self._release(np.iinfo(np.int64).max)
        rest, self._held = self._held, []
        return pa.concat_tables([table, *rest]) if rest else table

    def _release(self, until: int) -> pa.Table:
        if not self._held:
            return FLOWS_SCHEMA.empty_table()
        table = self._held[0]
        if len(self._held) > 1:
            table = pa.concat_tables(self._held).unify_dictionaries().combine_chunks()
        table = _sorted(table, "end")
        edge = int(np.searchsorted(_times(table, "end"), until))
        self._held = [table.slice(edge)] if edge < table.num_rows else []
        return table.slice(0, edge)
