"""Connections of which one row stands for many: what `aggregate.fold` makes, and `View` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import IntArray, Integers
from ztflow.files.placing import told
from ztflow.files.scratch import Scratch, temporary_folder
from ztflow.memory import MIB

KEPT = 8 * MIB
"""Bytes of numbers of single connections in memory; more are on disk."""
_NO_ROOM = "numbers of single connections wait there; set TMPDIR to a folder with room"


class Piece(NamedTuple):
    """Some connections, in order.

    Attributes:
        rows: The row each stands in.
        values: Their numbers by column.
    """

    rows: Integers | slice
    values: dict[str, IntArray]


class Values:
    """Numbers of every connection: what no sum tells, such as a life for a median.

    Memory: `KEPT` bytes; the rest is in a temporary file (Arrow IPC), which goes with the object.

    Args:
        names: Columns.
        kept: Bytes in memory.
    """

    def __init__(self, names: Sequence[str], kept: int = KEPT) -> None:
        self._schema = pa.schema([("row", pa.int32()), *((name, pa.int64()) for name in names)])
        self._kept, self._size = kept, 0
        self._here: list[pa.RecordBatch] = []
        self._path: Path | None = None
        self._sink: Any = None
        self._writer: Any = None

    def add(self, rows: Integers, columns: Sequence[IntArray]) -> None:
        """Add a batch: for each connection its row, and its numbers."""
        if len(self._schema) == 1:
            return
        arrays = [pa.array(rows.astype(np.int32, copy=False)), *(pa.array(column, pa.int64()) for column in columns)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._here.append(batch)
        self._size += batch.nbytes
        if self._size > self._kept:
            self._put_away()

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """All connections in the order they came, a batch at a time."""
        for batch in self._batches():
            yield Piece(batch["row"].to_numpy(), {name: batch[name].to_numpy() for name in names})

    def table(self) -> pa.Table:
        """All of it: the row of each connection, and its numbers."""
        return pa.Table.from_batches(self._batches(), schema=self._schema)

    def _put_away(self) -> None:
        with told(str(temporary_folder()), _NO_ROOM):
            if self._writer is None:
                scratch = Scratch(temporary_folder())
                finalize(self, scratch.remove)
                self._path = scratch.path / "values.arrows"
                self._sink = pa.OSFile(str(self._path), "wb")
                self._writer = pa.ipc.new_stream(self._sink, self._schema)
            for batch in self._here:
                self._writer.write_batch(batch)
        self._here, self._size = [], 0

    def finish(self) -> None:
        """Nothing more will be added."""
        if self._writer is not None:
            self._put_away()
            self._writer.close()
            self._sink.close()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._path is not None:
            with pa.OSFile(str(self._path), "rb") as source:
                yield from pa.ipc.open_stream(source)
        yield from self._here


@dataclass(frozen=True, slots=True)
class Folded:
    """What is known of the connections behind the rows of a table.

    Attributes:
        weights: How many each row stands for.
        last: Place, among all, of the one of each row that ended last; of equal ones the last.
        values: Numbers of every connection.
    """

    weights: IntArray
    last: IntArray
    values: Values
