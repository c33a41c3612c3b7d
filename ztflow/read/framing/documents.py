"""JSON that is spread over physical lines, or of which several values are on one.

Query results and `ppextjson` are pretty-printed; `json_stream` puts objects behind each other with nothing between.
The elements of an outermost array come out one by one. A long object is given piece by piece: the elements its longest
array has so far, inside what is around them (labels, columns), so that the length of an export does not matter.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ztflow.read.limits import DOCUMENT_CHARS, DOCUMENT_PIECE_CHARS
from ztflow.read.unwrap.json_text import decoded

_SYMBOL = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|"|[^"{}\[\]]+')
_BETWEEN = re.compile(r"[\s,:0-9eEtrufalsn.+-]*\Z")
"""What may be outside strings: blanks, separators, numbers, `true`, `false`, `null`."""

_CLOSER = {"{": "}", "[": "]"}
_DEEPER = 8
"""How much longer a value must have grown before it is divided at an array that is one deeper."""


class Value(NamedTuple):
    """One JSON value, or a part of a long one with what is around it; and where it began."""

    value: Any
    text: str
    line_number: int


class PlainLine(NamedTuple):
    """A line that turned out not to be part of a JSON document."""

    text: str
    line_number: int


class _Frame:
    """An open object or array.

    Attributes:
        bracket: How it was opened.
        at: Where that is in the parts of the value.
        child: Where its current element, an object or array, begins there.
        done: Where its last whole element ends there; None before the first.
        line: The physical line that element ended on.
    """

    __slots__ = ("at", "bracket", "child", "done", "line")

    def __init__(self, bracket: str, at: int) -> None:
        self.bracket = bracket
        self.at = at
        self.child = at + 1
        self.done: int | None = None
        self.line = 0


class Document:
    """Collects lines until JSON values are whole.

    Memory: the unfinished value, at most `DOCUMENT_CHARS`; rarely more than `DOCUMENT_PIECE_CHARS`.
    """

    def __init__(self) -> None:
        self._lines: list[PlainLine] = []  # as they came, since the value began or was divided
        self._parts: list[str] = []
        self._frames: list[_Frame] = []
        self._size = 0
        self._number = 0
        self._array = False
        self._divided = False
        self._previous = ""

    @property
    def active(self) -> bool:
        """Whether a document is open."""
        return bool(self._frames) or self._array

    def feed(self, text: str, number: int) -> list[Value | PlainLine]:
        """One physical line; gives the values it completes, or the lines back when they are no JSON after all."""
        if self._frames and not self._continues(text):
            return [*self.finish(), PlainLine(text, number)]
        out: list[Value | PlainLine] = []
        closed = 0  # where the last value on this line ended
        self._previous = text.rstrip()
        if self._frames:
            self._lines.append(PlainLine(text, number))
        for found in _SYMBOL.finditer(text):
            symbol = found[0]
            if symbol in "{[":
                if not self._frames:
                    if symbol == "[" and not self._array:
                        self._array = True
                        continue
                    self._number = number
                    self._lines.append(PlainLine(text, number))
                else:
                    self._frames[-1].child = len(self._parts)
                self._frames.append(_Frame(symbol, len(self._parts)))
            elif symbol in "}]":
                if not self._frames and symbol == "]" and self._array:
                    self._array = False
                    continue
                if not self._frames or _CLOSER[self._frames[-1].bracket] != symbol:
                    return [*out, *self._give_up(text, number, closed)]
                self._frames.pop()
            elif symbol == '"' or (symbol[0] != '"' and not _BETWEEN.match(symbol)):
                return [*out, *self._give_up(text, number, closed)]
            elif not self._frames:
                if symbol[0] == '"' or symbol.strip(" \t\r,"):
                    return [*out, *self._give_up(text, number, closed)]
                continue
            elif self._divided:
                symbol = symbol.lstrip(" \t\r\n,")
                self._divided = not symbol
            self._parts.append(symbol)
            self._size += len(symbol)
            if symbol not in {"}", "]"}:
                continue
            self._divided = False
            if not self._frames:
                out.append(self._closed())
                closed = found.end()
                continue
            frame = self._frames[-1]
            frame.done, frame.line = len(self._parts), number
            if self._is_long():
                out.append(self._piece(text, number))
                closed = found.end()
        if self._frames:
            self._parts.append("\n")
        if self._size > DOCUMENT_CHARS:
            return [*out, *self.finish()]
        return out

    def finish(self) -> list[Value | PlainLine]:
        """What a value that never ended holds: its arrays' whole elements, and the lines after them as plain lines."""
        rescued, last = self._rescued()
        held: list[Value | PlainLine] = [*rescued, *(line for line in self._lines if line.line_number > last)]
        self._reset()
        self._array = False
        return held

    def _continues(self, text: str) -> bool:
        """Whether a line can go on inside the open value.

        A whole object at the margin is a record of its own when nothing before it asked for one: the value that is
        open was cut short.
        """
        return not (
            text[:1] == "{"
            and text.rstrip()[-1:] == "}"
            and self._previous[-1:] not in {",", "["}
            and isinstance(decoded(text), dict)
        )

    def _closed(self) -> Value | PlainLine:
        text = "".join(self._parts)
        number = self._number
        self._reset()
        value = decoded(text)
        return PlainLine(text, number) if value is None else Value(value, text, number)

    def _is_long(self) -> bool:
        """Whether the element that just ended is where a long value is divided: in its outermost array, if it can."""
        if self._size <= DOCUMENT_PIECE_CHARS or self._frames[-1].bracket != "[":
            return False
        depth = sum(frame.bracket == "[" for frame in self._frames)
        return self._size > DOCUMENT_PIECE_CHARS * int(_DEEPER ** (depth - 1))

    def _piece(self, text: str, number: int) -> Value | PlainLine:
        """What the innermost array has so far, inside what is around it; only the surroundings are kept."""
        began, whole = self._number, "".join(self._parts) + _closers(self._frames)
        around = self._around(len(self._frames) - 1)
        kept: list[_Frame] = []
        for at, part in enumerate(around):
            if part in {"{", "["}:
                if kept:
                    kept[-1].child = at
                kept.append(_Frame(part, at))
            elif part in {"}", "]"}:
                kept.pop()
        self._frames, self._parts, self._divided, self._number = kept, around, True, number
        self._size = sum(map(len, around))
        self._lines = [PlainLine(text, number)]
        value = decoded(whole)
        return PlainLine(whole, began) if value is None else Value(value, whole, began)

    def _around(self, depth: int) -> list[str]:
        """What is around the elements of an open array: all before them but earlier elements of outer arrays."""
        around: list[str] = []
        start = 0
        for frame in self._frames[:depth]:
            if frame.bracket == "[":
                around += self._parts[start : frame.at + 1]
                start = frame.child
        return around + self._parts[start : self._frames[depth].at + 1]

    def _rescued(self) -> tuple[list[Value], int]:
        """The whole elements of a value that breaks off, and the last line they are on."""
        found: list[Value] = []
        line = 0
        for depth, frame in enumerate(self._frames):
            if frame.bracket != "[" or frame.done is None:
                continue
            parts = self._around(depth) + self._parts[frame.at + 1 : frame.done]
            text = "".join(parts) + _closers(self._frames[: depth + 1])
            value = decoded(text)
            if value is not None:
                found.append(Value(value, text, self._number))
                line = frame.line
        return found, line

    def _give_up(self, text: str, number: int, closed: int) -> list[Value | PlainLine]:
        """The lines of the value that broke off; of this line only what is behind its last whole value."""
        on_this_line = any(frame.line == number for frame in self._frames)
        held = self.finish()
        if held and isinstance(held[-1], PlainLine) and held[-1].line_number == number:
            held.pop()
        rest = text[closed:]
        # what is behind an element rescued from this line is a bracket's rest; it has no record of its own
        return held if on_this_line or not rest.strip() else [*held, PlainLine(rest, number)]

    def _reset(self) -> None:
        self._lines, self._parts, self._frames, self._size, self._divided = [], [], [], 0, False


def _closers(frames: list[_Frame]) -> str:
    """The brackets that close what is open."""
    return "".join(_CLOSER[frame.bracket] for frame in reversed(frames))
