"""Filter expressions: what they mean, and how they complain."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from flows_by_hand import END, flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.errors import UsageError
from ztflow.filters import make_filter
from ztflow.filters.evaluate import expression_mask
from ztflow.filters.expression import ExpressionError, parse_expression
from ztflow.model.schema import FLOWS, HALVES

ROWS = table(
    flow(0, policy="shop/deny", verdict="denied", mtls=False, request_bytes=0, duration_ms=1500),
    flow(1, src_node="node-b", confidence=0.5, request_bytes=10_000),
    flow(2, policy=None, mtls=None, src_node=None, duration_ms=None, request_bytes=None, end=None, confidence=None,
         src_name=None, src_ip=None),
)  # fmt: skip


def kept(text, rows=ROWS):
    mask = expression_mask(parse_expression(text), rows)
    return [number for number, keep in enumerate(mask.tolist()) if keep]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("verdict == denied", [0]),
        ("verdict = 'denied'", [0]),
        ('verdict != "denied"', [1, 2]),
        ("policy == null", [1, 2]),
        ("policy != null", [0]),
        ("policy in [shop/deny, null]", [0, 1, 2]),
        ("src_name not in [web-0]", [2]),
        ("src_name =~ '^web'", [0, 1]),
        ("src_name !~ '^web'", [2]),
        ("src_name =~ 'WEB'", []),
        ("mtls", [1]),
        ("not mtls", [0, 2]),
        ("mtls == false", [0]),
        ("mtls == null", [2]),
        ("duration_ms > 1s", [0]),
        ("duration_ms <= 1.5s", [0, 1]),
        ("duration_ms > 1499.5", [0]),
        ("request_bytes >= 10kB", [1]),
        ("request_bytes > -1", [0, 1]),
        ("request_bytes < 99999999999999999999", [0, 1]),
        ("request_bytes in [0, 10000]", [0, 1]),
        ("request_bytes == null", [2]),
        ("confidence < 0.9", [1]),
        ("end > 2024-06-16T12:48:52Z", [1]),
        ("end <= 2024-06-16T14:48:52+02:00", [0]),
        ("end < '2024-06-16 12:48:52'", [0]),
        ("src_node == dst_node", [1]),
        ("src_node != dst_node", [0, 2]),
        ("src_port > dst_port", [0, 1, 2]),
        ("src_addr == 10.0.1.1:50000", [0, 1]),
        ("hbone_addr =~ ':5432$'", [0, 1, 2]),
        ("verdict == denied or confidence < 0.9", [0, 1]),
        ("verdict == denied or mtls and confidence > 0.9", [0]),
        ("(verdict == denied or mtls) and confidence > 0.9", [0]),
        ("not (verdict == denied or mtls)", [2]),
        ("NOT verdict == denied AND mtls", [1]),
        ("not not mtls", [1]),
        ("\tverdict==denied\n", [0]),
        ("src_name == web*", [0, 1]),
        ("src_name != 'w?b-*'", [2]),
        ("src_name in [cart, we*]", [0, 1]),
        ("src_name in web-0", [0, 1]),
        ("policy == deny", [0]),
        ("dst_service == db.data", [0, 1, 2]),
        ("src_identity == shop/web", [0, 1, 2]),
        ("src_ip in 10.0.0.0/8", [0, 1]),
        ("src_ip in [fd00::/8, 10.0.1.1]", [0, 1]),
        ("src_ip == 10.0.*", [0, 1]),
        ("src_port == 50000-50001", [0, 1, 2]),
        ("src_port not in [1, 49999-50001]", []),
        ("to_port == 5432", [0, 1, 2]),
        ("to-port != 5432", []),
        ("port in 5000-5999", [0, 1, 2]),
        ("to_port < 5433 and to_port >= 5432", [0, 1, 2]),
        ("from_pod == shop/web-*", [0, 1]),
        ("from_pod =~ '^web' and not to_pod =~ '^web'", [0, 1]),
        ("pod == null", [2]),
        ("from_ip == null", [2]),
        ("namespace in [shop, null]", [0, 1, 2]),
        ("from_node == node-b", [1]),
        ("service == db", [0, 1, 2]),
        ("src_workload == shop/web", [0, 1]),
        ("direction == inbound", [0, 1, 2]),
        ("direction != outbound", []),
        ("bytes >= 10kB", [1]),
        ("bytes == null", [2]),
        ("duration > 1s", [0]),
        ("request >= 10kB and response >= 0", [1]),
        ("time > 2024-06-16T12:48:52Z", [1]),
        ("path == 'hbone' and locality != same_node and dst_name == db-6f4dc97cb-swdlb", [0, 1, 2]),
    ],
)
def test_meaning(text, rows):
    assert kept(text) == rows


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "expected a condition before the end"),
        ("verdict ==", 11, "expected a value before the end"),
        ("verdict denied", 9, "expected 'and', 'or' or the end, found 'denied'"),
        ("(verdict == x", 14, r"expected '\)' before the end"),
        ("verdict == x)", 13, "found '\\)'"),
        ("verdict == x and", 17, "expected a condition"),
        ("verdict == x or or mtls", 17, "expected a condition, found 'or'"),
        ("verdict in x", 12, "verdict cannot be 'x'"),
        ("verdict in", 11, "expected a value before the end"),
        ("from_pod", 1, "no condition"),
        ("to_ip == 10.0", 10, "not an IP address or a CIDR"),
        ("src_ip in 10.0.0.0/33", 11, "not an IP address or a CIDR"),
        ("port == 80-", 9, "not a port or a range"),
        ("port > 80-90", 8, "has no order"),
        ("from_pod > a", 12, "pod has no order"),
        ("pod =~ '('", 8, "not a regular expression"),
        ("direction > outbound", 11, "no order"),
        ("direction == sideways", 14, "direction cannot be 'sideways'"),
        ("prot == 1", 1, "did you mean port"),
        ("src_port > 80-90", 12, "not a number"),
        ("verdict in [x", 14, r"expected '\]'"),
        ("verdict in []", 13, "expected a value"),
        ("verdict == 'x", 12, "expected a value"),
        ("verdct == x", 1, "no column 'verdct'; did you mean verdict"),
        ("mtls and xyz == 1", 10, "no column 'xyz'"),
        ("verdict > x", 9, "no order"),
        ("mtls > true", 6, "no order"),
        ("request_bytes > null", 17, "null has no order"),
        ("dst_name", 1, "no condition"),
        ("duration_ms > fast", 15, "not a duration"),
        ("request_bytes > 10XB", 17, "not a size"),
        ("src_port == http", 13, "not a number"),
        ("mtls == yes", 9, "neither true nor false"),
        ("end > yesterday", 7, "not a time"),
        ("end > 2024-13-01", 7, "not a time"),
        ("src_node == mtls", 13, "different kinds"),
        ("src_port =~ 80", 10, "not text"),
        ("src_node =~ '('", 13, "not a regular expression"),
        ("extra == 1", 1, "cannot be compared"),
        ("__import__('os').system('id')", 11, "found"),
        ("(" * 41 + "mtls" + ")" * 41, 1, "at most 40"),
        ("not " * 41 + "mtls", 1, "at most 40"),
        ("x" * 10_001, 10_000, "at most 10000"),
    ],
)
def test_complaint(text, column, said):
    with pytest.raises(ExpressionError, match=said) as caught:
        parse_expression(text, [*HALVES, *(column for column in FLOWS if column not in HALVES)])
    assert caught.value.column == column


CLOSED = {column.name: column.words for column in (*FLOWS, *HALVES) if column.words is not None}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("condition", ["== {}", "= {}", "!= {}", "in [{}]", "not in [null, {}]", "== '{}'"])
def test_a_closed_column_is_only_compared_with_its_words(name, condition):
    columns = [column for column in (*FLOWS, *HALVES) if column.name == name][:1]
    for word in CLOSED[name]:
        assert parse_expression(f"{name} {condition.format(word)}", columns).columns == {name}
        misspelt = f"{word[:-1]}x{word[-1:]}"
        with pytest.raises(ExpressionError, match=f"{name} cannot be '{misspelt}'; did you mean '") as caught:
            parse_expression(f"not {name} {condition.format(misspelt)}", columns)
        assert misspelt in caught.value.expression[caught.value.column - 1 :]
    with pytest.raises(ExpressionError, match=f"{name} cannot be 'xyzzy'; it is one of {next(iter(CLOSED[name]))}, "):
        parse_expression(f"{name} {condition.format('xyzzy')}", columns)


def test_a_closed_column_may_be_searched_and_compared_with_null():
    assert kept("verdict =~ den") == [0]
    assert kept("verdict !~ '^forw'") == [0]
    assert kept("error_class == null") == [0, 1, 2]


def test_a_word_of_a_closed_column_is_not_the_column_of_that_name():
    halves = halves_table(connection(out={"level": "error", "error": "x"}))
    assert kept("level == error", halves) == kept("level == 'error'", halves) == [0]


def test_deep_but_allowed():
    assert kept("(" * 40 + "mtls" + ")" * 40) == [1]


def test_columns_are_those_of_the_table():
    with pytest.raises(ExpressionError, match="no column 'mtls'"):
        parse_expression("mtls", HALVES)
    with pytest.raises(UsageError, match="no column mtls"):
        expression_mask(parse_expression("mtls"), halves_table(connection()))
    halves = halves_table(connection())
    assert kept("direction == inbound and bytes_sent > 0", halves) == [1]
    for text, rows in (("verdict == forwarded", [0, 1]), ("bytes > 0", [0, 1]), ("time != null", [0, 1])):
        assert parse_expression(text, HALVES)
        assert kept(text, halves) == rows


def test_an_unknown_cell_is_on_exactly_one_side_of_every_condition():
    for positive, negative in (("policy == x", "policy != x"), ("mtls", "not mtls"), ("policy =~ x", "policy !~ x")):
        assert sorted(kept(positive) + kept(negative)) == [0, 1, 2]


def test_several_expressions_must_all_hold():
    mask = make_filter("mtls", "confidence < 0.9").mask(ROWS)
    assert mask.to_pylist() == [False, True, False]


def test_times_are_exact_to_the_microsecond():
    exact = f"end == {END:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert kept(exact) == [0]
    assert datetime(2024, 6, 16, 12, 48, 51, 792527, tzinfo=UTC) == END


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_complaint(text):
    with contextlib.suppress(UsageError):
        assert len(expression_mask(parse_expression(text), ROWS)) == len(ROWS)


TOKENS = st.sampled_from(
    [
        "and",
        "or",
        "not",
        "in",
        "(",
        ")",
        "[",
        "]",
        ",",
        "==",
        "!=",
        "<",
        ">",
        "=~",
        "null",
        "true",
        "5",
        "10ms",
        "web-0",
        "'x",
        "y'",
        "verdict",
        "mtls",
        "src_port",
        "end",
        "request_bytes",
        "policy",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(TOKENS, max_size=8).map(" ".join))
def test_any_words_are_an_expression_or_a_complaint_inside_the_text(text):
    complaint = None
    try:
        assert len(expression_mask(parse_expression(text), ROWS)) == len(ROWS)
    except ExpressionError as error:
        complaint = error
    assert complaint is None or 1 <= complaint.column <= len(text) + 1
