"""Tables as CSV for spreadsheets: a header, then every column; unknown is an empty cell.

Text from a log cannot run as a formula and cannot break a row: see `escape.csv_cell`. Programs that need every
character back read JSON lines or Parquet.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.writers.cells import batches, float_text, map_distinct, time_text
from ztflow.writers.escape import csv_cell


def _cells(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return map_distinct(array, csv_cell)
    if pa.types.is_timestamp(kind):
        return time_text(array)
    if pa.types.is_floating(kind):
        return float_text(array)
    if pa.types.is_map(kind):
        texts = [pairs and csv_cell("; ".join(f"{key}={value}" for key, value in pairs)) for pairs in array.to_pylist()]
        return pa.array(texts, pa.string())
    return array.cast(pa.string())


def encode_csv(batch: pa.RecordBatch) -> bytes:
    """The rows as CSV lines without a header."""
    columns = [_cells(array) for array in batch.columns]
    rows = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
    lines = pc.binary_join_element_wise(rows, "\n", "")
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "")
    lines_at_once: bytes = joined[0].as_buffer().to_pybytes()
    return lines_at_once


class CsvWriter:
    """Writes tables as one CSV file; the header stands there even when no row does."""

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
