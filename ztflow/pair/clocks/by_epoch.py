"""What pairing remembers of end-time differences, and the clock offsets it gives for each stretch of log.

Sure pairs inform the clocks for `LEARN_SURE`; halves that only might belong together for `LEARN_POSSIBLE`. Offsets are
estimated per epoch of log time from what ended up to `FAR_ENDS` after it, never from what happened to be read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import IntArray
from ztflow.columns.sorting import time_order
from ztflow.pair.clocks.offsets import Differences, Offsets, estimate
from ztflow.pair.features.basic import Outline
from ztflow.pair.stages.isolated import FAR_ENDS

EPOCH = 2_000_000
"""Microseconds of log that share one estimate of the clock offsets."""
LEARN_SURE = 60_000_000
"""How far back sure pairs inform the clocks: long enough to be many, short enough to follow a drift."""
ENOUGH_SURE = 20_000
"""Sure pairs looked at, at most, the latest ones: a busy log has them within a second."""
LEARN_POSSIBLE = 10_000_000
"""How far back unsure halves do."""
WITHIN_BURST = 60_000
"""Microseconds without an end of the same kind and side that end a burst."""
FEWEST, MOST = 4, 400
"""Ends of a burst that is laid on another, at least; and how many bursts an epoch, the largest ones."""
ALIKE = 20_000
"""Microseconds by which the differences within two bursts laid on each other may differ, if they are one."""
NEIGHBOURS = 8
"""Possible partners on each side of a half that the cross-correlation looks at."""

Index = npt.NDArray[np.intp]


def _joined(parts: list[Differences]) -> Differences:
    if not parts:
        return Differences(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    return Differences(
        np.concatenate([part.outbound for part in parts]),
        np.concatenate([part.inbound for part in parts]),
        np.concatenate([part.difference for part in parts]),
    )


class ClockMemory:
    """Differences by the time they were seen at."""

    def __init__(self) -> None:
        self._sure = _joined([])
        self._sure_time: IntArray = np.zeros(0, np.int64)
        self._new: list[tuple[IntArray, Differences]] = []
        self._possible: dict[int, tuple[Differences, Differences]] = {}
        self._given: dict[int, Offsets] = {}

    def remember(self, evidence: Outline, out: Index, inn: Index) -> None:
        """Take in sure pairs; they are put in order when somebody asks."""
        if not len(out):
            return
        a, b = evidence.time[out], evidence.time[inn]
        self._new.append((np.maximum(a, b), Differences(evidence.ztunnel[out], evidence.ztunnel[inn], a - b)))

    def _sort(self) -> None:
        if not self._new:
            return
        times = np.concatenate([self._sure_time, *(time for time, _ in self._new)])
        order = time_order(times)
        self._sure = _joined([self._sure, *(new for _, new in self._new)]).take(order)
        self._sure_time = times[order]
        self._new = []

    def offsets(self, epoch: int, unsure: Outline) -> Offsets:
        """The clock offsets for one epoch.

        Args:
            epoch: Number of the epoch: log time divided by `EPOCH`.
            unsure: All halves without a sure partner, at least up to `FAR_ENDS` beyond the epoch's end.
        """
        start, stop = epoch * EPOCH, (epoch + 1) * EPOCH
        self._sort()
        first, last = np.searchsorted(self._sure_time, [start - LEARN_SURE, stop + FAR_ENDS])
        if last - first > ENOUGH_SURE:  # whole instants, so that the order of arrival does not show
            first = np.searchsorted(self._sure_time, self._sure_time[last - ENOUGH_SURE])
        if epoch not in self._possible:
            self._possible[epoch] = _possible(unsure, start, stop)
        near = [d for e, d in self._possible.items() if start - LEARN_POSSIBLE <= e * EPOCH <= start]
        bursts, crowd = (_joined(list(kind)) for kind in zip(*near, strict=True))
        self._given[epoch] = estimate(self._sure.take(slice(first, last)), bursts, crowd)
        return self._given[epoch]

    def given(self, time: int) -> Offsets:
        """What `offsets` gave for the epoch of this time."""
        return self._given.get(time // EPOCH, Offsets())

    def forget(self, before: int) -> None:
        """Drop what no epoch from that time on looks at."""
        before_all = before - LEARN_SURE
        self._new = [(time, new) for time, new in self._new if time.max() >= before_all]
        first = int(np.searchsorted(self._sure_time, before_all))
        if first:
            self._sure = self._sure.take(slice(first, None))
            self._sure_time = self._sure_time[first:]
        self._given = {e: o for e, o in self._given.items() if e * EPOCH >= before - LEARN_SURE}
        self._possible = {e: d for e, d in self._possible.items() if e * EPOCH >= before - LEARN_POSSIBLE}


def _possible(evidence: Outline, start: int, stop: int) -> tuple[Differences, Differences]:
    """End differences between unsure outbound halves of an epoch and the inbound ones they might belong to.

    Returns:
        Those within bursts laid on each other, and those of halves in no such burst.
    """
    time = evidence.time
    near = np.flatnonzero((time >= start - FAR_ENDS) & (time < stop + FAR_ENDS))
    _, rank = np.unique(evidence.classes[near], return_inverse=True)
    in_turn = np.lexsort((time[near], evidence.outbound[near], rank))
    near, rank = near[in_turn], rank[in_turn]
    out, inn, laid = _bursts(evidence, near, rank)
    ok = ((time[out] >= start) & (time[out] < stop)) | ((time[inn] >= start) & (time[inn] < stop))
    bursts = Differences(evidence.ztunnel[out[ok]], evidence.ztunnel[inn[ok]], (time[out] - time[inn])[ok])
    near, rank = near[~laid], rank[~laid]
    code = rank * (2 * (stop - start + 2 * FAR_ENDS)) + (time[near] - (start - FAR_ENDS))
    inbound = np.flatnonzero(~evidence.outbound[near])
    inbound = inbound[np.argsort(code[inbound], kind="stable")]
    outbound = np.flatnonzero(evidence.outbound[near] & (time[near] >= start) & (time[near] < stop))
    if not len(inbound) or not len(outbound):
        return bursts, _joined([])
    place = np.searchsorted(code[inbound], code[outbound])
    found = []
    for step in range(-NEIGHBOURS, NEIGHBOURS):
        at = place + step
        ok = (at >= 0) & (at < len(inbound))
        a, b = outbound[ok], inbound[at[ok]]
        ok = (rank[a] == rank[b]) & (np.abs(time[near[a]] - time[near[b]]) <= FAR_ENDS)
        a, b = near[a[ok]], near[b[ok]]
        found.append(Differences(evidence.ztunnel[a], evidence.ztunnel[b], time[a] - time[b]))
    return bursts, _joined(found)


def _bursts(evidence: Outline, near: Index, rank: IntArray) -> tuple[Index, Index, npt.NDArray[np.bool_]]:
    """Bursts of outbound ends laid on bursts of as many inbound ends of their class, first to first.

    Which burst belongs to which does not ask for right clocks: of those within `FAR_ENDS` that have as many ends, it is
    the one whose gaps are most alike, so that all differences are nearly the same.

    Args:
        evidence: All halves at hand.
        near: Indexes of the halves to look at, by class, side and time.
        rank: Class of each.

    Returns:
        Indexes of the outbound and the inbound ends laid on each other; for each of `near` whether it is one of them.
    """
    laid = np.zeros(len(near), np.bool_)
    if not len(near):
        return near, near, laid
    time, outbound = evidence.time[near], evidence.outbound[near]
    begins = np.ones(len(near), np.bool_)
    begins[1:] = (rank[1:] != rank[:-1]) | (outbound[1:] != outbound[:-1]) | (np.diff(time) > WITHIN_BURST)
    first = np.flatnonzero(begins)
    size = np.diff(np.append(first, len(near)))
    large = np.flatnonzero(outbound[first] & (size >= FEWEST))
    large = large[np.argsort(-size[large], kind="stable")][:MOST]
    others: dict[tuple[int, int], list[int]] = {}
    for burst in np.flatnonzero(~outbound[first] & (size >= FEWEST)).tolist():
        others.setdefault((int(rank[first[burst]]), int(size[burst])), []).append(int(first[burst]))
    found: list[tuple[Index, Index]] = []
    for at, count in zip(first[large].tolist(), size[large].tolist(), strict=True):
        mine = time[at : at + count]
        ways = []
        for other in others.get((int(rank[at]), count), []):
            apart = mine - time[other : other + count]
            if abs(int(apart[0])) <= FAR_ENDS:
                ways.append((int(np.ptp(apart)), other))
        if ways and min(ways)[0] <= ALIKE:
            other = min(ways)[1]
            found.append((np.arange(at, at + count), np.arange(other, other + count)))
    if not found:
        return near[:0], near[:0], laid
    out, inn = (np.concatenate(side) for side in zip(*found, strict=True))
    laid[out] = laid[inn] = True
    return near[out], near[inn], laid
