"""JSON lines: what scripts read, and what ztflow reads back."""

from __future__ import annotations

import io
import json

import pyarrow as pa
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.writers import open_writer


def written(rows: pa.Table) -> list[str]:
    stream = io.BytesIO()
    writer = open_writer("jsonl", stream, rows.schema)
    writer.write(rows)
    writer.close()
    return stream.getvalue().decode().splitlines()


def test_keys_are_column_names_and_addresses_stand_beside_their_columns():
    (line,) = written(table(flow()))
    values = json.loads(line)
    assert values["end"] == "2024-06-16T12:48:51.792527Z"
    assert values["src_addr"] == "10.0.1.1:50000"
    assert values["dst_addr"] == "10.0.2.1:15008"
    assert values["hbone_addr"] == "10.0.2.1:5432"
    assert set(values) - {"src_addr", "dst_addr", "hbone_addr"} <= set(FLOWS_SCHEMA.names)
    assert (values["request_bytes"], values["mtls"], values["confidence"]) == (84, True, 0.9995)


def test_every_key_is_in_every_line_and_ipv6_stands_in_brackets():
    """What learns the keys from the first lines would lose those that come later."""
    rows = table(flow(hbone_host="fd00::1", src_ip=None, policy=None, request_bytes=None, confidence=None), flow())
    first, second = map(json.loads, written(rows))
    assert list(first) == list(second)
    assert set(first) == {*FLOWS_SCHEMA.names, "src_addr", "dst_addr", "hbone_addr"}
    assert first["hbone_addr"] == "[fd00::1]:5432"
    nulls = {"src_addr", "src_ip", "policy", "request_bytes", "confidence"}
    assert {name for name in nulls if first[name] is None} == nulls


def test_an_address_without_a_port_is_the_host():
    (line,) = written(table(flow(dst_port=None)))
    assert json.loads(line)["dst_addr"] == "10.0.2.1"


def test_a_row_of_nothing_is_nulls():
    rows = pa.Table.from_arrays([pa.nulls(2, field.type) for field in FLOWS_SCHEMA], schema=FLOWS_SCHEMA)
    keys = {*FLOWS_SCHEMA.names, "src_addr", "dst_addr", "hbone_addr"}
    assert list(map(json.loads, written(rows))) == [dict.fromkeys(keys)] * 2


def test_unknown_keys_of_a_record_come_out_as_an_object():
    half, _ = connection(out={"extra": [("new.key", 'va"lue'), ("other", "x\x1b[0m")]})
    (line,) = written(halves_table([half]))
    assert json.loads(line)["extra"] == {"new.key": 'va"lue', "other": "x\x1b[0m"}


def test_the_largest_counter_survives():
    (line,) = written(table(flow(request_bytes=2**63 - 1)))
    assert json.loads(line)["request_bytes"] == 2**63 - 1


def test_what_is_not_a_number_is_null():
    (line,) = written(table(flow(confidence=float("nan"))))
    assert json.loads(line)["confidence"] is None


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_text_comes_back_and_no_terminal_would_obey_it(texts):
    lines = written(table(*[flow(outbound_error=text, src_name=text, src_ip=text) for text in texts]))
    assert all(line.isprintable() for line in lines)
    back = [json.loads(line) for line in lines]
    assert [row["outbound_error"] for row in back] == texts
    assert [row["src_name"] for row in back] == texts
    assert [row["src_ip"] for row in back] == texts


def test_the_cut_into_tables_does_not_show():
    rows = table(*[flow(seconds, src_name=f"web-{seconds % 7}") for seconds in range(50)])
    stream = io.BytesIO()
    writer = open_writer("jsonl", stream, rows.schema)
    for start in range(0, 50, 7):
        writer.write(rows.slice(start, 7))
    assert stream.getvalue().decode().splitlines() == written(rows)
