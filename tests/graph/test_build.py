"""The graph holds every flow once: edge sums are flow sums, at every level, whatever the flows lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import pyarrow as pa
import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table, unencrypted
from hypothesis import given
from hypothesis import strategies as st

import ztflow
from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.errors import UsageError
from ztflow.graph import LEVELS, UNKNOWN, build_graph, columns_of
from ztflow.model.tables import Flows

SEED = Path(__file__).parents[2] / "fixtures" / "seed"
SUMS = [name for name in MEASURE_NAMES if not name.startswith(("duration_", "first_", "last_"))]


def edge_sums(graph):
    return {name: sum(data[name] for _, _, data in graph.edges(data=True)) for name in SUMS}


def flow_sums(some):
    rows = some.to_arrow().to_pylist()

    def count(column, *values):
        return sum(row[column] in values for row in rows)

    return {
        "flows": len(rows),
        "request_bytes": sum(row["request_bytes"] or 0 for row in rows),
        "response_bytes": sum(row["response_bytes"] or 0 for row in rows),
        "bytes_unknown": sum(row["request_bytes"] is None or row["response_bytes"] is None for row in rows),
        "denied": count("verdict", "denied"),
        "failed": count("verdict", "failed"),
        "verdict_unknown": count("verdict", "unknown", None),
        **{
            kind: sum(unencrypted(row) == kind for row in rows)
            for kind in ("plaintext", "plaintext_refused", "left_mesh")
        },
        "mtls_unknown": count("mtls", None),
        "same_node": count("locality", "same_node"),
        "cross_node": count("locality", "cross_node"),
        "locality_unknown": count("locality", "unknown", None),
        "same_zone": count("zone_locality", "same_zone"),
        "cross_zone": count("zone_locality", "cross_zone"),
        "zone_unknown": count("zone_locality", "unknown", None),
        "paired": count("paired", "exact", "unique", "ambiguous", "relaxed"),
    }


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_edge_sums_are_flow_sums(some, by):
    graph = build_graph(some, by)
    assert edge_sums(graph) == flow_sums(some)
    for _, _, data in graph.edges(data=True):
        assert data["flows"] == data["same_node"] + data["cross_node"] + data["locality_unknown"] > 0
        assert data["flows"] == data["same_zone"] + data["cross_zone"] + data["zone_unknown"]


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_attributes_are_scalars_and_never_none(some, by):
    graph = build_graph(some, by)
    scalars = (str, int, bool)
    for attributes in (graph.graph, *(d for _, d in graph.nodes(data=True)), *(d for *_, d in graph.edges(data=True))):
        assert all(type(value) in scalars for value in attributes.values())
    assert not list(nx.isolates(graph)), "every vertex is an end of something"


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_the_order_of_flows_does_not_matter(some, by):
    turned = Flows(some.to_arrow().take(pa.array(range(len(some))[::-1], pa.int64())))
    graph, other = build_graph(some, by), build_graph(turned, by)
    assert list(graph.nodes(data=True)) == list(other.nodes(data=True))
    assert list(graph.edges(keys=True, data=True)) == list(other.edges(keys=True, data=True))
    assert graph.graph == other.graph


@quick
@given(flows(40), st.sampled_from(LEVELS))
def test_it_is_what_networkx_would_have_built(some, by):
    graph = build_graph(some, by)
    plain = nx.MultiDiGraph()
    plain.add_nodes_from(graph.nodes(data=True))
    edges = list(graph.edges(keys=True, data=True))
    assert edges == sorted(edges, key=lambda edge: edge[:3])
    for source, target, key, data in edges:
        plain.add_edge(source, target, key=key, **data)
    for mine, theirs in ((graph.adj, plain.adj), (graph.pred, plain.pred)):
        assert [(end, list(far.items())) for end, far in mine.items()] == [
            (end, list(far.items())) for end, far in theirs.items()
        ]
    for source, target, key in list(graph.edges(keys=True)):
        assert graph.pred[target][source][key] is graph.succ[source][target][key]
        graph.remove_edge(source, target, key)
        plain.remove_edge(source, target, key)
        assert dict(graph.in_degree()) == dict(plain.in_degree())


@quick
@given(flows(40), st.sampled_from(LEVELS))
def test_columns_it_is_not_made_of_change_nothing(some, by):
    graph = build_graph(some, by)
    thin = build_graph(Flows(some.to_arrow().select(columns_of(by))), by)
    assert list(thin.nodes(data=True)) == list(graph.nodes(data=True))
    assert list(thin.edges(keys=True, data=True)) == list(graph.edges(keys=True, data=True))
    assert thin.graph == graph.graph


def test_one_edge_a_path():
    graph = build_graph(Flows(table(flow(), flow(), flow(path="plaintext", mtls=False), flow(path=None))))
    assert [(key, data["flows"], data.get("path")) for _, _, key, data in graph.edges(keys=True, data=True)] == [
        (UNKNOWN, 1, None),
        ("hbone", 2, "hbone"),
        ("plaintext", 1, "plaintext"),
    ]


def test_what_an_edge_says():
    some = Flows(table(flow(duration_ms=10), flow(1, duration_ms=30, request_bytes=None, verdict="denied")))
    ((source, target, data),) = build_graph(some, "workload").edges(data=True)
    assert (source, target) == ("shop/web", "data/db")
    assert data == {
        "flows": 2, "request_bytes": 84, "response_bytes": 19664, "bytes_unknown": 1, "duration_p50_ms": 10,
        "duration_p95_ms": 30, "duration_max_ms": 30, "denied": 1, "failed": 0, "verdict_unknown": 0, "plaintext": 0,
        "plaintext_refused": 0, "left_mesh": 0,
        "mtls_unknown": 0, "same_node": 0, "cross_node": 2, "locality_unknown": 0, "same_zone": 0, "cross_zone": 0,
        "zone_unknown": 2, "paired": 2, "first_seen": "2024-06-16T12:48:51.792527Z",
        "last_seen": "2024-06-16T12:48:52.792527Z", "path": "hbone",
    }  # fmt: skip


def test_the_graph_says_what_it_was_made_of():
    graph = build_graph(Flows(table(flow(), flow(paired="inbound_only"))), "node")
    assert graph.graph == {
        "by": "node", "flows": 2, "paired_flows": 1, "unpaired_halves": 1,
        "first_seen": "2024-06-16T12:48:51.792527Z", "last_seen": "2024-06-16T12:48:51.792527Z",
    }  # fmt: skip


@pytest.mark.parametrize("by", LEVELS)
def test_no_flows_make_an_empty_graph(by):
    graph = Flows().graph(by=by)
    assert isinstance(graph, nx.MultiDiGraph)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (0, 0)


def test_owners_decide_the_workload():
    some = Flows(table(flow(src_pod="shop/strange", src_workload="front")))
    assert "shop/front" in some.graph("workload")


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="by cannot be 'pods'; did you mean 'pod'"):
        Flows().graph(by="pods")


def test_it_stays_a_networkx_graph():
    graph = build_graph(Flows(table(flow(), flow(src_pod="shop/other-0"))))
    part = graph.subgraph(["shop/other-0", "data/db-6f4dc97cb-swdlb"]).copy()
    assert type(part) is type(graph)
    assert nx.shortest_path(part, "shop/other-0", "data/db-6f4dc97cb-swdlb")
    assert "<svg" in part._repr_html_()


def test_edges_as_tables():
    graph = build_graph(Flows(table(flow(), *[flow(path=None, request_bytes=2**63 - 1)] * 2)))
    arrow = graph.to_arrow()
    assert arrow.column("flows").to_pylist() == [2, 1]
    assert arrow.column("path").to_pylist() == [None, "hbone"]
    assert str(arrow.schema.field("request_bytes").type) == "double", "a sum beyond 64 bits"
    frame = graph.to_pandas()
    assert str(frame.dtypes["response_bytes"]) == "Int64"
    assert str(frame.dtypes["last_seen"]) == "datetime64[us, UTC]"


def test_the_seed_captures():
    logs = [SEED / f"{name}.log" for name in ("same-node", "cross-node", "ingress-wrapped")]
    graph = ztflow.read_flows(*logs).graph(by="node")
    places = {
        (source, target): {name: data[name] for name in ("flows", "same_node", "cross_node", "locality_unknown")}
        for source, target, data in graph.edges(data=True)
    }
    fv, hp = "(node of ztunnel-fv5f8)", "(node of ztunnel-62hp8)"
    assert places[(fv, fv)] == {"flows": 1, "same_node": 1, "cross_node": 0, "locality_unknown": 0}
    assert places[(fv, hp)] == {"flows": 1, "same_node": 0, "cross_node": 1, "locality_unknown": 0}
    assert sum(data["locality_unknown"] for data in places.values()) == 2, "the gateway's node is not in the logs"
    named = ztflow.read_flows(*logs, inventory=sorted(SEED.glob("*.txt"))).graph(by="node")
    assert {node for node in named if "(" not in node} == {"ambient-worker", "ambient-worker2"}
    assert edge_sums(named)["locality_unknown"] == 0


def test_networkx_is_loaded_only_for_a_graph():
    code = (
        "import sys, ztflow.graph, ztflow.reports\n"
        "from ztflow.model.tables import Flows\n"
        "ztflow.reports.summary(Flows())\n"
        "assert 'networkx' not in sys.modules\n"
        "ztflow.graph.build_graph(Flows())\n"
        "assert 'networkx' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
