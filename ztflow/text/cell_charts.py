"""Charts inside a table: a bar below each number of a column that can be compared, heat where a table is a matrix.

One home of which cells have one and of how it is drawn: pages, notebooks and plots of reports ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ztflow.text.format import Unit

_BARRED = frozenset({Unit.COUNT, Unit.BYTES, Unit.SHARE, Unit.MONEY})
"""Units of which a bar tells how much of the column's most it is."""
_LEAST_ROWS = 2
"""Rows from which a bar compares something."""
_COLOR = "var(--accent,var(--jp-brand-color1,#3d84d6))"
"""The page's own, JupyterLab's, which goes with its theme, or one that can be read on white and on black."""


class Mark(NamedTuple):
    """What is drawn in a cell.

    Attributes:
        bar: Per cent of its column's most; None without a bar.
        heat: Per cent of its matrix's most; None outside one.
    """

    bar: int | None = None
    heat: int | None = None

    @property
    def style(self) -> str:
        """As a CSS declaration for the cell; empty without a mark."""
        if self.bar is not None:
            return f"background:linear-gradient({_COLOR},{_COLOR}) right bottom/{self.bar}% 3px no-repeat content-box"
        if self.heat is not None:
            return f"background:color-mix(in srgb,{_COLOR} {round(self.heat * 0.7)}%,transparent)"
        return ""


NO_MARK = Mark()


def marks(titles: Sequence[str], units: Sequence[Unit], rows: Sequence[Sequence[Any]]) -> list[list[Mark]]:
    """The mark of each cell of a table."""
    most = tops(units, rows)
    heat = max((value for value in most if value is not None), default=0) if is_matrix(titles, rows) else None
    return [[_mark(value, top, heat) for value, top in zip(row, most, strict=True)] for row in rows]


def tops(units: Sequence[Unit], rows: Sequence[Sequence[Any]]) -> list[float | None]:
    """The most of each column whose numbers can be compared; None for other columns."""
    found: list[float | None] = []
    for place, unit in enumerate(units):
        numbers = [value for row in rows if isinstance(value := row[place], int | float)]
        barred = unit in _BARRED and len(rows) >= _LEAST_ROWS
        found.append(max(numbers) if barred and numbers and min(numbers) >= 0 else None)
    return found


def is_matrix(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether a table's columns are called as its rows are: places by places."""
    names = {row[0] for row in rows if isinstance(row[0], str)}
    across = titles[1:]
    return len(across) >= _LEAST_ROWS and 2 * sum(title in names for title in across) > len(across)


def _mark(value: Any, most: float | None, heat: float | None) -> Mark:
    if most is None or not isinstance(value, int | float):
        return NO_MARK
    return Mark(bar=_percent(value, most)) if heat is None else Mark(heat=_percent(value, heat))


def _percent(value: float, most: float) -> int:
    """Of the most; never none of something."""
    return 0 if not value or not most else max(round(100 * value / most), 1)
