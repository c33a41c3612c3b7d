"""Reports as text, Markdown, HTML and JSON. Every text out of a log is escaped here, once, for its format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ztflow.reports.model import Report, TitledTable, basis_lines
from ztflow.text.escapes import visible, visible_width
from ztflow.text.format import Unit, cell_text, hidden_text, json_text

_NUMERIC = frozenset(Unit) - {Unit.TEXT, Unit.TIME}


def _cells(table: TitledTable) -> list[list[str]]:
    return [
        [cell_text(value, field.unit) for value, field in zip(row, table.fields, strict=True)] for row in table.rows
    ]


def to_text(report: Report, *, limit: int | None = None) -> str:
    """Plain text with aligned columns, for terminals and logs.

    Args:
        report: Any report.
        limit: As for `Report.tables`.
    """
    parts = [report.title]
    if not report.basis_in_tables:
        parts += [f"  {name:<9}{visible(text)}" for name, text in basis_lines(report.basis)]
    for table in report.tables(limit):
        parts += ["", *_text_table(table)]
    parts += ["", *(f"Note: {visible(note)}" for note in report.notes())] if report.notes() else []
    return "\n".join(parts) + "\n"


def _text_table(table: TitledTable) -> list[str]:
    lines = [visible(table.title)]
    cells = _cells(table)
    if cells:
        heads = [field.title for field in table.fields]
        rows = [heads, *cells] if any(heads) else cells
        widths = [max(visible_width(row[place]) for row in rows) for place in range(len(heads))]
        for row in rows:
            padded = [
                " " * (width - visible_width(text)) + text
                if field.unit in _NUMERIC
                else text + " " * (width - visible_width(text))
                for text, width, field in zip(row, widths, table.fields, strict=True)
            ]
            lines.append(("  " + "  ".join(padded)).rstrip())
    else:
        lines.append("  none")
    if table.hidden:
        lines.append(f"  {hidden_text(table.hidden)}")
    lines += [f"  {visible(note)}" for note in table.notes]
    return lines


_MARKUP = re.compile(r"[\\`*_\[\]<>|&~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What Markdown, HTML inside it, or a table takes for markup inside a line; and what would make a bare link."""


def markdown_text(text: str) -> str:
    """One line of text that Markdown shows as it is, whatever it contains."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", visible(text))


def to_markdown(report: Report, *, limit: int | None = None) -> str:
    """GitHub-flavoured Markdown: a heading, the basis as a list, one table a section."""
    parts = [f"# {markdown_text(report.title)}", ""]
    if not report.basis_in_tables:
        parts += [f"- **{name}**: {markdown_text(text)}" for name, text in basis_lines(report.basis)]
    for table in report.tables(limit):
        parts += ["", f"## {markdown_text(table.title)}", ""]
        if table.rows:
            parts.append("| " + " | ".join(markdown_text(field.title) or " " for field in table.fields) + " |")
            parts.append("|" + "|".join("---:" if field.unit in _NUMERIC else "---" for field in table.fields) + "|")
            parts += ["| " + " | ".join(markdown_text(text) for text in row) + " |" for row in _cells(table)]
        else:
            parts.append("none")
        extra = ([hidden_text(table.hidden)] if table.hidden else []) + list(table.notes)
        for note in extra:
            parts += ["", markdown_text(note)]
    for note in report.notes():
        parts += ["", f"> {markdown_text(note)}"]
    return "\n".join(parts) + "\n"


_PAGE_STYLE = (
    ":root{color-scheme:light dark}body{margin:24px;font:14px/1.5 system-ui,sans-serif;max-width:1400px}"
    "h1{font-size:20px}.ztflow{margin:18px 0 2px}section{overflow-x:auto}"
    "dt{float:left;clear:left;width:90px;color:GrayText}dd{margin-left:90px}"
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def to_html(report: Report, *, limit: int | None = None) -> str:
    """A page of HTML without scripts or network access."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ztflow: {escape(report.title)}</title><style>{_PAGE_STYLE}</style></head>\n"
        f"<body>{report.html(limit)}</body></html>\n"
    )


def to_json(report: Report, *, indent: int | None = None) -> str:
    """`Report.to_dict` as JSON in which only printable characters are left unescaped."""
    return json_text(report.to_dict(), indent) + "\n"


RENDERERS: Sequence[str] = ("text", "markdown", "html", "json")


def render(report: Report, form: str, *, limit: int | None = None) -> str:
    """The report in one of `RENDERERS`."""
    match form:
        case "text":
            return to_text(report, limit=limit)
        case "markdown":
            return to_markdown(report, limit=limit)
        case "html":
            return to_html(report, limit=limit)
        case "json":
            return to_json(report)
    from ztflow.errors import UsageError

    raise UsageError(f"no report form {form!r}; choose one of {', '.join(RENDERERS)}")
