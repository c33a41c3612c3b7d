"""Tables in temporary files (Arrow IPC): what is to be put in order and does not fit in memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ztflow.columns.dtypes import AFTER_ALL, IntArray
from ztflow.columns.timestamps import micros_of
from ztflow.files.placing import told
from ztflow.files.scratch import Scratch, temporary_folder

_NO_ROOM = "what does not fit in memory waits there; set TMPDIR to a folder with room"
REPEATED = 4
"""Times the words of a column have to occur, on average, for it to go to disk as codes; else it goes as text, for the
words of codes come whole with each stretch."""


class Stretch(NamedTuple):
    """A stretch of a table on disk, between which times its rows lie, and about what they take in memory."""

    path: Path
    number: int
    first: int
    last: int
    rows: int
    size: int


def times_of(table: pa.Table, name: str) -> IntArray:
    """The time column as integers; rows without a time after all others."""
    return micros_of(table.column(name), AFTER_ALL)


class Runs:
    """Tables in temporary files, read back stretch by stretch; `remove` deletes the files.

    Args:
        time: The column of their time, by which they are sorted, at least roughly.
        size: Bytes of a stretch, about.
    """

    def __init__(self, time: str, size: int) -> None:
        self._time = time
        self._size = size
        self._count = 0
        self._folder: Scratch | None = None
        self._schemas: dict[Path, pa.Schema] = {}
        """What the tables of each file are in memory; on disk some columns are less."""

    def remove(self) -> None:
        """Delete the files."""
        if self._folder is not None:
            self._folder.remove()
            self._folder = None
            self._schemas.clear()

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
        times = times_of(table, self._time)
        each = max(1, table.get_total_buffer_size() // table.num_rows)
        rows = max(1, self._size // each)
        self._schemas[path] = table.schema
        table = _lean(table)
        stretches = []
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            for number, start in enumerate(range(0, table.num_rows, rows)):
                stop = min(start + rows, table.num_rows)
                writer.write_table(table.slice(start, stop - start), max_chunksize=rows)
                first, last = int(times[start:stop].min()), int(times[start:stop].max())
                stretches.append(Stretch(path, number, first, last, stop - start, each * (stop - start)))
        return stretches

    def read(self, stretch: Stretch) -> pa.Table:
        """A stretch, most of it still in its file until it is looked at."""
        with pa.memory_map(str(stretch.path)) as source:
            batch = pa.ipc.open_file(source).get_batch(stretch.number)
        schema = self._schemas[stretch.path]
        columns = [_whole(column, kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
        return pa.Table.from_arrays(columns, schema=schema)


def _lean(table: pa.Table) -> pa.Table:
    """The table with codes only where words repeat, and nothing of columns that hold nothing."""
    for number, field in enumerate(table.schema):
        column = table.column(number)
        if column.null_count == len(column):
            column = pa.nulls(len(column))
        elif pa.types.is_dictionary(field.type):
            column = column.chunk(0)
            if REPEATED * len(column.dictionary) <= len(column) - column.null_count:
                continue
            column = column.cast(field.type.value_type)
        else:
            continue
        table = table.set_column(number, pa.field(field.name, column.type), column)
    return table


def _whole(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as it was in memory."""
    if column.type == kind:
        return column
    return pa.nulls(len(column), kind) if pa.types.is_null(column.type) else column.dictionary_encode()
