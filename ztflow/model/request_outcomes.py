"""What Envoy's response code, flags and details say became of a request, and why a waypoint refused it.

Sources: Envoy's documentation, "Access logging" (`%RESPONSE_FLAGS%`) and "Response code details"; Istio names its
policies in `rbac_access_denied_matched_policy[ns[…]-policy[…]-rule[…]]` (envoyproxy/envoy
source/extensions/filters/http/rbac, istio/istio pilot/pkg/security/authz/builder).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ztflow.model.vocabulary import RequestOutcome
from ztflow.text.patterns import lazy_pattern

FLAGS: Final = {
    "DC": "the client broke off",
    "DF": "the server's name could not be resolved",
    "DI": "delayed on purpose, by fault injection",
    "DO": "the waypoint dropped it, being overloaded",
    "DPE": "the client broke the protocol",
    "DR": "the client reset the request",
    "DT": "it, or its connection, lasted longer than allowed",
    "FI": "answered with an error on purpose, by fault injection",
    "IH": "refused for an invalid header",
    "LH": "the waypoint's own health check failed",
    "LR": "the waypoint reset the connection",
    "NC": "the server's cluster is not known to the waypoint",
    "NFCF": "a filter has no configuration",
    "NR": "no route for it, or no filter chain for the connection",
    "OM": "the waypoint was short of resources",
    "RFCF": "answered from the waypoint's cache",
    "RL": "over the rate limit",
    "RLSE": "the rate limit service failed",
    "SI": "nothing came for too long",
    "UAEX": "refused by the external authorizer",
    "UC": "the server ended the connection",
    "UDO": "the connection was dropped for lack of resources",
    "UF": "no connection to the server",
    "UH": "no healthy server",
    "UMSDR": "it lasted longer than allowed",
    "UO": "the server's circuit breaker is open",
    "UPE": "the server broke the protocol",
    "UR": "the server reset the request",
    "URX": "all retries or attempts to connect were used up",
    "UT": "the server did not answer in time",
}
"""Flag → what it means."""

_GAVE_UP = frozenset({"DC", "DR", "DPE"})
_REFUSING_FLAGS = frozenset({"IH", "RL", "UAEX"})
_HARMLESS = frozenset({"DI", "RFCF"})

_REFUSING_DETAILS: Final = {
    "rbac_access_denied": "policy",
    "jwt_authn_access_denied": "token",
    "ext_authz": "external authorizer",
    "local_rate_limited": "rate limit",
    "request_rate_limited": "rate limit",
}
"""How details begin → what refused it."""

_POLICY = lazy_pattern(r"rbac_access_denied_matched_policy\[ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[(\d{1,9})\]\]")
_WITHIN = lazy_pattern(r"[^{]*\{([^}]*)\}")
_NO_POLICY = "rbac_access_denied_matched_policy[none]"
_SERVER_ERROR = 500


class Refusal(NamedTuple):
    """Why a waypoint refused a request.

    Attributes:
        by: What refused it: `policy`, `token`, `external authorizer`, `rate limit`, `header`.
        policy: The policy, `namespace/name`, where one is named.
        why: The rest of what is known, as a phrase.
    """

    by: str
    policy: str | None
    why: str | None


def outcome(
    code: int | None, flags: str | None, details: str | None, upstream: str | None, *, tcp: bool
) -> RequestOutcome:
    """What became of a request, or of a connection of plain TCP.

    Args:
        code: The response code; 0 or None for none.
        flags: Response flags, with commas between; None for none.
        details: Response code details, or how the connection was ended; None where they are not told.
        upstream: The server's address; None for no server, or where it is not told.
        tcp: Whether it is a connection of plain TCP.
    """
    told = {flag for flag in (flags or "").split(",") if flag} - _HARMLESS
    if told & _REFUSING_FLAGS or (details or "").startswith(tuple(_REFUSING_DETAILS)):
        return RequestOutcome.REFUSED
    if told:
        return RequestOutcome.GAVE_UP if told <= _GAVE_UP else RequestOutcome.FAILED
    if details == "via_upstream" or (upstream is not None and (tcp or details is None)):
        return RequestOutcome.ANSWERED
    if details is None:
        return RequestOutcome.UNTOLD
    return RequestOutcome.FAILED if tcp or not code or code >= _SERVER_ERROR else RequestOutcome.OWN_ANSWER


def refusal(flags: str | None, details: str | None) -> Refusal:
    """Why a request whose outcome is `refused` was."""
    details = details or ""
    match = _POLICY.fullmatch(details)
    if match is not None:
        return Refusal("policy", f"{match[1]}/{match[2]}", f"its rule[{match[3]}] matches")
    if details == _NO_POLICY:
        return Refusal("policy", None, "no ALLOW policy admits it")
    by = next((by for beginning, by in _REFUSING_DETAILS.items() if details.startswith(beginning)), None)
    if by is not None:
        inside = _WITHIN.match(details)
        return Refusal(by, None, inside[1] if inside is not None else None if by != "policy" else details)
    told = (flags or "").split(",")
    by = "rate limit" if "RL" in told else "external authorizer" if "UAEX" in told else "header"
    return Refusal(by, None, details or None)


def meaning(flags: str | None) -> str:
    """What flags mean, as a phrase."""
    return ", ".join(FLAGS.get(flag, f"flag {flag}") for flag in flags.split(",")) if flags else ""
