"""Check: what changes with which evidence, what of the policies does nothing, and what cannot be said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from flow_strategies import flows, quick
from flows_by_hand import END, flow, table
from hypothesis import given
from policies_by_hand import CART, PROBER, authorization, converted, peer, plain, pods

from ztflow.model.tables import Flows
from ztflow.place.inventory.facts import Inventory, ServiceFact
from ztflow.policy import PolicySet, Release, Workloads
from ztflow.policy.dead import dead_and_doubtful
from ztflow.policy.model import NoteKind
from ztflow.reports import RENDERERS, check, render

ALLOW_WEB = '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]'
DENY_MONITORING = "[{from: [{source: {namespaces: [monitoring]}}]}]"
BOTH = converted(authorization(ALLOW_WEB), authorization(DENY_MONITORING, name="q", action="DENY"))


def some(*rows):
    return Flows(table(*rows))


def to_db(seconds=0.0, **values):
    return flow(seconds, dst_name="db-0", dst_pod="data/db-0", **values)


DENIED = {"verdict": "denied", "error_class": "policy_denied"}


def test_newly_refused_by_pair_with_counts_and_evidence():
    made = check(
        some(
            to_db(0, src_identity=PROBER, src_namespace="monitoring", src_name="prober-0", inbound_line=7),
            to_db(9, src_identity=PROBER, src_namespace="monitoring", src_name="prober-0", inbound_line=8),
            to_db(1, src_identity=CART, src_name="cart-0"),
            to_db(2),
        ),
        BOTH,
    )
    assert (made.flows, made.allowed, made.refused, made.unknown) == (4, 1, 3, 0)
    assert (made.newly_refused, made.newly_allowed, made.findings) == (3, 0, 3)
    first, second = made.changed
    assert (first.verdict, first.policy, first.rule, first.flows) == ("refused", "data/q", 0, 2)
    assert (first.src, first.dst, first.port, first.src_identity) == ("monitoring/prober", "data/db", 5432, PROBER)
    assert first.sample == "b.log:8"
    assert first.last_seen == END + timedelta(seconds=9)
    assert (second.policy, second.rule, second.allow_policies, second.src) == (None, None, ("data/p",), "shop/cart")


def test_newly_allowed_names_what_the_log_named():
    rows = [to_db(n, **DENIED, policy=policy) for n, policy in enumerate(("data/old", "data/old", None))]
    made = check(some(*rows), converted(authorization(ALLOW_WEB)))
    assert (made.newly_refused, made.newly_allowed) == (0, 3)
    assert [(row.verdict, row.policy, row.rule, row.log_policy, row.flows) for row in made.changed] == [
        ("allowed", "data/p", 0, "data/old", 2),
        ("allowed", "data/p", 0, None, 1),
    ]


def test_what_is_refused_and_would_be_is_no_change():
    made = check(some(to_db(src_identity=CART, **DENIED)), BOTH)
    assert (made.refused, made.refused_in_log, made.changed, made.findings) == (1, 1, (), 0)


def test_what_never_reached_the_server_is_no_change():
    rows = [
        to_db(paired="outbound_only", verdict="failed", error_class="timeout", src_identity=CART),
        to_db(path=None, verdict="failed", error_class="no_endpoint", mtls=None),
    ]
    made = check(some(*rows), BOTH)
    assert (made.refused, made.unknown, made.changed) == (1, 1, ())


def test_a_failure_behind_the_policy_was_let_in():
    made = check(some(to_db(src_identity=CART, verdict="failed", error_class="refused")), BOTH)
    assert made.newly_refused == 1


def test_the_unknown_ones_say_why():
    policy = converted(authorization(ALLOW_WEB, selector={"matchLabels": {"app": "db"}}))
    made = check(some(to_db(src_identity=CART), to_db(1, src_identity=CART)), policy)
    (row,) = made.undecided
    assert (row.flows, row.dst) == (2, "data/db")
    assert "labels" in row.reason
    assert any("--inventory" in note for note in made.notes())
    known = check(some(to_db(src_identity=CART)), policy, pods(db_0={"app": "db"}))
    assert (known.unknown, known.newly_refused) == (0, 1)


def made_at(moment, **spec):
    policy = authorization(ALLOW_WEB, **spec)
    policy["metadata"]["creationTimestamp"] = moment.isoformat()
    return converted(policy)


@pytest.mark.parametrize(("selector", "older"), [({"selector": {"matchLabels": {"app": "db"}}}, 1), ({}, 0)])
def test_connections_older_than_the_policy_live_on_only_past_one_with_a_selector(selector, older):
    middle = END - timedelta(seconds=5)
    rows = [
        to_db(src_identity=CART, start=END - timedelta(seconds=60)),
        to_db(src_identity=CART, start=END - timedelta(seconds=1)),
        to_db(-30, src_identity=CART, start=END - timedelta(seconds=40)),
    ]
    made = check(some(*rows), made_at(middle, **selector), pods(db_0={"app": "db"}))
    assert [row.older for row in made.changed] == [older]
    assert [(row.policy, row.flows, row.created, row.longest) for row in made.older] == (
        [("data/p", 1, middle, timedelta(seconds=5))] if older else []
    )
    assert any("lives on" in note for note in made.notes()) is bool(older)


def test_without_a_time_nothing_is_said_of_older_connections():
    made = check(some(to_db(src_identity=CART)), BOTH)
    assert [row.older for row in made.changed] == [None]


def test_every_rule_says_what_it_decides():
    policies = converted(
        authorization(ALLOW_WEB[:-1] + ", {from: [{source: {namespaces: [nobody]}}]}]"),
        authorization(DENY_MONITORING, name="q", action="DENY"),
        authorization(name="none", namespace="other"),
    )
    made = check(some(to_db(), to_db(1), to_db(2, src_identity=CART), to_db(3, src_identity=PROBER)), policies)
    assert [(row.policy, row.rule, row.action, row.flows, row.missed) for row in made.rules] == [
        ("data/q", 0, "DENY", 1, 0),
        ("data/p", 0, "ALLOW", 2, 1),
        ("data/p", 1, "ALLOW", 0, 1),
        ("other/none", None, "ALLOW", 0, 0),
    ]


def test_dead_rules_are_findings_and_what_waypoints_enforce_is_not():
    post = "[{to: [{operation: {methods: [POST]}}]}]"
    dead = check(some(to_db()), converted(authorization(post, action="DENY")))
    assert [(row.policy, row.rule, row.kind) for row in dead.dead] == [("data/p", 0, "never fires")]
    assert dead.findings == 1
    waypoint = check(some(to_db()), converted(authorization(ALLOW_WEB, targetRefs=[{"name": "w"}])))
    assert [row.kind for row in waypoint.dead] == ["not sent"]
    assert waypoint.findings == 0


def kinds(policies, workloads):
    return [(note.kind, note.rule) for note in dead_and_doubtful(policies, workloads)]


def test_policies_attached_to_nothing():
    known = pods(db_0={"app": "db"}, shop__web_0={"app": "web"})
    for made, wanted in (
        (authorization(ALLOW_WEB), []),
        (authorization(ALLOW_WEB, namespace="gone"), [(NoteKind.NOT_ATTACHED, None)]),
        (authorization(ALLOW_WEB, namespace="istio-system"), []),
        (authorization(ALLOW_WEB, selector={"matchLabels": {"app": "db"}}), []),
        (authorization(ALLOW_WEB, selector={"matchLabels": {"app": "web"}}), [(NoteKind.NOT_ATTACHED, None)]),
        (authorization(ALLOW_WEB, selector={}), [(NoteKind.NOT_ATTACHED, None)]),
        (authorization(ALLOW_WEB, namespace="istio-system", selector={"matchLabels": {"app": "web"}}), []),
        (peer("STRICT", namespace="gone"), [(NoteKind.NOT_ATTACHED, None)]),
    ):
        assert kinds(converted(made), known) == wanted, made
    unknown = pods(db_0=None)
    assert kinds(converted(authorization(ALLOW_WEB, selector={"matchLabels": {"app": "db"}})), unknown) == []
    assert kinds(converted(authorization(ALLOW_WEB, namespace="gone")), pods()) == []


@pytest.mark.parametrize(
    ("source", "doubtful"),
    [
        ({"notPrincipals": ["a/ns/b/sa/c"]}, True),
        ({"notNamespaces": ["monitoring"]}, True),
        ({"notServiceAccounts": ["shop/web"]}, True),
        ({"notNamespaces": ["monitoring"], "principals": ["*"]}, False),
        ({"namespaces": ["shop"]}, False),
        ({"ipBlocks": ["10.0.0.0/8"]}, False),
    ],
)
def test_an_allow_of_negations_is_remarked_on(source, doubtful):
    policy = converted(authorization(str([{"from": [{"source": source}]}])))
    made = check(some(to_db()), policy)
    assert [row.kind for row in made.remarks] == (["admits plaintext"] if doubtful else [])
    deny = converted(authorization(str([{"from": [{"source": source}]}]), action="DENY"))
    assert check(some(), deny).remarks == ()


def test_a_rule_on_a_services_port_is_remarked_on():
    inventory = Inventory(services=[ServiceFact("data", "db", ports=((80, 8080), (8081, 8081), (443, 8443)))])
    rule = '[{to: [{operation: {ports: ["80", "8080", "8081", "9"]}}]}]'
    found = dead_and_doubtful(converted(authorization(rule)), Workloads(inventory))
    assert [(note.kind, note.rule) for note in found] == [(NoteKind.SERVICE_PORT, 0)]
    assert "80 is a port of services in data; ztunnel sees the application's, 8080" in found[0].text
    elsewhere = converted(authorization(rule, namespace="other"))
    assert dead_and_doubtful(elsewhere, Workloads(inventory)) == []


def test_a_trust_domain_nobody_has_is_remarked_on():
    rows = [to_db(src_trust_domain="mesh.example", src_identity="spiffe://mesh.example/ns/shop/sa/web")]
    made = check(some(*rows), converted(authorization(ALLOW_WEB)))
    assert [row.kind for row in made.remarks] == ["trust domain not seen"]
    assert "mesh.example" in made.remarks[0].reason
    assert check(some(to_db(src_trust_domain="cluster.local")), converted(authorization(ALLOW_WEB))).remarks == ()
    assert check(some(to_db()), converted(authorization(ALLOW_WEB))).remarks == ()


def test_a_waypoint_that_would_be_refused_is_pointed_out():
    way = {"src_identity": "spiffe://cluster.local/ns/shop/sa/way", "src_name": "way-0"}
    hop = flow(path="waypoint", paired="outbound_only", dst_name="way-0", dst_namespace="shop", dst_pod=None)
    made = check(some(hop, to_db(1, **way)), BOTH)
    assert (made.outside, made.newly_refused) == (1, 1)
    assert [row.src_is_waypoint for row in made.changed] == [True]
    assert any("waypoint's identity" in note for note in made.notes())


def test_plaintext_is_counted_with_the_identity_it_has_not():
    made = check(some(to_db(**plain())), converted(peer("STRICT")))
    (row,) = made.changed
    assert (row.policy, row.src_identity) == ("istio-system/istio_converted_static_strict", None)


def test_json_has_the_counts_at_the_top_and_every_row():
    made = check(some(*(to_db(n, src_identity=CART, hbone_port=n) for n in range(50))), BOTH, release=Release(1, 29))
    values = json.loads(render(made, "json"))
    assert {name: values[name] for name in ("flows", "allowed", "refused", "unknown", "release")} == {
        "flows": 50, "allowed": 0, "refused": 50, "unknown": 0, "release": "1.29",
    }  # fmt: skip
    assert len(values["changed"]) == 50
    assert {"verdict", "policy", "rule", "src", "dst", "port", "flows"} <= values["changed"][0].keys()
    assert any("1.29" in note for note in values["notes"])


@pytest.mark.parametrize("form", RENDERERS)
def test_nothing_is_a_report_too_and_hostile_text_stays_text(form):
    assert render(check(Flows(), PolicySet()), form)
    hostile = to_db(src_name="<script>\x1b[31m|x", src_identity="spiffe://a/ns/\x1b]0;x\x07/sa/b")
    text = render(check(some(hostile), BOTH), form)
    assert "\x1b" not in text
    assert "<script>" not in text or form in {"text", "json"}


@quick
@given(flows())
def test_the_counts_add_up_for_any_flows(found):
    policies = converted(
        authorization(ALLOW_WEB, selector={"matchLabels": {"app": "db"}}), peer("STRICT", namespace="istio-system")
    )
    made = check(found, policies)
    assert made.allowed + made.refused + made.unknown == made.flows == len(found)
    assert sum(row.flows for row in made.changed) == made.newly_refused + made.newly_allowed
    assert sum(row.flows for row in made.undecided) == made.unknown
    assert made == check(found, policies)
    if made.basis.first_seen is not None:
        assert made.basis.first_seen <= datetime.max.replace(tzinfo=UTC)
