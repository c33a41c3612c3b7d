"""Values of a report as JSON can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from ztflow.aggregate import Measures
from ztflow.reports.lazy_rows import Rows
from ztflow.text.format import Spark, time_text


def plain(value: Any) -> Any:
    """A value as JSON can hold it; the measures of a row become part of the row."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Spark):
        return list(value.steps)
    if is_dataclass(value) and not isinstance(value, type):
        row: dict[str, Any] = {}
        for one in fields(value):
            item = getattr(value, one.name)
            if isinstance(item, Measures):
                row.update(plain(item))
            else:
                row[one.name] = plain(item)
        return row
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | Rows):
        return [plain(item) for item in value]
    return value
