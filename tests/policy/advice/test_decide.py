"""Which connections get a rule, which none and why, and which destinations have to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from kinds_by_hand import CART, DB, WAY, WEB, identity, inventory, kind, plain, pod, seen, times, waypoint

from ztflow.place import NodeFact, ServiceFact
from ztflow.policy.advice.decide import decide
from ztflow.policy.advice.judge import PROBE_ADDRESSES, Asked, principal_of
from ztflow.policy.advice.reasons import BREAKABLE, EXPLANATIONS, WRITABLE, Reason
from ztflow.policy.advice.seen import End, Seen

PLAIN_ALLOWED = kind()
NOT_A_WORKLOAD = End("10.0.0.7", is_workload=False)
DEFAULT = identity(WEB, "default")


def reasons(decided):
    return {(one.source, one.reason) for one in decided.refused}


def allowed(decided):
    return {
        (draft.workload.id, one.port, one.source): one.seen.connections
        for draft in decided.drafts
        for one in draft.allowed
    }


def test_a_rule_is_the_client_and_the_port_that_were_seen_and_nothing_else():
    decided = decide(seen(kind(), kind(CART), kind(CART, port=9000), kind(WEB, CART, port=8080)), inventory())
    assert allowed(decided) == {
        ("data/db", 5432, "cluster.local/ns/shop/sa/cart"): 10,
        ("data/db", 5432, "cluster.local/ns/shop/sa/web"): 10,
        ("data/db", 9000, "cluster.local/ns/shop/sa/cart"): 10,
        ("shop/cart", 8080, "cluster.local/ns/shop/sa/web"): 10,
    }
    assert (decided.refused, decided.held_back) == ((), {})
    assert [(draft.workload.id, draft.selector) for draft in decided.drafts] == [
        ("data/db", {"app": "db"}), ("shop/cart", {"app": "cart"}),
    ]  # fmt: skip


ONE_REASON = [
    (kind(CART, verdict="denied", error_class="policy_denied"), Reason.DENIED),
    (plain(CART, verdict="denied", error_class="policy_denied"), Reason.DENIED),
    (kind(CART, verdict="denied", error_class="peer_denied", paired="outbound_only", unpaired_reason="connect_failed"), Reason.DENIED),
    (kind(CART, verdict="failed", error_class="tls_error"), Reason.NOT_DECIDED),
    (kind(CART, verdict="failed", error_class="network_policy", paired="outbound_only", unpaired_reason="connect_failed"), Reason.NOT_DECIDED),
    (kind(CART, verdict="failed", paired="outbound_only", unpaired_reason="early_denial"), Reason.NOT_DECIDED),
    (kind(CART, NOT_A_WORKLOAD, path="plaintext", paired="outbound_only"), Reason.OUTSIDE_MESH),
    (plain(CART, NOT_A_WORKLOAD), Reason.DESTINATION_UNKNOWN),
    (waypoint(), Reason.TO_WAYPOINT),
    (plain(CART), Reason.PLAINTEXT),
    (plain(NOT_A_WORKLOAD), Reason.PLAINTEXT),
    (plain(CART, paired="outbound_only"), Reason.PLAINTEXT),
    (plain(NOT_A_WORKLOAD, address=PROBE_ADDRESSES[0]), Reason.NODE_PROBE),
    (plain(NOT_A_WORKLOAD, address=PROBE_ADDRESSES[1]), Reason.NODE_PROBE),
    (kind(CART, identity=None), Reason.NO_IDENTITY),
    (kind(CART, identity="spiffe://cluster.local/ns/shop/sa/*"), Reason.NO_IDENTITY),
    (kind(CART, identity="spiffe://cluster.local/vm/7"), Reason.NO_IDENTITY),
    (kind(CART, host="db.data.svc.cluster.local", port=80, path="double_hbone"), Reason.SERVICE_PORT),
    (kind(CART, port=None), Reason.SERVICE_PORT),
    (kind(WAY, paired="inbound_only", unpaired_reason="waypoint_source"), Reason.WAYPOINT_SOURCE),
    (kind(CART, paired="inbound_only", unpaired_reason="source_not_captured"), Reason.SOURCE_NOT_CAPTURED),
    (kind(CART, identity=identity(CART, "default")), Reason.DEFAULT_ACCOUNT),
    (kind(CART, identity=identity(WEB)), Reason.SHARED_IDENTITY),
]  # fmt: skip


@pytest.mark.parametrize(("one", "reason"), ONE_REASON)
def test_every_reason(one, reason):
    decided = decide(seen(kind(), one), inventory())
    source = one.source.id if one.source.is_workload else one.address or one.source.id
    assert (source, reason) in reasons(decided)
    held = EXPLANATIONS[reason].holds and one.destination == DB
    assert (DB.id in {draft.workload.id for draft in decided.drafts}) is not held
    assert decided.allowed + sum(row.seen.connections for row in decided.refused) == 20


def test_the_reasons_of_whole_captures_and_workloads_are_tried_too():
    tried = {reason for _, reason in ONE_REASON}
    assert set(Reason) - tried == {
        Reason.ALSO_DENIED, Reason.TOLD_BY_DESTINATION, Reason.GATEWAY_SOURCE, Reason.SEEN_ONCE, Reason.SOURCE_UNKNOWN, Reason.SHORT_WINDOW,
        Reason.MANY_UNPAIRED, Reason.MANY_UNPLACED, Reason.NO_LABELS, Reason.SELECTOR_NOT_UNIQUE, Reason.BAD_NAME,
        Reason.WITHHELD,
    }  # fmt: skip


def test_one_connection_without_a_rule_holds_the_whole_draft_back_and_says_so():
    decided = decide(seen(kind(), plain(CART)), inventory())
    assert decided.drafts == ()
    assert decided.held_back == {"data/db": (Reason.PLAINTEXT,)}
    assert reasons(decided) == {("shop/cart", Reason.PLAINTEXT), ("shop/web", Reason.WITHHELD)}


def test_the_user_may_let_a_draft_refuse_what_it_cannot_name():
    decided = decide(seen(kind(), plain(CART)), inventory(), Asked(without=frozenset({Reason.PLAINTEXT})))
    assert allowed(decided) == {("data/db", 5432, "cluster.local/ns/shop/sa/web"): 10}
    assert decided.drafts[0].unprotected.connections == 10
    assert reasons(decided) == {("shop/cart", Reason.PLAINTEXT)}


@pytest.mark.parametrize("reason", WRITABLE)
def test_with_a_reason_its_rule_is_written(reason):
    once = seen(kind())
    once.kinds[kind(CART, port=7)] = times(1)
    lost = kind(CART, paired="outbound_only", unpaired_reason="partner_missing")
    captures = {
        Reason.ALSO_DENIED: seen(kind(), kind(verdict="denied", error_class="policy_denied")),
        Reason.WAYPOINT_SOURCE: seen(kind(WAY, paired="inbound_only", unpaired_reason="waypoint_source")),
        Reason.GATEWAY_SOURCE: seen(kind(CART)),
        Reason.SOURCE_NOT_CAPTURED: seen(kind(CART, paired="inbound_only", unpaired_reason="source_not_captured")),
        Reason.DEFAULT_ACCOUNT: seen(kind(identity=DEFAULT)),
        Reason.SHARED_IDENTITY: seen(kind(), kind(CART, identity=identity(WEB))),
        Reason.SEEN_ONCE: once,
        Reason.SHORT_WINDOW: seen(kind()),
        Reason.MANY_UNPAIRED: seen(kind(), lost),
        Reason.MANY_UNPLACED: seen(kind(), kind(CART, NOT_A_WORKLOAD)),
    }
    gateway = pod(CART, labels={"gateway.networking.k8s.io/gateway-name": "front"})
    pods = inventory(*([gateway] if reason is Reason.GATEWAY_SOURCE else [pod(CART)]), pod(WEB), pod(DB))
    asked = Asked(window=timedelta(days=7))
    if reason is not Reason.SHORT_WINDOW:
        asked = replace(asked, window=timedelta(hours=1))
    refused = decide(captures[reason], pods, asked)
    assert refused.drafts == ()
    assert reason in refused.held_back["data/db"]
    written = decide(captures[reason], pods, replace(asked, with_=frozenset({reason})))
    assert [draft.workload for draft in written.drafts] == [DB]
    assert "data/db" not in written.held_back


def test_what_with_and_without_take():
    assert Reason.PLAINTEXT not in WRITABLE
    assert {Reason.PLAINTEXT, Reason.NODE_PROBE, Reason.SERVICE_PORT, Reason.NO_IDENTITY, Reason.SEEN_ONCE} <= {
        *BREAKABLE
    }
    assert {Reason.DENIED, Reason.NO_LABELS, Reason.WITHHELD, Reason.SHORT_WINDOW}.isdisjoint(BREAKABLE)


def test_denied_traffic_never_holds_a_draft_back_nor_gets_a_rule():
    denied = kind(CART, verdict="denied", error_class="policy_denied")
    decided = decide(seen(kind(), denied), inventory())
    assert allowed(decided) == {("data/db", 5432, "cluster.local/ns/shop/sa/web"): 10}


def test_the_client_s_line_of_a_plaintext_connection_does_not_tell_whether_it_was_let_in():
    refused = plain(CART, verdict="denied", error_class="policy_denied")
    client = plain(CART, paired="outbound_only")
    decided = decide(seen(kind(), refused, client), inventory())
    assert [draft.workload for draft in decided.drafts] == [DB]
    assert reasons(decided) == {("shop/cart", Reason.DENIED), ("shop/cart", Reason.TOLD_BY_DESTINATION)}
    alone = seen(kind(), refused)
    alone.kinds[client] = times(11)
    assert decide(alone, inventory()).held_back == {"data/db": (Reason.PLAINTEXT,)}


def test_where_everything_is_refused_the_draft_lets_nobody_in():
    denied = kind(CART, verdict="denied", error_class="policy_denied")
    decided = decide(seen(denied, kind(WEB, CART)), inventory())
    assert {draft.workload: len(draft.allowed) for draft in decided.drafts} == {DB: 0, CART: 1}
    for other in (plain(), kind(verdict="denied", paired="outbound_only", unpaired_reason="connect_failed")):
        without = frozenset({Reason.PLAINTEXT})
        rows = [other] if other.verdict == "denied" else [denied, other]
        assert decide(seen(*rows), inventory(), Asked(without=without)).drafts == ()


def test_connections_the_application_refused_were_let_in():
    failed = kind(CART, port=9999, verdict="failed", error_class="refused")
    assert ("data/db", 9999, "cluster.local/ns/shop/sa/cart") in allowed(decide(seen(kind(), failed), inventory()))


def test_an_answer_from_the_other_side_is_evidence_without_its_line():
    half = kind(CART, paired="outbound_only", unpaired_reason="partner_missing")
    decided = decide(
        seen(*[kind(port=5432)], half, number=1), inventory(), Asked(with_=frozenset({Reason.MANY_UNPAIRED}))
    )
    assert ("data/db", 5432, "cluster.local/ns/shop/sa/cart") in allowed(decided)


def test_the_service_s_port_is_taken_to_the_application_s_where_an_inventory_tells():
    far = kind(CART, host="db.data.svc.cluster.local", port=80, path="double_hbone")
    known = inventory()
    known.services.append(ServiceFact("data", "db", "db.data.svc.cluster.local", ("10.96.0.9",), (), ((80, 5432),)))
    decided = decide(seen(far), known)
    assert allowed(decided) == {("data/db", 5432, "cluster.local/ns/shop/sa/cart"): 10}
    known.services.append(ServiceFact("data", "db", "db.data.svc.cluster.local", (), (), ((80, 5433),)))
    assert decide(seen(far), known).held_back == {"data/db": (Reason.SERVICE_PORT,)}


def test_a_node_s_own_address_is_told_from_an_unmeshed_client():
    known = inventory()
    known.nodes.append(NodeFact("node-a", ("172.18.0.2",)))
    decided = decide(seen(kind(), plain(NOT_A_WORKLOAD, address="172.18.0.2")), known)
    assert ("172.18.0.2", Reason.NODE_PROBE) in reasons(decided)


def test_a_waypoint_is_known_by_the_clients_sent_to_it():
    again = kind(WAY, DB, paired="inbound_only", unpaired_reason="source_not_captured")
    decided = decide(seen(kind(), waypoint(), again), inventory())
    assert ("shop/way", Reason.WAYPOINT_SOURCE) in reasons(decided)
    assert decided.held_back["data/db"] == (Reason.WAYPOINT_SOURCE,)


@pytest.mark.parametrize(
    "again", [kind(WAY, identity=identity(WEB)), kind(NOT_A_WORKLOAD, identity=identity(WAY), source_named=False)]
)
def test_its_name_or_its_identity_is_enough(again):
    decided = decide(seen(kind(CART), waypoint(), again), inventory())
    assert (again.source.id, Reason.WAYPOINT_SOURCE) in reasons(decided)


def test_one_account_of_several_workloads_is_known_from_the_inventory_too():
    shared = [pod(WEB, service_account="web"), pod(CART, service_account="web"), pod(DB)]
    assert decide(seen(kind()), inventory(*shared)).held_back == {"data/db": (Reason.SHARED_IDENTITY,)}
    versions = [
        pod(WEB, owner=f"web-{version}", labels={"version": version}, service_account="web") for version in ("v1", "v2")
    ]
    assert decide(seen(kind()), inventory(*versions, pod(DB))).held_back == {}


def test_a_port_counts_over_all_clients():
    two = Seen(kinds={kind(): times(1), kind(CART): times(1)})
    assert decide(two, inventory()).held_back == {}


@pytest.mark.parametrize("pods", [None, inventory(pod(WEB)), inventory(pod(DB)._replace(labels=None))])
def test_without_labels_no_selector_is_written_and_none_guessed(pods):
    decided = decide(seen(kind()), pods)
    assert (decided.drafts, decided.held_back) == ((), {"data/db": (Reason.NO_LABELS,)})
    assert reasons(decided) == {("shop/web", Reason.NO_LABELS)}


def test_a_selector_that_takes_in_others_is_none():
    twin = pod(End("data/cache", is_workload=True), labels={"app": "db"})
    assert decide(seen(kind()), inventory(pod(DB), twin)).held_back == {"data/db": (Reason.SELECTOR_NOT_UNIQUE,)}


@pytest.mark.parametrize(
    "name", ["data/d b", "data/db\n- x", "data/" + "x" * 200, "da.ta/db", "Data/db", "data/../../x"]
)
def test_a_name_kubernetes_does_not_give_is_never_written(name):
    odd = End(name, is_workload=True)
    assert Reason.BAD_NAME in decide(seen(kind(WEB, odd)), inventory()).held_back[name]


def test_a_capture_with_lost_halves_advises_nothing_for_that_destination():
    lost = kind(CART, paired="inbound_only", unpaired_reason="partner_missing")
    both = decide(seen(kind(), lost, kind(WEB, CART)), inventory())
    assert both.held_back == {"data/db": (Reason.MANY_UNPAIRED,)}
    assert [draft.workload for draft in both.drafts] == [CART]
    few = seen(kind(), number=100)
    few.kinds[lost] = times(5)
    assert decide(few, inventory()).held_back == {}


def test_only_the_namespaces_asked_for_and_the_rest_counted():
    decided = decide(seen(kind(), kind(WEB, CART)), inventory(), Asked(namespaces=frozenset({"data"})))
    assert [draft.workload for draft in decided.drafts] == [DB]
    assert (decided.refused, decided.elsewhere.connections) == ((), 10)


def test_the_window_is_that_of_the_lines():
    assert decide(seen(kind(), hours=23), inventory(), Asked(window=timedelta(days=1))).held_back
    assert not decide(seen(kind(), hours=24), inventory(), Asked(window=timedelta(days=1))).held_back
    assert decide(Seen(kinds={kind(): times(9)}), inventory(), Asked(window=timedelta(1))).held_back


@pytest.mark.parametrize(
    ("logged", "principal"),
    [
        ("spiffe://cluster.local/ns/shop/sa/web", "cluster.local/ns/shop/sa/web"),
        ("spiffe://td-1.example.org/ns/shop/sa/a.b", "td-1.example.org/ns/shop/sa/a.b"),
        ("cluster.local/ns/shop/sa/web", None),
        ("spiffe://cluster.local/ns/shop/sa/*", None),
        ("spiffe://*/ns/shop/sa/web", None),
        ("spiffe://cluster.local/ns/shop/sa/web\n", None),
        ("spiffe://spiffe://cluster.local/ns/shop/sa/web", None),
        (None, None),
    ],
)
def test_principals_are_what_ztunnel_compares(logged, principal):
    assert principal_of(logged) == principal


class TestNetwork:
    ASKED = Asked(network=True)

    def test_all_ports_of_the_mesh_are_the_tunnel_s_and_clients_are_workloads(self):
        decided = decide(seen(kind(), kind(CART, port=9000), plain(WEB, port=8080)), inventory(), self.ASKED)
        assert allowed(decided) == {
            ("data/db", 8080, "shop/web"): 10, ("data/db", 15008, "shop/cart"): 10, ("data/db", 15008, "shop/web"): 10,
        }  # fmt: skip

    def test_identities_do_not_matter(self):
        decided = decide(seen(kind(identity=DEFAULT), waypoint()), inventory(), self.ASKED)
        assert {draft.workload for draft in decided.drafts} == {DB, WAY}

    @pytest.mark.parametrize("one", [plain(NOT_A_WORKLOAD), kind(End("far/away", is_workload=True))])
    def test_who_cannot_be_selected_holds_the_draft_back(self, one):
        assert decide(seen(kind(), one), inventory(), self.ASKED).held_back == {"data/db": (Reason.SOURCE_UNKNOWN,)}
