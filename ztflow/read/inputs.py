"""`read_inputs`: everything a user names, to batches of halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from ztflow.errors import SourceError
from ztflow.model.provenance import Fact, Problem, ReadStats
from ztflow.model.tables import Halves
from ztflow.read.duplicates import Overlaps
from ztflow.read.sources.files import BIG, Found, Input, Skipped, ahead, find_inputs, open_found
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.stream import StreamParser

OnError: TypeAlias = Callable[[SourceError], None]
Progress: TypeAlias = Callable[[int, int | None], None]


@dataclass(slots=True)
class ReadBatch:
    """What a piece of one input gave.

    Attributes:
        halves: Access lines; may be empty.
        facts: What other lines said.
        source_file: The input, as named.
    """

    halves: Halves
    facts: list[Fact]
    source_file: str


@dataclass(slots=True)
class ReadReport:
    """What was read and what became of it: all counts of one reading, kept up to date while it goes on.

    Filters and time limits do not change them. Reading counts lines here, `session.Session` flows.

    Attributes:
        inputs: Counts of each input, by name, in order; an archive's member is an input.
        problems: Access lines that could not be read, the first of each input (`limits.PROBLEMS_KEPT`).
        errors: Inputs that could not be opened or broke off.
        skipped: Files of directories that do not look like logs.
        paired_flows: Flows with both halves; None while nothing was paired.
        ambiguous_flows: Those of them whose partner was one of several equal ones.
        unpaired_halves: Flows with one half.
        evicted: Halves given up because a memory bound was hit.
    """

    inputs: list[tuple[str, ReadStats]] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    paired_flows: int | None = None
    ambiguous_flows: int | None = None
    unpaired_halves: int | None = None
    evicted: int = 0
    _problems: list[list[Problem]] = field(default_factory=list)

    @property
    def stats(self) -> ReadStats:
        """All inputs together, so far."""
        total = ReadStats()
        for _, one in self.inputs:
            total.add(one)
        return total

    @property
    def problems(self) -> list[Problem]:
        """Problems of all inputs, so far."""
        return [problem for part in self._problems for problem in part]

    @classmethod
    def of(cls, readings: Sequence[ReadReport]) -> ReadReport:
        """Several readings as one."""
        whole = cls()
        for one in readings:
            for name in cls.__slots__:
                known, more = getattr(whole, name), getattr(one, name)
                setattr(whole, name, more if known is None else known if more is None else known + more)
        return whole

    def register(self, parser: StreamParser) -> None:
        """Count a parser's stream among the inputs; its counts are taken as they grow."""
        self.inputs.append((parser.source_file, parser.stats))
        self._problems.append(parser.problems)


def read_inputs(
    inputs: Sequence[Input],
    *,
    wrapper: str | None = None,
    progress: Progress | None = None,
    on_error: OnError | None = None,
    report: ReadReport | None = None,
    drop_copies: bool = True,
) -> Iterator[ReadBatch]:
    """Read finite inputs one after the other.

    Args:
        inputs: Files, directories, globs, `-` for stdin, open binary files; compressed or archived as they like.
        wrapper: Allow only this wrapper (`read.WRAPPERS`).
        progress: Called after each piece with the bytes read so far (as on disk) and in all, where known.
        on_error: Called for an input that cannot be read; the others go on. Without it the error is raised.
        report: Filled with counts, problems and errors while batches come.
        drop_copies: Leave out lines an earlier input, or an earlier run of the same input, already gave.

    Yields:
        Batches of at most a few megabytes of input, in the order of the inputs, lines in the order of the file.

    Raises:
        SourceError: As above. What came before the error was yielded.
        UsageError: If *wrapper* is not known.

    Memory: one batch, and up to 32 MB a stream where copies are looked for (`counted`).
    """
    report = ReadReport() if report is None else report
    skipped = Skipped(report.skipped)
    failed = _Failed(report, on_error)
    found = find_inputs(inputs, on_error=failed, skipped=skipped)
    overlaps = Overlaps() if drop_copies else None
    meter = _Meter(found, progress)
    for one in found:
        try:
            for name, chunks in open_found(one):
                parser = StreamParser(name, origin=origin_of_path(name), wrapper=wrapper)
                parser.expected = one.size or 0
                if parser.expected >= BIG:
                    chunks = ahead(chunks)  # noqa: PLW2901
                report.register(parser)
                copies = None if overlaps is None else Copies(overlaps, len(report.inputs), parser.stats)
                yield from _batches(parser, chunks, copies, meter)
        except SourceError as error:
            failed(error)
        meter.finished(one)


class _Failed:
    """Keeps an error in the report, and hands it to the caller or raises it."""

    def __init__(self, report: ReadReport, on_error: OnError | None) -> None:
        self._report = report
        self._on_error = on_error

    def __call__(self, error: SourceError) -> None:
        self._report.errors.append(error)
        if self._on_error is None:
            raise error
        self._on_error(error)


class _Meter:
    """Bytes read of bytes in all. Inside compressed files only whole files count towards the total."""

    def __init__(self, found: Sequence[Found], progress: Progress | None) -> None:
        sizes = [one.size for one in found]
        self._total = None if None in sizes else sum(size for size in sizes if size is not None)
        self._progress = progress
        self._done = 0
        self._within = 0

    def read(self, count: int) -> None:
        self._within += count
        if self._progress is not None:
            seen = self._done + self._within
            self._progress(seen if self._total is None else min(seen, self._total), self._total)

    def finished(self, one: Found) -> None:
        self._done += self._within if one.size is None else one.size
        self._within = 0
        self.read(0)


@dataclass(slots=True)
class Copies:
    """Leaves out of one stream's batches what came before, and counts it."""

    overlaps: Overlaps
    stream: int
    stats: ReadStats

    def left_out(self, table: pa.Table) -> pa.Table:
        """The batch without copies."""
        copies = self.overlaps.copies(self.stream, table)
        count = int(copies.sum())
        if not count:
            return table
        self.stats.duplicates += count
        return table.filter(pa.array(np.logical_not(copies)))


def _batches(
    parser: StreamParser, chunks: Iterator[bytes], copies: Copies | None, meter: _Meter
) -> Iterator[ReadBatch]:
    """The batches of one stream; what a broken stream held is finished before its error goes on."""
    broken: SourceError | None = None
    while True:
        try:
            chunk = next(chunks, None)
        except SourceError as error:
            chunk, broken = None, error
        halves = parser.finish() if chunk is None else parser.feed(chunk)
        table = halves.to_arrow()
        if table.num_rows and copies is not None:
            table = copies.left_out(table)
        facts = parser.take_facts()
        if table.num_rows or facts:
            yield ReadBatch(Halves(table), facts, parser.source_file)
        if chunk is None:
            break
        meter.read(len(chunk))
    if broken is not None:
        raise broken
