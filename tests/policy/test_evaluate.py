"""Verdicts on connections: ztunnel's order, what the destination sees, and what is unknown."""

from __future__ import annotations

import pytest
from flow_strategies import flows as any_flows
from flow_strategies import quick
from flows_by_hand import flow, table
from hypothesis import given
from policies_by_hand import CART, PROBER, WEB, authorization, converted, decided, peer, plain, pods, verdict

from ztflow.aggregate import View
from ztflow.model.tables import Flows
from ztflow.place.inventory.facts import Inventory, PodFact
from ztflow.policy import Missing, Policy, PolicySet, Why, Workload, Workloads, evaluate
from ztflow.policy.model import Action, ByKey, Match, Rule, Scope, TextKind, TextMatch
from ztflow.policy.observed import let_in, refused_by_policy

ALLOW_WEB = '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]'
DENY_SHOP = "[{from: [{source: {namespaces: [shop]}}]}]"


def test_deny_goes_before_allow_and_is_named():
    both = converted(authorization(ALLOW_WEB, name="in"), authorization(DENY_SHOP, name="out", action="DENY"))
    found = decided(both)
    assert (found.outcome.value, found.policy, found.rule, found.why) == ("refused", "data/out", 0, Why.DENY_RULE)
    assert found.allows == ("data/in",)


def test_an_allow_that_misses_refuses_without_a_name():
    found = decided(converted(authorization(ALLOW_WEB), authorization(name="q")), src_identity=CART)
    assert (found.outcome.value, found.policy, found.rule, found.why) == ("refused", None, None, Why.NO_RULE)
    assert found.allows == ("data/p", "data/q")


def test_any_allow_is_enough_and_none_is_too():
    found = decided(converted(authorization(name="a"), authorization(ALLOW_WEB, name="b")))
    assert (found.outcome.value, found.policy, found.rule) == ("allowed", "data/b", 0)
    found = decided(converted(authorization(DENY_SHOP, action="DENY")), src_identity=PROBER)
    assert (found.outcome.value, found.policy, found.why) == ("allowed", None, Why.NO_ALLOW_POLICY)
    assert decided(PolicySet()).outcome == "allowed"


def test_of_several_denies_the_first_by_name_is_given_and_all_are_listed():
    found = decided(converted(*(authorization(DENY_SHOP, name=name, action="DENY") for name in ("z", "a", "m"))))
    assert found.policy == "data/a"
    assert found.denies == ("data/a", "data/m", "data/z")


def test_policies_of_other_namespaces_are_not_asked():
    assert verdict(converted(authorization(namespace="other"))) == "allowed"


def test_the_namespace_is_that_of_the_identity_not_of_the_workload():
    policy = converted(authorization(DENY_SHOP, action="DENY"))
    assert verdict(policy, src_identity="spiffe://cluster.local/ns/other/sa/web", src_namespace="shop") == "allowed"
    assert verdict(policy, src_identity=WEB, src_namespace="other") == "refused"


def test_the_port_is_the_applications():
    service = converted(authorization('[{to: [{operation: {ports: ["80"]}}]}]'))
    target = converted(authorization('[{to: [{operation: {ports: ["8080"]}}]}]'))
    values = {"hbone_port": 8080, "dst_port": 15008, "dst_service": "db.data.svc.cluster.local"}
    assert verdict(service, **values) == "refused"
    assert verdict(target, **values) == "allowed"
    assert verdict(target, **plain(dst_port=8080)) == "allowed"


def test_through_a_gateway_port_and_address_are_not_known():
    values = {"path": "double_hbone", "hbone_host": "db.data.svc.cluster.local", "hbone_port": 80}
    port = converted(authorization('[{to: [{operation: {ports: ["80"]}}]}]'))
    address = converted(authorization('[{from: [{source: {ipBlocks: ["10.0.1.0/24"]}}]}]'))
    assert decided(port, **values).why is Missing.PORT
    assert decided(address, **values).why is Missing.ADDRESS
    assert verdict(converted(authorization(ALLOW_WEB)), **values) == "allowed"
    alone = {**values, "paired": "outbound_only", "dst_name": "gw", "dst_pod": None}
    assert decided(converted(authorization(ALLOW_WEB)), **alone, src_identity=CART).why is Missing.DESTINATION
    assert verdict(PolicySet(), **alone) == "allowed"


def test_a_hop_to_a_waypoint_is_not_asked_and_the_hop_behind_it_has_its_identity():
    policy = converted(authorization(ALLOW_WEB), authorization(ALLOW_WEB, namespace="shop"))
    hop = {"path": "waypoint", "paired": "outbound_only", "unpaired_reason": "waypoint_hop", "dst_name": "way-0",
           "dst_namespace": "shop", "dst_pod": None, "hbone_host": "10.96.0.7", "hbone_port": 80}  # fmt: skip
    found = decided(policy, **hop, src_identity=CART)
    assert (found.outcome.value, found.why) == ("allowed", Why.NO_ZTUNNEL)
    behind = {"src_identity": "spiffe://cluster.local/ns/shop/sa/way", "src_name": "way-0"}
    assert decided(policy, **behind).why is Why.NO_RULE


def test_out_of_the_mesh_no_ztunnel_decides():
    values = plain(paired="outbound_only", outbound_line=1, inbound_line=None, dst_name=None, dst_namespace=None,
                   dst_pod=None, dst_ip="203.0.113.9")  # fmt: skip
    assert decided(converted(authorization(namespace="istio-system")), **values).why is Why.NO_ZTUNNEL


def test_a_plaintext_line_of_a_client_to_a_captured_pod_is_judged_and_shows_nothing():
    outbound = flow(dst_name="db-0", **plain(paired="outbound_only", outbound_line=3, inbound_line=None))
    inbound = flow(dst_name="db-0", dst_pod="data/db-0", **plain(verdict="denied", error_class="policy_denied"))
    flows = Flows(table(outbound, inbound))
    found = evaluate(converted(peer("STRICT")), flows)
    assert [found.decisions[code].outcome.value for code in found.codes] == ["refused", "refused"]
    view = View(flows.to_arrow())
    assert let_in(view).tolist() == [False, False]
    assert refused_by_policy(view).tolist() == [False, True]


def test_what_was_refused_before_it_got_on_its_way_is_not_decided():
    found = decided(converted(authorization()), path=None, verdict="failed", paired="outbound_only", mtls=None)
    assert (found.outcome.value, found.why) == ("unknown", Why.NOT_ASKED)


def test_negations_admit_plaintext_and_a_star_does_not():
    for source in (
        {"notPrincipals": ["x/ns/a/sa/b"]},
        {"notNamespaces": ["monitoring"]},
        {"notIpBlocks": ["10.9.0.0/16"]},
    ):
        assert verdict(converted(authorization(str([{"from": [{"source": source}]}]))), **plain()) == "allowed"
    star = {"principals": ["*"], "notNamespaces": ["monitoring"]}
    policy = converted(authorization(str([{"from": [{"source": star}]}])))
    assert verdict(policy, **plain()) == "refused"
    assert verdict(policy) == "allowed"


def test_any_principal_rule_refuses_a_client_without_identity():
    assert verdict(converted(authorization(ALLOW_WEB)), **plain()) == "refused"
    assert (
        verdict(converted(authorization('[{from: [{source: {serviceAccounts: ["shop/web"]}}]}]')), **plain())
        == "refused"
    )


def test_an_identity_that_was_not_logged_is_unknown():
    assert decided(converted(authorization(ALLOW_WEB)), src_identity=None).why is Missing.IDENTITY
    assert verdict(converted(authorization()), src_identity=None) == "refused"


def test_a_destination_nobody_names():
    values = {"dst_pod": None, "dst_name": None, "dst_namespace": None}
    policy = converted(authorization(ALLOW_WEB))
    assert decided(policy, **values, src_identity=CART).why is Missing.DESTINATION
    found = decided(policy, **values)
    assert (found.outcome.value, found.policy, found.why) == ("allowed", None, Why.EITHER_WAY)
    assert verdict(policy, **values, dst_identity="spiffe://cluster.local/ns/data/sa/db") == "allowed"
    assert verdict(converted(authorization(namespace="istio-system")), **values) == "refused"


def test_the_peer_had_another_address_where_the_tunnel_is_of_the_other_family():
    policy = converted(authorization('[{from: [{source: {ipBlocks: ["10.0.0.0/8"]}}]}]'))
    assert verdict(policy) == "allowed"
    assert decided(policy, dst_ip="fd00::1", hbone_host="fd00::1").why is Missing.ADDRESS


BY_APP = {"selector": {"matchLabels": {"app": "db"}}}


@pytest.mark.parametrize(
    ("made", "values", "wanted"),
    [
        ([authorization(ALLOW_WEB, **BY_APP)], {}, "allowed"),
        ([authorization(ALLOW_WEB, **BY_APP)], {"src_identity": CART}, "unknown"),
        ([authorization(DENY_SHOP, action="DENY", **BY_APP)], {"src_identity": PROBER}, "allowed"),
        ([authorization(DENY_SHOP, action="DENY", **BY_APP)], {}, "unknown"),
        ([authorization(DENY_SHOP, action="DENY", **BY_APP), authorization(name="none")], {}, "refused"),
        ([authorization(ALLOW_WEB, **BY_APP), authorization(name="none")], {}, "unknown"),
        ([authorization(ALLOW_WEB, **BY_APP), authorization(name="none")], {"src_identity": CART}, "refused"),
        ([authorization(ALLOW_WEB, **BY_APP), authorization(ALLOW_WEB, name="all")], {}, "allowed"),
        (
            [authorization(ALLOW_WEB, **BY_APP), authorization(name="v2", selector={"matchLabels": {"app": "other"}})],
            {},
            "unknown",
        ),
    ],
)
def test_unknown_labels_count_only_where_they_decide(made, values, wanted):
    found = decided(converted(*made), **values)
    assert found.outcome == wanted
    assert (found.why is Missing.LABELS) is (wanted == "unknown")
    either = {verdict(converted(*made), pods(db_0=labels), **values) for labels in ({"app": "db"}, {"app": "other"})}
    assert either == ({wanted} if wanted != "unknown" else {"allowed", "refused"})


def test_pods_of_one_replica_set_share_their_labels():
    known = pods(
        db_5d9f_aaaaa={"app": "db", "pod-template-hash": "5d9f"}, other_x={"app": "db", "pod-template-hash": "77"}
    )
    policy = converted(authorization(ALLOW_WEB, **BY_APP))
    assert verdict(policy, known, dst_pod="data/db-5d9f-bbbbb", src_identity=CART) == "refused"
    assert verdict(policy, known, dst_pod="data/db-6e0a-bbbbb", src_identity=CART) == "unknown"
    assert verdict(policy, known, dst_pod="data/other-y", src_identity=CART) == "unknown"


def test_labels_that_contradict_each_other_are_unknown():
    facts = [PodFact("data", "db-0", labels=(("app", app),)) for app in ("db", "web")]
    known = Workloads(Inventory(pods=facts))
    assert verdict(converted(authorization(**BY_APP)), known) == "unknown"


def selected(key="data/p", **values):
    rule = Rule(((Match(principals=(TextMatch(TextKind.EXACT, "cluster.local/ns/shop/sa/web"),)),),), 0)
    namespace, name = key.split("/")
    return Policy(namespace, name, Scope.WORKLOAD, Action.ALLOW, (rule,), attachment=ByKey(), **values)


def test_a_dump_says_itself_what_is_attached():
    policies = PolicySet((selected(),), (), {"data/db-0": frozenset({"data/p"}), "data/web-0": frozenset()})
    assert verdict(policies, src_identity=CART) == "refused"
    assert verdict(policies, src_identity=CART, dst_pod="data/web-0", dst_name="web-0") == "allowed"
    assert verdict(policies, src_identity=CART, dst_pod="data/new-0", dst_name="new-0") == "unknown"
    inventory = Inventory(pods=[PodFact("data", "db-0", policies=("data/p",))])
    assert verdict(PolicySet((selected(),)), Workloads(inventory), src_identity=CART) == "refused"
    assert Workloads(inventory).find("data/db-0", None) == Workload("data", "db-0", None, frozenset({"data/p"}))


def test_a_policy_istiod_makes_for_a_waypoint_is_one_of_a_dump():
    name = "istio_allow_waypoint_shop_way"
    rule = Rule(((Match(principals=(TextMatch(TextKind.EXACT, "cluster.local/ns/shop/sa/way"),)),),), 0)
    made = Policy("data", name, Scope.WORKLOAD, Action.ALLOW, (rule,), attachment=ByKey())
    none = converted(authorization(name="none")).policies
    policies = PolicySet((*none, made), (), {"data/db-0": frozenset({f"data/{name}"})})
    assert verdict(policies, src_identity="spiffe://cluster.local/ns/shop/sa/way") == "allowed"
    assert verdict(policies) == "refused"


def test_a_key_that_no_policy_has_is_as_if_it_were_not_there():
    policies = PolicySet((), (), {"data/db-0": frozenset({"data/gone"})})
    assert verdict(policies) == "allowed"


def test_dry_run_policies_decide_nothing_and_tell_what_they_would():
    dry = {"istio.io/dry-run": "true"}
    deny = authorization(DENY_SHOP, name="deny", action="DENY", **dry)
    allow = authorization(ALLOW_WEB, name="allow", **dry)
    found = decided(converted(deny, allow, sends_dry_run=True))
    assert (found.outcome.value, found.dry_denies, found.dry_refused) == ("allowed", ("data/deny",), True)
    assert found.if_enforced == "refused"
    found = decided(converted(deny, allow, sends_dry_run=True), src_identity=PROBER)
    assert (found.outcome.value, found.dry_denies, found.dry_allows) == ("allowed", (), ("data/allow",))
    assert (found.dry_refused, found.if_enforced) == (True, "refused")
    found = decided(converted(allow, sends_dry_run=True))
    assert (found.outcome.value, found.dry_refused, found.if_enforced) == ("allowed", False, "allowed")


def test_a_real_deny_comes_before_the_dry_run_allows():
    dry = authorization(ALLOW_WEB, name="allow", **{"istio.io/dry-run": "true"})
    real = authorization(DENY_SHOP, name="deny", action="DENY")
    found = decided(converted(dry, real, sends_dry_run=True), src_identity=CART)
    assert (found.outcome.value, found.dry_refused) == ("refused", False)


def test_the_table_is_aligned_with_the_flows():
    rows = [flow(number, src_identity=one) for number, one in enumerate((WEB, CART, WEB, None))]
    flows = Flows(table(*rows, flow(9, path=None)))
    made = evaluate(converted(authorization(ALLOW_WEB)), flows).table()
    assert made.column_names == ["verdict", "policy", "rule", "reason"]
    assert made["verdict"].to_pylist() == ["allowed", "refused", "allowed", "unknown", "unknown"]
    assert made["policy"].to_pylist() == ["data/p", None, "data/p", None, None]
    assert made["rule"].to_pylist() == [0, None, 0, None, None]
    assert made["reason"].to_pylist()[3:] == [Missing.IDENTITY, Why.NOT_ASKED]
    assert evaluate(PolicySet(), Flows()).table().num_rows == 0


def test_addresses_and_ports_make_kinds_only_where_policies_tell_them_apart():
    rows = [flow(n, src_ip=f"10.0.1.{n}", hbone_port=5000 + n, hbone_host=f"10.0.2.{n}") for n in range(20)]
    flows = Flows(table(*rows))
    for rule, kinds in (
        (ALLOW_WEB, 1),
        ('[{to: [{operation: {ports: ["5001"]}}]}]', 2),
        ('[{from: [{source: {ipBlocks: ["10.0.1.0/28"]}}]}]', 2),
        ('[{when: [{key: destination.ip, values: ["10.0.2.0/28"]}]}]', 2),
        ('[{from: [{source: {ipBlocks: ["10.0.1.0/28"]}}], to: [{operation: {notPorts: ["5001"]}}]}]', 3),
    ):
        assert len(evaluate(converted(authorization(rule)), flows).decisions) == kinds


EVERYTHING = converted(
    authorization(ALLOW_WEB, **BY_APP),
    authorization('[{from: [{source: {ipBlocks: ["10.0.0.0/9"], notIpBlocks: ["10.0.1.0/31"]}}]}]', name="q"),
    authorization(
        '[{to: [{operation: {ports: ["443", "5432"]}}], when: [{key: destination.ip, notValues: ["10.0.0.0/16"]}]}]',
        name="r", namespace="shop", action="DENY",
    ),
    authorization(DENY_SHOP, name="s", namespace="istio-system", action="DENY", **BY_APP),
    peer("STRICT"),
)  # fmt: skip


@quick
@given(any_flows())
def test_rows_together_are_decided_as_each_alone(some):
    together = evaluate(EVERYTHING, some)
    rows = some.to_arrow()
    for number, code in enumerate(together.codes.tolist()):
        alone = evaluate(EVERYTHING, Flows(rows.slice(number, 1)))
        if Why.NO_ZTUNNEL not in {alone.decisions[0].why, together.decisions[code].why}:  # that lies in other rows
            assert together.decisions[code] == alone.decisions[0]


@pytest.mark.parametrize(
    ("values", "refused", "came_in"),
    [
        ({}, False, True),
        ({"verdict": "failed", "error_class": "refused"}, False, True),
        ({"verdict": "denied", "error_class": "policy_denied"}, True, False),
        ({"paired": "outbound_only"}, False, True),
        ({"paired": "outbound_only", "verdict": "denied", "error_class": "peer_denied"}, True, False),
        ({"paired": "outbound_only", "verdict": "failed", "error_class": "timeout"}, False, False),
        ({"paired": "outbound_only", "path": "waypoint"}, False, False),
        ({"path": None, "verdict": "failed"}, False, False),
        ({"verdict": "unknown"}, False, False),
    ],
)
def test_what_the_log_says_of_it(values, refused, came_in):
    view = View(table(flow(**values)))
    assert refused_by_policy(view).tolist() == [refused]
    assert let_in(view).tolist() == [came_in]
