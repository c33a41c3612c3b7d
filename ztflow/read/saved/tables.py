"""Reads a saved table as Parquet or CSV, in pieces of bounded size, by Arrow.

Parquet has its table of contents at its end: what comes through a pipe, compressed or out of an archive waits in a
temporary file.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeAlias
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import IntArray
from ztflow.errors import Reason, SourceError
from ztflow.model.table import TABLE_KEY
from ztflow.read.saved.columns import plain
from ztflow.read.saved.recognise import DECLARED, FEATHER, PARQUET, Kind, csv_header, kind_of, missing
from ztflow.read.saved.rows import Ledger
from ztflow.read.sources.archives import ChunkFile

_ROWS: Final = 65_536
"""Rows read at once."""
_CSV_BYTES: Final = 8 << 20
"""Bytes of CSV read at once; a row has to fit."""
_STATED: Final[dict[bytes, Kind]] = {b"flows": "flows", b"records": "records"}
_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"

Piece: TypeAlias = tuple[Kind, pa.Table]
"""Rows of ours, and which table they belong to."""


def read_table(head: bytes, chunks: Iterator[bytes], ledger: Ledger, path: str | None = None) -> Iterator[Piece]:
    """The rows of a saved table.

    Args:
        head: Its first bytes, of which `is_table` said yes.
        chunks: All its bytes.
        ledger: Counts the rows and keeps problems.
        path: The file they come from, which may be compressed; None when it is no file of its own.

    Raises:
        SourceError: It is no table of ours, or damaged; what came before was given.
    """
    if head.startswith(FEATHER):
        raise SourceError(ledger.name, "is an Arrow (Feather) file", hint="save the table as Parquet instead")
    if not head.startswith(PARQUET):
        yield from _csv(head, chunks, ledger)
    elif path is not None and _is_plain(path):
        yield from _parquet(path, ledger)
    else:
        with Waiting(b"") as waiting:
            for chunk in chunks:
                waiting.add(chunk)
            yield from _parquet(waiting.file, ledger)


class Waiting:
    """A saved table that comes bit by bit, in a temporary file without a name until it is whole.

    Args:
        first: Its first bytes.
    """

    def __init__(self, first: bytes) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this
        self._head = first
        self.file.write(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def add(self, data: bytes) -> None:
        """More of it."""
        self.file.write(data)

    def pieces(self, ledger: Ledger) -> Iterator[Piece]:
        """Its rows, now that it is whole; as `read_table`."""
        if self._head.startswith(PARQUET):
            return _parquet(self.file, ledger)
        self.file.seek(0)
        return read_table(self._head, iter(lambda: self.file.read(_CSV_BYTES), b""), ledger)


def _is_plain(path: str) -> bool:
    """Whether a file can be read from any place as it is: no pipe, and not compressed."""
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        return file.read(4) in PARQUET


def _parquet(where: str | IO[bytes], ledger: Ledger) -> Iterator[Piece]:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(where) as file:
            ledger.stats.bytes += Path(where).stat().st_size if isinstance(where, str) else where.seek(0, io.SEEK_END)
            spelled = {name.strip().lower(): name for name in reversed(file.schema_arrow.names)}
            names = [*spelled]
            beside = _partitions(ledger.name, names)
            about = file.schema_arrow.metadata or {}
            kind = _STATED.get(about.get(TABLE_KEY, b"")) or kind_of([*names, *beside])
            if kind is None:
                raise SourceError(
                    ledger.name, "is a Parquet file, but no table of flows or records by its columns",
                    hint=f"it has {', '.join(file.schema_arrow.names[:5])}{', …' if len(names) > 5 else ''}",
                )  # fmt: skip
            wanted = [spelled[column.name] for column in DECLARED[kind] if column.name in names]
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS, columns=wanted):
                table = _lowered(batch).replace_schema_metadata(about)
                for name, value in beside.items():
                    table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
                yield from _piece(kind, table, _numbers(number, table.num_rows), ledger)
                number += table.num_rows
    except (pa.ArrowException, OSError, EOFError, OverflowError, RuntimeError) as error:
        raise SourceError(ledger.name, f"the Parquet data is damaged: {_first_line(error)}") from error


def _partitions(path: str, names: list[str]) -> dict[str, str | None]:
    """Columns that stand in the names of the folders: `…/src_namespace=shop/part-0.parquet`."""
    known = {column.name for columns in DECLARED.values() for column in columns}
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        name, is_one, value = folder.partition("=")
        if is_one and name in known and name not in names:
            found[name] = None if value == _NO_PARTITION else unquote(value)
    return found


def _csv(head: bytes, chunks: Iterator[bytes], ledger: Ledger) -> Iterator[Piece]:
    from pyarrow import csv

    found = csv_header(head)
    assert found is not None
    names, delimiter = found
    spelled = {name.strip().lower(): name for name in reversed(names)}
    ledger.stats.physical_lines += 1
    kind = kind_of(spelled)
    assert kind is not None
    wanted = [spelled[column.name] for column in DECLARED[kind] if column.name in spelled]
    wrong: list[Any] = []

    def refused(row: Any) -> str:
        wrong.append(row)
        return "skip"

    try:
        reader = csv.open_csv(
            pa.PythonFile(ChunkFile(_counted(chunks, ledger)), mode="r"),
            read_options=csv.ReadOptions(use_threads=False, block_size=_CSV_BYTES),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refused
            ),
            convert_options=csv.ConvertOptions(
                check_utf8=False, column_types=dict.fromkeys(wanted, pa.binary()), include_columns=wanted,
                null_values=[""], strings_can_be_null=True,
            ),
        )  # fmt: skip
        number = 1
        for batch in reader:
            yield from _piece(kind, _undone(batch), _numbers(number, batch.num_rows), ledger)
            number += batch.num_rows
            _refuse(wrong, ledger)
    except SourceError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise SourceError(ledger.name, f"the CSV cannot be read on: {_first_line(error)}") from error
    finally:
        _refuse(wrong, ledger)


def _refuse(wrong: list[Any], ledger: Ledger) -> None:
    """Rows with more or fewer cells than the header."""
    for row in wrong:
        ledger.stats.physical_lines += 1
        detail = f"a row of {row.actual_columns} cells under a header of {row.expected_columns}"
        ledger.refuse(row.number or 0, Reason.BAD_SYNTAX, detail, row.text)
    wrong.clear()


def _lowered(batch: pa.RecordBatch) -> pa.Table:
    """With the names as we write them; some stores keep names in capitals."""
    return pa.table(batch.columns, [name.strip().lower() for name in batch.schema.names])


def _undone(batch: pa.RecordBatch) -> pa.Table:
    """Without the `'` that `text.escapes.csv_cell` puts before what a spreadsheet would run."""
    import pyarrow.compute as pc

    table = _lowered(batch)
    for number, name in enumerate(table.schema.names):
        text = plain(table.column(number).chunk(0))
        column = pc.replace_substring_regex(text, r"^'([=+\-@])", r"\1")
        table = table.set_column(number, name, column)
    return table


def _piece(kind: Kind, table: pa.Table, numbers: IntArray, ledger: Ledger) -> Iterator[Piece]:
    ledger.stats.physical_lines += table.num_rows
    lost = missing(kind, table.schema.names)
    if lost is None:
        yield kind, ledger.take(kind, table, numbers)
        return
    if table.num_rows:
        ledger.refuse_all(table.num_rows, int(numbers[0]), Reason.MISSING_FIELD, lost)


def _numbers(first: int, count: int) -> IntArray:
    return np.arange(first + 1, first + count + 1, dtype=np.int64)


def _counted(chunks: Iterator[bytes], ledger: Ledger) -> Iterator[bytes]:
    for chunk in chunks:
        ledger.stats.bytes += len(chunk)
        yield chunk


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
