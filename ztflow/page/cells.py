"""The tables of reports as cells to show: bars behind numbers, heat where a table is a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ztflow.reports import Report, TitledTable
from ztflow.text.cell_charts import NO_MARK, Mark, marks
from ztflow.text.escapes import visible
from ztflow.text.format import NUMERIC, Unit, cell_text, hidden_text

_LONGEST = 1_000
"""Characters of a cell."""
_ONE_LINE = 60
"""Characters of a cell that is not broken into lines."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: As it is read.
        right: Whether it is a number.
        long: Whether it may need several lines.
        mark: What is drawn in it.
    """

    text: str
    right: bool
    long: bool = False
    mark: Mark = NO_MARK


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
    found = marks([field.title for field in table.fields], units, table.rows)
    rows = tuple(
        tuple(_cell(value, unit, mark) for value, unit, mark in zip(row, units, some, strict=True))
        for row, some in zip(table.rows, found, strict=True)
    )
    notes = [*([hidden_text(table.hidden)] if table.hidden else []), *map(visible, table.notes)]
    heads = tuple((visible(field.title), field.unit in NUMERIC) for field in table.fields)
    return Table(visible(table.title), heads, rows, tuple(notes))


def _cell(value: Any, unit: Unit, mark: Mark) -> Cell:
    text, right = cell_text(value, unit), unit in NUMERIC
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return Cell(text, right, not mark.style and len(text) > _ONE_LINE, mark)


def rows_part(
    title: str, columns: Sequence[tuple[str, Unit]], rows: Sequence[Sequence[Any]], notes: Sequence[str] = ()
) -> Part:
    """A part of one table of rows."""
    from ztflow.reports.tables import titled

    made = (table_of(titled("", columns, rows)),) if rows else ()
    return Part(title, (), made, tuple(notes))
