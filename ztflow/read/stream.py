"""`StreamParser`: bytes of one stream in; halves, counts and facts out. It does no I/O."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pyarrow as pa

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import NOBODY, Fact, LogLine, Origin
from ztflow.model.tables import Halves
from ztflow.parse import Outcome, outcome
from ztflow.parse.values import EXTRA
from ztflow.read.bulk import Bulk, pays
from ztflow.read.framing.documents import Document, Part, Value
from ztflow.read.framing.lines import Lines, LineSplitter, healed, is_damaged
from ztflow.read.framing.margins import BORDER, MARKS, Margin, margin_of
from ztflow.read.framing.multiline import WrappedRecord, unfinished, unfinished_head
from ztflow.read.framing.repair import is_access_like, read_mended
from ztflow.read.framing.wrecks import Wreck, is_orphan, row_start
from ztflow.read.limits import JOIN_AGAIN, JOIN_CHARS
from ztflow.read.slow_path import SlowPath
from ztflow.read.tally import Layouts, Tally, unread
from ztflow.read.unwrap import Piece, Unwrapper, decoded
from ztflow.read.unwrap.content import find_head, merged
from ztflow.read.unwrap.endings import parted
from ztflow.read.unwrap.registry import ALIASES, JSON_NAMES
from ztflow.text.escapes import may_have_residue, strip_sequences

_ENDINGS = frozenset(f")={BORDER}")
"""Last characters of lines that need a closer look: a suffix, a marker, the frame of a screen."""

_HEAD_CHARS = 128
"""Time, level, scope and message, even with tabs spread to columns, are shorter than this."""

_Begun = tuple[Lines, Callable[[int], tuple[pa.Table, int]]]


class StreamParser:
    """Reads one stream of log bytes.

    Args:
        source_file: The input as the user named it; `-` is stdin.
        origin: Who wrote it, when the wrappers inside do not say (from the file's name).
        wrapper: Allow only this wrapper on the outside (`read.WRAPPERS`); None decides line by line.
        layouts: How lines may be written, when the stream is said to be a waypoint's log.

    Attributes:
        stats: Counts so far. `lines == access + other + not_ours + problems` always holds.
        problems: The first `limits.PROBLEMS_KEPT` access lines that could not be read; all are counted.
        events: Starts of a ztunnel and changes of its log filter, the first `limits.EVENTS_KEPT`.
        producers: Lines of other programs that are known, by program.
        expected: Bytes to come in all, as far as is known; lets the compiled kernel begin with the first of a big file.

    Any cut of the same bytes into chunks gives the same halves, counts and facts. For any bytes whatever only
    `InputError` leaves it. Memory is bounded by `read.limits`, whatever the input.
    """

    def __init__(
        self, source_file: str = "-", *, origin: Origin = NOBODY, wrapper: str | None = None, layouts: Layouts = None
    ) -> None:
        self.source_file = healed(source_file)
        self._tally = Tally(self.source_file, layouts)
        self.stats = self._tally.stats
        self.problems = self._tally.problems
        self.events = self._tally.events
        self.producers = self._tally.producers
        self._splitter = LineSplitter()
        self._unwrapper = Unwrapper(origin, wrapper)
        self._plain = wrapper is None or ALIASES.get(wrapper, wrapper) in {*JSON_NAMES, "kubectl", "kubetail", "prefix"}
        self._document = Document()
        self._document_origin = NOBODY
        self._pending: WrappedRecord | None = None
        self._allowance = JOIN_CHARS
        """How many characters of held records may be read again; grows with every line that comes while one is held."""
        self._width: int | None = None
        self._margin: Margin | None = None
        self._number = 0
        self._bulk: Bulk | None = None
        self._begun: _Begun | None = None
        self.expected = 0

    def feed(self, data: bytes, following: bytes = b"") -> Halves:
        """Take the next bytes.

        Args:
            data: The bytes.
            following: Those given next, where known: the kernel begins with them.

        Returns:
            The access lines these bytes completed: a whole line comes out at once, only a line that visibly goes on
            waits for the next.
        """
        begun = self._begun or self._begin(data, early=bool(following))
        self.stats.bytes += len(data)
        self._begun = self._begin(following, early=True) if begun is not None and following else None
        self._read(begun[0] if begun else self._splitter.feed(data))
        if begun is None:
            return self._taken()
        table, self._number = begun[1](self._number)
        return self._with_own(table)

    def finish(self) -> Halves:
        """The input has ended: what was held comes out."""
        self._read(self._splitter.finish())
        for found in self._document.finish():
            self._document_part(found)
        for piece in self._unwrapper.finish():
            self._piece(piece, len(piece.text))
        self._flush()
        for line in self._tally.blocks.finish():
            self._tally.fact(line)
        self._bulk = None  # it and this are a circle; its dictionaries, some 50 MB, would stay until that is looked for
        return self._taken()

    def flush_idle(self) -> Halves:
        """Nothing came for a while: records that only waited for a possible continuation come out."""
        for piece in self._unwrapper.finish():
            self._piece(piece, len(piece.text))
        self._flush()
        return self._taken()

    @property
    def waiting(self) -> bool:
        """Whether a record waits for a possible continuation (what `flush_idle` would release)."""
        return self._pending is not None or self._unwrapper.waiting

    @property
    def fast(self) -> bool:
        """Whether the compiled kernel has begun to read it."""
        return self._bulk is not None

    def take_facts(self) -> list[Fact]:
        """What other lines said since the last call."""
        return self._tally.take_facts()

    def take_requests(self) -> pa.Table | None:
        """Lines of a waypoint's log since the last call; None for none."""
        return self._tally.take_requests()

    def take_flows(self) -> pa.Table | None:
        """Flows among what was read since the last call, which ztflow saved before; None for none."""
        return self._tally.take_own("flows")

    def _taken(self) -> Halves:
        parts = self._unwrapper.parts
        self.stats.joined, self.stats.came_joined = parts.joined, parts.came_joined
        return self._with_own(self._tally.builder.take(self.source_file))

    def _with_own(self, halves: pa.Table) -> Halves:
        """Access lines, and behind them those that ztflow saved before."""
        own = self._tally.take_own("records")
        return Halves(halves if own is None else pa.concat_tables([halves, own]) if halves.num_rows else own)

    def _begin(self, data: bytes, *, early: bool) -> _Begun | None:
        """The lines before those for the kernel, which begins, when it pays for these bytes."""
        if not self._plain or not pays(data, max(self.expected, self.stats.bytes + len(data))):
            return None
        if self._bulk is None:
            record, counts = partial(self._record, closed=True), lambda: not self._tally.blocks
            self._bulk = Bulk(SlowPath(
                self._read_again, record, self._unwrapper, self._settled, counts, self._tally.builder, self.stats,
                self.source_file, self.producers,
            ))  # fmt: skip
        if self._bulk.useless:
            return None
        lines, blocks = self._splitter.split(data)
        return lines, partial(self._bulk.read, self._bulk.begin(blocks, early=early))

    def _read_again(self, block: bytes, number: int) -> None:
        """Whole lines the kernel left."""
        self._number = number - 1
        self._read(self._splitter.lines(block))

    def _settled(self) -> bool:
        return self._pending is None and not self._document.active

    def _read(self, lines: Lines) -> None:
        """Whole physical lines, one by one."""
        self.stats.physical_lines += len(lines.texts)
        self.stats.slow_lines += len(lines.texts)
        known = self._unwrapper.known
        simple = not lines.mended and not lines.overlong and self._plain
        for index, text in enumerate(lines.texts):
            self._number += 1
            quick = simple and self._pending is None and not self._document.active
            if quick and "\x1b" not in text and not may_have_residue(text):
                if text[:1] == "{":
                    line = self._unwrapper.json_line(text, self._number)
                    if line is not None:
                        if line.fields is None or not self._tally.own(line.fields, self._number):
                            self._record(line, closed=True)
                        continue
                elif len(text) > _HEAD_CHARS and (head := find_head(text)) is not None and text[-1] not in _ENDINGS:
                    start = head.start()
                    origin = known(text[:start]) if start else self._unwrapper.bare()
                    if origin is None and start:
                        origin = self._unwrapper.quick_prefix(text[:start])
                    if origin is not None:
                        self._record(LogLine(text[start:] if start else text, self._number, origin), width=len(text))
                        continue
            self._line(text, index in lines.overlong, index in lines.mended)

    def _line(self, text: str, overlong: bool, is_mended: bool) -> None:
        """One physical line on the careful path."""
        number = self._number
        if self._pending is not None:
            self._allowance = min(self._allowance + JOIN_AGAIN * (len(text) + 1), 4 * JOIN_CHARS)
        if overlong:
            for found in self._document.finish():
                self._document_part(found)
            self._flush()
            long = Piece(healed(text), number)
            origin = self._unwrapper.bare_origin
            self._tally.past_limit(long, origin, Reason.TOO_LONG, "the line is longer than the reader keeps")
            return
        if "\r" in text:
            # a progress display: each CR starts the line anew
            for part in filter(str.strip, text.split("\r")):
                self._line(part, overlong=False, is_mended=True)
            return
        if is_mended and is_damaged(text) and " stdout " not in text and " stderr " not in text:
            text = healed(text)  # a runtime may have cut a character apart; elsewhere the bytes stay undecodable
        if "\x1b" in text:
            text = strip_sequences(text)
        inside = self._without_margin(text)
        is_mended, text = is_mended or inside is not text, inside
        if self._document.active:
            for found in self._document.feed(text, number):
                self._document_part(found)
            return
        if '":' in text and self._pending is None and is_orphan(text):
            self._document.begin_broken(text, number)
            return
        opening = self._unwrapper.document_start(text) if "{" in text or text.startswith("[") else None
        if opening is not None:
            opened, self._document_origin = opening
            value = decoded(opened)
            self._flush()
            parts = [Value(value, text, number)] if value is not None else self._document.feed(opened, number)
            for found in parts:
                self._document_part(found)
            return
        start = row_start(text) if "}" in text else None
        if start is not None:
            self._plain_line(text[:start], number, is_mended=is_mended)
            self._line(text[start:], overlong, is_mended)
            return
        self._plain_line(text, number, is_mended=is_mended)

    def _without_margin(self, text: str) -> str:
        """A line without the marks that stand on every line of its record."""
        if self._settled():
            self._margin = None
        if self._margin is None and (MARKS.isdisjoint(text[:1] + text[-1:]) or not text.strip(text[:1])):
            return text
        self._margin = margin_of(text) or self._margin
        return text if self._margin is None else self._margin.off(text)

    def _document_part(self, found: Part) -> None:
        if isinstance(found, Value):
            for piece in self._unwrapper.value(found.value, found.text, found.line_number, self._document_origin):
                self._piece(piece._replace(mended=piece.mended or found.mended or self._margin is not None), 0)
        elif isinstance(found, Wreck) and found.is_access:
            self._flush()
            line = LogLine(found.text, found.lines[0].line_number, self._unwrapper.bare_origin)
            for _ in range(found.records):
                self._tally.problem(line, found.error)
        else:
            for text, number in found.lines if isinstance(found, Wreck) else [found]:
                self._plain_line(text, number, is_mended=False)

    def _plain_line(self, text: str, number: int, *, is_mended: bool) -> None:
        for piece in self._unwrapper.line(text, number):
            self._piece(piece._replace(mended=piece.mended or is_mended), len(text.rstrip("\n")))

    def _piece(self, piece: Piece, width: int) -> None:
        """An unwrapped line: goes on in a wrapped record or a block, or is a record of its own."""
        text = piece.text
        if piece.mended and (is_damaged(text) or any(map(is_damaged, filter(None, piece.origin)))):
            text = healed(text)
            origin = Origin(*(part and healed(part) for part in piece.origin))
            piece = piece._replace(text=text, origin=origin)
        if piece.deep or piece.problem:
            self._flush()
            if piece.deep:
                origin = merged(piece.origin, self._unwrapper.bare_origin)
                self._tally.past_limit(piece, origin, Reason.TOO_DEEP, "wrappers inside wrappers, past the limit")
            else:
                self._tally.problem(
                    LogLine(text, piece.line_number, piece.origin), ParseError(Reason.MISSING_FIELD, piece.problem)
                )
            return
        if self._pending is not None and self._continues(piece, width):
            return
        if piece.fields is not None and self._tally.own(piece.fields, piece.line_number):
            return
        head = find_head(text) if piece.fields is None else None
        timeless = piece.fields is None and (head is None or head.start() > 0)
        if timeless and self._tally.blocks and self._tally.blocks.takes(text, piece.origin):
            self._tally.count_other(mended=False)
            whole = self._tally.blocks.ended_by(text, piece.origin)
            if whole is not None:
                self._tally.fact(whole)
            return
        line = LogLine(text, piece.line_number, piece.origin, piece.fields, piece.mended)
        if not piece.closed and len(text) < _HEAD_CHARS and unfinished_head(text):
            self._hold(line, width)
            return
        self._record(line, width=width, closed=piece.closed, place=piece.place)

    def _hold(self, line: LogLine, width: int) -> None:
        """Keep a line whose end may be on the next physical line."""
        self._pending = WrappedRecord(line.origin)
        self._pending.add(line.text, width or len(line.text), line.line_number)

    def _continues(self, piece: Piece, width: int) -> bool:
        """Try a line as the continuation of the held record; False after releasing that record."""
        pending = self._pending
        assert pending is not None
        if piece.headed or piece.closed or not pending.accepts(piece.text):
            self._flush()
            return False
        pending.add(piece.text, width, piece.line_number)
        for text in pending.candidates(self._width):
            if not self._may_read_again(len(text)):
                if pending.tried or unfinished(text):
                    continue
                pending.tried = True
            line = LogLine(text, pending.numbers[0], pending.origin, None, True)
            read = read_mended(line)
            if read is None:
                continue
            row, line = read
            if len(pending.texts) > 2 and pending.is_hard(self._width):
                self._width = max(pending.widths[:-1])
            self._pending = None
            self._tally.access(row, line)
            return True
        return True

    def _may_read_again(self, chars: int) -> bool:
        """Whether so much may be read again; what may is counted."""
        if chars > self._allowance:
            return False
        self._allowance -= chars
        return True

    def _flush(self) -> None:
        """Release the held record as what it is; what of it is read again may be held again, while that is rare."""
        while self._pending is not None:
            pending, self._pending = self._pending, None
            rest = pending.certain()
            held = WrappedRecord(pending.origin, pending.texts[:rest], pending.widths[:rest], pending.numbers[:rest])
            line = LogLine(held.joined(hard=False), pending.numbers[0], pending.origin, None, rest > 1)
            self._record(line, closed=True)
            closed = not self._may_read_again(sum(map(len, pending.texts[rest:])))
            for text, width, number in zip(
                pending.texts[rest:], pending.widths[rest:], pending.numbers[rest:], strict=True
            ):
                for piece in self._unwrapper.line(text, number):
                    self._piece(piece._replace(closed=True) if closed else piece, width)

    def _record(self, line: LogLine, *, width: int = 0, closed: bool = False, place: str = "") -> None:
        """One log line: count it as one of the four outcomes, and keep what it says."""
        try:
            what, row = outcome(line)
        except ParseError as error:
            read = read_mended(line)
            if read is not None:
                self._tally.access(*read)
            elif self._is_several(line):
                return
            elif not closed and line.fields is None and unfinished(line.text):
                self._hold(line, width)
            else:
                self._tally.problem(line, error)
            return
        if what is Outcome.ACCESS:
            assert row is not None
            if not row[EXTRA] or not self._is_several(line):
                self._tally.access(row, line)
        elif self._is_several(line, 2):
            return
        elif line.fields is None and is_access_like(line.text) and (read := read_mended(line)) is not None:
            self._tally.access(*read)
        elif (problem := unread(line, what, place)) is not None:
            self._tally.problem(line, problem)
        elif what is Outcome.OTHER:
            self._tally.other(line)
        else:
            self._tally.not_ours(line)

    def _is_several(self, line: LogLine, least: int = 1) -> bool:
        """Read the lines that a text which is none turned out to hold."""
        lines = parted(line) if line.fields is None and is_access_like(line.text) else []
        for one in lines if len(lines) >= least else ():
            self._record(one, closed=True)
        return len(lines) >= least
