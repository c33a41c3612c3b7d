"""JSON that is spread over physical lines, or of which several values stand on one.

Query results and `ppextjson` are pretty-printed; `json_stream` puts objects behind each other with nothing between.
The elements of an outermost array come out one by one, so an array's length does not matter.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ztflow.read.limits import DOCUMENT_CHARS
from ztflow.read.unwrap import decoded

_SYMBOL = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|"|[^"{}\[\]]+')
_BETWEEN = re.compile(r"[\s,:0-9eEtrufalsn.+-]*\Z")
"""What may stand outside strings: blanks, separators, numbers, `true`, `false`, `null`."""


class Value(NamedTuple):
    """One JSON value and where it began."""

    value: Any
    text: str
    line_number: int


class PlainLine(NamedTuple):
    """A line that turned out not to be part of a JSON document."""

    text: str
    line_number: int


class Document:
    """Collects lines until JSON values are whole.

    Memory: the unfinished value, at most `DOCUMENT_CHARS`.
    """

    def __init__(self) -> None:
        self._lines: list[PlainLine] = []  # of the unfinished value
        self._parts: list[str] = []
        self._size = 0
        self._number = 0
        self._depth = 0
        self._array = False
        self._previous = ""

    @property
    def active(self) -> bool:
        """Whether a document is open."""
        return self._depth > 0 or self._array

    def feed(self, text: str, number: int) -> list[Value | PlainLine]:
        """One physical line; gives the values it completes, or the lines back when they are no JSON after all."""
        if self._depth and not self._continues(text):
            return [*self.finish(), PlainLine(text, number)]
        out: list[Value | PlainLine] = []
        closed = 0  # where the last whole value on this line ended
        self._previous = text.rstrip()
        if self._depth:
            self._lines.append(PlainLine(text, number))
        for found in _SYMBOL.finditer(text):
            symbol = found[0]
            if symbol in "{[":
                if not self._depth:
                    if symbol == "[" and not self._array:
                        self._array = True
                        continue
                    self._number = number
                    self._lines.append(PlainLine(text, number))
                self._depth += 1
            elif symbol in "}]":
                if not self._depth:
                    if symbol == "]" and self._array:
                        self._array = False
                        continue
                    return [*out, *self._give_up(text, number, closed)]
                self._depth -= 1
            elif symbol == '"' or (symbol[0] != '"' and not _BETWEEN.match(symbol)):
                return [*out, *self._give_up(text, number, closed)]
            elif not self._depth:
                if symbol[0] == '"' or symbol.strip(" \t\r,"):
                    return [*out, *self._give_up(text, number, closed)]
                continue
            self._parts.append(symbol)
            self._size += len(symbol)
            if not self._depth:
                out.append(self._closed())
                closed = found.end()
        if self._depth:
            self._parts.append("\n")
        if self._size > DOCUMENT_CHARS:
            return [*out, *self.finish()]
        return out

    def finish(self) -> list[Value | PlainLine]:
        """The lines of a value that never ended, as plain lines."""
        held: list[Value | PlainLine] = list(self._lines)
        self._reset()
        self._array = False
        return held

    def _continues(self, text: str) -> bool:
        """Whether a line can go on inside the open value.

        A whole object at the margin is a record of its own when nothing before it asked for one: the value that is
        open was cut short.
        """
        return not (
            text[:1] == "{" and text.rstrip()[-1:] == "}" and self._previous[-1:] not in {",", "["}
            and isinstance(decoded(text), dict)
        )

    def _closed(self) -> Value | PlainLine:
        text = "".join(self._parts)
        number = self._number
        self._reset()
        value = decoded(text)
        return PlainLine(text, number) if value is None else Value(value, text, number)

    def _give_up(self, text: str, number: int, closed: int) -> list[Value | PlainLine]:
        """The lines of the value that broke off; of this line only what stands behind its last whole value."""
        held = self.finish()
        if held and held[-1].line_number == number:
            held.pop()
        rest = text[closed:]
        return [*held, PlainLine(rest, number)] if rest.strip() else held

    def _reset(self) -> None:
        self._lines, self._parts, self._size, self._depth = [], [], 0, 0
