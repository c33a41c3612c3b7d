"""Connections of the last minute by pair, second by second: rates and trends of an input that goes on.

A connection is counted, with its bytes, in the second it ended in, for that is when ztunnel logs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from ztflow.aggregate import Vertices, View, vertices
from ztflow.aggregate.measures import tally
from ztflow.columns.dtypes import NO_TIME
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Verdict

SECONDS_KEPT = 61
"""A minute, and the second that is not over yet."""
PAIRS_A_SECOND = 200
"""Pairs of one second that have sums of their own, those with most connections; the sums of the second are of all."""

_SECOND = 1_000_000

Pair: TypeAlias = tuple[str, str]


class Sums(NamedTuple):
    """What is added up of connections."""

    flows: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    refused: int = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*map(add, self, other))


NO_SUMS = Sums()


@dataclass(slots=True)
class _Second:
    whole: Sums = NO_SUMS
    pairs: dict[Pair, Sums] = field(default_factory=dict)

    def note(self, pair: Pair, sums: Sums) -> None:
        self.pairs[pair] = self.pairs.get(pair, NO_SUMS).plus(sums)
        if len(self.pairs) >= 2 * PAIRS_A_SECOND:
            self.cut()

    def cut(self) -> None:
        """Keep the pairs with most connections."""
        if len(self.pairs) > PAIRS_A_SECOND:
            most = sorted(self.pairs.items(), key=lambda item: (-item[1].flows, item[0]))
            self.pairs = dict(most[:PAIRS_A_SECOND])


@dataclass(frozen=True, slots=True)
class Window:
    """The last seconds of an input.

    Attributes:
        seconds: How long it is; less than asked for while no more was seen.
        whole: Sums over all its connections.
        pairs: Sums of pairs; less than the whole together where a second had too many pairs.
        trends: Connections in equal steps of time, oldest first, of every pair and, as None, of all.
    """

    seconds: int
    whole: Sums
    pairs: dict[Pair, Sums]
    trends: dict[Pair | None, list[int]]


class RecentPairs:
    """Who talked to whom in the last minute of log time.

    Cost: adding flows is numpy per row, and Python for `PAIRS_A_SECOND` pairs a second at most. Memory: sums of
    2 * `SECONDS_KEPT` * `PAIRS_A_SECOND` pairs at most, about 6 MB.

    Attributes:
        newest: Last second of log time seen, since 1970; None before any.
    """

    def __init__(self) -> None:
        self.newest: int | None = None
        self._first: int | None = None
        self._seconds: dict[int, _Second] = {}

    def fork(self) -> Self:
        """An independent copy."""
        made = copy(self)
        made.__dict__["_seconds"] = {at: _Second(one.whole, dict(one.pairs)) for at, one in self._seconds.items()}
        return made

    def add(self, flows: Flows, view: View | None = None, ends: Vertices | None = None) -> None:
        """Take in flows.

        Args:
            flows: In any order; those older than a minute are left out.
            view: Of these flows, where there is one.
            ends: Their workloads, likewise.
        """
        view = View(flows.to_arrow()) if view is None else view
        _, ended = view.seen()
        timed = ended != NO_TIME
        if not timed.any():
            return
        seconds = ended // _SECOND
        newest = max(int(seconds[timed].max()), seconds[timed].min() if self.newest is None else self.newest)
        first = int(seconds[timed].min())
        self.newest, self._first = newest, first if self._first is None else min(first, self._first)
        kept = np.flatnonzero(timed & (seconds > newest - SECONDS_KEPT))
        for at in [at for at in self._seconds if at <= newest - SECONDS_KEPT]:
            del self._seconds[at]
        if not len(kept):
            return
        view = view.take(kept)
        ends = vertices(View(flows.to_arrow()), "workload", flows.owners) if ends is None else ends
        self._add(view, ends.source[kept], ends.target[kept], newest - seconds[kept], ends)

    def _add(self, view: View, source: np.ndarray, target: np.ndarray, age: np.ndarray, ends: Vertices) -> None:
        count = len(ends.all)
        groups = group([(source, count), (target, count), (age, SECONDS_KEPT)], len(view))
        refused = view.equals("verdict", Verdict.DENIED, Verdict.FAILED)
        sums = [tally(groups.codes, len(groups))]
        sums += [
            np.bincount(groups.codes, view.numbers(name)[0].astype(np.float64), len(groups)).astype(np.int64)
            for name in ("request_bytes", "response_bytes")
        ]
        sums.append(tally(groups.codes, len(groups), refused))
        ages = age[groups.first]
        order = np.lexsort((-sums[0], ages))
        starts = np.searchsorted(ages[order], np.arange(SECONDS_KEPT))
        ranks = np.arange(len(order)) - starts[ages[order]]
        of_second = [np.bincount(ages, one, SECONDS_KEPT).astype(np.int64) for one in sums]
        assert self.newest is not None
        for at in np.unique(ages).tolist():
            second = self._seconds.setdefault(self.newest - at, _Second())
            second.whole = second.whole.plus(Sums(*(int(one[at]) for one in of_second)))
        most = order[ranks < PAIRS_A_SECOND]
        names = [vertex.id for vertex in ends.all]
        columns = [part[groups.first[most]].tolist() for part in (source, target, age)]
        for one, other, at, *values in zip(*columns, *(part[most].tolist() for part in sums), strict=True):
            self._seconds[self.newest - at].note((names[one], names[other]), Sums(*values))

    def window(self, seconds: int, steps: int, now: int | None = None) -> Window:
        """The last whole seconds before a moment, or the only one seen.

        Args:
            seconds: How many, `SECONDS_KEPT` - 1 at most.
            steps: Into how many equal steps a trend is cut; divides *seconds*.
            now: The second it is, which is not over; of log time that goes on while nothing comes. The last one seen
                unless given.
        """
        if self.newest is None or self._first is None:
            return Window(0, NO_SUMS, {}, {})
        last = max(self._first, (self.newest if now is None else max(now, self.newest)) - 1)
        each, oldest = seconds // steps, last - seconds + 1
        whole, pairs = NO_SUMS, dict[Pair, Sums]()
        trends: dict[Pair | None, list[int]] = {}
        for at, second in self._seconds.items():
            if not oldest <= at <= last:
                continue
            step = (at - oldest) // each
            whole = whole.plus(second.whole)
            trends.setdefault(None, [0] * steps)[step] += second.whole.flows
            for pair, sums in second.pairs.items():
                known = pairs.get(pair)
                pairs[pair] = sums if known is None else known.plus(sums)
                trends.setdefault(pair, [0] * steps)[step] += sums.flows
        return Window(min(seconds, last - self._first + 1), whole, pairs, trends)


def rates(sums: Sums, seconds: int) -> tuple[float, float]:
    """Connections and bytes a second."""
    return (sums.flows / seconds, (sums.request_bytes + sums.response_bytes) / seconds) if seconds else (0.0, 0.0)


def sum_of(rows: Iterable[Sums]) -> Sums:
    """All together."""
    whole = NO_SUMS
    for row in rows:
        whole = whole.plus(row)
    return whole
