"""JSON of unknown shape: finds the lines and ztunnel's fields anywhere in it, and pod and node by their usual names.

Key paths of Vector, Fluent Bit, OpenTelemetry and Loki labels are configurable, so known shapes are not enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from ztflow.errors import ParseError
from ztflow.model.provenance import NOBODY, Origin, Row
from ztflow.parse import scan, scan_fields
from ztflow.parse.values import COLUMN
from ztflow.read.unwrap.content import Content, find_head, merged
from ztflow.read.unwrap.json_text import decoded
from ztflow.read.unwrap.marks import Leaf, is_line, marked_leaves, text_of_bytes
from ztflow.read.unwrap.metadata import origin_of_metadata
from ztflow.read.unwrap.shippers import LINE_KEYS, PART_TAGS, content, tagged_part, ztunnel_fields

_DEPTH = 5
_TAGS = frozenset(PART_TAGS)
"""Beside a runtime's tag even a text that does not look like a line is one, or a part of one."""


def anywhere(value: dict[str, Any]) -> list[Content] | None:
    """The lines inside an object: those that show the marks of access lines, else one found by name and by look.

    None when nothing like a line is there.
    """
    found = unproposed(value, ())
    if found:
        return found
    origin = origin_of_metadata(value)
    one = _search(value, origin, 0)
    if one is not None:
        return [one]
    lists = [inner for inner in value.values() if isinstance(inner, list) and inner and isinstance(inner[0], dict)]
    contents = [
        Content(value=one)
        for inner in lists
        for one in inner
        if isinstance(one, dict) and _search(one, origin, 0) is not None
    ]
    return contents or None


def unproposed(value: dict[str, Any], proposed: Iterable[Content] | None) -> list[Content]:
    """What shows the marks of an access line in a decoded object and is not among what a reader proposed.

    A copy of a line in the same array element (`message` and `event.original`, a line and its parsed fields) is that
    line. A nested string is one text here: what is in it is looked at when it is unwrapped.
    """
    given = [Content(value=value)] if proposed is None else list(proposed)
    texts = {_bare(one.text) for one in given if one.value is None}
    objects = {id(one.value) for one in given if one.value is not None}
    known: dict[tuple[type, str], set[Row]] = {}
    for one in given:
        line = one.text if one.value is None else one.value
        if isinstance(line, str | dict) and (row := _row(line)) is not None:
            known.setdefault((type(line), ""), set()).add(row)
    seen: set[tuple[str, str]] = set()
    found: list[Content] = []
    leaves = list(marked_leaves(value))
    inside = [leaf for leaf in leaves if any(id(around) in objects for around in leaf.around)]
    texts.update(_bare(leaf.value) for leaf in inside if isinstance(leaf.value, str))
    for leaf in leaves:
        if leaf.value is value:
            continue  # itself is what it is read as when nothing is in it
        kind: type = type(leaf.value)
        other: type = dict if kind is str else str
        text = _bare(leaf.value) if isinstance(leaf.value, str) else None
        if text in texts or (text is not None and (leaf.record, text) in seen) or id(leaf.value) in objects:
            continue
        if any(id(around) in objects for around in leaf.around):
            continue
        row = _row(leaf.value)
        if row is not None:
            if any(row in known.get((other, place), ()) for place in ("", leaf.record or ".")):
                continue
            if kind is dict and row in known.get((dict, ""), ()):
                continue
            known.setdefault((kind, leaf.record or "."), set()).add(row)
        if text is not None:
            seen.add((leaf.record, text))
        found.append(_content_of(leaf))
    return found


def _content_of(leaf: Leaf) -> Content:
    origin = NOBODY
    for around in reversed(leaf.around):
        origin = merged(origin, origin_of_metadata(around))
    place = f"the key `{leaf.path}`" if leaf.path else "the object"
    if isinstance(leaf.value, dict):
        return Content(value=ztunnel_fields(leaf.value) or leaf.value, origin=origin, place=place)
    holder = leaf.around[-1] if leaf.around else {}
    return tagged_part(content(leaf.value, origin), holder)._replace(place=place)


_SAME = tuple(
    COLUMN[name]
    for name in ("direction", "src_ip", "src_port", "dst_ip", "dst_port", "bytes_sent", "bytes_recv", "duration_ms")
)
"""What a line and its parsed fields have in common; shippers replace the time by their own."""


def _bare(text: str) -> str:
    """A line without what is around it: a copy may have its head (rsyslog's `rawmsg`) or its JSON (Docker's)."""
    head = find_head(text[:4096])
    inner = text[head.start() if head else max(text.find("{"), 0) :].rstrip("\n")
    value = decoded(inner) if inner[:1] == "{" else None
    leaves = list(islice(marked_leaves(value), 2)) if isinstance(value, dict) else []
    only = leaves[0].value if len(leaves) == 1 else None
    return only.rstrip("\n") if isinstance(only, str) else inner


def _row(line: str | dict[str, Any]) -> Row | None:
    try:
        row = scan(_bare(line)) if isinstance(line, str) else scan_fields(ztunnel_fields(line) or line)
    except ParseError:
        return None
    return None if row is None else tuple(row[at] for at in _SAME)


def _search(value: dict[str, Any], origin: Origin, depth: int) -> Content | None:
    fields = ztunnel_fields(value)
    if fields is not None:
        return Content(value=fields, origin=origin)
    for key in LINE_KEYS:
        inner = value.get(key)
        if isinstance(inner, list):
            inner = inner[0] if len(inner) == 1 else text_of_bytes(inner)
        told = depth == 0 and (origin.pod or not _TAGS.isdisjoint(value))
        if isinstance(inner, str) and inner and (_looks_like_line(inner) or told):
            return tagged_part(content(inner, origin), value)
    for key, inner in value.items():
        if isinstance(inner, str) and key not in LINE_KEYS and _looks_like_line(inner):
            return tagged_part(content(inner, origin), value)
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
    return is_line(text)
