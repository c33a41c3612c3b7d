"""CSV that a spreadsheet cannot be hurt by."""

from __future__ import annotations

import csv
import io

import pytest
from flows_by_hand import flow, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.text.escapes import visible
from ztflow.writers import open_writer


def written(*tables) -> list[dict[str, str]]:
    stream = io.BytesIO()
    writer = open_writer("csv", stream, FLOWS_SCHEMA)
    for each in tables:
        writer.write(each)
    writer.close()
    return list(csv.DictReader(io.StringIO(stream.getvalue().decode(), newline="")))


def test_every_column_under_its_name_and_unknown_is_empty():
    (row,) = written(table(flow(policy=None)))
    assert list(row) == FLOWS_SCHEMA.names
    assert (row["end"], row["request_bytes"], row["mtls"], row["policy"]) == (
        "2024-06-16T12:48:51.792527Z", "84", "true", "",
    )  # fmt: skip


def test_one_header_however_many_tables_and_also_for_none():
    assert len(written(table(flow()), table(flow()))) == 2
    stream = io.BytesIO()
    open_writer("csv", stream, FLOWS_SCHEMA).close()
    assert stream.getvalue().decode() == ",".join(FLOWS_SCHEMA.names) + "\n"


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_disarmed(text):
    (row,) = written(table(flow(outbound_error=text)))
    assert row["outbound_error"].startswith("'")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_stays_in_its_cell_and_shows_no_control(text):
    (row,) = written(table(flow(outbound_error=text, dst_service=text)))
    assert row["outbound_error"] == row["dst_service"]
    assert visible(row["outbound_error"]) == row["outbound_error"]
    assert row["paired"] == "unique"
    if text.isprintable() and not text.startswith(("=", "+", "-", "@")):
        assert row["outbound_error"] == text
