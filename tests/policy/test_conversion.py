"""AuthorizationPolicies become what istiod sends ztunnel, row by row of docs/reference/policy.md."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from policies_by_hand import CART, PROBER, WEB, authorization, converted, decided, plain, pods, verdict

from ztflow.errors import UsageError
from ztflow.policy import NoteKind, Release
from ztflow.policy.model import Action, Match, Scope, ServiceAccount, TextKind, TextMatch

FROM_WEB = '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]'
FROM_MONITORING = "[{from: [{source: {namespaces: [monitoring]}}]}]"


def one(*made, **mesh):
    found = converted(*made, **mesh)
    (policy,) = found.policies
    return policy


def kinds(*made, **mesh):
    return [(note.kind, note.rule) for note in converted(*made, **mesh).notes]


@pytest.mark.parametrize("target", [{"targetRef": {"name": "w"}}, {"targetRefs": [{"name": "w"}]}])
def test_a_target_is_not_sent(target):
    found = converted(authorization(FROM_WEB, **target))
    assert not found.policies
    assert [note.kind for note in found.notes] == [NoteKind.NOT_SENT]
    assert "waypoint" in found.notes[0].text


def test_scopes():
    assert one(authorization(FROM_WEB)).scope is Scope.NAMESPACE
    assert one(authorization(FROM_WEB, namespace="istio-system")).scope is Scope.GLOBAL
    assert one(authorization(FROM_WEB, namespace="root"), root_namespace="root").scope is Scope.GLOBAL
    selector = {"matchLabels": {"app": "db"}}
    assert one(authorization(FROM_WEB, selector=selector)).scope is Scope.WORKLOAD
    assert one(authorization(FROM_WEB, namespace="istio-system", selector=selector)).scope is Scope.WORKLOAD


@pytest.mark.parametrize(
    ("namespace", "labels", "wanted"),
    [
        ("data", {"app": "db", "version": "v1"}, "refused"),
        ("data", {"app": "web"}, "allowed"),
        ("other", {"app": "db"}, "allowed"),
        ("istio-system", {"app": "db"}, "refused"),
        ("istio-system", {"app": "web"}, "allowed"),
        ("data", None, "unknown"),
        ("istio-system", None, "unknown"),
        ("other", None, "allowed"),
    ],
)
def test_a_selector_is_attached_in_its_namespace_or_from_the_root_everywhere(namespace, labels, wanted):
    policy = converted(authorization(namespace=namespace, selector={"matchLabels": {"app": "db"}}))
    assert verdict(policy, pods(db_0=labels)) == wanted


def test_a_global_policy_holds_everywhere():
    policy = converted(authorization(FROM_WEB, namespace="istio-system"))
    assert verdict(policy, src_identity=CART) == "refused"
    assert verdict(policy, src_identity=WEB) == "allowed"


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}])
@pytest.mark.parametrize("namespace", ["data", "istio-system"])
def test_an_empty_selector_is_attached_to_nothing(selector, namespace):
    policy = converted(authorization(namespace=namespace, selector=selector))
    assert policy.policies[0].scope is Scope.WORKLOAD
    assert [note.kind for note in policy.notes] == [NoteKind.NOT_ATTACHED]
    assert verdict(policy, pods(db_0={"app": "db"})) == verdict(policy) == "allowed"


@pytest.mark.parametrize("action", ["AUDIT", "CUSTOM"])
def test_actions_ztunnel_does_not_know_are_not_sent(action):
    found = converted(authorization(FROM_WEB, action=action))
    assert not found.policies
    assert [note.kind for note in found.notes] == [NoteKind.NOT_SENT]


REQUESTS = [
    f"to: [{{operation: {{{name}: [x]}}}}]" for name in ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
] + [
    f"from: [{{source: {{{name}: [x]}}}}]"
    for name in ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")
] + [
    f'when: [{{key: "{key}", values: [x]}}]'
    for key in ("request.headers[x]", "source.serviceAccount", "source.trustDomain", "connection.sni", "remote.ip")
]  # fmt: skip


@pytest.mark.parametrize("part", REQUESTS)
def test_an_allow_rule_about_requests_is_dropped(part):
    made = authorization(f"[{{{part}}}, {FROM_WEB[1:-1]}]")
    policy = one(made)
    assert [rule.number for rule in policy.rules] == [1]
    assert kinds(made) == [(NoteKind.RULE_DROPPED, 0)]
    found = decided(converted(made))
    assert (found.outcome.value, found.policy, found.rule) == ("allowed", "data/p", 1)


@pytest.mark.parametrize("part", REQUESTS)
def test_an_allow_policy_of_which_no_rule_is_left_refuses_everything(part):
    made = authorization(f"[{{{part}}}]")
    assert one(made).rules == ()
    assert kinds(made) == [(NoteKind.RULE_DROPPED, 0), (NoteKind.RULE_DROPPED, None)]
    assert verdict(converted(made)) == "refused"


@pytest.mark.parametrize("part", REQUESTS)
def test_a_deny_clause_about_nothing_but_requests_is_empty_and_never_matches(part):
    made = authorization(f"[{{{part}}}]", action="DENY")
    (rule,) = one(made).rules
    assert rule.clauses == ((Match(),),)
    assert kinds(made) == [(NoteKind.DEAD, 0)]
    assert verdict(converted(made)) == "allowed"


def test_a_deny_of_a_namespace_and_a_method_has_no_effect_at_all():
    made = authorization(
        "[{from: [{source: {namespaces: [dev]}}], to: [{operation: {methods: [POST]}}]}]", action="DENY"
    )
    assert verdict(converted(made), src_identity="spiffe://cluster.local/ns/dev/sa/a") == "allowed"
    (note,) = converted(made).notes
    assert note.kind is NoteKind.DEAD
    assert "methods" in note.text
    assert "`to`" in note.text


def test_a_deny_with_requests_beside_connections_is_broader():
    made = authorization('[{to: [{operation: {methods: [POST], ports: ["5432"]}}]}]', action="DENY")
    assert kinds(made) == [(NoteKind.BROADER, 0)]
    assert verdict(converted(made)) == "refused"
    made = authorization("[{from: [{source: {namespaces: [shop], requestPrincipals: [x]}}]}]", action="DENY")
    assert kinds(made) == [(NoteKind.BROADER, 0)]
    assert verdict(converted(made)) == "refused"


def test_one_of_two_sources_about_requests_leaves_the_other():
    made = authorization(
        "[{from: [{source: {requestPrincipals: [x]}}, {source: {namespaces: [monitoring]}}]}]", action="DENY"
    )
    assert kinds(made) == [(NoteKind.IGNORED, 0)]
    assert verdict(converted(made), src_identity=PROBER) == "refused"
    assert verdict(converted(made), src_identity=WEB) == "allowed"


@pytest.mark.parametrize("field", ["trustDomains", "notTrustDomains"])
def test_trust_domains_alone_match_nobody(field):
    for action, wanted in (("ALLOW", "refused"), ("DENY", "allowed")):
        made = authorization(f"[{{from: [{{source: {{{field}: [cluster.local]}}}}]}}]", action=action)
        assert one(made).rules[0].clauses == ((Match(),),)
        assert NoteKind.DEAD in [kind for kind, _ in kinds(made)]
        assert verdict(converted(made)) == wanted


def test_trust_domains_beside_something_are_ignored():
    made = authorization('[{from: [{source: {trustDomains: [other], serviceAccounts: ["shop/web"]}}]}]')
    assert kinds(made) == [(NoteKind.WIDER, 0)]
    assert verdict(converted(made)) == "allowed"
    assert kinds({**made, "spec": {**made["spec"], "action": "DENY"}}) == [(NoteKind.BROADER, 0)]


def test_trust_domains_are_not_expanded():
    policy = converted(authorization(FROM_WEB))
    assert verdict(policy, src_identity="spiffe://mesh.example/ns/shop/sa/web") == "refused"


@pytest.mark.parametrize("text", ["0x50", "-1", "65536", "http", " 80", "8_0", "4294967296000"])
def test_a_port_that_is_none_is_dropped(text):
    made = authorization(f'[{{to: [{{operation: {{ports: ["{text}"]}}}}]}}]')
    assert one(made).rules[0].clauses == ((Match(),),)
    assert [kind for kind, _ in kinds(made)] == [NoteKind.IGNORED, NoteKind.DEAD]
    both = authorization(f'[{{to: [{{operation: {{ports: ["{text}", "5432"]}}}}]}}]')
    assert one(both).rules[0].clauses == ((Match(destination_ports=(5432,)),),)
    assert verdict(converted(both)) == "allowed"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/08", "a", "010.0.0.1", "fe80::1%eth0/64"])  # fmt: skip
def test_a_range_that_is_none_is_dropped(text):
    made = authorization(f'[{{from: [{{source: {{ipBlocks: ["{text}"]}}}}]}}]')
    assert one(made).rules[0].clauses == ((Match(),),)
    assert [kind for kind, _ in kinds(made)] == [NoteKind.IGNORED, NoteKind.DEAD]


def test_ranges():
    made = authorization(
        '[{from: [{source: {ipBlocks: ["10.0.1.9/24", "10.0.0.1", "fd00::/8"], notIpBlocks: ["10.0.1.2"]}}]}]'
    )
    match = one(made).rules[0].clauses[0][0]
    assert match.source_ips == tuple(map(ip_network, ("10.0.1.0/24", "10.0.0.1/32", "fd00::/8")))
    policy = converted(made)
    assert [verdict(policy, src_ip=ip) for ip in ("10.0.1.1", "10.0.1.2", "10.0.2.1")] == [
        "allowed",
        "refused",
        "refused",
    ]


def test_string_kinds():
    values = {
        "*": TextMatch(TextKind.PRESENCE),
        "*/sa/web": TextMatch(TextKind.SUFFIX, "/sa/web"),
        "cluster.local/ns/shop/*": TextMatch(TextKind.PREFIX, "cluster.local/ns/shop/"),
        "cluster.local/ns/shop/sa/web": TextMatch(TextKind.EXACT, "cluster.local/ns/shop/sa/web"),
        "cluster.local/*/web": TextMatch(TextKind.EXACT, "cluster.local/*/web"),
        "*a*": TextMatch(TextKind.SUFFIX, "a*"),
    }
    made = authorization(str([{"from": [{"source": {"principals": list(values)}}]}]))
    assert one(made).rules[0].clauses[0][0].principals == tuple(values.values())
    assert [str(TextMatch.parse(value)) for value in values] == list(values)


def test_service_accounts():
    made = authorization('[{from: [{source: {serviceAccounts: ["shop/web", db], notServiceAccounts: ["shop/*"]}}]}]')
    match = one(made).rules[0].clauses[0][0]
    assert match.service_accounts == (ServiceAccount("shop", "web"), ServiceAccount("data", "db"))
    assert match.not_service_accounts == (ServiceAccount("shop", "*"),)


@pytest.mark.parametrize("mesh", [{"istiod": Release(1, 24)}, {"istiod": Release(1, 27), "ztunnel": Release(1, 24, 6)}])
def test_service_accounts_are_lost_on_old_releases(mesh):
    allow = authorization('[{from: [{source: {serviceAccounts: ["shop/web"]}}]}]')
    deny = {**allow, "spec": {**allow["spec"], "action": "DENY"}}
    assert verdict(converted(allow)) == "allowed"
    assert verdict(converted(deny)) == "refused"
    assert verdict(converted(allow, **mesh)) == "refused"
    assert verdict(converted(deny, **mesh)) == "allowed"
    assert NoteKind.DEAD in [kind for kind, _ in kinds(allow, **mesh)]
    wider = authorization('[{from: [{source: {serviceAccounts: ["shop/cart"], namespaces: [shop]}}]}]')
    assert verdict(converted(wider)) == "refused"
    assert verdict(converted(wider, **mesh)) == "allowed"
    assert kinds(wider, **mesh) == [(NoteKind.WIDER, 0)]


DRY = {"istio.io/dry-run": "true"}


@pytest.mark.parametrize(
    ("mesh", "sent", "dry"),
    [
        ({"istiod": Release(1, 24)}, True, False),
        ({"istiod": Release(1, 25, 1)}, True, False),
        ({"istiod": Release(1, 25, 2)}, False, None),
        ({"istiod": Release(1, 28)}, False, None),
        ({"istiod": Release(1, 28), "sends_dry_run": True}, False, None),
        ({"istiod": Release(1, 29, 0)}, False, None),
        ({"istiod": Release(1, 31)}, False, None),
        ({"istiod": Release(1, 29, 0), "sends_dry_run": True}, True, True),
        ({"istiod": Release(1, 31), "sends_dry_run": True}, True, True),
        ({"istiod": Release(1, 31), "sends_dry_run": True, "ztunnel": Release(1, 28)}, True, False),
    ],
)
def test_dry_run_by_release(mesh, sent, dry):
    found = converted(authorization(FROM_MONITORING, action="DENY", **DRY), **mesh)
    assert bool(found.policies) is sent
    if sent:
        assert found.policies[0].dry_run is dry
    wanted = [] if dry else [NoteKind.ENFORCED if sent else NoteKind.NOT_SENT]
    assert [note.kind for note in found.notes] == wanted
    assert verdict(found, src_identity=PROBER) == ("refused" if sent and not dry else "allowed")


@pytest.mark.parametrize("text", ["false", "0", "yes", "maybe", ""])
def test_what_is_not_true_is_no_dry_run(text):
    assert one(authorization(FROM_WEB, **{"istio.io/dry-run": text})).dry_run is False


def test_no_spec_allows_nothing_and_no_deny_rules_deny_nothing():
    made = authorization()
    made["spec"] = None
    assert one(made) == one(authorization())
    assert (one(made).action, one(made).rules) == (Action.ALLOW, ())
    assert verdict(converted(made)) == verdict(converted(made), **plain()) == "refused"
    deny = authorization(action="DENY")
    assert verdict(converted(deny)) == "allowed"
    assert kinds(deny) == [(NoteKind.DEAD, None)]


def test_an_empty_rule_matches_everything():
    made = authorization("[{}]", action="DENY")
    assert one(made).rules[0].clauses == ()
    assert verdict(converted(made)) == verdict(converted(made), **plain()) == "refused"


@pytest.mark.parametrize("part", ["from: [{source: {}}]", "to: [{operation: {}}]", "from: [{}]", "to: [{}]"])
def test_an_empty_source_or_operation_never_matches(part):
    assert verdict(converted(authorization(f"[{{{part}}}]", action="DENY"))) == "allowed"
    assert verdict(converted(authorization(f"[{{{part}}}]"))) == "refused"


def test_operations_come_before_sources_and_then_each_condition():
    made = authorization(
        """[{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ["5432"]}}],
             when: [{key: destination.ip, values: ["10.0.2.0/24"]}, {key: source.principal, notValues: ["*"]}]}]"""
    )
    presence = TextMatch(TextKind.PRESENCE)
    assert one(made).rules[0].clauses == (
        (Match(destination_ports=(5432,)),),
        (Match(namespaces=(TextMatch(TextKind.EXACT, "shop"),)),),
        (Match(destination_ips=(ip_network("10.0.2.0/24"),)),),
        (Match(not_principals=(presence,)),),
    )


def test_conditions_on_connections():
    for key, good, bad in (
        ("source.ip", "10.0.1.0/24", "10.9.0.0/16"),
        ("source.namespace", "shop", "data"),
        ("source.principal", "cluster.local/ns/shop/sa/web", WEB),
        ("destination.ip", "10.0.2.1", "10.0.1.1"),
        ("destination.port", "5432", "15008"),
    ):
        for field, values in (("values", ("allowed", "refused")), ("notValues", ("refused", "allowed"))):
            for value, wanted in zip((good, bad), values, strict=True):
                made = authorization(str([{"when": [{"key": key, field: [value]}]}]))
                assert verdict(converted(made)) == wanted, (key, field, value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"principals": [WEB]}, "without spiffe://"),
        ({"principals": ["cluster.local/*/sa/web"]}, "ordinary character"),
        ({"principals": ["web"]}, "is no principal"),
        ({"namespaces": ["s*p"]}, "ordinary character"),
    ],
)
def test_values_that_nobody_has_make_a_rule_dead(source, said):
    made = authorization(str([{"from": [{"source": source}]}]), action="DENY")
    (note,) = converted(made).notes
    assert (note.kind, note.rule) == (NoteKind.DEAD, 0)
    assert said in note.text
    assert verdict(converted(made)) == "allowed"
    alive = authorization(str([{"from": [{"source": source}, {"source": {"namespaces": ["shop"]}}]}]), action="DENY")
    assert kinds(alive) == []


def test_the_later_of_two_documents_of_one_name_holds():
    found = converted(authorization(), authorization(FROM_WEB))
    assert len(found.policies) == 1
    assert verdict(found) == "allowed"


def test_a_document_without_a_namespace_is_taken_as_default_and_that_is_said():
    made = authorization(FROM_WEB)
    del made["metadata"]["namespace"]
    found = converted(made)
    assert found.policies[0].namespace == "default"
    assert [note.kind for note in found.notes] == [NoteKind.ASSUMED]


def test_other_objects_are_left_alone():
    made = authorization(FROM_WEB)
    assert converted({**made, "apiVersion": "policy.example/v1"}).policies == ()
    assert converted({**made, "kind": "RequestAuthentication"}).policies == ()


@pytest.mark.parametrize(
    ("rules", "spec", "said"),
    [
        ("[{from: [{source: {principal: [x]}}]}]", {}, "spec.rules[0].from[0].source has no field 'principal'; did you mean principals?"),
        ("[{form: []}]", {}, "did you mean from?"),
        ("[{to: [{operation: {ports: [80]}}]}]", {}, 'spec.rules[0].to[0].operation.ports[0] must be text: write "80"'),
        ("[{to: [{operation: {ports: '80'}}]}]", {}, "must be a list"),
        ("{from: []}", {}, "spec.rules must be a list"),
        ("[x]", {}, "spec.rules[0] must be an object"),
        ("[{when: [{values: [x]}]}]", {}, "spec.rules[0].when[0] needs a key"),
        ("", {"action": "REFUSE"}, "spec.action cannot be 'REFUSE'; it is one of ALLOW, DENY, AUDIT, CUSTOM"),
        ("", {"selector": {"labels": {}}}, "spec.selector has no field 'labels'"),
        ("", {"selector": {"matchLabels": {"a": 1}}}, "spec.selector.matchLabels.a must be text"),
        ("", {"rule": []}, "spec has no field 'rule'; did you mean rules?"),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses_is_an_error_that_says_where(rules, spec, said):
    with pytest.raises(UsageError) as caught:
        converted(authorization(rules, **spec))
    assert said in str(caught.value)
    assert "AuthorizationPolicy data/p" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_document_without_a_name_is_an_error():
    made = authorization()
    del made["metadata"]["name"]
    with pytest.raises(UsageError, match=r"without metadata\.name"):
        converted(made)
