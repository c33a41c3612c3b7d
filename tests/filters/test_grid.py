"""The filter grid: every end, every kind of name, and what unknown means."""

from __future__ import annotations

import pyarrow as pa
import pytest
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table

from ztflow.errors import UsageError
from ztflow.filters import Filter, make_filter
from ztflow.filters.ends import Known
from ztflow.filters.grid import Kind
from ztflow.model.provenance import ReadStats
from ztflow.model.tables import Flows, Halves

UNKNOWN = dict.fromkeys(("src_ip", "src_port", "src_name", "src_namespace", "src_identity", "src_node", "dst_ip", "dst_port", "hbone_host", "hbone_port", "dst_service", "dst_name", "dst_namespace", "dst_node", "verdict"))  # fmt: skip

ROWS = table(
    flow(src_pod="shop/web-0"),
    flow(src_name="db-6f4dc97cb-swdlb", src_namespace="data", src_node="node-b", dst_name="web-0",
         dst_namespace="shop", dst_service="web.shop.svc.cluster.local", dst_ip="10.0.1.1", hbone_host="fd00::1",
         hbone_port=8080, dst_node="node-a", src_ip="10.0.2.1", src_port=41000,
         dst_identity="spiffe://cluster.local/ns/shop/sa/web", src_identity=None),
    flow(**UNKNOWN),
)  # fmt: skip
"""A flow from web to db, one from db to web, and one nothing is known about."""


def kept(rows: pa.Table = ROWS, *expressions: str, **criteria) -> list[int]:
    mask = make_filter(*expressions, **criteria).mask(rows).to_pylist()
    return [number for number, keep in enumerate(mask) if keep]


@pytest.mark.parametrize(
    ("criteria", "rows"),
    [
        ({"pod": "web-0"}, [0, 1]),
        ({"from_pod": "web-0"}, [0]),
        ({"to_pod": "web-0"}, [1]),
        ({"from_pod": "shop/web-0"}, [0]),
        ({"from_pod": "data/web-0"}, []),
        ({"from_pod": "web"}, []),
        ({"from_pod": "web-*"}, [0]),
        ({"from_pod": "db-*-?????"}, [1]),
        ({"from_workload": "db"}, [1]),
        ({"from_workload": "data/db"}, [1]),
        ({"from_workload": "db-6f4dc97cb-swdlb"}, [1]),
        ({"from_pod": "db"}, []),
        ({"namespace": "shop"}, [0, 1]),
        ({"from_namespace": "shop"}, [0]),
        ({"to_namespace": ["shop", "data"]}, [0, 1]),
        ({"service": "web"}, [0, 1]),
        ({"to_service": "web.shop"}, [1]),
        ({"to_service": "web.shop.svc.cluster.local"}, [1]),
        ({"to_service": "shop/web"}, [1]),
        ({"from_service": "web"}, [0]),
        ({"from_service": "db.data"}, [1]),
        ({"from_identity": "spiffe://cluster.local/ns/shop/sa/web"}, [0]),
        ({"from_identity": "cluster.local/ns/shop/sa/web"}, [0]),
        ({"identity": "shop/web"}, [0, 1]),
        ({"identity": "*/ns/shop/*"}, [0, 1]),
        ({"from_ip": "10.0.1.0/24"}, [0]),
        ({"to_ip": "10.0.1.1"}, [1]),
        ({"to_ip": "fd00::/8"}, [1]),
        ({"from_ip": "::ffff:10.0.1.1"}, [0]),
        ({"ip": "10.0.0.0/8"}, [0, 1]),
        ({"to_port": 8080}, [1]),
        ({"to_port": "15008"}, [0, 1]),
        ({"to_port": "5000-6000"}, [0]),
        ({"port": 41000}, [1]),
        ({"node": "node-a"}, [0, 1]),
        ({"from_node": "node-*"}, [0, 1]),
        ({"to_node": "node-a"}, [1]),
        ({"verdict": "forwarded"}, [0, 1]),
        ({"direction": "inbound"}, [0, 1, 2]),
        ({"from_pod": "web-0", "to_namespace": "data"}, [0]),
        ({"from_pod": "web-0", "to_namespace": "shop"}, []),
        ({"not_from_pod": "web-0"}, [1, 2]),
        ({"not_pod": "web-0"}, [2]),
        ({"not_from_pod": "web-0", "not_to_port": 8080}, [2]),
        ({"not_verdict": "forwarded"}, [2]),
        ({"not_node": "*"}, [2]),
        ({}, [0, 1, 2]),
    ],
)
def test_grid(criteria, rows):
    assert kept(**criteria) == rows


def test_brackets_in_a_pattern_are_letters():
    rows = table(flow(src_name="a[1]-x"), flow(src_name="a1-x"))
    assert kept(rows, from_pod="a[1]*") == [0]


def test_direction_of_a_flow_is_that_of_the_halves_seen():
    rows = table(flow(inbound_line=None), flow(outbound_line=None), flow())
    assert kept(rows, direction="inbound") == [1, 2]
    assert kept(rows, direction=["inbound", "outbound"]) == [0, 1, 2]
    assert kept(rows, not_direction="inbound") == [0]


def test_an_empty_filter_keeps_everything():
    assert not Filter()
    assert Filter().mask(ROWS).to_pylist() == [True] * 3


def test_a_table_of_nothing():
    for criteria in ({"pod": "x"}, {"service": "x"}, {"ip": "10.0.0.1"}, {"verdict": "denied"}):
        assert kept(table(), **criteria) == []
    assert kept(table(), "duration_ms > 5 and src_addr == x and src_node == dst_node") == []


def test_records_know_the_node_of_the_end_their_ztunnel_serves():
    halves = halves_table(connection(out={"ztunnel_node": "n1"}, inn={"ztunnel_node": "n2"}))
    assert kept(halves, from_node="n1") == [0]
    assert kept(halves, to_node="n1") == []
    assert kept(halves, node="n2") == [1]


def test_records_have_the_verdict_of_their_own_error():
    halves = halves_table(connection(out={"error": "x", "error_class": "policy_denied"}))
    assert kept(halves, verdict="denied") == [0]
    assert kept(halves, verdict="forwarded") == [1]
    assert kept(halves, direction="inbound") == [1]


def test_the_service_of_a_source_is_learned_over_a_stream():
    served = table(flow(dst_name="web-0", dst_namespace="shop", dst_service="web.shop.svc.cluster.local"))
    chosen = make_filter(from_service="web.shop")
    assert chosen.mask(table(flow())).to_pylist() == [False]
    known = Known()
    chosen.mask(served, known=known)
    assert chosen.mask(table(flow()), known=known).to_pylist() == [True]


def test_an_inventory_s_owner_outweighs_the_name():
    unplaced = {"src_workload": None, "dst_workload": None}
    rows = table(flow(src_pod="shop/web-0", **unplaced), flow(src_name="web-1", src_pod=None, **unplaced))
    known = Known(owners={"shop/web-0": "frontend", "shop/web-1": "frontend"})
    assert make_filter(from_workload="shop/frontend").mask(rows, known=known).to_pylist() == [True, True]
    assert make_filter(from_workload="web").mask(rows, known=known).to_pylist() == [False, False]
    assert make_filter(from_workload="web").mask(rows).to_pylist() == [True, True]
    placed = table(flow(src_pod="shop/web-0", src_workload="frontend"))
    assert make_filter(from_workload="shop/frontend").mask(placed).to_pylist() == [True]
    assert make_filter(from_workload="web").mask(placed).to_pylist() == [False]


def test_applying_keeps_the_counts_of_the_whole_input():
    flows = Flows(ROWS, stats=ReadStats(lines=7), evicted=3)
    chosen = make_filter(from_pod="web-0").apply(flows)
    assert (len(chosen), chosen.stats.lines, chosen.evicted) == (1, 7, 3)
    halves = Halves(halves_table(connection()), stats=ReadStats(lines=9))
    assert make_filter(direction="inbound").apply(halves).stats.lines == 9


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"form_pod": "x"}, "no filter 'form_pod'"),
        ({"from_": "x"}, "no filter"),
        ({"ip": "10.0.0"}, "not an IP address or a CIDR"),
        ({"port": "http"}, "not a port"),
        ({"port": "9-1"}, "not a port"),
        ({"port": 65536}, "not a port"),
        ({"pod": ""}, "matches nothing"),
        ({"verdict": "dropped"}, "forwarded, denied"),
        ({"not_direction": "both"}, "outbound, inbound"),
    ],
)
def test_what_means_nothing_is_refused_before_any_table(criteria, said):
    with pytest.raises(UsageError, match=said):
        make_filter(**criteria)


@pytest.mark.parametrize("kind", list(Kind))
def test_either_end_is_the_union_of_both(kind):
    value = {"ip": "10.0.1.0/24", "port": "8080", "pod": "web-0", "workload": "web-0"}.get(kind, "*")
    either = set(kept(**{str(kind): value}))
    assert either == set(kept(**{f"from_{kind}": value})) | set(kept(**{f"to_{kind}": value}))
    assert either, "a comparison of nothing with nothing proves nothing"
