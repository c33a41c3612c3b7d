"""Rows of records or flows to where they shall go: at once from finished inputs, as they come from live ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, TypeVar

import pyarrow as pa

from ztflow.cli.options import Grid, Reading, Rows, TableOutput
from ztflow.cli.output import Behind, Paper, check_destination, chosen_format, destination, paper_for, say
from ztflow.cli.reading import Reader
from ztflow.cli.run import Run
from ztflow.cli.selection import Selection
from ztflow.model.tables import Flows, Halves
from ztflow.writers import FORMATS, TableWriter, open_writer

Tabular = TypeVar("Tabular", Flows, Halves)


def write_rows(
    run: Run,
    inputs: Sequence[str],
    kind: type[Tabular],
    *,
    reading: Reading,
    grid: Grid,
    rows: Rows,
    output: TableOutput,
) -> None:
    """Read, select and write the rows of one table.

    Args:
        run: The run.
        inputs: What to read.
        kind: Which table.
        reading: How to read.
        grid: Filters.
        rows: First or last.
        output: Form and place.

    Raises:
        UsageError: If an option means nothing; before anything is read.
    """
    form = chosen_format(output.format, output.output, FORMATS)
    selection = Selection(kind, reading=reading, grid=grid, rows=rows)
    sources = run.sources(inputs)
    check_destination(form, output.output, sources)
    paper = paper_for(run.talk.color, output.output)
    reader = Reader(run, reading)
    total = shown = 0
    with (
        destination(output.output) as stream,
        closing(_writer(form, stream, kind.schema, paper, live=reading.follow)) as writer,
        closing(reader.rows(kind, sources)) as tables,
    ):

        def counted() -> Iterator[Tabular]:
            nonlocal total
            for table in tables:
                total += len(table)
                yield table

        chosen = selection.stream(counted()) if reading.follow else selection.finished(counted(), kind)
        for part in chosen:
            shown += len(part)
            if len(part) or reading.follow:  # nothing new is when a reader that has gone is noticed
                writer.write(part.to_arrow())
    if total and not shown and selection:
        say(f"none of {total:,} rows passed the filters")


def _writer(form: str, stream: BinaryIO, schema: pa.Schema, paper: Paper, *, live: bool) -> TableWriter:
    writer = open_writer(form, stream, schema, width=paper.width, color=paper.color, live=live)
    return Behind(writer) if live else writer
