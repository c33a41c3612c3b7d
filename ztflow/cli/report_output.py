"""Writes reports in the requested format to stdout or a file."""

from __future__ import annotations

from ztflow.cli.destinations import destination
from ztflow.cli.output import paper_for, say
from ztflow.cli.output_options import ReportOutput
from ztflow.cli.run import Run
from ztflow.reports import Arrangement, Report, render
from ztflow.reports.model import ROW_RENDERERS, shown_tables


def arrangement_of(output: ReportOutput) -> Arrangement:
    """What of the tables was asked for."""
    return Arrangement(tuple(output.columns), tuple(output.sort), output.table)


def write_report(run: Run, report: Report, form: str, output: ReportOutput) -> None:
    """Write a report in one of `REPORT_FORMATS`; of a form that holds one table, say which others there are.

    Raises:
        UsageError: If the output cannot be written, or there is no such column or table.
    """
    paper = paper_for(run.talk.color, output.output, output.rows)
    wanted = arrangement_of(output)
    kind = "text" if form == "table" else form
    text = render(report, kind, limit=paper.rows, width=paper.width, color=paper.color, arrangement=wanted)
    with destination(output.output, run.answers) as stream:
        stream.write(text.encode(errors="backslashreplace"))
    if form in ROW_RENDERERS and len(found := shown_tables(report, 0, wanted)) > 1:
        others = ", ".join(f"{table.title!r}" for table in found[1:])
        say(f"-o {form} holds one table, {found[0].title!r}; --table chooses another: {others}")
