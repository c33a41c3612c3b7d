"""`follow`: reads pipes and growing files as their bytes come."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from glob import has_magic
from io import FileIO
from pathlib import Path
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ztflow.errors import SourceError
from ztflow.model.provenance import NOBODY, ReadReport
from ztflow.model.tables import Halves
from ztflow.read.duplicates import Copies, Overlaps
from ztflow.read.inputs import OnError, read_inputs, table_batches
from ztflow.read.saved.recognise import TABLE_HEAD, is_table
from ztflow.read.sources.compression import compression_of
from ztflow.read.sources.files import Found, Input, find_inputs, is_loki
from ztflow.read.sources.folders import is_archive_name
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.sources.pipes import PipeReader
from ztflow.read.stream import StreamParser
from ztflow.read.tally import Layouts, ReadBatch

if TYPE_CHECKING:
    from ztflow.read.growing import GrowingFile
    from ztflow.read.open_files import Files
    from ztflow.read.saved.tables import Waiting
    from ztflow.read.sources.loki_query import LokiQuery

HEARTBEAT = 0.04
"""Seconds after which an empty batch comes when nothing else does, so that a caller can advance its clock."""

FLUSH_AFTER = 0.15
"""Seconds of silence after which a record that waits for a continuation is taken as it is."""

_BATCH = 8 << 20
"""Bytes read at once; a batch takes ten times that on its way. With half of it a line costs 1.5 times, under load."""
SMALL_BATCH = 4 << 20
"""The same for a live view, which runs beside other work."""
_SLOW_BATCH = 512 << 10
"""Bytes read at once line by line: they take about 20 ms, so that the first of them is shown soon."""
_RESCAN = 1.0
"""Seconds between looks for new files in followed directories."""

NEW_FILES = (".log", ".jsonl", ".ndjson", ".txt")
"""Endings of files that are read when they appear in a followed directory."""

_COPIES_KEPT = 1 << 20
"""Lines remembered per stream to know a re-run (stern after a reconnect) from new lines."""


def follow(
    inputs: Sequence[Input],
    *,
    wrapper: str | None = None,
    on_error: OnError | None = None,
    report: ReadReport | None = None,
    stop: Callable[[], bool] | None = None,
    heartbeat: float = HEARTBEAT,
    waypoints: Sequence[Input] = (),
    layouts: Layouts = None,
    at_once: int = _BATCH,
) -> Iterator[ReadBatch]:
    """Read inputs as they grow.

    Files are read from their beginning and then followed through rotation, truncation and recreation; directories and
    globs also for new files. Compressed files are read once. Pipes end; files never do.

    Args:
        inputs: As for `read_inputs`.
        wrapper: As for `read_inputs`.
        on_error: As for `read_inputs`.
        report: As for `read_inputs`.
        stop: Asked at every heartbeat and every few megabytes; when it says yes, what is held comes out and the
            reading ends where it is.
        heartbeat: Longest time between two batches, in seconds.
        waypoints: More inputs, that are said to be logs of waypoints.
        layouts: How the lines of those may be written.
        at_once: Bytes read of a pipe at once.

    Yields:
        A batch as soon as bytes complete access lines; an empty one at least every *heartbeat* seconds.

    Raises:
        SourceError: As for `read_inputs`.
        UsageError: If *wrapper* is not known.
    """
    live = _Live(wrapper, report if report is not None else ReadReport(), on_error, stop or (lambda: False), at_once)
    try:
        yield from live.start(waypoints, layouts)  # first: one that is an input too is read once, as a waypoint's
        yield from live.start(inputs)
        while not live.stop():
            quiet = True
            for batch in live.turn(heartbeat):
                quiet = False
                yield batch
            if live.over:
                break
            if quiet:
                yield ReadBatch(Halves(), [], "")
        yield from live.finish()
    finally:
        live.close()


class _Stream:
    """A parser, and when it last got bytes."""

    def __init__(self, name: str, live: _Live) -> None:
        origin = origin_of_path(name) if name != "-" else NOBODY
        self.parser = StreamParser(name, origin=origin, wrapper=live.wrapper, layouts=live.layouts.get(name))
        one = self.parser
        live.report.register(one.source_file, one.stats, one.problems, one.events, one.producers)
        self._copies = Copies(live.overlaps, len(live.report.inputs), self.parser.stats)
        self._fed = monotonic()
        self._table: Waiting | None = None

    def feed(self, data: bytes) -> Iterator[ReadBatch]:
        self._fed = monotonic()
        if not self.parser.stats.bytes and self._table is None and is_table(data):
            from ztflow.read.saved.tables import Waiting

            self._table = Waiting(data)
        elif self._table is not None:
            self._table.add(data)
        else:
            yield from self._lines(data)

    def _lines(self, data: bytes) -> Iterator[ReadBatch]:
        at = 0
        while at < len(data):
            piece = data[at:] if self.parser.fast else data[at : at + _SLOW_BATCH]
            at += len(piece)
            yield from self._batch(self.parser.feed(piece))

    def idle(self) -> Iterator[ReadBatch]:
        if self.parser.waiting and monotonic() - self._fed >= FLUSH_AFTER:
            yield from self._batch(self.parser.flush_idle())

    def finish(self) -> Iterator[ReadBatch]:
        if self._table is None:
            yield from self._batch(self.parser.finish())
            return
        from ztflow.read.saved.rows import Ledger

        ledger = Ledger(self.parser.source_file, self.parser.stats, self.parser.problems)
        with self._table as waiting:
            yield from table_batches(waiting.pieces(ledger), ledger.name, self._copies)

    def _batch(self, halves: Halves) -> Iterator[ReadBatch]:
        if len(halves):
            halves = Halves(self._copies.left_out(halves.to_arrow()))
        flows = self.parser.take_flows()
        flows = flows if flows is None else self._copies.flows_left_out(flows)
        facts, requests = self.parser.take_facts(), self.parser.take_requests()
        batch = ReadBatch(halves, facts, self.parser.source_file, flows, requests)
        if batch:
            yield batch


class _Pipe:
    """Something that is read until it ends: a pipe, a terminal, a socket."""

    def __init__(self, name: str, file: Any, live: _Live) -> None:
        self.stream = _Stream(name, live)
        self.file, self.at_once = file, live.at_once
        self.reader: PipeReader | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.reader = PipeReader(file.fileno(), live.changed, live.at_once)

    def read(self) -> bytes | None:
        """The bytes that are there now; None at the end. Called when there are some."""
        if self.reader is None:
            data: bytes = getattr(self.file, "read1", self.file.read)(self.at_once)
            return bytes(data) or None
        return self.reader.now() or None

    def close(self) -> None:
        """Stop reading."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class _Tail:
    """A Loki query that is repeated, read like a pipe."""

    def __init__(self, query: LokiQuery) -> None:
        self.errors: list[SourceError] = []
        self._query = query
        self._stop = Event()
        self._reading, self._writing = os.pipe()
        self._thread = Thread(target=self._run, name="loki", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._reading

    def _run(self) -> None:
        from ztflow.read.sources.loki import tail

        with os.fdopen(self._writing, "wb", buffering=0) as out, contextlib.suppress(BrokenPipeError):
            try:
                for page in tail(self._query, self._stop, self.errors.append):
                    left = memoryview(page)
                    while left:
                        left = left[out.write(left) :]
            except SourceError as error:
                self.errors.append(error)

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        os.close(self._reading)
        self._thread.join(timeout=0.3)


class _Live:
    """All followed inputs."""

    def __init__(
        self, wrapper: str | None, report: ReadReport, on_error: OnError | None, stop: Callable[[], bool], at_once: int
    ) -> None:
        self.wrapper = wrapper
        self.at_once = at_once
        self.stop = stop
        self.report = report
        self.overlaps = Overlaps(keep=_COPIES_KEPT)
        self._on_error = on_error
        self._pipes: list[_Pipe] = []
        self._files: dict[str, GrowingFile] = {}
        self._growing: Files | None = None
        self._folders: list[str] = []
        self._opened: list[Any] = []
        self._tails: list[_Tail] = []
        self._known: set[tuple[int, int]] = set()
        self._scanned = monotonic()
        self._started = False
        self.changed = Condition()
        self.layouts: dict[str, Layouts] = {}
        """Of the inputs that are said to be logs of waypoints."""

    @property
    def over(self) -> bool:
        """Whether all inputs have ended."""
        return not self._pipes and not self._files and not self._folders

    def start(self, inputs: Sequence[Input], layouts: Layouts = None) -> Iterator[ReadBatch]:
        """Open everything; compressed files are read here."""
        names = [str(one) for one in inputs if isinstance(one, str | Path)]
        self._folders += [
            name
            for name in names
            if not is_loki(name) and (Path(name).is_dir() or (has_magic(name) and not Path(name).exists()))
        ]
        for found in find_inputs(inputs, on_error=self._failed):
            if layouts is not None:
                self.layouts[found.name] = layouts
            yield from self._add(found)
            if self.stop():
                return

    def _failed(self, error: SourceError) -> None:
        self.report.errors.append(error)
        if self._on_error is None:
            raise error
        self._on_error(error)

    def _add(self, found: Found) -> Iterator[ReadBatch]:
        try:
            if found.stream is not None:
                self._add_pipe(found.name, found.stream)
                return
            if found.query is not None:
                tailed = _Tail(found.query)
                self._tails.append(tailed)
                self._add_pipe(found.name, tailed)
                return
            assert found.path is not None
            about = Path(found.path).stat()
            if stat.S_ISREG(about.st_mode):
                yield from self._add_file(found.name, found.path, about)
            elif (about.st_dev, about.st_ino) not in self._known:
                self._known.add((about.st_dev, about.st_ino))
                # A named pipe without a writer must keep nobody waiting, so it is opened not to wait.
                opened = FileIO(os.open(found.path, os.O_RDONLY | os.O_NONBLOCK), "rb")
                self._opened.append(opened)
                self._add_pipe(found.name, opened)
        except OSError as error:
            if not (self._started and isinstance(error, FileNotFoundError)):  # else it was found, and rotated since
                self._failed(SourceError(found.name, error.strerror or str(error)))

    def _add_file(self, name: str, path: str, about: os.stat_result) -> Iterator[ReadBatch]:
        from ztflow.read.growing import GrowingFile
        from ztflow.read.open_files import Files
        from ztflow.read.rotated import first_of

        if self._growing is None:
            self._growing = Files(lambda name: _Stream(name, self), self.stop, self._failed)
        if path in self._files or self._growing.is_known(about, Path(path)):
            return
        with Path(path).open("rb") as file:
            head = file.read(TABLE_HEAD)
        if not (is_table(head) or compression_of(head) is not None or is_archive_name(name)):
            self._files[path] = GrowingFile(path, self._growing, fresh=self._started)
            return
        self._growing.note(about, first_of(Path(path)))
        layouts = self.layouts.get(name)
        for batch in read_inputs(
            [path], wrapper=self.wrapper, on_error=self._failed, report=self.report, layouts=layouts
        ):
            yield batch
            if self.stop():
                return

    def _add_pipe(self, name: str, file: Any) -> None:
        self._pipes.append(_Pipe(name, file, self))

    def turn(self, patience: float) -> Iterator[ReadBatch]:
        """Wait for bytes, at most *patience* seconds, and take them."""
        unwatched = [pipe for pipe in self._pipes if pipe.reader is None]
        for pipe in unwatched:
            yield from self._take(pipe)
        came = self._came(0.0 if unwatched else patience)
        for pipe in came:
            yield from self._take(pipe)
        for pipe in self._pipes:
            yield from pipe.stream.idle()
        for file in tuple(self._files.values()):
            try:
                yield from file.turn()
            except OSError as error:
                self._failed(SourceError(file.name, error.strerror or str(error)))
        if self._folders and not came and monotonic() - self._scanned > _RESCAN:
            self._scanned = monotonic()
            yield from self._new_files()

    def _came(self, patience: float) -> list[_Pipe]:
        """Pipes whose bytes are to be taken now, waited for if need be."""
        end = monotonic() + patience
        with self.changed:
            while True:
                dues = [(due, pipe) for pipe in self._pipes if pipe.reader and (due := pipe.reader.due()) is not None]
                came = [pipe for due, pipe in dues if not due]
                left = end - monotonic()
                if came or left <= 0:
                    return came
                self.changed.wait(min([left, *(due for due, _ in dues)]))

    def _take(self, pipe: _Pipe) -> Iterator[ReadBatch]:
        try:
            data = pipe.read()
        except OSError as error:
            self._failed(SourceError(pipe.stream.parser.source_file, error.strerror or str(error)))
            data = None
        if data is not None:
            yield from pipe.stream.feed(data)
        else:
            self._pipes.remove(pipe)
            pipe.close()
            try:
                yield from pipe.stream.finish()
            except SourceError as error:  # a saved table that is damaged
                self._failed(error)
        while isinstance(pipe.file, _Tail) and pipe.file.errors:
            self._failed(pipe.file.errors.pop(0))

    def _new_files(self) -> Iterator[ReadBatch]:
        """Files that appeared in followed directories."""
        self._started = True
        for found in find_inputs(self._folders, on_error=lambda _: None):
            if found.name.endswith(NEW_FILES):
                yield from self._add(found)

    def finish(self) -> Iterator[ReadBatch]:
        """Release what is held."""
        for pipe in self._pipes:
            yield from pipe.stream.finish()
        for file in self._files.values():
            yield from file.finish()

    def close(self) -> None:
        """Close what was opened here; the caller's streams stay open."""
        for pipe in self._pipes:
            pipe.close()
        for file in self._files.values():
            file.close()
        for opened in (*self._opened, *self._tails):
            opened.close()
