"""`RequestSums` of groups of requests: each row stands for so many that are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ztflow.aggregate import View
from ztflow.aggregate.measures import extremes, sums
from ztflow.columns.dtypes import BoolArray, IntArray, Integers
from ztflow.columns.grouping import group
from ztflow.model.vocabulary import RequestFate, RequestOutcome
from ztflow.reports.waypoint_requests import RequestSums

_OUTCOMES = (
    RequestOutcome.REFUSED, RequestOutcome.FAILED, RequestOutcome.GAVE_UP, RequestOutcome.OWN_ANSWER,
    RequestOutcome.UNTOLD,
)  # fmt: skip


def sums_of(view: View, codes: Integers, size: int) -> list[RequestSums]:
    """The sums of each group.

    Args:
        view: Requests (`aggregate.requests.SERVED`).
        codes: The group of each row.
        size: Groups.
    """
    count = view.numbers("requests")[0]
    tcp = view.numbers("tcp")[0].astype(np.bool_)

    def tally(mask: BoolArray) -> list[int]:
        found: list[int] = added(count[mask], codes[mask], size).tolist()
        return found

    answered = view.equals("outcome", RequestOutcome.ANSWERED) & ~tcp
    took, served = (
        _percentiles(view, name, count, codes, size, answered, percents)
        for name, percents in (("duration_ms", (50, 90, 99, 100)), ("service_ms", (50, 99)))
    )
    columns = (
        tally(~tcp),
        tally(tcp),
        sums(view, "received", codes, size),
        sums(view, "sent", codes, size),
        _by_code(view, count, codes, size, ~tcp),
        *(tally(view.equals("outcome", one)) for one in _OUTCOMES),
        *_fates(view, tally),
        tally(answered & view.known("duration_ms")),
        *took,
        *served,
        extremes(view.numbers("first")[0], codes, size, "min"),
        extremes(view.numbers("last")[0], codes, size, "max"),
    )
    return [RequestSums(*values) for values in zip(*columns, strict=True)]


def _fates(view: View, tally: Callable[[BoolArray], list[int]]) -> Iterator[list[int | None]]:
    """Requests of each fate; None for a group of which nothing was joined."""
    judged = tally(view.known("fate"))
    for fate in RequestFate:
        counts = tally(view.equals("fate", fate))
        yield [count if known else None for count, known in zip(counts, judged, strict=True)]


def added(counts: IntArray, codes: Integers, size: int) -> IntArray:
    """The sum of each group. Floats hold it exactly: more than 2**53 requests are in no log."""
    found: IntArray = np.bincount(codes, counts.astype(np.float64), size).astype(np.int64)
    return found


def _by_code(view: View, count: IntArray, codes: Integers, size: int, mask: BoolArray) -> list[dict[int, int]]:
    found: list[dict[int, int]] = [{} for _ in range(size)]
    of, values = codes[mask], view.numbers("code")[0][mask]
    numbers, which = np.unique(values, return_inverse=True)
    groups = group([(of, size), (which, len(numbers))], len(of))
    for row, total in zip(groups.first.tolist(), added(count[mask], groups.codes, len(groups)).tolist(), strict=True):
        found[of[row]][int(values[row])] = total
    return [dict(sorted(one.items())) for one in found]


def _percentiles(
    view: View, name: str, count: IntArray, codes: Integers, size: int, mask: BoolArray, percents: Sequence[int]
) -> list[list[int | None]]:
    """Percentiles of each group by nearest rank, each row counted as often as it stands for a request."""
    values, known = view.numbers(name)
    mask = mask & known
    values, codes, count = values[mask], codes[mask], count[mask]
    order = np.lexsort((values, codes))
    reached = np.cumsum(count[order])
    ends = np.searchsorted(codes[order], np.arange(size), side="right")
    total = added(count, codes, size)
    whole = np.cumsum(total)
    found = []
    for percent in percents:
        rank = whole - total + (percent * total + 99) // 100
        place = np.minimum(np.searchsorted(reached, rank), np.maximum(ends - 1, 0))
        picked = values[order][place].tolist() if len(values) else [0] * size
        found.append([value if some else None for value, some in zip(picked, total.tolist(), strict=True)])
    return found
