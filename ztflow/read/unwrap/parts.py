"""Joins what a runtime cut apart: the parts of a line, never across two writers, and never what came joined."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ztflow.errors import ParseError
from ztflow.model.provenance import Origin
from ztflow.parse import scan
from ztflow.read.limits import LINE_BYTES, STREAMS
from ztflow.read.unwrap.content import Content, Cut, cri_head, find_head
from ztflow.read.unwrap.marks import is_marked
from ztflow.text.patterns import lazy_pattern

_JSON_HEAD = lazy_pattern(r'\{"(?:level|timestamp|time)":"')
_BROKEN_HEAD = lazy_pattern(r"\d{4}-\d\d-\d\dT[\d:.]*+(?:Z[\t ]*[a-z]*)?")
"""A part that is cut inside the time or the level of the line it begins."""

_APART = 1.0
"""Seconds between the stamps of two parts beyond which they are of two writers, when no writer is named."""

_LINES_APART = 1000
"""A part whose rest has not come that many physical lines later is given up: its writer prints on without it."""


class Part(NamedTuple):
    """A line of which not all parts have come, or one that is complete.

    Attributes:
        content: What came so far.
        line_number: The physical line it began on.
        origin: Who wrote it.
        closed: Whether it came in records that cannot go on in the next physical line.
        depth: How many wrappers were off.
    """

    content: Content
    line_number: int
    origin: Origin
    closed: bool
    depth: int


class Parts:
    """Lines of which parts have come.

    Attributes:
        joined: Lines put together here.
        came_joined: Lines that their shipper had put together, and that still carry the tag of their first part.

    Shippers that join keep that tag (Fluent Bit 5.1 `_p`, OpenTelemetry's container operator `logtag`), so a tagged
    text that reads as a whole record is one. Parts meet by writer and output; where no writer is named, by the
    runtime's stamp too; never with one written earlier. Memory: `STREAMS` parts of `LINE_BYTES`.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[Origin, str], list[Part]] = {}
        self._count = 0
        self.joined = 0
        self.came_joined = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, part: Part) -> list[Part]:
        """One part more; gives the lines that are complete now, in order."""
        done = self._given_up(part.line_number) if self._open else []
        one = part.content
        key = (part.origin, one.stream)
        begins = _begins(one.text)
        if begins and part.origin.pod is not None:
            # a writer's parts follow each other, so a new line proves that what it had begun is over
            done += self._closed(key)
        if one.part is Cut.MORE:
            if begins and _is_whole(one.text):
                self.came_joined += 1
                return [*done, part]
            return done + self._continue(key, part, begins=begins)
        held = None if begins else self._of_same_line(key, part)
        if held is None:
            return [*done, part]
        self._drop(key, held)
        self.joined += 1
        whole = one._replace(text=held.content.text + one.text)
        return [*done, held._replace(content=whole)]

    def finish(self) -> list[Part]:
        """Everything held: the last part of a stopped container is often a whole line."""
        held = sorted((part for parts in self._open.values() for part in parts), key=lambda part: part.line_number)
        self._open.clear()
        self._count = 0
        return held

    def _continue(self, key: tuple[Origin, str], part: Part, *, begins: bool) -> list[Part]:
        """Hold a part; gives the oldest of those held when they are too many."""
        given: list[Part] = []
        held = None if begins else self._of_same_line(key, part)
        if held is not None and len(held.content.text) + len(part.content.text) <= LINE_BYTES:
            self._drop(key, held)
            text = held.content.text + part.content.text
            part = held._replace(content=part.content._replace(text=text))
        elif self._count >= STREAMS:
            first, oldest = next((key, parts[0]) for key, parts in self._open.items())
            self._drop(first, oldest)
            given = [oldest]
        self._open.setdefault(key, []).append(part)
        self._count += 1
        return given

    def _of_same_line(self, key: tuple[Origin, str], part: Part) -> Part | None:
        """The held part that this one goes on with."""
        stamp = part.content.stamp
        held = [one for one in self._open.get(key, ()) if not _is_earlier(stamp, one.content.stamp)]
        if not held:
            return None
        same = [one for one in held if stamp and one.content.stamp == stamp]
        named = part.origin.pod is not None
        likely: list[Part] = [*reversed(same), *(one for one in reversed(held) if one not in same)]
        if len(likely) > 1 and part.content.part is Cut.END:
            whole = [one for one in likely if _is_whole(one.content.text + part.content.text)]
            if len(whole) == 1 or (whole and (named or same == whole[:1])):
                return whole[0]
            if whole:  # of two writers that nothing tells apart; joining would make up a record
                return None
        if same or named or (len(held) == 1 and _are_near(held[0].content.stamp, stamp)):
            return likely[0]
        return None

    def _given_up(self, number: int) -> list[Part]:
        late = [
            (key, part)
            for key, parts in self._open.items()
            for part in parts
            if number - part.line_number > _LINES_APART
        ]
        for key, part in late:
            self._drop(key, part)
        return sorted((part for _, part in late), key=lambda part: part.line_number)

    def _closed(self, key: tuple[Origin, str]) -> list[Part]:
        held = self._open.pop(key, [])
        self._count -= len(held)
        return held

    def _drop(self, key: tuple[Origin, str], part: Part) -> None:
        held = self._open[key]
        held.remove(part)
        self._count -= 1
        if not held:
            del self._open[key]


def _begins(text: str) -> bool:
    """Whether a new line of ztunnel begins here."""
    head = find_head(text[:64])
    if head is not None:
        return head.start() == 0
    return _JSON_HEAD.match(text) is not None or (len(text) < 40 and _BROKEN_HEAD.fullmatch(text) is not None)


def _is_whole(text: str) -> bool:
    """Whether a text reads as a whole access record."""
    try:
        return scan(text) is not None
    except ParseError:
        return False


def _is_earlier(stamp: str, other: str) -> bool:
    """Whether a part was written before another: it does not go on there. Most stores answer newest first."""
    if not stamp or not other or stamp == other:
        return False
    try:
        return float(stamp) < float(other)
    except ValueError:
        pass  # not seconds or nanoseconds since the epoch
    try:
        return datetime.fromisoformat(stamp) < datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return False


def _are_near(first: str, second: str) -> bool:
    """Whether two stamps are those of parts that were written one behind the other."""
    if not first or not second:
        return True
    try:
        apart = datetime.fromisoformat(first) - datetime.fromisoformat(second)
    except (TypeError, ValueError):
        return True
    return abs(apart.total_seconds()) <= _APART


def lines_of(text: str) -> Iterator[str]:
    """The lines in a text of several; a line end inside a record does not divide it."""
    held: list[str] = []
    whole = False
    for line in text.split("\n"):
        line = line.removesuffix("\r")  # noqa: PLW2901 - the line end of some systems
        if held and (whole or _is_line_start(line)):
            yield "\n".join(held)
            held = []
        whole = not held and is_marked(line) and _is_whole(line)
        held.append(line)
    yield "\n".join(held)


def _is_line_start(line: str) -> bool:
    return (
        find_head(line[:512]) is not None
        or _begins(line.lstrip())
        or cri_head(line) is not None
        or (line.lstrip()[:1] == "{" and is_marked(line))
    )
