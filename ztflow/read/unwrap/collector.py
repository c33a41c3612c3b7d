"""What the OpenTelemetry Collector's debug exporter prints (docs/reference/wrappers.md#log-shippers).

Source: open-telemetry/opentelemetry-collector `exporter/debugexporter/internal/{normal,otlptext}`.
"""

from __future__ import annotations

import re

from ztflow.model.provenance import Origin
from ztflow.read.unwrap.content import Content, Memory, find_head, merged
from ztflow.read.unwrap.metadata import origin_of_metadata
from ztflow.text.patterns import lazy_pattern

_RESOURCE = lazy_pattern(r"(?:\d{4}-\d\d-\d\dT\S+\t\w+\t)?ResourceLog #\d+(?: (?P<attributes>.*))?$", re.DOTALL)
_END = lazy_pattern(r"(?:ScopeLogs?|LogRecord) #\d+")
"""What follows a resource's attributes: the scope's printing may be turned off."""

_PART = lazy_pattern(r"(?:^|\n)(?:ResourceLog #\d|\s*Body: (?:Str|Map|Bytes)\()")
_ATTRIBUTE = lazy_pattern(r"\s+-> ([\w./-]+): \w+\((.*)\)$", re.DOTALL)
_BODY = lazy_pattern(r"\s*Body: (?:Str|Map|Bytes)\((.*)\)$", re.DOTALL)
_PAIR = lazy_pattern(r"(?<!\S)([A-Za-z_][\w./-]*+)=((?:(?! [A-Za-z_][\w./-]*+=).)*+)(?: |$)", re.DOTALL)
_KNOWN = lazy_pattern(r" (?:log\.(?:file\.[a-z_]++|iostream)|logtag|k8s\.[\w.]++|container\.[\w.]++)=")
"""Attributes that the collector's receivers and processors give a log record; ztunnel has no such field."""

_LAST_FIELD = lazy_pattern(r' (?:duration|error)="(?:[^"\\]|\\.)*+"(?= )')


def debug_dump(text: str, memory: Memory) -> list[Content] | None:
    """`ResourceLog #0 k8s.pod.name=POD …`, and the blocks of `verbosity: detailed`: `Body: Str(LINE)`."""
    if "\n" in text:  # the collector logs as JSON: the whole dump is one message
        lines = text.split("\n") if _PART.search(text) else []
        return [Content(line) for line in lines] or None
    if (body := _BODY.match(text)) is not None:
        return [Content(body[1], origin=memory.resource)]
    if (resource := _RESOURCE.match(text)) is not None:
        # the attributes are behind it (normal), or follow one a line (detailed)
        memory.section = origin_of_metadata(dict(_PAIR.findall(resource["attributes"] or "")))
        memory.attributes = {}
        return [Content(text, final=True)]
    if memory.attributes is None:
        return None
    if (attribute := _ATTRIBUTE.match(text)) is not None:
        memory.attributes[attribute[1]] = attribute[2]
        return [Content(text, final=True)]
    if _END.match(text) is not None:
        memory.resource = origin_of_metadata(memory.attributes)
        memory.attributes = None
        return [Content(text, final=True)]
    return None


def debug_record(text: str, memory: Memory) -> list[Content] | None:
    """`LINE log.file.path=… logtag=F`: a record of `verbosity: normal`; its attributes are no fields of the line."""
    del memory
    parted = without_attributes(text)
    return None if parted is None else [Content(parted[0], origin=parted[1])]


def without_attributes(text: str) -> tuple[str, Origin] | None:
    """A line, and the ztunnel that the attributes behind it name; None when there are none behind it."""
    known = _KNOWN.search(text)
    if known is None:
        return None
    end = known.start()
    if find_head(text[:128]) is not None:
        for last in _LAST_FIELD.finditer(text):
            end = last.end()
        if end > known.start():
            return None
    pairs = dict(_PAIR.findall(text, end + 1))
    path = {"log.file.path": pairs.pop("log.file.path", "")}
    return text[:end], merged(origin_of_metadata(pairs), origin_of_metadata(path))
