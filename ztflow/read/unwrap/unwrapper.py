"""`Unwrapper`: takes the wrappers off one line after the other, and joins what a runtime cut apart."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from ztflow.errors import UsageError
from ztflow.model.provenance import NOBODY, LogLine, Origin
from ztflow.read.limits import LINE_BYTES, NESTING, STREAMS
from ztflow.read.unwrap import shippers, stores, text_wrappers
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, HostColumn, Memory, find_head, merged
from ztflow.read.unwrap.json_text import decoded, dumped, opens_document, starts_json
from ztflow.read.unwrap.registry import ALIASES, JSON_NAMES, JSON_WRAPPERS, TEXT_WRAPPERS, WRAPPERS
from ztflow.text.escapes import strip_residue, strip_sequences

_TIMED = re.compile(
    r"(?:\[pod/([^/\]\s]+)/([^\]\s]+)\] |([A-Za-z0-9][^\s]* [^\s]+(?: [^\s]+)?) )?"
    rf"{RFC3339_TIME}(?: std(?:out|err) F)? "
)

_VARYING = re.compile(r"\d\d:\d\d|[{\"]|:\d+:|^\s*\d+\s|-\d+-")
"""Parts of a prefix that change from line to line: times, line numbers, JSON."""


class Piece(NamedTuple):
    """A line with all wrappers off.

    Attributes:
        text: ztunnel's own text, or whatever was there.
        line_number: First physical line it was in.
        origin: Who wrote it.
        fields: The decoded object, when it is JSON.
        headed: A wrapper or ztunnel's own time says that a record begins here.
        closed: It came as one record of a store or shipper: it cannot go on in the next physical line.
        mended: Reading it meant undoing damage.
        deep: Wrappers went on past the nesting limit.
    """

    text: str
    line_number: int
    origin: Origin = NOBODY
    fields: dict[str, Any] | None = None
    headed: bool = True
    closed: bool = False
    mended: bool = False
    deep: bool = False


class _Open(NamedTuple):
    """A line of which parts have come."""

    text: str
    line_number: int
    origin: Origin
    closed: bool


class Unwrapper:
    """Takes the wrappers off lines, remembering what earlier lines taught.

    Args:
        origin: Who wrote the input when a line's own wrapper does not say (a file's name).
        wrapper: One of `WRAPPERS` to allow only that one on the outside; None decides line by line.

    Raises:
        UsageError: If *wrapper* is not a known name.
    """

    def __init__(self, origin: Origin = NOBODY, wrapper: str | None = None) -> None:
        wrapper = None if wrapper is None else ALIASES.get(wrapper, wrapper)
        if wrapper is not None and wrapper not in WRAPPERS:
            raise UsageError(f"no wrapper is called {wrapper!r}; known: {', '.join(WRAPPERS)}")
        self.origin = origin
        self.memory = Memory()
        self._wrapper = wrapper
        self._open: dict[tuple[Origin, str], _Open] = {}
        self._rows: HostColumn[Piece] = HostColumn(_on_shorter_node)

    def known(self, prefix: str) -> Origin | None:
        """The ztunnel that a prefix seen before names; asked by the fast path."""
        origin = self.memory.prefixes.get(prefix)
        return None if origin is None else merged(origin, self.bare_origin)

    @property
    def bare_origin(self) -> Origin:
        """The ztunnel that wrote a line without a wrapper here."""
        section = self.memory.section
        return self.origin if section is NOBODY else merged(section, self.origin)

    def json_line(self, text: str, number: int) -> LogLine | None:
        """The one line of ztunnel in a JSON text, when nothing else has to be taken off; None for all other cases."""
        if not self.takes_json:
            return None
        try:
            value = orjson.loads(text)
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        found = self._opened(value, 0)
        if found is None:
            own = shippers.ztunnel_fields(value) is value
            return LogLine(text, number, self.bare_origin, value) if own else None
        if len(found) != 1:
            return None
        line, inner, origin, part, *_ = found[0]
        if inner is not None or part is Cut.MORE or (part is Cut.END and self._open):
            return None
        head = find_head(line)
        if head is None or head.start() or line[-1:] == ")" or "\x1b" in line:
            return None
        return LogLine(line, number, merged(origin, self.bare_origin))

    def bare(self) -> Origin | None:
        """The ztunnel that wrote a bare line; None while rows of a table are expected."""
        return None if self.memory.columns else self.bare_origin

    def quick_prefix(self, prefix: str) -> Origin | None:
        """The ztunnel named by a prefix that holds a time and so differs from line to line."""
        found = _TIMED.fullmatch(prefix)
        if found is None or self._open or self._wrapper is not None:
            return None
        pod, container, stern = found.group(1, 2, 3)
        if not pod and not stern:
            return self.bare_origin
        origin = self.memory.names.get(f" {pod} {container}\n" if pod else stern)
        return None if origin is None else merged(origin, self.bare_origin)

    def trial(self) -> Unwrapper | None:
        """An independent copy; None while a part of a line is held or rows of a table are expected."""
        if self.waiting or self.memory.columns or self.memory.hosts is not None:
            return None
        other = Unwrapper(self.origin, self._wrapper)
        other.memory = self.memory.copy()
        return other

    def state(self) -> object:
        """Everything the ztunnel named for a line depends on; equal as long as that cannot have changed."""
        memory = self.memory
        return self.bare(), self.waiting, memory.common, memory.hosts is None, memory.changes

    @property
    def takes_json(self) -> bool:
        """Whether JSON on the outside may be taken for a wrapper."""
        return self._allows_json(0)

    def line(self, text: str, number: int) -> list[Piece]:
        """One physical line, unwrapped. Empty while it is only a part."""
        text, mended = strip_residue(text)
        pieces: list[Piece] = []
        self._text(Content(text, mended=mended), number, self.bare_origin, pieces, 0, closed=False)
        hosts = self.memory.hosts
        if hosts is None or not pieces or pieces[0].origin.node not in hosts:
            return pieces
        self._rows.hosts |= hosts
        return self._rows.settle(pieces)

    def value(self, value: Any, text: str, number: int, origin: Origin = NOBODY) -> list[Piece]:
        """One JSON value that was in the input as such, unwrapped; *origin* is what was before it."""
        pieces: list[Piece] = []
        self._value(value, text, number, merged(origin, self.bare_origin), pieces, 0)
        return pieces

    def document_start(self, text: str) -> tuple[str, Origin] | None:
        """The JSON on a line that may be the first of a document, and what is before it; None when it is not."""
        if not self.takes_json or text[-1:] == ")":
            return None
        if opens_document(text):
            return text, NOBODY
        if text.endswith("{") and self._wrapper in {None, "cloudwatch"}:
            return text_wrappers.tail_opening(text)
        return None

    def finish(self) -> list[Piece]:
        """Lines of which only parts came: the last part of a stopped container is often a whole line."""
        held = sorted(self._open.values(), key=lambda one: one.line_number)
        self._open.clear()
        pieces: list[Piece] = self._rows.finish()
        for one in held:
            self._text(Content(one.text), one.line_number, one.origin, pieces, 1, closed=one.closed)
        return pieces

    @property
    def waiting(self) -> bool:
        """Whether a part of a line is held."""
        return bool(self._open) or self._rows.waiting

    def _text(
        self, inside: Content, number: int, origin: Origin, pieces: list[Piece], depth: int, *, closed: bool
    ) -> None:
        text = strip_sequences(inside.text) if "\x1b" in inside.text else inside.text
        if depth > NESTING:
            pieces.append(Piece(text, number, origin, closed=True, deep=True))
            return
        if not inside.final:
            if starts_json(text) and self._allows_json(depth):
                value = decoded(text)
                if value is not None:
                    self._value(value, text, number, origin, pieces, depth, closed=closed, mended=inside.mended)
                    return
            found = self._taken_off(text, depth)
            if found is not None:
                for one in found:
                    self._content(
                        one, number, merged(one.origin, origin), pieces, depth, closed=closed, mended=inside.mended
                    )
                return
        head = find_head(text)
        headed = inside.final or depth > 0 or (head is not None and head.start() == 0)
        pieces.append(Piece(text, number, origin, None, headed, closed, inside.mended))

    def _content(
        self, one: Content, number: int, origin: Origin, pieces: list[Piece], depth: int, *, closed: bool, mended: bool
    ) -> None:
        """What was inside a wrapper: joined when it is a part, then unwrapped further."""
        mended = mended or one.mended
        if one.value is not None:
            self._value(one.value, "", number, origin, pieces, depth + 1, closed=True, mended=mended)
            return
        if one.part is not Cut.WHOLE:
            key = (origin, one.stream)
            held = self._open.get(key)
            if one.part is Cut.MORE and (held is None or len(held.text) + len(one.text) <= LINE_BYTES):
                if held is not None:
                    self._open[key] = held._replace(text=held.text + one.text)
                    return
                if len(self._open) < STREAMS:
                    self._open[key] = _Open(one.text, number, origin, closed)
                    return
            elif held is not None:
                del self._open[key]
                one = one._replace(text=held.text + one.text)
                number = held.line_number
        self._text(one._replace(mended=mended), number, origin, pieces, depth + 1, closed=closed)

    def _value(
        self,
        value: Any,
        text: str,
        number: int,
        origin: Origin,
        pieces: list[Piece],
        depth: int,
        *,
        closed: bool = True,
        mended: bool = False,
    ) -> None:
        del closed  # a JSON record is closed by its brace, whatever is around it
        if isinstance(value, list):
            cells = stores.insights_row(value)
            if cells is not None:
                for one in cells:
                    self._content(one, number, merged(one.origin, origin), pieces, depth, closed=True, mended=mended)
                return
            if depth <= NESTING and any(isinstance(one, dict | list) for one in value):
                for one in value:
                    self._value(one, "", number, origin, pieces, depth + 1, mended=mended)
                return
            pieces.append(Piece(text, number, origin, closed=True, deep=depth > NESTING))
            return
        if not isinstance(value, dict):
            pieces.append(Piece(text or str(value), number, origin, closed=True))
            return
        if depth > NESTING:
            pieces.append(Piece(text or dumped(value), number, origin, closed=True, deep=True))
            return
        found = self._opened(value, depth)
        if found is None:
            pieces.append(Piece(text or dumped(value), number, origin, value, closed=True, mended=mended))
            return
        for one in found:
            self._content(one, number, merged(one.origin, origin), pieces, depth, closed=True, mended=mended)
        if not found:
            pieces.append(Piece(text or dumped(value), number, origin, closed=True))

    def _allows_json(self, depth: int) -> bool:
        return depth > 0 or self._wrapper is None or self._wrapper in JSON_NAMES

    def _taken_off(self, text: str, depth: int) -> list[Content] | None:
        """What was inside the first text wrapper that knows this text."""
        only = self._wrapper if depth == 0 else None
        if only is None or only in {"stern", "prefix"}:
            if text[-1:] == ")" and (parted := text_wrappers.suffix(text)):
                return [Content(parted[0], origin=parted[1])]
            if text[:2] == "  " and text[2:3].isdigit():  # `stern --stdin`: both names are empty
                head = find_head(text)
                if head and head.start() == 2:
                    return [Content(text[2:])]
        if text[-1:] == "=" and only in {None, "cluster-info"}:
            marked = text_wrappers.sections(text, self.memory)
            if marked is not None:
                return marked
        if only == "bare":
            return None
        head = find_head(text)
        if head is not None and head.start() == 0:
            return None
        for name, wrapper in TEXT_WRAPPERS:
            if only is not None and name != only:
                continue
            found = wrapper(text, self.memory)
            if found is not None:
                self._learn(text, head.start() if head else 0, found, depth)
                return found
        return None

    def _learn(self, text: str, start: int, found: list[Content], depth: int) -> None:
        """Remember a prefix that will be before every line of this ztunnel in just these bytes."""
        if depth or not start or len(found) != 1:
            return
        if found[0].part is not Cut.WHOLE or found[0].final or found[0].mended:
            return
        prefix = text[:start]
        if len(found[0].text) == len(text) - start and start < 200 and not _VARYING.search(prefix):
            self.memory.learn_prefix(prefix, found[0].origin)

    def _opened(self, value: dict[str, Any], depth: int) -> list[Content] | None:
        """What was inside the first JSON wrapper that knows this object; None for ztunnel's own and foreign ones."""
        only = self._wrapper if depth == 0 else None
        if only is None or only == "stern":
            found = shippers.stern_json(value)
            if found is not None:
                return found
        if "kubernetes" not in value and shippers.ztunnel_fields(value) is value:
            return None
        if only is None or only == "logcli":
            found = stores.logcli(value, self.memory)
            if found is not None:
                return found
        for name, wrapper in JSON_WRAPPERS[1:]:
            if only is not None and name != only:
                continue
            found = wrapper(value)
            if found is not None:
                return found
        return None


def _on_shorter_node(piece: Piece, ending: str) -> Piece:
    node = piece.origin.node
    return piece._replace(origin=piece.origin._replace(node=node.removesuffix(ending))) if node and ending else piece
