"""What a new capture adds to policies that are there, and what of them it no longer needs."""

from __future__ import annotations

import pytest
import yaml
from kinds_by_hand import CART, WEB, inventory, kind, pod, seen

from ztflow.errors import UsageError
from ztflow.policy import PolicySet, convert
from ztflow.policy.advice import Asked, Wanted, advise, manifest

FIRST = seen(kind(), kind(CART), kind(WEB, CART, port=8080))


def policy(rules, *, namespace="data", selector="{matchLabels: {app: db}}", **spec):
    return {
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": namespace},
        "spec": {"selector": yaml.safe_load(selector), "rules": rules} | spec,
    }  # fmt: skip


def rule(field="principals", clients=("cluster.local/ns/shop/sa/web",), ports=("5432",)):
    made = {"from": [{"source": {field: list(clients)}}]}
    return made | ({"to": [{"operation": {"ports": list(ports)}}]} if ports else {})


def changes(capture, *documents, **wanted):
    advice = advise(capture, inventory(), Wanted(earlier=convert(documents), **wanted))
    assert advice.changes is not None
    return advice


def test_the_same_capture_changes_nothing():
    written = [yaml.safe_load(manifest(one)) for one in advise(FIRST, inventory()).documents]
    again = changes(FIRST, *written)
    assert (again.changes.added, again.changes.unneeded, again.changes.unseen) == ((), (), ())
    assert again.documents == ()


def test_what_is_new_and_what_is_not_needed_any_more():
    written = [yaml.safe_load(manifest(one)) for one in advise(FIRST, inventory()).documents]
    later = changes(seen(kind(), kind(port=9000)), *written)
    assert [(one.workload, one.source, one.port) for one in later.changes.added] == [
        ("data/db", "cluster.local/ns/shop/sa/web", 9000)
    ]
    assert [(one.policy, one.named, one.port) for one in later.changes.unneeded] == [
        ("data/ztflow-db", "cluster.local/ns/shop/sa/cart", 5432)
    ]
    assert later.changes.unseen == ("shop/ztflow-cart",)
    assert [one.file for one in later.documents] == ["data.db.yaml"]


def test_a_draft_that_only_takes_away_is_written_too():
    written = [yaml.safe_load(manifest(one)) for one in advise(seen(kind(), kind(CART)), inventory()).documents]
    less = changes(seen(kind()), *written)
    assert (less.changes.added, [one.file for one in less.documents]) == ((), ["data.db.yaml"])


@pytest.mark.parametrize(
    "allowing",
    [
        rule(), rule(ports=()), {}, rule(clients=["*"]), rule(clients=["cluster.local/ns/shop/*"]),
        rule(clients=["*/sa/web"]), rule("namespaces", ["shop"]), rule("serviceAccounts", ["shop/web"]),
    ],
)  # fmt: skip
def test_rules_of_any_form_that_allow_it(allowing):
    assert changes(seen(kind()), policy([allowing])).changes.added == ()


@pytest.mark.parametrize(
    "other",
    [
        rule(ports=["5433"]), rule(clients=["spiffe://cluster.local/ns/shop/sa/web"]), rule(clients=["a*b"]),
        rule("namespaces", ["data"]), rule("serviceAccounts", ["web"]),
    ],
)  # fmt: skip
def test_rules_that_do_not(other):
    found = changes(seen(kind()), policy([other])).changes
    assert [one.port for one in found.added] == [5432]
    assert len(found.unneeded) == 1


@pytest.mark.parametrize("selector", ["null", "{matchLabels: {app: db}}"])
def test_where_a_policy_is_attached(selector):
    assert changes(seen(kind()), policy([rule()], selector=selector)).changes.added == ()


@pytest.mark.parametrize(
    "where", [{"namespace": "shop"}, {"selector": "{matchLabels: {app: web}}"}, {"selector": "{}"}]
)
def test_where_it_is_not(where):
    found = changes(seen(kind()), policy([rule()], **where)).changes
    assert len(found.added) == 1
    assert len(found.unseen) == 1


def test_rules_that_ask_for_more_are_told():
    asking = rule() | {"when": [{"key": "source.ip", "values": ["10.0.0.0/8"]}]}
    found = changes(seen(kind()), policy([rule(), asking, rule("ipBlocks", ["10.0.0.0/8"])])).changes
    assert found.not_compared == ("data/p rules[1]", "data/p rules[2]")


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [policy([rule()], action="DENY")],
        [policy([rule()], targetRefs=[{"kind": "Service", "name": "db", "group": ""}])],
    ],
)
def test_policies_of_which_none_allows_are_refused(documents):
    with pytest.raises(UsageError, match="no policy there that allows"):
        changes(seen(kind()), *documents)


def test_a_dry_run_policy_allows_nothing_yet():
    dry = policy([rule()])
    dry["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    assert convert([dry]).policies == PolicySet().policies


def test_versions_of_a_workload_count_as_one():
    pods = [pod(CART, owner=f"cart-{version}", labels={"version": version}) for version in ("v1", "v2")]
    capture = seen(*[kind(WEB, CART._replace(id=f"shop/cart-{version}"), port=1) for version in ("v1", "v2")])
    advice = advise(capture, inventory(*pods, pod(WEB)), Wanted(asked=Asked()))
    assert [one.file for one in advice.documents] == ["shop.cart.yaml"]
    assert advice.decided.drafts[0].selector == {"app": "cart"}
    assert [one.seen.connections for one in advice.decided.drafts[0].allowed] == [20]
