"""Small finished tables on a terminal: the graph's edges, a report's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from ztflow.writers.layout import TextColumn
from ztflow.writers.text import TextWriter


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
    columns = [
        TextColumn(
            title,
            lambda _batch: [],
            width=max(map(len, [title, *texts])) if number else None,
            right=number,
        )
        for title, texts, number in zip(titles, cells, right, strict=True)
    ]
    writer = TextWriter(stream, columns, width=width, color=color)
    writer.write_cells(cells)
    stream.flush()
