"""What flows answer: reports by name, matrix, timeline, the flows of an edge, the lines of a flow."""

from __future__ import annotations

import gzip
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from flow_strategies import flows as any_flows
from flow_strategies import quick
from flows_by_hand import END, flow, table
from hypothesis import given
from hypothesis import strategies as st

import ztflow
from ztflow.aggregate.timeline import BYTES
from ztflow.errors import SourceError, UsageError
from ztflow.model.tables import Flows
from ztflow.reports import NEEDS_HALVES, REPORTS

SEED = Path(__file__).parents[2] / "fixtures" / "seed"
ROWS = Flows(table(flow(0), flow(1, dst_node=None), flow(2, src_node="node-b", request_bytes=None)))


def test_every_report_by_its_name_and_its_tables_as_frames():
    halves, flows = ztflow.read_capture(SEED / "cross-node.log")
    for name in REPORTS:
        report = flows.report(name, **{"halves": halves} if name in NEEDS_HALVES else {})
        tables = report.tables(0)
        frames = report.to_pandas()
        assert list(frames) == list(report.to_arrow()) == [one.title for one in tables], name
        for one in tables:
            assert frames[one.title].shape == (len(one.rows), len(one.fields)), (name, one.title)
            assert not [field for field in one.to_arrow().schema if str(field.type) == "null"]
    assert flows.report("traffic", by="node").by == "node"
    assert list(flows.summary().to_pandas()) == [one.title for one in flows.summary().tables(0)]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [("gossip", {}, "no report 'gossip'"), ("mtls", {"by": "pod"}, "no option by"), ("clocks", {}, "needs the access")],
)
def test_a_report_that_cannot_be(name, options, said):
    with pytest.raises(UsageError, match=said):
        ROWS.report(name, **options)


def test_matrix():
    made = ROWS.matrix("src_node", "dst_node")
    assert (list(made.index), list(made.columns)) == (["node-a", "node-b"], ["node-b", "(unknown)"])
    assert made.to_numpy().tolist() == [[1, 1], [1, 0]]
    assert ROWS.matrix("src_node", "dst_node", value="request_bytes").to_numpy().tolist() == [[84, 84], [0, 0]]
    assert ROWS.matrix("mtls", "dst_port").loc["true", "15008"] == 3
    assert Flows().matrix("src_node", "dst_node").shape == (0, 0)
    for asked in (("src_node", "dst_nod"), ("src_node", "dst_node", "verdict"), ("end", "dst_node")):
        with pytest.raises(UsageError):
            ROWS.matrix(*asked)


def test_a_step_without_traffic_is_there():
    made = Flows(table(flow(0), flow(180), flow(181, end=None, duration_ms=None))).timeline("1min")
    assert made.flows.tolist() == [1, 0, 0, 1]
    assert str(made.time[0]) == "2024-06-16 12:48:00+00:00"
    assert made.attrs == {"timeless": 1, "step": 60.0}


def test_bytes_of_a_long_connection_are_spread_over_its_life():
    begins = END.replace(second=30, microsecond=0)
    long = flow(end=begins + timedelta(minutes=2), start=begins, request_bytes=1200, response_bytes=0)
    made = Flows(table(long)).timeline("1min")
    assert made.request_bytes.tolist() == [300, 600, 300]
    assert made.flows.tolist() == [0, 0, 1]
    later = flow(end=begins + timedelta(minutes=4), start=begins + timedelta(minutes=4), request_bytes=7)
    assert Flows(table(later, long)).timeline("1min").request_bytes.tolist() == [300, 600, 300, 0, 7]
    by = Flows(table(long, flow(0, start=END, src_node="node-b"))).timeline(timedelta(minutes=1), by="src_node")
    assert by[by.src_node == "node-a"].request_bytes.tolist() == [300, 600, 300]
    assert by[by.src_node == "node-b"].request_bytes.tolist() == [84, 0, 0]


@quick
@given(rows=any_flows(), step=st.sampled_from(["1s", "7s", "1min"]), by=st.sampled_from([None, "src_node", "verdict"]))
def test_a_timeline_adds_up(rows, step, by):
    made = rows.timeline(step, by=by)
    timed = [row for row in rows.rows() if row["end"] or row["start"]]
    assert made.flows.sum() == len(timed) == len(rows) - made.attrs["timeless"]
    for name in BYTES:
        total = sum(row[name] or 0 for row in timed)
        assert made[name].min() >= 0 if len(made) else total == 0
        assert sum(made[name].tolist()) == total


def test_steps_that_cannot_be():
    for step in ("0s", "soon", timedelta(-1)):
        with pytest.raises(UsageError):
            ROWS.timeline(step)
    with pytest.raises(UsageError, match="choose a longer step"):
        Flows(table(flow(0), flow(9e6))).timeline("1s")


@quick
@given(rows=any_flows(), by=st.sampled_from(["pod", "workload", "service", "node", "cluster"]))
def test_the_flows_of_all_edges_are_all_flows(rows, by):
    graph = rows.graph(by=by)
    parts = [(facts["flows"], rows.of_edge(graph, *edge)) for *edge, facts in graph.edges(keys=True, data=True)]
    assert [count for count, _ in parts] == [len(part) for _, part in parts]
    assert sum(count for count, _ in parts) == len(rows)


def test_an_edge_that_is_none():
    graph = ROWS.graph(by="node")
    assert len(ROWS.of_edge(graph, "node-a", "node-b")) == 1
    assert len(ROWS.of_edge(graph, "node-a", "nowhere")) == 0
    graph.graph.clear()
    with pytest.raises(UsageError, match="does not say"):
        ROWS.of_edge(graph, "node-a", "node-b")


def lines_of(path):
    flows = ztflow.read_flows(path)
    return [line for one in flows for line in flows.lines(one)]


def test_lines_come_from_the_input(tmp_path):
    plain = SEED / "cross-node.log"
    written = plain.read_text().splitlines()
    wanted = lines_of(plain)
    assert len(wanted) == 2
    assert set(wanted) <= set(written)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert lines_of(tmp_path / "a.log.gz") == wanted
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(SEED / "same-node.log", "logs/one.log")
        archive.add(plain, "logs/two.log")
    assert set(wanted) < set(lines_of(tmp_path / "all.tar.gz"))


def test_lines_that_are_gone(tmp_path):
    there = tmp_path / "a.log"
    there.write_bytes((SEED / "cross-node.log").read_bytes())
    flows = ztflow.read_flows(there)
    there.write_text("")
    with pytest.raises(SourceError, match="was it changed"):
        flows.lines(flows[0])
    there.unlink()
    with pytest.raises(SourceError, match="it is not there"):
        flows.lines(flows[0])
    from_text = ztflow.read_flows((SEED / "cross-node.log").read_text())
    with pytest.raises(SourceError, match="read from a pipe"):
        from_text.lines(from_text[0])
