"""`read_inputs`: reads all inputs a user names into batches of halves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from ztflow.errors import SourceError
from ztflow.memory import plenty
from ztflow.model.provenance import Problem, ReadReport, ReadStats
from ztflow.model.tables import Halves
from ztflow.read.duplicates import Copies, Overlaps
from ztflow.read.saved.recognise import beginning, is_table
from ztflow.read.sources.archives import Stream
from ztflow.read.sources.files import BIG, Found, Input, ahead, find_inputs, open_found
from ztflow.read.sources.folders import Skipped
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.sources.twins import Twins
from ztflow.read.stream import StreamParser
from ztflow.read.tally import Layouts, ReadBatch
from ztflow.threads import processors

if TYPE_CHECKING:
    from ztflow.read.saved.tables import Piece

OnError: TypeAlias = Callable[[SourceError], None]
Progress: TypeAlias = Callable[[int, int | None], None]


def read_inputs(
    inputs: Sequence[Input],
    *,
    wrapper: str | None = None,
    progress: Progress | None = None,
    on_error: OnError | None = None,
    report: ReadReport | None = None,
    drop_copies: bool = True,
    layouts: Layouts = None,
) -> Iterator[ReadBatch]:
    """Read finite inputs one after the other.

    Args:
        inputs: Files, directories, globs, `-` for stdin, open binary files; compressed or archived as they like.
        wrapper: Allow only this wrapper (`read.WRAPPERS`).
        progress: Called after each piece with the bytes read so far (as on disk) and in all, where known.
        on_error: Called for an input that cannot be read; the others go on. Without it the error is raised.
        report: Filled with counts, problems and errors while batches come.
        drop_copies: Leave out lines an earlier input, or an earlier run of the same input, already gave.
        layouts: How lines may be written, when the inputs are said to be logs of waypoints.

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
                head, chunks = beginning(chunks)
                try:
                    if is_table(head):
                        path = one.path if stream.name == one.name else None
                        yield from _table(head, chunks, stream, path, report, overlaps, meter)
                        continue
                    origin = origin_of_path(stream.name, stream.beside)
                    parser = StreamParser(stream.name, origin=origin, wrapper=wrapper, layouts=layouts)
                    parser.expected = one.size or 0
                    early = parser.expected >= BIG and processors() > 1
                    if early:
                        chunks = ahead(chunks)
                    report.register(
                        parser.source_file,
                        parser.stats,
                        parser.problems,
                        parser.events,
                        parser.producers,
                        inside=stream.inside,
                    )
                    copies = None if overlaps is None else Copies(overlaps, len(report.inputs), parser.stats)
                    for batch, count in _batches(parser, chunks, copies, early=early):
                        if batch:
                            yield batch
                        meter.read(count)
                except SourceError as error:
                    if error.source == one.name:
                        raise
                    failed(error)  # one member of an archive; the others are read
        except SourceError as error:
            failed(error)
        meter.finished(one)
    meter.over()


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

    def over(self) -> None:
        """All is read: of a pipe, too, the total is known."""
        if self._progress is not None and self._total is None:
            self._progress(self._done, self._done)


def _batches(
    parser: StreamParser, chunks: Iterator[bytes], copies: Copies | None, *, early: bool
) -> Iterator[tuple[ReadBatch, int]]:
    """The batches of one stream, which may be empty, and the bytes each was made of.

    What a broken stream held is finished before its error goes on.

    Args:
        parser: Of the stream.
        chunks: Its bytes.
        copies: What other inputs hold.
        early: Whether each chunk is asked for when the one before is read, for the kernel to begin with.

    Memory: with `early` one chunk more, while memory is not short.
    """
    broken: SourceError | None = None

    def given() -> bytes | None:
        nonlocal broken
        try:
            return None if broken is not None else next(chunks, None)
        except SourceError as error:
            broken = error
            return None

    chunk = given()
    while True:
        after = given() if early and chunk is not None and plenty() else None
        halves = parser.finish() if chunk is None else parser.feed(chunk, after or b"")
        table = halves.to_arrow()
        if table.num_rows and copies is not None:
            table = copies.left_out(table)
        flows = parser.take_flows()
        if flows is not None and copies is not None:
            flows = copies.flows_left_out(flows)
        batch = ReadBatch(Halves(table), parser.take_facts(), parser.source_file, flows, parser.take_requests())
        yield batch, len(chunk or b"")
        if chunk is None:
            break
        chunk = given() if after is None else after
    if broken is not None:
        raise broken


def _table(
    head: bytes, chunks: Iterator[bytes], stream: Stream, path: str | None, report: ReadReport,
    overlaps: Overlaps | None, meter: _Meter,
) -> Iterator[ReadBatch]:  # fmt: skip
    """The batches of a table ztflow saved."""
    from ztflow.read.saved.rows import Ledger
    from ztflow.read.saved.tables import read_table

    stats, problems = ReadStats(), list[Problem]()

    def noted() -> Iterator[bytes]:
        for chunk in chunks:
            meter.read(len(chunk))
            yield chunk

    pieces = read_table(head, noted(), Ledger(stream.name, stats, problems), path)
    first = [*islice(pieces, 1)]  # what is no table of ours is an error and no input
    report.register(stream.name, stats, problems, [], {}, inside=stream.inside)
    copies = None if overlaps is None else Copies(overlaps, len(report.inputs), stats)
    yield from table_batches(chain(first, pieces), stream.name, copies)


def table_batches(pieces: Iterable[Piece], name: str, copies: Copies | None) -> Iterator[ReadBatch]:
    """The pieces of a saved table as batches of an input, without rows an earlier input gave."""
    for kind, rows in pieces:
        if kind == "flows":
            yield ReadBatch(Halves(), [], name, rows if copies is None else copies.flows_left_out(rows))
        else:
            yield ReadBatch(Halves(rows if copies is None else copies.left_out(rows, in_order=False)), [], name)
