"""`read_inputs`: reads all inputs a user names into batches of halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ztflow.errors import SourceError
from ztflow.model.provenance import Fact, ReadReport
from ztflow.model.tables import Halves
from ztflow.read.duplicates import Copies, Overlaps
from ztflow.read.sources.files import BIG, Found, Input, ahead, find_inputs, open_found
from ztflow.read.sources.folders import Skipped
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.sources.twins import Twins
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

    Memory: one batch, and up to 32 MB a stream where copies are looked for (`duplicates`).
    """
    report = ReadReport() if report is None else report
    skipped = Skipped(report.skipped)
    failed = _Failed(report, on_error)
    found = find_inputs(inputs, on_error=failed, skipped=skipped)
    overlaps = Overlaps() if drop_copies else None
    meter = _Meter(found, progress)
    twins = Twins(found)
    for one in found:
        try:
            for stream in open_found(one, fail=failed):
                chunks = twins.once(stream)
                if chunks is None:
                    report.copies.append(stream.name)
                    continue
                origin = origin_of_path(stream.name, stream.beside)
                parser = StreamParser(stream.name, origin=origin, wrapper=wrapper)
                parser.expected = one.size or 0
                if parser.expected >= BIG:
                    chunks = ahead(chunks)
                report.register(parser.source_file, parser.stats, parser.problems, parser.events, inside=stream.inside)
                copies = None if overlaps is None else Copies(overlaps, len(report.inputs), parser.stats)
                try:
                    yield from _batches(parser, chunks, copies, meter)
                except SourceError as error:
                    if error.source == one.name:
                        raise
                    failed(error)  # one member of an archive; the others are read
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
