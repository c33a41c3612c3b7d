"""`ztflow plot KIND`: traffic as a picture: over time, places by places, lives of connections, from whom to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
    Grid,
    Reading,
    Rows,
    Talk,
    Word,
    argument,
    filter_options,
    input_arguments,
    limit_options,
    message_options,
    option,
    reading_options,
)
from ztflow.cli.run import Run, run_command

PLOT_KINDS = ("time", "heatmap", "hist", "ecdf", "sankey")
PLOT_VALUES = ("bytes", "flows", "request_bytes", "response_bytes", "denied", "failed")
PLOT_FORMATS = ("svg", "html")


@argument("kind", metavar="KIND", type=Word(PLOT_KINDS), about=f"{', '.join(PLOT_KINDS)}.")
@input_arguments
@option(
    OUTPUT, "--output", "-o", metavar="FILE", file=True,
    help="Write to a file instead of stdout: .svg is a still picture, .html one to point at and zoom (needs plotly).",
)  # fmt: skip
@option(
    OUTPUT, "--format", metavar="svg|html", type=Word(PLOT_FORMATS), help="The form, where the file's name is none."
)
@option(
    OUTPUT, "--by", metavar="LEVEL|COLUMN",
    help=f"Whose names: one of {', '.join(GRAPH_LEVELS)}; for time, hist and ecdf any column of flows as well, such as "
    "locality.",
)  # fmt: skip
@option(OUTPUT, "--value", metavar="WORD", type=Word(PLOT_VALUES), help=f"For time, heatmap and sankey: one of "
        f"{', '.join(PLOT_VALUES)}.")  # fmt: skip
@option(OUTPUT, "--every", metavar="DURATION", help="For time: the length of a step, as 10s, 1m, 1h.")
@option(
    OUTPUT, "--end", metavar="WORD", type=Word(("source", "destination")),
    help="For time, hist and ecdf: whose name a level gives, the client's (source, the default) or the server's.",
)  # fmt: skip
@option(OUTPUT, "--top", metavar="N", type=click.IntRange(min=1), help="Names shown; all others are put together.")
@reading_options
@filter_options
@limit_options
@message_options
def plot(
    kind: str, inputs: Sequence[str], *, output: str | None, format: str | None,  # noqa: A002 - as the option is called
    by: str | None, value: str | None, every: str | None, end: str | None, top: int | None, reading: Reading,
    grid: Grid, rows: Rows, talk: Talk,
) -> int:  # fmt: skip
    """Draw traffic over time, node by node, and from whom to whom."""
    asked = {"by": by, "value": value, "every": every, "end": end, "top": top}
    options = {name: given for name, given in asked.items() if given is not None}

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination, destination
        from ztflow.cli.reading import Reader
        from ztflow.cli.rows import Selection
        from ztflow.model.tables import Flows
        from ztflow.plot.accessor import FlowsPlot
        from ztflow.plot.figure import load_plotly, page
        from ztflow.plot.picture import picture

        form = _form(format, output)
        if form == "html":
            load_plotly()  # it is missing before an hour of reading, not after
        selection = Selection(Flows, reading=reading, grid=grid, rows=rows)
        nothing = FlowsPlot(Flows().to_arrow(), {}, picture)
        nothing(kind, **options)  # likewise for options that do not go together
        columns = nothing.columns(kind, **options)

        def needed(tables: Iterator[Flows]) -> Iterator[Flows]:
            for table in selection.finished(tables, Flows):
                yield table.with_rows(table.to_arrow().select(columns))

        sources = run.sources(inputs)
        check_destination(form, output, sources, reading.inventory, follow=reading.follow)
        flows = Reader(run, reading).all_flows(sources, needed)
        draw = page if form == "html" else lambda chart: picture(chart).svg + "\n"
        text = FlowsPlot(flows.to_arrow(), flows.owners, draw)(kind, **options)
        with destination(output, run.answers) as stream:
            stream.write(text.encode())

    return run_command(talk, body)


def _form(given: str | None, output: str | None) -> str:
    """What is written: what `--format` says, else what the file's name says; to stdout a still picture.

    Raises:
        UsageError: The file's name says neither.
    """
    from pathlib import Path

    from ztflow.errors import UsageError

    if given is not None:
        return given
    if output is None:
        return "svg"
    named = Path(output).suffix.lower().removeprefix(".")
    if named not in PLOT_FORMATS:
        raise UsageError(
            f"--output {output}: a plot is written as .svg or .html; for another name say --format svg|html"
        )
    return named
