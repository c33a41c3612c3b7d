"""Tables of a report before formatting: cells with units, and the page they make up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ztflow.text.format import Unit

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a titled table.

    Attributes:
        title: Heading.
        unit: What its cells are.
    """

    title: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True)
class TitledTable:
    """A table to show: neutral cells, no formatting.

    Attributes:
        title: What it is.
        fields: Columns.
        rows: Cells: text, number, bool, time, a tuple of texts, or None for unknown. Text may be hostile: escape it.
        hidden: Rows left out by a limit.
        notes: Sentences a reader needs beside it.
    """

    title: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[Any, ...], ...]
    hidden: int = 0
    notes: tuple[str, ...] = ()

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


def _distinct(titles: Sequence[str]) -> list[str]:
    """Titles as names of columns: one that is there again gets a number."""
    seen: Counter[str] = Counter()
    names = []
    for title in titles:
        seen[title] += 1
        names.append(title if seen[title] == 1 else f"{title} {seen[title]}")
    return names


def _array(unit: Unit, cells: Sequence[Any]) -> pa.Array:
    """Cells of one column; of a type even where none is known."""
    import pyarrow as pa

    kind = {Unit.TIME: pa.timestamp("us", "UTC"), Unit.COUNT: pa.int64(), Unit.BYTES: pa.int64()}.get(
        unit, pa.float64()
    )
    texts = [", ".join(cell) if isinstance(cell, tuple) else cell for cell in cells]
    if unit is Unit.TEXT or any(isinstance(cell, str) for cell in texts):
        told = [{True: "yes", False: "no"}.get(cell, cell) if isinstance(cell, bool) else cell for cell in texts]
        return pa.array([None if cell is None else str(cell) for cell in told], pa.string())
    if any(isinstance(cell, float) or (isinstance(cell, int) and abs(cell) >= 2**63) for cell in texts):
        kind = pa.float64()
    return pa.array(texts, kind)


def titled(
    title: str,
    columns: Sequence[tuple[str, Unit]],
    rows: Sequence[Sequence[Any]],
    limit: int | None = None,
    notes: Sequence[str] = (),
) -> TitledTable:
    """A table of at most `limit` rows that says how many more there are."""
    shown = rows if limit is None else rows[:limit]
    return TitledTable(
        title,
        tuple(Field(name, unit) for name, unit in columns),
        tuple(tuple(row) for row in shown),
        len(rows) - len(shown),
        tuple(notes),
    )


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
