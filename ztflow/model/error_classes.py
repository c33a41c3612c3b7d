"""What an `error=` text means: its class, its verdict, the policy it names, the likely cause and what to try.

One table per question, so that a new ztunnel text is one new row. The log prints a text, never a response flag: a class
read from it is an inference, and so is a verdict. A text no row knows is class `other`, never a guess.

Source: istio/ztunnel `src/proxy.rs`, `src/proxy/metrics.rs`, `src/copy.rs`, `src/identity.rs` at tags 1.22.0 …
1.31.0-rc.0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ztflow.model.vocabulary import ErrorClass, Verdict


class Diagnosis(NamedTuple):
    """What an error class means.

    Attributes:
        name: The class.
        verdict: What became of the connection.
        cause: The likely cause.
        advice: What to try.
    """

    name: ErrorClass
    verdict: Verdict
    cause: str
    advice: str

    @property
    def summary(self) -> str:
        """What happened, in a few words."""
        return self.name.meaning


class ErrorText(NamedTuple):
    """One text ztunnel writes.

    Attributes:
        text: The whole text where `exact`, else how it begins.
        error_class: Its class; None when what follows the text decides (`IO_TEXTS`).
        where: Which lines carry it.
        releases: Which releases write it.
        exact: Whether nothing follows.
        otherwise: Class when what follows is not in `IO_TEXTS`.
    """

    text: str
    error_class: ErrorClass | None
    where: str
    releases: str
    exact: bool = False
    otherwise: ErrorClass = ErrorClass.OTHER


_DENIED = Verdict.DENIED
_FAILED = Verdict.FAILED

ERROR_CLASSES: tuple[Diagnosis, ...] = (
    Diagnosis(
        ErrorClass.POLICY_DENIED, _DENIED,
        "A DENY policy matched, ALLOW policies select the workload and none matched this client, or mTLS is STRICT.",
        "Read the policy the line names; else list the policies of the destination's namespace and istio-system.",
    ),
    Diagnosis(
        ErrorClass.POLICY_CHANGED, _DENIED, "A policy was added or changed and no longer allows this connection.",
        "Look for an AuthorizationPolicy edited at that time.",
    ),
    Diagnosis(
        ErrorClass.PEER_DENIED, _DENIED, "The server's ztunnel, waypoint or gateway applied an authorization policy.",
        "Read the inbound half: it carries the reason and, since 1.24.0, the policy.",
    ),
    Diagnosis(
        ErrorClass.PEER_UNAVAILABLE, _FAILED,
        "The server's ztunnel could not reach the application, or does not know the pod yet.",
        "Check that the application listens on that port and that the pod is ready; read the inbound half.",
    ),
    Diagnosis(
        ErrorClass.PEER_REFUSED, _FAILED,
        "The request named an address that is not behind that ztunnel, or the peer is not a ztunnel.",
        "Compare `dst.hbone_addr` with the pod's address; look for stale endpoints.",
    ),
    Diagnosis(
        ErrorClass.PEER_STATUS, _FAILED, "A waypoint or gateway refused the CONNECT request.",
        "Read the waypoint's or gateway's own log.",
    ),
    Diagnosis(
        ErrorClass.REFUSED, _FAILED, "Nothing listens on that address and port.",
        "Check the application's listening address and port, and the service's target port.",
    ),
    Diagnosis(
        ErrorClass.UNREACHABLE, _FAILED,
        "No route to the address: the pod is gone, or the network between the nodes is broken.",
        "Check that the address still belongs to a running pod, and the CNI between the two nodes.",
    ),
    Diagnosis(
        ErrorClass.TIMEOUT, _FAILED, "Packets are dropped: a firewall, a NetworkPolicy or a dead address.",
        "Check NetworkPolicies and node firewalls for the port of `dst.addr`.",
    ),
    Diagnosis(
        ErrorClass.NETWORK_POLICY, _FAILED, "A NetworkPolicy or firewall may block the HBONE port.",
        "Allow TCP 15008 between the nodes and into the destination pod.",
    ),
    Diagnosis(
        ErrorClass.RESET, _FAILED, "An end went away while data was moving.",
        "Look for restarts and time-outs of client and server at that time.",
    ),
    Diagnosis(
        ErrorClass.IO_ERROR, _FAILED, "The operating system reported an error ztflow has no class for.",
        "Read the error text.",
    ),
    Diagnosis(
        ErrorClass.TLS_ERROR, _FAILED, "The TLS handshake failed.",
        "Check that both ends are in the mesh and trust the same root certificate.",
    ),
    Diagnosis(
        ErrorClass.TLS_NO_CLIENT_CERTIFICATE, _FAILED, "A client outside the mesh connected to the HBONE port.",
        "Find out what dials port 15008 directly; nothing but the mesh should.",
    ),
    Diagnosis(
        ErrorClass.IDENTITY_MISMATCH, _FAILED,
        "The address now belongs to a workload with another service account, or endpoints are stale.",
        "Compare the expected identity with the pod that holds the address now.",
    ),
    Diagnosis(
        ErrorClass.CERTIFICATE_REVOKED, _FAILED, "The certificate is on the revocation list.",
        "Restart the workload so that it gets a new certificate.",
    ),
    Diagnosis(
        ErrorClass.NO_CERTIFICATE, _FAILED,
        "The certificate authority did not sign, or ztunnel may not ask for this identity.",
        "Read ztunnel's `identity` lines and istiod's log for the reason.",
    ),
    Diagnosis(
        ErrorClass.H2_ERROR, _FAILED, "The tunnel was refused, reset or went away.",
        "Look for a ztunnel restart on the other node; compare releases of both ztunnels.",
    ),
    Diagnosis(
        ErrorClass.STREAM_RESET, _FAILED,
        "The other ztunnel, or the waypoint, gave up this one stream; its tunnel and the other streams live on.",
        "Read the other side's line and its log at that time; look for a restart of the pod or of the waypoint.",
    ),
    Diagnosis(
        ErrorClass.NO_ENDPOINT, _FAILED, "The service has no ready pod.",
        "Check the pods the service selects and their readiness.",
    ),
    Diagnosis(
        ErrorClass.UNKNOWN_SOURCE, _FAILED, "ztunnel does not know the pod that owns the source address.",
        "Check that the pod is enrolled and that istiod is reachable.",
    ),
    Diagnosis(
        ErrorClass.UNKNOWN_DESTINATION, _FAILED, "ztunnel does not know the destination.",
        "Check that istiod is reachable and the destination exists.",
    ),
    Diagnosis(
        ErrorClass.WORKLOAD_UNKNOWN, _FAILED, "The pod started before its workload entry arrived from istiod.",
        "Check istiod's load and connectivity if it lasts longer than a few seconds.",
    ),
    Diagnosis(
        ErrorClass.UNKNOWN_WAYPOINT, _FAILED,
        "The service or namespace names a waypoint that does not exist or is not ready.",
        "Check the `istio.io/use-waypoint` label and the waypoint Gateway.",
    ),
    Diagnosis(
        ErrorClass.UNKNOWN_GATEWAY, _FAILED, "The other network's east-west gateway is not known.",
        "Check the gateway of that network and its address.",
    ),
    Diagnosis(
        ErrorClass.NO_ROUTE, _FAILED,
        "The workload has no address, or is in another network without a gateway or service.",
        "Check the workload's addresses and networks.",
    ),
    Diagnosis(
        ErrorClass.BAD_AUTHORITY, _FAILED, "The CONNECT authority does not belong to this pod or cannot be resolved.",
        "Look for stale endpoints or a client that is not a ztunnel.",
    ),
    Diagnosis(
        ErrorClass.BAD_REQUEST, _FAILED, "Something that is not a mesh client speaks HTTP/2 to port 15008.",
        "Find out what dials port 15008 directly.",
    ),
    Diagnosis(
        ErrorClass.RECURSIVE, _FAILED, "An application dialled one of ztunnel's ports.",
        "Use the application's own port instead of 15001, 15006 or 15008.",
    ),
    Diagnosis(
        ErrorClass.DNS, _FAILED, "The hostname of a workload entry gave no usable address.",
        "Resolve the name from the node.",
    ),
    Diagnosis(
        ErrorClass.UNSUPPORTED, _FAILED, "The configuration asks for something this ztunnel cannot do.",
        "Read the text; compare istiod's and ztunnel's release.",
    ),
    Diagnosis(
        ErrorClass.DRAINED, _FAILED, "The pod was deleted, or ztunnel was stopped or restarted.",
        "Look for a rollout of the pod or of ztunnel at that time.",
    ),
    Diagnosis(
        ErrorClass.WAYPOINT_CLOSED, Verdict.FORWARDED,
        "Envoy let go of a connection it kept for further requests: it was idle or had carried enough, its own client "
        "left, or Envoy stopped.",
        "Nothing: requests that failed are in the waypoint's own log only.",
    ),
    Diagnosis(
        ErrorClass.INTERNAL, _FAILED, "A check inside ztunnel failed.",
        "Report it to Istio with the lines around it.",
    ),
    Diagnosis(
        ErrorClass.OTHER, _FAILED, "A newer or patched ztunnel, or a text from a dependency.",
        "Read the error text.",
    ),
)  # fmt: skip
"""Every class, in the order of the docs page."""

_OUT, _IN = "outbound complete", "inbound complete"
_OUT_F, _IN_F = "outbound failed", "inbound failed"

ERROR_TEXTS: tuple[ErrorText, ...] = (
    ErrorText("connection closed due to policy rejection", ErrorClass.POLICY_DENIED, _IN, "≥ 1.22.0"),
    ErrorText("connection closed due to policy change", ErrorClass.POLICY_CHANGED, _IN, "≥ 1.22.0", exact=True),
    ErrorText("http status: 401", ErrorClass.PEER_DENIED, _OUT, "≥ 1.22.0"),
    ErrorText("http status: 503", ErrorClass.PEER_UNAVAILABLE, _OUT, "≥ 1.22.0"),
    ErrorText("http status: 400", ErrorClass.PEER_REFUSED, _OUT, "≥ 1.22.0"),
    ErrorText("http status: 404", ErrorClass.PEER_REFUSED, _OUT, "≥ 1.22.0"),
    ErrorText("http status: ", ErrorClass.PEER_STATUS, _OUT, "≥ 1.22.0"),
    ErrorText("connection failed: ", None, _IN, "≥ 1.22.0; HBONE ≥ 1.24.0", otherwise=ErrorClass.IO_ERROR),
    ErrorText("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ", ErrorClass.NETWORK_POLICY,
        _OUT, "≥ 1.22.4"),
    ErrorText("io error: ", None, _OUT, "≥ 1.22.0", otherwise=ErrorClass.IO_ERROR),
    ErrorText("tls handshake error: ", None, _IN_F, "≥ 1.26.0", otherwise=ErrorClass.TLS_ERROR),
    ErrorText("signing error: ", ErrorClass.NO_CERTIFICATE, _IN_F, "≥ 1.26.0"),
    ErrorText("ssl error: ", ErrorClass.TLS_ERROR, _IN_F, "≥ 1.26.0"),
    ErrorText("tls error: ", ErrorClass.TLS_ERROR, _OUT, "≥ 1.22.0"),
    ErrorText("identity error: ", ErrorClass.NO_CERTIFICATE, _OUT, "≥ 1.22.0"),
    ErrorText("http2 handshake failed: ", ErrorClass.H2_ERROR, _OUT, "≥ 1.22.0"),
    ErrorText("h2 failed: ", ErrorClass.H2_ERROR, f"{_OUT}, {_IN}", "≥ 1.22.0"),
    ErrorText("h2 failed: stream error received: ", ErrorClass.STREAM_RESET, f"{_OUT}, {_IN}", "≥ 1.22.0"),
    ErrorText("no upgrade available: ", ErrorClass.H2_ERROR, _IN, "1.22.x"),
    ErrorText("no healthy upstream: ", ErrorClass.NO_ENDPOINT, _OUT_F, "≥ 1.22.2"),
    ErrorText("unknown destination: ", ErrorClass.UNKNOWN_DESTINATION, f"{_IN_F}, {_OUT_F}", "1.22.0 to 1.23.6"),
    ErrorText("unknown source: ", ErrorClass.UNKNOWN_SOURCE, _OUT_F, "1.22.0 to 1.23.6"),
    ErrorText("invalid source: ", ErrorClass.UNKNOWN_SOURCE, _OUT_F, "1.22.0 to 1.23.6"),
    ErrorText("failed to fetch information about local workload: ", ErrorClass.WORKLOAD_UNKNOWN, f"{_OUT_F}, {_IN_F}",
        "≥ 1.24.0"),
    ErrorText("unknown waypoint: ", ErrorClass.UNKNOWN_WAYPOINT, _OUT_F, "≥ 1.22.0"),
    ErrorText("unknown network gateway: ", ErrorClass.UNKNOWN_GATEWAY, _OUT_F, "≥ 1.26.0"),
    ErrorText("no valid routing destination for workload: ", ErrorClass.NO_ROUTE, _OUT_F, "≥ 1.22.0"),
    ErrorText("no service for target address: ", ErrorClass.NO_ROUTE, _OUT_F, "≥ 1.27.0"),
    ErrorText("no service or workload for hostname: ", ErrorClass.BAD_AUTHORITY, _IN_F, "≥ 1.26.0"),
    ErrorText("requested service ", ErrorClass.BAD_AUTHORITY, _IN_F, "≥ 1.26.0"),
    ErrorText("no valid authority pseudo header: ", ErrorClass.BAD_AUTHORITY, _IN_F, "≥ 1.26.0"),
    ErrorText("invalid CONNECT address ", ErrorClass.BAD_AUTHORITY, _IN_F, "1.22.0 to 1.25.5"),
    ErrorText("ip mismatch: ", ErrorClass.BAD_AUTHORITY, _IN_F, "≥ 1.22.0"),
    ErrorText("expected method CONNECT, got ", ErrorClass.BAD_REQUEST, _IN_F, "≥ 1.22.0"),
    ErrorText("attempted recursive call to ourselves", ErrorClass.RECURSIVE, f"{_IN_F}, {_OUT_F}", "≥ 1.22.0",
        exact=True ),
    ErrorText("no ip addresses were resolved for workload: ", ErrorClass.DNS, _OUT_F, "≥ 1.22.0"),
    ErrorText("ip addresses were resolved for workload ", ErrorClass.DNS, _OUT_F, "≥ 1.22.0"),
    ErrorText("unsupported feature: ", ErrorClass.UNSUPPORTED, _OUT_F, "1.22.x to 1.23.x"),
    ErrorText("connection closed due to connection drain", ErrorClass.DRAINED, f"{_OUT}, {_IN}", "≥ 1.23.0",
        exact=True ),
    ErrorText("pool draining", ErrorClass.DRAINED, _OUT, "≥ 1.22.0", exact=True),
    ErrorText("fetched connection does not match workload key!", ErrorClass.INTERNAL, _OUT, "≥ 1.22.0", exact=True),
    ErrorText("connection tracking failed", ErrorClass.INTERNAL, _IN, "≥ 1.24.0", exact=True),
    ErrorText("destination disconnected before all data was written", ErrorClass.RESET, f"{_OUT}, {_IN}", "≥ 1.22.1"),
    ErrorText("client disconnected before all data was written", ErrorClass.RESET, f"{_OUT}, {_IN}", "≥ 1.22.1"),
    ErrorText("connection closed: peer certificate revoked by CRL", ErrorClass.CERTIFICATE_REVOKED, f"{_OUT}, {_IN}",
        "≥ 1.31", exact=True),
)  # fmt: skip
"""Every text with its class; the longest that fits wins. After `send: `, `receive: ` and `while closing connection: `
(copy failures, ≥ 1.22.4) the rest is looked up instead. Without any prefix (inbound HBONE, 1.22.0 to 1.23.6) `IO_TEXTS`
alone decides."""

COPY_PREFIXES = ("while closing connection: ", "send: ", "receive: ")
"""Prefixes of a copy failure: at which step, in which direction."""

IO_TEXTS: tuple[tuple[str, ErrorClass], ...] = (
    ("Connection refused", ErrorClass.REFUSED),
    ("No route to host", ErrorClass.UNREACHABLE),
    ("Network is unreachable", ErrorClass.UNREACHABLE),
    ("deadline has elapsed", ErrorClass.TIMEOUT),
    ("Connection timed out", ErrorClass.TIMEOUT),
    ("Connection reset by peer", ErrorClass.RESET),
    ("Broken pipe", ErrorClass.RESET),
    ("broken pipe", ErrorClass.RESET),
    ("stream closed because of a broken pipe", ErrorClass.RESET),
    ("unexpected end of file", ErrorClass.RESET),
    ("early eof", ErrorClass.RESET),
    ("stream error received: ", ErrorClass.STREAM_RESET),
    ("stream error ", ErrorClass.H2_ERROR),
    ("connection error ", ErrorClass.H2_ERROR),
    ("protocol error: ", ErrorClass.H2_ERROR),
    ("user error: ", ErrorClass.H2_ERROR),
    ("invalid peer certificate: ", ErrorClass.TLS_ERROR),
    ("received fatal alert: ", ErrorClass.TLS_ERROR),
    ("tls handshake eof", ErrorClass.TLS_ERROR),
    ("peer ", ErrorClass.TLS_ERROR),
)
"""How the rest after `io error: `, `connection failed: ` and the copy prefixes begins, and its class.

Those of HTTP/2 are what the h2 library prints of its errors: who reset what, and the reason."""

TLS_CAUSES: tuple[tuple[str, ErrorClass], ...] = (
    ("NoCertificatesPresented", ErrorClass.TLS_NO_CLIENT_CERTIFICATE),
    ("Revoked", ErrorClass.CERTIFICATE_REVOKED),
    ("ApplicationVerificationFailure", ErrorClass.IDENTITY_MISMATCH),
    ("identity verification error", ErrorClass.IDENTITY_MISMATCH),
)
"""What a TLS failure's text contains that tells more than `tls_error`, and its class."""

CLASS_BY_NAME: dict[str, Diagnosis] = {known.name: known for known in ERROR_CLASSES}

_LONGEST_FIRST = sorted(ERROR_TEXTS, key=lambda known: -len(known.text))


@lru_cache(maxsize=4096)
def classify_error(text: str) -> str | None:
    """The class of an error text: a word of `ErrorClass`, `other` when unknown, None when there is no text.

    Cost: a dictionary look-up for a text seen before; about 2 µs for a new one.
    """
    rest = text.strip()
    if not rest:
        return None
    rest, copying = without_step(rest)
    for known in _LONGEST_FIRST:
        if rest == known.text if known.exact else rest.startswith(known.text):
            return (known.error_class or _class_of_rest(rest.removeprefix(known.text), known.otherwise)).value
    return _class_of_rest(rest, ErrorClass.IO_ERROR if copying else ErrorClass.OTHER).value


def _class_of_rest(rest: str, otherwise: ErrorClass) -> ErrorClass:
    name = next((name for start, name in IO_TEXTS if rest.startswith(start)), otherwise)
    if name is ErrorClass.TLS_ERROR:
        return next((name for part, name in TLS_CAUSES if part in rest), name)
    return name


def without_step(text: str) -> tuple[str, bool]:
    """What follows the prefixes of a copy failure, and whether there were any."""
    rest = text
    for prefix in COPY_PREFIXES:
        rest = rest.removeprefix(prefix)
    return rest, rest != text


def verdict_of(*error_classes: str | None, ended: bool = True) -> Verdict:
    """The verdict over the halves that were seen, given the error class of each (None: the half ended without error).

    A denial on either side makes it denied; any other error on either side makes it failed, except that a waypoint
    closed what it had kept open; else it was forwarded. Of a connection that has not ended (`ended=False`, only
    `opened` lines), or without any half, nothing is known.
    """
    if not error_classes or not ended:
        return Verdict.UNKNOWN
    verdicts = {CLASS_BY_NAME[name].verdict if name in CLASS_BY_NAME else _FAILED for name in error_classes if name}
    if _DENIED in verdicts:
        return _DENIED
    return _FAILED if _FAILED in verdicts else Verdict.FORWARDED
