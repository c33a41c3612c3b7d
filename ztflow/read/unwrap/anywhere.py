"""JSON of unknown shape: finds a line or ztunnel's fields anywhere in it, and pod and node by their usual names.

Key paths of Vector, Fluent Bit, OpenTelemetry and Loki labels are configurable, so known shapes are not enough.
"""

from __future__ import annotations

from typing import Any

from ztflow.model.provenance import Origin
from ztflow.read.unwrap.content import Content, Cut, find_head
from ztflow.read.unwrap.metadata import origin_of_metadata
from ztflow.read.unwrap.shippers import content, ztunnel_fields

_LINE_KEYS = (
    "log", "message", "msg", "line", "textPayload", "body", "Body", "content", "_raw", "raw", "event", "text",
    "MESSAGE", "log.original", "event.original", "LogEntry", "LogMessage", "log_line", "entry",
)  # fmt: skip
_DEPTH = 5


def anywhere(value: dict[str, Any]) -> list[Content] | None:
    """The line inside an object, looked up by name and by look; None when nothing like one is there."""
    origin = origin_of_metadata(value)
    found = _search(value, origin, 0)
    if found is not None:
        return [found]
    lists = [inner for inner in value.values() if isinstance(inner, list) and inner and isinstance(inner[0], dict)]
    contents = [
        Content(value=one)
        for inner in lists
        for one in inner
        if isinstance(one, dict) and _search(one, origin, 0) is not None
    ]
    return contents or None


def _search(value: dict[str, Any], origin: Origin, depth: int) -> Content | None:
    fields = ztunnel_fields(value)
    if fields is not None:
        return Content(value=fields, origin=origin)
    for key in _LINE_KEYS:
        inner = value.get(key)
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if isinstance(inner, str) and (_looks_like_line(inner) or (depth == 0 and origin.pod)):
            part = Cut.MORE if value.get("_p") == "P" or value.get("logtag") == "P" else Cut.WHOLE
            return content(inner, origin)._replace(part=part)
    for key, inner in value.items():
        if isinstance(inner, str) and key not in _LINE_KEYS and _looks_like_line(inner):
            return content(inner, origin)
    if depth < _DEPTH:
        for inner in value.values():
            if isinstance(inner, dict):
                found = _search(inner, origin, depth + 1)
                if found is not None:
                    return found
    return None


def _looks_like_line(text: str) -> bool:
    if text.startswith("{"):
        return '"scope"' in text or '"log"' in text or '"message"' in text
    return find_head(text[:4096]) is not None
