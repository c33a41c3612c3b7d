"""Which rows of a table the answer shows: time limits, filters, the first or the last few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.cli.options import Grid, Reading, Rows
from ztflow.errors import UsageError
from ztflow.filters.grid import Kind, Side
from ztflow.filters.masks import Known
from ztflow.filters.quantities import parse_moment
from ztflow.model.schema import Column
from ztflow.model.tables import Flows, Halves

Tabular = TypeVar("Tabular", Flows, Halves)


def with_rows(table: Tabular, rows: pa.Table) -> Tabular:
    """The same table with other rows, its counts kept."""
    if isinstance(table, Flows):
        return type(table)(rows, stats=table.stats, problems=table.problems, evicted=table.evicted)
    return type(table)(rows, stats=table.stats, problems=table.problems)


class Selection:
    """What was asked for, checked before anything is read."""

    def __init__(
        self, columns: Sequence[Column], time: str, *, reading: Reading, grid: Grid, rows: Rows | None = None
    ) -> None:
        """Check the options.

        Args:
            columns: Columns of the table.
            time: Its time column.
            reading: Time limits.
            grid: Filters.
            rows: First or last.

        Raises:
            UsageError: If an option means nothing.
        """
        self._time = time
        self._since = None if reading.since is None else _moment("--since", reading.since)
        self._until = None if reading.until is None else _moment("--until", reading.until)
        self._filter = grid.filter(columns)
        self._known = Known()
        self._first = rows.first if rows else None
        self._last = rows.last if rows else None
        if self._first is not None and self._last is not None:
            raise UsageError("give --first or --last, not both")
        if self._last is not None and reading.follow:
            raise UsageError("--last needs an end, and --follow has none; use --since 5m or the like")

    def __bool__(self) -> bool:
        return bool(self._filter) or any(limit is not None for limit in (self._since, self._until))

    def know_owners(self, owners: Mapping[str, str]) -> None:
        """Take in which workload owns which pod (`namespace/name`), for conditions on workloads."""
        self._known = Known(owners)

    def _between(self, rows: pa.Table, now: datetime | None) -> pa.Table:
        """The rows within the limits; a row without a time is neither before nor after anything and stays."""
        for limit, compare in ((self._since, pc.greater_equal), (self._until, pc.less_equal)):
            if limit is None or (now is None and isinstance(limit, timedelta)):
                continue
            instant = now - limit if now is not None and isinstance(limit, timedelta) else limit
            times = rows[self._time]
            rows = rows.filter(pc.fill_null(compare(times, pa.scalar(instant, times.type)), fill_value=True))
        return rows

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
            rows = self._between(table.to_arrow(), None)
            if self._filter and rows.num_rows:
                rows = rows.filter(self._filter.mask(rows, known=self._known))
            if left is not None:
                rows = rows.slice(0, left)
                left -= rows.num_rows
            if self._last is None:
                yield with_rows(table, rows)
                continue
            both = kind.concat([tail, kind(rows)]).to_arrow()
            tail = kind(both.slice(max(0, both.num_rows - self._last)))
        if self._last is not None:
            yield tail

    def apply(self, table: Tabular) -> Tabular:
        """The chosen rows of a finished table; relative times count back from its last time."""
        rows = table.to_arrow()
        rows = self._between(rows, pc.max(rows[self._time]).as_py())
        if self._filter:
            rows = rows.filter(self._filter.mask(rows, known=Known(self._known.owners)))
        if self._first is not None:
            rows = rows.slice(0, self._first)
        if self._last is not None:
            rows = rows.slice(max(0, rows.num_rows - self._last))
        return with_rows(table, rows)

    def stream(self, tables: Iterable[Tabular]) -> Iterator[Tabular]:
        """The chosen rows of tables as they come; relative times count back from now. Ends after the first N."""
        started = datetime.now(UTC)
        left = self._first
        if left == 0:
            return
        for table in tables:
            rows = self._between(table.to_arrow(), started)
            if self._filter and rows.num_rows:
                rows = rows.filter(self._filter.mask(rows, known=self._known))
            if left is not None:
                rows = rows.slice(0, left)
                left -= rows.num_rows
            yield with_rows(table, rows)
            if left == 0:
                return


def _moment(option: str, text: str) -> datetime | timedelta:
    try:
        return parse_moment(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None
