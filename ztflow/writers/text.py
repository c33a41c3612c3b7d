"""Tables as aligned text for people: fitted to a terminal, or nothing cut when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import BinaryIO

import pyarrow as pa
from rich.cells import cell_len, set_cell_size

from ztflow.writers.cells import batches
from ztflow.writers.text_columns import BOLD, DIM, TextColumn

GAP = " "
WIDE_GAP = "  "
ARROW = " → "
"""Both sides of it are shortened, never the arrow."""

SMALLEST = 8
"""A shared column is never narrower; a terminal too small for that wraps."""


def fit(text: str, width: int) -> str:
    """The text in at most `width` terminal cells, cut in the middle: a pod's name tells most at both ends."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    left, arrow, right = text.partition(ARROW)
    if arrow and width > len(ARROW):
        half = (width - len(ARROW)) // 2
        room = max(half, width - len(ARROW) - cell_len(right))
        left = fit(left, room)
        return left + ARROW + fit(right, width - len(ARROW) - cell_len(left))
    head = (width - 1) * 3 // 5
    tail = width - 1 - head
    start = set_cell_size(text, head)
    end = set_cell_size(text[::-1], tail)[::-1]
    return f"{start}…{end}"


def _pad(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def share_widths(columns: Sequence[TextColumn], wanted: Sequence[int], total: int) -> list[int]:
    """Widths that fill at most `total`: fixed columns as declared, the others by weight, none wider than wanted.

    Args:
        columns: The layout.
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


class TextWriter:
    """Writes tables as aligned text.

    Widths are settled by the first table and, where nothing is cut, only grow: alignment of a stream is a courtesy.
    On a terminal a line says the day whenever it changes, because the time column shows only hours.
    """

    def __init__(
        self,
        stream: BinaryIO,
        columns: Sequence[TextColumn],
        *,
        width: int | None = None,
        color: bool = False,
        live: bool = False,
        day_of: str | None = None,
    ) -> None:
        """Make a writer.

        Args:
            stream: Where UTF-8 text goes.
            columns: The layout.
            width: Cells of the terminal; None cuts nothing.
            color: Whether to style cells.
            live: More tables come: give every shared column its full share instead of what the first table needs.
            day_of: Time column whose day is announced; None announces none.
        """
        self._stream = stream
        self._columns = columns
        self._width = width
        self._color = color
        self._live = live
        self._day_of = day_of
        self._day: str | None = None
        self._gap = GAP if width is not None else WIDE_GAP
        self._widths: list[int] = []

    def write(self, table: pa.Table) -> None:
        """Write every row, after the heading if nothing was written yet, and flush."""
        for batch in batches(table):
            days = None
            if self._day_of is not None:
                days = batch.column(self._day_of).cast(pa.date32()).to_pylist()
            self.write_cells([column.cells(batch) for column in self._columns], days)
        self._stream.flush()

    def write_cells(
        self,
        cells: Sequence[Sequence[str]],
        days: Sequence[date | None] | None = None,
        above: Sequence[Sequence[str]] = (),
    ) -> None:
        """Write rows whose texts are made already.

        Args:
            cells: The texts, one sequence a column; safe to show.
            days: The day of each row, where days are announced.
            above: Further lines of the heading, above the titles.
        """
        heading = not self._widths
        self._settle(cells)
        if heading:
            for line in above:
                self._emit(line, heading=True)
            self._emit([column.title for column in self._columns], heading=True)
        for number, row in enumerate(zip(*cells, strict=True)):
            if days is not None and days[number] is not None and str(days[number]) != self._day:
                self._day = str(days[number])
                self._line(self._styled(f"{self._day} (UTC)", DIM))
            self._emit(row)

    def _settle(self, cells: Sequence[Sequence[str]]) -> None:
        if self._width is not None and self._widths:
            return
        wanted = [
            max(map(cell_len, {column.title, *texts})) for column, texts in zip(self._columns, cells, strict=True)
        ]
        if self._width is None:
            widths = self._widths or [0] * len(wanted)
            self._widths = [max(pair) for pair in zip(widths, wanted, strict=True)]
            return
        if self._live:
            wanted = [self._width] * len(wanted)
        self._widths = share_widths(self._columns, wanted, self._width - len(self._gap) * (len(self._columns) - 1))

    def _emit(self, row: Sequence[str], *, heading: bool = False) -> None:
        shown = []
        for text, width, column in zip(row, self._widths, self._columns, strict=True):
            cell = _pad(fit(text, width), width, right=column.right)
            style = BOLD if heading else column.styles.get(text)
            shown.append(self._styled(cell, style) if style else cell)
        self._line(self._gap.join(shown))

    def _styled(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text.strip() else text

    def _line(self, text: str) -> None:
        self._stream.write(text.rstrip().encode(errors="backslashreplace") + b"\n")

    def close(self) -> None:
        """Nothing is left to write; the stream stays open."""
