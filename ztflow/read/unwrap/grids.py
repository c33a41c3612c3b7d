"""Tables in JSON: the columns' names in one list, the cells in another (docs/reference/wrappers.md#log-stores).

Azure Log Analytics and Data Explorer, Elasticsearch's ES|QL and SQL, OpenSearch's PPL, ClickHouse's `JSONCompact`,
Splunk's `json_rows` and `json_cols`, and the frames of Grafana's query API are all of this form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ztflow.read.unwrap.content import Content
from ztflow.read.unwrap.marks import is_marked
from ztflow.read.unwrap.stores import cells_content

_HEADS = ("columns", "Columns", "fields", "schema", "meta")
_CELLS = ("rows", "Rows", "values", "datarows", "data", "columns")
_NAMES = ("name", "ColumnName")


def azure(value: dict[str, Any]) -> list[Content] | None:
    """A Log Analytics answer: columns and rows; a JSON line arrives as an object."""
    tables = value.get("tables")
    if not isinstance(tables, list):
        return None
    return [inside for table in tables if isinstance(table, dict) for inside in grid(table) or ()]


def grid(value: dict[str, Any]) -> list[Content] | None:
    """Columns' names and cells apart, row by row or column by column; Grafana's frames of them."""
    frames = list(_frames(value))
    if frames:
        return [inside for frame in frames for inside in grid(frame) or ()]
    names = next((names for key in _HEADS if (names := _names(value.get(key)))), None)
    rows = next((rows for key in _CELLS if (rows := _lists(value.get(key)))), None)
    if names is None or rows is None:
        return None
    if _is_by_column(rows, len(names)):
        rows = [list(row) for row in zip(*rows, strict=False)]
    return [inside for row in rows for inside in cells_content(dict(zip(names, row, strict=False)))]


def _frames(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Grafana's: `results.A.frames[]` of a `schema` with the names and `data` with the cells."""
    results = value.get("results")
    for answer in results.values() if isinstance(results, dict) else ():
        frames = answer.get("frames") if isinstance(answer, dict) else None
        for frame in frames if isinstance(frames, list) else ():
            schema, data = (frame.get("schema"), frame.get("data")) if isinstance(frame, dict) else (None, None)
            if isinstance(schema, dict) and isinstance(data, dict):
                yield {"fields": schema.get("fields"), "values": data.get("values")}


def _names(head: Any) -> list[str] | None:
    """Names of columns, as texts or as objects that have one."""
    if not isinstance(head, list) or not head:
        return None
    named = [next((one[key] for key in _NAMES if key in one), "") if isinstance(one, dict) else one for one in head]
    return named if any(named) and all(isinstance(name, str) for name in named) else None


def _lists(cells: Any) -> list[list[Any]] | None:
    return cells if isinstance(cells, list) and cells and all(isinstance(row, list) for row in cells) else None


def _is_by_column(rows: list[list[Any]], columns: int) -> bool:
    """Whether a list holds a column: there is one a name, and lines stand together in few of them."""
    if len(rows) != columns:
        return False
    lines = [sum(isinstance(cell, str) and is_marked(cell) for cell in row) for row in rows]
    return any(len(row) != columns for row in rows) or sum(map(bool, lines)) < sum(lines)
