"""Small finished tables on a terminal: the graph's edges, a report's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from rich.cells import cell_len

from ztflow.writers.text import TextWriter
from ztflow.writers.text_columns import TextColumn


def write_grid(
    stream: BinaryIO,
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool],
    width: int | None,
    color: bool,
) -> None:
    """Write rows under their titles, aligned; names give way when the terminal is narrow, numbers never do.

    Args:
        stream: Where UTF-8 text goes.
        titles: Headings.
        rows: Cells, safe to show.
        right: Which columns are numbers.
        width: Cells of the terminal; None cuts nothing.
        color: Whether to style.
    """
    cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in titles]
    heads = [[title] for title in titles]
    gaps = len(titles) - 1
    natural = sum(max(map(cell_len, [title, *texts])) for title, texts in zip(titles, cells, strict=True)) + gaps
    if width is not None and natural > width:
        # Numbers are narrow and their headings are not: headings of several words take several lines.
        heads = [title.split() if number else [title] for title, number in zip(titles, right, strict=True)]
    height = max(map(len, heads), default=0)
    above = [[""] * (height - len(words)) + words for words in heads]
    columns = [
        TextColumn(
            lines[-1],
            lambda _batch: [],
            width=max(map(cell_len, [*lines, *texts])) if number else None,
            right=number,
        )
        for lines, texts, number in zip(above, cells, right, strict=True)
    ]
    writer = TextWriter(stream, columns, width=width, color=color)
    writer.write_cells(cells, above=[[lines[number] for lines in above] for number in range(height - 1)])
    stream.flush()
