"""Flows and halves are tables one can live in: rows, columns, filters, order, frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flow_strategies import flows as any_flows
from flow_strategies import quick
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given

from ztflow.errors import UsageError
from ztflow.model.frames import to_pandas, with_durations
from ztflow.model.objects import AccessRecord, Flow
from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA, Flows, Halves

ROWS = Flows(
    table(
        flow(0, request_bytes=5),
        flow(1, request_bytes=None, src_namespace="data"),
        flow(2, request_bytes=7, verdict="denied"),
        flow(3, request_bytes=7, src_name="cart-1"),
    ),
    evicted=3,
)
HALVES = Halves(halves_table(connection()))


def sizes(rows):
    return rows["request_bytes"].to_pylist()


def test_rows_by_number():
    assert isinstance(ROWS[0], Flow)
    assert (ROWS[0].request_bytes, ROWS[-1].src_name, ROWS[np.int64(2)].verdict) == (5, "cart-1", "denied")
    assert isinstance(HALVES[1], AccessRecord)
    assert [*ROWS] == [ROWS[at] for at in range(4)]
    for at in (4, -5):
        with pytest.raises(IndexError):
            ROWS[at]


def test_slices_are_tables_with_what_is_known_beside_them():
    assert sizes(ROWS[1:3]) == [None, 7]
    assert sizes(ROWS[::-2]) == [7, None]
    assert (sizes(ROWS.head(2)), len(ROWS.head(0)), len(ROWS.head(99))) == ([5, None], 0, 4)
    assert (type(ROWS[1:]), ROWS[1:].evicted, ROWS.sort("end").evicted) == (Flows, 3, 3)


def test_columns_by_name():
    assert ROWS["src_name"].to_pandas().tolist() == ["web-0", "web-0", "web-0", "cart-1"]
    assert ROWS[["end", "src_ip"]].column_names == ROWS.select("end", "src_ip").column_names == ["end", "src_ip"]
    with pytest.raises(UsageError, match="no column 'src_workloads'; did you mean 'src_workload'"):
        ROWS["src_workloads"]
    with pytest.raises(UsageError, match="no column"):
        ROWS.sort("-nothing_of_the_kind")


def test_order():
    assert sizes(ROWS.sort("request_bytes")) == [5, 7, 7, None]
    assert ROWS.sort("-request_bytes", "-end")["end"].to_pylist() == [ROWS[at].end for at in (3, 2, 0, 1)]
    assert ROWS.sort("-request_bytes")["src_name"].to_pylist()[:2] == ["web-0", "cart-1"], "ties stay in order"
    assert ROWS.sort("src_name", "end")["src_name"].to_pylist()[0] == "cart-1"
    assert ROWS.sort() is ROWS
    with pytest.raises(UsageError, match="extra has no order"):
        HALVES.sort("extra")


def test_filters_are_those_of_the_command_line():
    assert len(ROWS.filter("request_bytes > 5", namespace="shop", verdict=["denied", "failed"])) == 1
    assert len(ROWS.filter(not_from_pod="web-0")) == 1
    assert len(HALVES.filter(direction="outbound")) == 1
    with pytest.raises(UsageError, match="no filter 'colour'"):
        ROWS.filter(colour="red")


def test_an_array_of_objects_is_refused():
    for make in (pd.DataFrame, np.asarray, pd.Series):
        with pytest.raises(TypeError, match=r"call \.to_pandas\(\)"):
            make(ROWS)


def test_the_arrow_stream_is_the_table():
    assert pa.table(ROWS).equals(ROWS.to_arrow())
    assert pa.RecordBatchReader.from_stream(HALVES).read_all().num_rows == 2


LIKE = [
    ("src_namespace", "dst_namespace"), ("src_pod", "dst_pod"), ("src_name", "src_workload"), ("dst_ip", "hbone_host"),
    ("src_node", "dst_node"), ("outbound_file", "inbound_file"), ("src_identity", "dst_identity"),
]  # fmt: skip


@pytest.mark.parametrize("text", ["category", "string"])
@quick
@given(rows=any_flows())
def test_like_columns_compare_and_nothing_is_lost(text, rows):
    frame = rows.to_pandas(text=text)
    assert list(frame.columns) == FLOWS_SCHEMA.names
    for one, other in LIKE:
        same = [a == b and a is not None for a, b in zip(rows[one].to_pylist(), rows[other].to_pylist(), strict=True)]
        assert (frame[one] == frame[other]).fillna(value=False).tolist() == same
    back = pa.Table.from_pandas(frame, preserve_index=False)
    for name in FLOWS_SCHEMA.names:
        assert back[name].to_pylist() == rows[name].to_pylist(), name


@pytest.mark.parametrize("text", ["category", "string"])
@pytest.mark.parametrize("schema", [FLOWS_SCHEMA, HALVES_SCHEMA], ids=["flows", "halves"])
@pytest.mark.parametrize("rows", [0, 3])
def test_columns_without_a_value_keep_their_type(schema, rows, text):
    nothing = pa.Table.from_arrays([pa.nulls(rows, field.type) for field in schema], schema=schema)
    frame = to_pandas(nothing, text=text)
    assert not [name for name, kind in frame.dtypes.items() if kind == np.dtype(object)]
    back = pa.Table.from_pandas(frame, preserve_index=False)
    for field, held in zip(schema, back.schema, strict=True):
        inner = held.type.value_type if pa.types.is_dictionary(held.type) else held.type
        assert not pa.types.is_null(inner), field.name


def test_bytes_subtract_and_ports_stay_whole():
    frame = Flows(table(flow(request_bytes=1, response_bytes=2, src_port=None))).to_pandas()
    assert (frame.request_bytes - frame.response_bytes).tolist() == [-1]
    assert str(frame.src_port.dtype) == "Int32"


def test_durations():
    frame = Flows(table(flow(duration_ms=1500), flow(duration_ms=None))).to_pandas(durations=True)
    assert str(frame.duration.dtype) == "timedelta64[ms]"
    assert frame.duration[0] == pd.Timedelta("1.5s")
    assert frame.duration.isna().tolist() == [False, True]
    assert (frame.start + frame.duration).dtype == frame.end.dtype
    assert with_durations(HALVES.to_arrow()).column_names[-1] == "duration"
    assert "duration" not in ROWS.to_pandas()


def test_extra_keys_in_a_frame():
    made = Halves(halves_table(connection(out={"extra": [("new.key", "v")]})))
    assert [dict(cell) for cell in made.to_pandas().extra.dropna()] == [{"new.key": "v"}]
