"""Real bursts with their sizes made equal: bars on recall, on what is called sure, and on confidence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from truth import half, logs, true_rows

import ztflow
from ztflow.pair import Pairer

RUN = "1.29.5-storm"


@pytest.fixture(scope="module")
def masked():
    """The first seconds of the storm, sizes cut to their class: a burst's connections all move the same bytes."""
    table = ztflow.read_records(*logs(RUN)).to_arrow()
    start = pc.min(table.column("time"))
    table = table.filter(pc.less(table.column("time"), pc.add(start, pa.scalar(11_000_000, pa.duration("us")))))
    request = np.where(pc.equal(table.column("direction").cast(pa.string()), "outbound").to_numpy(), 100, 300)
    for name, tail in (("bytes_sent", request), ("bytes_recv", 400 - request)):
        size = table.column(name)
        known = pc.fill_null(size, 0).to_numpy().astype(np.int64)
        cut = np.where(known == 0, 0, known // 100_000 * 100_000 + tail)
        cells = pa.array(cut, size.type, mask=size.is_null().to_numpy())
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), cells)
    return table


def reported(table, skew_us=0):
    if skew_us:
        node = pc.equal(table.column("ztunnel_pod").cast(pa.string()), "ztunnel-4k7rb")
        time = table.column("time")
        moved = pc.if_else(node, pc.add(time, pa.scalar(skew_us, pa.duration("us"))), time)
        table = table.set_column(table.schema.get_field_index("time"), "time", moved.cast(time.type))
    pairer = Pairer()
    parts = [pairer.push(table), pairer.finish()]
    return [f for part in parts for f in part.rows() if f["unpaired_reason"] is None]


@pytest.mark.parametrize("skew_us", [0, 500_000])
def test_a_storm_of_equal_connections(masked, skew_us):
    rows = true_rows(RUN)
    true = {r["outbound"]: r["inbound"] for r in rows if "-" not in (r["outbound"], r["inbound"])}
    flows = reported(masked, skew_us)
    right = np.array([true.get(half(f, "outbound")) == half(f, "inbound") for f in flows])
    claimed = np.array([f["confidence"] for f in flows])
    sure = np.array([f["paired"] in ("exact", "unique") for f in flows])
    assert len(flows) > 1000
    assert right.mean() >= 0.79  # plain least squares: 0.77 on the whole run
    assert right[sure].mean() >= 0.99
    assert sure.mean() >= 0.3
    cell = np.minimum(9, (claimed * 10).astype(int))
    off = sum(abs(claimed[cell == k].sum() - right[cell == k].sum()) for k in range(10)) / len(flows)
    assert off <= 0.06
