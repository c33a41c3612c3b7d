"""Parquet gives the same table back."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
from flows_by_hand import flow, table

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.writers import open_writer
from ztflow.writers.parquet import ROW_GROUP_ROWS


def written(*tables) -> bytes:
    stream = io.BytesIO()
    writer = open_writer("parquet", stream, FLOWS_SCHEMA)
    for each in tables:
        writer.write(each)
    writer.close()
    return stream.getvalue()


def test_rows_types_and_order_come_back():
    parts = [table(*[flow(part * 10 + row, src_name=f"web-{part}") for row in range(3)]) for part in range(4)]
    back = pq.read_table(io.BytesIO(written(*parts)))
    assert back.schema.equals(FLOWS_SCHEMA)
    assert back.to_pylist() == pa.concat_tables(parts).to_pylist()


def test_many_small_tables_become_few_row_groups():
    file = pq.ParquetFile(io.BytesIO(written(*[table(flow(number)) for number in range(200)])))
    assert file.metadata.num_row_groups == 1
    assert file.metadata.num_rows == 200
    assert ROW_GROUP_ROWS > 200


def test_nothing_is_still_a_file():
    assert pq.read_table(io.BytesIO(written())).num_rows == 0


def test_numbers_are_written_as_differences_and_only_they_have_their_extremes():
    file = pq.ParquetFile(io.BytesIO(written(table(flow(1, src_name="web"), flow(2, src_name="db")))))
    group = file.metadata.row_group(0)
    columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in columns["end"].encodings
    assert columns["end"].is_stats_set
    assert "RLE_DICTIONARY" in columns["src_name"].encodings
    assert not columns["src_name"].is_stats_set
