"""Which of the two tables some column names belong to, if any; names and order of the rest do not matter."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import orjson

from ztflow.model.schema import FLOWS, HALVES, Column
from ztflow.model.vocabulary import Message

Kind: TypeAlias = Literal["flows", "records"]
"""Connections (`schema.FLOWS`) or access lines (`schema.HALVES`)."""

DECLARED: Final[dict[Kind, tuple[Column, ...]]] = {"flows": FLOWS, "records": HALVES}
NEEDED: Final[dict[Kind, tuple[str, ...]]] = {
    "flows": ("end", "paired"),
    "records": ("time", "message", "direction", "src_ip", "dst_ip"),
}
"""Columns without which the rows of a table cannot be used: every count goes by `paired`, pairing by the others."""

DERIVED: Final = frozenset({"src_addr", "dst_addr", "hbone_addr"})
"""Keys of JSON lines that are made of columns."""

_NAMES: Final = {kind: frozenset(column.name for column in columns) for kind, columns in DECLARED.items()}
_ALL: Final = _NAMES["flows"] | _NAMES["records"] | DERIVED
_COMMON: Final = frozenset({
    "time", "level", "message", "direction", "start", "end", "path", "policy", "error", "extra", "trace_id", "src_ip",
    "src_port", "dst_ip", "dst_port", "bytes_sent", "bytes_recv", "duration_ms", "line_number", "source_file",
})  # fmt: skip
"""Names other programs' tables have, too."""
_SURE: Final = 3
"""So many names that no other program uses make a table ours."""
_LIKELY: Final = 8
"""So does this number of names of any kind."""
_MESSAGES: Final = frozenset(message.value for message in Message)
_MARKS: Final = ("direction", "src_ip", "dst_ip")
_DELIMITERS: Final = ",;\t|"
PARQUET: Final = (b"PAR1", b"PARE")
"""How a Parquet file begins; the second is an encrypted one."""
FEATHER: Final = b"ARROW1"
"""How an Arrow (Feather) file begins."""
TABLE_HEAD: Final = 1 << 16
"""Bytes in which the first line of a table ends."""


def kind_of(names: Iterable[str]) -> Kind | None:
    """The table that has such columns; None when it is none of ours."""
    known = _ALL.intersection(names)
    if len(known - _COMMON) < _SURE and len(known) < _LIKELY:
        return None
    only = {kind: len(known & (_NAMES[kind] - _NAMES[other])) for kind, other in _OTHER}
    return "flows" if only["flows"] >= only["records"] else "records"


_OTHER: Final[tuple[tuple[Kind, Kind], ...]] = (("flows", "records"), ("records", "flows"))


def missing(kind: Kind, names: Collection[str]) -> str | None:
    """What a table lacks, in words; None when it has what its rows need."""
    lost = [name for name in NEEDED[kind] if name not in names]
    return f"looks like a saved table of {kind} without its column {', '.join(lost)}" if lost else None


def own_row(fields: dict[str, Any]) -> Kind | None:
    """Which table a decoded JSON object is a row of; None when it is none of ours.

    A record has the message in our word for it; ztunnel's own JSON and every wrapper have other keys (`scope`,
    `src.addr`, `log`). Null keys may be left out.
    """
    message = fields.get("message")
    if isinstance(message, str):
        if message in _MESSAGES and fields.keys() <= _ALL and any(mark in fields for mark in _MARKS):
            return "records"
        if message not in _MESSAGES and " " in message:
            return None  # the text of a log line
    elif message is None and len(fields) < _SURE:
        return None
    return kind_of(fields)


def is_table(head: bytes) -> bool:
    """Whether an input that begins so is a saved table, told by its content: Parquet, or a header with our columns."""
    return head.startswith((*PARQUET, FEATHER)) or csv_header(head) is not None


def csv_header(head: bytes) -> tuple[list[str], str] | None:
    """Column names and delimiter, when the first line is the header of one of our tables."""
    line, end, _ = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not end or len(line) > TABLE_HEAD or b"_" not in line:
        return None
    text = line.decode("utf-8", "replace").rstrip("\r")
    for delimiter in _DELIMITERS:
        if text.count(delimiter) >= _SURE - 1:
            try:
                names = next(csv.reader([text], delimiter=delimiter), [])
            except csv.Error:  # a bare carriage return inside: no header of ours
                continue
            if kind_of(name.strip().lower() for name in names) is not None:
                return names, delimiter
    return None


def first_is_flow(path: str) -> bool:
    """Whether the first line of a file is a flow as a JSON object."""
    try:
        with Path(path).open("rb") as file:
            head = file.readline(TABLE_HEAD)
        fields = orjson.loads(head) if head.startswith(b"{") else None
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and own_row(fields) == "flows"


def beginning(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, as far as they are needed to tell a table (the first line), and all bytes again."""
    first = b""
    for chunk in chunks:
        first += chunk
        if b"\n" in first or len(first) >= TABLE_HEAD or first.startswith((*PARQUET, FEATHER)):
            break

    def again() -> Iterator[bytes]:
        if first:
            yield first
        yield from chunks

    return first, again()
