"""Properties over generated, mutated and arbitrary lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow import parse_line
from ztflow.errors import ParseError
from ztflow.model.objects import AccessRecord
from ztflow.model.provenance import RECORD_NAMES, LogLine, Origin
from ztflow.parse import Outcome, explain, fact_of, outcome, render_line, scan, scan_fields, was_damaged
from ztflow.parse.grammar import parse
from ztflow.parse.scanner import scan_loosely
from ztflow.testing import RELEASES, access_lines, access_records, access_rows, log_lines, mutated_lines
from ztflow.text.escapes import decode, encode, quote, visible


def verdict(reader, text):
    """The row, or everything the refusal says."""
    try:
        return reader(text)
    except ParseError as error:
        return error.reason, error.detail, error.column, error.hint, error.line


@settings(max_examples=150, deadline=None)
@given(mutated_lines())
def test_grammar_and_scanner_say_the_same_of_damaged_lines(text):
    assert verdict(parse, text) == verdict(scan, text)


@settings(max_examples=60, deadline=None)
@given(access_lines())
def test_grammar_scanner_and_tokenizer_say_the_same_of_sound_lines(text):
    row = scan(text)
    assert row is not None
    assert scan_loosely(text) == row
    assert parse(text) == row


@settings(max_examples=100, deadline=None)
@given(log_lines())
def test_grammar_and_scanner_say_the_same_of_anything(text):
    assert verdict(parse, text) == verdict(scan, text)


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("release", RELEASES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_rendered_reads_back(release, form, data):
    row = data.draw(access_rows(release))
    text = render_line(row, release, form)
    assert scan(text) == row
    assert not was_damaged(text)
    assert render_line(scan(text), release, form) == text


@settings(max_examples=50, deadline=None)
@given(access_records("1.31.0"))
def test_records_survive_rows_and_lines(record):
    assert AccessRecord.from_row(record.to_row()) == record
    assert parse_line(render_line(record, "1.31.0") + "\n") == record


@settings(max_examples=150, deadline=None)
@given(access_lines(), st.data())
def test_a_cut_line_never_gives_another_record(text, data):
    """Cut anywhere, a line is refused or is no access line; only a bare error's end cannot be seen."""
    whole = scan(text)
    cut = text[: data.draw(st.integers(0, len(text)))]
    try:
        row = scan(cut)
    except ParseError:
        return
    if row is not None and row != whole:
        assert " error=" in cut
        assert ' error="' not in text
        assert row[:24] == whole[:24]


@settings(max_examples=300, deadline=None)
@given(log_lines(), st.sampled_from([None, "ztunnel-4k7rb", "httpbin-0"]))
def test_nothing_but_a_parse_error_leaves(text, pod):
    line = LogLine(text, 1, Origin(pod=pod))
    said = verdict(outcome, line)
    if len(said) == 2:
        assert said[1] is None or said[0] is not Outcome.NOT_OURS
    else:
        assert all(str(part).isprintable() for part in said[:4])
    fact_of(line, "-")
    was_damaged(text)


@settings(max_examples=150, deadline=None)
@given(st.one_of(log_lines(), st.text(st.characters(), max_size=80)))
def test_an_explanation_is_always_printable(text):
    shown = explain(text).to_text()
    assert all(line.isprintable() for line in shown.split("\n"))


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from(
    ["time", "timestamp", "level", "message", "span", "spans", "src.addr", "src_addr", "src", "dst.addr", "direction", "bytes_sent", "bytes_recv", "duration", "error", "x"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(_keys, _json_values),
    st.sampled_from(["connection complete", "connection failed", "connection opened"]),
    st.data(),
)
def test_no_object_breaks_the_json_reader(fields, message, data):
    fields = {"scope": "access", "message": message, **fields}
    if data.draw(st.booleans()):
        fields |= {"src.addr": "10.0.0.1:1", "dst.addr": "10.0.0.2:2", "direction": "inbound", "error": "x"}
    row = verdict(scan_fields, fields)
    if row is not None and len(row) == len(RECORD_NAMES):
        AccessRecord.from_row(row)
    fact_of(LogLine("{}", 1, fields=fields), "-")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_rust_strings_come_back(text):
    assert decode(encode(text)) == text
    assert encode(text).isprintable()
    assert quote(text)[0] == quote(text)[-1] == '"'


@given(st.text(st.characters()))
def test_visible_text_cannot_act(text):
    shown = visible(text)
    assert "\x1b" not in shown
    assert not set(shown) & {"\n", "\r", "\t", "\x07", "\u202e", "\u2028", "\x9b"}
