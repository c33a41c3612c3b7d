"""What is left of JSON that is broken, or of which the beginning is lost: kept together, so that it is counted once.

The lines of an object that ztunnel printed and a tool spread out (`"src.addr": "…",`) say nothing one by one. A wreck
holds all of them, up to where the object ends or something else begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ztflow.errors import ParseError, Reason
from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, MESSAGE_TEXT
from ztflow.read.framing.margins import begins_record
from ztflow.read.limits import JOIN_CHARS, JOIN_LINES
from ztflow.read.unwrap.json_text import decoded
from ztflow.text.patterns import lazy_pattern

_KEYS = "|".join(f"{outer}[._]{inner}" for outer, _, inner in (key.partition(".") for key in FIELD_BY_KEY) if inner)
_SCOPE = lazy_pattern(rf'"(?:scope|target)"\s*:\s*"{ACCESS_SCOPE}"')
_MESSAGE = lazy_pattern(rf'"message"\s*:\s*"(?:{"|".join(MESSAGE_TEXT.values())})"')
_HEAD = lazy_pattern(f"{_SCOPE.pattern}|{_MESSAGE.pattern}")
_KEY = lazy_pattern(rf'"({_KEYS}|direction|bytes_sent|bytes_recv|duration|error)"\s*:')
_ADDRESS = lazy_pattern(r'"((?:src|dst)[._]addr)"\s*:')
_OWN_KEY = lazy_pattern(rf'\s*"(?:{_KEYS}|bytes_sent|bytes_recv)"\s*:')
_PIECE = lazy_pattern(
    r'\s*(?:"(?!\d{4}-\d\d-\d\d)|[\w.]{1,40}"\s*:|\S{1,3}"|[\]},]+\s*[\]},]*\s*\Z|\.{2,}|\u2026|//|-?\d[\d.]*,?\s*\Z'
    r"|(?:true|false|null),?\s*\Z)"
)


_MIN_WIDTH = 20
_SOME_TIME = lazy_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[ \t]")


class PlainLine(NamedTuple):
    """A line that turned out not to be part of a JSON document."""

    text: str
    line_number: int


def is_broken_record(text: str) -> bool:
    """Whether a text that is no JSON holds the keys of an access line of ztunnel's own JSON."""
    return len(set(_KEY.findall(text))) > 1 and _OWN_KEY.search(text) is not None


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
        return _HEAD.search(self.text) is not None or is_broken_record(self.text)

    @property
    def error(self) -> ParseError:
        """What to say of it."""
        hint = "its beginning or its end may be lost"
        return ParseError(Reason.BAD_JSON, "an access line as JSON is broken", line=self.text, hint=hint)

    @property
    def records(self) -> int:
        """How many records its marks and their keys show: one when it shows none whole."""
        text = self.text
        keys = Counter(_ADDRESS.findall(text))
        return max(1, len(_SCOPE.findall(text)), len(_MESSAGE.findall(text)), *keys.values())


def indent_of(text: str) -> int:
    """Blanks before a line."""
    return len(text) - len(text.lstrip())


def is_orphan(text: str) -> bool:
    """Whether a line can only be from within an object of ztunnel's own JSON, spread over lines."""
    return _OWN_KEY.match(text) is not None or (text[:1].isspace() and _HEAD.match(text.lstrip()) is not None)


_DATE = lazy_pattern(r'^\W{0,3}\d{4}-\d\d-\d\d[T ][^"\s]*[ \t]|^\w{3} +\d')
_LATER = lazy_pattern(r'(?<=[{},])[\s,]*(?=\{\s*"(?:level|timestamp)"\s*:)')


def row_start(text: str) -> int | None:
    """Where the first whole record of a row of them begins on a line that begins in the middle of another one."""
    found = _LATER.search(text)
    if found is None:
        return None
    before = text[: found.end()]
    # labels and times before a record are a wrapper's
    is_json = text[found.start() - 1] == "}" and '="' not in before and not _DATE.search(before, 0, 40)
    return found.end() if is_json or not before.strip("[{, \t") else None


class Wreckage:
    """Collects the lines of a broken value, or of one that only was broken at a fixed column.

    Args:
        margin: Blanks before the value's own brackets; one that closes there ends it.
        lines: Those known so far.

    Attributes:
        ended: Whether the line that was taken last closed the value.
        value: The object that the lines are when nothing is put between them.

    Memory: `JOIN_CHARS` more than what it begins with.
    """

    def __init__(self, margin: int, lines: Iterable[PlainLine]) -> None:
        self._margin = margin
        self._lines = list(lines)
        self._size = 0
        self._width = len(self._lines[0].text)
        self._is_fold = self._width >= _MIN_WIDTH and all(len(line.text) == self._width for line in self._lines)
        self.ended = False
        self.value: dict[str, Any] | None = None

    def takes(self, text: str, number: int) -> bool:
        """Whether a line is the next of the broken value; it is kept then."""
        begin = text.lstrip()[:1]
        goes_on = self._is_fold and 0 < len(text) <= self._width and not _SOME_TIME.search(text)
        if begins_record(text.lstrip()) or begin in {"{", "["} or not (goes_on or _PIECE.match(text)):
            return False
        if row_start(text) is not None:
            return False
        if len(self._lines) >= JOIN_LINES or self._size + len(text) > JOIN_CHARS:
            return False
        self._lines.append(PlainLine(text, number))
        self._size += len(text)
        self.ended = begin in {"}", "]"} and indent_of(text) <= self._margin
        if goes_on and text.rstrip()[-1:] == "}":
            found = decoded(self.text)
            self.value = found if isinstance(found, dict) else None
            self.ended |= self.value is not None
        self._is_fold &= goes_on and len(text) == self._width
        return True

    def parts(self) -> list[PlainLine | Wreck]:
        """All of it: one wreck; lines of equal width one by one, because any text may have followed the first."""
        if len(self._lines) == 1 or (self._is_fold and not self.ended):
            return [*self._lines]
        return [Wreck(tuple(self._lines))]

    @property
    def text(self) -> str:
        """The lines with nothing between."""
        return "".join(line.text for line in self._lines)

    @property
    def first(self) -> PlainLine:
        """The first line."""
        return self._lines[0]
