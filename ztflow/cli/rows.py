"""Rows a command prints: selection (time limits, filters, first or last N) and output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, TypeVar

from ztflow.cli.destinations import check_destination, rows_destination
from ztflow.cli.options import Grid, Reading, Rows, Waypoints
from ztflow.cli.output import chosen_format, paper_for, say
from ztflow.cli.output_options import TableOutput
from ztflow.cli.reading import Reader
from ztflow.cli.run import Run
from ztflow.errors import UsageError
from ztflow.filters.ends import Known
from ztflow.filters.former_names import warn_of
from ztflow.filters.grid import Kind, Side
from ztflow.filters.period import Moment, between
from ztflow.model.derived import check_columns, select
from ztflow.model.tables import Flows, Halves
from ztflow.writers import RAW, ROW_FORMATS, TableWriter, open_writer

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
        return self.moves or any(end.kind is Kind.SERVICE and end.side is not Side.TO for end in self._filter.all_ends)

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
        left, tail, total, passed = self._first, kind(), 0, 0
        for table in tables:
            chosen = self._chosen(table, self._known)
            total, passed = total + len(table), passed + len(chosen)
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
        self.tell(total, passed)

    def flows(self, tables: Iterator[Flows]) -> Iterator[Flows]:
        """`finished` of flows."""
        return self.finished(tables, Flows)

    @property
    def choice(self) -> Callable[[Iterator[Flows]], Iterator[Flows]] | None:
        """What of flows, as they come, is wanted; None for everything."""
        everything = not self and self._first is None and self._last is None
        return None if everything else self.flows

    def outdated(self, table: Tabular) -> int:
        """How many of a table's rows, in order of time, are before `since` for good: as many of its first."""
        kept = between(table, self._since, None) if isinstance(self._since, timedelta) else table
        return len(table) - len(kept)

    def apply(self, table: Tabular) -> Tabular:
        """The chosen rows of a finished table; relative times count back from its last time."""
        chosen = self._chosen(table, known := Known())
        self.tell(len(table), len(chosen), known)
        return self._limited(chosen)

    def now(self, table: Tabular) -> Tabular:
        """The same of a table that is not the last word: nothing is said of it."""
        return self._limited(self._chosen(table, Known()))

    def _limited(self, chosen: Tabular) -> Tabular:
        if self._first is not None:
            chosen = _cut(chosen, 0, self._first)
        if self._last is not None:
            chosen = _cut(chosen, max(0, len(chosen) - self._last), self._last)
        return chosen

    def stream(self, tables: Iterable[Tabular]) -> Iterator[Tabular]:
        """The chosen rows of tables as they come; relative times count back from now. Ends after the first N."""
        started = datetime.now(UTC)
        left, total, passed = self._first, 0, 0
        if left == 0:
            return
        for table in tables:
            chosen = self._chosen(table, self._known, started)
            total, passed = total + len(table), passed + len(chosen)
            if left is not None:
                chosen = _cut(chosen, 0, left)
                left -= len(chosen)
            yield chosen
            if left == 0:
                return
        self.tell(total, passed)

    def tell(self, rows: int = 0, passed: int = 0, known: Known | None = None) -> None:
        """Say that no row passed, which names the filters ask for are nowhere, and what else a reader has to know.

        Args:
            rows: All rows, once they are known.
            passed: Those that passed the filters.
            known: What was learnt from them; what was learnt of parts unless given.
        """
        if not self:
            return
        known = known or self._known
        if known.former:
            warn_of(known.former)
        if rows and not passed:
            say(f"none of {rows:,} rows passed the filters")
        for line in known.remarks():
            say(line)


def _cut(table: Tabular, start: int, count: int) -> Tabular:
    return table.with_rows(table.to_arrow().slice(start, count))


class Order:
    """The order that was asked for, which rows have when all are there; the first or last of them are cut from that.

    Args:
        kind: Which table.
        output: The columns to sort by, and to show.
        rows: First or last.
        follow: Whether the input is followed.

    Raises:
        UsageError: There is no such column, or an input that is followed is to be sorted.
    """

    def __init__(self, kind: type[Flows | Halves], output: TableOutput, rows: Rows, *, follow: bool) -> None:
        self._keys, self._rows = output.sort, rows
        for option, names in (("--columns", output.columns), ("--sort", output.sort)):
            try:
                if names:
                    check_columns([name.removeprefix("-") for name in names], kind.schema.names)
            except UsageError as error:
                raise UsageError(f"{option}: {error}") from None
        if self._keys and follow:
            raise UsageError("--sort needs an end, and --follow has none")
        kind().sort(*self._keys)  # complains of a column without an order

    def __bool__(self) -> bool:
        return bool(self._keys)

    def apply(self, tables: Iterator[Tabular]) -> Iterator[Tabular]:
        """The rows in order. Memory: all of them, with `--first` no more than so many and a table."""
        if not self._keys:
            yield from tables
            return
        held: list[Tabular] = []
        first = self._rows.first
        for table in tables:
            held.append(table)
            if first is not None and sum(map(len, held)) > max(_CUT_AT, 2 * first):
                held = [_cut(self._sorted(held), 0, first)]
        if held:
            whole = self._sorted(held)
            start = 0 if self._rows.last is None else max(0, len(whole) - self._rows.last)
            yield _cut(whole, start, len(whole) if first is None else first)

    def _sorted(self, held: list[Tabular]) -> Tabular:
        whole: Tabular = type(held[0]).concat(held).sort(*self._keys)
        return whole


_CUT_AT = 200_000
"""Rows past which those are given up that are not among the first of the order."""


def _moment(option: str, text: str) -> Moment:
    from ztflow.filters.quantities import parse_moment

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
    form = chosen_format(output.format, output.output, (*ROW_FORMATS, RAW))
    order = Order(kind, output, rows, follow=reading.follow)
    selection = Selection(kind, reading=reading, grid=grid, rows=None if order else rows)
    sources = run.sources(inputs)
    live = reading.follow
    check_destination(
        form,
        output.output,
        sources,
        [*reading.inventory, *(() if waypoints is None else waypoints.waypoint)],
        follow=live,
        series=live,
    )
    if form == RAW:
        from ztflow.cli.raw_rows import kept_stdin

        if live:
            raise UsageError("-o raw reads the lines again, which is not possible while they come; leave -f out")
        with kept_stdin(sources) as standing_for:
            _write(run, sources, kind, selection, order, reading, output, form, standing_for, waypoints)
    else:
        _write(run, sources, kind, selection, order, reading, output, form, {}, waypoints)


def _write(
    run: Run,
    sources: list[str],
    kind: type[Tabular],
    selection: Selection,
    order: Order,
    reading: Reading,
    output: TableOutput,
    form: str,
    standing_for: dict[str, str],
    waypoints: Waypoints | None,
) -> None:
    live = reading.follow
    paper = paper_for(run.talk.color, output.output)
    reader = Reader(run, reading, waypoints)
    names = output.columns
    schema = select(kind.schema.empty_table(), names).schema if names else kind.schema

    def make(stream: BinaryIO) -> TableWriter:
        if form == RAW:
            from ztflow.cli.raw_rows import RawWriter

            return RawWriter(stream, standing_for, escaped=paper.width is not None)
        return open_writer(form, stream, schema, width=paper.width, color=paper.color, live=live, chosen=bool(names))

    with (
        rows_destination(output.output, make, live=live, wanted=run.answers) as writer,
        closing(reader.rows(kind, sources)) as tables,
    ):
        chosen = selection.stream(tables) if live else order.apply(selection.finished(tables, kind))
        for part in chosen:
            if len(part) or live:  # nothing new is when a reader that has gone is noticed, and a file is finished
                writer.write(select(part.to_arrow(), names) if names and form != RAW else part.to_arrow())
