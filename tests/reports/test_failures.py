"""Failures: classes of error with cause and advice, none of them invented."""

from __future__ import annotations

import pytest
from flows_by_hand import flow, table

from ztflow.model.error_classes import CLASS_BY_NAME
from ztflow.model.tables import Flows
from ztflow.reports import failures


def test_failures_come_with_cause_and_advice():
    refused = {"verdict": "failed", "error_class": "refused", "hbone_port": 9999}
    some = Flows(
        table(flow(**refused), flow(**refused, src_pod="shop/cart-0"), flow(verdict="failed", error_class="timeout"))
    )
    report = failures(some)
    assert report.findings == 3
    first = report.classes[0]
    assert (first.error_class, first.flows, first.pairs) == ("refused", 2, 2)
    assert first.cause == CLASS_BY_NAME["refused"].cause
    assert first.advice == CLASS_BY_NAME["refused"].advice
    assert first.flows_share == pytest.approx(2 / 3)


def test_a_class_nobody_knows_has_no_invented_cause():
    (row,) = failures(Flows(table(flow(verdict="failed", error_class="of tomorrow")))).classes
    assert (row.error_class, row.summary, row.cause, row.advice) == ("of tomorrow", None, None, None)
    (row,) = failures(Flows(table(flow(verdict="failed", error_class=None)))).classes
    assert row.error_class is None
