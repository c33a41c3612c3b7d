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

from ztflow.pair.evidence import FloatArray, IntArray, UIntArray

USUAL_DELAY = 70.0
"""Low delay between the inbound and the outbound end on one clock (captured runs: a fifth is below 60 to 110)."""
LOW = 0.2
"""Which delay stands for a direction: low enough to be free of queues, high enough not to be an outlier's."""
ENOUGH = 3
"""Sure pairs of two ztunnels that settle where the others must lie."""
BIN = 2_000
"""Width of the cross-correlation's bins; a storm's delays spread over up to 13 ms."""
ABOUT = 0.8
"""Share of the largest crowd that makes another one about as large: halves get lost, clocks are mostly right."""
SPREAD_SURE, SPREAD_BURST, SPREAD_CROWD = 300.0, 1_000.0, 20_000.0
"""How far off one pair, one burst, or one crowd leaves the offset between two ztunnels."""
ROUNDS = 12
"""Rounds of reweighting in which evidence that contradicts the rest loses its weight."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """Clock offsets by ztunnel hash; a ztunnel not listed has offset 0.

    Attributes:
        ztunnel: Hashes, sorted.
        offset: What to subtract from that ztunnel's times.
    """

    ztunnel: UIntArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    offset: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

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
        return Offsets()
    by_kind = [_by_direction(names, kind) for kind in kinds]
    same = [values for (a, b), values in by_kind[0].items() if a == b]
    delay = float(np.quantile(np.concatenate(same), LOW)) if same else USUAL_DELAY
    edges = [
        (a, b, *_between(*((kind.get((a, b), _NONE), kind.get((b, a), _NONE)) for kind in by_kind), delay=delay))
        for a, b in sorted({(min(key), max(key)) for kind in by_kind for key in kind if key[0] != key[1]})
    ]
    return Offsets(names, np.rint(_solve(len(names), edges)).astype(np.int64)) if edges else Offsets()


_NONE = np.zeros(0, np.int64)
_Both = tuple[IntArray, IntArray]


def _between(sure: _Both, bursts: _Both, crowd: _Both, *, delay: float) -> tuple[float, float]:
    """Offset of one ztunnel against another, and how far that may be off.

    Args:
        sure: Differences in the one direction and in the other, whose sign is turned.
        bursts: The same.
        crowd: The same.
        delay: What one direction alone has to be corrected by.
    """
    known = len(sure[0]) + len(sure[1])
    good = np.concatenate([sure[0], bursts[0]]), np.concatenate([sure[1], bursts[1]])
    if known >= ENOUGH:
        values, spread = sure, SPREAD_SURE / np.sqrt(known)
        centre = float(np.median(np.concatenate([sure[0], -sure[1]])))
    elif len(good[0]) + len(good[1]):
        values, spread = good, SPREAD_BURST
        centre = _mode(np.concatenate([good[0], -good[1]]))
    else:
        values, spread = crowd, SPREAD_CROWD
        centre = _mode(np.concatenate([crowd[0], -crowd[1]]))
    there, back = values[0], values[1]
    there, back = there[np.abs(there - centre) <= 2 * BIN], back[np.abs(back + centre) <= 2 * BIN]
    low = [float(np.quantile(side, LOW)) if len(side) else None for side in (there, back)]
    if low[0] is None or low[1] is None:
        value = centre if low[0] is low[1] else low[0] - delay if low[0] is not None else delay - (low[1] or 0.0)
        return value, 2 * spread
    return (low[0] - low[1]) / 2, spread


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
