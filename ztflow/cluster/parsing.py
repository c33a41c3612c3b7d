"""Reads pieces on the workers, and sees to it that each is read as if all were read in one go.

The blocks of a file are read at the same time, each with a guess of what its predecessor knows at its end
(`read.blocks.Carried`): what the first lines of the file teach. Nearly always that is right. Where it was not, a block
is read again with what is true; where rows are held across blocks, or wrappers keep teaching, one block after the
other; and what can only be read in one go (a UTF-16 log, a CSV of hosts) is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.connect import at_hand, beside, handed, threads_of
from ztflow.cluster.parting import Known, Parted, came, one_table, part_of, parted
from ztflow.cluster.plan import Piece, found, lines_of_piece
from ztflow.columns.dictionaries import coded
from ztflow.columns.dtypes import AFTER_ALL, IntArray
from ztflow.columns.sorting import class_order
from ztflow.columns.timestamps import micros_of
from ztflow.errors import SourceError
from ztflow.model.provenance import Fact, Problem, ReadReport, ReadStats
from ztflow.model.vocabulary import Producer
from ztflow.read import ReadBatch, read_inputs
from ztflow.read.blocks import BlockParser, Carried
from ztflow.read.duplicates import REPLAY_GAP
from ztflow.read.limits import EVENTS_KEPT, PROBLEMS_KEPT

if TYPE_CHECKING:
    from distributed import Client, Future

PROBE: Final = 256 << 10
"""First bytes of a file that teach what its blocks are read with."""
_GUESSES: Final = 3
"""Times the rest of a file is read again at once, because something new was learned; then block after block."""
_FILES_AT_ONCE: Final = 64

Told = tuple[str, str, str]
"""An error of an input: its name, what is wrong, what to try. Such errors do not survive pickling."""


Turns = Mapping[str | None, tuple[int, int]]
"""When each ztunnel wrote its first and its last line of some, in their order: microseconds."""


@dataclass(frozen=True, slots=True)
class Times:
    """When the lines of a piece were written, and by whom: tells whether copies can be among them.

    Attributes:
        first: Of the earliest one, microseconds; `AFTER_ALL` where none has a time.
        last: Of the latest one.
        turns: By whom.
        back: Whether a ztunnel's time goes back by more than its own disorder.
        traced: Whether any has a trace id.
    """

    first: int
    last: int
    turns: Turns
    back: bool
    traced: bool

    @classmethod
    def of(cls, halves: pa.Table) -> Times:
        """Those of a table in the order of the lines. Cost: a sort of small integers."""
        micros: IntArray = micros_of(halves.column("time"), AFTER_ALL)
        traced = halves.column("trace_id").null_count < halves.num_rows
        timed = np.flatnonzero(micros != AFTER_ALL)
        if not len(timed):
            return cls(AFTER_ALL, AFTER_ALL, {}, back=False, traced=traced)
        pods = coded(halves, "ztunnel_pod").distinct().take(timed)
        order = class_order((pods.codes + 1).astype(np.uint64))
        at, code = micros[timed][order], pods.codes[order]
        begins = np.concatenate([[True], code[1:] != code[:-1]])
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(code)) - 1
        back = bool(((at[:-1] - at[1:] > REPLAY_GAP) & ~begins[1:]).any())
        turns = zip(at[first].tolist(), at[last].tolist(), strict=True)
        return cls(int(at.min()), int(at.max()), dict(zip(pods.texts(order[first]), turns, strict=True)), back, traced)


@dataclass(slots=True)
class Said:
    """What a piece gave beside its access lines.

    Attributes:
        name: The input, as tables name it.
        rows: Access lines.
        times: When they were written.
        stats: Counts.
        known: What all parts have to know of the access lines.
        problems: Of lines that could not be read.
        events: See `StreamParser.events`.
        producers: See `StreamParser.producers`.
        facts: What other lines said.
        flows: Saved flows.
        requests: Lines of a waypoint's log.
        inside: Whether the input was found in a folder or an archive.
        number: Lines before the piece that its line numbers already count.
        ordered: Whether rows came as they were written; not those of a saved table.
    """

    name: str
    rows: int
    times: Times
    stats: ReadStats
    known: Known
    problems: list[Problem] = field(default_factory=list)
    events: list[Fact] = field(default_factory=list)
    producers: dict[Producer, int] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    flows: list[pa.Table] = field(default_factory=list)
    requests: list[pa.Table] = field(default_factory=list)
    inside: bool = False
    number: int = 0
    ordered: bool = True

    def moved(self, by: int) -> Said:
        """With all line numbers so many further down."""
        if not by:
            return self
        at = [replace(fact, line_number=fact.line_number + by) for fact in self.facts]
        events = [replace(fact, line_number=fact.line_number + by) for fact in self.events]
        problems = [one._replace(line_number=one.line_number + by) for one in self.problems]
        return replace(self, facts=at, events=events, problems=problems)


@dataclass(slots=True)
class Part:
    """A piece of a stream that was read: its access lines on a worker, the rest here.

    Attributes:
        read: What the task gave that read it (`parting.Read`); a future.
        pieces: The parts of that (`parting.part_of`), futures.
        said: The rest, its line numbers those of the whole input.
        stream: Which of the streams of that task it is.
        offset: What the line numbers of the access lines lack.
    """

    read: Future
    pieces: list[Future]
    said: Said
    stream: int = 0
    offset: int = 0


def read_block(
    piece: Piece, wrapper: str | None, parts: int | None, carried: Carried | None, number: int
) -> tuple[list[Parted], Said, Carried]:
    """Read a block; runs on a worker.

    Args:
        piece: The block.
        wrapper: As for `read_inputs`.
        parts: In how many parts the access lines are wanted; None for whole ones.
        carried: What is known from before; None for the first block.
        number: Lines before it.
    """
    parser = BlockParser(piece.name, origin=piece.origin, wrapper=wrapper, carried=carried, number=number)
    parser.expected = piece.size
    tables = [parser.feed(chunk).to_arrow() for chunk in lines_of_piece(piece)]
    if piece.last:
        tables.append(parser.finish().to_arrow())
    halves = one_table(tables)
    lines, known = parted(halves, parts or 1)
    said = Said(
        parser.source_file, halves.num_rows, Times.of(halves), parser.stats, known, parser.problems,
        parser.events, parser.producers, parser.take_facts(), inside=piece.inside, number=number,
    )  # fmt: skip
    return [lines], said, parser.carried()


def read_whole(piece: Piece, wrapper: str | None, parts: int | None) -> tuple[list[Parted], list[Said], list[Told]]:
    """Read an input in one go: the access lines in parts, and the rest, for each stream in it; and errors."""
    report = ReadReport()
    errors: list[Told] = []

    def note(error: SourceError) -> None:
        errors.append((error.source, error.detail, error.hint))

    batches: dict[int, list[ReadBatch]] = {}
    for batch in read_inputs([found(piece)], wrapper=wrapper, report=report, on_error=note, drop_copies=False):
        batches.setdefault(len(report.inputs) - 1, []).append(batch)
    lines, rest = [], []
    for at, (single, (name, stats)) in enumerate(zip(report.singly(), report.inputs, strict=True)):
        came = batches.get(at, [])
        halves = one_table([batch.halves.to_arrow() for batch in came])
        made, known = parted(halves, parts or 1)
        lines.append(made)
        rest.append(
            Said(
                name, halves.num_rows, Times.of(halves), stats, known, *single,
                [fact for batch in came for fact in batch.facts],
                [batch.flows for batch in came if batch.flows is not None],
                [batch.requests for batch in came if batch.requests is not None],
                piece.inside or name in report.inside,
                ordered=bool(stats.physical_lines),
            )
        )  # fmt: skip
    return lines, rest, errors


@dataclass
class Reader:
    """Has pieces read on the workers.

    Args:
        client: The cluster.
        wrapper: As for `read_inputs`.
        parts: In how many parts the access lines are wanted; None for whole ones.
        fail: Called with an input that cannot be read.
        done: Called with bytes that were read.
    """

    client: Client
    wrapper: str | None
    parts: int | None
    fail: Callable[[SourceError], None]
    done: Callable[[int], None]

    def read(self, inputs: Sequence[list[Piece]]) -> Iterator[list[Part]]:
        """The streams of all inputs, in order, each in its parts; several for an archive."""
        with ThreadPoolExecutor(_FILES_AT_ONCE, "ztflow-files") as threads:
            coming = [threads.submit(self._streams, pieces) for pieces in inputs if pieces[0].path is not None]
            waiting = iter(coming)
            for pieces in inputs:
                streams, errors = next(waiting).result() if pieces[0].path is not None else self._here(pieces[0])
                for source, detail, hint in errors:
                    self.fail(SourceError(source, detail, hint=hint))
                yield from streams

    def _here(self, piece: Piece) -> tuple[list[list[Part]], list[Told]]:
        """What only this process can read."""
        made = read_whole(piece, self.wrapper, self.parts)
        self.done(sum(said.stats.bytes for said in made[1]))
        read = handed(self.client, made)
        (pieces,) = self._parted([read])
        return _single(read, pieces, made[1]), made[2]

    def _streams(self, pieces: list[Piece]) -> tuple[list[list[Part]], list[Told]]:
        try:
            if pieces[0].cut:
                parts = self._blocks(pieces)
                if parts is not None:
                    return [parts], []
            return self._whole(pieces[0].whole())
        except SourceError as error:
            return [], [(error.source, error.detail, error.hint)]

    def _whole(self, piece: Piece) -> tuple[list[list[Part]], list[Told]]:
        made = self.client.submit(read_whole, piece, self.wrapper, self.parts, pure=False)
        (rest,) = at_hand(self.client, _AND_THE_REST, [made])
        (pieces,) = self._parted([made])
        said, errors = rest.result()
        self.done(piece.size)
        return _single(made, pieces, said), errors

    def _blocks(self, pieces: list[Piece]) -> list[Part] | None:
        """The blocks of a file; None when it has to be read in one go."""
        guess = probed(pieces[0], self.wrapper) if len(pieces) > 1 else None
        if guess is not None and guess.whole:
            return None
        reading = self._submitted(pieces, [guess if at else None for at in range(len(pieces))], 0)
        parts: list[Part] = []
        true: Carried | None = None
        number = guesses = 0
        for at, piece in enumerate(pieces):
            if at and true is not None and guess is not None and (true.holding or not true.alike(guess)):
                again = guesses < _GUESSES and not true.holding
                if again:
                    guess, guesses = true, guesses + 1
                last = len(pieces) if again else at + 1
                reading[at:last] = self._submitted(pieces[at:last], [true] * (last - at), number)
            read, rest, in_parts = reading[at]
            said, true = rest.result()
            if true.whole:
                return None
            offset = number - said.number
            parts.append(Part(read, in_parts, said.moved(offset), 0, offset))
            number += said.stats.physical_lines
            self.done(piece.stop - piece.start)
        return parts

    def _submitted(
        self, pieces: Sequence[Piece], carried: Sequence[Carried | None], number: int
    ) -> list[tuple[Future, Future, list[Future]]]:
        """Blocks that are read, what they give beside the access lines, and the parts of these.

        Args:
            pieces: The blocks.
            carried: What each is read with.
            number: Lines before the first one.
        """
        made = [
            self.client.submit(read_block, piece, self.wrapper, self.parts, known, 0 if at else number, pure=False)
            for at, (piece, known) in enumerate(zip(pieces, carried, strict=True))
        ]
        return list(zip(made, at_hand(self.client, _AND_THE_REST, made), self._parted(made), strict=True))

    def _parted(self, made: Sequence[Future]) -> list[list[Future]]:
        """The parts of what tasks read. That is asked for at once: only seldom are other parts needed in the end."""
        if self.parts is None:
            return [[] for _ in made]
        return parts_of(self.client, made, self.parts)


_AND_THE_REST: Final = itemgetter(slice(1, None))
"""What a reading task gives beside the access lines."""


def parts_of(client: Client, made: Sequence[Future], count: int) -> list[list[Future]]:
    """The parts of each of some results (`parting.Read`), of which the first go at once where they are paired first."""
    every = at_hand(client, part_of, [one for one in made for _ in range(count)], [*range(count)] * len(made))
    pieces = [every[at : at + count] for at in range(0, len(every), count)]
    workers = threads_of(client)[:count]
    early = beside(client, workers * len(pieces), came, [one for some in pieces for one in some[: len(workers)]])
    for at, some in enumerate(pieces):
        some[: len(workers)] = early[at * len(workers) : (at + 1) * len(workers)]
    return pieces


def _single(read: Future, pieces: list[Future], said: list[Said]) -> list[list[Part]]:
    """Streams of one part each."""
    return [[Part(read, pieces, one, at)] for at, one in enumerate(said)]


def probed(piece: Piece, wrapper: str | None) -> Carried:
    """What the first lines of a file teach."""
    head = b"".join(islice(lines_of_piece(replace(piece, stop=min(piece.stop, PROBE), last=False)), 64))
    return BlockParser.probe(head, piece.origin, wrapper)


def registered(parts: Sequence[Part], report: ReadReport) -> ReadStats:
    """Count a stream among the inputs; its counts, in which duplicates are still to be counted."""
    stats, producers = ReadStats(), dict[Producer, int]()
    for part in parts:
        stats.add(part.said.stats)
        for producer, lines in part.said.producers.items():
            producers[producer] = producers.get(producer, 0) + lines
    problems = [one for part in parts for one in part.said.problems][:PROBLEMS_KEPT]
    events = [one for part in parts for one in part.said.events][:EVENTS_KEPT]
    report.register(parts[0].said.name, stats, problems, events, producers, inside=parts[0].said.inside)
    return stats
