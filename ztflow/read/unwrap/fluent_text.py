"""Records of Fluent Bit and Fluentd that are not plain JSON (docs/reference/wrappers.md#log-shippers).

Sources: fluent-bit `plugins/out_stdout`, `plugins/out_file` (csv, ltsv, plain, template), `src/flb_pack.c`; msgpack-c
`src/objectc.c` (the Ruby look; strings are not escaped); fluentd `lib/fluent/plugin/{out_file,out_stdout}.rb`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from ztflow.model.provenance import Origin
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, Memory, merged
from ztflow.read.unwrap.logfmt import reads_like_line, unquoted
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata
from ztflow.read.unwrap.shippers import ztunnel_fields
from ztflow.text.patterns import lazy_pattern

_RUBY = lazy_pattern(
    r"(?:\[\d+\] (\S+): \[\[?\d+(?:\.\d+)?(?:, \{[^{}]*\}\])?, "
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4} (\S+): )"
    r'(?=\{"[^"]{1,200}"\s?=>)'
)
_RUBY_KEY = lazy_pattern(r'[{ ]"([^"\s]{1,200})"\s?=>\s?')
_TAGGED = lazy_pattern(r"(\S+): \[\[?\d+(?:\.\d+)?(?:, \{[^{}]*\}\])?, (\{.*\})\]$", re.DOTALL)
_FLUENTD_FILE = lazy_pattern(rf"{RFC3339_TIME}\t(\S+)\t(\{{.*\}})$", re.DOTALL)
_FLUENTD_STDOUT = lazy_pattern(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4} (\S+): (\{.*\})$", re.DOTALL)
_CSV_TIME = lazy_pattern(r"\d{9,10}(?:\.\d{1,9})?([,\t ;|])(?=\"|\{\")")
_LTSV_FIELD = lazy_pattern(r'\t(?="[^"\t]{1,200}":)')
_LTSV_BARE = lazy_pattern(r"\t(?=(?:time|stream|_p|logtag|log|message|tag|file|path|kubernetes)\:)")
_STAMP = lazy_pattern(RFC3339_TIME)

_LINE_KEYS = ("log", "message", "msg", "MESSAGE", "line", "body")
_WRITER_KEYS = frozenset({"pod_name", "namespace_name", "host", "container_name", "pod_node_name"})


def ruby(text: str, memory: Memory) -> list[Content] | None:
    """`[N] TAG: [[sec.nanos, {}], {"log"=>"LINE", …}]`: Fluent Bit's stdout. Strings are not escaped."""
    del memory
    found = _RUBY.match(text)
    if found is None:
        return None
    return _record(_ruby_fields(text, found.end()), origin_of_file(found[1] or found[2]))


def tagged_json(text: str, memory: Memory) -> list[Content] | None:
    """`TAG: [sec, {…}]` (Fluent Bit file), `TIME⇥TAG⇥{…}` (Fluentd file), `TIME TAG: {…}` (Fluentd stdout)."""
    del memory
    if not text.endswith(("}", "]")):
        return None
    found = _TAGGED.match(text) or _FLUENTD_FILE.match(text) or _FLUENTD_STDOUT.match(text)
    return [Content(found[2], origin=origin_of_file(found[1]))] if found else None


def ltsv(text: str, memory: Memory) -> list[Content] | None:
    """`"time":sec⇥"log":"LINE"`: Fluent Bit's file as ltsv; tabs in values are not escaped."""
    del memory
    if not text.startswith(('"time":', "time:")):
        return None
    fields: dict[str, Any] = {}
    for field in (_LTSV_FIELD if text[0] == '"' else _LTSV_BARE).split(text)[1:]:
        key, _, value = field.partition(":")
        key = key.strip('"')
        if value.startswith('{"') and "=>" in value:
            fields |= {f"{key}.{name}": inner for name, inner in _ruby_fields(value, 0).items()}
            continue
        fields[key] = value[1:-1] if value[:1] == value[-1:] == '"' and len(value) > 1 else value
    return _record(fields, Origin()) if fields else None


def csv_row(text: str, memory: Memory) -> list[Content] | None:
    """`sec,"TIME","stdout","F","LINE"`: Fluent Bit's file as csv; quotes in values are not escaped."""
    del memory
    found = _CSV_TIME.match(text)
    if found is None:
        return None
    by = re.escape(found[1])
    fields: dict[str, Any] = {}
    rest = text[found.end() :]
    if (own := re.search(rf'(?:^|{by})"(\{{".*\}})"(?={by}|$)', rest, re.DOTALL)) is not None:
        fields["log"] = own[1]  # ztunnel's JSON, whose quotes are not escaped either
        rest = rest[: own.start()] + rest[own.end() :]
    cells = re.split(rf'(?:"|\}}){by}(?:(?:-?[\d.]+|true|false|null){by})*(?="|\{{")', rest)
    cells = [cell.removeprefix('"') for cell in cells]
    cells[-1] = re.sub(rf'"(?:{by}[^"]*)?$', "", cells[-1])
    for cell in cells:
        if cell.startswith('{"'):
            fields |= {f"kubernetes.{key}": value for key, value in _ruby_fields(cell, 0).items()}
        elif cell in {"stdout", "stderr"}:
            fields["stream"] = cell
        elif cell in {"P", "F"}:
            fields["_p"] = cell
        elif _STAMP.fullmatch(cell):
            fields["time"] = cell
        elif cell.startswith("/"):
            fields["file"] = cell
        else:
            fields["log" if "log" not in fields or reads_like_line(cell) else f"cell{len(fields)}"] = cell
    return _record(fields, Origin())


def _ruby_fields(text: str, at: int) -> dict[str, Any]:
    """Key paths and values of a map as msgpack-c prints it: `{"a"=>"b", "c"=>{"d"=>1}}`."""
    fields: dict[str, Any] = {}
    path: list[str] = []
    keys = list(_RUBY_KEY.finditer(text, at))
    for number, key in enumerate(keys):
        stop = keys[number + 1].start() if number + 1 < len(keys) else len(text)
        raw = text[key.end() : stop]
        if not raw.rstrip(" ,"):
            path.append(key[1])
            continue
        end = raw.rfind('"') if raw[0] == '"' else -1
        if end >= 0 and stop == len(text) and raw[-1:] not in {"]", "}"}:
            end = len(raw)  # a line end in the value: its closing quote is on the next physical line
        closing = raw[end + 1 :]
        name = ".".join([*path, key[1]])
        fields[name] = _string(raw[1:end]) if end > 0 else _scalar(raw.rstrip(" ,]})"))
        del path[max(0, len(path) - closing.count("}")) :]
    return fields


def _string(raw: str) -> str:
    """A printed string; Fluentd escapes as Ruby does, Fluent Bit not at all."""
    return unquoted(raw) if "\t" not in raw and ('\\"' in raw or "\\t" in raw) else raw


def _scalar(raw: str) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return raw


def _record(fields: dict[str, Any], origin: Origin) -> list[Content] | None:
    """The line in a flat record, and what its other fields tell of the writer."""
    key = next((key for key, value in fields.items() if isinstance(value, str) and reads_like_line(value)), None)
    if key is None:
        own = ztunnel_fields(fields)
        if own is not None:
            return [Content(value=own, origin=merged(_writer(fields, own), origin))]
        key = next((key for key in _LINE_KEYS if isinstance(fields.get(key), str)), None)
        if key is None:
            return None
    mark = fields.get("_p") or fields.get("logtag")
    part = {"P": Cut.MORE, "F": Cut.END}.get(mark if isinstance(mark, str) else "", Cut.WHOLE)
    stamp, stream = (str(fields.get(name) or "") for name in ("time", "stream"))
    who = merged(_writer(fields, (key,)), origin)
    return [Content(fields[key], origin=who, part=part, stream=stream, stamp=stamp)]


def _writer(fields: dict[str, Any], without: Iterable[str]) -> Origin:
    """Who wrote it, by the fields beside the line. Of nested ones only those of `kubernetes` count, no labels."""
    known = {
        key: value
        for key, value in fields.items()
        if key not in without
        and isinstance(value, str)
        and ("." not in key or (key.startswith("kubernetes.") and key.removeprefix("kubernetes.") in _WRITER_KEYS))
    }
    return origin_of_metadata(known)
