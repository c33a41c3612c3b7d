"""Rows of records or flows to where they shall go: at once from finished inputs, as they come from live ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from ztflow.cli.options import Grid, Reading, Rows, TableOutput
from ztflow.cli.output import check_destination, chosen_format, destination
from ztflow.cli.reading import owners
from ztflow.cli.run import Run
from ztflow.cli.selection import Selection
from ztflow.cli.terminal import is_terminal, say, terminal_width, wants_color
from ztflow.flows import Flows
from ztflow.halves import Halves
from ztflow.writers import FORMATS, open_writer

Tabular = TypeVar("Tabular", Flows, Halves)


def write_rows(
    run: Run,
    inputs: list[str] | None,
    kind: type[Tabular],
    *,
    reading: Reading,
    grid: Grid,
    rows: Rows,
    output: TableOutput,
    finished: Callable[[Run, list[str], Reading], Tabular],
    live: Callable[[Run, list[str], Reading], Generator[Tabular]],
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
        finished: Reads everything.
        live: Reads as it comes.

    Raises:
        UsageError: If an option means nothing; before anything is read.
    """
    form = chosen_format(output.format, output.output, FORMATS)
    selection = Selection(
        kind.columns, "end" if "end" in kind.schema.names else "time", reading=reading, grid=grid, rows=rows
    )
    sources = run.sources(inputs)
    check_destination(form, output.output, sources)
    to_terminal = output.output is None and is_terminal(sys.stdout)
    width = terminal_width() if to_terminal else None
    color = output.output is None and wants_color(run.talk.color, sys.stdout)
    selection.know_owners(owners(reading))
    if not reading.follow:
        table = finished(run, sources, reading)
        chosen = selection.apply(table)
        with destination(output.output) as stream:
            writer = open_writer(form, stream, kind.schema, width=width, color=color)
            writer.write(chosen.to_arrow())
            writer.close()
        if len(table) and not len(chosen) and selection:
            say(f"none of {len(table):,} rows passed the filters")
        return
    with destination(output.output) as stream:
        writer = open_writer(form, stream, kind.schema, width=width, color=color, live=True)
        with closing(live(run, sources, reading)) as tables:
            for part in selection.stream(tables):
                if len(part):
                    writer.write(part.to_arrow())
        writer.close()
