"""Filter expressions, conditions on ends, times and amounts as somebody types them: understood, or one line that says why."""

from __future__ import annotations

from functools import cache
from typing import Final

from hypothesis import strategies as st

from fuzz.corpus import PODS, SAME_NODE
from fuzz.edits import NUMBERS, edited
from fuzz.target import Target
from ztflow.api import read_flows, read_records
from ztflow.errors import UsageError
from ztflow.filters import ExpressionCondition, Filter, make_filter
from ztflow.filters.expression import parse_expression
from ztflow.filters.grid import Kind
from ztflow.filters.quantities import parse_duration, parse_moment, parse_size
from ztflow.model.schema import FLOWS, HALVES
from ztflow.model.tables import Flows, Halves
from ztflow.reports import Prices

_EXPRESSIONS: Final = (
    b"duration_ms > 1s and dst_namespace != shop", b"bytes_sent >= 1MiB or not (error_class == null)",
    b"src_ip in (10.0.0.1, 10.0.0.0/8) and dst_port not in (80, 443)", b'src_pod ~ "web-.*" or src_pod !~ "a(b|c)+$"',
    b"start > 2024-06-16T12:48:51Z and locality == cross_node", b"tls == true", b"paired != null", b"((((dst_port==80))))",
)  # fmt: skip
_VALUES: Final = (
    b"shop/web", b"shop/web-*", b"10.0.0.0/8", b"fe80::1%eth0", b"::ffff:10.0.0.1", b"80-90", b"0", b"65536", b"http*",
    b"spiffe://cluster.local/ns/shop/sa/web", b"web.shop.svc.cluster.local:80", b"*", b"", b"/", b"-", b"[a-", b"node-1",
    b"5m", b"2h30m", b"1.5s", b"1GiB", b"10kB", b"2024-06-16T12:48:51.123456789+02:00", b"2024-06-16", b"1718541648", b"0.02:0 EUR",
)  # fmt: skip
_WORDS: Final = (
    b" and ", b" or ", b" not ", b" in ", b"(", b")", b",", b"==", b"!=", b"~", b"!~", b">=", b"<", b"null", b"true", b'"', b"'",
    b"\\", b"*", b"+", b"(?:", b"{9999}", b"(a+)+$", b"/", b":", b"%", b"\0", b"\xff", b"\xed\xb2\x80", b"\n", b"e400", b"s", b"GiB",
    *(column.name.encode() for column in FLOWS), *NUMBERS,
)  # fmt: skip
PRICES: Final = b"from_zone,to_zone,egress_per_gb,ingress_per_gb,currency\na,b,0.01,0,USD\n*,*,0.02,,\n"


@cache
def tables() -> tuple[Flows, Halves]:
    """Something to filter."""
    return read_flows(SAME_NODE, inventory=PODS), read_records(SAME_NODE)


def check(data: bytes) -> None:
    """As an expression, as a condition of every kind on an end, as a time, an amount and a price."""
    text = data.decode("utf-8", "surrogateescape")
    flows, halves = tables()
    for table, columns in ((flows, FLOWS), (halves, HALVES)):
        try:
            chosen = Filter((), (), (ExpressionCondition(parse_expression(text, columns)),))
        except UsageError as error:
            assert str(error)
            continue
        passed = _passed(chosen, table)
        assert len(chosen.apply(flows) if columns is FLOWS else chosen.apply(halves)) == passed
    for kind in Kind:
        try:
            chosen = make_filter(**{str(kind).replace("-", "_"): text})
        except UsageError as error:
            assert str(error)
            continue
        for table in (flows, halves):
            _passed(chosen, table)
    for parse in (parse_duration, parse_size, parse_moment, Prices.parse, Prices.from_csv):
        try:
            parse(text)
        except UsageError as error:
            assert str(error)


def _passed(chosen: Filter, table: Flows | Halves) -> int:
    """How many rows pass; every row does or does not."""
    mask = chosen.mask(table.to_arrow())
    assert (len(mask), mask.null_count) == (len(table), 0)
    return int(mask.true_count)


TARGET = Target(
    st.one_of(
        edited(_EXPRESSIONS, _WORDS), edited(_VALUES, _WORDS, most=3), edited((PRICES,)), st.sampled_from(_EXPRESSIONS)
    ),
    check,
)  # fmt: skip
