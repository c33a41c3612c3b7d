"""The reference pages that are made from tables: `python tests/support/field_pages.py docs/reference` writes them.

A test holds them current, so a page and the code cannot disagree.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from ztflow import errors
from ztflow.model import schema
from ztflow.model.error_classes import (
    CLOSED_BY_CLIENT,
    COPY_PREFIXES,
    ERROR_CLASSES,
    ERROR_TEXTS,
    IO_TEXTS,
    TLS_CAUSES,
)
from ztflow.model.schema import FLOWS, LOG_FIELDS, ORIGIN, RECORD, Column
from ztflow.model.vocabulary import ErrorClass, Message
from ztflow.parse.values import EXPECTED

_MADE = "<!-- Made by `python tests/support/field_pages.py docs/reference`; edit the tables in the code instead. -->\n"


def pages() -> dict[str, str]:
    """File name → text of every made page."""
    return {"fields.md": fields_page(), "errors.md": errors_page()}


def fields_page() -> str:
    """Every key of an access line, and every column of the two tables."""
    keys = [
        (
            f"`{field.key}`", _names(field.columns), field.kind.value, field.quoting.value, _messages(field.required),
            _messages(field.optional), field.present, field.since, field.json_type, field.unit, f"`{field.source}`",
        )
        for field in LOG_FIELDS
    ]  # fmt: skip
    kinds = [(kind.value, EXPECTED[kind]) for kind in schema.Kind]
    return "\n".join(
        [
            "# Fields", "", _MADE,
            "## What ztunnel writes", "",
            "The keys of an access line in the order of the log. A key that does not apply is not printed; ztflow",
            'makes it null. A value is read by its first character, not by release: `"` begins a quoted one.', "",
            _table(
                ("key", "columns", "kind", "plain form", "always in", "may be in", "present when", "since", "JSON",
                 "unit", "source in ztunnel"), keys,
            ),
            "## Kinds of value", "", _table(("kind", "form"), kinds),
            "What a column cannot hold (a masked address such as `10.0.x.x`, an empty name) is null there, and its",
            "text is kept in `extra` under the key. So are keys this table does not name, and the rest of a time whose",
            "date was cut away.", "",
            "## Columns of halves", "", "One row an access line. Every column is nullable; null means unknown.", "",
            _columns(RECORD), "From the wrapper, the file's name and the place in the file:", "", _columns(ORIGIN),
            "## Columns of flows", "", "One row a connection, or the half of it that was seen.", "", _columns(FLOWS),
            "### Workloads", "",
            "`src_workload` and `dst_workload` of flows are what `--by workload`, the reports and the `workload` filters",
            "go by: the owner an inventory states for the pod, else what the pattern of the pod's name tells",
            "(`web-6b7f9c5d4-x2x9q` is of `web`, `db-0` of `db`), else the name itself. They are filled when flows are",
            "placed, so what a `Pairer` gives has none yet. `src_name` and `dst_name` hold what ztunnel logged under",
            "`src.workload` and `dst.workload`, which for a pod is the pod's name; `src_pod` and `dst_pod` are the pods",
            "that evidence names. A record mirrors the log line key by key, so its `src_workload` is ztunnel's word.",
            "Flows saved before there was a `src_name` have ztunnel's word under `src_workload` and `dst_workload`.", "",
            "## Closed columns", "",
            "These columns hold one of a fixed set of words, or null. A filter that compares one of them with any",
            "other word is refused.", "",
            *_words(),
        ]
    )  # fmt: skip


def errors_page() -> str:
    """Error classes, the texts they are told by, and the reasons a line is refused for."""
    classes = [(f"`{one.name}`", f"`{one.verdict}`", one.summary, f"{one.cause} {one.advice}") for one in ERROR_CLASSES]
    texts = [
        (
            f"`{one.text}`" + (" (whole text)" if one.exact else " …"),
            f"`{one.error_class}`" if one.error_class else f"by what follows, else `{one.otherwise}`",
            one.where,
            one.releases,
        )
        for one in ERROR_TEXTS
    ]
    reasons = [(f"`{value}`", text) for value, text in _members(errors.Reason)]
    return "\n".join(
        [
            "# Errors", "", _MADE,
            "## Error classes", "",
            "The `error_class` column. The log has an error text and no response flag: ztflow derives the class from",
            "the text, and the verdict of a flow from the class. A text that is not listed here has class `other`.", "",
            _table(("class", "verdict", "what happened", "likely cause, what to try"), classes),
            "## Texts", "",
            "If several texts match, the longest one decides. After " + ", ".join(f"`{one}`" for one in COPY_PREFIXES),
            "(errors while data was copied) the rest of the text decides.", "",
            _table(("text", "class", "lines", "releases"), texts),
            "Texts after `io error: `, `connection failed: ` or the prefix of a copy error, or on their own:", "",
            _table(("text", "class"), [(f"`{text}` …", f"`{name}`") for text, name in IO_TEXTS]),
            "Texts inside a TLS error:", "",
            _table(("text", "class"), [(f"… `{text}` …", f"`{name}`") for text, name in TLS_CAUSES]),
            "`waypoint_closed` is the one class that no text alone tells. It is given to flows, not to records, when the",
            "server's side logged one of these texts after `send: `, `receive: ` or `while closing connection: `, and the",
            "client is a waypoint. Where no line shows what the client is, it is given only if the text ends in",
            "`unexpected internal error encountered`, which an Envoy causes and a ztunnel does not.", "",
            _table(("text",), [(f"`{text}` …",) for text in CLOSED_BY_CLIENT]),
            "## Why a line is refused", "",
            "An access line that cannot be parsed is a *problem*. It is counted and kept, with one of these reasons",
            "(`ParseError.reason`), the column of the error and a hint. `ztflow explain` shows them.", "",
            _table(("reason", "meaning"), reasons),
        ]
    )  # fmt: skip


def _columns(columns: Sequence[Column]) -> str:
    return _table(("column", "type", "meaning"), [(f"`{one.name}`", one.type.value, _meaning(one)) for one in columns])


def _meaning(column: Column) -> str:
    if column.words is None:
        return column.doc
    if column.words is ErrorClass:
        return f"{column.doc} See [errors](errors.md)."
    return f"{column.doc} See [{column.name}](#words-of-{column.name})."


def _words() -> Iterable[str]:
    """A table of each closed vocabulary of a column; error classes have a page of their own."""
    columns = {one.name: one for one in (*RECORD, *FLOWS) if one.words not in (None, ErrorClass)}
    for name, column in columns.items():
        assert column.words is not None
        yield f"### Words of `{name}`\n"
        yield _table(("word", "meaning"), [(f"`{word}`", word.meaning) for word in column.words])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _messages(messages: frozenset[Message]) -> str:
    return ", ".join(message.value for message in Message if message in messages)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _members(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """Values of an enumeration with the text that is below each in its source."""
    body = ast.parse(inspect.getsource(enum)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: list[tuple[str, str]] = []
    for member, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            assert isinstance(member.targets[0], ast.Name)
            found.append((enum[member.targets[0].id].value, " ".join(str(after.value.value).split())))
    return found


def main(folder: str) -> None:
    """Write every made page into a folder."""
    for name, text in pages().items():
        Path(folder, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
