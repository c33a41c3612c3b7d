"""Tables of a report before formatting: cells with units, and the page they make up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ztflow.text.format import Spark, Unit, counted

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a titled table.

    Attributes:
        title: Heading.
        unit: What its cells are.
        adds: Whether the cells of rows that are not shown may be summed up in one row.
        spare: Whether a terminal that is too narrow leaves it out.
    """

    title: str
    unit: Unit = Unit.TEXT
    adds: bool = False
    spare: bool = False


def column_name(title: str) -> str:
    """A heading as people type it and programs read it: `same node` → `same_node`, `bytes/s` → `bytes_per_s`."""
    return re.sub(r"[^\w]+", "_", title.lower().replace("/", "_per_")).strip("_")


@dataclass(frozen=True, slots=True)
class TitledTable:
    """A table to show: neutral cells, no formatting.

    Attributes:
        title: What it is.
        fields: Columns.
        rows: Cells: text, number, bool, time, a tuple of texts, or None for unknown. Text may be hostile: escape it.
        hidden: Rows left out by a limit.
        notes: Sentences a reader needs beside it.
        footer: Rows that sum up others, below them: of all that is hidden, of all there is.
        total: The row of all there is, where it is not the sum of the others.
    """

    title: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[Any, ...], ...]
    hidden: int = 0
    notes: tuple[str, ...] = ()
    footer: tuple[tuple[Any, ...], ...] = ()
    total: tuple[Any, ...] | None = None

    @property
    def names(self) -> list[str]:
        """The columns as people type them; one that is there again has a number."""
        return _distinct([column_name(field.title) for field in self.fields], "_")

    def to_arrow(self) -> pa.Table:
        """The cells as an Arrow table.

        Titles name its columns, one that is there again has a number; several texts in a cell are joined by `, `.
        """
        import pyarrow as pa

        cells = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(self.fields)
        arrays = [_array(field.unit, column) for field, column in zip(self.fields, cells, strict=True)]
        return pa.Table.from_arrays(arrays, names=_distinct([field.title for field in self.fields]))

    def to_pandas(self) -> pd.DataFrame:
        """The cells as a DataFrame with nullable dtypes."""
        from ztflow.model.frames import to_pandas

        return to_pandas(self.to_arrow())


def _distinct(titles: Sequence[str], between: str = " ") -> list[str]:
    """Titles as names of columns: one that is there again gets a number."""
    seen: Counter[str] = Counter()
    names = []
    for title in titles:
        seen[title] += 1
        names.append(title if seen[title] == 1 else f"{title}{between}{seen[title]}")
    return names


def _array(unit: Unit, cells: Sequence[Any]) -> pa.Array:
    """Cells of one column; of a type even where none is known."""
    import pyarrow as pa

    kind = {Unit.TIME: pa.timestamp("us", "UTC"), Unit.COUNT: pa.int64(), Unit.BYTES: pa.int64()}.get(
        unit, pa.float64()
    )
    if unit is Unit.SPARK:
        return pa.array([None if cell is None else list(map(float, cell.steps)) for cell in cells], pa.list_(kind))
    texts = [", ".join(cell) if isinstance(cell, tuple) else cell for cell in cells]
    if unit is Unit.TEXT or any(isinstance(cell, str) for cell in texts):
        told = [{True: "yes", False: "no"}.get(cell, cell) if isinstance(cell, bool) else cell for cell in texts]
        return pa.array([None if cell is None else str(cell) for cell in told], pa.string())
    if any(isinstance(cell, float) or (isinstance(cell, int) and abs(cell) >= 2**63) for cell in texts):
        kind = pa.float64()
    return pa.array(texts, kind)


Columns: TypeAlias = "Sequence[tuple[str, Unit] | Field]"


def titled(
    title: str,
    columns: Columns,
    rows: Sequence[Sequence[Any]],
    limit: int | None = None,
    notes: Sequence[str] = (),
    total: Sequence[Any] | None = None,
) -> TitledTable:
    """A table of at most `limit` rows that says how many more there are, or sums them up where columns add.

    `total` is the row of all there is where it is not the sum of the others.
    """
    fields = tuple(column if isinstance(column, Field) else Field(*column) for column in columns)
    whole = None if total is None else tuple(total)
    shown = rows if limit is None or any(field.adds for field in fields) else rows[:limit]
    table = TitledTable(title, fields, tuple(map(tuple, shown)), len(rows) - len(shown), tuple(notes), total=whole)
    return table if table.hidden else cut(table, limit)


def cut(table: TitledTable, limit: int | None) -> TitledTable:
    """The table with at most `limit` of its rows; where columns add, with the sums of the rest and of all below."""
    shown = table.rows if limit is None else table.rows[:limit]
    footer = []
    if any(field.adds for field in table.fields) and len(table.rows) > 1:
        rest = table.rows[len(shown) :]
        if rest:
            footer.append(_sums(table.fields, rest, f"({counted(len(rest), 'other')})"))
        footer.append(table.total or _sums(table.fields, table.rows, TOTAL))
    return replace(table, rows=shown, hidden=len(table.rows) - len(shown), footer=tuple(footer))


TOTAL = "(total)"
"""Name of the row that sums up all rows; no name in Kubernetes has brackets."""


def _sums(fields: Sequence[Field], rows: Sequence[Sequence[Any]], label: str) -> tuple[Any, ...]:
    """A row with the sums of the columns that add; the first column has its name, what does not add is empty."""
    cells: list[Any] = []
    for field, column in zip(fields, zip(*rows, strict=True), strict=True):
        known = [cell for cell in column if cell is not None] if field.adds else []
        if not known:
            cells.append(None)
        elif field.unit is Unit.SPARK:
            cells.append(Spark(tuple(map(sum, zip(*(cell.steps for cell in known), strict=True)))))
        else:
            cells.append(round(fsum(known), 12) if any(isinstance(cell, float) for cell in known) else sum(known))
    return (label, *cells[1:])


class Page(NamedTuple):
    """All that a report shows.

    Attributes:
        title: Its heading.
        facts: Labels and sentences: what it rests on; empty where its tables say so.
        tables: Its tables.
        notes: What a reader has to know to read the numbers rightly.
        notices: What makes the numbers doubtful; stands before everything else.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[TitledTable, ...]
    notes: tuple[str, ...]
    notices: tuple[str, ...] = ()
