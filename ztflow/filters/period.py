"""Time limits, `since` and `until`: the one place where they are applied, for library and command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.model.provenance import micros_from_time
from ztflow.model.tables import Flows

if TYPE_CHECKING:
    from ztflow.model.tables import Halves

    Tabular = TypeVar("Tabular", Flows, Halves)

Moment: TypeAlias = datetime | timedelta
"""A time, or how long before the last row (in a stream: before now)."""


def between(table: Tabular, since: Moment | None, until: Moment | None, *, now: datetime | None = None) -> Tabular:
    """The rows within two times, both included; a row without a time is neither before nor after anything and stays.

    Args:
        table: Any rows; a flow's time is its end, and a request's.
        since: The earliest time.
        until: The latest.
        now: What relative times count back from; the table's last time unless given. A table without any time has none.
    """
    if since is None and until is None:
        return table
    rows = table.to_arrow()
    if now is None and (isinstance(since, timedelta) or isinstance(until, timedelta)):
        now = pc.max(rows[table.time]).as_py()
    limits: list[tuple[Any, int]] = []
    for limit, compare in ((since, pc.greater_equal), (until, pc.less_equal)):
        instant = limit if not isinstance(limit, timedelta) else None if now is None else now - limit
        if instant is not None:
            times = rows[table.time]
            rows = rows.filter(pc.fill_null(compare(times, pa.scalar(instant, times.type)), fill_value=True))
            limits.append((compare, micros_from_time(instant)))
    made = table.with_rows(rows)
    _set_span(made, limits)
    return made


def _set_span(made: Flows | Halves, limits: Sequence[tuple[Any, int]]) -> None:
    """Rates of flows are over the time that was asked for, and so are the requests beside them."""
    if not isinstance(made, Flows):
        return
    from ztflow.aggregate.view import View

    made.span, requests = View(made.to_arrow()).span(), made.requests
    if requests is not None and not requests["fate"].null_count:  # else they were added up, and tell their time no more
        for compare, micros in limits:
            requests = requests.filter(compare(requests["last"], micros))
    made.requests = requests
