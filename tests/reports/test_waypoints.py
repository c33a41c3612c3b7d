"""Waypoints: what came through them, what they sent on, who went past them; each connection in one row."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import cache

from flow_strategies import flows, quick
from flows_by_hand import PLAIN, flow, table
from hypothesis import given
from truth import CAPTURED, logs, true_rows

import ztflow
from ztflow.model.tables import Flows
from ztflow.place import ServiceFact
from ztflow.reports import render, waypoints

DB, CART = "db.data.svc.cluster.local", "cart.data.svc.cluster.local"
WAY = {"dst_pod": "shop/way-0", "dst_name": "way-0", "dst_namespace": "shop", "dst_ip": "10.0.7.1",
       "dst_identity": "spiffe://cluster.local/ns/shop/sa/way"}  # fmt: skip


def to(number, seconds=0.0, **values):
    """A client's connection to the waypoint."""
    row = {
        "path": "waypoint", "paired": "outbound_only", "unpaired_reason": "waypoint_hop", "dialled": "service",
        "hbone_host": "10.96.0.1", "inbound_file": None, "inbound_line": None, "outbound_line": number, **WAY,
    }  # fmt: skip
    return flow(seconds, **(row | {"start": None} | values))


def back(number, seconds=0.0, **values):
    """A connection of the waypoint to a server."""
    row = {
        "src_pod": "shop/way-0", "src_name": "way-0", "src_ip": "10.0.7.1", "src_identity": WAY["dst_identity"],
        "paired": "inbound_only", "unpaired_reason": "waypoint_source", "dst_service": None, "outbound_file": None,
        "outbound_line": None, "inbound_line": number,
    }  # fmt: skip
    return flow(seconds, **(row | values))


def timed(*rows):
    """With the start of each."""
    return [row | {"start": row["end"] - timedelta(milliseconds=row["duration_ms"])} for row in rows]


def report(*rows):
    return waypoints(Flows(table(*rows)))


def test_what_carries_on_a_clients_connection_is_of_its_service():
    made = report(
        to(1, next_hop_file="b.log", next_hop_line=7),
        to(2, next_hop_file="b.log", next_hop_line=8),
        back(7, request_bytes=50, response_bytes=60),
        back(8, locality="same_node"),
    )
    (service,) = made.services
    assert (service.service, service.waypoint, service.clients) == (DB, "shop/way", 1)
    assert (service.flows, service.carried_on, service.alongside, service.unseen) == (2, 2, 0, 0)
    (hop,) = made.hops
    assert (hop.waypoint, hop.target, hop.port, hop.services, hop.known_by) == (
        "shop/way",
        "data/db",
        5432,
        (DB,),
        "same_bytes",
    )
    assert hop.carried_on == 2
    assert (hop.measures.flows, hop.measures.bytes, hop.measures.same_node) == (2, 110 + 9916, 1)
    (both,) = made.waypoints
    assert (both.flows, both.bytes, both.server_flows, both.server_bytes) == (2, 2 * 9916, 2, 10026)
    assert both.identity == "spiffe://cluster.local/ns/shop/sa/way"
    assert made.findings == 0


def test_a_hop_that_was_changed_is_told_by_service_and_time():
    """A pooled connection of 60 s: what ran meanwhile may have used it, what came a minute later did not."""
    pooled = back(7, 30, request_bytes=50_000, response_bytes=60_000, duration_ms=60_000)
    failed = {"verdict": "failed", "error_class": "peer_unavailable"}
    rows = [pooled, to(1, 0), to(2, 10), to(3, 90), to(4, 20, **failed)]
    later = [back(8, 200), back(9, 90, src_name="other-0", src_pod="shop/other-0", src_ip="10.0.7.2")]
    other = to(5, 10, dst_name="other-0", dst_pod="shop/other-0", dst_ip="10.0.7.2")
    made = report(*timed(*rows, *later, other))
    assert [row.unseen for row in made.services if row.waypoint == "shop/other"] == [1]
    made = report(*timed(*rows, *later, other)[:-1])
    (service,) = made.services
    told = service.flows, service.carried_on, service.alongside, service.unseen, service.refused
    assert told == (4, 0, 2, 1, 1)
    assert any("still to come" in note for note in made.notes())
    assert not any("still to come" in note for note in report(*timed(*rows[:3])).notes())
    carried = to(6, next_hop_file="b.log", next_hop_line=7, **failed)
    assert [(row.refused, row.carried_on) for row in report(*rows[:1], carried).services] == [(1, 0)]


def test_of_several_services_each_hop_is_of_those_the_log_leaves():
    other = {"dst_service": CART, "dst_name": "cart-0", "hbone_host": "10.96.0.2"}
    rows = [to(1), to(2, **other | WAY), back(7), back(8, dst_service=CART)]
    told = {(hop.services, hop.known_by): hop.measures.flows for hop in report(*rows).hops}
    assert told == {((CART, DB), "left_over"): 1, ((CART,), "line"): 1}
    # The one client of the database has its hop: so the other hop is not the database's.
    rows[0] |= {"next_hop_file": "b.log", "next_hop_line": 9}
    made = report(*rows, back(9))
    told = {(hop.services, hop.known_by): hop.measures.flows for hop in made.hops}
    assert told == {((DB,), "same_bytes"): 1, ((CART,), "left_over"): 1, ((CART,), "line"): 1}
    assert {row.service: row.servers for row in made.services} == {DB: ("data/db:5432",), CART: ("data/db:5432",)}
    assert f"{CART} and {DB} stand for the same pods" in render(made, "text")
    # A client that was refused has none.
    rows[1] |= {"verdict": "failed"}
    assert [hop.services for hop in report(*rows[:3], back(9)).hops] == [(CART, DB), (DB,)]
    # A service no client asked this waypoint for is only the first that the server's ztunnel found for the port.
    assert [hop.services for hop in report(to(1), back(7, dst_service="other.data")).hops] == [(DB,)]
    assert [hop.services for hop in report(back(7, dst_service="other.data")).hops] == [("other.data",)]
    assert [hop.services for hop in report(back(7)).hops] == [()]
    assert {hop.target for hop in report(to(1), back(7), back(8, dst_name="other-0")).hops} == {"data/db", "data/other"}


def test_who_went_past_the_waypoint_and_how():
    direct = {"dst_service": None, "dialled": "address"}
    made = report(
        to(1), back(7),
        flow(**direct), flow(**direct), flow(**direct | {"verdict": "denied"}),
        flow(dialled="service"),
        flow(src_name="old-0", src_namespace="legacy", src_identity=None, paired="inbound_only", outbound_line=None,
             outbound_file=None, dst_port=5432, **PLAIN),
        flow(**direct | {"path": None, "verdict": "failed"}),  # refused before it got on its way
        flow(**direct | {"hbone_port": 9090}),  # another port of the same pods
        flow(**direct | {"dst_name": "other-0"}),
        flow(src_name="db-6f4dc97cb-x2x9q", src_namespace="data", dst_name="web-0", dst_namespace="shop", dst_service=None),
    )  # fmt: skip
    assert made.findings == 4
    told = [(row.source, row.dialled, row.dialled_service, row.mtls, row.reached, row.refused) for row in made.past]
    assert told == [
        ("shop/web", "address", None, True, 2, 1),
        ("legacy/old", None, None, False, 1, 0),
        ("shop/web", "service", DB, True, 1, 0),
    ]
    assert {(row.target, row.port, row.services) for row in made.past} == {("data/db", 5432, (DB,))}
    (service,) = made.services
    assert (service.past_flows, service.past_bytes, service.past_plaintext) == (4, 4 * 9916, 1)


def test_what_stands_behind_a_service_is_known_from_other_lines_or_not_at_all():
    unknown = report(to(1), flow(dst_service=None))
    assert [(row.servers, row.past_flows) for row in unknown.services] == [((), None)]
    assert "what went past is not known" in render(unknown, "text")
    named = report(to(1), flow(dst_service=DB, dialled="address"), flow(dst_service=None, dialled="address"))
    assert [(row.servers, row.past_flows) for row in named.services] == [(("data/db:5432",), 2)]


def test_an_inventory_tells_the_pods_of_a_service_of_which_no_line_does():
    rows = [
        to(1),
        flow(dst_service=None),
        flow(dst_service=None, hbone_port=9090),
        flow(dst_service=None, dst_name="other-0"),
    ]
    cart = ServiceFact("data", "cart", CART, pods=("data/other-0",), ports=((80, 5432),))
    db = ServiceFact("data", "db", DB, pods=("data/db-6f4dc97cb-x2x9q", "elsewhere"), ports=((80, 5432), (81, 5433)))
    made = Flows(table(*rows)).report("waypoints", services=[cart, db])
    assert [(row.service, row.servers, row.past_flows) for row in made.services] == [(DB, ("data/db:5432",), 1)]
    for told in (db._replace(hostname=None), db._replace(ports=()), db._replace(pods=())):
        assert Flows(table(*rows)).report("waypoints", services=[told]).services[0].past_flows is None


def test_servers_without_a_name_are_not_taken_for_one():
    nameless = dict.fromkeys(("dst_name", "dst_pod", "dst_ip", "dst_namespace", "dst_service", "hbone_host"))
    assert report(to(1), back(7, **nameless), flow(**nameless)).findings == 0


def test_a_waypoint_of_a_workload_is_asked_for_its_address():
    asked = {"dst_service": None, "hbone_host": "10.0.2.1", "dialled": "address"}
    made = report(
        to(1, **asked),
        to(2, **asked | {"hbone_host": "10.0.9.9"}),
        back(7),
        flow(dst_service=None, dst_pod="data/db-0"),
    )
    assert {(row.service, row.servers) for row in made.services} == {
        ("data/db:5432", ("data/db:5432",)), ("10.0.9.9:5432", ("data/db:5432",)),
    }  # fmt: skip
    assert made.findings == 1
    web = {"hbone_host": "10.0.1.1", "hbone_port": 8080}
    behind = {"dst_name": "web-0", "dst_namespace": "shop", "dst_ip": "10.0.1.1", **web}
    rows = [
        to(1, **asked),
        to(2, **asked | web),
        back(7),
        back(8, **behind),
        flow(src_pod="shop/web-0", dst_pod="data/db-0"),
    ]
    made = report(*rows)
    assert {hop.target: hop.services for hop in made.hops} == {
        "data/db": ("data/db:5432",),
        "shop/web": ("shop/web:8080",),
    }
    moved = flow(dst_pod="data/other-0", dst_name="other-0")
    assert {row.service for row in report(*rows, moved).services} == {"10.0.2.1:5432", "shop/web:8080"}


def test_a_waypoint_is_known_by_its_address_where_no_name_is_logged():
    nameless = {"src_pod": None, "src_name": None, "src_namespace": None, "src_workload": None}
    made = report(
        to(1), back(7, **nameless), back(8, src_ip="fd00::7"), back(9, **nameless, unpaired_reason="partner_missing")
    )
    assert [(hop.waypoint, hop.measures.flows) for hop in made.hops] == [("shop/way", 3)]


def test_more_behind_a_waypoint_than_in_front_of_it_means_that_clients_are_missing():
    assert "clients whose lines are missing" in "".join(report(to(1), back(7, request_bytes=30_000)).notes())
    assert "clients whose lines are missing" not in "".join(report(to(1), back(7, request_bytes=3_000)).notes())


def test_servers_that_refuse_the_waypoint_see_its_identity():
    denied = {"verdict": "denied", "error_class": "policy_denied"}
    made = report(to(1), back(7, **denied), back(8, error_class="waypoint_closed", inbound_error="send: io error"))
    (hop,) = made.hops
    assert (hop.measures.denied, hop.measures.failed, hop.closed) == (1, 0, 1)
    assert [(row.denied, row.failed, row.closed) for row in made.waypoints] == [(1, 0, 1)]
    assert "1 connection of shop/way refused by policy" in "".join(made.notes())
    assert "spiffe://cluster.local/ns/shop/sa/way" in "".join(made.notes())


def test_across_networks_a_connection_is_one_and_no_hop():
    made = report(flow(path="double_hbone"))
    assert (made.services, made.hops, made.findings) == ((), (), 0)


def conserved(some):
    made = waypoints(some)
    clients = sum(row.measures.flows for row in made.clients)
    assert clients == sum(row.flows for row in made.services) == sum(row.flows for row in made.waypoints)
    for row in made.services:
        assert min(row.carried_on, row.alongside, row.unseen, row.refused) >= 0
        assert row.carried_on + row.alongside + row.unseen + row.refused == row.flows
    hops = sum(row.measures.flows for row in made.hops)
    assert hops == sum(row.server_flows for row in made.waypoints)
    past = sum(row.measures.flows for row in made.past)
    assert made.findings == past - sum(row.refused for row in made.past)
    assert clients + hops + past <= len(some)
    return clients, hops, past


@quick
@given(flows())
def test_each_connection_is_in_one_row(some):
    conserved(some)


# ---- captured: a real Envoy that adds headers and keeps server connections -------------------------------------------

RUN = "1.31.0-head-envoy-1.39"


@cache
def captured():
    return ztflow.read_flows(*logs(RUN), inventory=CAPTURED / RUN / "pods.txt")


def test_every_line_of_a_captured_waypoint_is_in_one_group():
    rows = [*captured().rows()]
    clients, hops, _ = conserved(captured())
    assert clients == sum(row["path"] == "waypoint" for row in rows) == 525
    assert hops == sum(row["src_workload"] == "way" for row in rows) == 175


def test_what_a_captured_envoy_changed_is_still_told_by_service():
    made = captured().report("waypoints")
    told = {
        row.service.partition(".")[0]: (row.flows, row.carried_on, row.alongside, row.unseen) for row in made.services
    }
    assert told == {"cart": (458, 0, 458, 0), "stock": (67, 67, 0, 0)}
    hops = {row.services: (row.target, row.measures.flows, row.closed) for row in made.hops}
    assert hops == {
        ("cart.shop.svc.cluster.local",): ("shop/cart", 108, 30),
        ("stock.shop.svc.cluster.local",): ("shop/cart", 67, 0),
    }
    assert [(row.closed, row.denied, row.failed) for row in made.waypoints] == [(30, 0, 0)]


def test_who_went_past_a_captured_waypoint_is_who_did():
    true = [
        row for row in true_rows(RUN)
        if row["dst_pod"].startswith("cart") and row["inbound"] != "-" and row["asked"].endswith(":8080")
    ]  # fmt: skip
    made = captured().report("waypoints")
    assert made.findings == len(true) == 270
    workloads = Counter(row["src_pod"].split("-")[0] for row in true)
    assert {row.source.split("/")[1]: row.reached for row in made.past} == workloads
    assert {(row.dialled, row.mtls) for row in made.past if row.source != "legacy/legacy"} == {("address", True)}
    assert [(row.dialled, row.mtls) for row in made.past if row.source == "legacy/legacy"] == [(None, False)]


def test_a_captured_storm_goes_through_its_waypoint():
    run = "1.29.5-storm"
    made = waypoints(ztflow.read_flows(*logs(run)))
    true = [row for row in true_rows(run) if row["next_hop_inbound"] != "-"]
    (service,) = made.services
    assert service.flows == len(true)
    assert service.carried_on > 0.99 * len(true)
    assert {hop.waypoint for hop in made.hops} == {"shop/way"}
