"""Drafts as YAML: valid for Istio's own schema, readable back, and nothing of a log gets out of its place."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from flow_strategies import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from kinds_by_hand import CART, WEB, inventory, kind, plain, seen, waypoint

from ztflow.policy.advice import Asked, Wanted, advise, manifest
from ztflow.policy.advice.documents import Document, default_deny, strict
from ztflow.policy.advice.manifests import is_untouched
from ztflow.policy.releases import Release

CRDS = Path(__file__).parents[3] / "fixtures" / "crd"
CAPTURE = seen(kind(), kind(CART), kind(CART, port=9000), kind(WEB, CART, port=8080))


def schema(plural):
    document = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())
    return next(version for version in document["spec"]["versions"] if version["name"] == "v1")["schema"][
        "openAPIV3Schema"
    ]


def closed(node):
    """The schema with unknown fields refused, as `kubectl apply --validate=strict` does."""
    if isinstance(node, dict):
        made = {key: closed(value) for key, value in node.items()}
        return (
            made | {"additionalProperties": False}
            if "properties" in node and "additionalProperties" not in node
            else made
        )
    return [closed(value) for value in node] if isinstance(node, list) else node


def validate(content):
    plural = {"AuthorizationPolicy": "authorizationpolicies", "PeerAuthentication": "peerauthentications"}[
        content["kind"]
    ]
    whole = closed(schema(plural))
    whole["properties"] |= {name: {} for name in ("apiVersion", "kind", "metadata")}
    jsonschema.validate(content, whole, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(default_deny=True, strict=True),
        Wanted(service_accounts=True, release=Release(1, 25, 0)),
        Wanted(dry_run=True, release=Release(1, 29, 0)),
    ],
)
def test_drafts_are_valid_for_the_custom_resource_definitions(wanted):
    documents = advise(CAPTURE, inventory(), wanted).documents
    assert {document.content["kind"] for document in documents} >= {"AuthorizationPolicy"}
    for document in documents:
        validate(yaml.safe_load(manifest(document)))


@pytest.mark.parametrize(
    "wrong", [{"spec": {"rulez": []}}, {"spec": {"action": "PERMIT"}}, {"spec": {"rules": [{"to": [{}]}], "x": 1}}]
)
def test_the_schema_refuses_what_is_wrong(wrong):
    document = advise(CAPTURE, inventory()).documents[0].content
    with pytest.raises(jsonschema.ValidationError):
        validate(document | wrong)


def test_a_draft_to_the_letter():
    document = advise(
        seen(kind(), plain(CART)), inventory(), Wanted(asked=Asked(without=frozenset({"plaintext"})))
    ).documents[0]
    text = manifest(document)
    assert (
        re.sub("sha256:[0-9a-f]{64}", "sha256:…", text)
        == """\
# Draft by ztflow advise, never applied by it. sha256:…
# Seen from 2026-01-01T00:00:00.000000Z to 2026-01-02T00:00:00.000000Z (24 h 0 min).
# Allows to data/db what was seen: 10 connections, first 2026-01-01T00:00:00.000000Z, last 2026-01-02T00:00:00.000000Z, 100.0 % paired.
# Everything else to these pods is refused.
# It will refuse traffic that works today: 10 connections, first 2026-01-01T00:00:00.000000Z, last 2026-01-02T00:00:00.000000Z, 100.0 % paired.
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ztflow-db
  namespace: data
spec:
  selector:
    matchLabels:
      app: db
  action: ALLOW
  rules:
  # port 5432: 10 connections, first 2026-01-01T00:00:00.000000Z, last 2026-01-02T00:00:00.000000Z, 100.0 % paired
  - from:
    - source:
        principals:
        # 10 connections, first 2026-01-01T00:00:00.000000Z, last 2026-01-02T00:00:00.000000Z, 100.0 % paired
        - cluster.local/ns/shop/sa/web
    to:
    - operation:
        ports:
        - '5432'
"""
    )


def without_comments(text):
    return re.sub(r"(?m)^ *#.*\n", "", text)


def test_the_order_of_what_was_seen_does_not_show_and_a_later_capture_changes_comments_only():
    kinds = list(CAPTURE.kinds)
    texts = [
        [manifest(one) for one in advise(seen(*order, hours=hours), inventory()).documents]
        for order, hours in ((kinds, 24), (kinds[::-1], 24), (kinds, 48))
    ]
    assert texts[0] == texts[1] != texts[2]
    assert [*map(without_comments, texts[0])] == [*map(without_comments, texts[2])]


def test_service_accounts_only_where_every_ztunnel_knows_them():
    def clients(release):
        wanted = Wanted(service_accounts=True, release=release)
        return advise(CAPTURE, inventory(), wanted).documents[0].content["spec"]["rules"][0]["from"][0]["source"]

    principals = {"principals": ["cluster.local/ns/shop/sa/cart", "cluster.local/ns/shop/sa/web"]}
    assert clients(None) == clients(Release(1, 24)) == principals
    assert clients(Release(1, 25, 0)) == {"serviceAccounts": ["shop/cart", "shop/web"]}


@given(st.one_of(st.sampled_from(HOSTILE), st.text()), st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_no_text_gets_out_of_a_comment_or_a_value(text, label):
    remarks = {("spec", "list", 1): (text, label)}
    content = {"spec": {label: text, "list": [text, {"x": [label], text: {}}]}}
    written = manifest(Document("x.yaml", content, (text,), remarks))
    assert yaml.safe_load(written) == content
    assert is_untouched(written)
    assert without_comments(written).count("\n") == written.count("\n") - 4


def test_an_edit_is_seen():
    text = manifest(default_deny("shop"))
    assert is_untouched(text)
    assert not is_untouched(text.replace("spec: {}", "spec: {rules: [{}]}"))
    assert not is_untouched(text.partition("\n")[2])


def test_what_goes_further_is_kept_apart():
    assert [default_deny("shop").file, strict("shop").file] == ["default-deny/shop.yaml", "strict/shop.yaml"]
    assert default_deny("shop").content["spec"] == {}
    assert strict("shop").content["spec"] == {"mtls": {"mode": "STRICT"}}


class TestNetwork:
    WANTED = Wanted(asked=Asked(network=True))

    def test_the_tunnel_s_port_clients_by_label_and_the_probes(self):
        capture = seen(kind(), kind(CART, port=9000), plain(WEB, port=8080))
        spec = advise(capture, inventory(), self.WANTED).documents[0].content["spec"]
        web, cart = (
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "podSelector": {"matchLabels": {"app": name}},
            }
            for name in ("web", "cart")
        )
        assert spec == {
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [web], "ports": [{"protocol": "TCP", "port": 8080}]},
                {"from": [cart, web], "ports": [{"protocol": "TCP", "port": 15008}]},
                {
                    "from": [
                        {"ipBlock": {"cidr": "169.254.7.127/32"}},
                        {"ipBlock": {"cidr": "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128"}},
                    ]
                },
            ],
        }

    def test_it_lets_in_whom_the_authorization_policy_lets_in(self):
        capture = seen(*CAPTURE.kinds, waypoint())
        mesh = {
            (draft.workload.id, one.source.split("/")[2] + "/" + one.source.split("/")[4])
            for draft in advise(capture, inventory()).decided.drafts
            for one in draft.allowed
        }
        network = {
            (draft.workload.id, one.source)
            for draft in advise(capture, inventory(), self.WANTED).decided.drafts
            for one in draft.allowed
            if one.port == 15008
        }
        assert network - mesh == {("shop/way", "shop/web")}
        assert mesh <= network
