"""Every column in every library has the type `docs/reference/frames.md` says, with rows, without, and without values."""

from __future__ import annotations

from pathlib import Path

import duckdb
import narwhals
import polars as pl
import pytest
from flows_by_hand import flow, table
from frames_page import PAGE, page, without_rows
from halves_by_hand import connection
from halves_by_hand import table as halves_table

import ztflow
from ztflow.model.tables import Flows, Halves

ROWS = Flows(table(flow(request_bytes=1, response_bytes=2), flow(1, src_namespace="data")))
SEED = Path(__file__).parents[1] / "fixtures" / "seed" / "cross-node.log"


@pytest.mark.parametrize(
    "tables",
    [
        (without_rows(Flows), without_rows(Halves)),
        (without_rows(Flows, 3), without_rows(Halves, 3)),
        (ROWS, Halves(halves_table(connection(out={"extra": [("new.key", "v")]})))),
        (ztflow.read_flows(SEED), ztflow.read_records(SEED)),
    ],
    ids=["no rows", "no values", "by hand", "read"],
)
def test_every_cell_of_the_page(tables):
    assert page(*tables) == PAGE.read_text(encoding="utf-8"), "run: python tests/support/frames_page.py"


def test_sizes_subtract_and_namespaces_compare_everywhere():
    frame = pl.DataFrame(ROWS)
    assert frame.select(pl.col("request_bytes") - pl.col("response_bytes")).to_series().to_list() == [-1, 84 - 9832]
    assert frame.select(pl.col("src_namespace") == pl.col("dst_namespace")).to_series().to_list() == [False, True]
    rows = ROWS
    asked = duckdb.sql("select request_bytes - response_bytes, src_namespace = dst_namespace from rows").fetchall()
    assert rows is ROWS
    assert asked == [(-1, False), (84 - 9832, True)]
    assert narwhals.from_arrow(ROWS, backend="polars").shape == (2, len(Flows.schema))
