"""Tables as one Parquet file, written row group by row group."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ztflow.model.table import marked

ROW_GROUP_ROWS = 131_072
"""Rows gathered before a row group is written: many tiny groups (one a live batch) would make a bloated, slow file."""
ROW_GROUP_BYTES = 20 << 20
"""The same in bytes, for rows of which each has texts of its own."""
_DIFFERENCES = "DELTA_BINARY_PACKED"
"""How times, sizes and line numbers are written: of neighbours they differ little, and hardly two are equal, so the
dictionary Parquet makes by default is work for nothing. A third less time, and two thirds of the size."""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


class ParquetWriter:
    """Writes tables of one schema to a Parquet file on a binary stream; memory holds one row group.

    The least and the greatest value of a row group are written of numbers and times only: every row group has nearly
    every name, and to find the first and last of them takes as long as all the rest.

    Args:
        stream: Where the bytes go.
        schema: The columns.
        whole: Whether they are all columns of flows or records, so that the file is marked as one to be read again.
    """

    def __init__(self, stream: BinaryIO, schema: pa.Schema, *, whole: bool = True) -> None:
        self._schema = marked(schema) if whole else schema
        texts = [field.name for field in schema if _is_text(field.type)]
        self._writer = pq.ParquetWriter(
            stream,
            self._schema,
            use_dictionary=texts,
            write_statistics=[field.name for field in schema if field.name not in texts],
            column_encoding={field.name: _DIFFERENCES for field in schema if _is_whole(field.type)},
        )
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def write(self, table: pa.Table) -> None:
        """Take every row; rows reach the stream when a row group is full, and on `close`."""
        if table.num_rows:
            self._waiting.append(table)
            self._rows += table.num_rows
            self._bytes += table.get_total_buffer_size()
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.concat_tables(self._waiting).unify_dictionaries()
            self._waiting = []  # the copy is enough
            table = table.replace_schema_metadata(self._schema.metadata)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._rows = self._bytes = 0

    def close(self) -> None:
        """Write what waits and the footer; without this there is no Parquet file."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Write no footer, now or when this is forgotten: half an answer must not look like a whole one."""
        self._writer.is_open = False
