"""`ztflow page`: summary, map, reports and connections in one HTML file to send to somebody."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
    READING,
    Grid,
    Reading,
    Rows,
    Talk,
    Waypoints,
    Word,
    filter_options,
    input_arguments,
    limit_options,
    message_options,
    option,
    reading_options,
    waypoint_options,
)
from ztflow.cli.run import Run, run_command


@input_arguments
@option(OUTPUT, "--output", "-o", metavar="FILE", file=True, help="Write to an HTML file instead of stdout.")
@option(
    OUTPUT,
    "--by",
    metavar="|".join(GRAPH_LEVELS),
    type=Word(GRAPH_LEVELS),
    default="pod",
    help="What a vertex of the map represents.",
)
@option(
    READING,
    "--before",
    metavar="INPUT",
    multiple=True,
    file=True,
    help="An earlier capture: the page says what changed since. Repeatable.",
)
@reading_options
@waypoint_options
@filter_options
@limit_options
@message_options
def page(
    inputs: Sequence[str], *, output: str | None, by: str, before: Sequence[str],
    reading: Reading, waypoints: Waypoints, grid: Grid, rows: Rows, talk: Talk,
) -> int:  # fmt: skip
    """One HTML file for a colleague: summary, map, reports, connections."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination, destination
        from ztflow.cli.reading import Reader, words_read
        from ztflow.cli.rows import Selection
        from ztflow.errors import UsageError
        from ztflow.model.tables import Flows
        from ztflow.page import incident_page

        if before and reading.follow:
            raise UsageError("--before compares finished captures; it cannot follow")
        sources = run.sources(inputs)
        check_destination(
            "html", output, [*sources, *before], [*reading.inventory, *waypoints.waypoint], follow=reading.follow
        )
        reader = Reader(run, reading, waypoints)
        reader_before = Reader(run, reading) if before and waypoints.waypoint else reader

        def read(some: list[str], reader: Reader) -> Flows:
            return Selection(Flows, reading=reading, grid=grid, rows=rows).apply(reader.all_flows(some))

        earlier, flows = read([*before], reader_before) if before else None, read(sources, reader)
        text = incident_page(flows, by=by, before=earlier, inputs=words_read(sources, reading))
        with destination(output, run.answers) as stream:
            stream.write(text.encode())

    return run_command(talk, body)
