"""The clock offsets of each epoch of log, and the end-time differences they are estimated from.

Isolated pairs inform the clocks for `Reach.learn_isolated`; halves that only might belong together for
`Reach.learn_nearby`. Offsets are estimated per epoch of log time from what ended up to `Reach.far_ends` after it, never
from what happened to be read.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from ztflow.columns.dtypes import BoolArray, Index, IntArray
from ztflow.columns.sorting import time_order
from ztflow.pair.clocks.offsets import CLOCKS, ClockParameters, Differences, Offsets, estimate
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.reach import REACH, Reach


def _joined(parts: list[Differences]) -> Differences:
    if not parts:
        return Differences(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    return Differences(
        np.concatenate([part.outbound for part in parts]),
        np.concatenate([part.inbound for part in parts]),
        np.concatenate([part.difference for part in parts]),
    )


class OffsetsByEpoch:
    """Differences by the time they were seen at, and the offsets estimated from them."""

    def __init__(self, parameters: ClockParameters = CLOCKS, reach: Reach = REACH) -> None:
        self._parameters = parameters
        self._reach = reach
        self._isolated = _joined([])
        self._isolated_time: IntArray = np.zeros(0, np.int64)
        self._new: list[tuple[IntArray, Differences]] = []
        self._nearby: dict[int, tuple[Differences, Differences]] = {}
        self._given: dict[int, Offsets] = {}

    def __deepcopy__(self, memo: object) -> Self:
        """A copy that shares the arrays, which never change."""
        made = copy(self)
        vars(made).update(_new=list(self._new), _nearby=dict(self._nearby), _given=dict(self._given))
        return made

    def remember(self, features: BasicFeatures, out: Index, inn: Index) -> None:
        """Add isolated pairs; they are sorted when offsets are requested."""
        if not len(out):
            return
        a, b = features.time[out], features.time[inn]
        self.add(np.maximum(a, b), Differences(features.ztunnel[out], features.ztunnel[inn], a - b))

    def add(self, time: IntArray, differences: Differences) -> None:
        """Add the differences of isolated pairs, each with the later end of its pair."""
        self._new.append((time, differences))

    def _sort(self) -> None:
        if not self._new:
            return
        times = np.concatenate([self._isolated_time, *(time for time, _ in self._new)])
        order = time_order(times)
        self._isolated = _joined([self._isolated, *(new for _, new in self._new)]).take(order)
        self._isolated_time = times[order]
        self._new = []

    def offsets(self, epoch: int, unmatched: BasicFeatures) -> Offsets:
        """The clock offsets for one epoch.

        Args:
            epoch: Number of the epoch: log time divided by `Reach.epoch`.
            unmatched: All halves without an isolated partner, at least up to `Reach.far_ends` beyond the epoch's end.
        """
        reach, parameters = self._reach, self._parameters
        start, stop = epoch * reach.epoch, (epoch + 1) * reach.epoch
        self._sort()
        first, last = np.searchsorted(self._isolated_time, [start - reach.learn_isolated, stop + reach.far_ends])
        if last - first > parameters.most_isolated:  # whole instants, so that the order of arrival does not show
            first = np.searchsorted(self._isolated_time, self._isolated_time[last - parameters.most_isolated])
        self.look(epoch, unmatched)
        oldest = start - reach.learn_nearby
        near = [found for other, found in self._nearby.items() if oldest <= other * reach.epoch <= start]
        bursts, crowd = (_joined(list(kind)) for kind in zip(*near, strict=True))
        isolated = self._isolated.take(slice(first, last))
        self._given[epoch] = estimate(isolated, bursts, crowd, parameters, reach.usual_delay)
        return self._given[epoch]

    def look(self, epoch: int, unmatched: BasicFeatures) -> None:
        """Note what the halves of an epoch tell those after it, unless that is known; arguments as for `offsets`."""
        if epoch not in self._nearby:
            start, stop = epoch * self._reach.epoch, (epoch + 1) * self._reach.epoch
            self._nearby[epoch] = _nearby(unmatched, start, stop, self._parameters, self._reach)

    def given(self, time: int) -> Offsets:
        """What `offsets` gave for the epoch of this time."""
        return self._given.get(time // self._reach.epoch, Offsets(otherwise=self._reach.usual_delay))

    def forget(self, before: int) -> None:
        """Drop what no epoch from that time on looks at."""
        epoch, oldest = self._reach.epoch, before - self._reach.learn_isolated
        self._new = [(time, new) for time, new in self._new if time.max() >= oldest]
        if sum(len(time) for time, _ in self._new) > self._parameters.most_isolated:
            self._sort()
        first, last = np.searchsorted(self._isolated_time, [oldest, before])
        if last - first > self._parameters.most_isolated:  # those to come look at no more than the latest
            first = np.searchsorted(self._isolated_time, self._isolated_time[last - self._parameters.most_isolated])
        if first:
            self._isolated = self._isolated.take(slice(first, None))
            self._isolated_time = self._isolated_time[first:]
        self._given = {e: offsets for e, offsets in self._given.items() if e * epoch >= oldest}
        oldest = before - self._reach.learn_nearby
        self._nearby = {e: found for e, found in self._nearby.items() if e * epoch >= oldest}


def _nearby(
    features: BasicFeatures, start: int, stop: int, parameters: ClockParameters, reach: Reach
) -> tuple[Differences, Differences]:
    """End differences between unmatched outbound halves of an epoch and the inbound ones they might belong to.

    Returns:
        Those within aligned bursts, and those of halves in no such burst.
    """
    time, far = features.time, reach.far_ends
    near = np.flatnonzero((time >= start - far) & (time < stop + far))
    _, rank = np.unique(features.exact_key[near], return_inverse=True)
    in_turn = np.lexsort((time[near], features.outbound[near], rank))
    near, rank = near[in_turn], rank[in_turn]
    out, inn, laid = _bursts(features, near, rank, parameters, reach)
    ok = ((time[out] >= start) & (time[out] < stop)) | ((time[inn] >= start) & (time[inn] < stop))
    bursts = Differences(features.ztunnel[out[ok]], features.ztunnel[inn[ok]], (time[out] - time[inn])[ok])
    near, rank = near[~laid], rank[~laid]
    code = rank * (2 * (stop - start + 2 * far)) + (time[near] - (start - far))
    inbound = np.flatnonzero(~features.outbound[near])
    inbound = inbound[np.argsort(code[inbound], kind="stable")]
    outbound = np.flatnonzero(features.outbound[near] & (time[near] >= start) & (time[near] < stop))
    if not len(inbound) or not len(outbound):
        return bursts, _joined([])
    place = np.searchsorted(code[inbound], code[outbound])
    found = []
    for step in range(-parameters.candidates, parameters.candidates):
        at = place + step
        ok = (at >= 0) & (at < len(inbound))
        a, b = outbound[ok], inbound[at[ok]]
        ok = (rank[a] == rank[b]) & (np.abs(time[near[a]] - time[near[b]]) <= far)
        a, b = near[a[ok]], near[b[ok]]
        found.append(Differences(features.ztunnel[a], features.ztunnel[b], time[a] - time[b]))
    return bursts, _joined(found)


def _bursts(
    features: BasicFeatures, near: Index, rank: IntArray, parameters: ClockParameters, reach: Reach
) -> tuple[Index, Index, BoolArray]:
    """Align bursts of outbound ends with bursts of as many inbound ends of their exact key, first to first.

    Which burst belongs to which does not ask for right clocks: of those within `Reach.far_ends` that have as many ends,
    it is the one whose gaps are most alike, so that all differences are nearly the same.

    Args:
        features: All halves at hand.
        near: Indexes of the halves to look at, by exact key, side and time.
        rank: Number of the exact key of each.
        parameters: The figures.
        reach: Time distances.

    Returns:
        Indexes of the outbound and the inbound ends that were aligned; for each of `near` whether it is one of them.
    """
    laid = np.zeros(len(near), np.bool_)
    if not len(near):
        return near, near, laid
    time, outbound = features.time[near], features.outbound[near]
    begins = np.ones(len(near), np.bool_)
    begins[1:] = (rank[1:] != rank[:-1]) | (outbound[1:] != outbound[:-1]) | (np.diff(time) > reach.burst_pause)
    first = np.flatnonzero(begins)
    size = np.diff(np.append(first, len(near)))
    counts = size >= parameters.fewest_in_burst
    large = np.flatnonzero(outbound[first] & counts)
    large = large[np.argsort(-size[large], kind="stable")][: parameters.most_bursts]
    others: dict[tuple[int, int], list[int]] = {}
    for burst in np.flatnonzero(~outbound[first] & counts).tolist():
        others.setdefault((int(rank[first[burst]]), int(size[burst])), []).append(int(first[burst]))
    found: list[tuple[Index, Index]] = []
    for at, count in zip(first[large].tolist(), size[large].tolist(), strict=True):
        mine = time[at : at + count]
        fitting = []  # where two are as much alike, as with regular probes, the nearer one
        for other in others.get((int(rank[at]), count), []):
            apart = mine - time[other : other + count]
            if abs(int(apart[0])) <= reach.far_ends:
                fitting.append((int(np.ptp(apart)), abs(int(apart[0])), other))
        if fitting and min(fitting)[0] <= reach.burst_alike:
            other = min(fitting)[2]
            found.append((np.arange(at, at + count), np.arange(other, other + count)))
    if not found:
        return near[:0], near[:0], laid
    out, inn = (np.concatenate(side) for side in zip(*found, strict=True))
    laid[out] = laid[inn] = True
    return near[out], near[inn], laid
