"""Ends get the best name there is, say which kind it is, and are never given one that nothing says."""

from __future__ import annotations

import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.aggregate import LEVELS, UNKNOWN, View, vertices
from ztflow.errors import UsageError

EMPTY = dict.fromkeys(
    ["src_ip", "src_name", "src_namespace", "src_identity", "src_node", "dst_ip", "dst_name", "dst_namespace",
     "dst_node", "dst_service", "hbone_host"]
)  # fmt: skip


def ends(by, owners=None, **values):
    found = vertices(View(table(flow(**values))), by, owners, described=True)
    return tuple(
        (found.id(int(code[0])), found.all[int(code[0])].attributes()) for code in (found.source, found.target)
    )


def test_a_pod_is_named_by_evidence_before_the_log():
    (source, facts), _ = ends("pod", src_pod="shop/web-0", src_name="something-else", src_namespace="other")
    assert source == "shop/web-0"
    assert facts == {
        "kind": "pod", "namespace": "shop", "workload": "web", "node": "node-a",
        "identity": "spiffe://cluster.local/ns/shop/sa/web", "workload_from": "name pattern",
    }  # fmt: skip


def test_without_evidence_the_logged_name_is_used_and_marked():
    (source, facts), _ = ends("pod", src_name="sleep", src_namespace="default")
    assert (source, facts["kind"], facts["workload_from"]) == ("default/sleep", "name as logged", "as logged")


@pytest.mark.parametrize("by", ["pod", "workload", "service"])
def test_without_a_name_the_address_stands_for_the_end(by):
    (source, facts), (target, _) = ends(by, **EMPTY | {"src_ip": "10.9.9.9", "hbone_host": "db.example"})
    assert (source, facts) == ("10.9.9.9", {"kind": "address"})
    assert target == "db.example"


@pytest.mark.parametrize("by", LEVELS)
def test_an_end_nothing_is_known_of_is_unknown_and_says_so(by):
    for name, facts in ends(by, **EMPTY):
        assert name == UNKNOWN
        assert facts == {"kind": "unknown", "unknown": True}


def test_empty_text_is_no_name():
    (source, _), _ = ends("workload", **EMPTY | {"src_name": "", "src_namespace": ""})
    assert source == UNKNOWN


def test_workloads_roll_up_by_owner_then_by_name():
    pods = {"src_pod": "shop/web-6f4dc97cb-swdlb", "dst_pod": "data/odd-name"}
    (source, how), (target, _) = ends("workload", **pods)
    assert (source, how["workload_from"]) == ("shop/web", "name pattern")
    assert target == "data/odd-name"
    for owners in ({"data/odd-name": "db"}, None):
        _, (target, how) = ends("workload", owners, **pods, dst_workload="db")
        assert (target, how["workload_from"]) == ("data/db", "owner")


def test_flows_that_were_never_placed_are_named_all_the_same():
    pods = {"src_pod": "shop/web-0", "src_workload": None, "dst_pod": "data/odd-name", "dst_workload": None}
    (source, _), (target, how) = ends("workload", {"data/odd-name": "db"}, **pods)
    assert (source, target, how["workload_from"]) == ("shop/web", "data/db", "owner")


def test_a_service_is_only_on_the_servers_side():
    (source, _), (target, facts) = ends("service", src_pod="shop/web-0", dst_pod="data/db-0")
    assert (source, target) == ("shop/web", "db.data.svc.cluster.local")
    assert facts["kind"] == "service"


def test_a_namespace_can_come_from_the_pod():
    (source, _), _ = ends("namespace", src_namespace=None, src_pod="shop/web-0")
    assert source == "shop"


def test_a_node_nobody_named_is_that_of_its_ztunnel():
    (source, facts), (target, _) = ends(
        "node", src_node=None, dst_node=None, outbound_ztunnel="ztunnel-x", inbound_ztunnel=None
    )
    assert source == "(node of ztunnel-x)"
    assert facts["unnamed"] is True
    assert target == UNKNOWN


def test_attributes_that_differ_are_left_out():
    found = vertices(
        View(table(flow(src_pod="a/x-0", src_node="n1"), flow(src_pod="a/x-0", src_node="n2"))), "pod", described=True
    )
    assert "node" not in found.all[0].attributes()


def test_a_name_that_imitates_the_unknown_one_keeps_the_mark():
    found = vertices(View(table(flow(dst_service=UNKNOWN), flow(**EMPTY))), "service", described=True)
    (vertex,) = [vertex for vertex in found.all if vertex.id == UNKNOWN]
    assert vertex.attributes()["unknown"] is True


def test_halves_can_be_named_too():
    view = View(halves_table(connection()))
    workloads, zones = vertices(view, "workload"), vertices(view, "zone")
    assert [workloads.id(int(code)) for code in workloads.source] == ["a/client", "a/client"]
    assert [zones.id(int(code)) for code in zones.target] == [UNKNOWN, UNKNOWN]


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="by cannot be 'planet'; it is one of pod, workload"):
        vertices(View(table()), "planet")


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_every_row_has_two_named_ends_and_ids_are_unique(some, by):
    found = vertices(View(some.to_arrow()), by, described=True)
    assert len(found.source) == len(found.target) == len(some)
    ids = [vertex.id for vertex in found.all]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    assert set(found.source.tolist()) | set(found.target.tolist()) == set(range(len(ids)))
    names = vertices(View(some.to_arrow()), by)
    assert [names.id(int(code)) for code in names.source] == [found.id(int(code)) for code in found.source]
