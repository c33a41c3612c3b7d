"""The tables of reports as cells to show: bars behind numbers, heat where a table is a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ztflow.reports import Report, TitledTable
from ztflow.text.escapes import visible
from ztflow.text.format import NUMERIC, Unit, cell_text, hidden_text

_BARRED = frozenset({Unit.COUNT, Unit.BYTES, Unit.SHARE, Unit.MONEY})
"""Units of which a bar tells how much of the column's most it is."""
_LONGEST = 1_000
"""Characters of a cell."""
_ONE_LINE = 60
"""Characters of a cell that is not broken into lines."""
_LEAST_ROWS = 2
"""Rows from which a bar compares something."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: As it is read.
        right: Whether it is a number.
        long: Whether it may need several lines.
        bar: Per cent of its column's most; None without a bar.
        heat: Per cent of its matrix's most; None outside one.
    """

    text: str
    right: bool
    long: bool = False
    bar: int | None = None
    heat: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table to show.

    Attributes:
        title: What it is.
        heads: Headings, and whether their cells are numbers.
        rows: Cells.
        notes: Sentences below it.
    """

    title: str
    heads: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page.

    Attributes:
        title: Its heading.
        facts: Labels and sentences.
        tables: Tables that have rows.
        notes: Sentences at its end.
        findings: How many things may call for action.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    findings: int = 0

    def without_facts(self) -> Part:
        """The same without its facts."""
        return replace(self, facts=())


def part_of(report: Report) -> Part:
    """A report as a part of the page, with as many rows as suit a screen."""
    page = report.page()
    tables = tuple(table_of(table) for table in page.tables if table.rows)
    facts = tuple((name, visible(text)) for name, text in page.facts)
    return Part(page.title, facts, tables, tuple(map(visible, page.notes)), report.findings)


def table_of(table: TitledTable) -> Table:
    """A table with bars, or with heat where it is a matrix."""
    units = [field.unit for field in table.fields]
    most = _most(table)
    heat = max((value for value in most if value is not None), default=0) if _is_matrix(table) else None
    rows = tuple(
        tuple(_cell(value, unit, top, heat) for value, unit, top in zip(row, units, most, strict=True))
        for row in table.rows
    )
    notes = [*([hidden_text(table.hidden)] if table.hidden else []), *map(visible, table.notes)]
    heads = tuple((visible(field.title), field.unit in NUMERIC) for field in table.fields)
    return Table(visible(table.title), heads, rows, tuple(notes))


def _most(table: TitledTable) -> list[float | None]:
    """The most of each column that may have bars."""
    found: list[float | None] = []
    for place, field in enumerate(table.fields):
        numbers = [value for row in table.rows if isinstance(value := row[place], int | float)]
        barred = field.unit in _BARRED and len(table.rows) >= _LEAST_ROWS
        found.append(max(numbers) if barred and numbers and min(numbers) >= 0 else None)
    return found


def _is_matrix(table: TitledTable) -> bool:
    """Whether its columns are called as its rows are: places by places."""
    names = {row[0] for row in table.rows if isinstance(row[0], str)}
    across = [field.title for field in table.fields[1:]]
    return len(across) >= _LEAST_ROWS and 2 * sum(title in names for title in across) > len(across)


def _cell(value: Any, unit: Unit, most: float | None, heat: float | None) -> Cell:
    text, right = cell_text(value, unit), unit in NUMERIC
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    if most is None or not isinstance(value, int | float):
        return Cell(text, right, len(text) > _ONE_LINE)
    if heat is not None:
        return Cell(text, right, heat=_percent(value, heat))
    return Cell(text, right, bar=_percent(value, most))


def _percent(value: float, most: float) -> int:
    """Of the most; never none of something."""
    return 0 if not value or not most else max(round(100 * value / most), 1)


def rows_part(
    title: str, columns: Sequence[tuple[str, Unit]], rows: Sequence[Sequence[Any]], notes: Sequence[str] = ()
) -> Part:
    """A part of one table of rows."""
    from ztflow.reports.tables import titled

    made = (table_of(titled("", columns, rows)),) if rows else ()
    return Part(title, (), made, tuple(notes))
