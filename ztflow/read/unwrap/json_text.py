"""JSON in logs: where it begins, and its value, also where copying damaged it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from ztflow.read.framing.lines import healed
from ztflow.read.limits import JOIN_CHARS
from ztflow.text.patterns import lazy_pattern

starts_json = lazy_pattern(r"\s*(?:\{|\[\s*(?:[\[{\"]|(?:null|true|false|-?\d+)\s*,))").match
"""Whether a text may be a JSON object, or an array that may hold one."""

_TRIES = 16
_DECODER = json.JSONDecoder(strict=False)
_OPENS = lazy_pattern(r"\s*(?:\{\s*(?:\"|\Z)|\[\s*(?:[{\[]|\Z))")
_CONTROL = lazy_pattern(r"[\x00-\x1f]")
_SURROGATE = lazy_pattern(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Half a character by its escape, and (kept) whole pairs of them."""


def opens_document(text: str) -> bool:
    """Whether a line may be the first of a JSON document over several lines, or hold several values."""
    return _OPENS.match(text) is not None


def decoded(text: str) -> Any:
    """The JSON value of a text, or None when it is not JSON; raw control characters inside strings are let pass."""
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    if not (_CONTROL.search(text) or _SURROGATE.search(text)) and text.isascii():
        return None
    text = _SURROGATE.sub(lambda found: found[1] or "\\ufffd", healed(text))
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def objects_within(text: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The whole JSON objects in a text of another kind, each with its begin and end, until a few braces led to none."""
    at, tries = text.find("{"), _TRIES
    while at >= 0 and tries:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            tries -= 1
            end = at + 1
        else:
            if value:
                yield at, value, end
        at = text.find("{", end)


def dumped(value: Any) -> str:
    """The JSON text of a value that came decoded; for a person to recognise it by, so cut at a length."""
    try:
        return orjson.dumps(value).decode()[:JOIN_CHARS]
    except (TypeError, ValueError, RecursionError):
        return str(value)[:JOIN_CHARS]
