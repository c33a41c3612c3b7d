r"""Lines that are the quoted value of a key (docs/reference/wrappers.md#logfmt).

Printed by vlogscli (`\logfmt`), Loki's and Grafana's tools, Go programs with a logfmt logger that pass a line on.
"""

from __future__ import annotations

import json
import re

from ztflow.model.schema import FIELD_BY_KEY
from ztflow.read.unwrap.content import Content, Cut, Memory, cri_head, find_head
from ztflow.read.unwrap.metadata import origin_of_metadata
from ztflow.text.patterns import lazy_pattern

_PAIR = lazy_pattern(r'([A-Za-z_@][\w.@/:-]*+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+))(?=\s|$)\s*', re.ASCII | re.DOTALL)
_ESCAPE = lazy_pattern(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_LINE_KEYS = frozenset({"_msg", "msg", "message", "line", "log", "body", "content", "entry", "MESSAGE", "text"})


def logfmt(text: str, memory: Memory) -> list[Content] | None:
    r"""`key=value key="LINE"`: the quoted value that holds a line, its quotes and tabs escaped."""
    del memory
    found = _PAIR.match(text)
    if found is None or found[1] in FIELD_BY_KEY or '"' not in text:
        return None
    pairs: dict[str, str] = {}
    line: tuple[str, str] | None = None
    while found is not None:
        key, quoted, bare = found.groups()
        value = bare if quoted is None else unquoted(quoted)
        if line is None and quoted is not None and reads_like_line(value):
            line = key, value
        else:
            pairs.setdefault(key, value)
        found = _PAIR.match(text, found.end())
    if line is None:
        key = next((key for key in pairs if key in _LINE_KEYS), None)
        if key is None or not (pairs.get("_p") or pairs.get("logtag")):
            return None
        line = key, pairs.pop(key)
    part = {"P": Cut.MORE, "F": Cut.END}.get(pairs.get("_p") or pairs.get("logtag") or "", Cut.WHOLE)
    return [Content(line[1].rstrip("\n"), origin=origin_of_metadata(pairs), part=part, stream=pairs.get("stream", ""))]


def reads_like_line(text: str) -> bool:
    """Whether a text begins like a line of ztunnel, as text or JSON, or like a runtime's head before one."""
    head = find_head(text[:128])
    return (head is not None and not head.start()) or cri_head(text) is not None or text[:2] == '{"'


def unquoted(body: str) -> str:
    """The text of a quoted string as JSON, Go (`strconv.Quote`) or Ruby write it."""
    if "\\" not in body:
        return body
    try:
        value = json.loads(f'"{body}"', strict=False)
    except ValueError:
        return _ESCAPE.sub(_one, body)
    return str(value)


def _one(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else found[0]
    return _SIMPLE.get(found[4], found[4])
