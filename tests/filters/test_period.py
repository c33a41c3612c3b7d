"""Time limits: both included, relative to the last row or to now, and rows without a time stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flows_by_hand import flow, table

from ztflow.filters.period import between
from ztflow.model.provenance import ReadStats
from ztflow.model.tables import Flows

ROWS = Flows(
    table(*(flow(seconds, request_bytes=seconds) for seconds in (0, 10, 20, 30)), flow(end=None, request_bytes=99)),
    stats=ReadStats(lines=7),
    owners={"shop/web": "front"},
)
TIMES = ROWS.to_arrow()["end"].to_pylist()


@pytest.mark.parametrize(
    ("since", "until", "now", "left"),
    [
        (None, None, None, [0, 10, 20, 30, 99]),
        (TIMES[1], TIMES[2], None, [10, 20, 99]),
        (timedelta(seconds=10), None, None, [20, 30, 99]),
        (None, timedelta(seconds=10), None, [0, 10, 20, 99]),
        (timedelta(seconds=10), TIMES[2], TIMES[1], [0, 10, 20, 99]),
        (timedelta(0), timedelta(0), TIMES[1], [10, 99]),
    ],
)
def test_rows_within(since, until, now, left):
    kept = between(ROWS, since, until, now=now)
    assert kept.to_arrow()["request_bytes"].to_pylist() == left
    assert (kept.stats, kept.owners) == (ROWS.stats, ROWS.owners)


def test_a_table_without_any_time_has_no_last_one():
    timeless = Flows(table(flow(end=None)))
    assert len(between(timeless, timedelta(seconds=5), timedelta(0))) == 1
    assert len(between(timeless, TIMES[0], None)) == 1
