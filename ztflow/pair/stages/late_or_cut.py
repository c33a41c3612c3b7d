"""Halves whose partner did not end close by: cut connections, dead peers, clocks far off, unequal byte counts.

Two halves with the same addresses are taken for a pair only when something else than nearness speaks for it
(docs/reference/ztunnel-log.md#byte-counts and #order-and-times-of-the-two-lines): equal bytes that are not zero,
with starts or durations that agree; or counts that obey the inequality of a cut connection, with starts that agree, and
either an error on one side or, as a reset leaves none since 1.22.4, ends that agree too and no other half that would
fit. Each must be the other's best.

Candidates are at most `REACH` apart. A pair is judged when the log has moved on by that much and a half is given up
when it has moved on by twice that, so the order of judging is that of the log, whatever the cut of the input.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.pair.features.full import Evidence

REACH = 35_000_000
"""Microseconds. A vanished peer is noticed by the HTTP/2 ping after at most 10 s + 20 s.

Source: docs/reference/ztunnel-log.md#order-and-times-of-the-two-lines.
"""
SAME_START = 60_000
"""Microseconds within which starts agree: set-up of a fresh tunnel, truncation, and what is left of clock offsets."""
SAME_DURATION = 60
"""Milliseconds within which durations agree when the clocks of the two nodes do not."""
NEIGHBOURS = 16
"""Candidates looked at on each side of a half, nearest first: keeps the cost linear where thousands are left."""
EQUAL = 0.99
"""Confidence of a pair with equal sizes and agreeing starts or durations."""
UNEQUAL = 0.9
"""Confidence of a pair with unequal sizes, one side of which says what went wrong."""
SILENT = 0.8
"""Confidence of a pair with unequal sizes that says nothing."""

Index = npt.NDArray[np.intp]


class Late(NamedTuple):
    """A pair found here, by index into the evidence."""

    outbound: int
    inbound: int
    equal_sizes: bool
    trust: float
    alternatives: int

    @property
    def confidence(self) -> float:
        """Probability that the partner is right, shared with whoever would have fitted, too."""
        return self.trust / (1 + self.alternatives)


def pair_leftovers(evidence: Evidence, time: IntArray, index: Index, horizon: int) -> list[Late]:
    """The pairs among the leftover halves that can be judged by now.

    Args:
        evidence: All halves at hand.
        time: Their ends with the clock offsets taken off.
        index: The leftovers, in canonical order.
        horizon: Everything that ended before this time is at hand.

    Cost: numpy passes over `NEIGHBOURS` possible partners on each side of a half; Python per pair that could be one.
    """
    possible = _possible(evidence, time, index)
    others: defaultdict[int, _Others] = defaultdict(_Others)
    for o, i, score in zip(possible.outbound.tolist(), possible.inbound.tolist(), possible.apart.tolist(), strict=True):
        others[o].add(score, i)
        others[i].add(score, o)
    taken = np.zeros(len(index), np.bool_)
    found: list[Late] = []
    columns = (possible.due, possible.outbound, possible.inbound, possible.apart, possible.equal, possible.trust)
    for due, o, i, score, equal, trust in zip(*(column.tolist() for column in columns), strict=True):
        if due >= horizon:
            break
        if taken[o] or taken[i] or min(others[o].best_but(i, taken), others[i].best_but(o, taken)) <= score:
            continue
        alternatives = others[o].left + others[i].left - 2
        if trust == SILENT and alternatives:
            continue
        taken[[o, i]] = True
        for half in (o, i):
            for _, other in others[half].ranked:
                others[other].left -= 1
        found.append(Late(int(index[o]), int(index[i]), equal, trust, alternatives))
    return found


class _Others:
    """The possible partners of one half."""

    __slots__ = ("_first", "_sorted", "left", "ranked")

    def __init__(self) -> None:
        self.ranked: list[tuple[float, int]] = []
        self.left = 0
        self._first = 0
        self._sorted = False

    def add(self, score: float, other: int) -> None:
        """Take in one; all before anything is asked."""
        self.ranked.append((score, other))
        self.left += 1

    def best_but(self, partner: int, taken: BoolArray) -> float:
        """The score of the best who is free and not this one; infinite when there is none."""
        if not self._sorted:
            self.ranked.sort()
            self._sorted = True
        while self._first < len(self.ranked) and taken[self.ranked[self._first][1]]:
            self._first += 1
        free = (score for score, other in self.ranked[self._first :] if other != partner and not taken[other])
        return next(free, np.inf)


@dataclass(frozen=True, slots=True)
class _Possible:
    """Possible pairs in the order of judging; halves by position among the leftovers.

    Attributes:
        due: When each can be judged.
        outbound: The outbound half.
        inbound: The inbound half.
        apart: How far apart they are, ms.
        equal: Whether they have equal sizes.
        trust: Confidence if nobody else would fit.
    """

    due: IntArray
    outbound: Index
    inbound: Index
    apart: FloatArray
    equal: BoolArray
    trust: FloatArray

    def take(self, index: Index | BoolArray) -> _Possible:
        """Those at `index`."""
        return _Possible(*(getattr(self, name)[index] for name in self.__slots__))


def _possible(evidence: Evidence, time: IntArray, index: Index) -> _Possible:
    key = np.unique(evidence.loose_key[index], return_inverse=True)[1]
    outbound = evidence.outbound[index]
    inn = np.flatnonzero(~outbound)
    inn = inn[np.lexsort((time[index[inn]], key[inn]))]
    out = np.flatnonzero(outbound)
    first = np.searchsorted(key[inn], key[out], side="left")
    stop = np.searchsorted(key[inn], key[out], side="right")
    out, first, stop = out[first < stop], first[first < stop], stop[first < stop]
    ends = time[index]
    middle = _places(key[inn], ends[inn], key[out], ends[out])
    pairs = []
    for step in range(-NEIGHBOURS, NEIGHBOURS):
        at = middle + step
        ok = (at >= first) & (at < stop)
        a, b = out[ok], inn[at[ok]]
        near = np.abs(ends[a] - ends[b]) <= REACH
        pairs.append(_judged(evidence, time, index, a[near], b[near]))
    every = _Possible(*(np.concatenate([getattr(part, name) for part in pairs]) for name in _Possible.__slots__))
    return every.take(np.lexsort((every.inbound, every.outbound, every.apart, every.due)))


def _places(key: IntArray, time: IntArray, of_key: IntArray, of_time: IntArray) -> Index:
    """Where each (key, time) would stand among sorted ones."""
    if not len(key) or not len(of_key):
        return np.zeros(len(of_key), np.intp)
    both_keys, both_times = np.concatenate([key, of_key]), np.concatenate([time, of_time])
    side = np.repeat([1, 0], [len(key), len(of_key)])  # a sought one stands before its equals
    order = np.lexsort((side, both_times, both_keys))
    before = np.cumsum(side[order])
    result = np.empty(len(order), np.intp)
    result[order] = before
    return result[len(key) :]


def _judged(evidence: Evidence, time: IntArray, index: Index, out: Index, inn: Index) -> _Possible:
    """Those of some pairs that can be one."""
    o, i = index[out], index[inn]
    starts_agree, ends_agree = SAME_START / 1000, SAME_START / 1000
    ends = np.abs(time[o] - time[i]) / 1000
    starts = np.abs((time[o] - time[i]) / 1000 - (evidence.duration[o] - evidence.duration[i]))
    durations = np.abs(evidence.duration[o] - evidence.duration[i]).astype(np.float64)
    sides = [(evidence.request[o], evidence.request[i]), (evidence.response[i], evidence.response[o])]
    equal = (sides[0][0] == sides[0][1]) & (sides[1][0] == sides[1][1])
    nothing = (sides[0][0] | sides[1][0]) == 0
    near = np.minimum(starts, ends) <= starts_agree
    alike = equal & (near | ((durations <= SAME_DURATION) & ~nothing))
    # docs/reference/ztunnel-log.md#byte-counts: a cut connection lost bytes on the way, never gained any.
    cut = ~equal & (sides[0][0] >= sides[0][1]) & (sides[1][0] >= sides[1][1]) & (starts <= starts_agree)
    broken = evidence.failed[o] | evidence.failed[i]
    silent = cut & ~broken & (ends <= ends_agree)
    names = evidence.identity[o], evidence.identity[i]
    same = (names[0] == names[1]) | (names[0] == 0) | (names[1] == 0)
    apart = np.where(equal, np.minimum(np.minimum(starts, ends), durations), starts)
    trust = np.where(equal, EQUAL, np.where(broken, UNEQUAL, SILENT))
    due = np.maximum(evidence.time[o], evidence.time[i]) + REACH
    return _Possible(due, out, inn, apart, equal, trust).take(same & (alike | (cut & broken) | silent))
