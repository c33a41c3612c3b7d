"""Reports, matrices and timelines are plotted as what they are."""

from __future__ import annotations

import pytest
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.plot.charts import Bars, Heat, Steps
from ztflow.plot.frames import MatrixFrame
from ztflow.reports import NEEDS_HALVES, REPORTS
from ztflow.reports.charts import drawable


def test_a_report_draws_its_places_as_heat_and_its_rows_as_bars(storm):
    report = storm.report("locality")
    made = report._chart("node to node")
    assert isinstance(made, Heat)
    assert made.rows == made.columns
    assert sum(map(sum, made.cells)) == len(storm)
    (by_pair,) = [table for table in report.tables(0) if table.title == "By pair of workloads"]
    bars = report._chart("by pair", column="conns", top=3)
    assert isinstance(bars, Bars)
    assert bars.names[0].count(" → ") == 1
    assert list(bars.values) == sorted((row[2] for row in by_pair.rows), reverse=True)[:3]
    assert bars.notes[-1] == f"… and {len(by_pair.rows) - 3} more rows"


def test_every_report_has_a_chart_or_says_that_it_has_none(storm):
    reports = [storm.report(name) for name in REPORTS if name not in NEEDS_HALVES]
    drawn = [report for report in reports if any(map(drawable, report.tables(0)))]
    assert len(drawn) > 5
    for report in drawn:
        assert report.plot.svg().svg.startswith("<svg")
        assert report.plot().data
    for report in [one for one in reports if one not in drawn]:
        with pytest.raises(UsageError, match="nothing to plot"):
            report._chart()


def test_traffic_is_drawn_over_time(storm):
    both = storm.report("traffic")._chart()
    assert isinstance(both, Steps)
    assert [series.name for series in both.series] == ["to the server", "to the client"]
    named = storm.report("traffic", by="namespace", every="5s")._chart(top=2)
    whole = sum(sum(series.values) for series in both.series)
    assert sum(sum(series.values) for series in named.series) == whole, "what each sent, so no byte is there twice"
    assert isinstance(storm.report("traffic")._chart("top talkers"), Bars)


def test_a_wrong_table_or_column_is_told(storm):
    report = storm.report("locality")
    with pytest.raises(UsageError, match="Node to node"):
        report._chart("nod to node")
    with pytest.raises(UsageError, match="compared are in conns"):
        report._chart("by pair", column="nodes")


def test_a_matrix_is_a_frame_with_a_heat_map(storm):
    made = storm.matrix("src_node", "dst_zone")
    heat = made._heat()
    assert (heat.down, heat.across, heat.title) == ("src_node", "dst_zone", "connections, src_node by dst_zone")
    assert [list(row) for row in heat.cells] == made.to_numpy().tolist()
    assert made.plot().data[0].type == "heatmap"
    assert isinstance(made.T, MatrixFrame)
    assert "node-a" in made.T.plot.svg().svg
    cut = storm.matrix("src_workload", "dst_workload", value="request_bytes")._heat(top=2)
    assert len(cut.rows) == 3
    assert cut.rows[-1] == cut.columns[-1] == "(others)"
    assert sum(map(sum, cut.cells)) == int(
        storm.matrix("src_workload", "dst_workload", value="request_bytes").sum().sum()
    )


def test_a_difference_of_matrices_has_two_colours(storm):
    part = storm.with_rows(storm.to_arrow().slice(0, 100))
    whole, some = (flows.matrix("src_node", "dst_node") for flows in (storm, part))
    less = (some - whole).fillna(0).astype(int)
    assert isinstance(less, MatrixFrame)
    assert less.plot().data[0].zmid == 0
    assert "var(--bad)" in less.plot.svg().svg
    shares = whole / whole.to_numpy().sum()
    assert ">0.0" in shares.plot.svg().svg
    assert whole.plot().data[0].zmin == 0


def test_pandas_own_kinds_stay(storm, monkeypatch):
    asked = []
    monkeypatch.setattr("pandas.plotting.PlotAccessor.__call__", lambda self, *a, **k: asked.append((a, k)))
    storm.matrix("src_node", "dst_node").plot(kind="bar")
    assert asked == [((), {"kind": "bar"})]


def test_a_timeline_is_a_frame_with_a_course():
    flows = Flows(table(flow(0), flow(61), flow(61, locality="same_node"), flow(61, end=None, duration_ms=None)))
    frame = flows.timeline("1min", by="locality")
    made = frame._course(value="flows")
    assert [(series.name, series.values) for series in made.series] == [("cross_node", (1, 1)), ("same_node", (0, 1))]
    assert made.seconds == 60
    assert "no step: 1" in made.notes[-1]
    three = Flows(table(*(flow(61, src_name=name) for name in "aabbcd"))).timeline("1min", by="src_name")
    few = three._course(value="flows", top=1)
    assert [(series.name, series.values) for series in few.series] == [("a", (2,)), ("(others)", (4,))]
    whole = flows.timeline("1min").plot()
    assert sum(whole.data[0].y) == 3 * (84 + 9832)


def test_a_report_in_a_notebook_has_its_bars_and_heat(storm):
    shown = storm.report("locality")._repr_html_()
    assert shown.count("linear-gradient(") > 10
    assert shown.count("color-mix(") > 10
    assert "var(--jp-brand-color1," in shown, "a colour that goes with JupyterLab's theme"
    top = storm.top("namespace")
    (first, *_) = top.tables(2)
    assert first.footer
    rows = top._repr_html_().split("<tr>")
    assert "linear-gradient(" in rows[2]
    assert "linear-gradient(" not in next(row for row in rows if "(total)" in row), "a sum is no bar among others"
