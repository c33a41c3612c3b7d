"""What is folded batch by batch gives the same answers as the connections themselves, however they are cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from flow_strategies import _COLUMNS, quick
from flows_by_hand import flow, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.aggregate import LEVELS
from ztflow.aggregate import fold as fold_module
from ztflow.aggregate.fold import Fold
from ztflow.columns.dtypes import AFTER_ALL
from ztflow.columns.timestamps import micros_of
from ztflow.graph import build_graph
from ztflow.graph.build import shape_of as graph_shape
from ztflow.model.tables import FLOWS_SCHEMA, Flows
from ztflow.reports import Prices, diff, make_report, summary
from ztflow.reports.folding import SUMMARY, compared, shape_of

REPORTS = ("summary", "traffic", "latency", "locality", "mtls", "denied", "failures", "egress", "identities", "diff")
FEW = [name for name in _COLUMNS if name.startswith(("src_", "dst_")) or name.endswith(("_bytes", "_ms", "_port"))]


@st.composite
def related(draw):
    """Connections that are mostly alike: of a few kinds, each with some columns of its own."""
    kinds = draw(st.lists(st.fixed_dictionaries({}, optional=_COLUMNS), min_size=1, max_size=3))
    rows = []
    for _ in range(draw(st.integers(0, 14))):
        row = dict(draw(st.sampled_from(kinds)))
        for name in draw(st.lists(st.sampled_from(["start", "end", "verdict", "locality", *FEW]), max_size=3)):
            row[name] = draw(st.one_of(st.none(), _COLUMNS.get(name, st.none())))
        rows.append(row)
    return Flows(pa.Table.from_pylist(rows, schema=FLOWS_SCHEMA))


def folded(shape, some, cuts, portion):
    fold = Fold(shape, portion=portion, few=0)
    for start, stop in zip([0, *cuts], [*cuts, len(some)], strict=True):
        fold.add(some.with_rows(some.to_arrow().slice(start, stop - start)))
    return fold.flows()


@st.composite
def cut(draw, some):
    cuts = sorted(draw(st.lists(st.integers(0, len(some)), max_size=3)))
    return cuts, draw(st.integers(1, 6))


def answer(name, some, by, every=None):
    if name == "summary":
        return summary(some)
    if name == "diff":
        return diff(some, some, by=by)
    more = {"by": by} if name in {"traffic", "latency"} else {}
    more |= {"every": every} if name == "traffic" else {}
    return make_report(name, some, prices=Prices.parse("0.01"), **more)


@settings(quick, max_examples=50)
@given(related(), st.data(), st.sampled_from(REPORTS), st.sampled_from(LEVELS))
def test_reports_of_folded_connections_are_the_same(some, data, name, by):
    shape = {"summary": SUMMARY, "diff": compared(by)}.get(name) or shape_of(name, by)
    made = folded(shape, some, *data.draw(cut(some)))
    assert len(made) == len(some)
    every = data.draw(st.sampled_from([None, "1m"]))
    assert answer(name, made, by, every).to_dict() == answer(name, some, by, every).to_dict()


@settings(quick, max_examples=25)
@given(related(), st.data(), st.sampled_from(LEVELS))
def test_graphs_of_folded_connections_are_the_same(some, data, by):
    made = build_graph(folded(graph_shape(by), some, *data.draw(cut(some))), by)
    whole = build_graph(some, by)
    assert made.graph == whole.graph
    assert list(made.nodes(data=True)) == list(whole.nodes(data=True))
    assert list(made.edges(keys=True, data=True)) == list(whole.edges(keys=True, data=True))


def joined(shape, parts, owners):
    """Parts that are folded by themselves, each in order of end, as one."""
    made = []
    for part in parts:
        fold = Fold(shape, portion=3, few=0)
        fold.add(part)
        made.append(fold.part(micros_of(part.to_arrow()["end"], AFTER_ALL)))
    return Fold(shape).join([rows for rows, _ in made], (values for _, values in made), owners)


@settings(quick, max_examples=50)
@given(related(), st.data(), st.sampled_from((*REPORTS, "graph")), st.sampled_from(LEVELS))
def test_parts_that_were_folded_by_themselves_give_the_same_together(some, data, name, by):
    part_of = data.draw(st.lists(st.integers(0, 2), min_size=len(some), max_size=len(some)))
    micros = micros_of(some.to_arrow()["end"], AFTER_ALL)
    numbers = np.array(part_of, np.int64)
    orders = [np.flatnonzero(numbers == number) for number in range(3)]
    orders = [rows[np.argsort(micros[rows], kind="stable")] for rows in orders]
    by_part = [some.with_rows(some.to_arrow().take(pa.array(rows))) for rows in orders]
    ends = np.concatenate([micros_of(part.to_arrow()["end"], AFTER_ALL) for part in by_part])
    whole = some.with_rows(Flows.concat(by_part).to_arrow().take(pa.array(np.argsort(ends, kind="stable"))))
    shape = {"summary": SUMMARY, "diff": compared(by), "graph": graph_shape(by)}.get(name) or shape_of(name, by)
    made = joined(shape, by_part, some.owners)
    assert len(made) == len(some)
    if name == "graph":
        one, other = build_graph(made, by), build_graph(whole, by)
        assert (one.graph, list(one.edges(data=True))) == (other.graph, list(other.edges(data=True)))
    else:
        assert answer(name, made, by).to_dict() == answer(name, whole, by).to_dict()


@pytest.mark.parametrize("name", ["summary", "traffic", "locality"])
def test_what_is_looked_at_beside_a_pair_is_kept(name):
    """The nodes of a pair's two ends, and the pods of a workload in a zone, when most rows are folded away."""
    rows = [
        flow(
            src_node=f"node-{number % 3}", dst_node=f"node-{number % 4}", src_zone=f"z{number % 2}", dst_zone="z0",
            src_pod=f"shop/web-6f4dc97cb-swdl{number % 5}", zone_locality="cross_zone", locality="cross_node",
        )
        for number in range(60)
    ]  # fmt: skip
    some = Flows(table(*rows))
    made = folded(SUMMARY if name == "summary" else shape_of(name), some, [20, 40], 16)
    assert made.to_arrow().num_rows < len(made) == 60
    assert answer(name, made, "workload").to_dict() == answer(name, some, "workload").to_dict()


@pytest.mark.parametrize("name", ["summary", "traffic", "denied", "failures", "locality", "latency"])
def test_many_of_a_kind_in_parts_that_hold_all_times(name):
    """Rows that stand for several in each part, which of them came first in another one; refusals at one moment."""
    rows = [
        flow(
            number * 29 % 360 // 4, src_name=f"web-{number % 4}", src_ip=f"10.0.1.{number % 7}",
            src_node=f"node-{number % 5}", dst_node=f"node-{number % 3}", duration_ms=number,
            **({"verdict": ("denied", "failed")[number % 2], "error_class": "rbac"} if number % 5 < 2 else {}),
        )
        for number in range(360)
    ]  # fmt: skip
    rows.sort(key=lambda row: row["end"])
    by_part = [Flows(table(*(row for row in rows if row["duration_ms"] % 11 % 3 == part))) for part in (2, 0, 1)]
    whole = sorted((row for part in by_part for row in part.to_arrow().to_pylist()), key=lambda row: row["end"])
    some = Flows(table(*whole))
    made = joined(SUMMARY if name == "summary" else shape_of(name), by_part, {})
    assert made.to_arrow().num_rows < len(made) == 360
    assert answer(name, made, "workload").to_dict() == answer(name, some, "workload").to_dict()


def test_connections_that_carried_one_way_each_are_none_that_carried_both():
    rows = [flow(request_bytes=5, response_bytes=0), flow(request_bytes=0, response_bytes=7), flow(seconds=1)]
    some = Flows(table(*rows))
    made = folded(shape_of("latency"), some, [1, 2], 2)
    assert answer("latency", made, "workload").to_dict() == answer("latency", some, "workload").to_dict()


def test_a_row_whose_sum_is_near_the_end_of_64_bits_takes_no_more():
    """So that no sum passes it, and the graph's are exact all the same."""
    size = (1 << 40) - 1
    rows = [flow(seconds=number, request_bytes=size, response_bytes=0) for number in range(6)]
    some, shape = Flows(table(*rows)), graph_shape("workload")
    fold = Fold(shape, portion=2, few=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "_FULL", 2 * size)
        fold.add(some)
        made = fold.flows()
    assert made.to_arrow().num_rows > 2
    assert max(made.to_arrow().column("request_bytes").to_pylist()) < 4 * size
    assert list(build_graph(made, "workload").edges(data=True)) == list(build_graph(some, "workload").edges(data=True))
