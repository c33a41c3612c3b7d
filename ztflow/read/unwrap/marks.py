"""What an access line shows wherever it is: its message and the key of an address, in one text or one object.

A reader of envelopes only proposes; these marks decide whether anything it proposes can be an access line, and whether
all of them were proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ztflow.model.schema import MESSAGE_TEXT
from ztflow.model.vocabulary import Message
from ztflow.read.unwrap.content import cri_head, find_head
from ztflow.text.patterns import lazy_pattern

_MESSAGES = frozenset(MESSAGE_TEXT[message] for message in (Message.COMPLETE, Message.FAILED))
_MESSAGE = lazy_pattern("|".join(sorted(_MESSAGES)))
_ADDRESS = lazy_pattern(r"(?:src|dst)[._]addr")
_NESTED = lazy_pattern(r'"(?:src|dst)\\*"\s*:\s*\{')
_HIGHLIGHT = "highlight"
"""Elasticsearch's copies of what was searched for, with marks inside, beside the document itself."""

_PATH_CHARS = 4096


class Leaf(NamedTuple):
    """Something in a decoded value that shows the marks.

    Attributes:
        path: The keys that lead to it, as a person writes them: `hits[3]._source.message`.
        value: The text, or the object whose keys are the fields of a record.
        record: The path of the array element it is in; empty outside arrays. Copies of one line in one element
            (`message` and `event.original`) are one line.
        around: The objects it is in, outermost first.
    """

    path: str
    value: str | dict[str, Any]
    record: str
    around: tuple[dict[str, Any], ...]


def is_marked(text: str) -> bool:
    r"""Whether a text shows the marks of an access line.

    Examples:
        >>> is_marked("connection complete\tsrc.addr=10.0.0.1:80"), is_marked("connection complete")
        (True, False)
    """
    return (
        "connection " in text
        and _MESSAGE.search(text) is not None
        and (_ADDRESS.search(text) is not None or _NESTED.search(text) is not None)
    )


def is_line(text: str) -> bool:
    """Whether a text looks like a line of ztunnel's, or holds one that a runtime or another tool wrapped."""
    return is_marked(text) or find_head(text[:4096]) is not None or cri_head(text) is not None


def mark_count(text: str) -> int:
    """How many access lines a text can hold at most."""
    return sum(1 for _ in _MESSAGE.finditer(text))


def is_marked_object(value: Mapping[str, Any]) -> bool:
    """Whether an object is a record itself: one value is the message, and a key is one of an address."""
    said = any(isinstance(inner, str) and inner in _MESSAGES for inner in value.values())
    return said and any(
        _ADDRESS.fullmatch(key) or (key in {"src", "dst"} and isinstance(inner, dict) and "addr" in inner)
        for key, inner in value.items()
    )


def marked_leaves(value: Any) -> Iterator[Leaf]:
    """Every text and object in a decoded value that shows the marks, in the order of the document.

    Cost: one look at each string; `limits` bounds how long and how deep a decoded value is.
    """
    waiting: list[tuple[str, Any, str, tuple[dict[str, Any], ...]]] = [("", value, "", ())]
    while waiting:
        path, inner, record, around = waiting.pop()
        if isinstance(inner, str):
            if is_marked(inner):
                yield Leaf(path, inner, record, around)
        elif isinstance(inner, dict):
            if is_marked_object(inner):
                yield Leaf(path, inner, record, around)
            within = (*around, inner)
            before = f"{path[:_PATH_CHARS]}." if path else ""
            waiting += [
                (before + key, one, record, within)
                for key, one in reversed(inner.items())
                if not (key == _HIGHLIGHT and "_source" in inner)
            ]
        elif isinstance(inner, list):
            if (text := text_of_bytes(inner)) is not None:
                waiting.append((path, text, record, around))
                continue
            alone = len(inner) == 1  # stores wrap single values in arrays
            for at in range(len(inner) - 1, -1, -1):
                place = f"{path[:_PATH_CHARS]}[{at}]"
                waiting.append((place, inner[at], record if alone else place, around))


def text_of_bytes(value: list[Any]) -> str | None:
    """The text of a list of byte values, as `journalctl -o json` prints what it does not take for text."""
    if len(value) < 2 or not all(type(one) is int and 0 <= one < 256 for one in value):
        return None
    return bytes(value).decode("utf-8", "replace")
