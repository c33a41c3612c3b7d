"""`ztflow top`: who had most traffic."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
    REPORT_FORMATS,
    Grid,
    Reading,
    Talk,
    Waypoints,
    Word,
    filter_options,
    input_arguments,
    message_options,
    option,
    reading_options,
    waypoint_options,
)
from ztflow.cli.output_options import ReportOutput, report_output_options
from ztflow.cli.run import Run, run_command

BY = (*GRAPH_LEVELS, "pair")
"""What `--by` takes."""


@input_arguments
@option(OUTPUT, "--by", metavar="LEVEL", type=Word(BY), default="workload", help=f"One of {', '.join(BY)}.")
@report_output_options
@reading_options
@waypoint_options
@filter_options
@message_options
def top(
    inputs: Sequence[str], by: str, output: ReportOutput, reading: Reading, waypoints: Waypoints, grid: Grid, talk: Talk
) -> int:  # fmt: skip
    """Who has most traffic, with rates, shares and refusals."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination
        from ztflow.cli.output import chosen_format
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import write_report
        from ztflow.cli.rows import Selection
        from ztflow.model.tables import Flows
        from ztflow.reports.top import top as found

        form = chosen_format(output.format, output.output, REPORT_FORMATS)
        selection = Selection(Flows, reading=reading, grid=grid)
        sources = run.sources(inputs)
        read = [*reading.inventory, *waypoints.waypoint]
        check_destination(form, output.output, sources, read, follow=reading.follow)
        made = found(selection.apply(Reader(run, reading, waypoints).all_flows(sources)), by)  # type: ignore[arg-type]  # checked
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)
