"""Kinds of simulated connections, and which halves ztunnel logs for each with which texts, release by release.

The words are those of ztunnel (istio/ztunnel at the tags named beside them); kinds, order of ends and bytes cut short
were seen in captured runs of real ztunnels, `POLICY_CHANGE` and the early denials are built from the sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Release: TypeAlias = tuple[int, int, int]


class Kind(StrEnum):
    """What was done; the words of a truth file's `kind` column."""

    PLAIN = "plain"
    BURST = "burst"
    STORM = "storm"
    PROBE = "probe"
    LONG = "long"
    BIG = "big"
    ALLOWED = "allowed"
    DENIED = "denied"
    REFUSED = "refused"
    SERVER_CLOSES = "server-closes"
    SERVER_RESET = "server-reset"
    CLIENT_RESET = "client-reset"
    HALF_CLOSE = "half-close"
    RESET_BEFORE_ANSWER = "reset-before-answer"
    SILENT = "silent"
    PLAINTEXT_IN = "plaintext-in"
    PLAINTEXT_OUT = "plaintext-out"
    EGRESS = "egress"
    DENIED_PLAINTEXT = "denied-plaintext"
    NO_ENDPOINTS = "no-endpoints"
    UNKNOWN_ADDRESS = "unknown-address"
    UNKNOWN_WAYPOINT = "unknown-waypoint"
    WRONG_AUTHORITY = "wrong-authority"
    TLS_FAILURE = "tls-failure"
    POLICY_CHANGE = "policy-change"
    WAYPOINT = "waypoint"
    GATEWAY = "gateway"
    DOUBLE_HBONE = "double-hbone"
    DRAINED = "drained"
    POD_DELETED = "pod-deleted"


KINDS: tuple[Kind, ...] = tuple(Kind)
CODE: dict[Kind, int] = {kind: code for code, kind in enumerate(KINDS)}

SINCE: dict[Kind, Release] = {Kind.DOUBLE_HBONE: (1, 26, 0)}
"""Kinds that need a release; the others can happen with any."""

HEALTHY = (Kind.PLAIN, Kind.BURST, Kind.STORM, Kind.PROBE, Kind.LONG, Kind.BIG)
"""Kinds that take a waypoint's way where the service they ask for has one."""


class Order(StrEnum):
    """Who sees the connection end first."""

    INBOUND = "inbound first"
    OUTBOUND = "outbound first"


@dataclass(frozen=True, slots=True)
class Half:
    """One line of a connection.

    Attributes:
        error: Its error text, with `{asked}`, `{server}` or `{other}` for addresses; None when it ended well.
        failed: Whether it is `connection failed` instead of `connection complete`.
    """

    error: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """One way a connection of a kind ends.

    Attributes:
        weight: How often, relative to the other endings of the kind.
        outbound: The client's side; None when ztunnel writes nothing.
        inbound: The server's side; None when ztunnel writes nothing.
        order: Who ends first.
        holds: Seconds from its start for which the side that was not cut keeps the connection, as its application
            has not noticed; 0 where it notices at once.
        takes: Seconds the attempt takes where the life of the connection is not the application's; None otherwise.
    """

    outbound: Half | None = None
    inbound: Half | None = None
    weight: float = 1.0
    order: Order = Order.INBOUND
    holds: float = 0.0
    takes: float | None = None


WELL = Half()
BROKEN_PIPE = "while closing connection: receive: io error: broken pipe"
STREAM_BROKEN = "while closing connection: receive: io error: stream closed because of a broken pipe"
DISCONNECTED = "receive: client disconnected before all data was written"
DRAIN = "connection closed due to connection drain"
REJECTED = "connection closed due to policy rejection"
NONE_ALLOWED = f"{REJECTED}: allow policies exist, but none allowed"
DENIED_BY = f"{REJECTED}: explicitly denied by: {{policy}}"
RESET = "io error: Connection reset by peer (os error 104)"
NO_NOTIFY = (
    "io error: peer closed connection without sending TLS close_notify: "
    "https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof"
)
NO_WAYPOINT = (
    "unknown waypoint: waypoint GatewayAddress {{ destination: Hostname(NamespacedHostname {{ "
    'namespace: "{namespace}", hostname: "waypoint.{namespace}.svc.cluster.local" }}), hbone_mtls_port: 15008 }} '
    "not found"
)


def endings(kind: Kind, release: Release) -> tuple[Ending, ...]:
    """The ways a connection of a kind ends in a release.

    An ending without halves is right too: ztunnel writes nothing then. `DRAINED` gives the endings of connections
    whose client's node stops, then those whose server's node stops: see `drained`.
    """
    both = Ending(WELL, WELL)
    if kind is Kind.SERVER_CLOSES:
        return (Ending(WELL, WELL, order=Order.OUTBOUND),)
    if kind in {Kind.SERVER_RESET, Kind.RESET_BEFORE_ANSWER}:
        return (_server_reset(release),)
    if kind is Kind.CLIENT_RESET:
        return (_client_reset(release),)
    if kind in {Kind.DENIED, Kind.DENIED_PLAINTEXT}:
        # The inbound text is chosen by who asks whom: `denial`. Policy names are logged since 1.24.0.
        outbound = Half("http status: 401 Unauthorized") if kind is Kind.DENIED else None
        return (Ending(outbound, Half(REJECTED), takes=0.0),)
    if kind is Kind.REFUSED:
        prefix = "connection failed: " if release >= (1, 24, 0) else ""
        inbound = Half(f"{prefix}Connection refused (os error 111)")
        return (Ending(Half("http status: 503 Service Unavailable"), inbound, takes=0.0),)
    if kind in {Kind.PLAINTEXT_IN, Kind.GATEWAY}:
        return (Ending(None, WELL),)
    if kind in {Kind.PLAINTEXT_OUT, Kind.EGRESS, Kind.WAYPOINT}:
        return (Ending(WELL, None),)
    if kind is Kind.NO_ENDPOINTS:
        if release >= (1, 22, 2):
            return (Ending(Half("no healthy upstream: {asked}", failed=True), takes=0.0),)
        return (Ending(Half("io error: Network is unreachable (os error 101)"), takes=0.0),)
    if kind is Kind.UNKNOWN_ADDRESS:
        return (
            Ending(Half("io error: No route to host (os error 113)"), takes=3.06),
            Ending(Half("io error: Connection refused (os error 111)"), takes=0.0),
            Ending(Half("io error: Network is unreachable (os error 101)"), takes=0.0),
        )
    if kind is Kind.UNKNOWN_WAYPOINT:
        return (Ending(Half(NO_WAYPOINT, failed=True), takes=0.0),)
    if kind is Kind.WRONG_AUTHORITY:
        refused = Half("ip mismatch: {server} != {other}", failed=True)
        return (Ending(Half("http status: 400 Bad Request"), refused, takes=0.0),)
    if kind is Kind.TLS_FAILURE:
        # Before 1.26.0 the failure is a line of another scope, not an access line.
        text = "tls handshake error: Custom {{ kind: InvalidData, error: NoCertificatesPresented }}"
        return (Ending(None, Half(text, failed=True) if release >= (1, 26, 0) else None, takes=0.001),)
    if kind is Kind.POLICY_CHANGE:
        return (Ending(WELL, Half("connection closed due to policy change")),)
    if kind is Kind.DRAINED:
        return drained(release, client_stops=True) + drained(release, client_stops=False)
    if kind is Kind.POD_DELETED:
        if release < (1, 23, 0):
            return (Ending(Half(NO_NOTIFY), None),)
        return (Ending(WELL, Half(STREAM_BROKEN), order=Order.OUTBOUND, holds=8.0),)
    return (both,)


def drained(release: Release, *, client_stops: bool) -> tuple[Ending, ...]:
    """Endings of connections that are open when a node's ztunnel stops.

    Before 1.23.0 the stopped side writes no line (commit 3114f819).
    """
    if release < (1, 23, 0):
        if client_stops:
            return tuple(
                Ending(None, Half(text), order=Order.OUTBOUND, holds=9.0)
                for text in ("io error: broken pipe", NO_NOTIFY)
            )
        return (Ending(Half(NO_NOTIFY), None),)
    if client_stops:
        return (
            Ending(Half(DRAIN), Half(BROKEN_PIPE), weight=3, order=Order.OUTBOUND, holds=9.0),
            Ending(Half(DRAIN), Half(DISCONNECTED), order=Order.OUTBOUND, holds=9.0),
            Ending(WELL, Half(STREAM_BROKEN), weight=2, order=Order.OUTBOUND, holds=9.0),
            Ending(None, Half(BROKEN_PIPE), order=Order.OUTBOUND, holds=9.0),
        )
    return (Ending(WELL, Half(DRAIN), weight=3), Ending(WELL, None), Ending(Half(DRAIN), None))


def denial(release: Release, policy: str | None) -> str:
    """The inbound text of a denial.

    Args:
        release: Names are logged since 1.24.0.
        policy: `namespace/name` of the DENY policy that matched; None when ALLOW policies exist and none matched.
    """
    if release < (1, 24, 0):
        return REJECTED
    return NONE_ALLOWED if policy is None else DENIED_BY.format(policy=policy)


def _server_reset(release: Release) -> Ending:
    # Since 1.22.4 (commit 33bd50fb) a reset while copying is no error any more.
    if release >= (1, 22, 4):
        return Ending(WELL, WELL, order=Order.OUTBOUND)
    if release >= (1, 22, 1):
        cut = Half("destination disconnected before all data was written")
        return Ending(WELL, cut, order=Order.OUTBOUND)
    return Ending(Half("io error: broken pipe"), Half(RESET), order=Order.OUTBOUND)


def _client_reset(release: Release) -> Ending:
    if release >= (1, 22, 4):
        return Ending(WELL, WELL)
    return Ending(Half(RESET), WELL if release >= (1, 22, 1) else Half("io error: broken pipe"))
