"""What is left of JSON that is broken, or of which the beginning is lost: kept together, so that it is counted once.

The lines of an object that ztunnel printed and a tool spread out (`"src.addr": "…",`) say nothing one by one. A wreck
holds all of them, up to where the object ends or something else begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, MESSAGE_TEXT
from ztflow.read.framing.margins import begins_record
from ztflow.read.limits import JOIN_CHARS, JOIN_LINES

_KEYS = "|".join(f"{outer}[._]{inner}" for outer, _, inner in (key.partition(".") for key in FIELD_BY_KEY) if inner)
_HEAD = re.compile(
    rf'"(?:scope|target)"\s*:\s*"{ACCESS_SCOPE}"|"message"\s*:\s*"(?:{"|".join(MESSAGE_TEXT.values())})"'
)
_KEY = re.compile(rf'"({_KEYS}|direction|bytes_sent|bytes_recv|duration|error)"\s*:')
_OWN_KEY = re.compile(rf'\s*"(?:{_KEYS}|bytes_sent|bytes_recv)"\s*:')
_PIECE = re.compile(
    r'\s*(?:"(?!\d{4}-\d\d-\d\d)|[\w.]{1,40}"\s*:|\S{1,3}"|[\]},]+\s*[\]},]*\s*\Z|\.{2,}|\u2026|//|-?\d[\d.]*,?\s*\Z'
    r"|(?:true|false|null),?\s*\Z)"
)


class PlainLine(NamedTuple):
    """A line that turned out not to be part of a JSON document."""

    text: str
    line_number: int


class Wreck(NamedTuple):
    """Neighbouring lines of one broken JSON value; at least one."""

    lines: tuple[PlainLine, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(line.text for line in self.lines)

    @property
    def is_access(self) -> bool:
        """Whether it shows the marks of an access line of ztunnel's own JSON: scope or message, or two of its keys."""
        text = self.text
        return _HEAD.search(text) is not None or (
            len(set(_KEY.findall(text))) > 1 and _OWN_KEY.search(text) is not None
        )


def indent_of(text: str) -> int:
    """Blanks before a line."""
    return len(text) - len(text.lstrip())


def is_orphan(text: str) -> bool:
    """Whether a line can only be from within an object of ztunnel's own JSON, spread over lines."""
    return '"' in text and (
        _OWN_KEY.match(text) is not None or (text[:1].isspace() and _HEAD.match(text.lstrip()) is not None)
    )


_LATER = re.compile(r'(?<=[},])[\s,]*(?=\{\s*"(?:level|timestamp)"\s*:)')


def row_start(text: str) -> int | None:
    """Where the first whole record of a row of them begins on a line that begins in the middle of another one."""
    found = _LATER.search(text) if "}" in text else None
    return None if found is None else found.end()


class Wreckage:
    """Collects the lines of a broken value.

    Args:
        margin: Blanks before the value's own brackets; one that closes there ends it.
        lines: Those known so far.

    Attributes:
        ended: Whether the line that was taken last closed the value.

    Memory: `JOIN_CHARS`.
    """

    def __init__(self, margin: int, lines: Iterable[PlainLine] = ()) -> None:
        self._margin = margin
        self._lines = list(lines)
        self._size = sum(len(line.text) for line in self._lines)
        self.ended = False

    def takes(self, text: str, number: int) -> bool:
        """Whether a line is the next of the broken value; it is kept then."""
        begin = text.lstrip()[:1]
        if not _PIECE.match(text) or begins_record(text.lstrip()) or begin in {"{", "["}:
            return False
        if len(self._lines) >= JOIN_LINES or self._size + len(text) > JOIN_CHARS:
            return False
        self._lines.append(PlainLine(text, number))
        self._size += len(text)
        self.ended = begin in {"}", "]"} and indent_of(text) <= self._margin
        return True

    def wreck(self) -> Wreck:
        """All of it."""
        return Wreck(tuple(self._lines))
