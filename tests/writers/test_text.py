"""Tables for people: aligned, fitted, and deaf to what stands in the log."""

from __future__ import annotations

import io
import re

import pytest
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.errors import UsageError
from ztflow.text.escapes import visible, visible_width
from ztflow.text.format import short_duration, short_size
from ztflow.writers import open_writer
from ztflow.writers.text import fit

HOSTILE = "x\x1b[2J\x07\u202eevil\r\n\x9b31m"


def written(rows, form="table", **options) -> list[str]:
    stream = io.BytesIO()
    writer = open_writer(form, stream, rows.schema, **options)
    writer.write(rows)
    writer.close()
    return stream.getvalue().decode().splitlines()


@pytest.mark.parametrize("width", [30, 48, 60, 80, 99, 110, 132, 150, 200])
def test_no_line_is_wider_than_the_terminal(width):
    rows = table(*[flow(n, src_name="a-very-long-deployment-name-6f4dc97cb-swdlb") for n in range(5)])
    halves = halves_table([half for n in range(5) for half in connection(n)])
    for lines in (written(rows, width=width), written(halves, width=width), written(rows, width=width, live=True)):
        assert max(map(visible_width, lines)) <= width


def test_a_narrow_terminal_still_says_what_matters_first():
    heading, day, row = written(table(flow()), width=80)
    assert heading.split() == ["TIME", "SOURCE", "DESTINATION", "NODES", "REQ", "RESP", "LIFE", "VERDICT", "PAIRED"]
    assert day == "2024-06-16 (UTC)"
    assert row.split() == [
        "12:48:51", "web-0", "db-6f4dc97cb-swdlb:5432", "cross", "84", "9.8k", "203ms", "ok", "unique",
    ]  # fmt: skip


def test_nothing_is_cut_where_there_is_no_terminal():
    name = "n" * 300
    assert any(name in line for line in written(table(flow(src_name=name))))


def test_columns_line_up():
    lines = written(table(flow(), flow(1, src_name="x" * 40, request_bytes=10**12)))
    place = lines[0].index("DESTINATION")
    assert {line[place - 1] for line in lines} == {" "}
    assert [line[place:].split()[0] for line in lines[1:]] == ["data/db-6f4dc97cb-swdlb:5432"] * 2


def test_the_day_is_said_when_it_changes():
    lines = written(table(flow(), flow(60), flow(86400)), width=100)
    assert [line for line in lines if line.endswith("(UTC)")] == ["2024-06-16 (UTC)", "2024-06-17 (UTC)"]


def test_an_unknown_node_is_asked_for_and_one_node_is_named_once():
    rows = table(
        flow(locality="same_node", dst_node="node-a"),
        flow(dst_node=None, locality="unknown"),
        flow(src_node=None, dst_node=None, locality="same_node"),
        flow(src_node=None, dst_node=None, locality="unknown"),
    )
    lines = written(rows)
    place = lines[0].index("NODES")
    assert [line[place:].split("  ")[0] for line in lines[1:]] == ["node-a", "node-a → ?", "same", "?"]


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("width", [None, 80, 200])
def test_hostile_text_reaches_no_terminal(form, width):
    rows = table(*[flow(**dict.fromkeys(("src_name", "dst_name", "outbound_error", "src_node", "policy", "outbound_file", "hbone_host", "dst_service"), HOSTILE))])  # fmt: skip
    halves = halves_table(connection(out=dict.fromkeys(("error", "ztunnel_pod", "src_ip", "source_file"), HOSTILE)))
    for lines in (written(rows, form, width=width), written(halves, form, width=width)):
        assert all(line.isprintable() for line in lines)


def test_colour_is_only_ours():
    lines = written(table(flow(verdict="denied", src_name="\x1b[31mred")), width=120, color=True)
    assert set(re.findall(r"\x1b\[[0-9;]*m", "\n".join(lines))) == {
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[2m",
        "\x1b[31m",
        "\x1b[36m",
    }
    assert not any("\x1b" in line for line in written(table(flow(verdict="denied")), width=120))


def test_wide_shows_where_the_halves_stand():
    heading, row = written(table(flow(inbound_file=None, inbound_line=None)), "wide")
    assert "a.log:1" in row
    assert "OUTBOUND" in heading


@settings(deadline=None)
@given(st.text(), st.integers(1, 40))
def test_fitting_never_exceeds_and_keeps_what_fits(text, width):
    text = visible(text)
    shown = fit(text, width)
    assert visible_width(shown) <= width
    assert shown == text or visible_width(text) > width


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9949, "9.9k"),
        (9950, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (2**64 - 1, "18E"),
    ],
)
def test_short_sizes(count, text):
    assert short_size(count) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0ms"), (999, "999ms"), (1000, "1.0s"), (59_949, "59.9s"), (59_950, "1m00s"), (3_599_499, "59m59s"),
     (3_599_500, "1h00m"), (36_000_000, "10.0h"), (86_400_000, "1d00h"), (864_000_000, "10d"), (-5, "-5ms")],
)  # fmt: skip
def test_short_durations(milliseconds, text):
    assert short_duration(milliseconds) == text


def test_a_form_that_does_not_exist_is_the_callers_mistake():
    with pytest.raises(UsageError, match="yaml"):
        open_writer("yaml", io.BytesIO(), table().schema)
