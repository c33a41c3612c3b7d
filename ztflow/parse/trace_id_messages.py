"""Reads ztunnel 1.18 to 1.21, which has no access log: start and end messages with a trace id both sides share.

`legacy_start` values: `trace_id` (None for plaintext inbound), `direction`, `path` (`hbone`, `waypoint`, `plaintext`,
`fast_path`), `src_ip, src_port, src_identity` (inbound), `dst_ip, dst_port` (the application's), `via_ip, via_port`
(next hop), `uid` (1.21, of the pod whose proxy wrote it).
`legacy_end` values: `trace_id, direction, duration_us, error, error_class, uid`, and the addresses the message names.
An inbound HBONE connection that ends well has no end line; on the fast path the end comes as soon as the connect
succeeds.

Source: istio/ztunnel 1.18.0 and 1.21.0 `src/proxy/{outbound,inbound,inbound_passthrough}.rs`; see
docs/reference/ztunnel-log.md#releases-118-to-121.
"""

from __future__ import annotations

import re
from typing import Any

from ztflow.model.error_classes import classify_error
from ztflow.model.vocabulary import Direction, FlowPath, Unpaired
from ztflow.parse.classify import Statement, connection_of, host_port, micros_of_duration
from ztflow.text.patterns import lazy_pattern

Values = dict[str, Any]

_HBONE = lazy_pattern(r"proxy to (\S+) using HBONE via (\S+) type (\w+)")
_TCP = lazy_pattern(r"[Pp]roxying to (\S+) using TCP via (\S+) type (\w+)")
_FAST = lazy_pattern(r"proxying to (\S+) using node local fast path")
_COMPLETE = lazy_pattern(r"complete dur=(\S+)")
_FAILED = lazy_pattern(r"failed dur=(\S+) err=(.*)", re.DOTALL)
_CONNECT = lazy_pattern(r"got CONNECT request to (\S+)")
_CONNECT_FAILED = lazy_pattern(r"connection to (\S+) failed: (.*?) dur=(\S+)")
_COPY_FAILED = lazy_pattern(r"((?:hbone|internal) server copy|No upgrade):? (.*?) dur=(\S+)")
_ACCEPTED = lazy_pattern(r"accepted connection source=(\S+) destination=(\S+)")
_PLAIN_COMPLETE = lazy_pattern(r"connection complete source=(\S+) destination=(\S+)")
_PLAIN_FAILED = lazy_pattern(r"proxying failed: (.*?) source=(\S+)")
_REJECTED = lazy_pattern(r"(RBAC rejected|bypassed waypoint|unknown destination) conn=(.*)")
_SENDING = lazy_pattern(r"Sending 40\d, .*")

_SCOPES = {
    "proxy::outbound": Direction.OUTBOUND.value,
    "proxy::inbound": Direction.INBOUND.value,
    "proxy::inbound_passthrough": Direction.INBOUND.value,
}


def legacy_fact(statement: Statement) -> tuple[str, Values] | None:
    """`legacy_start` or `legacy_end` with its values, or None for any other line of these releases."""
    direction = _SCOPES.get(statement.scope)
    if direction is None:
        return None
    values: Values = {"trace_id": statement.trace_id, "direction": direction}
    uid = statement.span_field("uid")
    if uid is not None:
        values["uid"] = uid
    if direction == Direction.INBOUND:
        values["src_ip"] = statement.span_field("peer_ip")
        identity = statement.span_field("peer_id")
        values["src_identity"] = None if identity == "None" else identity
    said = statement.rest
    if statement.scope == "proxy::outbound":
        return _outbound(said, values)
    if statement.scope == "proxy::inbound":
        return _inbound(said, values)
    return _passthrough(said, values)


def _outbound(said: str, values: Values) -> tuple[str, Values] | None:
    hbone = _HBONE.match(said)
    match = hbone or _TCP.match(said)
    if match is not None:
        values["dst_ip"], values["dst_port"] = host_port(match[1])
        values["via_ip"], values["via_port"] = host_port(match[2])
        values["path"] = _path(match[3], hbone=hbone is not None)
        return "legacy_start", values
    match = _FAST.match(said)
    if match is not None:
        values["dst_ip"], values["dst_port"] = host_port(match[1])
        values["path"] = Unpaired.FAST_PATH.value
        return "legacy_start", values
    match = _COMPLETE.match(said)
    if match is not None:
        return _end(values, match[1], None)
    match = _FAILED.match(said)
    if match is not None:
        return _end(values, match[1], match[2])
    match = _REJECTED.match(said)
    if match is not None:
        # The fast path's denial; its `failed` line follows and is the end.
        conn = connection_of(match[2]) or {}
        return "policy", {**conn, "decision": "deny", "dry_run": False, "policy": None, "trace_id": values["trace_id"]}
    return None


def _path(kind: str, *, hbone: bool) -> str:
    if "Waypoint" in kind:
        return FlowPath.WAYPOINT.value
    return (FlowPath.HBONE if hbone else FlowPath.PLAINTEXT).value


def _inbound(said: str, values: Values) -> tuple[str, Values] | None:
    match = _CONNECT.match(said)
    if match is not None:
        values["dst_ip"], values["dst_port"] = host_port(match[1])
        values["path"] = FlowPath.HBONE.value
        return "legacy_start", values
    match = _CONNECT_FAILED.match(said)
    if match is not None:
        values["dst_ip"], values["dst_port"] = host_port(match[1])
        return _end(values, match[3], match[2])
    match = _COPY_FAILED.match(said)
    if match is not None:
        return _end(values, match[3], match[2])
    match = _REJECTED.match(said) or _SENDING.match(said)
    return None if match is None else _refused(values, said)


def _passthrough(said: str, values: Values) -> tuple[str, Values] | None:
    accepted = _ACCEPTED.match(said)
    match = accepted or _PLAIN_COMPLETE.match(said)
    if match is not None:
        values["src_ip"], values["src_port"] = host_port(match[1])
        values["dst_ip"], values["dst_port"] = host_port(match[2])
        values["path"] = FlowPath.PLAINTEXT.value
        return ("legacy_start", values) if accepted else _end(values, None, None)
    match = _PLAIN_FAILED.match(said)
    if match is not None:
        values["src_ip"], values["src_port"] = host_port(match[2])
        return _end({**values, "path": FlowPath.PLAINTEXT.value}, None, match[1])
    return _refused({**values, "path": FlowPath.PLAINTEXT.value}, said) if _REJECTED.match(said) else None


def _refused(values: Values, said: str) -> tuple[str, Values]:
    """An inbound connection that ended before it began."""
    match = _REJECTED.match(said)
    if match is None:
        return _end(values, None, said)
    conn = connection_of(match[2]) or {}
    values["src_ip"] = conn.get("peer_ip") or values["src_ip"]
    values["src_port"] = conn.get("peer_port")
    values["src_identity"] = conn.get("peer_identity") or values["src_identity"]
    values["dst_ip"], values["dst_port"] = conn.get("dst_ip"), conn.get("dst_port")
    return _end(values, None, match[1])


def _end(values: Values, duration: str | None, error: str | None) -> tuple[str, Values]:
    values["duration_us"] = micros_of_duration(duration)
    values["error"] = error.strip() if error else None
    values["error_class"] = None if values["error"] is None else _legacy_class(values["error"])
    return "legacy_end", values


def _legacy_class(error: str) -> str | None:
    if error in {"RBAC rejected", "bypassed waypoint"}:
        return "policy_denied"
    if error.startswith("unknown destination"):
        return "unknown_destination"
    if error.startswith("Sending 40"):
        return "bad_authority" if "ip mismatch" in error else "bad_request"
    return classify_error(error)
