"""Clock offsets for pairing in parts: each part gives what it knows of the clocks, all parts use what all know.

A part holds some blocking keys only, but clocks are learned from all. So a part's isolated pairs, and its halves
without one, are put together with those of the others, and the offsets made of all are handed to each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, IntArray
from ztflow.pair.clocks.by_epoch import OffsetsByEpoch
from ztflow.pair.clocks.offsets import CLOCKS, ClockParameters, Differences, Offsets
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.reach import REACH, Reach

GRAIN: Final = 50_000
"""Microseconds: how finely isolated pairs are counted to see from when on they are needed."""


class OffsetsOfAll(OffsetsByEpoch):
    """Collects what a part knows, and answers with what all parts know."""

    def isolated(self) -> tuple[IntArray, Differences]:
        """The differences of the isolated pairs so far, in order of time; they are no longer kept here."""
        self._sort()
        found = self._isolated_time, self._isolated
        self._isolated_time, self._isolated = found[0][:0], found[1].take(slice(0, 0))
        return found

    def share(self, offsets: Mapping[int, Offsets]) -> None:
        """Take over the offsets of all epochs."""
        self._given = dict(offsets)

    def offsets(self, epoch: int, unmatched: BasicFeatures) -> Offsets:
        """The shared offsets of an epoch."""
        del unmatched
        return self._given[epoch]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a part knows of the clocks.

    Attributes:
        time: The later end of each isolated pair, ascending.
        isolated: The differences of these pairs.
        open: The halves without an isolated partner.
    """

    time: IntArray
    isolated: Differences
    open: BasicFeatures

    def counts(self) -> Counts:
        """How many pairs there are in each grain of time, and which epochs have open halves."""
        grain, pairs = np.unique(self.time // GRAIN, return_counts=True)
        return Counts(grain, pairs, np.unique(self.open.time // REACH.epoch))

    def cut(self, share: Share) -> Evidence:
        """Only what the estimates of some epochs look at."""
        since, until = share.isolated
        keep: BoolArray = np.searchsorted(since, self.time, "right") > np.searchsorted(until, self.time, "right")
        first, last = share.open
        around = self.open.basic((self.open.time >= first) & (self.open.time < last))
        return Evidence(self.time[keep], self.isolated.take(np.flatnonzero(keep)), around)


@dataclass(frozen=True, slots=True)
class Counts:
    """A part's evidence in numbers: pairs by grain of time, and the epochs that offsets are needed of."""

    grain: IntArray
    pairs: IntArray
    epochs: IntArray


@dataclass(frozen=True, slots=True)
class Share:
    """Some epochs, one after the other, and what their estimates look at; all of it microseconds.

    Attributes:
        epochs: Their numbers.
        isolated: Begins and ends of the stretches whose isolated pairs are looked at, ascending and apart.
        open: Begin and end of that whose other halves are.
    """

    epochs: IntArray
    isolated: tuple[IntArray, IntArray]
    open: tuple[int, int]


def shares(
    counts: Iterable[Counts], count: int, parameters: ClockParameters = CLOCKS, reach: Reach = REACH
) -> list[Share]:
    """The epochs that offsets are needed of, in so many shares, as far as there are so many epochs."""
    known = list(counts)
    grain, place = np.unique(np.concatenate([one.grain for one in known]), return_inverse=True)
    pairs = np.bincount(place, np.concatenate([one.pairs for one in known]), len(grain)).astype(np.int64)
    epochs = np.unique(np.concatenate([one.epochs for one in known]))
    made = []
    for some in np.array_split(epochs, max(1, min(count, len(epochs)))):
        if len(some):
            first, last = int(some[0]) * reach.epoch, (int(some[-1]) + 1) * reach.epoch
            around = first - reach.learn_nearby - reach.far_ends, last + reach.far_ends
            made.append(Share(some, _stretches(grain, pairs, some, parameters, reach), around))
    return made


def _stretches(
    grain: IntArray, pairs: IntArray, epochs: IntArray, parameters: ClockParameters, reach: Reach
) -> tuple[IntArray, IntArray]:
    """The stretches of time whose isolated pairs are looked at when the offsets of some epochs are estimated.

    Of a busy log that is a small part: an epoch looks at no more than `ClockParameters.most_isolated`, the latest ones.
    """
    start, stop = epochs * reach.epoch - reach.learn_isolated, (epochs + 1) * reach.epoch + reach.far_ends
    if not len(grain):
        return start[:0], stop[:0]
    # All grains that end by `stop`; whole ones, so that more than enough are kept.
    before = np.concatenate([[0], np.cumsum(pairs)])
    last = np.searchsorted(grain, stop // GRAIN)
    first = np.searchsorted(before, before[last] - parameters.most_isolated, "left") - 1
    since = np.maximum(start, np.where(first > 0, grain[np.clip(first, 0, len(grain) - 1)] * GRAIN, start))
    begin, end = [int(since[0])], [int(stop[0])]
    for one, other in zip(since[1:].tolist(), stop[1:].tolist(), strict=True):
        if one <= end[-1]:
            begin[-1], end[-1] = min(begin[-1], one), max(end[-1], other)
        else:
            begin.append(one)
            end.append(other)
    return np.array(begin, np.int64), np.array(end, np.int64)


def offsets_of_all(
    parts: Iterable[Evidence], epochs: IntArray, parameters: ClockParameters = CLOCKS, reach: Reach = REACH
) -> dict[int, Offsets]:
    """The offsets of the epochs of a share, as pairing all at once makes them.

    Args:
        parts: What each part knows, cut for these epochs.
        epochs: The epochs.
        parameters: The figures.
        reach: Time distances.

    Cost: `offsets.estimate` an epoch.
    """
    clocks = OffsetsByEpoch(parameters, reach)
    known = list(parts)
    for one in known:
        if len(one.time):
            clocks.add(one.time, one.isolated)
    around = BasicFeatures.concat([one.open for one in known])
    # An epoch looks at halves that ended up to `far_ends` around it.
    order = np.argsort(around.time, kind="stable")
    around = around.take(order)
    earlier = (int(epochs[0]) * reach.epoch - reach.learn_nearby) // reach.epoch
    made = {}
    for epoch in np.unique(around.time // reach.epoch).tolist():
        if not earlier <= epoch <= epochs[-1]:
            continue
        edges = epoch * reach.epoch - reach.far_ends, (epoch + 1) * reach.epoch + reach.far_ends
        first, stop = np.searchsorted(around.time, edges)
        halves = around.basic(slice(int(first), int(stop)))
        if epoch < epochs[0]:
            clocks.look(epoch, halves)
        else:
            made[epoch] = clocks.offsets(epoch, halves)
    return made
