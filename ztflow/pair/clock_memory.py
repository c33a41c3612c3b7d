"""What pairing remembers of end-time differences, and the clock offsets it gives for each stretch of log.

Sure pairs inform the clocks for `LEARN_SURE`; halves that only might belong together for `LEARN_POSSIBLE`. Offsets are
estimated per epoch of log time from what ended shortly before the epoch's end, never from what happened to be read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ztflow.pair.clocks import Differences, Offsets, estimate
from ztflow.pair.outline import IntArray, Outline
from ztflow.pair.sorting import time_order
from ztflow.pair.sure import FAR_ENDS

EPOCH = 2_000_000
"""Microseconds of log that share one estimate of the clock offsets."""
LEARN_SURE = 60_000_000
"""How far back sure pairs inform the clocks: long enough to be many, short enough to follow a drift."""
ENOUGH_SURE = 20_000
"""Sure pairs looked at, at most, the latest ones: a busy log has them within a second."""
LEARN_POSSIBLE = 10_000_000
"""How far back unsure halves do."""
BURST = 100_000
"""Microseconds a burst of equal connections takes to end (captured runs: 20 to 60 ms)."""
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
        self._possible: dict[int, Differences] = {}

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

    def offsets(self, epoch: int, evidence: Outline, unsure: npt.NDArray[np.bool_]) -> Offsets:
        """The clock offsets for one epoch.

        Args:
            epoch: Number of the epoch: log time divided by `EPOCH`.
            evidence: All halves at hand, at least `FAR_ENDS` beyond the epoch's end.
            unsure: Which of them have no sure partner.
        """
        start, stop = epoch * EPOCH, (epoch + 1) * EPOCH
        self._sort()
        first, last = np.searchsorted(self._sure_time, [start - LEARN_SURE, stop])
        if last - first > ENOUGH_SURE:  # whole instants, so that the order of arrival does not show
            first = np.searchsorted(self._sure_time, self._sure_time[last - ENOUGH_SURE])
        if epoch not in self._possible:
            self._possible[epoch] = _possible(evidence, unsure, start, stop)
        near = [d for e, d in self._possible.items() if start - LEARN_POSSIBLE <= e * EPOCH <= start]
        return estimate(self._sure.take(slice(first, last)), _joined(near))

    def forget(self, before: int) -> None:
        """Drop what no epoch from that time on looks at."""
        before_all = before - LEARN_SURE
        self._new = [(time, new) for time, new in self._new if time.max() >= before_all]
        first = int(np.searchsorted(self._sure_time, before_all))
        if first:
            self._sure = self._sure.take(slice(first, None))
            self._sure_time = self._sure_time[first:]
        self._possible = {e: d for e, d in self._possible.items() if e * EPOCH >= before - LEARN_POSSIBLE}


def _possible(evidence: Outline, unsure: npt.NDArray[np.bool_], start: int, stop: int) -> Differences:
    """End differences between each unsure outbound half of an epoch and the inbound ones it might belong to."""
    time = evidence.time
    near = np.flatnonzero(unsure & (time >= start - FAR_ENDS) & (time < stop + FAR_ENDS))
    _, rank = np.unique(evidence.classes[near], return_inverse=True)
    in_turn = np.lexsort((time[near], rank))
    near, rank = near[in_turn], rank[in_turn]
    even = _as_many_of_both(evidence, near, rank)
    out, inn = near[even & evidence.outbound[near]], near[even & ~evidence.outbound[near]]
    ok = (time[out] >= start) & (time[out] < stop) & (np.abs(time[out] - time[inn]) <= FAR_ENDS)
    found = [Differences(evidence.ztunnel[out[ok]], evidence.ztunnel[inn[ok]], (time[out] - time[inn])[ok])]
    near, rank = near[~even], rank[~even]
    code = rank * (2 * (stop - start + 2 * FAR_ENDS)) + (time[near] - (start - FAR_ENDS))
    inbound = np.flatnonzero(~evidence.outbound[near])
    inbound = inbound[np.argsort(code[inbound], kind="stable")]
    outbound = np.flatnonzero(evidence.outbound[near] & (time[near] >= start) & (time[near] < stop))
    if not len(inbound) or not len(outbound):
        return _joined(found)
    place = np.searchsorted(code[inbound], code[outbound])
    for step in range(-NEIGHBOURS, NEIGHBOURS):
        at = place + step
        ok = (at >= 0) & (at < len(inbound))
        a, b = outbound[ok], inbound[at[ok]]
        ok = (rank[a] == rank[b]) & (np.abs(time[near[a]] - time[near[b]]) <= FAR_ENDS)
        a, b = near[a[ok]], near[b[ok]]
        found.append(Differences(evidence.ztunnel[a], evidence.ztunnel[b], time[a] - time[b]))
    return _joined(found)


def _as_many_of_both(evidence: Outline, near: Index, rank: IntArray) -> npt.NDArray[np.bool_]:
    """True where a half stands in a burst of its class that has as many outbound as inbound halves.

    There the first to end belongs, or nearly, to the first, the second to the second: much sharper than trying all.
    A burst is over within `BURST` on either side; in a longer train (probes every second) nobody knows who is first.
    """
    if not len(near):
        return np.zeros(0, np.bool_)
    begins = np.ones(len(near), np.bool_)
    begins[1:] = (rank[1:] != rank[:-1]) | (np.diff(evidence.time[near]) > FAR_ENDS)
    starts = np.flatnonzero(begins)
    outbound, time = evidence.outbound[near], evidence.time[near]
    even = np.add.reduceat(np.where(outbound, 1, -1), starts) == 0
    for side in (outbound, ~outbound):
        first = np.minimum.reduceat(np.where(side, time, np.iinfo(np.int64).max), starts)
        last = np.maximum.reduceat(np.where(side, time, np.iinfo(np.int64).min), starts)
        even &= (first <= last) & (last - np.minimum(first, last) <= BURST)
    result: npt.NDArray[np.bool_] = even[np.cumsum(begins) - 1]
    return result
