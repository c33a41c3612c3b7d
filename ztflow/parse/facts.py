"""Facts for placement and pairing from lines other than access lines.

Kinds and their `values` (a key is left out, or None, where the line does not say):

| kind | says | values |
|---|---|---|
| `version` | a ztunnel began, and its Istio release | `version, git_tag, git_revision, rust_version` |
| `kubectl_found` | `kubectl logs` printed one pod of several | `pods, using` |
| `log_filter` | which lines its writer writes from now on | `filter` |
| `local_node` | node of the writer | `node, cluster_id, network, cluster_domain, proxy_mode` |
| `pod_here` | a pod is on the writer's node | `uid, name, namespace, service_account, evidence` (`received`, `span`) |
| `pod_kept` | so it still is, after a restart of either side | `uid` |
| `pod_gone` | it left | `uid` |
| `policy` | a policy decision | `decision` (`deny, allow, no_match, no_policies`)`, dry_run, policy, trace_id, peer_ip, peer_port, pod` |
| `policy_cut` | a running connection cut by a policy change | `peer_ip, peer_port, peer_identity, dst_ip, dst_port, pod` |
| `opened` | a connection started | the columns of its row that are not null |
| `connect_request` | a server saw a client's CONNECT | `trace_id, peer_ip, peer_port, peer_identity, dst_ip, dst_port, hbone_host, hbone_port, client_ip, client_port, service, baggage, pod` |
| `outbound_trace` | an outbound connection started or ended, by trace id | `trace_id, event` (`started, completed`)`, duration_us, pod` |
| `dns_query` | a pod asked for a name | `src_workload, src_namespace, query, domain, result` |
| `legacy_start`, `legacy_end` | 1.18 to 1.21, see `trace_id_messages` | |

Source: istio/ztunnel at 1.18.0 … 1.31.0-rc.0, checked against captured runs of 1.22.0, 1.22.1, 1.24.6 and 1.29.5.
"""  # noqa: E501  a Markdown table row is one line

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ztflow.errors import ParseError
from ztflow.model.provenance import RECORD_NAMES, Fact, LogLine, Row
from ztflow.model.schema import ACCESS_SCOPE
from ztflow.model.vocabulary import Message
from ztflow.parse.classify import Statement, connection_of, decoded, host_port, micros_of_duration, statement_of
from ztflow.parse.jsonlog import scan_fields
from ztflow.parse.scanner import scan
from ztflow.parse.trace_id_messages import legacy_fact
from ztflow.parse.values import MESSAGE, TIME
from ztflow.text.escapes import BadEscapeError, decode
from ztflow.text.patterns import lazy_pattern

Values = dict[str, Any]

_VERSION_FIELD = lazy_pattern(r'\b(\w++):"((?:[^"\\]|\\.)*)"')
KUBECTL_FOUND = "Found "
"""How the line begins in which `kubectl logs` says that it printed one pod of several."""
_FOUND_PODS = lazy_pattern(r"Found (\d{1,6}) pods, using (?:pods?/)?([a-z0-9][-a-z0-9.]{0,252})\s*$")
_CONFIG = "running with config: "
_FILTER = "new log filter is "
_CONFIG_KEY = lazy_pattern(r"^(\w+): *(.*?)\s*$", re.MULTILINE)
_CONFIG_KEYS = {
    "localNode": "node", "local_node": "node", "clusterId": "cluster_id", "cluster_id": "cluster_id",
    "network": "network", "clusterDomain": "cluster_domain", "cluster_domain": "cluster_domain",
    "proxyMode": "proxy_mode", "proxy_mode": "proxy_mode",
}  # fmt: skip
_UID = lazy_pattern(r'WorkloadUid\("([^"]+)"\)')
_INFO = lazy_pattern(r'(name|namespace|service_account): "((?:[^"\\]|\\.)*)"')
_POLICY_MESSAGES = (
    ("deny policy match", "deny"),
    ("allow policy match", "allow"),
    ("no allow policies, allow", "no_policies"),
    ("no allow policies matched", "no_match"),
    ("no allow policies match", "no_match"),
)
_DRY_RUN = lazy_pattern(r"dry-run:? ")
_URI = lazy_pattern(r"uri: ([^ ,]+)")
_HEADER = lazy_pattern(r'"(forwarded|traceparent|baggage)": "((?:[^"\\]|\\.)*)"')
_TRACEPARENT = lazy_pattern(r"[0-9a-f]{2}-([0-9a-f]{32})-")
_FORWARDED_FOR = lazy_pattern(r'for="?([^";]+)"?')
_FORWARDED_HOST = lazy_pattern(r'host="?([^";]+)"?')


def fact_of(line: LogLine, source_file: str) -> Fact | None:
    """What a line other than an access line says, or None when it says nothing ztflow uses.

    Args:
        line: Unwrapped; the configuration record joined with newlines.
        source_file: Where it is, for `Fact.source_file`.

    Cost: 10 to 20 µs. Never raises for text that cannot be read: such a line says nothing.
    """
    if line.text.startswith(KUBECTL_FOUND):
        return _kubectl_found(line, source_file)
    fields = line.fields
    if fields is None and line.text.lstrip(" \t").startswith("{"):
        fields = decoded(line.text)
    statement = statement_of(line.text, fields)
    if statement is None:
        return None
    if statement.scope == ACCESS_SCOPE:
        return _opened(line, fields, source_file)
    said = _said(statement)
    if said is None:
        return None
    kind, values = said
    return Fact(kind, statement.micros, line.origin, source_file, line.line_number, values)


def _kubectl_found(line: LogLine, source_file: str) -> Fact | None:
    """What `kubectl logs` says on stderr when it was asked for a DaemonSet."""
    found = _FOUND_PODS.match(line.text)
    if found is None:
        return None
    values = {"pods": int(found[1]), "using": found[2]}
    return Fact("kubectl_found", None, line.origin, source_file, line.line_number, values)


def _said(statement: Statement) -> tuple[str, Values] | None:
    if statement.full:
        found = legacy_fact(statement)
        if found is not None:
            return found
    for scope, begins, reader in _READERS:
        if statement.scope == scope and statement.rest.startswith(begins):
            found = reader(statement)
            if found is not None:
                return found
    return _pod_in_span(statement)


def _opened(line: LogLine, fields: dict[str, Any] | None, source_file: str) -> Fact | None:
    try:
        row: Row | None = scan(line.text) if fields is None else scan_fields(fields, line.text)
    except ParseError:
        return None
    if row is None or row[MESSAGE] != Message.OPENED.value:
        return None
    values = {name: value for name, value in zip(RECORD_NAMES, row, strict=True) if value is not None}
    values.pop("time", None)
    time = row[TIME]
    return Fact("opened", time if isinstance(time, int) else None, line.origin, source_file, line.line_number, values)


def _pod_in_span(statement: Statement) -> tuple[str, Values] | None:
    """Any line inside a `proxy` span proves where that pod runs."""
    pod, uid = statement.pod, statement.span_field("uid")
    if pod is not None and "/" in pod:
        namespace, _, name = pod.partition("/")
        return "pod_here", {"namespace": namespace, "name": name, "evidence": "span"}
    return ("pod_here", {"uid": uid, "evidence": "span"}) if uid else None


def _version(statement: Statement) -> tuple[str, Values] | None:
    said = dict(_VERSION_FIELD.findall(statement.rest.replace('\\"', '"')))
    names = {
        "version": "IstioVersion",
        "git_tag": "GitTag",
        "git_revision": "GitRevision",
        "rust_version": "RustVersion",
    }
    values = {name: said.get(key) for name, key in names.items()}
    values = {name: text for name, text in values.items() if text and text != "unknown"}
    return ("version", values) if said else None


def _log_filter(statement: Statement) -> tuple[str, Values]:
    return "log_filter", {"filter": statement.rest.removeprefix(_FILTER).strip()}


def _config(statement: Statement) -> tuple[str, Values] | None:
    yaml = statement.rest.removeprefix(_CONFIG)
    values: Values = {}
    for key, text in _CONFIG_KEY.findall(yaml):
        name = _CONFIG_KEYS.get(key)
        if name is not None:
            values[name] = _yaml_scalar(text)
    return ("local_node", values) if values.get("node") else None


def _yaml_scalar(text: str) -> str | None:
    """A one-line YAML scalar, as serde_yaml writes a string."""
    if text[:1] == "'" and text[-1:] == "'":
        text = text[1:-1].replace("''", "'")
    elif text[:1] == '"' and text[-1:] == '"':
        text = text[1:-1]
    elif text in {"null", "~"}:
        return None
    return text or None


def _pod_received(statement: Statement) -> tuple[str, Values] | None:
    values = {key: statement.field(key) for key in ("uid", "name", "namespace")}
    values = {key: text for key, text in values.items() if text}
    return ("pod_here", {**values, "evidence": "received"}) if values else None


def _pod_uid(statement: Statement) -> tuple[str, Values] | None:
    match = _UID.search(statement.rest)
    return ("pod_here", {"uid": match[1], "evidence": "received"}) if match else None


def _pod_started(statement: Statement) -> tuple[str, Values] | None:
    """Debug level: ties a uid to a name also in 1.22."""
    said = statement.rest
    if statement.fields is not None:
        said = f"{statement.fields.get('workload')} {statement.fields.get('workload_info')}"
    match = _UID.search(said)
    if match is None:
        return None
    info = {key: text for key, text in _INFO.findall(said) if text}
    return "pod_here", {"uid": match[1], **info, "evidence": "received"}


def _pod_kept(statement: Statement) -> tuple[str, Values] | None:
    uid = statement.field("uid")
    return ("pod_kept", {"uid": uid}) if uid else None


def _pod_gone(statement: Statement) -> tuple[str, Values] | None:
    match = _UID.search(statement.rest)
    uid = statement.field("uid") or (match[1] if match else None)
    return ("pod_gone", {"uid": uid}) if uid else None


def _policy(statement: Statement) -> tuple[str, Values] | None:
    said = _DRY_RUN.sub("", statement.rest, count=1)
    decision = next((name for begins, name in _POLICY_MESSAGES if said.startswith(begins)), None)
    if decision is None:
        return None
    peer_ip, peer_port = host_port(statement.span_field("peer"))
    return "policy", {
        "decision": decision,
        "dry_run": said != statement.rest,
        "policy": statement.field("policy"),
        "trace_id": statement.trace_id,
        "peer_ip": peer_ip,
        "peer_port": peer_port,
        "pod": statement.pod,
    }


def _policy_cut(statement: Statement) -> tuple[str, Values] | None:
    conn = connection_of(statement.rest.removeprefix("connection "))
    if conn is None or "no longer allowed after a policy update" not in statement.rest:
        return None
    return "policy_cut", {**conn, "pod": statement.pod}


def _connect_request(statement: Statement) -> tuple[str, Values] | None:
    conn, request = statement.field("conn"), statement.field("req")
    if statement.fields is None:
        request = statement.rest
    connection = connection_of(conn or "")
    if connection is None or request is None:
        return None
    headers: dict[str, str] = {}
    for name, body in _HEADER.findall(request):
        try:
            headers[name] = decode(body)
        except BadEscapeError:
            continue
    uri = _URI.search(request)
    hbone_host, hbone_port = host_port(uri[1] if uri else None)
    forwarded = headers.get("forwarded", "")
    client, service = _FORWARDED_FOR.search(forwarded), _FORWARDED_HOST.search(forwarded)
    client_ip, client_port = host_port(client[1] if client else None)
    traceparent = _TRACEPARENT.match(headers.get("traceparent", ""))
    baggage = dict(part.partition("=")[::2] for part in headers.get("baggage", "").split(",") if "=" in part)
    return "connect_request", {
        **connection,
        "trace_id": statement.trace_id or (traceparent[1] if traceparent else None),
        "hbone_host": hbone_host,
        "hbone_port": hbone_port,
        "client_ip": client_ip,
        "client_port": client_port,
        "service": service[1] if service else None,
        "baggage": baggage,
        "pod": statement.pod,
    }


def _outbound_trace(statement: Statement) -> tuple[str, Values] | None:
    trace_id = statement.trace_id
    if trace_id is None:
        return None
    event = "completed" if statement.rest.startswith("connection completed") else "started"
    duration = micros_of_duration(statement.field("dur"))
    return "outbound_trace", {"trace_id": trace_id, "event": event, "duration_us": duration, "pod": statement.pod}


def _dns_query(statement: Statement) -> tuple[str, Values] | None:
    values = {
        "src_workload": statement.field("src.workload"),
        "src_namespace": statement.field("src.namespace"),
        **{key: statement.field(key) for key in ("query", "domain", "result")},
    }
    return ("dns_query", values) if values["query"] and values["domain"] else None


_READERS: tuple[tuple[str, str, Callable[[Statement], tuple[str, Values] | None]], ...] = (
    ("ztunnel", "version: ", _version),
    ("ztunnel", _CONFIG, _config),
    ("telemetry", _FILTER, _log_filter),
    ("inpod::statemanager", "pod received, starting proxy", _pod_received),
    ("inpod::statemanager", "pod WorkloadUid(", _pod_uid),
    ("inpod::statemanager", "starting proxy", _pod_started),
    ("inpod::statemanager", "pod keep received", _pod_kept),
    ("inpod::statemanager", "pod delete request", _pod_gone),
    ("state", "", _policy),
    ("proxy::connection_manager", "connection ", _policy_cut),
    ("proxy::inbound", "received request", _connect_request),
    ("proxy::outbound", "connection started", _outbound_trace),
    ("proxy::outbound", "connection completed", _outbound_trace),
    ("dns", "", _dns_query),
)
"""Scope, how the message begins, and the function that reads it."""
