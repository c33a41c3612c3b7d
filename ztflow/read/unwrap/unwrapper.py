"""`Unwrapper`: takes the wrappers off one line after the other, and joins what a runtime cut apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from ztflow.errors import UsageError
from ztflow.model.provenance import NOBODY, LogLine, Origin
from ztflow.read.limits import NESTING
from ztflow.read.saved.recognise import own_row
from ztflow.read.sources.naming import POD_NAME
from ztflow.read.unwrap import shippers, stores, text_wrappers
from ztflow.read.unwrap.anywhere import unproposed
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, HostColumn, Memory, find_head, merged
from ztflow.read.unwrap.json_text import decoded, dumped, objects_within, opens_document, starts_json
from ztflow.read.unwrap.marks import is_line, is_marked, mark_count, marked_leaves
from ztflow.read.unwrap.parts import Part, Parts, lines_of
from ztflow.read.unwrap.proposals import Proposals
from ztflow.read.unwrap.registry import ALIASES, JSON_NAMES, JSON_WRAPPERS, TEXT_WRAPPERS, WRAPPERS
from ztflow.text.escapes import strip_residue, strip_sequences
from ztflow.text.patterns import lazy_pattern

_TIMED = lazy_pattern(
    r"(?:\[pod/([^/\]\s]+)/([^\]\s]+)\] |([A-Za-z0-9][^\s]* [^\s]+(?: [^\s]+)?) )?"
    rf"{RFC3339_TIME}(?: std(?:out|err) F)? "
)

_GAP_CHARS = 1024
"""Longest text before an object in which the name of a pod is looked for."""

_VARYING = lazy_pattern(r"\d\d:\d\d|[{\"]|:\d+:|^\s*\d+\s|-\d+-")
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
        place: Where it was found, when no known reader proposed it.
        problem: Why a line that was here cannot be read.
    """

    text: str
    line_number: int
    origin: Origin = NOBODY
    fields: dict[str, Any] | None = None
    headed: bool = True
    closed: bool = False
    mended: bool = False
    deep: bool = False
    place: str = ""
    problem: str = ""


class Unwrapper:
    """Takes the wrappers off lines, remembering what earlier lines taught.

    Args:
        origin: Who wrote the input when a line's own wrapper does not say (a file's name).
        wrapper: One of `WRAPPERS` to allow only that one on the outside; None decides line by line.

    Attributes:
        parts: What a runtime cut apart, and how often it was joined.
        proposals: Which reader is taken; keeps a record of those tried when asked to.

    A reader only proposes. Where an access line shows its marks (`marks`), the first reader is taken whose proposal
    shows them too; what no reader proposed is searched for in all texts and objects.

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
        self.parts = Parts()
        self.proposals = Proposals()
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
        if own_row(value) is not None:  # of a table ztflow saved
            return LogLine(text, number, self.bare_origin, value)
        found = self._opened(value, 0, is_marked(text))
        if found is None:
            own = shippers.ztunnel_fields(value) is value
            return LogLine(text, number, self.bare_origin, value) if own else None
        if len(found) != 1 or mark_count(text) > 1:
            return None
        line, inner, origin, part, *_ = found[0]
        if inner is not None or part is Cut.MORE or (part is Cut.END and self.parts) or found[0].problem:
            return None
        if "\n" in line or found[0].place:
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
        if found is None or self.parts or self._wrapper is not None:
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

    def json_state(self) -> object:
        """The same for a line with nothing but JSON around it."""
        return self.bare(), self.waiting, self.memory.common, self.memory.hosts is None

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
        pieces: list[Piece] = self._rows.finish()
        while self.parts:  # what is in the end of a line may be a part again
            for held in self.parts.finish():
                self._text(held.content, held.line_number, held.origin, pieces, held.depth, closed=held.closed)
        return pieces

    @property
    def waiting(self) -> bool:
        """Whether a part of a line is held."""
        return bool(self.parts) or self._rows.waiting

    def _text(
        self, inside: Content, number: int, origin: Origin, pieces: list[Piece], depth: int, *, closed: bool
    ) -> None:
        text = strip_sequences(inside.text) if "\x1b" in inside.text else inside.text
        if depth > NESTING:
            pieces.append(Piece(text, number, origin, closed=True, deep=True))
            return
        if depth and "\n" in text:
            lines = list(lines_of(text))
            if len(lines) > 1:
                for line in lines:
                    self._text(inside._replace(text=line), number, origin, pieces, depth, closed=True)
                return
        if not inside.final:
            if starts_json(text) and self._allows_json(depth):
                value = decoded(text)
                if value is not None:
                    self._value(value, text, number, origin, pieces, depth, mended=inside.mended, place=inside.place)
                    return
            found = self._taken_off(text, depth)
            if found is not None:
                for one in found:
                    self._content(one, number, origin, pieces, depth, closed=closed, mended=inside.mended)
                return
        head = find_head(text)
        headed = inside.final or depth > 0 or (head is not None and head.start() == 0)
        pieces.append(
            Piece(text, number, origin, None, headed, closed, inside.mended, place=inside.place, problem=inside.problem)
        )

    def _content(
        self, one: Content, number: int, outer: Origin, pieces: list[Piece], depth: int, *, closed: bool, mended: bool
    ) -> None:
        """What was inside a wrapper: joined when it is a part, then unwrapped further."""
        origin = merged(one.origin, outer)
        one = one._replace(mended=mended or one.mended)
        if one.value is not None:
            self._value(one.value, "", number, origin, pieces, depth + 1, mended=one.mended, place=one.place)
        elif one.part is Cut.WHOLE:
            self._text(one, number, origin, pieces, depth + 1, closed=closed)
        else:
            for line in self.parts.take(Part(one, number, origin, closed, depth + 1)):
                self._text(line.content, line.line_number, line.origin, pieces, line.depth, closed=line.closed)

    def _value(
        self,
        value: Any,
        text: str,
        number: int,
        origin: Origin,
        pieces: list[Piece],
        depth: int,
        *,
        mended: bool = False,
        place: str = "",
    ) -> None:
        """A JSON value; a record in it is closed by its brace, whatever is around it."""
        if isinstance(value, list):
            cells = stores.insights_row(value)
            if cells is not None:
                for one in cells:
                    self._content(one, number, origin, pieces, depth, closed=True, mended=mended)
                return
            inside = [one for one in value if isinstance(one, dict | list) or (isinstance(one, str) and is_line(one))]
            if inside and depth <= NESTING:
                for inner in inside:
                    kept = Content(inner) if isinstance(inner, str) else Content(value=inner)
                    self._content(kept, number, origin, pieces, depth, closed=True, mended=mended)
                return
            pieces.append(Piece(text, number, origin, closed=True, deep=depth > NESTING))
            return
        if not isinstance(value, dict):
            pieces.append(Piece(text or str(value), number, origin, closed=True))
            return
        if depth > NESTING:
            pieces.append(Piece(text or dumped(value), number, origin, closed=True, deep=True))
            return
        marks = mark_count(text) if is_marked(text) else 0 if text else sum(1 for _ in marked_leaves(value))
        found = self._opened(value, depth, marks > 0)
        more = unproposed(value, found) if marks > len(found or ".") and self._searches(depth) else ()
        if not found:
            own = value if found is None else None
            pieces.append(Piece(text or dumped(value), number, origin, own, closed=True, mended=mended, place=place))
        for one in (*(found or ()), *more):
            self._content(one, number, origin, pieces, depth, closed=True, mended=mended)

    def _searches(self, depth: int) -> bool:
        """Whether what no reader proposed may be searched for: not outside the one wrapper that is allowed."""
        return depth > 0 or self._wrapper is None

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
            section = text_wrappers.sections(text, self.memory)
            if section is not None:
                return section
        if only == "bare":
            return None
        head = find_head(text)
        if head is not None and head.start() == 0:
            return None
        self.proposals.begin()
        marked = is_marked(text)
        for name, reader in TEXT_WRAPPERS:
            if only is not None and name != only:
                continue
            found = reader(text, self.memory)
            if self.proposals.takes(found, name, reader, marked=marked):
                assert found is not None
                self._learn(text, head.start() if head else 0, found, depth)
                return found
        return _records_within(text) if marked and only is None else None

    def _learn(self, text: str, start: int, found: list[Content], depth: int) -> None:
        """Remember a prefix that will be before every line of this ztunnel in just these bytes."""
        if depth or not start or len(found) != 1:
            return
        if found[0].part is not Cut.WHOLE or found[0].final or found[0].mended:
            return
        prefix = text[:start]
        if len(found[0].text) == len(text) - start and start < 200 and not _VARYING.search(prefix):
            self.memory.learn_prefix(prefix, found[0].origin)

    def _opened(self, value: dict[str, Any], depth: int, marked: bool) -> list[Content] | None:
        """What was inside the first JSON wrapper whose proposal is taken.

        Empty for the container of a store that holds nothing, None for ztunnel's own and foreign objects.
        """
        only = self._wrapper if depth == 0 else None
        empty = False
        self.proposals.begin()
        for name, reader in JSON_WRAPPERS:
            if only is not None and name != only:
                continue
            found = reader(value) if reader is not stores.logcli else reader(value, self.memory)
            if self.proposals.takes(found, name, reader, marked=marked):
                return found
            empty |= found == []
            if reader is shippers.stern_json and "kubernetes" not in value and shippers.ztunnel_fields(value) is value:
                return None
        return [] if empty and not marked else None


def _records_within(text: str) -> list[Content] | None:
    """The objects in a text that show the marks of an access line, each with the one ztunnel pod named before it."""
    found: list[Content] = []
    behind = 0
    for start, value, end in objects_within(text):
        if any(True for _ in marked_leaves(value)):
            pods = set(POD_NAME.findall(text[max(behind, start - _GAP_CHARS) : start]))
            origin = Origin(pod=pods.pop()) if len(pods) == 1 else NOBODY
            found.append(Content(value=value, origin=origin, place="an object in the text"))
        behind = end
    return found or None


def _on_shorter_node(piece: Piece, ending: str) -> Piece:
    node = piece.origin.node
    return piece._replace(origin=piece.origin._replace(node=node.removesuffix(ending))) if node and ending else piece
