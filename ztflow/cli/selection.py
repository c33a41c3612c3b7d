"""Which rows of a table the answer shows: time limits, filters, the first or the last few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ztflow.cli.options import Grid, Reading, Rows
from ztflow.errors import UsageError
from ztflow.filters.grid import Kind, Side
from ztflow.filters.masks import Known
from ztflow.filters.period import Moment, between
from ztflow.filters.quantities import parse_moment
from ztflow.model.tables import Flows, Halves

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
            UsageError: If an option means nothing.
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
        known.owners = table.owners
        return self._filter.apply(between(table, self._since, self._until, now=now), known=known)

    @property
    def _needs_all(self) -> bool:
        """Whether rows can be judged only when all are there: times back from the last, services of sources."""
        relative = any(isinstance(limit, timedelta) for limit in (self._since, self._until))
        services = any(end.kind is Kind.SERVICE and end.side is not Side.TO for end in self._filter.ends)
        return relative or services

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

    def apply(self, table: Tabular) -> Tabular:
        """The chosen rows of a finished table; relative times count back from its last time."""
        chosen = self._chosen(table, Known())
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
