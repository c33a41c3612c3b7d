"""Tables: CSV exports, and columns padded with blanks (docs/reference/wrappers.md#tailers)."""

from __future__ import annotations

import csv

from ztflow.model.provenance import Origin
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Memory, find_head
from ztflow.read.unwrap.metadata import shared
from ztflow.read.unwrap.stores import LINE_COLUMNS, cells_content
from ztflow.text.patterns import lazy_pattern

_COLUMN_NAMES = frozenset(LINE_COLUMNS) | {
    "TimeGenerated [UTC]", "TimeGenerated", "Computer", "PodName", "PodNamespace", "ContainerName", "@timestamp",
    "@logStream", "Date", "Host", "Service", "kubernetes.pod_name", "kubernetes.host", "_time", "timestamp", "Time",
}  # fmt: skip

_PADDED_COLUMNS = {
    "TIMESTAMP": "", "DOT": "", "NODE": "node", "REGION": "", "ZONE": "zone", "OS": "", "ARCH": "",
    "NAMESPACE": "namespace", "POD": "pod", "CONTAINER": "container", "MESSAGE": "",
}  # fmt: skip
"""Columns of kubetail's command line, and what of a ztunnel they name."""

_GAP = lazy_pattern(r"   +|\t+")
_TIME = lazy_pattern(RFC3339_TIME)


def padded_header(text: str, memory: Memory) -> list[Content] | None:
    """`TIMESTAMP   NODE   POD   …   MESSAGE`: the header of kubetail's columns."""
    names = text.split()
    if len(names) < 2 or not _PADDED_COLUMNS.keys() >= set(map(str.upper, names)):
        return None
    if not (names[-1] == "MESSAGE" or ("message" in names and text.count("\t") == len(names) - 1)):
        return None
    memory.padded = names
    return [Content(text, final=True)]


def padded_row(text: str, memory: Memory) -> list[Content] | None:
    """A row under that header: `TIME   NODE   -   POD   LINE`; `-` is an empty cell."""
    columns = memory.padded
    if columns is None:
        return None
    if "message" in columns:
        return _downloaded(text.split("\t"), columns)
    cells = _GAP.split(text, maxsplit=len(columns) - 1)
    if len(cells) < len(columns) - 1:
        return None
    if len(cells) < len(columns):
        cells.append("")  # an empty line of the log
    row = dict(zip(columns, cells, strict=True))
    if any(" " in cell for cell in cells[:-1]) or not _TIME.fullmatch(row.get("TIMESTAMP", "1970-01-01T00:00:00Z")):
        return None
    named = {_PADDED_COLUMNS[name]: cell for name, cell in row.items() if _PADDED_COLUMNS[name] and cell != "-"}
    return [Content(cells[-1], origin=shared(Origin(**named)))]


def _downloaded(cells: list[str], columns: list[str]) -> list[Content] | None:
    """A row of the dashboard's TSV: columns in any order, empty when not known; tabs in a line are blanks."""
    if len(cells) != len(columns):
        return None
    row = {name.upper(): cell for name, cell in zip(columns, cells, strict=True)}
    named = {role: row[name] for name, role in _PADDED_COLUMNS.items() if role and row.get(name)}
    return [Content(row["MESSAGE"], origin=shared(Origin(**named)))]


def table_header(text: str, memory: Memory) -> list[Content] | None:
    """The header of a CSV export: a known line column beside another known name."""
    if "," not in text or len(text) > 4096:
        return None
    cells = _row(text)
    known = sum(cell in _COLUMN_NAMES for cell in cells)
    if known < 2 or not any(cell in LINE_COLUMNS for cell in cells):
        return None
    memory.columns = cells
    memory.hosts = set() if "Host" in cells else None
    return [Content(text, final=True)]


def table_row(text: str, memory: Memory) -> list[Content] | None:
    """A row under that header; or, the header lost, a row one of whose cells is a line."""
    if memory.columns is not None:
        cells = _row(text)
        if len(cells) == len(memory.columns):
            found = cells_content(dict(zip(memory.columns, cells, strict=True)))
            # a line of another kind may have as many commas; then its time is outside the column
            if found and (find_head(text) is None or ((head := find_head(found[0].text)) and not head.start())):
                if memory.hosts is not None and found[0].origin.node:
                    memory.hosts.add(found[0].origin.node)
                return found
    if '""' in text and '"' in text[:1] + text[text.find(",") + 1 :][:1]:
        for cell in _row(text):
            head = find_head(cell)
            if head and head.start() == 0:
                return [Content(cell)]
    return None


def _row(text: str) -> list[str]:
    try:
        return next(csv.reader([text]), [])
    except csv.Error:  # a field past csv's own limit, or a NUL
        return []
