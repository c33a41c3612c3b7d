"""Which classes ended when, of halves that are in a flow already.

Whether two halves are alone with each other also depends on those before them. Of a half that is in a flow nothing but
its class and its time matters to others, so 16 bytes are all that stays of it.
"""

from __future__ import annotations

import numpy as np

from ztflow.pair.outline import Index, IntArray, UIntArray
from ztflow.pair.sorting import class_order

LARGE = 1 << 17
"""Ends in a run from which merging it costs more than asking it by itself."""

_Run = tuple[UIntArray, IntArray]


class Past:
    """Ends by class, in a few sorted runs of growing size.

    Cost: O(log n) merges an end added; asking costs two binary searches a class and run.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._before = np.iinfo(np.int64).min

    def add(self, classes: UIntArray, times: IntArray) -> None:
        """Remember these; sorted ones cost less."""
        if len(classes):
            in_order = (classes[1:] >= classes[:-1]).all()
            self._runs.append((classes, times) if in_order else _sorted(classes, times))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < min(2 * len(self._runs[-1][0]), LARGE):
            (later, late_times), (classes, times) = self._runs.pop(), self._runs.pop()
            keep = times >= self._before
            self._runs.append(
                _sorted(np.concatenate([classes[keep], later]), np.concatenate([times[keep], late_times]))
            )

    def of(self, classes: UIntArray) -> _Run:
        """The ends of these classes (sorted, each once), as classes and times."""
        found_classes, found_times = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for known, times in self._runs:
            place = _among(classes, known)
            found_classes.append(known[place])
            found_times.append(times[place])
        return np.concatenate(found_classes), np.concatenate(found_times)

    def forget(self, before: int) -> None:
        """Drop what ended before this time; at the latest when it is merged with something later."""
        self._before = before
        self._runs = [run for run in self._runs if run[1].max() >= before]


def _sorted(classes: UIntArray, times: IntArray) -> _Run:
    order = class_order(classes)
    return classes[order], times[order]


def _among(wanted: UIntArray, known: UIntArray) -> Index:
    """Places in `known` (sorted) of what is wanted (sorted, distinct); searches the smaller in the larger."""
    if not len(wanted) or not len(known):
        return np.zeros(0, np.intp)
    if len(known) < len(wanted):
        place = np.searchsorted(wanted, known).clip(max=len(wanted) - 1)
        return np.flatnonzero(wanted[place] == known)
    first = np.searchsorted(known, wanted)
    there = known[first.clip(max=len(known) - 1)] == wanted
    there &= first < len(known)
    first, last = first[there], np.searchsorted(known, wanted[there], side="right")
    count = last - first
    inside = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    result: Index = np.repeat(first, count) + inside
    return result
