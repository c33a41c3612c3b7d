"""The pages of reports as text, Markdown and HTML, a table as CSV and JSON lines.

Every text out of a log is escaped here, once, for its format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from textwrap import wrap
from typing import Any

from ztflow.reports.tables import Field, Page, TitledTable
from ztflow.text.cell_charts import marks
from ztflow.text.escapes import csv_cell, visible, visible_width
from ztflow.text.format import (
    ALL_OTHERS,
    NUMERIC,
    SPARK_CELLS,
    Spark,
    Unit,
    cell_text,
    hidden_text,
    html_table,
    json_text,
    time_text,
)
from ztflow.text.patterns import lazy_pattern
from ztflow.writers.text import CAUTION, fact, fit_end, grid, sentence, styled
from ztflow.writers.text_columns import BOLD, DIM, YELLOW


def _cells(table: TitledTable) -> list[list[str]]:
    return [
        [cell_text(value, field.unit) for value, field in zip(row, table.fields, strict=True)]
        for row in (*table.rows, *table.footer)
    ]


def to_text(page: Page, *, width: int | None = None, color: bool = False) -> str:
    """Aligned tables, fitted to a terminal, or with only the overlong cut.

    Args:
        page: What to show.
        width: Cells of the terminal; None for none. On a terminal times are told to the second.
        color: Whether to style.
    """
    lines = [styled(page.title, BOLD, color=color)]
    lines += [line for text in page.notices for line in sentence(CAUTION, text, width=width, color=color, code=YELLOW)]
    lines += [fact(name, text, width=width, color=color) for name, text in page.facts]
    for table in page.tables:
        lines += ["", styled(visible(table.title), BOLD, color=color), *_text_table(table, width, color=color)]
    if page.notes:
        lines += ["", *(line for note in page.notes for line in _sentences(note, width))]
    return "".join(line + "\n" for line in lines)


def _sentences(text: str, width: int | None) -> list[str]:
    """A note as it is, or in lines of a terminal."""
    shown = visible(text)
    return [shown] if width is None else wrap(shown, width, subsequent_indent="  ", break_on_hyphens=False)


def _text_cell(value: object, field: Field, width: int | None) -> str:
    if isinstance(value, datetime) and width is not None:
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Spark) and width is not None:
        return value.text(max(_LEAST_BARS, min(SPARK_CELLS, width // 5)))
    return cell_text(value, field.unit)


_LEAST_BARS = 12
"""Bars on a narrow terminal."""

_NAME_CELLS = 14
"""Cells for each column of names that columns to spare have to leave on a terminal."""


def _without_spare(table: TitledTable, rows: list[list[str]], width: int | None) -> tuple[TitledTable, list[list[str]]]:
    """The table and its texts without the columns to spare that a terminal has no room for, the last first."""
    kept = list(range(len(table.fields)))

    def taken(at: int) -> int:
        words = table.fields[at].title.split() if table.fields[at].unit is not Unit.TEXT else [table.fields[at].title]
        longest = max([*map(len, words), *(visible_width(row[at]) for row in rows)])
        return (min(longest, _NAME_CELLS) if table.fields[at].unit is Unit.TEXT else longest) + 1

    spare = [at for at in kept if table.fields[at].spare]
    while width is not None and spare and sum(map(taken, kept)) - 1 > width:
        kept.remove(spare.pop())
    if len(kept) == len(table.fields):
        return table, rows
    left_out = ", ".join(names for at, names in enumerate(table.names) if at not in kept)
    told = f"--columns and a wider terminal also show {left_out}"
    fields = tuple(table.fields[at] for at in kept)
    return replace(table, fields=fields, notes=(*table.notes, told)), [[row[at] for at in kept] for row in rows]


def _text_table(table: TitledTable, width: int | None, *, color: bool) -> list[str]:
    rows = [
        [_text_cell(value, field, width) for value, field in zip(row, table.fields, strict=True)]
        for row in (*table.rows, *table.footer)
    ]
    table, rows = _without_spare(table, rows, width)
    if not any(field.title for field in table.fields) and len(table.fields) == 2:
        lines = [fact(name, text, width=width, color=color) for name, text in rows]
    elif rows:
        titles = [field.title.upper() for field in table.fields]
        right = [field.unit is not Unit.TEXT for field in table.fields]
        lines = grid(titles, rows, right=right, width=width, color=color)
    else:
        lines = ["none"]
    tail = [hidden_text(table.hidden)] if table.hidden and not table.footer else []
    tail += map(visible, table.notes)
    return lines + [styled(fit_end(line, width), DIM, color=color) for line in tail]


_MARKUP = lazy_pattern(r"[\\`*_\[\]<>|&~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What Markdown, HTML inside it, or a table takes for markup inside a line; and what would make a bare link."""


def markdown_text(text: str) -> str:
    """One line of text that Markdown shows as it is, whatever it contains."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", visible(text))


def to_markdown(page: Page) -> str:
    """GitHub-flavoured Markdown: a heading, the facts as a list, one table a section."""
    parts = [f"# {markdown_text(page.title)}", ""]
    parts += [line for text in page.notices for line in (f"> **{CAUTION}**: {markdown_text(text)}", "")]
    parts += [f"- **{name}**: {markdown_text(text)}" for name, text in page.facts]
    for table in page.tables:
        parts += ["", f"## {markdown_text(table.title)}", ""]
        if table.rows:
            parts.append("| " + " | ".join(markdown_text(field.title) or " " for field in table.fields) + " |")
            parts.append("|" + "|".join("---:" if field.unit in NUMERIC else "---" for field in table.fields) + "|")
            parts += ["| " + " | ".join(markdown_text(text) for text in row) + " |" for row in _cells(table)]
        else:
            parts.append("none")
        extra = ([hidden_text(table.hidden)] if table.hidden and not table.footer else []) + list(table.notes)
        for note in extra:
            parts += ["", markdown_text(note)]
    for note in page.notes:
        parts += ["", f"> {markdown_text(note)}"]
    return "\n".join(parts) + "\n"


_PAGE_STYLE = (
    ":root{color-scheme:light dark}body{margin:24px;font:14px/1.5 system-ui,sans-serif;max-width:1400px}"
    "h1{font-size:20px}.ztflow{margin:18px 0 2px}section{overflow-x:auto}"
    "dt{float:left;clear:left;width:90px;color:GrayText}dd{margin-left:90px}"
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def to_html(page: Page, *, whole: bool = True) -> str:
    """HTML without scripts or network access: a whole document, or a fragment for a notebook."""
    parts = [f"<h1>{escape(page.title)}</h1>"]
    parts += [f"<p><b>{CAUTION}</b>: {escape(visible(text))}</p>" for text in page.notices]
    if page.facts:
        facts = (f"<dt>{escape(name)}</dt><dd>{escape(visible(text))}</dd>" for name, text in page.facts)
        parts.append(f"<dl>{''.join(facts)}</dl>")
    for table in page.tables:
        if table.rows:
            titles, units = [field.title for field in table.fields], [field.unit for field in table.fields]
            found = marks(titles, units, table.rows)
            shown = html_table(
                titles,
                [*table.rows, *table.footer],
                units=units,
                caption=table.title,
                hidden=0 if table.footer else table.hidden,
                notes=table.notes,
                marks=[[mark.style for mark in row] for row in found],
            )
        else:
            notes = "".join(f"<p>{escape(visible(note))}</p>" for note in table.notes)
            shown = f"<p><b>{escape(visible(table.title))}</b>: none</p>{notes}"
        parts.append(f"<section>{shown}</section>")
    parts += [f"<p>{escape(visible(note))}</p>" for note in page.notes]
    body = "\n".join(parts)
    if not whole:
        return f"<div>{body}</div>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ztflow: {escape(page.title)}</title><style>{_PAGE_STYLE}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _values(table: TitledTable) -> Iterator[list[Any]]:
    """Rows as plain values, and what is hidden as one row; the sum of all is not among them."""
    rest = [(ALL_OTHERS, *table.footer[0][1:])] if table.hidden and table.footer else []
    for row in (*table.rows, *rest):
        yield [
            time_text(cell) if isinstance(cell, datetime) else list(cell.steps) if isinstance(cell, Spark) else cell
            for cell in row
        ]


def to_csv(table: TitledTable) -> str:
    """One table as CSV: a heading of names, plain numbers, nothing where it is unknown."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list | tuple):
            return csv_cell(" ".join(map(str, value)) if isinstance(value, list) else ", ".join(map(str, value)))
        return csv_cell(value) if isinstance(value, str) else str(value)

    lines = [",".join(map(csv_cell, table.names)), *(",".join(map(cell, row)) for row in _values(table))]
    return "".join(line + "\n" for line in lines)


def to_jsonl(table: TitledTable) -> str:
    """One table as JSON lines: an object a row, null where it is unknown."""
    return "".join(json_text(dict(zip(table.names, row, strict=True))) + "\n" for row in _values(table))
