"""Locality: matrices that add up, money only where a price was given, advice only where it can help."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from truth import logs, true_rows

import ztflow
from ztflow.aggregate import UNKNOWN
from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.reports import Price, Prices, locality, render

CAPTURED = Path(__file__).parents[2] / "fixtures" / "captured"
SAME = {"src_zone": "z1", "dst_zone": "z1", "zone_locality": "same_zone"}
CROSS = {"src_zone": "z1", "dst_zone": "z2", "zone_locality": "cross_zone"}


@quick
@given(flows())
def test_matrices_and_pairs_hold_every_connection(some):
    report = locality(some, prices=Prices.parse("0.01"))
    for cells in (report.node_matrix, report.zone_matrix):
        assert sum(cell.flows for cell in cells) == len(some)
    assert sum(row.measures.flows for row in report.pairs) == len(some)
    wanted = sum(part.bytes for part in report.nodes.values())
    assert sum(cell.bytes for cell in report.node_matrix) == wanted
    assert sum(row.cross_node_bytes for row in report.pairs) == report.nodes["cross_node"].bytes


def test_the_unknown_share_is_always_there():
    report = locality(Flows(table(flow(), flow(dst_node=None, locality="unknown"))))
    assert report.nodes["unknown"].flows_share == 0.5
    assert ("node-a", UNKNOWN, 1) in [(cell.source, cell.target, cell.flows) for cell in report.node_matrix]
    text = render(report, "text")
    assert "node unknown" in text
    assert "zone unknown" in text
    assert "No zone is known: add an inventory" in text


def test_clusters_are_shown_once_both_ends_name_one():
    assert locality(Flows(table(flow(src_cluster="east")))).clusters is None
    rows = [flow(src_cluster="east", dst_cluster=cluster) for cluster in ("east", "west", "west", None)]
    report = locality(Flows(table(*rows)))
    assert report.clusters is not None
    assert {name: part.flows for name, part in report.clusters.items()} == {
        "same_cluster": 1, "other_cluster": 2, "unknown": 1,
    }  # fmt: skip
    assert "other cluster" in render(report, "text")


def test_a_pair_is_as_local_as_its_known_connections():
    rows = [flow(locality="same_node"), flow(), flow(), flow(locality="unknown")]
    (row,) = locality(Flows(table(*rows))).pairs
    assert row.node_share == pytest.approx(1 / 3)
    assert row.zone_share is None


def test_wide_matrices_become_lists():
    rows = [flow(src_node=f"node-{number:02}") for number in range(13)]
    titles = [titled.title for titled in locality(Flows(table(*rows))).tables(0)]
    assert "Node to node" in titles
    assert "Node to node: connections" not in titles
    assert "Zone to zone: connections" in titles


def test_both_sides_pay_for_what_crosses():
    gigabyte = {"request_bytes": 10**9, "response_bytes": 3 * 10**9}
    some = Flows(table(flow(-60, **gigabyte, **CROSS), flow(**gigabyte, **SAME), flow(src_zone="z1", request_bytes=7)))
    bill = locality(some, prices=Prices(Price(0.02, 0.01), currency="EUR")).bill
    assert bill is not None
    costs = {(cost.sender, cost.receiver): (cost.bytes, cost.egress, cost.ingress) for cost in bill.costs}
    assert costs == {
        ("z1", "z2"): (10**9, pytest.approx(0.02), pytest.approx(0.01)),
        ("z2", "z1"): (3 * 10**9, pytest.approx(0.06), pytest.approx(0.03)),
    }
    assert bill.total == pytest.approx(0.12)
    assert bill.unknown_bytes == 7 + 9832
    assert bill.projected_30_days == pytest.approx(0.12 * 30 * 24 * 60)
    text = render(locality(some, prices=Prices(Price(0.02, 0.01), currency="EUR")), "text")
    assert "Total 0.12 EUR for the window, an estimate from payload." in text
    assert "9,839 bytes in unknown zones" in text
    assert "a lower bound of what is billed" in text


def test_without_prices_there_is_no_money():
    report = locality(Flows(table(flow(**CROSS))))
    assert report.bill is None
    assert "Cost" not in render(report, "text")


def test_a_direction_without_a_price_is_said_to_be_missing():
    some = Flows(table(flow(**CROSS, request_bytes=5, response_bytes=6)))
    bill = locality(some, prices=Prices(None, {("z1", "z2"): Price(1.0, 0.0)})).bill
    assert bill is not None
    assert bill.unpriced_bytes == 6
    assert bill.projected_30_days is None or bill.projected_30_days > 0


@pytest.mark.parametrize(
    ("text", "egress", "ingress", "currency"),
    [("0.01", 0.01, 0.01, "USD"), ("0.02:0", 0.02, 0.0, "USD"), (" 1.5 eur ", 1.5, 1.5, "EUR")],
)
def test_prices_are_read_from_a_word(text, egress, ingress, currency):
    prices = Prices.parse(text)
    assert (prices.default, prices.currency) == (Price(egress, ingress), currency)
    assert prices.of("a", "a") == Price(0, 0)


@pytest.mark.parametrize("text", ["", "free", "-1", "0.01:", "0.01 DOLLAR", "1e3", "٣"])
def test_what_is_no_price_is_refused(text):
    with pytest.raises(UsageError, match="is no price"):
        Prices.parse(text)


def test_a_price_past_all_numbers_is_refused():
    with pytest.raises(UsageError, match="too large"):
        Prices.parse("9" * 400)


def test_prices_are_read_from_a_table():
    prices = Prices.from_csv("from_zone,to_zone,egress_per_gb,ingress_per_gb\n*,*,0.01,0.01\nz1, z2 ,0.02,\n")
    assert prices.of("z1", "z2") == Price(0.02, 0)
    assert prices.of("z2", "z1") == Price(0.01, 0.01)
    for text, message in (
        ("from_zone,to_zone\n", "lacks the column egress_per_gb"),
        ("from_zone,to_zone,egress_per_gb\na,b,dear\n", "line 2 of the price table"),
        ("from_zone,to_zone,egress_per_gb,currency\na,b,1,EUR\nb,a,1,USD\n", "mixes currencies: EUR, USD"),
        ("from_zone,to_zone,egress_per_gb\na,b\rc,1\n", "line 2 of the price table is no CSV"),
        ("egress_per_gb,from_zone,to_zone\n1,a\n", "line 2 of the price table: a zone is missing"),
        *(
            (f"from_zone,to_zone,egress_per_gb\na,b,{odd}\n", "negative, infinite or no number")
            for odd in ("nan", "inf", "-1")
        ),
    ):
        with pytest.raises(UsageError, match=message):
            Prices.from_csv(text)


def remedy(*rows):
    return [(r.kind, r.source, r.source_zone, r.target, r.flows, r.local_endpoints) for r in
            locality(Flows(table(*rows))).remedies]  # fmt: skip


def test_a_service_with_a_pod_here_can_prefer_its_zone():
    there, here = flow(**CROSS, dst_pod="data/db-1"), flow(**SAME, dst_pod="data/db-0", src_pod="shop/other-0")
    assert remedy(there, there, here) == [("prefer_zone", "shop/web", "z1", "db.data.svc.cluster.local", 2, 1)]


def test_a_pod_seen_only_as_a_client_is_here_too():
    there = flow(**CROSS, dst_pod="data/db-1")
    asks = flow(src_pod="data/db-0", src_zone="z1", dst_zone=None, dst_pod="x/y-0", dst_service=None)
    assert remedy(there, asks)[0][0] == "prefer_zone"


def test_a_service_without_a_pod_here_must_be_spread_first():
    assert remedy(flow(**CROSS)) == [("spread", "shop/web", "z1", "db.data.svc.cluster.local", 1, 0)]


def test_pods_dialled_by_address_are_beyond_a_services_help():
    assert remedy(flow(**CROSS, dst_service=None)) == [("direct", "shop/web", "z1", "data/db", 1, 0)]


def test_hops_of_a_waypoint_have_remedies_of_their_own():
    hop = flow(**CROSS, path="waypoint", dst_pod="shop/way-0")
    assert remedy(hop) == [("waypoint_spread", "shop/web", "z1", "shop/way", 1, 0)]
    second = flow(**CROSS, src_pod="shop/way-0", dst_service=None)
    assert ("from_waypoint", "shop/way", "z1", "data/db", 1, 0) in remedy(hop, second)


def test_an_unseen_client_is_not_accused():
    half = flow(**CROSS, dst_service=None, paired="inbound_only")
    assert remedy(half)[0][0] == "client_unseen"


def test_local_traffic_needs_no_remedy():
    report = locality(Flows(table(flow(**SAME), flow())))
    assert report.remedies == ()
    assert report.findings == 0


def test_a_captured_run_is_as_local_as_its_truth_says():
    run = "1.29.5-json"
    places = [CAPTURED / run / name for name in ("pods.txt", "nodes.txt")]
    some = ztflow.read_flows(*logs(run), inventory=places)
    report = locality(some)
    paired = [row for row in true_rows(run) if row["outbound"] != "-" and row["inbound"] != "-"]
    same = sum(row["src_node"] == row["dst_node"] for row in paired)
    view = some.to_arrow().to_pylist()
    both = [row for row in view if row["outbound_line"] and row["inbound_line"]]
    assert sum(row["locality"] == "same_node" for row in both) == same
    assert not [row for row in both if row["locality"] == "unknown"]
    assert report.nodes["unknown"].flows == sum(row["locality"] == "unknown" for row in view) <= 5
    assert {cell.source for cell in report.node_matrix} <= {"node-a", "node-b", "node-c", UNKNOWN}
    assert report.zones["cross_zone"].flows > 0
    assert any(remedy.kind in ("prefer_zone", "spread", "direct") for remedy in report.remedies)
