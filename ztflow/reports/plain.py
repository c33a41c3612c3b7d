"""Values of a report as JSON can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from ztflow.aggregate import Measures
from ztflow.reports.lazy_rows import Rows
from ztflow.text.format import Spark, time_text

_AS_THEY_ARE = frozenset({type(None), bool, int, float, str})


def plain(value: Any) -> Any:
    """A value as JSON can hold it; the measures of a row become part of the row."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Spark):
        return list(value.steps)
    if is_dataclass(kind):
        row: dict[str, Any] = {}
        for name in _names(kind):
            item = getattr(value, name)
            if isinstance(item, Measures):
                row.update(plain(item))
            else:
                row[name] = item if type(item) in _AS_THEY_ARE else plain(item)
        return row
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | Rows):
        return [plain(item) for item in value]
    return value


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    """The fields of a dataclass, which `fields` puts together anew each time."""
    return tuple(one.name for one in fields(kind))
