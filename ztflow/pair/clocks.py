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

from ztflow.pair.outline import FloatArray, IntArray, UIntArray, combine

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

    Cost: linear in the differences; cubic in the number of ztunnels, which is small.
    """
    kinds = (sure, bursts, crowd)
    names = np.unique(np.concatenate([side for kind in kinds for side in (kind.outbound, kind.inbound)]))
    if len(names) < 2:
        return Offsets(*_NOWHERE, *_delays(sure, Offsets()))
    by_kind = [_by_direction(names, kind) for kind in kinds]
    apart = sorted({(min(key), max(key)) for kind in by_kind for key in kind if key[0] != key[1]})
    told = [_Between.of(*((kind.get((a, b), _NONE), kind.get((b, a), _NONE)) for kind in by_kind)) for a, b in apart]
    usual = _usual_delay(told, [values for (a, b), values in by_kind[0].items() if a == b])
    edges = [(a, b, *between.offset(usual)) for (a, b), between in zip(apart, told, strict=True)]
    offsets = Offsets(names, np.rint(_solve(len(names), edges)).astype(np.int64)) if edges else Offsets()
    return Offsets(offsets.ztunnel, offsets.offset, *_delays(sure, offsets))


def _way(outbound: UIntArray, inbound: UIntArray) -> UIntArray:
    """One hash for two ztunnels; the direction matters."""
    return combine([outbound, inbound])


def _delays(sure: Differences, offsets: Offsets) -> tuple[UIntArray, FloatArray]:
    """Usual delay of the sure pairs between each two ztunnels, with `USUAL_DELAY` as good as `FEW` of them."""
    way, number = np.unique(_way(sure.outbound, sure.inbound), return_inverse=True)
    delay = (sure.difference - offsets.of(sure.outbound) + offsets.of(sure.inbound)).astype(np.float64)
    order = np.lexsort((delay, number))
    groups = np.split(delay[order], np.flatnonzero(np.diff(number[order])) + 1) if len(way) else []
    usual = [
        (FEW * USUAL_DELAY + len(group) * min(max(_usual(group), 0.0), LONGEST_USUAL)) / (FEW + len(group))
        for group in groups
    ]
    return way, np.array(usual, np.float64)


_NONE = np.zeros(0, np.int64)
_NOWHERE = np.zeros(0, np.uint64), _NONE
_Both = tuple[IntArray, IntArray]


@dataclass(frozen=True, slots=True)
class _Between:
    """What two ztunnels' differences say: offset plus delay there, delay minus offset back, each with its precision."""

    there: tuple[float, float]
    back: tuple[float, float]
    crowd: tuple[float, float]

    @staticmethod
    def of(sure: _Both, bursts: _Both, crowd: _Both) -> _Between:
        """Of the differences in the one direction and in the other, whose sign is turned."""
        good = np.concatenate([sure[0], bursts[0], -sure[1], -bursts[1]])
        if not len(good):
            everyone = np.concatenate([crowd[0], -crowd[1]])
            return _Between((0.0, 0.0), (0.0, 0.0), (_mode(everyone), CROWD_VARIES**-2))
        known = np.concatenate([sure[0], -sure[1]])
        centre = float(np.median(known)) if len(known) >= ENOUGH else _mode(good)
        ways = []
        for side, sign in ((0, 1), (1, -1)):
            pairs, laid = (kind[side][np.abs(kind[side] - sign * centre) <= 2 * BIN] for kind in (sure, bursts))
            middle, of_pairs = (_usual(pairs), len(pairs) / PAIR_VARIES**2) if len(pairs) else (0.0, 0.0)
            low, of_bursts = (float(np.quantile(laid, LOW)), BURST_VARIES**-2) if len(laid) else (0.0, 0.0)
            weight = of_pairs + of_bursts
            ways.append(((middle * of_pairs + low * of_bursts) / weight if weight else 0.0, weight))
        return _Between(ways[0], ways[1], (centre, CROWD_VARIES**-2))

    def offset(self, usual: float) -> tuple[float, float]:
        """The offset, and how far that may be off, when delays of about `usual` are to be expected."""
        (there, sure_there), (back, sure_back), (centre, of_crowd) = self.there, self.back, self.crowd
        prior = DELAY_VARIES**-2
        # Normal equations of: offset + delay = there, delay - offset = back, delay = usual, offset = centre.
        matrix = np.array([[sure_there + sure_back + of_crowd, sure_there - sure_back],
                           [sure_there - sure_back, sure_there + sure_back + prior]])  # fmt: skip
        right = [
            sure_there * there - sure_back * back + of_crowd * centre,
            sure_there * there + sure_back * back + prior * usual,
        ]
        inverse = np.linalg.inv(matrix)
        return float(inverse[0] @ right), float(np.sqrt(inverse[0, 0]))


def _usual(pairs: IntArray | FloatArray) -> float:
    """What stands for sure pairs: of few the middle, as some end the other way round; of many what load left alone."""
    return float(np.quantile(pairs, LOW_OF_MANY + (0.5 - LOW_OF_MANY) / (1 + len(pairs) / FEW)))


def _usual_delay(told: list[_Between], same: list[IntArray]) -> float:
    """The median delay of all ztunnels between which connections went both ways; else that on one clock."""
    trips = [(one.there[0] + one.back[0]) / 2 for one in told if one.there[1] and one.back[1]]
    if trips:
        return float(np.median(trips))
    return float(np.median(np.concatenate(same))) if same else USUAL_DELAY


def _by_direction(names: UIntArray, differences: Differences) -> dict[tuple[int, int], IntArray]:
    """Differences grouped by (index of the outbound ztunnel, index of the inbound one)."""
    if not len(differences):
        return {}
    a = np.searchsorted(names, differences.outbound)
    b = np.searchsorted(names, differences.inbound)
    code = a * len(names) + b
    order = np.argsort(code, kind="stable")
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    starts = np.concatenate([[0], cuts])
    groups = np.split(differences.difference[order], cuts)
    firsts = code[order][starts]
    return {(int(c) // len(names), int(c) % len(names)): group for c, group in zip(firsts, groups, strict=True)}


def _mode(values: IntArray) -> float:
    """Where the values crowd; of crowds about as large the one nearest 0, as probes crowd a second off, too."""
    low = int(values.min())
    bins, counts = np.unique((values - low) // BIN, return_counts=True)
    after = np.concatenate([counts[1:] * (np.diff(bins) == 1), [0]])  # a crowd across an edge is one
    counts = counts + after
    middles = low + (bins[counts >= ABOUT * counts.max()] + 1) * BIN
    return float(middles[np.argmin(np.abs(middles))])


def _solve(size: int, edges: list[tuple[int, int, float, float]]) -> FloatArray:
    """Offsets over the graph of ztunnels by least absolute deviations, mean 0: one wrong edge of a circle gives way."""
    a, b = np.array([edge[0] for edge in edges]), np.array([edge[1] for edge in edges])
    difference, spread = np.array([edge[2] for edge in edges]), np.array([edge[3] for edge in edges])
    weight: FloatArray = 1 / spread**2
    solution: FloatArray = np.zeros(size)
    for _ in range(ROUNDS):
        laplacian, right = np.zeros((size, size)), np.zeros(size)
        for i, j, sign in ((a, b, 1), (b, a, -1)):
            np.add.at(laplacian, (i, i), weight)
            np.add.at(laplacian, (i, j), -weight)
            np.add.at(right, i, sign * weight * difference)
        solution = np.linalg.lstsq(laplacian, right, rcond=1e-12)[0].astype(np.float64)
        off = np.abs(solution[a] - solution[b] - difference)
        weight = 1 / (spread * np.maximum(off, spread))
    return solution
