"""Top: rows add up to everything, whatever is shown; rates have a stated denominator."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flow_strategies import flows, quick
from flows_by_hand import END, flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.errors import UsageError
from ztflow.filters.period import between
from ztflow.model.tables import Flows
from ztflow.reports import render, top
from ztflow.reports.tables import TOTAL

BIG = {"src_pod": "a/bulk-0", "response_bytes": 10**9}
ROWS = Flows(
    table(flow(start=END - timedelta(seconds=10)), flow(verdict="denied"), flow(**BIG, verdict="failed"), flow(10))
)


def total_bytes(some):
    return sum((row["request_bytes"] or 0) + (row["response_bytes"] or 0) for row in some.rows())


@quick
@given(flows(), st.sampled_from(["pod", "service", "namespace", "node", "identity", "pair"]), st.integers(1, 4))
def test_rows_add_up_to_everything(some, by, limit):
    made = top(some, by)
    whole = total_bytes(some)
    if by == "pair":
        assert sum(row.request_bytes + row.response_bytes for row in made.pairs) == whole
        assert sum(row.flows for row in made.pairs) == len(some)
        shares = [row.bytes_share for row in made.pairs]
    else:
        assert sum(end.bytes_sent for end in made.ends) == sum(end.bytes_received for end in made.ends) == whole
        assert sum(end.opened for end in made.ends) == sum(end.accepted for end in made.ends) == len(some)
        shares = [end.bytes_share for end in made.ends]
    assert made.total.bytes_sent == whole
    if whole:
        assert sum(share or 0 for share in shares) == pytest.approx(1)
    shown, every = made.tables(limit)[0], made.tables(0)[0]
    at = [number for number, field in enumerate(every.fields) if field.adds and field.unit in ("count", "bytes")]
    rest = [row for row in shown.footer if row[0] != TOTAL]
    for column in at:
        assert sum(row[column] for row in (*shown.rows, *rest)) == sum(row[column] for row in every.rows)


def test_an_end_is_counted_in_both_roles_and_refusals_once():
    made = top(ROWS)
    assert [(end.name, end.opened, end.accepted, end.denied, end.failed) for end in made.ends] == [
        ("data/db", 0, 4, 1, 1), ("a/bulk", 1, 0, 0, 1), ("shop/web", 3, 0, 1, 0),
    ]  # fmt: skip
    assert (made.total.denied, made.total.failed, made.total.opened) == (1, 1, 4)
    itself = top(Flows(table(flow(dst_pod="shop/web-0", dst_service=None, verdict="failed"))))
    assert [(end.opened, end.accepted, end.failed) for end in itself.ends] == [(1, 1, 1)]


def test_rates_are_over_the_capture_whatever_a_filter_leaves():
    read = ROWS[:]
    read.span = (END - timedelta(seconds=10), END + timedelta(seconds=10))
    few = read.filter(from_workload="bulk")
    made = top(few, "pair")
    assert made.pairs[0].flows_per_s == pytest.approx(1 / 20)
    assert made.pairs[0].bytes_per_s == pytest.approx((84 + 10**9) / 20)
    assert "Rates are over 20 s" in render(made, "text")
    later = between(read, END + timedelta(seconds=5), None)
    assert later.span[0] >= END, "a period that was asked for is what rates are over"
    assert top(few[:0]).total.opened_per_s == 0


def test_without_a_length_of_time_there_is_no_rate():
    made = top(Flows(table(flow(duration_ms=0, start=END))))
    assert made.total.opened_per_s is None
    assert made.notes()[0].startswith("No rates")


def test_the_level_is_checked():
    with pytest.raises(UsageError, match="did you mean 'workload'"):
        top(ROWS, "workloads")
