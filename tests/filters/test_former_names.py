"""An expression on `src_workload` that means the name as logged, as in earlier builds, says so."""

from __future__ import annotations

import warnings

import pytest
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table

from ztflow.errors import RenamedColumnWarning
from ztflow.filters import make_filter
from ztflow.model.tables import Flows, Halves

ROWS = Flows(table(flow(), flow(src_name="cart-1")))


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("src_workload == web-0", "src_name"),
        ("duration_ms > 1 and src_workload =~ '-[01]$'", "src_name"),
        ("dst_workload == db-6f4dc97cb-swdlb", "dst_name"),
    ],
)
def test_nothing_by_the_workload_but_some_by_the_name(text, column):
    with pytest.warns(RenamedColumnWarning, match=f"filter by {column}"):
        assert len(make_filter(text).apply(ROWS)) == 0


@pytest.mark.parametrize(
    "text", ["src_workload == web", "src_workload == nobody", "src_name == web-0", "verdict == denied"]
)
def test_nothing_is_said_otherwise(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_filter(text).apply(ROWS)
        make_filter("src_workload == nobody").apply(Halves(halves_table(connection())))


def test_other_conditions_count_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(make_filter("src_workload == web-0", verdict="denied").apply(ROWS)) == 0
