"""Records as log shippers and runtimes write them: one JSON object a line (docs/reference/wrappers.md#log-shippers).

Each function takes the decoded object and gives what was inside, or None when the object is not of its kind.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.limits import DOCUMENT_CHARS
from ztflow.read.unwrap.content import Content, Cut, find_head, merged, text_of
from ztflow.read.unwrap.marks import is_line, is_marked, text_of_bytes
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_kubernetes, origin_of_metadata, shared

_DOCKER_CHUNK = 16 * 1024 - 64
"""Docker cuts at 16 384 bytes; a little less, because bytes it could not decode changed their length."""

_KAIL_KEYS = {"namespace", "name", "container", "message"}

_DOCKER_KEYS = {"log", "stream", "time", "attrs"}

_AROUND = frozenset({
    "kubernetes", "stream", "_p", "logtag", "log", "date", "docker", "tag", "@timestamp", "@version", "log_processed",
    "host", "source_type", "file", "path", "fluenttag", "_partial", "timestamp_end", "hostname", "input", "agent",
    "ecs", "container", "offset", "docker_id", "flags", "_msg", "_time", "_stream", "_stream_id",
})  # fmt: skip
"""Keys that shippers set beside a line they have flattened into their own record."""

_AROUND_PREFIXES = ("kubernetes", "k8s", "_")
"""How more of them begin, where the record is flat; no key of ztunnel's does."""

LINE_KEYS = (
    "log", "message", "msg", "_msg", "line", "textPayload", "body", "Body", "content", "_raw", "raw", "event", "text",
    "MESSAGE", "log.original", "event.original", "LogEntry", "LogMessage", "log_line", "entry",
)  # fmt: skip
"""Keys under which shippers and stores keep the line, in the order they are tried."""


def ztunnel_fields(value: dict[str, Any]) -> dict[str, Any] | None:
    """The fields of ztunnel's own JSON line, alone or flattened into a shipper's record; None when `value` is not one.

    1.22.1 and later have `scope`, 1.22.0 `target`; VictoriaLogs calls the message `_msg`. A shipper's keys are left
    out. An object of another tool may have all three keys too: what its message holds is then a whole line, or its
    scope is no text.
    """
    message = value.get("message", value.get("_msg"))
    if not isinstance(message, str) or "level" not in value:
        return None
    if not (isinstance(value.get("scope"), str) or isinstance(value.get("target"), str)):
        return None
    if message[:1] == "{" or find_head(message[:512]) is not None or is_marked(message):
        return None
    if _AROUND.isdisjoint(value):
        return value
    own = {key: inner for key, inner in value.items() if key not in _AROUND and not key.startswith(_AROUND_PREFIXES)}
    return {**own, "message": message}


def stern_json(value: dict[str, Any]) -> list[Content] | None:
    """`stern -o json`: the only stern output that names the node."""
    pod = value.get("podName")
    message = value.get("message")
    if not isinstance(pod, str) or not isinstance(message, str) or "containerName" not in value:
        return None
    get = value.get
    origin = NOBODY
    if pod:
        origin = shared(
            Origin(pod, text_of(get("namespace")), text_of(get("nodeName")), text_of(get("containerName")), None)
        )
    return [Content(message.removesuffix("\n"), origin=origin)]


def stern_extjson(value: dict[str, Any]) -> list[Content] | None:
    """`stern -o extjson` and `ppextjson`, kail's and similar JSON: `pod` (kail: `name`), `container`, `message`."""
    message = value.get("message")
    pod = value.get("name" if value.keys() == _KAIL_KEYS else "pod")
    if not isinstance(pod, str) or "container" not in value or message is None:
        return None
    origin = shared(
        Origin(
            text_of(pod),
            text_of(value.get("namespace")),
            text_of(value.get("node")) or text_of(value.get("nodeName")),
            text_of(value.get("container")),
            None,
        )
    )
    return [content(message, origin)]


def docker(value: dict[str, Any]) -> list[Content] | None:
    """Docker's json-file. A chunk without its line end goes on in the next entry of the same stream.

    Fluent Bit without metadata has the same keys and never a line end; only a chunk as long as Docker's buffer is
    taken for a part.
    """
    log = value.get("log")
    if not isinstance(log, str) or not value.keys() <= _DOCKER_KEYS:
        return None
    attrs = value.get("attrs")
    origin = origin_of_metadata(attrs) if isinstance(attrs, dict) else NOBODY
    stream = text_of(value.get("stream")) or ""
    whole = log.endswith("\n") or len(log) < _DOCKER_CHUNK // 4 or len(log.encode("utf-8", "replace")) < _DOCKER_CHUNK
    return [Content(log.removesuffix("\n"), origin=origin, part=Cut.END if whole else Cut.MORE, stream=stream)]


def kubernetes(value: dict[str, Any]) -> list[Content] | None:
    """Fluent Bit, Fluentd, Vector, Filebeat: `log` or `message` beside a `kubernetes` object.

    With `Merge_Log` the line's own fields are lifted beside or below it, and the line itself may be gone.
    """
    meta = value.get("kubernetes")
    if not isinstance(meta, dict):
        return None
    origin = origin_of_kubernetes(meta)
    for key in ("file", "tag", "fluenttag", "filename"):
        if origin.pod is None and isinstance(value.get(key), str):
            origin = merged(origin, origin_of_file(value[key]))
    fields = ztunnel_fields(value)
    if fields is not None:
        return [Content(value=fields, origin=origin)]
    texts = [inner for key in LINE_KEYS if isinstance(inner := value.get(key), str) and inner]
    line: Any = next(filter(is_marked, texts), None) or next(iter(texts), None)
    if line is None or (len(texts) > 1 and find_head(line[:512]) is None):
        lifted = next((inner for inner in value.values() if isinstance(inner, dict) and ztunnel_fields(inner)), None)
        line = line if lifted is None else lifted
    return None if line is None else [tagged_part(content(line, origin), value)]


PART_TAGS = ("_p", "logtag", "_partial", "partial_message", "CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_LAST")
"""Where shippers keep a runtime's tag: Fluent Bit and OpenTelemetry, Vector, Fluentd and Docker's journald driver."""


def tagged_part(inside: Content, holder: dict[str, Any]) -> Content:
    """A line with the tag its runtime gave it (P or F, a flag), where its record keeps one.

    Vector and Docker's journald driver set theirs on all parts but the last, so their records without it may be one.
    """
    tag = next((holder[key] for key in PART_TAGS if key in holder), None)
    if tag is None and (holder.get("source_type") in ("kubernetes_logs", "docker_logs") or "CONTAINER_NAME" in holder):
        tag = "F"
    if inside.value is not None or tag is None or _is_document(inside.text):
        return inside
    last = "true" in (holder.get("partial_last"), holder.get("CONTAINER_PARTIAL_LAST"))
    partial = tag is True or tag in ("P", "true")
    stream = text_of(holder.get("stream")) or text_of(holder.get("log.iostream")) or ""
    stamp = next((str(stamp) for key in _STAMPS if (stamp := holder.get(key)) and isinstance(stamp, _STAMP)), "")
    return inside._replace(part=Cut.MORE if partial and not last else Cut.END, stream=stream, stamp=stamp)


def _is_document(text: str) -> bool:
    """Whether a text is JSON from its first character to its last, and so no part of anything."""
    if text[:1] not in _OPENINGS or text[-1:] not in _ENDINGS:
        return False
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


_OPENINGS, _ENDINGS = frozenset('"[{'), frozenset('"]}')

_STAMPS = ("partial_id", "CONTAINER_PARTIAL_ID", "time", "_time", "@timestamp", "timestamp", "date")
"""What the parts of one line have in common: an id, or else the runtime's time."""

_STAMP = (str, int, float)

_HOLDERS = ("message", "kinesis", "awslogs", "records", "Records", "receivedMessages")
"""Keys of what is around `data` in a queue's envelope, one or a list."""


def encoded(value: dict[str, Any]) -> list[Content] | None:
    """A queue's envelope: `data` in base64, gzipped or not (Kinesis, Firehose, CloudWatch subscriptions, Pub/Sub)."""
    texts = [text for holder in _holders(value) if (text := text_of_base64(holder.get("data", holder.get("Data"))))]
    return [Content(text) for text in texts if text[:1] == "{" or is_line(text)] or None


def _holders(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, dict):
            yield one
            for key in _HOLDERS if depth < 3 else ():  # the deepest has three: a list, a message, its data
                yield from _holders(one.get(key), depth + 1)


def text_of_base64(data: Any) -> str | None:
    """The text in base64, gzipped or not; None when it is something else, or longer than a document may be."""
    if not isinstance(data, str) or len(data) < 16:
        return None
    try:
        raw = base64.b64decode(data, validate=True)
        if raw[:2] == b"\x1f\x8b":
            opened = zlib.decompressobj(wbits=31)
            raw = opened.decompress(raw, DOCUMENT_CHARS)
            if opened.unconsumed_tail:
                return None
        return raw.decode()
    except (ValueError, zlib.error):
        return None


def otlp(value: dict[str, Any]) -> list[Content] | None:
    """OTLP JSON: one request with many records; pod and node are on the resource and hold for all of them."""
    resources = _either(value, "resourceLogs", "resource_logs")
    if not isinstance(resources, list):
        return None
    found: list[Content] = []
    for resource in map(_dict, resources):
        about = _attributes(_dict(resource.get("resource")).get("attributes"))
        scopes = _either(
            resource, "scopeLogs", "scope_logs", "instrumentationLibraryLogs", "instrumentation_library_logs"
        )
        for scope in map(_dict, _list(scopes)):
            for record in _list(_either(scope, "logRecords", "log_records", "logs")):
                found += _otlp_record(_dict(record), about)
    return found


def _either(value: dict[str, Any], *keys: str) -> Any:
    """The first of a key's spellings that is there: OTLP's own, and that of programs that print Protobuf's names."""
    return next((value[key] for key in keys if key in value), None)


def _otlp_record(record: dict[str, Any], about: dict[str, Any]) -> list[Content]:
    own = _attributes(record.get("attributes"))
    origin = origin_of_metadata({**own, **about})
    body = _any_value(record.get("body"))
    if body is None and ztunnel_fields(own):
        body = own
    if body is None:
        return []
    stamp = _either(record, "timeUnixNano", "time_unix_nano")
    return [tagged_part(content(body, origin), {**own, "_time": stamp})]


def otel_row(value: dict[str, Any]) -> list[Content] | None:
    """A log record as database exporters rename it: `Body`, `ResourceAttributes`, `LogAttributes`."""
    body = value.get("Body", value.get("body"))
    about = value.get("ResourceAttributes", value.get("resource", value.get("resources")))
    if body is None or not isinstance(about, dict):
        return None
    own = value.get("LogAttributes", value.get("attributes"))
    origin = origin_of_metadata({**(own if isinstance(own, dict) else {}), **about})
    return [content(_any_value(body) if isinstance(body, dict) and len(body) == 1 else body, origin)]


def content(line: Any, origin: Origin) -> Content:
    """A line that came as text, as bytes, or already decoded."""
    if isinstance(line, dict):
        return Content(value=line, origin=origin)
    if isinstance(line, list):
        if len(line) == 1:
            return content(line[0], origin)
        line = text_of_bytes(line)
    return Content(line.removesuffix("\n") if isinstance(line, str) else "", origin=origin)


def journald(value: dict[str, Any]) -> list[Content] | None:
    """`journalctl -o json`. The host is a machine's name, not surely the node's."""
    if "__CURSOR" not in value or "MESSAGE" not in value:
        return None
    message = value["MESSAGE"]
    if message is None:
        return [Content(problem="MESSAGE is null: journalctl leaves long messages out; export with `--all`")]
    return [tagged_part(content(message, origin_of_file(text_of(value.get("CONTAINER_NAME")) or "")), value)]


def _attributes(pairs: Any) -> dict[str, Any]:
    """OTLP attributes: a list of key/value objects, or already a map."""
    if isinstance(pairs, dict):
        return pairs
    found: dict[str, Any] = {}
    for pair in _list(pairs):
        key = _dict(pair).get("key")
        if isinstance(key, str):
            found[key] = _any_value(pair.get("value"))
    return found


def _any_value(value: Any) -> Any:
    """An OTLP AnyValue as a plain value. 64-bit integers travel as text."""
    if not isinstance(value, dict):
        return value
    for name, inner in value.items():
        key = name.replace("_v", "V")
        if key == "intValue" and isinstance(inner, str) and inner.lstrip("-").isdigit() and len(inner) < 21:
            return int(inner)
        if key in {"stringValue", "boolValue", "doubleValue", "intValue"}:
            return inner
        if key == "kvlistValue":
            return _attributes(_dict(inner).get("values"))
        if key == "arrayValue":
            return [_any_value(one) for one in _list(_dict(inner).get("values"))]
        if key == "bytesValue":
            return text_of_base64(inner)
    return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
