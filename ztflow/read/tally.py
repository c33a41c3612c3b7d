"""What came of the lines of one stream: counts, rows, facts, problems. Each line ends in exactly one of the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import EVENTS, Fact, LogLine, Origin, Problem, ReadStats, Row
from ztflow.model.tables import Halves, HalvesBuilder
from ztflow.model.vocabulary import Producer
from ztflow.parse import Outcome, fact_of, has_near_key, was_damaged
from ztflow.parse.classify import begins_as_request, producer_of, statement_of
from ztflow.parse.facts import KUBECTL_FOUND
from ztflow.parse.values import TIME
from ztflow.read.framing.multiline import STARTS, ConfigBlocks
from ztflow.read.framing.repair import is_escaped_access
from ztflow.read.framing.wrecks import is_broken_record
from ztflow.read.limits import EVENTS_KEPT, PROBLEM_CHARS, PROBLEMS_KEPT
from ztflow.read.saved.recognise import Kind, own_row
from ztflow.read.unwrap import Piece
from ztflow.read.unwrap.marks import is_marked, mark_count

if TYPE_CHECKING:
    from ztflow.read.saved.objects import OwnRows
    from ztflow.waypoint.formats import Layout
    from ztflow.waypoint.requests import RequestLog

Layouts: TypeAlias = "Sequence[Layout] | None"
"""How the lines of a waypoint's log may be written; None for an input of which nobody said that it is one."""


@dataclass(slots=True)
class ReadBatch:
    """What a piece of one input gave.

    Attributes:
        halves: Access lines; may be empty.
        facts: What other lines said.
        source_file: The input, as named.
        flows: Connections that ztflow saved before; None for none.
        requests: Lines of a waypoint's log (`waypoint.requests.REQUESTS_SCHEMA`); None for none.
    """

    halves: Halves
    facts: list[Fact]
    source_file: str
    flows: pa.Table | None = None
    requests: pa.Table | None = None

    def __bool__(self) -> bool:
        """Whether it holds anything."""
        return bool(len(self.halves) or self.facts or self.flows is not None or self.requests is not None)


class Tally:
    """Counts and keeps what came of each line.

    Attributes:
        stats: The counts.
        problems: The first `limits.PROBLEMS_KEPT` problems.
        events: The first `limits.EVENTS_KEPT` facts that say from when to when the log is whole.
        producers: Lines of other programs that are known, by program.
        builder: Rows that were read one by one.
        blocks: Configuration blocks that are being read.

    Args:
        source_file: The input.
        layouts: How lines may be written, when the input is said to be a waypoint's log; None for any other input.
    """

    def __init__(self, source_file: str, layouts: Layouts = None) -> None:
        self.source_file = source_file
        self.stats = ReadStats()
        self.problems: list[Problem] = []
        self.events: list[Fact] = []
        self.producers: dict[Producer, int] = {}
        self.builder = HalvesBuilder()
        self.blocks = ConfigBlocks()
        self._own: OwnRows | None = None
        self._facts: list[Fact] = []
        self._layouts = layouts
        self._requests: RequestLog | None = None

    def take_facts(self) -> list[Fact]:
        """What other lines said since the last call."""
        facts, self._facts = self._facts, []
        return facts

    def access(self, row: Row, line: LogLine) -> None:
        """An access line that was read."""
        self.stats.lines += 1
        self.stats.access += 1
        if line.repaired or was_damaged(line.text, line.fields) or has_near_key(row):
            self.stats.repaired += 1
            self.stats.cut_times += not (isinstance(time := row[TIME], int) and time % 1_000_000)
        self.builder.append(row, line.origin, line.line_number)

    def other(self, line: LogLine) -> None:
        """Another line of ztunnel's: it may say something, or begin a block."""
        self.count_other(mended=line.repaired)
        self._name(line)
        if line.fields is None and STARTS in line.text:
            previous = self.blocks.start(line)
            if previous is not None:
                self.fact(previous)
            return
        if self.blocks:
            passed = self.blocks.passed_by(line.origin)
            if passed is not None:
                self.fact(passed)
        self.fact(line)

    def count_other(self, *, mended: bool) -> None:
        """Another line of ztunnel's that says nothing by itself."""
        self.stats.lines += 1
        self.stats.other += 1
        self.stats.repaired += mended

    def fact(self, line: LogLine) -> None:
        """Keep what a line or block says, if it says something."""
        fact = fact_of(line, self.source_file)
        if fact is not None:
            self._facts.append(fact)
            if fact.kind in EVENTS and len(self.events) < EVENTS_KEPT:
                self.events.append(fact)

    def problem(self, line: LogLine, error: ParseError) -> None:
        """An access line that could not be read."""
        self.stats.lines += 1
        self.stats.problems += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(
                Problem(
                    self.source_file, line.line_number, error.reason.value, error.detail, error.column,
                    line.text[:PROBLEM_CHARS],
                )
            )  # fmt: skip

    def not_ours(self, line: LogLine) -> None:
        """A line of another program: perhaps of a waypoint's log."""
        self.stats.lines += 1
        self.stats.not_ours += 1
        if line.text.startswith(KUBECTL_FOUND):
            self.fact(line)
        self._name(line)
        if self._layouts is None and self._requests is None and not begins_as_request(line):
            return
        if self._requests is None:
            from ztflow.waypoint.requests import RequestLog

            self._requests = RequestLog(self.source_file, self._layouts)
        self._requests.take(line)
        self.stats.waypoint = self._requests.taken
        self.stats.waypoint_problems = self._requests.problems

    def take_requests(self) -> pa.Table | None:
        """What lines of a waypoint's log said since the last call; None for nothing."""
        return None if self._requests is None else self._requests.take_table()

    @property
    def has_rows_of_others(self) -> bool:
        """Whether there were saved rows, or lines of a waypoint's log."""
        return self._own is not None or self._requests is not None

    def _name(self, line: LogLine) -> None:
        """Count a line of a program that is known."""
        producer = producer_of(line)
        if producer is not None:
            self.producers[producer] = self.producers.get(producer, 0) + 1

    def past_limit(self, piece: Piece, origin: Origin, reason: Reason, detail: str) -> None:
        """A line past a limit of the reader: a problem when it shows an access line, otherwise not ours."""
        if mark_count(piece.text):
            self.problem(LogLine(piece.text, piece.line_number, origin), ParseError(reason, detail))
        else:
            self.not_ours(LogLine(piece.text, piece.line_number, origin))

    def own(self, fields: dict[str, Any], number: int) -> bool:
        """Take a JSON object if it is a row of a table ztflow saved, and say so; it is counted when it is taken."""
        kind = own_row(fields)
        if kind is None:
            return False
        if self._own is None:
            from ztflow.read.saved.objects import OwnRows

            self._own = OwnRows(self.source_file, self.stats, self.problems)
        self._own.add(kind, fields, number)
        return True

    def take_own(self, kind: Kind) -> pa.Table | None:
        """Such rows since the last call; None for none."""
        return None if self._own is None else self._own.take(kind)


def unread(line: LogLine, what: Outcome, place: str) -> ParseError | None:
    """The problem with a line that is not read as an access line; None when nothing shows that it is one.

    Args:
        line: The line, unwrapped.
        what: What it was taken for.
        place: Where it was found, when no known reader proposed it.

    A line of ztunnel's of another scope may quote an access line; it stays what it is.
    """
    text = line.text
    if line.fields is None and is_escaped_access(text):
        detail = "the JSON object around an access line is broken"
        return ParseError(Reason.BAD_JSON, detail, hint="the export may be cut")
    if line.fields is None and '":' in text and what is not Outcome.OTHER and is_broken_record(text):
        detail = "an access line as JSON is broken"
        return ParseError(Reason.BAD_JSON, detail, hint="its beginning or its end may be lost")
    if not is_marked(text) or (what is Outcome.OTHER and statement_of(text, line.fields) is not None):
        return None
    if place:
        return ParseError(Reason.BAD_SYNTAX, f"{place} holds an access line, in no form that is known")
    return ParseError(Reason.BAD_SYNTAX, "shows an access line, in no form that is known")
