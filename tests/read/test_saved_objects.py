"""JSON lines of records come back as the rows they were written from."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st
from own_rows import own_record

from ztflow.errors import ParseError, Reason
from ztflow.model.tables import HALVES_SCHEMA
from ztflow.parse.names import wrong_name
from ztflow.read import StreamParser
from ztflow.read.saved.recognise import own_row
from ztflow.writers import open_writer

FULL = {
    "error": 'x\x1b[0m "quoted"', "error_class": "other", "trace_id": "ab", "extra": [("new.key", "v")],
    "ztunnel_namespace": "istio-system", "ztunnel_node": "node-a", "src_cluster": "east", "hbone_host": "fd00::1",
    "bytes_sent": 2**63 - 1,
}  # fmt: skip


def lines(rows: pa.Table) -> list[bytes]:
    stream = io.BytesIO()
    writer = open_writer("jsonl", stream, HALVES_SCHEMA)
    writer.write(rows)
    return stream.getvalue().splitlines()


def read_back(encoded: list[bytes]) -> pa.Table:
    return StreamParser().feed(b"\n".join([*encoded, b""])).to_arrow()


def test_every_column_comes_back():
    rows = table([*connection(out=FULL), *connection(1, inn={"message": "failed", "time": None, "direction": None})])
    assert read_back(lines(rows)).to_pylist() == rows.to_pylist()
    assert lines(read_back(lines(rows))) == lines(rows)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**63 - 1), st.integers(0, 2**53))
def test_any_value_comes_back(text, size, time):
    name = text if text and wrong_name(text) is None else "web-0"
    rows = table(connection(out={"error": text, "src_workload": name, "bytes_sent": size, "time": time}))
    assert lines(read_back(lines(rows))) == lines(rows)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"message": "complete"},
        {"message": "connection complete", "src_ip": "10.0.0.1"},
        {"message": "complete", "src_ip": "10.0.0.1", "scope": "access"},
        {"message": "complete", "src_ip": "10.0.0.1", "log": "x"},
        {"message": ["complete"], "src_ip": "10.0.0.1"},
        {"paired": "unique", "src_ip": "10.0.0.1"},
    ],
)
def test_what_is_not_ours(fields):
    assert own_row(fields) is None
    assert own_record(fields) is None


def test_an_error_class_of_a_later_ztflow_is_other():
    found = own_record({"message": "complete", "direction": "inbound", "error": "x", "error_class": "of tomorrow"})
    assert found["error_class"].to_pylist() == ["other"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bytes_sent": -1}, Reason.BAD_VALUE),
        ({"bytes_sent": 1.5}, Reason.BAD_VALUE),
        ({"bytes_sent": "many"}, Reason.BAD_VALUE),
        ({"bytes_sent": True}, Reason.BAD_VALUE),
        ({"src_port": 65536}, Reason.BAD_VALUE),
        ({"src_ip": 5}, Reason.BAD_VALUE),
        ({"direction": "sideways"}, Reason.BAD_VALUE),
        ({"level": "notice"}, Reason.BAD_VALUE),
        ({"extra": {"a": 1}}, Reason.BAD_VALUE),
        ({"time": "yesterday"}, Reason.BAD_TIME),
        ({"time": "2024-06-16T12:61:51.792527"}, Reason.BAD_TIME),
        ({"time": "2024-06-16T12:48:51.792527", "src_ip": 5}, Reason.BAD_VALUE),
        ({"time": -5}, Reason.BAD_TIME),
    ],
)
def test_a_changed_line_is_a_problem(changed, reason):
    fields = {"message": "complete", "direction": "inbound", "src_ip": "10.0.0.1"} | changed
    with pytest.raises(ParseError) as caught:
        own_record(fields)
    assert caught.value.reason is reason
