"""`ztflow graph`: who talks to whom as a graph, in the forms graph tools read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from ztflow.cli.options import OUTPUT, Grid, Inputs, Reading, Rows, Talk, takes
from ztflow.cli.run import Run, run_command
from ztflow.model.vocabulary import GraphLevel

if TYPE_CHECKING:
    from ztflow.cli.paper import Paper
    from ztflow.graph.traffic import TrafficGraph

LEVELS = "|".join(GraphLevel)
FORMATS = ("table", "json", "dot", "mermaid", "graphml", "gexf", "cytoscape", "html", "svg", "csv")


@takes(Inputs, Reading, Grid, Rows, Talk)
def graph(
    inputs: Inputs,
    by: Annotated[str, typer.Option("--by", metavar=LEVELS, help="What a vertex is.", rich_help_panel=OUTPUT)] = "pod",
    format_name: Annotated[
        str | None,
        typer.Option("--format", "-o", metavar="FORMAT", help=f"{', '.join(FORMATS)}.", rich_help_panel=OUTPUT),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write to a file; its suffix says the format where -o does not.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    *,
    reading: Reading,
    grid: Grid,
    rows: Rows,
    talk: Talk,
) -> int:
    """Who talks to whom as a graph, for people and for graph tools."""

    def body(run: Run) -> None:
        from ztflow.aggregate import check_level
        from ztflow.cli.output import check_destination, chosen_format, destination
        from ztflow.cli.paper import paper_for
        from ztflow.cli.reading import all_flows, owners
        from ztflow.cli.selection import Selection
        from ztflow.graph import build_graph, columns_of
        from ztflow.graph.formats import write_graph
        from ztflow.model.schema import FLOWS
        from ztflow.model.tables import Flows

        form = chosen_format(format_name, output, FORMATS)
        check_level(by)
        selection = Selection(FLOWS, "end", reading=reading, grid=grid, rows=rows)
        sources = run.sources(inputs.inputs)
        check_destination(form, output, sources)
        owned = owners(reading)
        selection.know_owners(owned)
        columns = columns_of(by)

        def needed(tables: Iterator[Flows]) -> Iterator[Flows]:
            for table in selection.finished(tables, Flows):
                yield Flows(table.to_arrow().select(columns))

        traffic = build_graph(all_flows(run, sources, reading, needed), by=by, owners=owned)
        with destination(output) as stream:
            if form != "table":
                text = write_graph(traffic, form)
                stream.write(text.encode() if text.endswith("\n") else text.encode() + b"\n")
                return
            write_edges(stream, traffic, paper_for(talk.color, output))

    return run_command(talk, body)


_OPTIONAL = {
    "SAME": "same_node",
    "CROSS": "cross_node",
    "NODE?": "locality_unknown",
    "DENIED": "denied",
    "FAILED": "failed",
    "PLAIN": "plaintext",
}
"""Counts shown where any edge has one: heading and edge attribute."""


def write_edges(stream: BinaryIO, traffic: TrafficGraph, paper: Paper) -> None:
    """The edges as a table, most bytes first."""
    from ztflow.cli.grids import write_grid
    from ztflow.text.escapes import visible
    from ztflow.text.format import bytes_text

    edges: list[tuple[str, str, dict[str, Any]]] = list(traffic.edges(data=True))
    edges.sort(key=lambda edge: (-edge[2]["request_bytes"] - edge[2]["response_bytes"], edge[0], edge[1]))
    counts = {title: name for title, name in _OPTIONAL.items() if any(edge[2][name] for edge in edges)}
    titles = ["SOURCE", "DESTINATION", "PATH", "FLOWS", "REQUEST", "RESPONSE", *counts]
    rows = [
        [
            visible(source),
            visible(target),
            visible(facts.get("path") or "?"),
            f"{facts['flows']:,}",
            bytes_text(facts["request_bytes"]),
            bytes_text(facts["response_bytes"]),
            *(f"{facts[name]:,}" if facts[name] else "" for name in counts.values()),
        ]
        for source, target, facts in edges
    ]
    right = [title not in titles[:3] for title in titles]
    write_grid(stream, titles, rows, right=right, width=paper.width, color=paper.color)
