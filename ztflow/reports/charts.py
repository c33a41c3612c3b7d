"""The tables of reports as charts: places by places as a heat map, other tables as bars of one of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from ztflow.errors import UsageError
from ztflow.plot.charts import Bars, Chart, Heat
from ztflow.reports.arrange import Arrangement, arranged
from ztflow.reports.tables import TitledTable, column_name
from ztflow.text.cell_charts import is_matrix, tops
from ztflow.text.format import Unit, cell_text, hidden_text

_NAMES = 3
"""Columns at most, from the first on, whose texts name a row."""


def chart_of(tables: Sequence[TitledTable], table: str | None, column: str | None, top: int) -> Chart:
    """The chart of one table.

    Args:
        tables: All rows of a report's tables.
        table: Which, by its title or the beginning of it; the first that has something to draw unless given.
        column: Which column's numbers, for bars; the first that can be compared unless given.
        top: Bars at most.

    Raises:
        UsageError: There is no such table or column, or it has nothing to draw.
    """
    if table is not None:
        (chosen,) = arranged(tables, Arrangement(table=table), None)
    else:
        chosen = next(filter(drawable, tables), None)  # type: ignore[assignment]
        if chosen is None:
            raise UsageError("there is nothing to plot: no table has numbers that can be compared")
    titles = [field.title for field in chosen.fields]
    if column is None and is_matrix(titles, chosen.rows):
        return _heat(chosen, titles)
    return _bars(chosen, column, top)


def drawable(table: TitledTable) -> bool:
    """Whether it has numbers that can be compared."""
    return any(most is not None for most in tops([field.unit for field in table.fields], table.rows))


def _heat(table: TitledTable, titles: Sequence[str]) -> Heat:
    down, _, across = titles[0].partition("\\")
    cells = tuple(tuple(value or 0 for value in row[1:]) for row in table.rows)
    rows = tuple(cell_text(row[0]) for row in table.rows)
    unit, columns = table.fields[-1].unit, tuple(titles[1:])
    return Heat(table.title, unit, down.strip(), across.strip(), rows, columns, cells, table.notes)


def _bars(table: TitledTable, column: str | None, top: int) -> Bars:
    most = tops([field.unit for field in table.fields], table.rows)
    can = [name for name, one in zip(table.names, most, strict=True) if one is not None]
    name = column_name(column) if column is not None else can[0] if can else None
    if name not in can:
        raise UsageError(
            f"{table.title!r} cannot be plotted{'' if column is None else f' by {column!r}'}: "
            + (f"numbers that can be compared are in {', '.join(can)}" if can else "no column has numbers to compare")
        )
    at = table.names.index(name)
    texts = [place for place, _ in takewhile(lambda one: one[1].unit is Unit.TEXT, enumerate(table.fields))][:_NAMES]
    rows = [row for row in table.rows if isinstance(row[at], int | float)]
    shown = rows if len(rows) <= top else sorted(rows, key=lambda row: -row[at])[:top]
    between = " → " if {field.title for field in table.fields} >= {"source", "destination"} else ", "
    names = tuple(between.join(cell_text(row[place]) for place in texts) for row in shown)
    notes = (*table.notes, *([hidden_text(len(rows) - len(shown))] if len(shown) < len(rows) else ()))
    field, values = table.fields[at], tuple(row[at] for row in shown)
    return Bars(table.title, field.unit, field.title, names, values, notes)
