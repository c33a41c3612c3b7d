"""How far each node's clock is off, from the ends of halves that belong together.

For ztunnels A (outbound) and B (inbound) the difference of the two end times is `offset(A) - offset(B) + delay`. Load
makes delays longer, never shorter, so the low ones of each direction are compared, and both directions cancel what is
left; where only one direction was seen, the low delay of same-node pairs stands in.

Three kinds of evidence, each used where the better one is missing: pairs that are sure; whole bursts of equal
connections laid on each other, first to first and last to last; and the difference that occurs most often among all
halves that could belong together: wrong partners scatter, right ones agree (a cross-correlation).

Only halves near the time in question are used, so a drifting clock is followed and nothing depends on how the input
was cut. Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import BoolArray, FloatArray, Index, IntArray, UIntArray
from ztflow.columns.group_statistics import crowds, quantiles
from ztflow.pair.features.basic import combine

USUAL_DELAY = 150.0
"""Usual delay between the inbound and the outbound end, idle (captured runs: median 80 to 250)."""
DELAY_VARIES = 100.0
"""How much the usual delay differs between two ztunnels and any other two."""
LOW = 0.2
"""Which delay of a burst stands for it: low enough to be free of queues, high enough not to be an outlier's."""
ENOUGH = 3
"""Sure pairs of two ztunnels that settle where the others must lie."""
BIN = 2_000
"""Width of the cross-correlation's bins; a storm's delays spread over up to 13 ms."""
ABOUT = 0.8
"""Share of the largest crowd that makes another one about as large: halves get lost, clocks are mostly right."""
LOW_OF_MANY, FEW = 0.3, 10
"""The same of sure pairs, when they are more than a few."""
PAIR_VARIES, BURST_VARIES, CROWD_VARIES = 200.0, 300.0, 20_000.0
"""How far a sure pair, the low end of bursts, and the middle of a crowd are off what is usual between two ztunnels."""
LONGEST_USUAL = 5_000.0
"""Longer delays are those of connections that were cut, not of a way."""
ROUNDS = 12
"""Rounds of reweighting in which evidence that contradicts the rest loses its weight."""
FAINT = 1e-6
"""Weight of the wish that a clock is right, as a share of that of the weakest evidence."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """Clock offsets by ztunnel hash; a ztunnel not listed has offset 0.

    Attributes:
        ztunnel: Hashes, sorted.
        offset: What to subtract from that ztunnel's times.
        way: Hashes of pairs of ztunnels between which sure pairs were seen, sorted.
        delay: Usual delay of each.
    """

    ztunnel: UIntArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    offset: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    way: UIntArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    delay: FloatArray = field(default_factory=lambda: np.zeros(0))

    def usual_delay(self, outbound: int, inbound: int) -> float:
        """The usual delay between the ends on two ztunnels."""
        way = _way(np.array([outbound], np.uint64), np.array([inbound], np.uint64))
        place = int(np.searchsorted(self.way, way)[0])
        known = place < len(self.way) and self.way[place] == way[0]
        return float(self.delay[place]) if known else USUAL_DELAY

    def of(self, ztunnels: UIntArray) -> IntArray:
        """The offset of each."""
        if not len(self.ztunnel):
            return np.zeros(len(ztunnels), np.int64)
        place = np.searchsorted(self.ztunnel, ztunnels).clip(max=len(self.ztunnel) - 1)
        return np.where(self.ztunnel[place] == ztunnels, self.offset[place], 0)

    def largest(self) -> int:
        """The largest offset in size."""
        return int(np.abs(self.offset).max(initial=0))


@dataclass(frozen=True, slots=True)
class Differences:
    """End-time differences outbound minus inbound, with the two ztunnels they are between."""

    outbound: UIntArray
    inbound: UIntArray
    difference: IntArray

    def __len__(self) -> int:
        return len(self.difference)

    def take(self, index: npt.NDArray[np.intp] | slice) -> Differences:
        """The entries at `index`."""
        return Differences(self.outbound[index], self.inbound[index], self.difference[index])


def estimate(sure: Differences, bursts: Differences, crowd: Differences) -> Offsets:
    """The offsets that explain the differences best.

    Args:
        sure: Differences of pairs known to belong together.
        bursts: Differences within bursts laid on each other: nearly right each, but a burst can be the wrong one.
        crowd: Differences of halves that may belong together, right ones among wrong ones.

    Cost: some sorts of the differences; a dense linear system of the ztunnels, solved a dozen times (300: 0.1 s).
    """
    kinds = (sure, bursts, crowd)
    names = np.unique(np.concatenate([side for kind in kinds for side in (kind.outbound, kind.inbound)]))
    if len(names) < 2:
        return Offsets(*_NOWHERE, *_delays(sure, Offsets()))
    ways = pairs, laid, everyone = tuple(_Ways.of(names, kind) for kind in kinds)
    apart = np.unique(np.concatenate([way.pair[way.pair >= 0] for way in ways]))
    offsets = Offsets()
    if len(apart):
        solved = _solve(len(names), apart // len(names), apart % len(names), *_between(apart, pairs, laid, everyone))
        offsets = Offsets(names, np.rint(solved).astype(np.int64))
    return Offsets(offsets.ztunnel, offsets.offset, *_delays(sure, offsets))


def _way(outbound: UIntArray, inbound: UIntArray) -> UIntArray:
    """One hash for two ztunnels; the direction matters."""
    return combine([outbound, inbound])


def _delays(sure: Differences, offsets: Offsets) -> tuple[UIntArray, FloatArray]:
    """Usual delay of the sure pairs between each two ztunnels, with `USUAL_DELAY` as good as `FEW` of them."""
    way, number = np.unique(_way(sure.outbound, sure.inbound), return_inverse=True)
    delay = sure.difference - offsets.of(sure.outbound) + offsets.of(sure.inbound)
    size = np.bincount(number, minlength=len(way))
    usual = np.clip(quantiles(delay, number, _share(size)), 0.0, LONGEST_USUAL)
    return way, (FEW * USUAL_DELAY + size * usual) / (FEW + size)


def _share(size: IntArray) -> FloatArray:
    """Which quantile stands for sure pairs: of few the middle, as some end the other way round; of many a low one."""
    share: FloatArray = LOW_OF_MANY + (0.5 - LOW_OF_MANY) / (1 + size / FEW)
    return share


@dataclass(frozen=True, slots=True)
class _Ways:
    """Differences seen from the ztunnel of the lower number: there as they are, back with their sign turned.

    Attributes:
        pair: Number of the two ztunnels, -1 on one and the same.
        back: Whether the outbound half was written by the higher one.
        difference: The difference.
    """

    pair: Index
    back: BoolArray
    difference: IntArray

    @staticmethod
    def of(names: UIntArray, given: Differences) -> _Ways:
        """The differences between ztunnels of these names."""
        a, b = np.searchsorted(names, given.outbound), np.searchsorted(names, given.inbound)
        back = a > b
        pair = np.where(a == b, -1, np.minimum(a, b) * len(names) + np.maximum(a, b))
        return _Ways(pair, back, np.where(back, -given.difference, given.difference))

    def among(self, apart: Index) -> _Ways:
        """Those between two ztunnels, each pair of which now is its place in `apart`."""
        keep = self.pair >= 0
        return _Ways(np.searchsorted(apart, self.pair[keep]), self.back[keep], self.difference[keep])


def _between(apart: Index, sure: _Ways, bursts: _Ways, crowd: _Ways) -> tuple[FloatArray, FloatArray]:
    """Offset between each two ztunnels, and how far it may be off.

    Offset plus delay there, delay minus offset back; both are measured by sure pairs and by bursts laid on each other,
    near where those agree. Without any the crowd says roughly where.
    """
    count = len(apart)
    same = sure.difference[sure.pair < 0]
    sure, bursts, crowd = sure.among(apart), bursts.among(apart), crowd.among(apart)
    known = np.bincount(sure.pair, minlength=count)
    good_pair, good = np.concatenate([sure.pair, bursts.pair]), np.concatenate([sure.difference, bursts.difference])
    centre = np.where(
        known >= ENOUGH,
        quantiles(sure.difference, sure.pair, np.full(count, 0.5)),
        crowds(good, good_pair, count, width=BIN, about=ABOUT),
    )
    lost = np.isnan(centre)
    nobody = lost[crowd.pair]
    rough = crowds(crowd.difference[nobody], crowd.pair[nobody], count, width=BIN, about=ABOUT)
    measured = []
    for side in (False, True):
        sign = -1 if side else 1
        middle, weight = np.zeros(count), np.zeros(count)
        for kind, precision in ((sure, PAIR_VARIES**-2), (bursts, BURST_VARIES**-2)):
            near = (kind.back == side) & (np.abs(kind.difference - centre[kind.pair]) <= 2 * BIN)
            size = np.bincount(kind.pair[near], minlength=count)
            share = _share(size) if kind is sure else np.full(count, LOW)
            trust = precision * (size if kind is sure else size > 0)
            stands = quantiles(sign * kind.difference[near], kind.pair[near], share)
            middle += np.where(size > 0, stands, 0.0) * trust
            weight += trust
        measured.append((np.divide(middle, weight, out=np.zeros(count), where=weight > 0), weight))
    (there, sure_there), (back, sure_back) = measured
    both = (sure_there > 0) & (sure_back > 0)
    # What delay to expect: that of all who spoke both ways, else that on one clock.
    usual = (there + back)[both] / 2 if both.any() else same if len(same) else np.array([USUAL_DELAY])
    expected = float(np.median(usual))
    # Normal equations of: offset + delay = there, delay - offset = back, delay = expected, offset = centre.
    of_crowd, prior = CROWD_VARIES**-2, DELAY_VARIES**-2
    one, two, three = sure_there + sure_back + of_crowd, sure_there - sure_back, sure_there + sure_back + prior
    right = sure_there * there - sure_back * back + of_crowd * np.where(lost, rough, centre)
    below = sure_there * there + sure_back * back + prior * expected
    determinant = one * three - two**2
    return (three * right - two * below) / determinant, np.sqrt(three / determinant)


_NOWHERE = np.zeros(0, np.uint64), np.zeros(0, np.int64)


def _solve(size: int, a: Index, b: Index, difference: FloatArray, spread: FloatArray) -> FloatArray:
    """Offsets over the graph of ztunnels by least absolute deviations, mean 0: one wrong edge of a circle gives way."""
    weight: FloatArray = 1 / spread**2
    solution: FloatArray = np.zeros(size)
    for _ in range(ROUNDS):
        system, right = np.zeros((size, size)), np.zeros(size)
        for i, j, sign in ((a, b, 1), (b, a, -1)):
            np.add.at(system, (i, i), weight)
            np.add.at(system, (i, j), -weight)
            np.add.at(right, i, sign * weight * difference)
        system[np.diag_indices(size)] += FAINT * weight.min()  # holds the mean of what hangs together at 0
        solution = np.linalg.solve(system, right).astype(np.float64)
        off = np.abs(solution[a] - solution[b] - difference)
        weight = 1 / (spread * np.maximum(off, spread))
    return solution
