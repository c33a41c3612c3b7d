"""What Envoy's codes, flags and details say became of a request."""

from __future__ import annotations

import pytest

from ztflow.model.request_outcomes import FLAGS, meaning, outcome, refusal

SERVER = "10.0.0.9:80"
RBAC = "rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]"


@pytest.mark.parametrize(
    ("code", "flags", "details", "upstream", "tcp", "became"),
    [
        (200, None, "via_upstream", SERVER, False, "answered"),
        (403, None, "via_upstream", SERVER, False, "answered"),  # the server's own
        (403, None, RBAC, None, False, "refused"),
        (403, None, "rbac_access_denied_matched_policy[none]", None, False, "refused"),
        (401, None, "jwt_authn_access_denied{Jwt_is_missing}", None, False, "refused"),
        (403, "UAEX", "ext_authz_denied", None, False, "refused"),
        (429, "RL", None, None, False, "refused"),
        (503, "UC", "upstream_reset_before_response_started{connection_termination}", SERVER, False, "failed"),
        (503, "UF,URX", "upstream_reset_before_response_started{connection_failure}", SERVER, False, "failed"),
        (503, "UH", "no_healthy_upstream", None, False, "failed"),
        (404, "NR", "route_not_found", None, False, "failed"),
        (200, "UC,DC", None, SERVER, False, "failed"),
        (200, "DC", "downstream_remote_disconnect", SERVER, False, "gave_up"),
        (0, "DC", "downstream_remote_disconnect", None, False, "gave_up"),
        (200, "DI", "via_upstream", SERVER, False, "answered"),
        (301, None, "direct_response", None, False, "own_answer"),
        (500, None, "internal_redirect", None, False, "failed"),
        (403, None, None, None, False, "untold"),  # a format without details and server
        (200, None, None, SERVER, False, "answered"),
        (0, None, None, SERVER, True, "answered"),
        (0, None, "rbac_access_denied_matched_policy[none]", SERVER, True, "refused"),
        (0, "UF", None, SERVER, True, "failed"),
        (0, None, None, None, True, "untold"),
        (503, "XY", "new", None, False, "failed"),  # a flag of a later Envoy
    ],
)
def test_what_became_of_a_request(code, flags, details, upstream, tcp, became):
    assert outcome(code, flags, details, upstream, tcp=tcp) == became


@pytest.mark.parametrize(
    ("flags", "details", "why"),
    [
        (None, RBAC, ("policy", "shop/no-admin", "its rule[0] matches")),
        (None, "rbac_access_denied_matched_policy[none]", ("policy", None, "no ALLOW policy admits it")),
        (
            None,
            "rbac_access_denied_matched_policy[other]",
            ("policy", None, "rbac_access_denied_matched_policy[other]"),
        ),
        (None, "jwt_authn_access_denied{Jwt_is_missing}", ("token", None, "Jwt_is_missing")),
        ("UAEX", "ext_authz_denied", ("external authorizer", None, None)),
        ("RL", "request_rate_limited", ("rate limit", None, None)),
        ("RL", None, ("rate limit", None, None)),
        ("IH", None, ("header", None, None)),
    ],
)
def test_why_it_was_refused(flags, details, why):
    assert refusal(flags, details) == why


def test_flags_are_told_in_words():
    assert meaning("UF,URX") == f"{FLAGS['UF']}, {FLAGS['URX']}"
    assert meaning("XY") == "flag XY"
    assert meaning(None) == ""
