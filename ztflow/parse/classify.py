"""What a log line is: an access line, another line of ztunnel (taken apart), or not ztunnel's.

ztunnel's lines have time, level, scope, spans, message and fields in one of three forms: P (plain, 1.22.0 and later),
F (tracing-subscriber's "full", 1.18 to 1.21), and both JSON shapes. A copy with blanks for tabs is read too; where
message and fields meet is then unknown, so both are in `rest`. Source: istio/ztunnel `src/telemetry.rs` at 1.18.0:41-57
and 1.24.0:186-388.

Lines of other programs that are known are named. Sources: Envoy, istio/istio `pilot/pkg/model/telemetry_logging.go`
(text and JSON format); agentgateway `crates/agentgateway/src/telemetry/log.rs`; Kmesh
`pkg/controller/telemetry/accesslog.go`; Solo's ztunnel by its lines in public logs (`fixtures/real/`): scope
`http access`, one line a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import orjson

from ztflow.model.provenance import LogLine, Row
from ztflow.model.schema import ACCESS_SCOPE, LOG_LEVELS
from ztflow.model.vocabulary import Direction, Message, Producer
from ztflow.parse.jsonlog import SCOPE_KEYS, TIME_KEYS, scan_fields, spans_of
from ztflow.parse.scanner import scan
from ztflow.parse.values import MESSAGE, ValueFault, ip_of, time_micros
from ztflow.text.escapes import BadEscapeError, decode
from ztflow.text.patterns import lazy_pattern

ZTUNNEL_POD = "ztunnel"
"""How the names of ztunnel's pods begin, unless the DaemonSet was renamed."""


class Outcome(StrEnum):
    """What became of a log line. The fourth outcome, a problem, is the `ParseError` raised."""

    ACCESS = "access"
    """`connection complete` or `connection failed`, read."""
    OTHER = "other"
    """Any other line of ztunnel."""
    NOT_OURS = "not ours"


_OPENED = Message.OPENED.value


def outcome(line: LogLine) -> tuple[Outcome, Row | None]:
    """What a line is, with its row where it has one.

    `connection complete` and `connection failed` are `ACCESS` with a row, `connection opened` is `OTHER` with a row.
    Other lines of ztunnel are known by layout and scope, or by the pod the wrapper names.

    Args:
        line: Unwrapped and joined. `fields` is used when given.

    Raises:
        ParseError: An access line that could not be read.

    Cost: that of `scan` for an access line; 5 to 15 µs for another.
    """
    fields = line.fields
    row = scan(line.text) if fields is None else scan_fields(fields, line.text)
    if row is not None:
        return (Outcome.OTHER if row[MESSAGE] == _OPENED else Outcome.ACCESS), row
    if fields is None and line.text.lstrip(" \t").startswith("{"):
        fields = decoded(line.text)
    if is_ztunnel(line.text, fields, line.origin.pod):
        return Outcome.OTHER, None
    return Outcome.NOT_OURS, None


def is_ztunnel(text: str, fields: dict[str, Any] | None, pod: str | None) -> bool:
    """Whether ztunnel wrote this line that is not an access line."""
    if statement_of(text, fields) is not None:
        return True
    return pod is not None and pod.startswith(ZTUNNEL_POD) and not text.isspace() and bool(text)


def decoded(text: str) -> dict[str, Any] | None:
    """The object of a JSON text line, None when it is none."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


ROOT = "ztunnel"
VENDOR_SCOPE = "http access"
"""Scope of a vendor's HTTP access log; the only scope with a blank inside."""

_MODULES = frozenset(
    (
        *("access", "admin", "app", "baggage", "cert_fetcher", "config", "copy", "dns", "drain", "hbone", "hyper_util"),
        *("identity", "inpod", "proxy", "proxyfactory", "rbac", "readiness", "signal", "socket", "state", "strng"),
        *("telemetry", "time", "tls", "xds", "ztunnel"),
    )
)
"""First words of ztunnel's own scopes. Scopes of its dependencies are told by `::`, which no Go program writes."""

_ALSO_GO = frozenset({"dns", "telemetry", "config", "identity", "proxy", "app"})
"""Of these, words that a Go component of Istio may use as a whole scope too; they count only with more evidence."""

_TIME = r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*)"
_LEVEL = rf"(?:(?i:{'|'.join(LOG_LEVELS)})|(?=\S*[^\x00-\x7f])[^\W\d_]+)"
_BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_PLAIN = lazy_pattern(
    rf"[ \t]*+(?:(?P<time>{_TIME})[ \t]++)?(?P<level>{_LEVEL})[ \t]++"
    rf"(?P<scope>{VENDOR_SCOPE}(?=[ \t])|[a-z_0-9]+(?:::[a-z_0-9]+)*)"
    rf"(?P<spans>(?::[a-z_0-9]+(?:{_BRACES})?)*)(?P<rest>.*)",
    re.DOTALL,
)
_FULL = lazy_pattern(
    rf"[ \t]*+(?:(?P<time>{_TIME})[ \t]++)?(?P<level>{'|'.join(level.upper() for level in LOG_LEVELS)})[ \t]++"
    rf"(?P<spans>(?:[a-zA-Z_][\w ]*(?:::\w+)*(?:{_BRACES})?:)++[ \t]++)?"
    rf"(?P<scope>{ROOT}(?:::\w+)*|\w+(?:::\w+)+):[ \t]++(?P<rest>.*)",
    re.DOTALL,
)
_SPAN = lazy_pattern(rf"(?P<name>[a-zA-Z_][\w ]*(?:::\w+)*)(?P<fields>{_BRACES})?(?::|$)")
_SPAN_FIELD = lazy_pattern(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ {}]*)')
_TRACE_ID = lazy_pattern(r"[0-9a-f]{32}")
_CONNECTION_SPANS = frozenset(word.value for word in Direction)
_TELLING_SPANS = _CONNECTION_SPANS | {"proxy", "dns_proxy"}


@dataclass(slots=True)
class Statement:
    """A ztunnel line taken apart.

    Attributes:
        time: As it is written; None when lost.
        level: Lower case; None when it is no level word.
        scope: Without `ztunnel::`; of a bare `ztunnel` the word itself.
        spans: Enclosing spans, outermost first, each with its `name`.
        rest: Message and fields of a plain line; the message of a JSON line.
        fields: The object of a JSON line, else None.
        full: Whether the layout is F.
    """

    time: str | None
    level: str | None
    scope: str
    spans: list[dict[str, Any]]
    rest: str
    fields: dict[str, Any] | None = None
    full: bool = False

    @property
    def micros(self) -> int | None:
        """Time as microseconds since 1970 UTC; None when lost or unreadable."""
        try:
            return None if self.time is None else time_micros(self.time)
        except ValueFault:
            return None

    def field(self, key: str) -> str | None:
        """The text of a field of this line, decoded; None when absent."""
        if self.fields is not None:
            value = self.fields.get(key)
            return value if isinstance(value, str) else None
        rest, mark = self.rest, f"{key}="
        place = rest.find(mark)  # a pattern that may begin anywhere takes five times as long
        while place > 0 and rest[place - 1] not in " \t":
            place = rest.find(mark, place + 1)
        match = _VALUE.match(rest, place + len(mark)) if place >= 0 else None
        if match is None:
            return None
        if match[1] is None:
            return match[2]
        try:
            return decode(match[1])
        except BadEscapeError:
            return None

    def span_field(self, key: str) -> str | None:
        """The first field of that name in a span of a proxy or a connection; a shipper's own objects do not count."""
        values = (span.get(key) for span in self.spans if span.get("name") in _TELLING_SPANS)
        return next((value for value in values if isinstance(value, str)), None)

    @property
    def trace_id(self) -> str | None:
        """The trace id of the enclosing `inbound` or `outbound` span."""
        ids = (span.get("id") for span in self.spans if span.get("name") in _CONNECTION_SPANS)
        return next((found for found in ids if isinstance(found, str) and _TRACE_ID.fullmatch(found)), None)

    @property
    def pod(self) -> str | None:
        """`namespace/name` of the pod whose proxy wrote the line, where a span names it."""
        return self.span_field("wl")


_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^ \t]*)')


def statement_of(text: str, fields: dict[str, Any] | None = None) -> Statement | None:
    """A line taken apart if it has a layout and a scope of ztunnel's, else None.

    Args:
        text: The line, plain.
        fields: Its decoded object instead, if it is JSON.
    """
    return _from_text(text) if fields is None else _from_json(fields)


@lru_cache(maxsize=1)
def _from_text(text: str) -> Statement | None:
    """A line of text taken apart; the last one is remembered, for the next question is mostly about it, too."""
    match = _FULL.match(text)
    if match is not None and (match["time"] or match["scope"].startswith(ROOT)):
        return _statement(match, _spans(match["spans"] or ""), full=True)
    match = _PLAIN.match(text)
    if match is None or not _is_ours(match):
        return None
    return _statement(match, _spans(match["spans"][1:]), full=False)


def _statement(match: re.Match[str], spans: list[dict[str, Any]], *, full: bool) -> Statement:
    level = match["level"].lower()
    scope = match["scope"].removeprefix(f"{ROOT}::")
    return Statement(
        match["time"], level if level in LOG_LEVELS else None, scope, spans, match["rest"].strip(" \t"), full=full
    )


def _is_ours(match: re.Match[str]) -> bool:
    scope, spans, rest = match["scope"], match["spans"], match["rest"]
    if scope == VENDOR_SCOPE:
        return True
    known = scope.partition("::")[0] in _MODULES
    if match["time"] is None:
        # Without a time little is left to tell ztunnel from prose: a known module with a path or a span, a known level.
        return known and ("::" in scope or bool(spans)) and match["level"].lower() in LOG_LEVELS
    if "::" in scope or (known and spans):
        return True
    if not known or rest[:1] not in {"", " ", "\t"}:
        return False
    return scope not in _ALSO_GO or _known_words(scope, rest)


def _known_words(scope: str, rest: str) -> bool:
    said = rest.strip(" \t")
    if scope == "dns":
        return " query=" in said or said.startswith(("query=", "src.workload="))
    if scope == "telemetry":
        return said.startswith("new log filter")
    return "\t" in rest


def _spans(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for match in _SPAN.finditer(text):
        span: dict[str, Any] = {key: _unquoted(value) for key, value in _SPAN_FIELD.findall(match["fields"] or "")}
        found.append({**span, "name": match["name"]})
    return found


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return decode(value[1:-1])
    except BadEscapeError:
        return value


def _from_json(fields: dict[str, Any]) -> Statement | None:
    scope = next((fields[key] for key in SCOPE_KEYS if isinstance(fields.get(key), str)), None)
    message = fields.get("message", "")
    if scope is None or not isinstance(message, str):
        return None
    if (
        "::" not in scope
        and scope not in {ROOT, ACCESS_SCOPE, VENDOR_SCOPE}
        and not (scope == "dns" and "query" in fields)
    ):
        return None
    time = next((fields[key] for key in TIME_KEYS if isinstance(fields.get(key), str)), None)
    level = str(fields.get("level")).lower()
    return Statement(
        time,
        level if level in LOG_LEVELS else None,
        scope.removeprefix(f"{ROOT}::"),
        list(spans_of(fields)),
        message,
        fields,
    )


# ---- pieces of messages ----------------------------------------------------------------------------------------------

_CONNECTION = lazy_pattern(r"(?P<peer>[^\s(]+)\((?P<identity>[^()]*)\)->(?P<target>\S+)")
_RUST_DURATION = lazy_pattern(r"(\d{1,15})(?:\.(\d+))?(ns|µs|μs|¬µs|us|ms|s)")
_PER_MICRO = {"ns": -3, "ms": 3, "s": 6}


def host_port(text: str | None) -> tuple[str | None, int | None]:
    """Host and port of `ip:port`, `[v6]:port`, `host:port` or a bare address; None for what is not there."""
    if not text:
        return None, None
    host, colon, port = text.rpartition(":")
    digits = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if colon and digits and not (":" in host and host[0] != "["):
        return ip_of(host) or host.strip("[]") or None, int(port)
    try:
        return str(ip_address(text.strip("[]"))), None
    except ValueError:
        return None, None


def connection_of(text: str) -> dict[str, object] | None:
    """`ip:port(identity)->ip:port` as ztunnel prints a connection: peer and target, None where it has another form."""
    match = _CONNECTION.match(text)
    if match is None:
        return None
    peer_ip, peer_port = host_port(match["peer"])
    dst_ip, dst_port = host_port(match["target"])
    identity = None if match["identity"] in {"", "None"} else match["identity"]
    return {
        "peer_ip": peer_ip, "peer_port": peer_port, "peer_identity": identity, "dst_ip": dst_ip, "dst_port": dst_port,
    }  # fmt: skip


def micros_of_duration(text: str | None) -> int | None:
    """Whole microseconds of a Rust Debug duration (`12.573881ms`, `124.75µs`, `1.002341s`), truncated."""
    match = _RUST_DURATION.fullmatch(text) if text else None
    if match is None:
        return None
    digits = f"{match[1]}.{match[2] or 0}"
    return int(Decimal(digits).scaleb(_PER_MICRO.get(match[3], 0)))


_ENVOY = lazy_pattern(r'\[\d{4}-\d\d-\d\dT[\d:.]{8,20}Z\] "(?:[A-Z]{1,20} \S{0,4096} HTTP/[\d.]{1,3}|- - -)" \d{1,3} ')
_BETWEEN = rf"[\t ](?:{'|'.join(LOG_LEVELS)})[\t ]+"
_AGENTGATEWAY = lazy_pattern(rf"{_BETWEEN}request[\t ]+gateway=")
_SOLO = lazy_pattern(rf"{_BETWEEN}{VENDOR_SCOPE}[\t ]+request complete[\t ]")
_SCOPES = {VENDOR_SCOPE: Producer.SOLO_HTTP, "request": Producer.AGENTGATEWAY}


def producer_of(line: LogLine) -> Producer | None:
    """Which program wrote a line that is no access line of ztunnel, where that can be told.

    Cost: less than 1 µs for a line that begins like none of them.
    """
    text, fields = line.text, line.fields
    if fields is None and text.startswith("{"):
        fields = decoded(text) if '"scope"' in text or '"upstream_cluster"' in text else None
    if fields is not None:
        return _of_object(fields)
    if '] "' in text and _ENVOY.search(text):
        return Producer.ENVOY
    if VENDOR_SCOPE in text and _SOLO.search(text):
        return Producer.SOLO_HTTP
    if "gateway=" in text and _AGENTGATEWAY.search(text):
        return Producer.AGENTGATEWAY
    if "accesslog: " in text and "src.addr=" in text and "direction=" in text:
        return Producer.KMESH
    return None


def _of_object(fields: dict[str, Any]) -> Producer | None:
    if "upstream_cluster" in fields and "downstream_remote_address" in fields:
        return Producer.ENVOY
    scope = fields.get("scope")
    found = _SCOPES.get(scope) if isinstance(scope, str) else None
    if found is Producer.AGENTGATEWAY and "gateway" not in fields:
        return None
    return found


def begins_as_request(line: LogLine) -> bool:
    """Whether a line begins as one of Envoy's access log does in a layout that Istio sets."""
    if line.fields is not None:
        return "downstream_remote_address" in line.fields
    text = line.text
    return text[:2] == "[2" and text[11:12] == "T" and '] "' in text[21:40]
