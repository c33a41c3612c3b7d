"""Charts say what the table says: sums, counts and shares, whatever is put together."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.plot import of_flows
from ztflow.plot.accessor import FlowsPlot
from ztflow.plot.charts import Link
from ztflow.plot.groups import VALUES, order_of
from ztflow.text.format import ALL_OTHERS


def chart(flows, kind, **options):
    return FlowsPlot(flows.to_arrow(), flows.owners, lambda made: made)(kind, **options)


def total(flows, value):
    frame = flows.to_pandas()
    if value in {"denied", "failed"}:
        return int((frame.verdict == value).sum())
    names = ["request_bytes", "response_bytes"] if value == "bytes" else [value]
    return len(frame) if value == "flows" else int(sum(frame[name].fillna(0).sum() for name in names))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("by", [None, "workload", "node", "verdict", "dst_workload"])
def test_a_course_adds_up_to_the_flows(storm, value, by):
    made = chart(storm, "time", by=by, value=value, top=2)
    assert sum(map(sum, (series.values for series in made.series))) == total(storm, value)
    assert {len(series.values) for series in made.series} == {len(made.starts)}
    assert len(made.series) <= 3
    assert [series.rest for series in made.series[:-1]] == [False] * (len(made.series) - 1)


def test_a_course_is_in_the_steps_that_were_asked_for():
    flows = Flows(table(flow(0), flow(180), flow(181, src_namespace="other"), flow(9, end=None, duration_ms=None)))
    made = chart(flows, "time", by="namespace", value="flows", every="1m")
    assert [(one.name, one.values) for one in made.series] == [("shop", (1, 0, 0, 1)), ("other", (0, 0, 0, 1))]
    assert made.starts[0] == datetime(2024, 6, 16, 12, 48, tzinfo=UTC)
    assert made.seconds == 60
    assert "1 connection" in " ".join(made.notes)


def test_a_level_names_the_end_that_was_asked_for():
    flows = Flows(table(flow()))
    for kind in ("time", "hist"):
        ends = [chart(flows, kind, by="namespace", end=end).series[0].name for end in ("source", "destination")]
        assert ends == ["shop", "data"]
    assert "of the server" in chart(flows, "ecdf", by="namespace", end="destination").title


@pytest.mark.parametrize("by", ["node", "zone"])
@pytest.mark.parametrize("value", ["flows", "bytes"])
def test_heat_is_what_the_matrix_says(storm, by, value):
    made = chart(storm, "heatmap", by=by, value=value)
    assert made.rows == made.columns
    names = ["flows"] if value == "flows" else ["request_bytes", "response_bytes"]
    frames = [storm.matrix(f"src_{by}", f"dst_{by}", value=name) for name in names]
    expected = {
        (row, column): sum(int(frame.loc[row, column]) for frame in frames)
        for row in frames[0].index
        for column in frames[0].columns
    }
    # A node that only its ztunnel is known of has a vertex of its own, which the column does not tell.
    found = Counter()
    for row, cells in zip(made.rows, made.cells, strict=True):
        for column, cell in zip(made.columns, cells, strict=True):
            found[tuple("(unknown)" if name.startswith("(node of") else name for name in (row, column))] += cell
    assert {pair: count for pair, count in found.items() if count} == {
        pair: count for pair, count in expected.items() if count
    }


@pytest.mark.parametrize("top", [1, 2, 30])
@pytest.mark.parametrize("kind", ["heatmap", "sankey"])
def test_what_is_put_together_still_adds_up(storm, kind, top):
    made = chart(storm, kind, by="workload", value="bytes", top=top)
    numbers = [link.value for link in made.links] if kind == "sankey" else [cell for row in made.cells for cell in row]
    assert sum(numbers) == total(storm, "bytes")
    names = made.sources if kind == "sankey" else made.rows
    assert len(names) <= top + 1
    assert (ALL_OTHERS in names) == bool(made.notes) == (top < 30)


def test_a_sankey_has_a_name_on_both_sides_where_it_is_client_and_server():
    flows = Flows(table(flow(dst_namespace="shop"), flow(), flow(src_namespace="data", dst_namespace="data")))
    made = chart(flows, "sankey", value="flows")
    assert (made.sources, made.targets) == (("shop", "data"), ("data", "shop"))
    assert made.links == (Link(0, 0, 1), Link(0, 1, 1), Link(1, 0, 1))


def test_every_life_is_in_its_bin(storm):
    made = chart(storm, "hist", by="locality")
    lives = storm.to_pandas().duration_ms.dropna().to_numpy(int)
    counts, _ = np.histogram(lives, [*made.edges[:-1], made.edges[-1] - 0.5])
    assert np.sum([series.values for series in made.series], axis=0).tolist() == counts.tolist()
    assert made.edges[:6] == (0, 1, 2, 3, 4, 6)
    assert lives.max() < made.edges[-1]


def test_a_curve_is_the_share_that_lived_no_longer():
    lives = [0, 5, 5, 100, 10_000]
    flows = Flows(table(*(flow(duration_ms=life) for life in lives), flow(duration_ms=None)))
    (curve,) = chart(flows, "ecdf").curves
    assert curve.shares == pytest.approx((0.2, 0.6, 0.8, 1.0))
    assert curve.milliseconds[:3] == (0, 5, 100)
    assert curve.milliseconds[3] == pytest.approx(10_000, rel=0.004)
    assert chart(flows, "ecdf").notes == ("Without a known life: 1 connection.",)


def test_unknown_has_a_name_and_comes_last(hostile):
    made = chart(hostile, "heatmap", by="node", top=100)
    assert made.rows[-1] == "(unknown)"
    series = chart(hostile, "time", by="namespace", value="flows", top=100).series
    assert series[-1].name == "(unknown)"
    assert not any(one.rest for one in series)


def test_the_biggest_names_are_kept_and_one_more_is_no_rest():
    place, names, rest = order_of(["a", "b", "(unknown)", "nothing"], [1, 5, 7, 0], 2)
    assert (place.tolist(), names, rest) == ([1, 0, 2, 0], ("b", "a", "(unknown)"), False)
    place, names, rest = order_of(["a", "b", "c", "d"], [1, 5, 7, 3], 2)
    assert (place.tolist(), names, rest) == ([2, 1, 0, 2], ("c", "b", ALL_OTHERS), True)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [("pie", {}, "choose one of time, heatmap"), ("hist", {"value": "flows"}, "no option value"),
     ("time", {"by": "nod"}, "did you mean 'node'"), ("time", {"value": "packets"}, "choose one of bytes"),
     ("time", {"by": "end"}, "cannot name"), ("time", {"end": "both"}, "source or destination"),
     ("time", {"every": "often"}, "not a duration"), ("time", {"every": "1ms"}, "choose a longer step"), ("sankey", {"top": 0}, "1 or more"),
     ("heatmap", {"by": "locality"}, "by cannot be")],
)  # fmt: skip
def test_a_wrong_word_is_told(storm, kind, options, told):
    with pytest.raises(UsageError, match=told):
        chart(storm, kind, **options)


def test_no_chart_is_bigger_for_more_flows(storm):
    twice = storm.with_rows(storm.to_arrow().slice(0, len(storm) // 2))
    for kind in ("heatmap", "hist"):
        assert len(repr(chart(storm, kind))) < 1.5 * len(repr(chart(twice, kind)))
    assert len(of_flows.life_edges(2**62)) < 120
