"""What an `error=` text means: its class, its verdict, the policy it names, the likely cause and what to try.

One table per question, so that a new ztunnel text is one new row. The log prints a text, never a response flag: a class
read from it is an inference, and so is a verdict. A text no row knows is class `other`, never a guess.

Source: istio/ztunnel `src/proxy.rs`, `src/proxy/metrics.rs`, `src/copy.rs`, `src/identity.rs` at tags 1.22.0 …
1.31.0-rc.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Verdict(StrEnum):
    """What became of a connection, as far as its error texts tell."""

    FORWARDED = "forwarded"
    DENIED = "denied"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A kind of failure.

    Attributes:
        name: Value of the `error_class` column.
        verdict: What became of the connection.
        summary: What happened, in a few words.
        cause: The likely cause.
        advice: What to try.
    """

    name: str
    verdict: Verdict
    summary: str
    cause: str
    advice: str


@dataclass(frozen=True, slots=True)
class ErrorText:
    """One text ztunnel writes.

    Attributes:
        text: The whole text where `exact`, else how it begins.
        error_class: Name of its class; None when what follows the text decides (`IO_TEXTS`).
        where: Which lines carry it.
        releases: Which releases write it.
        exact: Whether nothing follows.
        otherwise: Class when what follows is not in `IO_TEXTS`.
    """

    text: str
    error_class: str | None
    where: str
    releases: str
    exact: bool = False
    otherwise: str = "other"


_DENIED = Verdict.DENIED
_FAILED = Verdict.FAILED

ERROR_CLASSES: tuple[ErrorClass, ...] = (
    ErrorClass(
        "policy_denied", _DENIED, "refused by an authorization policy",
        "A DENY policy matched, or ALLOW policies select the workload and none matched this client.",
        "Read the policy the line names; else list the policies of the destination's namespace and istio-system.",
    ),
    ErrorClass(
        "policy_changed", _DENIED, "running connection cut by a policy change",
        "A policy was added or changed and no longer allows this connection.",
        "Look for an AuthorizationPolicy edited at that time.",
    ),
    ErrorClass(
        "peer_denied", _DENIED, "refused with 401 by the other side",
        "The server's ztunnel, waypoint or gateway applied an authorization policy.",
        "Read the inbound half: it carries the reason and, since 1.24.0, the policy.",
    ),
    ErrorClass(
        "peer_unavailable", _FAILED, "other side answered 503",
        "The server's ztunnel could not reach the application, or does not know the pod yet.",
        "Check that the application listens on that port and that the pod is ready; read the inbound half.",
    ),
    ErrorClass(
        "peer_refused", _FAILED, "other side refused the request",
        "The request named an address that is not behind that ztunnel, or the peer is not a ztunnel.",
        "Compare `dst.hbone_addr` with the pod's address; look for stale endpoints.",
    ),
    ErrorClass(
        "peer_status", _FAILED, "other side answered with another HTTP status",
        "A waypoint or gateway refused the CONNECT request.",
        "Read the waypoint's or gateway's own log.",
    ),
    ErrorClass(
        "refused", _FAILED, "connection refused",
        "Nothing listens on that address and port.",
        "Check the application's listening address and port, and the service's target port.",
    ),
    ErrorClass(
        "unreachable", _FAILED, "host or network unreachable",
        "No route to the address: the pod is gone, or the network between the nodes is broken.",
        "Check that the address still belongs to a running pod, and the CNI between the two nodes.",
    ),
    ErrorClass(
        "timeout", _FAILED, "connect timed out",
        "Packets are dropped: a firewall, a NetworkPolicy or a dead address.",
        "Check NetworkPolicies and node firewalls for the port of `dst.addr`.",
    ),
    ErrorClass(
        "network_policy", _FAILED, "connect to port 15008 timed out",
        "A NetworkPolicy or firewall may block the HBONE port.",
        "Allow TCP 15008 between the nodes and into the destination pod.",
    ),
    ErrorClass(
        "reset", _FAILED, "connection reset or closed early",
        "An end went away while data was moving.",
        "Look for restarts and time-outs of client and server at that time.",
    ),
    ErrorClass(
        "io_error", _FAILED, "other input/output error",
        "The operating system reported an error ztflow has no class for.",
        "Read the error text.",
    ),
    ErrorClass(
        "tls_error", _FAILED, "TLS failure",
        "The TLS handshake failed.",
        "Check that both ends are in the mesh and trust the same root certificate.",
    ),
    ErrorClass(
        "tls_no_client_certificate", _FAILED, "client without a certificate on port 15008",
        "A client outside the mesh connected to the HBONE port.",
        "Find out what dials port 15008 directly; nothing but the mesh should.",
    ),
    ErrorClass(
        "identity_mismatch", _FAILED, "peer certificate has another identity",
        "The address now belongs to a workload with another service account, or endpoints are stale.",
        "Compare the expected identity with the pod that holds the address now.",
    ),
    ErrorClass(
        "certificate_revoked", _FAILED, "peer certificate revoked",
        "The certificate is on the revocation list.",
        "Restart the workload so that it gets a new certificate.",
    ),
    ErrorClass(
        "no_certificate", _FAILED, "no certificate for the workload",
        "The certificate authority did not sign, or ztunnel may not ask for this identity.",
        "Read ztunnel's `identity` lines and istiod's log for the reason.",
    ),
    ErrorClass(
        "h2_error", _FAILED, "HTTP/2 tunnel failed",
        "The tunnel was refused, reset or went away.",
        "Look for a ztunnel restart on the other node; compare releases of both ztunnels.",
    ),
    ErrorClass(
        "no_endpoint", _FAILED, "service has no healthy endpoint",
        "No ready pod stands behind the service.",
        "Check the pods the service selects and their readiness.",
    ),
    ErrorClass(
        "unknown_source", _FAILED, "source pod unknown",
        "ztunnel does not know the pod that owns the source address.",
        "Check that the pod is enrolled and that istiod is reachable.",
    ),
    ErrorClass(
        "unknown_destination", _FAILED, "destination unknown",
        "ztunnel does not know the destination.",
        "Check that istiod is reachable and the destination exists.",
    ),
    ErrorClass(
        "workload_unknown", _FAILED, "own pod not yet known",
        "The pod started before its workload entry arrived from istiod.",
        "Check istiod's load and connectivity if it lasts longer than a few seconds.",
    ),
    ErrorClass(
        "unknown_waypoint", _FAILED, "waypoint cannot be resolved",
        "The service or namespace names a waypoint that does not exist or is not ready.",
        "Check the `istio.io/use-waypoint` label and the waypoint Gateway.",
    ),
    ErrorClass(
        "unknown_gateway", _FAILED, "network gateway cannot be resolved",
        "The other network's east-west gateway is not known.",
        "Check the gateway of that network and its address.",
    ),
    ErrorClass(
        "no_route", _FAILED, "no usable address for the destination",
        "The workload has no address, or is in another network without a gateway or service.",
        "Check the workload's addresses and networks.",
    ),
    ErrorClass(
        "bad_authority", _FAILED, "request for an address that is not here",
        "The CONNECT authority does not belong to this pod or cannot be resolved.",
        "Look for stale endpoints or a client that is not a ztunnel.",
    ),
    ErrorClass(
        "bad_request", _FAILED, "not a CONNECT request",
        "Something that is not a mesh client speaks HTTP/2 to port 15008.",
        "Find out what dials port 15008 directly.",
    ),
    ErrorClass(
        "recursive", _FAILED, "call to ztunnel's own port",
        "An application dialled one of ztunnel's ports.",
        "Use the application's own port instead of 15001, 15006 or 15008.",
    ),
    ErrorClass(
        "dns", _FAILED, "hostname workload not resolved",
        "The hostname of a workload entry gave no usable address.",
        "Resolve the name from the node.",
    ),
    ErrorClass(
        "unsupported", _FAILED, "unsupported configuration",
        "The configuration asks for something this ztunnel cannot do.",
        "Read the text; compare istiod's and ztunnel's release.",
    ),
    ErrorClass(
        "drained", _FAILED, "cut by a drain",
        "The pod was deleted, or ztunnel was stopped or restarted.",
        "Look for a rollout of the pod or of ztunnel at that time.",
    ),
    ErrorClass(
        "internal", _FAILED, "internal error of ztunnel",
        "A guard inside ztunnel fired.",
        "Report it to Istio with the lines around it.",
    ),
    ErrorClass(
        "other", _FAILED, "an error text ztflow does not know",
        "A newer or patched ztunnel, or a text from a dependency.",
        "Read the error text.",
    ),
)  # fmt: skip
"""Every class, in the order of the docs page."""

_OUT, _IN = "outbound complete", "inbound complete"
_OUT_F, _IN_F = "outbound failed", "inbound failed"

ERROR_TEXTS: tuple[ErrorText, ...] = (
    ErrorText("connection closed due to policy rejection", "policy_denied", _IN, "≥ 1.22.0"),
    ErrorText("connection closed due to policy change", "policy_changed", _IN, "≥ 1.22.0", exact=True),
    ErrorText("http status: 401", "peer_denied", _OUT, "≥ 1.22.0"),
    ErrorText("http status: 503", "peer_unavailable", _OUT, "≥ 1.22.0"),
    ErrorText("http status: 400", "peer_refused", _OUT, "≥ 1.22.0"),
    ErrorText("http status: 404", "peer_refused", _OUT, "≥ 1.22.0"),
    ErrorText("http status: ", "peer_status", _OUT, "≥ 1.22.0"),
    ErrorText("connection failed: ", None, _IN, "≥ 1.22.0; HBONE ≥ 1.24.0", otherwise="io_error"),
    ErrorText(
        "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ", "network_policy", _OUT, "≥ 1.22.4"
    ),
    ErrorText("io error: ", None, _OUT, "≥ 1.22.0", otherwise="io_error"),
    ErrorText("tls handshake error: ", None, _IN_F, "≥ 1.26.0", otherwise="tls_error"),
    ErrorText("signing error: ", "no_certificate", _IN_F, "≥ 1.26.0"),
    ErrorText("ssl error: ", "tls_error", _IN_F, "≥ 1.26.0"),
    ErrorText("tls error: ", "tls_error", _OUT, "≥ 1.22.0"),
    ErrorText("identity error: ", "no_certificate", _OUT, "≥ 1.22.0"),
    ErrorText("http2 handshake failed: ", "h2_error", _OUT, "≥ 1.22.0"),
    ErrorText("h2 failed: ", "h2_error", f"{_OUT}, {_IN}", "≥ 1.22.0"),
    ErrorText("no upgrade available: ", "h2_error", _IN, "1.22.x"),
    ErrorText("no healthy upstream: ", "no_endpoint", _OUT_F, "≥ 1.22.2"),
    ErrorText("unknown destination: ", "unknown_destination", f"{_IN_F}, {_OUT_F}", "1.22.0 to 1.23.6"),
    ErrorText("unknown source: ", "unknown_source", _OUT_F, "1.22.0 to 1.23.6"),
    ErrorText("invalid source: ", "unknown_source", _OUT_F, "1.22.0 to 1.23.6"),
    ErrorText(
        "failed to fetch information about local workload: ", "workload_unknown", f"{_OUT_F}, {_IN_F}", "≥ 1.24.0"
    ),
    ErrorText("unknown waypoint: ", "unknown_waypoint", _OUT_F, "≥ 1.22.0"),
    ErrorText("unknown network gateway: ", "unknown_gateway", _OUT_F, "≥ 1.26.0"),
    ErrorText("no valid routing destination for workload: ", "no_route", _OUT_F, "≥ 1.22.0"),
    ErrorText("no service for target address: ", "no_route", _OUT_F, "≥ 1.27.0"),
    ErrorText("no service or workload for hostname: ", "bad_authority", _IN_F, "≥ 1.26.0"),
    ErrorText("requested service ", "bad_authority", _IN_F, "≥ 1.26.0"),
    ErrorText("no valid authority pseudo header: ", "bad_authority", _IN_F, "≥ 1.26.0"),
    ErrorText("invalid CONNECT address ", "bad_authority", _IN_F, "1.22.0 to 1.25.5"),
    ErrorText("ip mismatch: ", "bad_authority", _IN_F, "≥ 1.22.0"),
    ErrorText("expected method CONNECT, got ", "bad_request", _IN_F, "≥ 1.22.0"),
    ErrorText("attempted recursive call to ourselves", "recursive", f"{_IN_F}, {_OUT_F}", "≥ 1.22.0", exact=True),
    ErrorText("no ip addresses were resolved for workload: ", "dns", _OUT_F, "≥ 1.22.0"),
    ErrorText("ip addresses were resolved for workload ", "dns", _OUT_F, "≥ 1.22.0"),
    ErrorText("unsupported feature: ", "unsupported", _OUT_F, "1.22.x to 1.23.x"),
    ErrorText("connection closed due to connection drain", "drained", f"{_OUT}, {_IN}", "≥ 1.23.0", exact=True),
    ErrorText("pool draining", "drained", _OUT, "≥ 1.22.0", exact=True),
    ErrorText("fetched connection does not match workload key!", "internal", _OUT, "≥ 1.22.0", exact=True),
    ErrorText("connection tracking failed", "internal", _IN, "≥ 1.24.0", exact=True),
    ErrorText("destination disconnected before all data was written", "reset", f"{_OUT}, {_IN}", "≥ 1.22.1"),
    ErrorText("client disconnected before all data was written", "reset", f"{_OUT}, {_IN}", "≥ 1.22.1"),
    ErrorText(
        "connection closed: peer certificate revoked by CRL",
        "certificate_revoked",
        f"{_OUT}, {_IN}",
        "≥ 1.31",
        exact=True,
    ),
)
"""Every text with its class; the longest that fits wins. After `send: `, `receive: ` and `while closing connection: `
(copy failures, ≥ 1.22.4) the rest is looked up instead. Without any prefix (inbound HBONE, 1.22.0 to 1.23.6) `IO_TEXTS`
alone decides."""

COPY_PREFIXES = ("while closing connection: ", "send: ", "receive: ")
"""Stand before a copy failure: at which step, in which direction."""

IO_TEXTS: tuple[tuple[str, str], ...] = (
    ("Connection refused", "refused"),
    ("No route to host", "unreachable"),
    ("Network is unreachable", "unreachable"),
    ("deadline has elapsed", "timeout"),
    ("Connection timed out", "timeout"),
    ("Connection reset by peer", "reset"),
    ("Broken pipe", "reset"),
    ("broken pipe", "reset"),
    ("stream closed because of a broken pipe", "reset"),
    ("unexpected end of file", "reset"),
    ("early eof", "reset"),
    ("invalid peer certificate: ", "tls_error"),
    ("received fatal alert: ", "tls_error"),
    ("tls handshake eof", "tls_error"),
    ("peer ", "tls_error"),
)
"""How the rest after `io error: `, `connection failed: ` and the copy prefixes begins, and its class."""

TLS_CAUSES: tuple[tuple[str, str], ...] = (
    ("NoCertificatesPresented", "tls_no_client_certificate"),
    ("Revoked", "certificate_revoked"),
    ("ApplicationVerificationFailure", "identity_mismatch"),
    ("identity verification error", "identity_mismatch"),
)
"""What a TLS failure's text contains that tells more than `tls_error`, and its class."""

POLICY_PREFIX = "connection closed due to policy rejection: explicitly denied by: "

CLASS_BY_NAME: dict[str, ErrorClass] = {known.name: known for known in ERROR_CLASSES}

_LONGEST_FIRST = sorted(ERROR_TEXTS, key=lambda known: -len(known.text))


@lru_cache(maxsize=4096)
def classify_error(text: str) -> str | None:
    """The class of an error text: a name of `ERROR_CLASSES`, `other` when unknown, None when there is no text.

    Cost: a dictionary look-up for a text seen before; about 2 µs for a new one.
    """
    rest = text.strip()
    if not rest:
        return None
    copying = False
    for prefix in COPY_PREFIXES:
        if rest.startswith(prefix):
            rest = rest.removeprefix(prefix)
            copying = True
    for known in _LONGEST_FIRST:
        if rest == known.text if known.exact else rest.startswith(known.text):
            return known.error_class or _class_of_rest(rest.removeprefix(known.text), known.otherwise)
    return _class_of_rest(rest, "io_error" if copying else "other")


def _class_of_rest(rest: str, otherwise: str) -> str:
    name = next((name for start, name in IO_TEXTS if rest.startswith(start)), otherwise)
    if name == "tls_error":
        return next((name for part, name in TLS_CAUSES if part in rest), name)
    return name


def policy_of(text: str | None) -> str | None:
    """`namespace/name` of the policy an error text names (DENY policies, ztunnel ≥ 1.24.0), else None."""
    if text is None or not text.startswith(POLICY_PREFIX):
        return None
    return text.removeprefix(POLICY_PREFIX).strip() or None


def verdict_of(*error_classes: str | None, ended: bool = True) -> Verdict:
    """The verdict over the halves that were seen, given the error class of each (None: the half ended without error).

    A denial on either side makes it denied; any other error on either side makes it failed; no error, forwarded. Of a
    connection that has not ended (`ended=False`, only `opened` lines), or without any half, nothing is known.
    """
    if not error_classes or not ended:
        return Verdict.UNKNOWN
    verdicts = {CLASS_BY_NAME[name].verdict if name in CLASS_BY_NAME else _FAILED for name in error_classes if name}
    if _DENIED in verdicts:
        return _DENIED
    return _FAILED if verdicts else Verdict.FORWARDED
