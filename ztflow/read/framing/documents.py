"""JSON that is spread over physical lines, or of which several values are on one.

Query results and `ppextjson` are pretty-printed; `json_stream` puts objects behind each other with nothing between.
The elements of an outermost array come out one by one. A long object is given piece by piece: the elements its longest
array has so far, inside what is around them (labels, columns), so that the length of an export does not matter.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, NamedTuple, TypeAlias

from ztflow.read.framing.wrecks import PlainLine, Wreck, Wreckage, indent_of, row_start
from ztflow.read.limits import DOCUMENT_CHARS, DOCUMENT_PIECE_CHARS
from ztflow.read.unwrap.json_text import decoded
from ztflow.text.patterns import lazy_pattern

_SYMBOL = lazy_pattern(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|"|[^"{}\[\]]+')
_BETWEEN = lazy_pattern(r"[\s,:0-9eEtrufalsn.+-]*\Z")
"""What may be outside strings: blanks, separators, numbers, `true`, `false`, `null`."""

_CLOSER = {"{": "}", "[": "]"}
_BEFORE_A_VALUE = {"{": ":", "[": "[,"}
"""What may be before an object or array, by what it is in."""

_FIRST_KEY = lazy_pattern(r'\{\s*"([^"\\]*)"\s*:')
_NEXT = lazy_pattern(r"\}\s*,?\s*(?=\{\s*\")")
"""Where the next object of a row may begin."""

_DEEPER = 8
"""How much longer a value must have grown before it is divided at an array that is one deeper."""


_READ_AGAIN = 16
"""How often a character may be read again, on average, when what it was part of is broken."""


class Value(NamedTuple):
    """One JSON value, or a part of a long one with what is around it.

    Attributes:
        value: The value.
        text: Its text.
        line_number: Where it began.
        mended: Whether it was broken at a fixed column.
    """

    value: Any
    text: str
    line_number: int
    mended: bool = False


Part: TypeAlias = Value | PlainLine | Wreck


class _Held(NamedTuple):
    """A physical line of the open value, and where on it the value begins or goes on."""

    text: str
    number: int
    start: int


class _Frame:
    """An open object or array.

    Attributes:
        bracket: How it was opened.
        at: Where that is in the parts of the value.
        child: Where its current element, an object or array, begins there.
        done: Where its last whole element ends there; None before the first.
        line: The physical line that element ended on.
        end: Where on that line.
        indent: Blanks before the line it was opened on.
    """

    __slots__ = ("at", "bracket", "child", "done", "end", "indent", "line")

    def __init__(self, bracket: str, at: int, indent: int = 0) -> None:
        self.bracket = bracket
        self.at = at
        self.child = at + 1
        self.done: int | None = None
        self.line = 0
        self.end = 0
        self.indent = indent


class Document:
    """Collects lines until JSON values are whole.

    A broken value comes back, too: the whole elements of its arrays as values, what is left as lines or a `Wreck`.

    Memory: the unfinished value, at most `DOCUMENT_CHARS`; rarely more than `DOCUMENT_PIECE_CHARS`.
    """

    def __init__(self) -> None:
        self._lines: list[_Held] = []  # as they came, since the value began or was divided
        self._parts: list[str] = []
        self._frames: list[_Frame] = []
        self._size = 0
        self._number = 0
        self._array = False
        self._divided = False
        self._last = ""
        self._key: str | None = None
        self._wreckage: Wreckage | None = None
        self._allowance = 0

    @property
    def active(self) -> bool:
        """Whether a document is open, or the rest of a broken one may follow."""
        return bool(self._frames) or self._array or self._wreckage is not None

    def feed(self, text: str, number: int) -> list[Part]:
        """One physical line; gives the values it completes, and what turned out to be no JSON or broken."""
        self._allowance = min(self._allowance + _READ_AGAIN * len(text), _READ_AGAIN * DOCUMENT_CHARS)
        return self._fed(text, number)

    def _fed(self, text: str, number: int) -> list[Part]:
        out: list[Part] = []
        at = 0
        if self._wreckage is not None:
            if self._wreckage.takes(text, number):
                return self._wrecked() if self._wreckage.ended else []
            out = self._wrecked()
            at = row_start(text) or 0
            if at or text.lstrip()[:1] not in _CLOSER:
                out.append(PlainLine(text[:at] if at else text, number))
                at = at or len(text)
        if self._frames:
            self._lines.append(_Held(text, number, 0))
        while at < len(text):
            at = self._read(text, at, number, out)
        if self._frames:
            self._parts.append("\n")
        if self._size > DOCUMENT_CHARS:
            out += self.finish()
        return out

    def begin_broken(self, text: str, number: int) -> None:
        """A line from within an object whose beginning is lost."""
        self._wreckage = Wreckage(max(indent_of(text) - 1, 0), [PlainLine(text, number)])

    def finish(self) -> list[Part]:
        """What a value that never ended holds: the whole elements of its arrays, and what is behind them."""
        self._array = False
        return [*self._wrecked(), *self._broken(0, 0, more=False)]

    def _read(self, text: str, at: int, number: int, out: list[Part]) -> int:
        """Read a line from a place on; gives its length, or where to go on behind something broken."""
        closed = at  # where the last value on this line ended
        for found in _SYMBOL.finditer(text, at):
            symbol, place = found[0], found.start()
            if symbol in _CLOSER:
                if not self._frames:
                    if symbol == "[" and not self._array:
                        self._array = True
                        continue
                    self._number = number
                    self._lines.append(_Held(text, number, place))
                elif self._last not in _BEFORE_A_VALUE[self._frames[-1].bracket]:
                    # what is open was cut short, and this is the next
                    out += self._broken(place, number, more=False)
                    return place
                else:
                    self._frames[-1].child = len(self._parts)
                self._frames.append(_Frame(symbol, len(self._parts), indent_of(text)))
                self._last = symbol
            elif symbol in {"}", "]"}:
                if not self._frames and symbol == "]" and self._array:
                    self._array = False
                    continue
                if not self._frames or _CLOSER[self._frames[-1].bracket] != symbol:
                    return self._give_up(text, place, number, closed, out)
                self._frames.pop()
            elif symbol == '"' or (symbol[0] != '"' and not _BETWEEN.match(symbol)):
                return self._give_up(text, place, number, closed, out)
            elif not self._frames:
                if symbol[0] == '"' or symbol.strip(" \t\r,"):
                    return self._give_up(text, place, number, closed, out)
                continue
            elif symbol[0] == '"' and self._last not in ":,[{":
                return self._give_up(text, place, number, closed, out)
            else:
                self._last = symbol.rstrip()[-1:] or self._last
                if self._divided:
                    symbol = symbol.lstrip(" \t\r\n,")
                    self._divided = not symbol
            self._parts.append(symbol)
            self._size += len(symbol)
            if symbol not in {"}", "]"}:
                continue
            self._divided, self._last = False, symbol
            if not self._frames:
                out.append(self._closed())
                closed = found.end()
                continue
            frame = self._frames[-1]
            frame.done, frame.line, frame.end = len(self._parts), number, found.end()
            if self._is_long():
                out.append(self._piece(text, number, found.end()))
                closed = found.end()
        return len(text)

    def _closed(self) -> Part:
        text = "".join(self._parts)
        value = decoded(text)
        folded = value is None and "\n" in self._parts
        if folded:  # inside a number
            value = decoded("".join(part for part in self._parts if part != "\n"))
        number = self._number
        self._reset()
        if value is None:
            lines = tuple(PlainLine(line, at) for at, line in enumerate(text.split("\n"), number))
            return Wreck(lines) if len(lines) > 1 else lines[0]
        key = _FIRST_KEY.match(text)
        self._key = None if key is None else key[1]
        return Value(value, text, number, folded)

    def _is_long(self) -> bool:
        """Whether the element that just ended is where a long value is divided: in its outermost array, if it can."""
        if self._size <= DOCUMENT_PIECE_CHARS or self._frames[-1].bracket != "[":
            return False
        depth = sum(frame.bracket == "[" for frame in self._frames)
        return self._size > DOCUMENT_PIECE_CHARS * int(_DEEPER ** (depth - 1))

    def _piece(self, text: str, number: int, end: int) -> Value | PlainLine:
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
        self._lines = [_Held(text, number, end)]
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

    def _give_up(self, text: str, place: int, number: int, closed: int, out: list[Part]) -> int:
        """What is open is broken: where the next value on this line begins, or the line's end."""
        begun = self._lines[0].start if self._frames and self._number == number else closed - 1
        stop = self._next_start(text, begun, place)
        again = stop < len(text)
        self._array &= again
        begun_before = bool(self._frames) and self._number != number
        if begun_before and not (again or closed or any(frame.line == number for frame in self._frames)):
            # the line may be none of the value's: it is looked at apart
            del self._lines[-1:]
            out += self._broken(0, 0, more=True)
            out += self._fed(text, number)
        elif self._frames:
            out += self._broken(stop, number, more=not again and (begun_before or text[place] == '"'))
        elif text[closed:stop].strip(" \t\r,"):
            out.append(PlainLine(text[closed:stop], number))
        return stop

    def _next_start(self, text: str, begun: int, place: int) -> int:
        """Where the next record on a line begins whose value broke at a place; the line's end when none does.

        An object that begins with the key all records begin with can be no part of one; one before the place may have
        been swallowed by the damage. Behind the place any object behind another may be one.
        """
        behind = _NEXT.search(text, place)
        stop = len(text) if behind is None else behind.end()
        start = self._second(text, begun, place)
        return stop if start is None else start if start <= place else min(start, stop)

    def _second(self, text: str, begun: int, place: int) -> int | None:
        """Where behind its beginning a broken value has an object that begins as records do."""
        own = _FIRST_KEY.search(text, max(begun, 0))
        keys = {re.escape(key) for key in (self._key, own and own[1]) if key is not None}
        if not keys:
            return None
        for start in re.compile(rf'\{{\s*"(?:{"|".join(keys)})"\s*:').finditer(text, begun + 1):
            again = place - start.start()
            if again <= self._allowance:
                self._allowance -= max(again, 0)
                return start.start()
        return None

    @property
    def _indent(self) -> int:
        """Blanks before the innermost element of a row that is open, or the value itself."""
        inside = [frame.indent for outer, frame in itertools.pairwise(self._frames) if outer.bracket == "["]
        return inside[-1] if inside else self._frames[0].indent

    def _broken(self, stop: int, number: int, *, more: bool) -> list[Part]:
        """What is open, as far as it came: the whole elements of its arrays, and what is behind the last of them.

        Args:
            stop: Where it ends on its last line.
            number: The number of that line; 0 when it holds all its lines to their end.
            more: Whether lines that follow may be the rest of it.
        """
        held = [
            PlainLine(line.text[line.start : stop if line.number == number else None], line.number)
            for line in self._lines
        ]
        text = "\n".join(line.text for line in held)
        second = self._second(text, 0, len(text)) if held else None
        if second is not None:
            return self._read_again(held, second, more=more)
        rescued, last, end = self._rescued()
        left: list[PlainLine] = []
        for line, (inside, at) in zip(self._lines, held, strict=True):
            if at == last:
                inside = inside[max(end - line.start, 0) :]  # noqa: PLW2901  behind the last whole element
            # there may be nothing but brackets
            if at >= last and (inside.strip(" \t\r,]}") or (left and inside.strip())):
                left.append(PlainLine(inside, at))
        indent = self._indent if self._frames else 0
        self._reset()
        if more and left:
            self._wreckage = Wreckage(indent, left)
            return list(rescued)
        return [*rescued, *_together(left)]

    def _read_again(self, held: list[PlainLine], second: int, *, more: bool) -> list[Part]:
        """The lines of a broken value that swallowed records: its own, and the others read anew from the second on."""
        self._reset()
        first: list[PlainLine] = []
        while second > len(held[0].text):
            second -= len(held[0].text) + 1
            first.append(held.pop(0))
        begin, at = held[0]
        if begin[:second].strip():
            first.append(PlainLine(begin[:second], at))
        out = _together(first)
        for text, number in (PlainLine(begin[second:], at), *held[1:]):
            out += self._fed(text, number)
        return [*out, *self._broken(0, 0, more=more), *([] if more else self._wrecked())]

    def _wrecked(self) -> list[Part]:
        """The broken value whose lines were collected, if there is one."""
        wreckage, self._wreckage = self._wreckage, None
        if wreckage is None:
            return []
        if wreckage.value is None:
            return [*wreckage.parts()]
        return [Value(wreckage.value, wreckage.text, wreckage.first.line_number, mended=True)]

    def _rescued(self) -> tuple[list[Value], int, int]:
        """The whole elements of what breaks off; the last line they are on, and where they end on it."""
        found: list[Value] = []
        line = end = 0
        for depth, frame in enumerate(self._frames):
            if frame.bracket != "[" or frame.done is None:
                continue
            parts = self._around(depth) + self._parts[frame.at + 1 : frame.done]
            text = "".join(parts) + _closers(self._frames[: depth + 1])
            value = decoded(text)
            if value is not None:
                found.append(Value(value, text, self._number))
                line, end = frame.line, frame.end
        return found, line, end

    def _reset(self) -> None:
        self._lines, self._parts, self._frames, self._size, self._divided = [], [], [], 0, False
        self._last = ""


def _together(lines: list[PlainLine]) -> list[Part]:
    """What is left of a broken value, as one."""
    return [*lines] if len(lines) < 2 else [Wreck(tuple(lines))]


def _closers(frames: list[_Frame]) -> str:
    """The brackets that close what is open."""
    return "".join(_CLOSER[frame.bracket] for frame in reversed(frames))
