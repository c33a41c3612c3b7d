"""Tables of a report before formatting: cells with units, and the page they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ztflow.text.format import Unit


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
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[TitledTable, ...]
    notes: tuple[str, ...]
