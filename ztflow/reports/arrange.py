"""The tables of a report as somebody wants them: one of several, some columns, another order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ztflow.errors import UsageError
from ztflow.reports.tables import TitledTable, column_name, cut
from ztflow.text.format import Spark
from ztflow.text.nearest import nearest


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is wanted of the tables.

    Attributes:
        columns: Columns, by the names in `TitledTable.names`; only tables that have all of them are shown, where there
            is one, else those that have some.
        sort: Columns to sort by, `-` before a name is descending; unknown comes last, ties stay in order.
        table: A table by its title or the beginning of it; all unless given.
    """

    columns: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    table: str | None = None

    def __bool__(self) -> bool:
        return bool(self.columns or self.sort or self.table)


def arranged(tables: Sequence[TitledTable], wanted: Arrangement, limit: int | None) -> list[TitledTable]:
    """The tables as they are wanted.

    Args:
        tables: All rows of them.
        wanted: How.
        limit: Rows at most in each; None is all.

    Raises:
        UsageError: No table has such a column, or no table is called so; names the nearest.
    """
    found = [table for table in tables if any(table.names)]
    if wanted.table is not None:
        found = [_named(found, wanted.table)]
    columns = [column_name(name) for name in wanted.columns]
    keys = [("-" if key.startswith("-") else "", column_name(key.removeprefix("-"))) for key in wanted.sort]
    _check(found, columns, "--columns")
    _check(found, [name for _, name in keys], "--sort")
    if columns:
        whole = [table for table in found if set(columns) <= set(table.names)]
        found = whole or [table for table in found if set(columns) & set(table.names)]
    return [_chosen(cut(_sorted(table, keys), limit), columns) for table in found]


def _named(tables: Sequence[TitledTable], text: str) -> TitledTable:
    name = column_name(text)
    names = {column_name(table.title): table for table in tables}
    for title, table in names.items():
        if name and title.startswith(name):
            return table
    near = nearest(name, names, 0.4)
    raise UsageError(
        f"--table: no table {text!r}; "
        + (f"did you mean {names[near].title!r}? " if near else "")
        + f"there {'is' if len(names) == 1 else 'are'} {', '.join(repr(table.title) for table in tables) or 'none'}"
    )  # fmt: skip


def _check(tables: Sequence[TitledTable], names: Iterable[str], option: str) -> None:
    known = list(dict.fromkeys(name for table in tables for name in table.names))
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"{option}: no column {name!r}; " + (f"did you mean {near!r}?" if near else "")
                + ("" if near else f"there are {', '.join(known)}")
            )  # fmt: skip


def _sorted(table: TitledTable, keys: Sequence[tuple[str, str]]) -> TitledTable:
    rows = list(table.rows)
    for sign, name in reversed(keys):
        if name in table.names:
            at = table.names.index(name)
            known = [row for row in rows if row[at] is not None]
            known.sort(key=lambda row, at=at: _key(row[at]), reverse=bool(sign))  # type: ignore[misc]
            rows = known + [row for row in rows if row[at] is None]
    return replace(table, rows=tuple(rows))


def _key(cell: Any) -> tuple[int, Any]:
    """What a cell is sorted by; where numbers and words are in one column, numbers come first."""
    value = cell.steps if isinstance(cell, Spark) else cell
    return (0 if isinstance(value, int | float) else 1 if isinstance(value, str) else 2), value


def _chosen(table: TitledTable, columns: Sequence[str]) -> TitledTable:
    if not columns:
        return table
    places = [table.names.index(name) for name in columns if name in table.names]

    def part(rows: Iterable[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
        return tuple(tuple(row[at] for at in places) for row in rows)

    # What is told below has its name in the first column; without that column it could not be told from other rows.
    footer = part(table.footer) if 0 in places else ()
    return replace(table, fields=tuple(table.fields[at] for at in places), rows=part(table.rows), footer=footer)
