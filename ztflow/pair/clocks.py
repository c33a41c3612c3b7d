"""How far each node's clock is off, from the ends of halves that belong together.

For ztunnels A (outbound) and B (inbound) the difference of the two end times is `offset(A) - offset(B) + delay`. Pairs
in both directions cancel the delay; where only one direction was seen, the usual delay of same-node pairs stands in.
Where no pair is certain yet, the difference that occurs most often among all halves that could belong together is
the offset: wrong partners scatter, right ones agree (a cross-correlation).

Only halves near the time in question are used, so a drifting clock is followed and nothing depends on how the input
was cut. Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ztflow.pair.outline import IntArray, UIntArray

USUAL_DELAY = 200
"""Microseconds between the inbound and the outbound end on one clock, idle (captured runs: median 150 to 250)."""
ENOUGH = 5
"""Sure pairs of one direction that settle its difference without looking at unsure ones."""
BIN = 2_000
"""Width of the cross-correlation's bins; a storm's delays spread over up to 13 ms."""


ABOUT = 0.8
"""Share of the largest crowd that makes another one about as large: halves get lost, clocks are mostly right."""
_NONE = np.zeros(0, np.int64)


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


def estimate(sure: Differences, possible: Differences) -> Offsets:
    """The offsets that explain the differences best.

    Args:
        sure: Differences of pairs known to belong together.
        possible: Differences of halves that may belong together, right ones among wrong ones.
    """
    names = np.unique(np.concatenate([sure.outbound, sure.inbound, possible.outbound, possible.inbound]))
    count = len(names)
    if count < 2:
        return Offsets()
    known, maybe = _by_direction(names, sure), _by_direction(names, possible)
    middle: dict[tuple[int, int], tuple[float, int]] = {}
    for a, b in sorted({(min(key), max(key)) for key in (*known, *maybe)}):
        both = ((a, b), (b, a))
        settled = [key for key in both if len(known.get(key, ())) >= ENOUGH]
        if settled:
            middle |= {key: (float(np.median(known[key])), len(known[key])) for key in settled}
            continue
        # The way back shows the same offset with its sign turned, so the two crowds must stand in one place.
        values = {
            key: np.concatenate([maybe.get(key, _NONE), np.repeat(known.get(key, _NONE), ENOUGH)]) for key in both
        }
        centre = _mode(np.concatenate([values[a, b], -values[b, a]] if a != b else [values[a, b]]))
        for key, sign in ((both[0], 1), (both[1], -1)):
            crowd = values[key][np.abs(values[key] - sign * centre) <= BIN]
            if len(crowd):
                middle[key] = (float(np.median(crowd)), len(crowd))
    same = [value for (a, b), (value, _) in middle.items() if a == b]
    delay = float(np.median(same)) if same else USUAL_DELAY
    return _solve(names, middle, delay)


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


def _mode(values: IntArray) -> int:
    """Where the values crowd; of crowds about as large the one nearest 0, as probes crowd a second off, too."""
    low = int(values.min())
    bins = (values - low) // BIN
    counts = np.bincount(bins).astype(np.int64)
    counts[:-1] += counts[1:].copy()  # two neighbouring bins, so that a crowd across an edge is one
    middles = low + (np.flatnonzero(counts >= ABOUT * counts.max()) + 1) * BIN
    return int(middles[np.argmin(np.abs(middles))])


def _solve(names: UIntArray, middle: dict[tuple[int, int], tuple[float, int]], delay: float) -> Offsets:
    """Least squares over the graph of ztunnels, weighted by how many pairs speak; mean offset 0."""
    edges = []
    for (a, b), (value, count) in sorted(middle.items()):
        if a == b:
            continue
        back = middle.get((b, a))
        if back is None:
            edges.append((a, b, value - delay, min(count, 100)))
        elif a < b:
            edges.append((a, b, (value - back[0]) / 2, min(count + back[1], 200)))
    if not edges:
        return Offsets()
    size = len(names)
    laplacian = np.zeros((size, size))
    right = np.zeros(size)
    for a, b, difference, weight in edges:
        laplacian[a, a] += weight
        laplacian[b, b] += weight
        laplacian[a, b] -= weight
        laplacian[b, a] -= weight
        right[a] += weight * difference
        right[b] -= weight * difference
    solution = np.linalg.lstsq(laplacian, right, rcond=1e-9)[0]
    return Offsets(names, np.rint(solution).astype(np.int64))
