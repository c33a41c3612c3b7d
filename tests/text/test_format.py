"""How values look: by unit, never longer than the truth, never able to do anything."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.model.tables import Flows, Halves
from ztflow.text.format import (
    Unit,
    bytes_text,
    cell_text,
    counted,
    duration_text,
    hidden_text,
    html_table,
    json_text,
    share_text,
    time_text,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (84, "84 B"), (999, "999 B"), (1000, "1.0 kB"), (9832, "9.8 kB"), (99_949, "99.9 kB"),
     (99_950, "100 kB"), (999_949, "1.0 MB"), (999_400, "999 kB"), (1_234_567, "1.2 MB"), (10**9, "1.0 GB"),
     (2**64 - 1, "18.4 EB")],
)  # fmt: skip
def test_bytes(count, text):
    assert bytes_text(count) == text


@given(st.integers(0, 10**21))
def test_bytes_are_within_half_a_step_of_the_truth(count):
    number, unit = bytes_text(count).replace(",", "").split(" ")
    factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15, "EB": 10**18}[unit]
    step = 1 if "." not in number else 0.1
    assert abs(float(number) - count / factor) <= step / 2 + 1e-6


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (203, "203 ms"), (0.5, "0.5 ms"), (999, "999 ms"), (1000, "1 s"), (1234, "1.2 s"), (59_949, "59.9 s"),
     (59_950, "1 min 0 s"), (245_000, "4 min 5 s"), (7_380_000, "2 h 3 min"), (10**10, "2,777 h 46 min")],
)  # fmt: skip
def test_durations(ms, text):
    assert duration_text(ms) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.5, "50.0 %"), (1e-6, "<0.1 %"), (0.99999, ">99.9 %"), (1 / 3, "33.3 %")],
)
def test_shares_never_round_some_to_none_nor_most_to_all(share, text):
    assert share_text(share) == text


def test_times_are_utc_with_six_digits():
    east = datetime(2026, 1, 2, 5, 4, 5, 600, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(east) == "2026-01-02T03:04:05.000600Z"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, Unit.BYTES, "-"), (True, Unit.TEXT, "yes"), (1234, Unit.COUNT, "1,234"), (1234, Unit.NUMBER, "1234"),
     (0.0123, Unit.MONEY, "0.012"), (1234.5, Unit.MONEY, "1,234.50"), (0, Unit.MONEY, "0.00"), (3.14159, Unit.NUMBER, "3.14"),
     (("a", "b"), Unit.TEXT, "a, b"), ((), Unit.TEXT, "-"), ("a\x1bb", Unit.TEXT, "a\\u{1b}b"),
     (datetime(2026, 1, 1, tzinfo=UTC), Unit.TIME, "2026-01-01T00:00:00.000000Z"), (12, Unit.MS, "12 ms"),
     (0.25, Unit.SHARE, "25.0 %"), (("a\nb",), Unit.TEXT, "a\\nb")],
)  # fmt: skip
def test_cells(value, unit, text):
    assert cell_text(value, unit) == text


@given(st.sampled_from(HOSTILE), st.sampled_from(list(Unit)))
def test_no_cell_moves_a_cursor(text, unit):
    assert not [char for char in cell_text(text, unit) if ord(char) < 32 or char in "\x7f\x85\u202e\u200b\u2028"]


def test_sentences_count_rightly():
    assert (counted(1, "flow"), counted(2000, "flow")) == ("1 flow", "2,000 flows")
    assert (counted(1, "half", "halves"), counted(3, "half", "halves")) == ("1 half", "3 halves")
    assert (hidden_text(1), hidden_text(2000, "edges")) == ("… and 1 more row", "… and 2,000 more edges")


def test_json_is_the_same_data_in_printable_characters():
    text = json_text(HOSTILE)
    assert json.loads(text) == HOSTILE
    assert text.isprintable()
    assert "한국어" in text
    assert json_text({"sum": 2**70, "half": "\ud83d"}) == '{"sum":1180591620717411303424,"half":"\\ud83d"}'


def test_html_escapes_everything_and_keeps_it_readable():
    shown = html_table(["<b>"], [[text] for text in HOSTILE], caption="<i>", notes=["<u>"], hidden=2)
    for tag in ("<b>", "<i>", "<u>", "<script", "<!--"):
        assert tag not in shown
    assert "<script>alert(1)</script>" in unescape(shown)
    assert "… and 2 more rows" in shown


def test_long_cells_are_cut_with_the_whole_in_the_tooltip():
    shown = html_table(["x"], [["y" * 500]])
    assert f'title="{"y" * 500}"' in shown
    assert ">" + "y" * 119 + "…<" in shown


def test_flows_and_halves_show_themselves():
    shown = Flows(table(*[flow(src_name="<web>")] * 25))._repr_html_()
    assert "Flows: 25 rows" in shown
    assert "… and 5 more rows" in shown
    assert "&lt;web&gt;" in shown
    heads = ["time", "source", "destination", "nodes", "request", "response", "life", "verdict", "paired"]
    assert re.findall(r"<th [^>]*>([^<]*)</th>", shown) == heads, "the columns of the command line"
    assert "2024-06-16T12:48:51.792527Z" in shown
    part = Flows(table(flow())).with_rows(table(flow()).select(["end", "src_name", "src_pod"]))
    assert "without any value: src_pod" in part._repr_html_(), "of other columns, those that there are"
    assert "Halves: 2 rows" in Halves(halves_table(connection()))._repr_html_()
    assert "Flows: 0 rows" in Flows()._repr_html_()


@quick
@given(flows())
def test_any_flows_show_themselves(some):
    assert f"Flows: {len(some)} rows" in some._repr_html_()
