"""Single connections worth a look: the biggest, the longest, the last that were refused; each with its line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ztflow.aggregate import View, vertices
from ztflow.columns.dtypes import NO_TIME, Integers
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED
from ztflow.page.cells import Part, rows_part
from ztflow.text.format import Unit

_SHOWN = 20

_COLUMNS = (
    ("end", Unit.TIME), ("source", Unit.TEXT), ("destination", Unit.TEXT), ("path", Unit.TEXT), ("verdict", Unit.TEXT),
    ("error class", Unit.TEXT), ("policy", Unit.TEXT), ("duration", Unit.MS), ("request", Unit.BYTES),
    ("response", Unit.BYTES), ("line", Unit.TEXT),
)  # fmt: skip
_READ = (
    "end", "path", "verdict", "error_class", "policy", "duration_ms", "request_bytes", "response_bytes",
    "outbound_file", "outbound_line", "inbound_file", "inbound_line",
)  # fmt: skip


def _part(title: str, choose: Callable[[View], Integers], flows: Flows) -> Part:
    view = View(flows.to_arrow())
    rows = choose(view)[:_SHOWN]
    some = view.take(rows)
    ends = vertices(some, "pod", flows.owners)
    made: list[list[Any]] = []
    values = view.rows(rows, *_READ)
    for place, (end, path, verdict, error, policy, duration, request, response, *lines) in enumerate(values):
        names = [ends.id(int(codes[place])) for codes in (ends.source, ends.target)]
        file, line = lines[:2] if lines[0] is not None else lines[2:]
        where = None if file is None else f"{file}:{line}"
        made.append([end, *names, path, verdict, error, policy, duration, request, response, where])
    return rows_part(title, _COLUMNS, made)


def _biggest(view: View) -> Integers:
    return _top(sum(view.numbers(name)[0].astype(np.float64) for name in ("request_bytes", "response_bytes")))


def _longest(view: View) -> Integers:
    return _top(view.numbers("duration_ms")[0])


def _last_refused(view: View) -> Integers:
    rows = np.flatnonzero(view.equals("verdict", *REFUSED))
    ended = view.seen()[1][rows]
    known = rows[ended != NO_TIME]
    found: Integers = known[np.argsort(-view.seen()[1][known], kind="stable")]
    return found


def _top(sizes: Any) -> Integers:
    """Rows by size, most first; those of nothing are left out."""
    found: Integers = np.argsort(-sizes.astype(np.float64), kind="stable")[: int(np.count_nonzero(sizes))]
    return found


CONNECTIONS: tuple[Callable[[Flows], Part], ...] = (
    partial(_part, "Last refused connections", _last_refused),
    partial(_part, "Biggest connections", _biggest),
    partial(_part, "Longest connections", _longest),
)
"""Makes each part on single connections."""
