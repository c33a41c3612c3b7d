"""Reports to where they shall go: fitted tables for a terminal, Markdown, HTML and JSON by `reports.render`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO

from ztflow.cli.grids import write_grid
from ztflow.cli.options import ReportOutput
from ztflow.cli.output import Paper, destination, fit_end, paper_for
from ztflow.cli.run import Run
from ztflow.reports.model import Field, Report, TitledTable, basis_lines
from ztflow.reports.render import render
from ztflow.text.escapes import visible
from ztflow.text.format import Unit, cell_text, hidden_text
from ztflow.writers.text_columns import BOLD, DIM

_FIXED = frozenset(Unit) - {Unit.TEXT}
"""What must not be cut to fit."""


def write_report(run: Run, report: Report, form: str, output: ReportOutput) -> None:
    """Write a report in one of `REPORT_FORMATS`.

    Raises:
        UsageError: If the output cannot be written.
    """
    with destination(output.output) as stream:
        if form == "table":
            _write_tables(stream, report, paper_for(run.talk.color, output.output, output.rows))
        else:
            stream.write(render(report, form, limit=output.rows).encode(errors="backslashreplace"))


def _write_tables(stream: BinaryIO, report: Report, paper: Paper) -> None:
    lines = [paper.styled(report.title, BOLD)]
    if not report.basis_in_tables:
        lines += [paper.fact(f"{name}", text) for name, text in basis_lines(report.basis)]
    _write_lines(stream, lines)
    for table in report.tables(paper.rows):
        _write_lines(stream, ["", paper.styled(visible(table.title), BOLD)])
        _write_table(stream, table, paper)
    notes = report.notes()
    _write_lines(stream, ["", *(visible(note) for note in notes)] if notes else [])


def _write_lines(stream: BinaryIO, lines: list[str]) -> None:
    stream.write("".join(line + "\n" for line in lines).encode(errors="backslashreplace"))


def _cell(value: object, field: Field, paper: Paper) -> str:
    """The text of a cell; on a terminal a time is told to the second."""
    if isinstance(value, datetime) and paper.width is not None:
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return cell_text(value, field.unit)


def _write_table(stream: BinaryIO, table: TitledTable, paper: Paper) -> None:
    cells = [[_cell(value, field, paper) for value, field in zip(row, table.fields, strict=True)] for row in table.rows]
    if not any(field.title for field in table.fields) and len(table.fields) == 2:
        _write_lines(stream, [paper.fact(name, text) for name, text in cells])
    elif cells:
        titles = [field.title.upper() for field in table.fields]
        right = [field.unit in _FIXED for field in table.fields]
        write_grid(stream, titles, cells, right=right, width=paper.width, color=paper.color)
    else:
        _write_lines(stream, ["none"])
    tail = [hidden_text(table.hidden)] if table.hidden else []
    tail += [visible(note) for note in table.notes]
    width = paper.width
    _write_lines(stream, [paper.styled(line if width is None else fit_end(line, width), DIM) for line in tail])
