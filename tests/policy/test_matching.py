"""Matching in three values: ztunnel's own answer where all is known, and never another one where something is hidden."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.policy.matching import Seen, match_holds, policy_holds
from ztflow.policy.model import (
    FIELDS,
    Action,
    Match,
    Policy,
    Rule,
    Scope,
    ServiceAccount,
    TextKind,
    TextMatch,
)

IDENTITIES = ["spiffe://cluster.local/ns/shop/sa/web", "spiffe://td/ns/shop/sa/web", "spiffe://td/ns/data/sa/db"]
ADDRESSES = ["10.0.0.1", "10.0.1.1", "fd00::1"]


@st.composite
def text_matches(draw):
    kind = draw(st.sampled_from(TextKind))
    if kind is TextKind.PRESENCE:
        return TextMatch(kind)
    whole = draw(st.sampled_from([*(one.removeprefix("spiffe://") for one in IDENTITIES), "shop", "data", ""]))
    cut = draw(st.integers(0, len(whole)))
    return TextMatch(kind, {TextKind.PREFIX: whole[:cut], TextKind.SUFFIX: whole[cut:]}.get(kind, whole))


networks = st.sampled_from(list(map(ip_network, ("10.0.0.0/24", "10.0.1.1/32", "0.0.0.0/0", "fd00::/8"))))
accounts = st.builds(ServiceAccount, st.sampled_from(["shop", "data"]), st.sampled_from(["web", "db"]))
values = {
    "principals": text_matches(), "namespaces": text_matches(), "service_accounts": accounts, "source_ips": networks,
    "destination_ips": networks, "destination_ports": st.sampled_from([80, 5432]),
}  # fmt: skip


@st.composite
def matches(draw):
    names = draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True))
    return Match(
        **{name: tuple(draw(st.lists(values[name.removeprefix("not_")], min_size=1, max_size=2))) for name in names}
    )


policies = st.builds(
    lambda clauses: Policy(
        "n", "p", Scope.NAMESPACE, Action.ALLOW, tuple(Rule(rule, number) for number, rule in enumerate(clauses))
    ),
    st.lists(st.lists(st.lists(matches(), max_size=2).map(tuple), max_size=3).map(tuple), max_size=3),
)
connections = st.builds(
    lambda identity, source, destination, port: Seen(
        identity is not None, identity, ip_address(source), ip_address(destination), port
    ),
    st.sampled_from([None, *IDENTITIES]),
    st.sampled_from(ADDRESSES),
    st.sampled_from(ADDRESSES),
    st.sampled_from([80, 5432, 8080]),
)


def plainly(policy, seen):
    """ztunnel's algorithm in two values, written as its description reads."""
    principal = (seen.identity or "").removeprefix("spiffe://")
    namespace, account = (principal.split("/")[2], principal.split("/")[4]) if principal else ("", None)

    def text(one, value):
        match one.kind:
            case TextKind.EXACT:
                return value == one.text
            case TextKind.PREFIX:
                return value.startswith(one.text)
            case TextKind.SUFFIX:
                return value.endswith(one.text)
            case TextKind.PRESENCE:
                return value != ""

    tests = {
        "principals": lambda one: seen.identity is not None and text(one, principal),
        "namespaces": lambda one: text(one, namespace),
        "service_accounts": lambda one: (one.namespace, one.name) == (namespace, account),
        "source_ips": lambda one: seen.source in one,
        "destination_ips": lambda one: seen.destination in one,
        "destination_ports": lambda one: seen.port == one,
    }

    def holds(match):
        if match == Match():
            return False
        for name, test in tests.items():
            wanted, unwanted = getattr(match, name), getattr(match, f"not_{name}")
            if wanted and not any(map(test, wanted)):
                return False
            if any(map(test, unwanted)):
                return False
        return True

    for rule in policy.rules:
        if all(not clause or any(map(holds, clause)) for clause in rule.clauses):
            return True, rule.number
    return False, None


@settings(max_examples=300, deadline=None)
@given(policies, connections)
def test_what_is_known_is_judged_as_ztunnel_does(policy, seen):
    assert policy_holds(policy, seen) == plainly(policy, seen)


@settings(max_examples=300, deadline=None)
@given(policies, connections, st.sets(st.sampled_from(["identity", "mtls", "source", "destination", "port"])))
def test_hiding_a_fact_makes_an_answer_unknown_or_leaves_it(policy, seen, hidden):
    if "mtls" in hidden:
        hidden = {*hidden, "identity"}
    if seen.mtls is False and "mtls" not in hidden:
        hidden = hidden - {"identity"}
    veiled = replace(seen, missing=set(), **dict.fromkeys(hidden))
    found, _ = policy_holds(policy, veiled)
    assert found in {None, policy_holds(policy, seen)[0]}
    if found is None:
        assert veiled.missing


def test_an_identity_nobody_knows_is_present():
    seen = Seen(True, None, None, None, None)
    presence = TextMatch(TextKind.PRESENCE)
    assert match_holds(Match(principals=(presence,)), seen) is True
    assert match_holds(Match(not_principals=(presence,)), seen) is False
    assert match_holds(Match(principals=(TextMatch(TextKind.EXACT, "a"),)), seen) is None


def test_without_an_identity_positives_fail_and_negatives_pass():
    seen = Seen(False, None, ip_address("10.0.0.1"), ip_address("10.0.0.2"), 80)
    web, shop = TextMatch(TextKind.EXACT, "cluster.local/ns/shop/sa/web"), TextMatch(TextKind.EXACT, "shop")
    account = ServiceAccount("shop", "web")
    for name, value in (("principals", web), ("namespaces", shop), ("service_accounts", account)):
        assert match_holds(Match(**{name: (value,)}), seen) is False
        assert match_holds(Match(**{f"not_{name}": (value,)}), seen) is True


def test_every_kind_of_condition_is_tested():
    assert {name for name in FIELDS if not name.startswith("not_")} == set(values)
