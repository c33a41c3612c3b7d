"""The closed vocabularies: every word that a column with a fixed set, a graph level or an error class may be.

This is the one place that spells these sets out; column tables, filters, docs pages, options and reports take them from
here. A table holds plain text: a member equals its text, and `member.value` is that text. The `…Word` types are the
same sets for type checkers, which complete and check plain strings with them.

Importing this module is cheap: it needs hardly more than the standard library.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from ztflow.text.nearest import nearest


class Word(StrEnum):
    """A word of a closed vocabulary; each vocabulary is a subclass. A member is made of the word and its meaning.

    Attributes:
        meaning: What the word says, as a phrase.
    """

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """A member that is its word; by the word alone it is looked up."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


_LISTED = 13
"""Most words a message lists."""


def unknown_word(words: type[Word], name: str, text: str) -> str | None:
    """What is wrong with a text as a word of this set, with the nearest word or all of them; None when it is one.

    Args:
        words: The set.
        name: What the reader knows the set as: a column or an option.
        text: The text.
    """
    if text in words.__members__.values():
        return None
    known = [word.value for word in words]
    near = nearest(text.replace("-", "_"), known)
    if near:
        return f"{name} cannot be {text!r}; did you mean {near!r}?"
    more = ", …" if len(known) > _LISTED else ""
    return f"{name} cannot be {text!r}; it is one of {', '.join(known[:_LISTED])}{more}"


class Message(Word):
    """Which of ztunnel's three access messages a line is."""

    COMPLETE = "complete", "a connection ended, well or with an error"
    OPENED = "opened", "a connection began (debug level)"
    FAILED = "failed", "a connection was refused before it was tracked"


class LogLevel(Word):
    """The level ztunnel wrote a line at, least important first."""

    TRACE = "trace", "no release writes an access line at it"
    DEBUG = "debug", "a connection that began: an `opened` line"
    INFO = "info", "a connection that ended well"
    WARN = "warn", "a connection that was refused early"
    ERROR = "error", "a connection that ended with an error"


class Direction(Word):
    """Which side of a connection wrote a line."""

    OUTBOUND = "outbound", "the ztunnel on the client's node"
    INBOUND = "inbound", "the ztunnel on the server's node"


class Paired(Word):
    """How the two halves of a connection were found to belong together, or which one was seen."""

    EXACT = "exact", "an id or a debug line proves it"
    UNIQUE = "unique", "no other partner is likely"
    AMBIGUOUS = "ambiguous", "other partners would have fitted: `alternatives` says how many"
    RELAXED = "relaxed", "the sizes differ because the connection was cut; starts and errors agree"
    OUTBOUND_ONLY = "outbound_only", "only the client's side was found: `unpaired_reason` says why"
    INBOUND_ONLY = "inbound_only", "only the server's side was found: `unpaired_reason` says why"


BOTH_HALVES = (Paired.EXACT, Paired.UNIQUE, Paired.AMBIGUOUS, Paired.RELAXED)
"""Words for a connection of which both halves were seen."""

ONE_HALF = (Paired.OUTBOUND_ONLY, Paired.INBOUND_ONLY)
"""Words for a connection of which one half was seen."""


class Verdict(Word):
    """What became of a connection, as far as its error texts tell."""

    FORWARDED = "forwarded", "neither side that was seen logged an error of its own"
    DENIED = "denied", "refused by an authorization policy"
    FAILED = "failed", "ended with any other error"
    UNKNOWN = "unknown", "no line says how it ended"
    OPEN = "open", "a ztunnel's dump shows it open, and no line says that it ended"


REFUSED = (Verdict.DENIED, Verdict.FAILED)
"""Verdicts of a connection that did not end well."""

KNOWN_OUTCOME = (Verdict.FORWARDED, *REFUSED)
"""Every verdict but `unknown`."""


class FlowPath(Word):
    """How a connection travelled. Null for one that was refused before it got on its way."""

    HBONE = "hbone", "in a tunnel to the server's ztunnel"
    PLAINTEXT = "plaintext", "without a tunnel"
    WAYPOINT = "waypoint", "in a tunnel to a waypoint, which opens a connection of its own to the server"
    DOUBLE_HBONE = "double_hbone", "in a tunnel through another network's gateway to the server's ztunnel"


class Dialled(Word):
    """What a client dialled."""

    SERVICE = "service", "an address of a service: `dst_service` names it"
    ADDRESS = "address", "an address of no service ztunnel knows: a pod's own, or one outside the mesh"


class NodeLocality(Word):
    """Whether a connection crossed nodes."""

    SAME_NODE = "same_node", "both ends on one node"
    CROSS_NODE = "cross_node", "the ends on two nodes"
    UNKNOWN = "unknown", "the node of one end or both is not known"


NODES_KNOWN = (NodeLocality.SAME_NODE, NodeLocality.CROSS_NODE)
"""Words for a connection whose ends are both placed on a node."""


class ZoneLocality(Word):
    """Whether a connection crossed zones."""

    SAME_ZONE = "same_zone", "both ends in one zone"
    CROSS_ZONE = "cross_zone", "the ends in two zones"
    UNKNOWN = "unknown", "the zone of one end or both is not known"


ZONES_KNOWN = (ZoneLocality.SAME_ZONE, ZoneLocality.CROSS_ZONE)
"""Words for a connection whose ends are both in a known zone."""


class Unpaired(Word):
    """Why only one half of a connection was found."""

    PLAINTEXT = "plaintext", "not HBONE: the other end is not captured, or none of its lines in plaintext fits"
    EARLY_DENIAL = "early_denial", "refused before it was tracked; the other side writes no line that names it"
    WAYPOINT_HOP = "waypoint_hop", "hop to a waypoint or gateway, which writes no ztunnel line of its own"
    WAYPOINT_SOURCE = "waypoint_source", "hop from a waypoint or gateway"
    SOURCE_NOT_CAPTURED = (
        "source_not_captured", "no outbound line of this source: a gateway, or its node's log is missing",
    )  # fmt: skip
    DESTINATION_NOT_CAPTURED = (
        "destination_not_captured", "no inbound line for this destination: its node's log is missing",
    )  # fmt: skip
    CONNECT_FAILED = "connect_failed", "failed before the server's side took it"
    PARTNER_MISSING = (
        "partner_missing", "that end wrote other lines, not this one: lost, filtered, cut off, still open",
    )  # fmt: skip
    STILL_OPEN = "still_open", "a ztunnel's dump shows the other side still open"
    FAST_PATH = "fast_path", "both pods on one node of 1.18 to 1.21, which writes no inbound line"
    NO_TIME = "no_time", "the line lost its time, so nothing could be compared"
    EVICTED = "evicted", "given up early because the bound on halves in memory was hit"
    LATE = "late", "came after the window for its partner had closed"


class NoticeKind(Word):
    """What makes shares and totals of a log doubtful."""

    SILENCED = "silenced", "its log filter kept access lines out of the log for a time"
    ONLY_REFUSED = "only_refused", "it has no line of a connection that ended well"
    RESTARTED = "restarted", "the ztunnel began anew; what was open then may have no line"
    MISSING_LOG = "missing_log", "the log of a node is missing, or of several"


WITHOUT_PARTNER = (
    Unpaired.PLAINTEXT, Unpaired.EARLY_DENIAL, Unpaired.WAYPOINT_HOP, Unpaired.WAYPOINT_SOURCE,
    Unpaired.SOURCE_NOT_CAPTURED, Unpaired.DESTINATION_NOT_CAPTURED, Unpaired.CONNECT_FAILED, Unpaired.STILL_OPEN,
    Unpaired.FAST_PATH,
)  # fmt: skip
"""Reasons of halves whose partner cannot be in this capture: nobody writes one, or the log it is in is not here."""


class Producer(Word):
    """Which other program wrote lines that stand among ztunnel's."""

    SOLO_HTTP = "solo_http", "Solo's ztunnel about HTTP requests (`http access`)"
    AGENTGATEWAY = "agentgateway", "agentgateway, one a request"
    KMESH = "kmesh", "Kmesh (`accesslog:`), one or more a connection"
    ENVOY = "envoy", "Envoy (waypoint, gateway or sidecar), one a request"


class RequestOutcome(Word):
    """What became of a request at a waypoint, in the words of the waypoint's own log."""

    ANSWERED = "answered", "a server answered, with whatever code"
    REFUSED = "refused", "the waypoint refused it by a policy, a token, an authorizer or a rate limit"
    FAILED = "failed", "the waypoint got no whole answer from a server"
    GAVE_UP = "gave_up", "the client broke off"
    OWN_ANSWER = "own_answer", "the waypoint answered by itself, as a route may tell it to"
    UNTOLD = "untold", "nothing in the log tells who answered"


class RequestFate(Word):
    """Whether it is known over which of ztunnel's connections a request went."""

    JOINED = "joined", "over this one"
    MAYBE = "maybe", "over one of several"
    STRAY = "stray", "over none that ztunnel's log has"


class GraphLevel(Word):
    """What a vertex of a graph, or an end in a report, is."""

    POD = "pod", "the pod, else the name the log gives, else the address"
    WORKLOAD = "workload", "the workload that owns the pod"
    SERVICE = "service", "the service addressed; for clients the workload"
    NAMESPACE = "namespace", "the namespace"
    IDENTITY = "identity", "the SPIFFE identity"
    NODE = "node", "the Kubernetes node"
    ZONE = "zone", "the zone of the node"
    CLUSTER = "cluster", "the cluster"


class ErrorClass(Word):
    """What kind of failure an error text means; verdict, likely cause and advice: `error_classes.ERROR_CLASSES`."""

    POLICY_DENIED = "policy_denied", "refused by an authorization policy"
    POLICY_CHANGED = "policy_changed", "running connection cut by a policy change"
    PEER_DENIED = "peer_denied", "refused with 401 by the other side"
    PEER_UNAVAILABLE = "peer_unavailable", "other side answered 503"
    PEER_REFUSED = "peer_refused", "other side refused the request"
    PEER_STATUS = "peer_status", "other side answered with another HTTP status"
    REFUSED = "refused", "connection refused"
    UNREACHABLE = "unreachable", "host or network unreachable"
    TIMEOUT = "timeout", "connect timed out"
    NETWORK_POLICY = "network_policy", "connect to port 15008 timed out"
    RESET = "reset", "connection reset or closed early"
    IO_ERROR = "io_error", "other input/output error"
    TLS_ERROR = "tls_error", "TLS failure"
    TLS_NO_CLIENT_CERTIFICATE = "tls_no_client_certificate", "client without a certificate on port 15008"
    IDENTITY_MISMATCH = "identity_mismatch", "peer certificate has another identity"
    CERTIFICATE_REVOKED = "certificate_revoked", "peer certificate revoked"
    NO_CERTIFICATE = "no_certificate", "no certificate for the workload"
    H2_ERROR = "h2_error", "HTTP/2 tunnel failed"
    STREAM_RESET = "stream_reset", "HTTP/2 stream reset by the other side"
    NO_ENDPOINT = "no_endpoint", "service has no healthy endpoint"
    UNKNOWN_SOURCE = "unknown_source", "source pod unknown"
    UNKNOWN_DESTINATION = "unknown_destination", "destination unknown"
    WORKLOAD_UNKNOWN = "workload_unknown", "own pod not yet known"
    UNKNOWN_WAYPOINT = "unknown_waypoint", "waypoint cannot be resolved"
    UNKNOWN_GATEWAY = "unknown_gateway", "network gateway cannot be resolved"
    NO_ROUTE = "no_route", "no usable address for the destination"
    BAD_AUTHORITY = "bad_authority", "request for an address that is not here"
    BAD_REQUEST = "bad_request", "not a CONNECT request"
    RECURSIVE = "recursive", "call to ztunnel's own port"
    DNS = "dns", "hostname workload not resolved"
    UNSUPPORTED = "unsupported", "unsupported configuration"
    DRAINED = "drained", "cut by a drain"
    WAYPOINT_CLOSED = "waypoint_closed", "closed by a waypoint or gateway that had kept it open"
    INTERNAL = "internal", "internal error of ztunnel"
    OTHER = "other", "an error text ztflow does not know"


MessageWord = Literal["complete", "opened", "failed"]
LogLevelWord = Literal["trace", "debug", "info", "warn", "error"]
DirectionWord = Literal["outbound", "inbound"]
PairedWord = Literal["exact", "unique", "ambiguous", "relaxed", "outbound_only", "inbound_only"]
VerdictWord = Literal["forwarded", "denied", "failed", "unknown", "open"]
FlowPathWord = Literal["hbone", "plaintext", "waypoint", "double_hbone"]
DialledWord = Literal["service", "address"]
NodeLocalityWord = Literal["same_node", "cross_node", "unknown"]
ZoneLocalityWord = Literal["same_zone", "cross_zone", "unknown"]
UnpairedWord = Literal[
    "plaintext", "early_denial", "waypoint_hop", "waypoint_source", "source_not_captured", "destination_not_captured",
    "connect_failed", "partner_missing", "still_open", "fast_path", "no_time", "evicted", "late",
]  # fmt: skip
NoticeKindWord = Literal["silenced", "only_refused", "restarted", "missing_log"]
ProducerWord = Literal["solo_http", "agentgateway", "kmesh", "envoy"]
RequestOutcomeWord = Literal["answered", "refused", "failed", "gave_up", "own_answer", "untold"]
RequestFateWord = Literal["joined", "maybe", "stray"]
GraphLevelWord = Literal["pod", "workload", "service", "namespace", "identity", "node", "zone", "cluster"]
ErrorClassWord = Literal[
    "policy_denied", "policy_changed", "peer_denied", "peer_unavailable", "peer_refused", "peer_status", "refused",
    "unreachable", "timeout", "network_policy", "reset", "io_error", "tls_error", "tls_no_client_certificate",
    "identity_mismatch", "certificate_revoked", "no_certificate", "h2_error", "stream_reset", "no_endpoint",
    "unknown_source", "unknown_destination", "workload_unknown", "unknown_waypoint", "unknown_gateway", "no_route",
    "bad_authority", "bad_request", "recursive", "dns", "unsupported", "drained", "waypoint_closed",
    "internal", "other",
]  # fmt: skip
