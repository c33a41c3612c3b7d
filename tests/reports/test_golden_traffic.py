"""The tables of traffic on a narrow and on a wide terminal, letter by letter, from a run of real ztunnels."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import matches_golden

import ztflow
from ztflow.reports import render

STORM = Path(__file__).parents[2] / "fixtures" / "captured" / "1.29.5-storm"


@pytest.fixture(scope="module")
def flows():
    return ztflow.read_flows(*sorted(STORM.glob("ztunnel-*.log*")), inventory=STORM / "pods.txt")


@pytest.mark.parametrize("width", [80, 200])
def test_tables_of_traffic(flows, width):
    made = [
        flows.top("workload"), flows.top("pair"), flows.top("identity"), flows.report("latency"),
        flows.report("traffic", by="namespace", every="5s"), flows.report("egress"), flows.report("identities"),
    ]  # fmt: skip
    text = "\n".join(render(report, "text", limit=5, width=width) for report in made)
    matches_golden(f"storm-traffic-{width}.txt", text)
