"""`ztflow diff A B`: what changed between two captures."""

from __future__ import annotations

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
    REPORT_FORMATS,
    Grid,
    Reading,
    Talk,
    Word,
    argument,
    filter_options,
    message_options,
    option,
    reading_options,
)
from ztflow.cli.output_options import ReportOutput, report_output_options
from ztflow.cli.run import Run, run_command


@argument("before", metavar="A", file=True, about="The earlier capture: a file, directory or glob.")
@argument("after", metavar="B", file=True, about="The later capture.")
@report_output_options
@option(
    OUTPUT,
    "--by",
    metavar="|".join(GRAPH_LEVELS),
    type=Word(GRAPH_LEVELS),
    default="workload",
    help="Level to compare at.",
)
@reading_options
@filter_options
@message_options
def diff(before: str, after: str, output: ReportOutput, *, by: str, reading: Reading, grid: Grid, talk: Talk) -> int:
    """What changed between two captures."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination
        from ztflow.cli.output import chosen_format
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import write_report
        from ztflow.cli.rows import Selection
        from ztflow.errors import UsageError
        from ztflow.model.tables import Flows
        from ztflow.reports import diff as compare
        from ztflow.reports.folding import compared

        if reading.follow:
            raise UsageError("diff compares finished captures; it cannot follow")
        form = chosen_format(output.format, output.output, REPORT_FORMATS)
        selection = Selection(Flows, reading=reading, grid=grid)
        check_destination(form, output.output, [before, after], reading.inventory)
        reader = Reader(run, reading)
        shape = compared(by)
        old, new = (reader.folded_flows([source], shape, selection.choice) for source in (before, after))
        made = compare(old, new, by)
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)
