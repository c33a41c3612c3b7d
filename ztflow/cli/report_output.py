"""Writes reports in the requested format to stdout or a file."""

from __future__ import annotations

from ztflow.cli.destinations import destination
from ztflow.cli.options import ReportOutput
from ztflow.cli.output import paper_for
from ztflow.cli.run import Run
from ztflow.reports import Report, render


def write_report(run: Run, report: Report, form: str, output: ReportOutput) -> None:
    """Write a report in one of `REPORT_FORMATS`.

    Raises:
        UsageError: If the output cannot be written.
    """
    paper = paper_for(run.talk.color, output.output, output.rows)
    with destination(output.output, run.answers) as stream:
        kind = "text" if form == "table" else form
        text = render(report, kind, limit=paper.rows, width=paper.width, color=paper.color)
        stream.write(text.encode(errors="backslashreplace"))
