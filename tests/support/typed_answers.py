"""What a type checker knows of the public functions. mypy reads this file; nothing runs it."""

from __future__ import annotations

from typing import assert_type

import pandas as pd

import ztflow
from ztflow.graph.traffic import TrafficGraph
from ztflow.model.objects import AccessRecord, Flow
from ztflow.model.tables import Flows, Halves
from ztflow.plot import Picture
from ztflow.plot.frames import MatrixFrame, TimelineFrame
from ztflow.reports import (
    Clocks,
    Denied,
    Identities,
    Latency,
    Locality,
    LossReport,
    Mtls,
    Report,
    Summary,
    Top,
    Traffic,
)


def check(flows: Flows, halves: Halves, name: str) -> None:
    """Graphs, reports, rows and slices have their own types, not `Any`."""
    assert_type(ztflow.read_flows("a.log"), Flows)
    assert_type(flows.graph(by="workload"), TrafficGraph)
    assert_type(ztflow.build_graph(flows), TrafficGraph)
    assert_type(flows[0], Flow)
    assert_type(halves[0], AccessRecord)
    assert_type(flows[1:], Flows)
    assert_type(flows.filter("mtls", namespace="shop").sort("-end").head(), Flows)
    assert_type(flows.of_edge(flows.graph(), "a", "b"), Flows)
    assert_type(flows.summary(), Summary)
    assert_type(flows.report("mtls"), Mtls)
    assert_type(flows.report("loss"), LossReport)
    assert_type(flows.report("latency", by="pod"), Latency)
    assert_type(flows.report("identities"), Identities)
    assert_type(flows.report("traffic", by="pod", every="1m"), Traffic)
    assert_type(flows.top("pair"), Top)
    assert_type(flows.at("a.log:1"), Flow)
    assert_type(flows.report("clocks", halves=halves), Clocks)
    assert_type(flows.report(name), Report)
    assert_type(ztflow.make_report("denied", flows), Denied)
    assert_type(ztflow.make_report("locality", flows), Locality)
    assert_type(ztflow.make_report("traffic", flows, by="node"), Traffic)
    assert_type(ztflow.make_report(name, flows), Report)
    assert_type(flows.timeline(), TimelineFrame)
    assert_type(flows.plot.svg.heatmap(), Picture)
    assert_type(flows.matrix("src_node", "dst_node"), MatrixFrame)
    assert_type(flows.report("mtls").to_pandas(), dict[str, pd.DataFrame])
