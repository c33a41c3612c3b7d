"""Rows a command prints: selection (time limits, filters, first or last N) and output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, TypeVar

from ztflow.cli.destinations import check_destination, rows_destination
from ztflow.cli.options import Grid, Reading, Rows, TableOutput, Waypoints
from ztflow.cli.output import chosen_format, paper_for, say
from ztflow.cli.reading import Reader
from ztflow.cli.run import Run
from ztflow.errors import UsageError
from ztflow.filters.former_names import warn_of
from ztflow.filters.grid import Kind, Side
from ztflow.filters.masks import Known
from ztflow.filters.period import Moment, between
from ztflow.filters.quantities import parse_moment
from ztflow.model.tables import Flows, Halves
from ztflow.writers import ROW_FORMATS, TableWriter, open_writer

Tabular = TypeVar("Tabular", Flows, Halves)


class Selection:
    """What was asked for, checked before anything is read."""

    def __init__(self, kind: type[Flows | Halves], *, reading: Reading, grid: Grid, rows: Rows | None = None) -> None:
        """Check the options.

        Args:
            kind: Which table.
            reading: Time limits.
            grid: Filters.
            rows: First or last.

        Raises:
            UsageError: If an option is invalid.
        """
        self._since = None if reading.since is None else _moment("--since", reading.since)
        self._until = None if reading.until is None else _moment("--until", reading.until)
        self._filter = grid.filter(kind.columns)
        self._known = Known()
        self._first = rows.first if rows else None
        self._last = rows.last if rows else None
        if self._first is not None and self._last is not None:
            raise UsageError("give --first or --last, not both")
        if self._last is not None and reading.follow:
            raise UsageError("--last needs an end, and --follow has none; use --since 5m or the like")

    def __bool__(self) -> bool:
        return bool(self._filter) or any(limit is not None for limit in (self._since, self._until))

    def _chosen(self, table: Tabular, known: Known, now: datetime | None = None) -> Tabular:
        """The rows within the limits that pass the filters."""
        if not self:
            return table
        known.owners = table.owners
        return self._filter.apply(between(table, self._since, self._until, now=now), known=known)

    @property
    def _needs_all(self) -> bool:
        """Whether rows can be judged only when all are there: times back from the last, services of sources."""
        return self.moves or any(end.kind is Kind.SERVICE and end.side is not Side.TO for end in self._filter.ends)

    @property
    def moves(self) -> bool:
        """Whether a time limit counts back from the last row, so that what is within it changes as more comes."""
        return any(isinstance(limit, timedelta) for limit in (self._since, self._until))

    def part(self, table: Tabular) -> Tabular:
        """The chosen rows of a part of an input; services of sources by what was learnt so far."""
        return self._chosen(table, self._known)

    def finished(self, tables: Iterable[Tabular], kind: type[Tabular]) -> Iterator[Tabular]:
        """The chosen rows of a finished input that comes in tables; the cut into tables does not show."""
        if self._needs_all:
            yield self.apply(kind.concat(list(tables)))
            return
        left, tail = self._first, kind()
        for table in tables:
            chosen = self._chosen(table, self._known)
            if left is not None:
                chosen = _cut(chosen, 0, left)
                left -= len(chosen)
            if self._last is None:
                yield chosen
                continue
            both = kind.concat([tail, chosen])
            tail = _cut(both, max(0, len(both) - self._last), self._last)
        if self._last is not None:
            yield tail
        warn_of(self._known.former)

    def outdated(self, table: Tabular) -> int:
        """How many of a table's rows, in order of time, are before `since` for good: as many of its first."""
        kept = between(table, self._since, None) if isinstance(self._since, timedelta) else table
        return len(table) - len(kept)

    def apply(self, table: Tabular) -> Tabular:
        """The chosen rows of a finished table; relative times count back from its last time."""
        known = Known()
        chosen = self._chosen(table, known)
        warn_of(known.former)
        if self._first is not None:
            chosen = _cut(chosen, 0, self._first)
        if self._last is not None:
            chosen = _cut(chosen, max(0, len(chosen) - self._last), self._last)
        return chosen

    def stream(self, tables: Iterable[Tabular]) -> Iterator[Tabular]:
        """The chosen rows of tables as they come; relative times count back from now. Ends after the first N."""
        started = datetime.now(UTC)
        left = self._first
        if left == 0:
            return
        for table in tables:
            chosen = self._chosen(table, self._known, started)
            if left is not None:
                chosen = _cut(chosen, 0, left)
                left -= len(chosen)
            yield chosen
            if left == 0:
                return


def _cut(table: Tabular, start: int, count: int) -> Tabular:
    return table.with_rows(table.to_arrow().slice(start, count))


def _moment(option: str, text: str) -> Moment:
    try:
        return parse_moment(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def write_rows(
    run: Run,
    inputs: Sequence[str],
    kind: type[Tabular],
    *,
    reading: Reading,
    grid: Grid,
    rows: Rows,
    output: TableOutput,
    waypoints: Waypoints | None = None,
) -> None:
    """Read, select and write the rows of one table.

    Args:
        run: The run.
        inputs: What to read.
        kind: Which table.
        reading: How to read.
        grid: Filters.
        rows: First or last.
        output: Form and place.
        waypoints: Logs of waypoints, for flows.

    Raises:
        UsageError: If an option is invalid; before anything is read.
    """
    form = chosen_format(output.format, output.output, ROW_FORMATS)
    selection = Selection(kind, reading=reading, grid=grid, rows=rows)
    sources = run.sources(inputs)
    live = reading.follow
    others = [*reading.inventory, *(() if waypoints is None else waypoints.waypoint)]
    check_destination(form, output.output, sources, others, follow=live, series=live)
    paper = paper_for(run.talk.color, output.output)
    reader = Reader(run, reading, waypoints)
    total = shown = 0

    def make(stream: BinaryIO) -> TableWriter:
        return open_writer(form, stream, kind.schema, width=paper.width, color=paper.color, live=live)

    with (
        rows_destination(output.output, make, live=live, wanted=run.answers) as writer,
        closing(reader.rows(kind, sources)) as tables,
    ):

        def counted() -> Iterator[Tabular]:
            nonlocal total
            for table in tables:
                total += len(table)
                yield table

        chosen = selection.stream(counted()) if live else selection.finished(counted(), kind)
        for part in chosen:
            shown += len(part)
            if len(part) or live:  # nothing new is when a reader that has gone is noticed, and a file is finished
                writer.write(part.to_arrow())
    if total and not shown and selection:
        say(f"none of {total:,} rows passed the filters")
