"""`ztflow graph`: who talks to whom as a graph, in the forms graph tools read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
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
    output_option,
    reading_options,
    waypoint_options,
)
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.cli.output import Paper
    from ztflow.graph.columns import GraphColumns

GRAPH_FORMATS = ("table", "json", "dot", "mermaid", "graphml", "gexf", "cytoscape", "html", "svg", "csv")


@input_arguments
@option(
    OUTPUT,
    "--by",
    metavar="|".join(GRAPH_LEVELS),
    type=Word(GRAPH_LEVELS),
    default="pod",
    help="What a vertex represents.",
)
@option(OUTPUT, "--format", "-o", metavar="FORMAT", type=Word(GRAPH_FORMATS), help=f"{', '.join(GRAPH_FORMATS)}.")
@output_option
@reading_options
@waypoint_options
@filter_options
@limit_options
@message_options
def graph(
    inputs: Sequence[str], *, by: str, format: str | None, output: str | None,  # noqa: A002 - as the option is called
    reading: Reading, waypoints: Waypoints, grid: Grid, rows: Rows, talk: Talk,
) -> int:  # fmt: skip
    """Who talks to whom as a graph, for people and for graph tools."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination, destination
        from ztflow.cli.output import chosen_format, paper_for
        from ztflow.cli.reading import Reader, words_read
        from ztflow.cli.rows import Selection
        from ztflow.graph.build import graph_columns, shape_of
        from ztflow.graph.map_page import map_columns_of, map_page
        from ztflow.model.tables import Flows

        form = chosen_format(format, output, GRAPH_FORMATS)
        selection = Selection(Flows, reading=reading, grid=grid, rows=rows)
        sources = run.sources(inputs)
        check_destination(form, output, sources, [*reading.inventory, *waypoints.waypoint], follow=reading.follow)
        reader = Reader(run, reading, waypoints)
        if form == "html":
            columns = map_columns_of(by)

            def needed(tables: Iterator[Flows]) -> Iterator[Flows]:
                for table in selection.flows(tables):
                    yield table.with_rows(table.to_arrow().select(columns))

            flows = reader.all_flows(sources, needed)
            written = map_page(flows, by, inputs=words_read(sources, reading)).encode()
            with destination(output, run.answers) as stream:
                stream.write(written)
            return
        traffic = graph_columns(reader.folded_flows(sources, shape_of(by), selection.choice), by)
        with destination(output, run.answers) as stream:
            if form != "table":
                for piece in _pieces(traffic, form):
                    stream.write(piece)
                return
            write_edges(stream, traffic, paper_for(talk.color, output))

    return run_command(talk, body)


def _pieces(traffic: GraphColumns, form: str) -> Iterator[bytes]:
    """The graph in a format, piece by piece where that can be."""
    from ztflow.graph.formats import STREAMED, write_graph

    if form in STREAMED:
        yield from STREAMED[form](traffic)
        return
    from ztflow.graph.traffic import TrafficGraph

    text = write_graph(TrafficGraph.of(traffic), form)
    yield text.encode() if text.endswith("\n") else text.encode() + b"\n"


_OPTIONAL = {
    "SAME": "same_node",
    "CROSS": "cross_node",
    "NODE?": "locality_unknown",
    "DENIED": "denied",
    "FAILED": "failed",
    "PLAIN": "plaintext",
}
"""Counts shown where any edge has one: heading and edge attribute."""


def write_edges(stream: BinaryIO, traffic: GraphColumns, paper: Paper) -> None:
    """The edges as a table, most bytes first."""
    from ztflow.text.escapes import visible
    from ztflow.text.format import bytes_text
    from ztflow.writers.text import grid

    columns = traffic.measured.columns
    counts = {title: name for title, name in _OPTIONAL.items() if any(columns[name])}
    titles = ["SOURCE", "DESTINATION", "PATH", "FLOWS", "REQUEST", "RESPONSE", *counts]
    found = [
        (
            (-facts["request_bytes"] - facts["response_bytes"], source, target),
            [
                visible(source),
                visible(target),
                visible(facts.get("path") or "?"),
                f"{facts['flows']:,}",
                bytes_text(facts["request_bytes"]),
                bytes_text(facts["response_bytes"]),
                *(f"{facts[name]:,}" if facts[name] else "" for name in counts.values()),
            ],
        )
        for source, target, facts in traffic.edges(data=True)
    ]
    rows = [row for _, row in sorted(found, key=itemgetter(0))]
    right = [title not in titles[:3] for title in titles]
    lines = grid(titles, rows, right=right, width=paper.width, color=paper.color)
    stream.write("".join(line + "\n" for line in lines).encode(errors="backslashreplace"))
