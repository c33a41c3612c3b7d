"""Measures of a fixed number of groups that grow batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np

from ztflow.aggregate.durations import Buckets
from ztflow.aggregate.measures import (
    DURATIONS,
    MEASURE_NAMES,
    Measures,
    earliest,
    latest,
    moments,
    tallies,
    tally,
    with_unknown,
)
from ztflow.aggregate.view import View
from ztflow.columns.dtypes import NO_TIME, Index, IntArray, Integers, UIntArray

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_SIZES = ("request_bytes", "response_bytes")


class RunningMeasures:
    """`Measures` of groups 0, 1, …, all exact but the median and the 95th percentile, which are of `buckets`.

    Args:
        count: Groups.
        buckets: For the durations.
    """

    def __init__(self, count: int, buckets: Buckets) -> None:
        self._buckets = buckets
        self._counts: dict[str, IntArray] = {}
        self._sizes: UIntArray = np.zeros((len(_SIZES), 2, count), np.uint64)
        """Lower and upper 32 bits of what was added, each summed: 64 bits may not hold a sum."""
        self._durations: IntArray = np.zeros((count, buckets.count), np.int64)
        self._longest: IntArray = np.full(count, -1)
        self._first: IntArray = np.full(count, NO_TIME)
        self._last: IntArray = np.full(count, NO_TIME)

    def fork(self) -> Self:
        """An independent copy."""
        return deepcopy(self)

    def add(self, view: View, codes: Integers) -> None:
        """Add rows to the groups with these numbers."""
        count = len(self._longest)
        for name, found in {"flows": tally(codes, count), **tallies(view, codes, count)}.items():
            self._counts[name] = self._counts.get(name, 0) + found
        for sums, name in zip(self._sizes, _SIZES, strict=True):
            values = view.numbers(name)[0].astype(np.uint64, copy=False)
            np.add.at(sums[0], codes, values & _LOW)
            np.add.at(sums[1], codes, values >> _HALF)
        durations, known = view.numbers("duration_ms")
        durations, timed = durations[known].astype(np.int64), codes[known]
        np.add.at(self._durations.reshape(-1), timed * np.int64(self._buckets.count) + self._buckets.of(durations), 1)
        np.maximum.at(self._longest, timed, durations)
        began, ended = view.seen()
        self._first = _first(self._first, earliest(began, codes, count))
        self._last = np.maximum(self._last, latest(ended, codes, count))

    def give(self, groups: Index, other: RunningMeasures) -> None:
        """Empty some groups into the one group of another, with as many buckets."""
        if not len(groups):
            return
        for name, counts in self._counts.items():
            other._counts[name] = other._counts.get(name, 0) + counts[groups].sum(keepdims=True)
            counts[groups] = 0
        other._sizes += self._sizes[:, :, groups].sum(axis=2, keepdims=True)
        other._durations += self._durations[groups].sum(axis=0, keepdims=True)
        other._longest = np.maximum(other._longest, self._longest[groups].max())
        times = self._first[groups]
        known = times[times != NO_TIME]
        if len(known):
            other._first = _first(other._first, known.min(keepdims=True))
        other._last = np.maximum(other._last, self._last[groups].max())
        self._sizes[:, :, groups], self._durations[groups], self._longest[groups] = 0, 0, -1
        self._first[groups] = self._last[groups] = NO_TIME

    def measures(self, groups: Index) -> list[Measures]:
        """The measures of some groups."""
        found: dict[str, Sequence[Any]] = {
            name: counts[groups].tolist() for name, counts in with_unknown(self._counts).items()
        }
        for (low, high), name in zip(self._sizes[:, :, groups].tolist(), _SIZES, strict=True):
            found[name] = [(above << 32) + below for below, above in zip(low, high, strict=True)]
        counts, longest = self._durations[groups], self._longest[groups]
        values = [np.minimum(self._buckets.quantile(counts, percent), longest) for percent in (50, 95)]
        for name, known in zip(DURATIONS, (*values, longest), strict=True):
            found[name] = [None if value < 0 else value for value in known.tolist()]
        found["first_seen"], found["last_seen"] = moments(self._first[groups]), moments(self._last[groups])
        return [Measures(*row) for row in zip(*(found[name] for name in MEASURE_NAMES), strict=True)]


def _first(one: IntArray, other: IntArray) -> IntArray:
    """The earlier of two times each; `NO_TIME` where neither is known."""
    return np.where(one == NO_TIME, other, np.where(other == NO_TIME, one, np.minimum(one, other)))
