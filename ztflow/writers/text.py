"""Tables as aligned text for people: fitted to a terminal, or only the overlong cut when there is none.

A table is never many times its input: one long name does not pad the rows of all others, and is cut itself.
`TextWriter` writes tables of flows and records that may keep coming; `grid` makes a small finished table of texts, for
reports and graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from textwrap import wrap
from typing import BinaryIO

import pyarrow as pa

from ztflow.text.escapes import first_cells, visible, visible_width
from ztflow.writers.cells import batches
from ztflow.writers.text_columns import BOLD, DIM, TextColumn

LABEL = 9
"""Cells of the label of a fact."""
CAUTION = "caution"
"""The label of what makes the numbers below it doubtful."""
GAP = " "
WIDE_GAP = "  "
ARROW = " → "
"""Both sides of it are shortened, never the arrow."""

PADDED = 128
"""No column is padded to more cells, where there is no terminal: longer cells stick out."""

LONGEST = 1024
"""No cell is longer; the middle is left out. Formats for programs keep all."""

SMALLEST = 8
"""A shared column is never narrower; a terminal too small for that wraps."""


def fit(text: str, width: int) -> str:
    """The text in at most `width` terminal cells, cut in the middle: a pod's name tells most at both ends."""
    if visible_width(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    left, arrow, right = text.partition(ARROW)
    if arrow and width > len(ARROW):
        half = (width - len(ARROW)) // 2
        room = max(half, width - len(ARROW) - visible_width(right))
        left = fit(left, room)
        return left + ARROW + fit(right, width - len(ARROW) - visible_width(left))
    head = (width - 1) * 3 // 5
    tail = width - 1 - head
    return f"{first_cells(text, head)}…{first_cells(text[::-1], tail)[::-1]}"


def fit_end(text: str, width: int | None) -> str:
    """The text cut at its end: of sentences, unlike names, the beginning tells most."""
    return text if width is None or len(text) <= width else text[: max(0, width - 1)] + "…"


def styled(text: str, code: str | None, *, color: bool) -> str:
    """The text in a style (SGR code), where colour is on."""
    return f"\x1b[{code}m{text}\x1b[0m" if color and code else text


def fact(label: str, text: str, *, width: int | None, color: bool, code: str | None = None) -> str:
    """A labelled line; its text is made safe here and cut at the end where the terminal is narrow."""
    shown = fit_end(visible(text), None if width is None else width - LABEL)
    return styled(f"{label:<{LABEL}}", BOLD, color=color) + styled(shown, code, color=color)


def sentence(label: str, text: str, *, width: int | None, color: bool, code: str | None = None) -> list[str]:
    """A labelled sentence that is not cut: on several lines where one is too narrow."""
    room = None if width is None else max(width - LABEL, LABEL)
    lines = [visible(text)] if room is None else wrap(visible(text), room)
    marks = [label, *[""] * len(lines)]
    return [
        styled(f"{mark:<{LABEL}}", BOLD, color=color) + styled(line, code, color=color)
        for mark, line in zip(marks, lines, strict=False)
    ]


def _fitted(text: str, width: int, longest: int, *, right: bool) -> str:
    """The text in at least `width` and at most `longest` terminal cells."""
    size = len(text) if text.isascii() else visible_width(text)
    if size > longest:
        text = fit(text, longest)
        size = visible_width(text)
    if size >= width:
        return text
    blanks = " " * (width - size)
    return blanks + text if right else text + blanks


def share_widths(columns: Sequence[TextColumn], wanted: Sequence[int], total: int) -> list[int]:
    """Widths that fill at most `total`: fixed columns as declared, the others by weight, none wider than wanted.

    Args:
        columns: What is shown.
        wanted: Cells each column's longest text takes.
        total: Cells there are, without the gaps.
    """
    widths = [0 if column.width is None else column.width for column in columns]
    open_columns = {i for i, column in enumerate(columns) if column.width is None}
    left = total - sum(widths)
    while open_columns:
        weight = sum(columns[i].weight for i in open_columns)
        satisfied = {i for i in open_columns if wanted[i] <= left * columns[i].weight / weight}
        if not satisfied:
            for i in open_columns:
                widths[i] = max(SMALLEST, int(left * columns[i].weight / weight))
            break
        for i in satisfied:
            widths[i] = wanted[i]
            left -= wanted[i]
        open_columns -= satisfied
    return widths


class TextTable:
    """Rows of texts as aligned lines, under one heading.

    Widths are settled by the first rows and, where nothing is cut, only grow: alignment of a stream is a courtesy.

    Args:
        columns: What is shown, from left to right.
        width: Cells of the terminal; None cuts only what is longer than `LONGEST`.
        color: Whether to style cells.
        live: More rows come: give every shared column its full share instead of what the first rows need.
    """

    def __init__(
        self, columns: Sequence[TextColumn], *, width: int | None = None, color: bool = False, live: bool = False
    ) -> None:
        self.columns = columns
        self._width = width
        self._color = color
        self._live = live
        self._day: str | None = None
        self._gap = GAP if width is not None else WIDE_GAP
        self._widths: list[int] = []

    def lines(
        self,
        cells: Sequence[Sequence[str]],
        days: Sequence[date | None] | None = None,
        above: Sequence[Sequence[str]] = (),
    ) -> Iterator[str]:
        """The lines of some rows, after the heading if there was none yet.

        Args:
            cells: The texts, one sequence a column; safe to show.
            days: The day of each row, where days are announced.
            above: Further lines of the heading, above the titles.
        """
        heading = not self._widths
        self._settle(cells)
        if heading:
            for line in (*above, [column.title for column in self.columns]):
                yield self._line(line, heading=True)
        for number, row in enumerate(zip(*cells, strict=True)):
            if days is not None and days[number] is not None and str(days[number]) != self._day:
                self._day = str(days[number])
                yield styled(f"{self._day} (UTC)", DIM, color=self._color)
            yield self._line(row)

    def _settle(self, cells: Sequence[Sequence[str]]) -> None:
        if self._width is not None and self._widths:
            return
        wanted = [
            max(map(visible_width, {column.title, *texts})) for column, texts in zip(self.columns, cells, strict=True)
        ]
        if self._width is None:
            widths = self._widths or [0] * len(wanted)
            self._widths = [max(at, min(cells, PADDED)) for at, cells in zip(widths, wanted, strict=True)]
            return
        wanted = [min(self._width if self._live else cells, LONGEST) for cells in wanted]
        self._widths = share_widths(self.columns, wanted, self._width - len(self._gap) * (len(self.columns) - 1))

    def _line(self, row: Sequence[str], *, heading: bool = False) -> str:
        shown = []
        for text, width, column in zip(row, self._widths, self.columns, strict=True):
            cell = _fitted(text, width, LONGEST if self._width is None else width, right=column.right)
            style = BOLD if heading else column.styles.get(text)
            shown.append(styled(cell, style, color=True) if self._color and style and text.strip() else cell)
        return self._gap.join(shown).rstrip()


class TextWriter:
    """Writes tables as aligned text.

    On a terminal a line says the day whenever it changes, because the time column shows only hours.

    Args:
        stream: Where UTF-8 text goes.
        table: What is shown, and how wide.
        day_of: Time column whose day is announced; None announces none.
    """

    def __init__(self, stream: BinaryIO, table: TextTable, day_of: str | None = None) -> None:
        self._stream = stream
        self._table = table
        self._day_of = day_of

    def write(self, table: pa.Table) -> None:
        """Write every row, after the heading if nothing was written yet, and flush."""
        for batch in batches(table):
            days = None if self._day_of is None else batch.column(self._day_of).cast(pa.date32()).to_pylist()
            lines = self._table.lines([column.cells(batch) for column in self._table.columns], days)
            self._stream.write("".join(line + "\n" for line in lines).encode(errors="backslashreplace"))
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to write; the stream stays open."""

    def abandon(self) -> None:
        """Nothing is held that would be written."""


def grid(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool],
    width: int | None,
    color: bool,
) -> list[str]:
    """Rows under their titles, aligned; names give way when the terminal is narrow, numbers never do.

    Args:
        titles: Headings.
        rows: Cells, safe to show.
        right: Which columns are numbers.
        width: Cells of the terminal; None cuts only what is longer than `LONGEST`.
        color: Whether to style.
    """
    cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in titles]
    heads = [[title] for title in titles]
    gaps = len(titles) - 1
    natural = sum(max(map(visible_width, [title, *texts])) for title, texts in zip(titles, cells, strict=True)) + gaps
    if width is not None and natural > width:
        # Numbers are narrow and their headings are not: headings of several words take several lines.
        heads = [title.split() if number else [title] for title, number in zip(titles, right, strict=True)]
    height = max(map(len, heads), default=0)
    above = [[""] * (height - len(words)) + words for words in heads]
    columns = [
        TextColumn(
            lines[-1],
            lambda _batch: [],
            width=max(map(visible_width, [*lines, *texts])) if number else None,
            right=number,
        )
        for lines, texts, number in zip(above, cells, right, strict=True)
    ]
    table = TextTable(columns, width=width, color=color)
    return list(table.lines(cells, above=[[lines[number] for lines in above] for number in range(height - 1)]))
