"""Tables as CSV for spreadsheets: a header, then every column; unknown is an empty cell.

Text from a log cannot run as a formula and cannot break a row: see `text.escapes.csv_cell`. Programs that need every
character back read JSON lines or Parquet.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

from ztflow.text.escapes import FORMULA_STARTS, csv_cell
from ztflow.writers.cells import batches
from ztflow.writers.fragments import Escape, Fragment, RowText, column, rows_of, specials

_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ',"')
_TEXT = Escape(csv_cell, specials(_PLAIN), ~specials("".join(FORMULA_STARTS)))


def _cell(array: pa.Array, before: str) -> list[RowText]:
    if pa.types.is_map(array.type):
        pairs = (row or () for row in array.to_pylist())
        texts = [csv_cell("; ".join(f"{key}={value}" for key, value in row)) for row in pairs]
        return [before, Fragment(pa.array(texts, pa.string()))]
    if pa.types.is_list(array.type) and array.null_count < len(array):
        texts = [" ".join(map(str, row or ())) for row in array.to_pylist()]
        return [before, Fragment(pa.array(texts, pa.string()))]
    return [before, *column(array, "", "", _TEXT)]


def encode_csv(batch: pa.RecordBatch) -> memoryview:
    """The rows as CSV lines without a header."""
    fragments: list[RowText] = []
    for number, array in enumerate(batch.columns):
        fragments += _cell(array, "," if number else "")
    return rows_of([*fragments, "\n"], len(batch))


class CsvWriter:
    """Writes tables as one CSV file; the header is written even when there is no row."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        self._stream = stream
        self._header = (",".join(schema.names) + "\n").encode()

    def _begin(self) -> None:
        self._stream.write(self._header)
        self._header = b""

    def write(self, table: pa.Table) -> None:
        """Write every row and flush."""
        self._begin()
        for batch in batches(table):
            self._stream.write(encode_csv(batch))
        self._stream.flush()

    def close(self) -> None:
        """Write the header if no table came; the stream stays open."""
        self._begin()
        self._stream.flush()

    def abandon(self) -> None:
        """Nothing is held that would be written."""
