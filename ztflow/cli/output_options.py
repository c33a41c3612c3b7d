"""How rows and reports are printed: form, file, columns, order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ztflow.cli.options import (
    COUNT,
    OUTPUT,
    REPORT_FORMATS,
    Decorator,
    Word,
    group_of,
    names_listed,
    option,
    output_option,
)
from ztflow.writers import RAW, ROW_FORMATS

_ROW_COLUMNS = (
    "Those of the reference page fields, and id, bytes, bytes_per_s, duration, src_addr, dst_addr, hbone_addr."
)
_REPORT_COLUMNS = (
    "They are named as the headings, with _ for a blank: same_node, bytes_per_s. Other tables are left out."
)
_SORT = "Sort by these columns, with commas between them; - before one is descending. Unknown comes last."


def _arranging(about: str) -> tuple[Decorator, Decorator]:
    """`--columns` and `--sort`, for rows of which the help says what the names are."""
    shown = f"Show only these columns, in this order, with commas between them. {about}"
    return (
        option(OUTPUT, "--columns", metavar="NAMES", multiple=True, callback=names_listed, help=shown),
        option(OUTPUT, "--sort", metavar="NAMES", multiple=True, callback=names_listed, help=_SORT),
    )


class TableOutput(NamedTuple):
    """How to print rows, and where."""

    format: str | None = None
    output: str | None = None
    columns: Sequence[str] = ()
    sort: Sequence[str] = ()


row_output_options = group_of(
    "output",
    TableOutput,
    option(OUTPUT, "--format", "-o", metavar="FORMAT", type=Word((*ROW_FORMATS, RAW)),
           help="table (the default, fits the terminal), wide, jsonl, csv, parquet; raw: the lines of the log."),
    output_option,
    *_arranging(_ROW_COLUMNS),
)  # fmt: skip


class ReportOutput(NamedTuple):
    """How to print a report, and where."""

    format: str | None = None
    output: str | None = None
    rows: int | None = None
    columns: Sequence[str] = ()
    sort: Sequence[str] = ()
    table: str | None = None
    exit_code: bool = False


report_output_options = group_of(
    "output",
    ReportOutput,
    option(OUTPUT, "--format", "-o", metavar="FORMAT", type=Word((*REPORT_FORMATS, "md")),
           help="table (the default), json, markdown or md, html; csv and jsonl hold one table."),
    output_option,
    option(OUTPUT, "--rows", "-n", metavar="N", type=COUNT,
           help="Show at most N rows of each table; 0 shows all. JSON always has all rows."),
    *_arranging(_REPORT_COLUMNS),
    option(OUTPUT, "--table", metavar="TITLE", help="Show only the table of this title, or that begins like this."),
    option(OUTPUT, "--exit-code", is_flag=True, help="Exit with code 1 if the report has findings to act on."),
)  # fmt: skip
