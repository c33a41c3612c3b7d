"""`ztflow diff A B`: what changed between two captures."""

from __future__ import annotations

from typing import Annotated

import typer

from ztflow.cli.options import OUTPUT, Grid, Reading, ReportOutput, Talk, takes
from ztflow.cli.run import Run, run_command
from ztflow.model.vocabulary import GraphLevel

_LEVELS = "|".join(GraphLevel)


@takes(ReportOutput, Reading, Grid, Talk)
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="The earlier capture: a file, directory or glob.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The later one.")],
    output: ReportOutput,
    by: Annotated[
        str, typer.Option("--by", metavar=_LEVELS, help="Whose names to compare.", rich_help_panel=OUTPUT)
    ] = "workload",
    *,
    reading: Reading,
    grid: Grid,
    talk: Talk,
) -> int:
    """What changed between two captures."""

    def body(run: Run) -> None:
        from ztflow.aggregate import check_level
        from ztflow.cli.output import check_destination, chosen_format
        from ztflow.cli.reading import all_flows, owners
        from ztflow.cli.report_output import FORMATS, write_report
        from ztflow.cli.selection import Selection
        from ztflow.errors import UsageError
        from ztflow.model.schema import FLOWS
        from ztflow.reports import diff as compare

        if reading.follow:
            raise UsageError("diff compares finished captures; it cannot follow")
        form = chosen_format(output.format, output.output, FORMATS)
        check_level(by)
        selection = Selection(FLOWS, "end", reading=reading, grid=grid)
        check_destination(form, output.output, [before, after])
        owned = owners(reading)
        selection.know_owners(owned)
        old, new = (selection.apply(all_flows(run, [source], reading)) for source in (before, after))
        made = compare(old, new, by, owners=owned)
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)
