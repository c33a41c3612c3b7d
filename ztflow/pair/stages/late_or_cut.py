"""Late or cut: halves whose partner ended much later or counted other bytes (resets, dead peers, clocks far off).

Two halves with the same addresses are taken for a pair only when there is more evidence than nearness
(docs/reference/ztunnel-log.md#byte-counts and #order-and-times-of-the-two-lines): equal bytes that are not zero,
with starts or durations that agree; or counts that obey the inequality of a cut connection, with starts that agree, and
either an error on one side or, as a reset leaves none since 1.22.4, ends that agree too and no other half that would
fit. Each must be the other's best.

Candidates are at most `Reach.partner` apart. A pair is decided when the log has moved on by that much and a half is
given up when it has moved on by twice that, so decisions are in the order of the log, whatever the cut of the input.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, Index, IntArray
from ztflow.columns.grouping import connected
from ztflow.pair.features.full import FullFeatures
from ztflow.pair.reach import REACH, Reach


class LateOrCutParameters(NamedTuple):
    """How many partners are tried, and what a pair is worth.

    Attributes:
        neighbours: Candidates looked at on each side of a half, nearest first. Chosen: keeps the cost linear where
            thousands remain.
        equal: Confidence of a pair with equal sizes and agreeing starts or durations. Chosen.
        unequal: Confidence of a pair with unequal sizes, one side of which says what went wrong. Chosen.
        silent: Confidence of a pair with unequal sizes that says nothing. Chosen.
    """

    neighbours: int = 16
    equal: float = 0.99
    unequal: float = 0.9
    silent: float = 0.8


LATE_OR_CUT: Final = LateOrCutParameters()


class LateOrCutPair(NamedTuple):
    """A pair found here, by index into the features."""

    outbound: int
    inbound: int
    equal_sizes: bool
    trust: float
    alternatives: int

    @property
    def confidence(self) -> float:
        """Probability that the partner is right, given the others that would also have fitted."""
        return self.trust / (1 + self.alternatives)


def pair_late_or_cut(
    features: FullFeatures,
    time: IntArray,
    index: Index,
    watermark: int,
    parameters: LateOrCutParameters = LATE_OR_CUT,
    reach: Reach = REACH,
) -> list[LateOrCutPair]:
    """The pairs among the remaining halves that can be decided by now.

    Args:
        features: All halves at hand.
        time: Their ends with the clock offsets taken off.
        index: The remaining halves, in canonical order.
        watermark: Everything that ended before this time is at hand.
        parameters: The figures.
        reach: Time distances.

    Cost: numpy passes over `neighbours` possible partners on each side of a half; Python per pair that could be one.
    """
    possible = _candidate_pairs(features, time, index, parameters, reach)
    possible = possible.take(_open(possible, len(index)))
    others: defaultdict[int, _Partners] = defaultdict(_Partners)
    for o, i, score in zip(possible.outbound.tolist(), possible.inbound.tolist(), possible.apart.tolist(), strict=True):
        others[o].add(score, i)
        others[i].add(score, o)
    taken = bytearray(len(index))
    found: list[LateOrCutPair] = []
    columns = [column.tolist() for column in possible]
    for due, o, i, score, equal, silent, trust in zip(*columns, strict=True):
        if due >= watermark:
            break
        if taken[o] or taken[i] or others[o].fits(score, i, taken) or others[i].fits(score, o, taken):
            continue
        alternatives = others[o].left + others[i].left - 2
        if silent and alternatives:
            continue
        taken[o] = taken[i] = True
        for half in (o, i):
            for _, other in others[half].ranked:
                others[other].left -= 1
        found.append(LateOrCutPair(int(index[o]), int(index[i]), equal, trust, alternatives))
    return found


class _Partners:
    """The possible partners of one half."""

    __slots__ = ("_first", "_sorted", "left", "ranked")

    def __init__(self) -> None:
        self.ranked: list[tuple[float, int]] = []
        self.left = 0
        self._first = 0
        self._sorted = False

    def add(self, score: float, other: int) -> None:
        """Add one. All have to be added before the first query."""
        self.ranked.append((score, other))
        self.left += 1

    def fits(self, score: float, partner: int, taken: bytearray) -> bool:
        """Whether another partner that is free fits as well as this one or better."""
        ranked = self.ranked
        if not self._sorted:
            ranked.sort()
            self._sorted = True
        at = self._first
        while at < len(ranked) and taken[ranked[at][1]]:
            at += 1
        self._first = at
        while at < len(ranked) and (ranked[at][1] == partner or taken[ranked[at][1]]):
            at += 1
        return at < len(ranked) and ranked[at][0] <= score


class _CandidatePairs(NamedTuple):
    """Candidate pairs in the order of decision; halves by position among the remaining ones.

    Attributes:
        due: When each can be decided.
        outbound: The outbound half.
        inbound: The inbound half.
        apart: How far apart they are, ms.
        equal: Whether they have equal sizes.
        silent: Whether their sizes differ and neither says what went wrong.
        trust: Confidence if no other half would fit.
    """

    due: IntArray
    outbound: Index
    inbound: Index
    apart: FloatArray
    equal: BoolArray
    silent: BoolArray
    trust: FloatArray

    def take(self, index: Index | BoolArray) -> _CandidatePairs:
        """Those at `index`."""
        return _CandidatePairs(*(getattr(self, name)[index] for name in self._fields))


def _open(possible: _CandidatePairs, count: int) -> Index:
    """Candidates one of which can be decided, alone or among those it hangs together with.

    The first of a group to be taken has to fit better than all others of both its halves. Where halves are many and
    alike none does, so nothing of the group is ever decided.
    """
    best = np.ones(len(possible.outbound), np.bool_)
    for half in (possible.outbound, possible.inbound):
        least = np.full(count, np.inf)
        np.minimum.at(least, half, possible.apart)
        equal = possible.apart == least[half]
        best &= equal & (np.bincount(half[equal], minlength=count)[half] == 1)
    if best.all() or not best.any():
        return np.flatnonzero(best)
    group = connected(possible.outbound, possible.inbound, count)[possible.outbound]
    return np.flatnonzero(np.isin(group, group[best]))


def _candidate_pairs(
    features: FullFeatures, time: IntArray, index: Index, parameters: LateOrCutParameters, reach: Reach
) -> _CandidatePairs:
    key = np.unique(features.without_identity[index], return_inverse=True)[1]
    outbound = features.outbound[index]
    inn = np.flatnonzero(~outbound)
    inn = inn[np.lexsort((time[index[inn]], key[inn]))]
    out = np.flatnonzero(outbound)
    first = np.searchsorted(key[inn], key[out], side="left")
    stop = np.searchsorted(key[inn], key[out], side="right")
    out, first, stop = out[first < stop], first[first < stop], stop[first < stop]
    ends = time[index]
    middle = _places(key[inn], ends[inn], key[out], ends[out])
    pairs = []
    for step in range(-parameters.neighbours, parameters.neighbours):
        at = middle + step
        ok = (at >= first) & (at < stop)
        a, b = out[ok], inn[at[ok]]
        near = np.abs(ends[a] - ends[b]) <= reach.partner
        pairs.append(_judged(features, time, index, a[near], b[near], parameters, reach))
    every = _CandidatePairs(*(np.concatenate(columns) for columns in zip(*pairs, strict=True)))
    return every.take(np.lexsort((every.inbound, every.outbound, every.apart, every.due)))


def _places(key: IntArray, time: IntArray, of_key: IntArray, of_time: IntArray) -> Index:
    """Where each (key, time) would be inserted among sorted ones."""
    if not len(key) or not len(of_key):
        return np.zeros(len(of_key), np.intp)
    both_keys, both_times = np.concatenate([key, of_key]), np.concatenate([time, of_time])
    side = np.repeat([1, 0], [len(key), len(of_key)])  # a sought one comes before its equals
    order = np.lexsort((side, both_times, both_keys))
    before = np.cumsum(side[order])
    result = np.empty(len(order), np.intp)
    result[order] = before
    return result[len(key) :]


def _judged(
    features: FullFeatures,
    time: IntArray,
    index: Index,
    out: Index,
    inn: Index,
    parameters: LateOrCutParameters,
    reach: Reach,
) -> _CandidatePairs:
    """Which of these candidates can be pairs."""
    o, i = index[out], index[inn]
    agree = reach.same_start / 1000
    ends = np.abs(time[o] - time[i]) / 1000
    starts = np.abs((time[o] - time[i]) / 1000 - (features.duration[o] - features.duration[i]))
    durations = np.abs(features.duration[o] - features.duration[i]).astype(np.float64)
    sides = [(features.request[o], features.request[i]), (features.response[i], features.response[o])]
    equal = (sides[0][0] == sides[0][1]) & (sides[1][0] == sides[1][1])
    nothing = (sides[0][0] | sides[1][0]) == 0
    near = np.minimum(starts, ends) <= agree
    alike = equal & (near | ((durations <= reach.same_duration / 1000) & ~nothing))
    # docs/reference/ztunnel-log.md#byte-counts: a cut connection loses bytes on the way, and gains none.
    cut = ~equal & (sides[0][0] >= sides[0][1]) & (sides[1][0] >= sides[1][1]) & (starts <= agree)
    broken = features.failed[o] | features.failed[i]
    silent = cut & ~broken & (ends <= agree)
    names = features.identity[o], features.identity[i]
    same = (names[0] == names[1]) | (names[0] == 0) | (names[1] == 0)
    apart = np.where(equal, np.minimum(np.minimum(starts, ends), durations), starts)
    unequal = np.where(broken, parameters.unequal, parameters.silent)
    trust = np.where(equal, parameters.equal, unequal)
    due = np.maximum(features.time[o], features.time[i]) + reach.partner
    every = _CandidatePairs(due, out, inn, apart, equal, ~equal & ~broken, trust)
    return every.take(same & (alike | (cut & broken) | silent))
