"""What a refusal by policy means: the user's own policy, a PeerAuthentication, or nobody allowed it."""

from __future__ import annotations

import pytest

from ztflow.model.denials import denial_of, strict_of
from ztflow.model.error_classes import classify_error, policy_of

REJECTED = "connection closed due to policy rejection"


def meaning(text):
    return denial_of(classify_error(text), text, policy_of(text))


@pytest.mark.parametrize(
    ("text", "summary", "said"),
    [
        (f"{REJECTED}: explicitly denied by: istio-system/istio_converted_static_strict",
         "plaintext refused by STRICT", "not a policy of yours: a PeerAuthentication of mode STRICT refused a client"),
        (f"{REJECTED}: explicitly denied by: shop/converted_peer_authentication_by-port",
         "plaintext refused by STRICT", "the PeerAuthentication shop/by-port, STRICT on this port"),
        (f"{REJECTED}: explicitly denied by: secure/no-prober", "explicitly denied", "DENY policy secure/no-prober"),
        (f"{REJECTED}: allow policies exist, but none allowed", "no ALLOW policy matched", "there is no name"),
        (REJECTED, "refused by a policy", "before 1.24 does not say"),
        ("http status: 401 Unauthorized", "refused with 401 by the other side", "applied an authorization policy"),
        ("connection closed due to policy change", "running connection cut by a policy change", "added or changed"),
    ],
)  # fmt: skip
def test_each_kind_of_refusal_has_its_own_meaning(text, summary, said):
    found = meaning(text)
    assert found is not None
    assert found.summary == summary
    assert said in found.cause


def test_a_text_of_no_class_means_nothing():
    assert denial_of(None, None) is None
    assert denial_of("a word of a later release", "?") is None


@pytest.mark.parametrize("policy", [None, "", "shop/only-web", "shop/istio_converted", "istio_converted_static_strict"])
def test_a_users_own_policy_is_not_taken_for_a_converted_one(policy):
    assert strict_of(policy) is None
