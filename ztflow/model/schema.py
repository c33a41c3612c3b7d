"""The fields of the log and the columns of the tables: name, type, unit and origin of each, declared once.

`LOG_FIELDS` says what ztunnel writes (key, quoting, presence, first release) and drives the grammar, the scanner, the
JSON reader, the renderer and `docs/reference/fields.md`. `HALVES` and `FLOWS` declare the two tables everything
downstream reads. Nothing here imports Arrow or pandas; `ztflow.model.tables` turns the declarations into their types.

Source: istio/ztunnel `src/proxy/metrics.rs` and `src/telemetry.rs` at tags 1.22.0 … 1.31.0-rc.0.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from ztflow.model import vocabulary
from ztflow.model.vocabulary import LogLevel, Message, Word


class Kind(StrEnum):
    """How the text of a field is to be understood."""

    ADDRESS = "address"
    """`ip:port`; IPv6 in brackets."""
    AUTHORITY = "authority"
    """`ip:port` or, since 1.26.0, `host:port`."""
    TEXT = "text"
    IDENTITY = "identity"
    """`spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""
    DIRECTION = "direction"
    INTEGER = "integer"
    """Not negative, and less than 2^63: what a signed 64-bit column holds."""
    DURATION = "duration"
    """Whole milliseconds followed by `ms`."""


class Quoting(StrEnum):
    """How the plain layout prints a field. Readers go by the value's first character, not by release."""

    BARE = "bare"
    QUOTED = "quoted"
    BARE_BEFORE_1_22_2 = "bare before 1.22.2"
    BARE_TO_END_BEFORE_1_22_2 = "in `connection failed` bare to the end of the line before 1.22.2"


MESSAGE_TEXT = {
    Message.COMPLETE: "connection complete",
    Message.OPENED: "connection opened",
    Message.FAILED: "connection failed",
}
"""Column value → the words in the log."""

ACCESS_SCOPE = "access"
"""The scope (tracing target) of all three, in every release and both formats."""

LOG_LEVELS = tuple(level.value for level in LogLevel)

_ALL = frozenset(Message)
_TRACKED = frozenset({Message.COMPLETE, Message.OPENED})
_COMPLETE = frozenset({Message.COMPLETE})


class LogField(NamedTuple):
    """One key of an access line.

    Attributes:
        key: As it is in the log.
        columns: The columns of `HALVES` it fills.
        kind: How its text is understood.
        quoting: How the plain layout prints it.
        required: Messages that always carry it; a line without it is a problem.
        optional: Messages that may carry it.
        present: When, in words.
        since: First release.
        json_type: Type of its JSON value.
        unit: Unit, or empty.
        source: Where in ztunnel it is written.
    """

    key: str
    columns: tuple[str, ...]
    kind: Kind
    quoting: Quoting
    required: frozenset[Message]
    optional: frozenset[Message]
    present: str
    since: str
    json_type: str = "string"
    unit: str = ""
    source: str = "1.24.0 src/proxy/metrics.rs:402,498"


def _end(prefix: str, who: str) -> tuple[LogField, ...]:
    """The text fields both ends have, in log order: workload, namespace, identity, cluster."""
    text = Quoting.BARE_BEFORE_1_22_2
    none: frozenset[Message] = frozenset()
    return (
        LogField(
            f"{prefix}.workload", (f"{prefix}_workload",), Kind.TEXT, text, none, _TRACKED, f"{who} known", "1.22.0",
        ),
        LogField(
            f"{prefix}.namespace", (f"{prefix}_namespace",), Kind.TEXT, text, none, _TRACKED,
            f"{who} known" + (", or baggage names it" if prefix == "src" else ""), "1.22.0",
        ),
        LogField(
            f"{prefix}.identity", (f"{prefix}_identity", f"{prefix}_trust_domain", f"{prefix}_service_account"),
            Kind.IDENTITY, Quoting.QUOTED, none, _TRACKED, "mTLS path and an identity is known", "1.22.0",
        ),
        LogField(
            f"{prefix}.cluster", (f"{prefix}_cluster",), Kind.TEXT, Quoting.QUOTED, none, _TRACKED,
            "cluster id known and not empty", "1.31.0-alpha.2", source="1.31.0-rc.0 src/proxy/metrics.rs:779,787",
        ),
    )  # fmt: skip


_SRC = _end("src", "source")
_DST = _end("dst", "destination")

LOG_FIELDS: tuple[LogField, ...] = (
    LogField("src.addr", ("src_ip", "src_port"), Kind.ADDRESS, Quoting.BARE, _ALL, frozenset(), "always", "1.22.0"),
    *_SRC,
    LogField("dst.addr", ("dst_ip", "dst_port"), Kind.ADDRESS, Quoting.BARE, _ALL, frozenset(), "always", "1.22.0"),
    LogField(
        "dst.hbone_addr", ("hbone_host", "hbone_port"), Kind.AUTHORITY, Quoting.BARE, frozenset(), _TRACKED,
        "HBONE only; absent on every plaintext path", "1.22.0",
    ),
    LogField(
        "dst.service", ("dst_service",), Kind.TEXT, Quoting.BARE_BEFORE_1_22_2, frozenset(), _TRACKED,
        "a service is known", "1.22.0",
    ),
    *_DST,
    LogField("direction", ("direction",), Kind.DIRECTION, Quoting.QUOTED, _ALL, frozenset(), "always", "1.22.0"),
    LogField(
        "bytes_sent", ("bytes_sent",), Kind.INTEGER, Quoting.BARE, _COMPLETE, frozenset(), "always", "1.22.0",
        json_type="number", unit="bytes",
    ),
    LogField(
        "bytes_recv", ("bytes_recv",), Kind.INTEGER, Quoting.BARE, _COMPLETE, frozenset(), "always", "1.22.0",
        json_type="number", unit="bytes",
    ),
    LogField(
        "duration", ("duration_ms",), Kind.DURATION, Quoting.QUOTED, _COMPLETE, frozenset(), "always", "1.22.0",
        unit="ms",
    ),
    LogField(
        "error", ("error", "error_class"), Kind.TEXT, Quoting.BARE_TO_END_BEFORE_1_22_2, frozenset({Message.FAILED}),
        _COMPLETE, "`error`-level complete lines and every failed line; always last", "1.22.0",
    ),
)  # fmt: skip
"""Every key an access line may carry, in the order ztunnel writes them."""

FIELD_BY_KEY: dict[str, LogField] = {field.key: field for field in LOG_FIELDS}

REQUIRED_KEYS: dict[Message, tuple[str, ...]] = {
    message: tuple(field.key for field in LOG_FIELDS if message in field.required) for message in Message
}
"""Keys without which an access line of that message is a problem, in log order."""


class Type(StrEnum):
    """Column types, by the names used in the docs."""

    CATEGORY = "category"
    """Text of few distinct values; dictionary-encoded in Arrow, `category` in pandas."""
    TEXT = "text"
    INT = "int64"
    PORT = "int32"
    LINE = "line number"
    FLOAT = "float64"
    BOOL = "bool"
    TIME = "timestamp[us, UTC]"
    MAP = "map<text, text>"
    LINES = "list<line number>"


MANY = frozenset({Type.MAP, Type.LINES})
"""Types of which a cell holds several values: they have no order and are not compared."""


Words: TypeAlias = type[Word]


class Column(NamedTuple):
    """One declared column; every column is nullable, null means unknown.

    Attributes:
        name: Its name.
        type: Its type.
        doc: What it holds, for the docs page.
        words: The closed vocabulary its values come from; None where they are open.
    """

    name: str
    type: Type
    doc: str
    words: Words | None = None


def _c(name: str, type_: Type, doc: str) -> Column:
    return Column(name, type_, doc)


def _word(name: str, words: Words, doc: str) -> Column:
    return Column(name, Type.CATEGORY, doc, words)


_ENDS = (
    _c("src_ip", Type.CATEGORY, "Source address as logged: the client's; in an inbound half the tunnel's peer."),
    _c("src_port", Type.PORT, "Source port; in an inbound HBONE half that of the tunnel, never the connection's."),
    _c("src_workload", Type.CATEGORY, "What ztunnel calls the source (`src.workload`): for a pod the pod's name."),
    _c("src_namespace", Type.CATEGORY, "Namespace of the source workload."),
    _c("src_identity", Type.CATEGORY, "SPIFFE identity of the source."),
    _c("src_trust_domain", Type.CATEGORY, "Trust domain of that identity."),
    _c("src_service_account", Type.CATEGORY, "Service account of that identity."),
    _c("src_cluster", Type.CATEGORY, "Cluster of the source (ztunnel ≥ 1.31)."),
    _c("dst_ip", Type.CATEGORY, "Address dialled by the outbound side or accepted by the inbound side."),
    _c("dst_port", Type.PORT, "Port of that address: 15008 for HBONE."),
    _c("hbone_host", Type.CATEGORY, "Host of the CONNECT authority: the real target behind the tunnel."),
    _c("hbone_port", Type.PORT, "Port of the CONNECT authority."),
    _c("dst_service", Type.CATEGORY, "Hostname of the service addressed."),
    _c(
        "dst_workload",
        Type.CATEGORY,
        "What ztunnel calls the destination (`dst.workload`): for a pod the pod's name; a waypoint's or gateway's own "
        "on those hops.",
    ),
    _c("dst_namespace", Type.CATEGORY, "Namespace of the destination workload."),
    _c("dst_identity", Type.CATEGORY, "SPIFFE identity of the destination."),
    _c("dst_trust_domain", Type.CATEGORY, "Trust domain of that identity."),
    _c("dst_service_account", Type.CATEGORY, "Service account of that identity."),
    _c("dst_cluster", Type.CATEGORY, "Cluster of the destination (ztunnel ≥ 1.31)."),
)

RECORD: tuple[Column, ...] = (
    _c("time", Type.TIME, "When the line was written, by the clock of the node that wrote it; the connection's end."),
    _word("level", LogLevel, "Level the line was written at."),
    _word("message", Message, "Which of the three access messages it is."),
    _word("direction", vocabulary.Direction, "Side of the connection that wrote the line."),
    *_ENDS,
    _c("bytes_sent", Type.INT, "Bytes this side sent towards the mesh's other end: outbound = request."),
    _c("bytes_recv", Type.INT, "Bytes this side received from there: outbound = response."),
    _c("duration_ms", Type.INT, "How long the connection lasted, in whole milliseconds, truncated."),
    _c("error", Type.TEXT, "Error text, decoded."),
    _word("error_class", vocabulary.ErrorClass, "Class of that text."),
    _c("trace_id", Type.TEXT, "Trace id shared by both halves; only JSON logs of 1.22.0 carry it."),
    _c("extra", Type.MAP, "Keys this table does not name, with their text."),
)
"""Columns that one line gives by itself: what the three parsers fill, in this order."""

ORIGIN: tuple[Column, ...] = (
    _c("ztunnel_pod", Type.CATEGORY, "Pod of the ztunnel that wrote the line."),
    _c("ztunnel_namespace", Type.CATEGORY, "Namespace of that pod."),
    _c("ztunnel_node", Type.CATEGORY, "Node of that pod."),
    _c("source_file", Type.CATEGORY, "Input as named by the user; `-` is stdin."),
    _c("line_number", Type.LINE, "Number of its first line in that input, from 1."),
)
"""Columns that come from the wrapper, the file's name and the place in the file."""

HALVES: tuple[Column, ...] = RECORD + ORIGIN
"""One row an access line."""

_LOGGED = {
    "src_workload": (
        _c("src_name", Type.CATEGORY, "Source as ztunnel names it (`src.workload`): for a pod the pod's name."),
        _c("src_workload", Type.CATEGORY, "Workload the source belongs to: see [workloads](#workloads)."),
    ),
    "dst_workload": (
        _c(
            "dst_name",
            Type.CATEGORY,
            "Destination as ztunnel names it (`dst.workload`): for a pod the pod's name; a waypoint's or gateway's own "
            "on those hops.",
        ),
        _c("dst_workload", Type.CATEGORY, "Workload the destination belongs to: see [workloads](#workloads)."),
    ),
}
"""In flows a column of the log is two: the name as logged, and what is derived from it."""

LOGGED_NAMES = {"src_name": "src_workload", "dst_name": "dst_workload"}
"""Column of flows → the column of halves (and of flows written before there were two) that holds the same."""


def logged_name(columns: Collection[str], side: str) -> str:
    """The column with the name ztunnel gives an end: flows have one beside the workload, halves have only that name.

    Args:
        columns: Names of a table's columns.
        side: `src` or `dst`.
    """
    name = f"{side}_name"
    return name if name in columns else LOGGED_NAMES[name]


FLOWS: tuple[Column, ...] = (
    _c("start", Type.TIME, "When it began: `end` minus `duration_ms`."),
    _c(
        "end",
        Type.TIME,
        "When it ended, by the clock of the client's node (the server's where only that side was seen).",
    ),
    *(one for column in _ENDS for one in _LOGGED.get(column.name, (column,))),
    _c("request_bytes", Type.INT, "Payload client → server."),
    _c("response_bytes", Type.INT, "Payload server → client."),
    _c(
        "duration_ms",
        Type.INT,
        "How long it lasted, as the client's side saw it (the server's where only that was seen).",
    ),
    _c("inbound_duration_ms", Type.INT, "How long it lasted as the server's side saw it."),
    _word("path", vocabulary.FlowPath, "How the connection travelled; null for one refused before it got on its way."),
    _word("dialled", vocabulary.Dialled, "What the client dialled, as its side tells; null without that side."),
    _word("verdict", vocabulary.Verdict, "What became of the connection, read from the error texts."),
    _word("error_class", vocabulary.ErrorClass, "Error class; the server side's where both sides logged one."),
    _c("policy", Type.CATEGORY, "`namespace/name` of the policy that denied it, where the log names it."),
    _c("mtls", Type.BOOL, "Whether the payload was encrypted by the mesh."),
    _c("src_node", Type.CATEGORY, "Node of the source."),
    _c("dst_node", Type.CATEGORY, "Node of the destination."),
    _c("src_zone", Type.CATEGORY, "Zone of that node."),
    _c("dst_zone", Type.CATEGORY, "Zone of that node."),
    _c("src_pod", Type.CATEGORY, "`namespace/name` of the source pod, where evidence names one."),
    _c("dst_pod", Type.CATEGORY, "`namespace/name` of the destination pod, where evidence names one."),
    _word("locality", vocabulary.NodeLocality, "Whether it crossed nodes."),
    _word("zone_locality", vocabulary.ZoneLocality, "Whether it crossed zones."),
    _c("locality_evidence", Type.CATEGORY, "What tells an end's node (or a name not logged), `source; destination`."),
    _word("paired", vocabulary.Paired, "How surely its two halves belong together, or which one was seen."),
    _c("alternatives", Type.INT, "How many other partners would have fitted; null when unpaired."),
    _c("confidence", Type.FLOAT, "Probability that this partner is the right one; null when unpaired."),
    _word("unpaired_reason", vocabulary.Unpaired, "Why only one half was found; null when paired."),
    _c("outbound_error", Type.TEXT, "Error text of the outbound half."),
    _c("inbound_error", Type.TEXT, "Error text of the inbound half."),
    _c("outbound_ztunnel", Type.CATEGORY, "Pod of the ztunnel that wrote the outbound half."),
    _c("inbound_ztunnel", Type.CATEGORY, "Pod of the ztunnel that wrote the inbound half."),
    _c("outbound_file", Type.CATEGORY, "Input that holds the outbound half's line."),
    _c("outbound_line", Type.LINE, "Its line number there, from 1."),
    _c("inbound_file", Type.CATEGORY, "Input that holds the inbound half's line."),
    _c("inbound_line", Type.LINE, "Its line number there, from 1."),
    _c(
        "next_hop_file", Type.CATEGORY, "For a hop to a waypoint or gateway: input with the next hop's line (inferred)."
    ),
    _c("next_hop_line", Type.LINE, "The line number of that hop there, from 1."),
    _c(
        "requests",
        Type.INT,
        "How many lines of the waypoint's access log are of this connection; null where that is unknown.",
    ),
    _c("waypoint_file", Type.CATEGORY, "Input that holds those lines, or the candidates."),
    _c("waypoint_lines", Type.LINES, "Their line numbers there, from 1; null where they are not decided."),
    _c(
        "waypoint_candidates",
        Type.LINES,
        "Where they are not decided: every line there that may be of this connection.",
    ),
)
"""One row a connection, or the half of it that was seen."""
