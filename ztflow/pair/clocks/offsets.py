"""Clock offsets: how far each node's clock is off, from the ends of halves that belong together.

For ztunnels A (outbound) and B (inbound) the difference of the two end times is `offset(A) - offset(B) + delay`. Load
makes delays longer, never shorter, so the low ones of each direction are compared, and both directions cancel what is
left; where only one direction was seen, the low delay of same-node pairs is used.

Three kinds of evidence, each used where the better one is missing: isolated pairs; whole bursts of equal connections
laid on each other, first to first and last to last; and the difference that occurs most often among all halves that
could belong together: wrong partners scatter, right ones agree (a cross-correlation).

Only halves near the time in question are used, so a drifting clock is followed and nothing depends on how the input
was cut. Units: microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import BoolArray, FloatArray, Index, IntArray, UIntArray
from ztflow.columns.group_statistics import crowds, quantiles
from ztflow.pair.features.basic import combine
from ztflow.pair.reach import REACH


class ClockParameters(NamedTuple):
    """Figures for choosing and weighting differences; distances in time are in `Reach`.

    Attributes:
        delay_varies: How much the usual delay differs between two ztunnels and any other two, µs. Chosen.
        low_of_burst: Which quantile of a burst's delays is used: low enough to be free of queues, high enough not to be
            an outlier's. Chosen.
        low_of_many: Which quantile of isolated pairs' delays is used where there are many; of fewer than about `few` it
            is the middle. Chosen.
        few: Where many begins; also how many pairs the usual delay counts as. Chosen.
        enough: Isolated pairs of two ztunnels that settle where the others must lie. Chosen.
        bin_width: Of the cross-correlation, µs. Captured: a storm's delays spread over up to 13 ms.
        about: Share of the largest crowd that makes another one about as large. Chosen: halves get lost, and clocks are
            mostly right.
        pair_varies: How far an isolated pair is off what is usual between two ztunnels, µs. Chosen.
        burst_varies: How far the low end of a burst is off that, µs. Chosen.
        crowd_varies: How far the middle of a crowd is off that, µs. Chosen.
        longest_usual: Longer delays are those of connections that were cut, not of a network, µs. Chosen.
        rounds: Of reweighting, in which evidence that contradicts the rest loses its weight. Chosen.
        faint: Weight of the wish that a clock is right, as a share of that of the weakest evidence. Chosen.
        most_isolated: Isolated pairs looked at, at most, the latest ones: a busy log has them within a second. Chosen.
        fewest_in_burst: Fewest ends of a burst that is aligned with another. Chosen.
        most_bursts: Bursts an epoch, the largest ones. Chosen.
        candidates: Possible partners on each side of a half that the cross-correlation looks at. Chosen.
    """

    delay_varies: float = 100.0
    low_of_burst: float = 0.2
    low_of_many: float = 0.3
    few: int = 10
    enough: int = 3
    bin_width: int = 2_000
    about: float = 0.8
    pair_varies: float = 200.0
    burst_varies: float = 300.0
    crowd_varies: float = 20_000.0
    longest_usual: float = 5_000.0
    rounds: int = 12
    faint: float = 1e-6
    most_isolated: int = 20_000
    fewest_in_burst: int = 4
    most_bursts: int = 400
    candidates: int = 8


CLOCKS: Final = ClockParameters()


@dataclass(frozen=True, slots=True)
class Offsets:
    """Clock offsets by ztunnel hash; a ztunnel not listed has offset 0.

    Attributes:
        ztunnel: Hashes, sorted.
        offset: What to subtract from that ztunnel's times.
        route: Hashes of two ztunnels each, between which isolated pairs were seen, sorted.
        delay: Usual delay of each.
        otherwise: Usual delay where none was seen.
    """

    ztunnel: UIntArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    offset: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    route: UIntArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    delay: FloatArray = field(default_factory=lambda: np.zeros(0))
    otherwise: float = REACH.usual_delay

    def usual_delay(self, outbound: UIntArray, inbound: UIntArray) -> FloatArray:
        """The usual delay between the ends on each two ztunnels."""
        if not len(self.route):
            return np.full(len(outbound), self.otherwise)
        route = _route(outbound, inbound)
        place = np.searchsorted(self.route, route).clip(max=len(self.route) - 1)
        return np.where(self.route[place] == route, self.delay[place], self.otherwise)

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


def estimate(
    isolated: Differences,
    bursts: Differences,
    crowd: Differences,
    parameters: ClockParameters = CLOCKS,
    usual_delay: float = REACH.usual_delay,
) -> Offsets:
    """The offsets that explain the differences best.

    Args:
        isolated: Differences of isolated pairs.
        bursts: Differences within aligned bursts: nearly all right, but a burst can be the wrong one.
        crowd: Differences of halves that may belong together, right ones among wrong ones.
        parameters: The figures.
        usual_delay: Delay where nothing is known.

    Cost: some sorts of the differences; linear systems of the ztunnels, a dozen (300: 0.1 s, see `sparse`).
    """
    names, ends = _coded((isolated, bursts, crowd))
    directed = pairs, laid, everyone = tuple(_Directed.of(*one, len(names)) for one in ends)
    apart = np.unique(np.concatenate([one.pair[one.pair >= 0] for one in directed]))
    if not len(apart):
        nothing: IntArray = np.zeros(len(names), np.int64)
        return Offsets(names[:0], nothing[:0], *_delays(names, *ends[0], nothing, parameters, usual_delay), usual_delay)
    between = _between(apart, pairs, laid, everyone, parameters, usual_delay)
    a, b = apart // len(names), apart % len(names)
    solved = _solve(len(names), a, b, *between, parameters)
    offsets = np.rint(solved).astype(np.int64)
    return Offsets(names, offsets, *_delays(names, *ends[0], offsets, parameters, usual_delay), usual_delay)


def _coded(kinds: Sequence[Differences]) -> tuple[UIntArray, list[tuple[Index, Index, IntArray]]]:
    """The ztunnels, sorted, and of each kind which of them wrote the halves of each, with the differences.

    Found by a hash table, for a sort of all of them takes several times as long.
    """
    every = np.concatenate([side for kind in kinds for side in (kind.outbound, kind.inbound)])
    found = pa.array(every).dictionary_encode()
    names = found.dictionary.to_numpy()
    order = np.argsort(names)
    place = np.empty(len(names), np.intp)
    place[order] = np.arange(len(names))
    codes = place[found.indices.to_numpy()]
    edges = np.cumsum([len(kind) for kind in kinds for _ in range(2)])[:-1]
    sides = np.split(codes, edges)
    return names[order], [
        (out, inn, kind.difference) for out, inn, kind in zip(sides[::2], sides[1::2], kinds, strict=True)
    ]


def _route(outbound: UIntArray, inbound: UIntArray) -> UIntArray:
    """One hash for two ztunnels; the direction matters."""
    return combine([outbound, inbound])


def _delays(
    names: UIntArray,
    outbound: Index,
    inbound: Index,
    difference: IntArray,
    offset: IntArray,
    parameters: ClockParameters,
    usual_delay: float,
) -> tuple[UIntArray, FloatArray]:
    """Usual delay of the isolated pairs between each two ztunnels; `usual_delay` counts as a `few` of them."""
    both, number = np.unique(outbound * len(names) + inbound, return_inverse=True)
    delay = difference - offset[outbound] + offset[inbound]
    size = np.bincount(number, minlength=len(both))
    seen = np.clip(quantiles(delay, number, _quantile(size, parameters)), 0.0, parameters.longest_usual)
    route = _route(names[both // len(names)], names[both % len(names)]) if len(both) else names[:0]
    order = np.argsort(route)
    return route[order], ((parameters.few * usual_delay + size * seen) / (parameters.few + size))[order]


def _quantile(size: IntArray, parameters: ClockParameters) -> FloatArray:
    """Quantile of isolated pairs used: the middle of few, because some end the other way round; a low one of many."""
    low = parameters.low_of_many
    quantile: FloatArray = low + (0.5 - low) / (1 + size / parameters.few)
    return quantile


class _Directed(NamedTuple):
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
    def of(outbound: Index, inbound: Index, difference: IntArray, count: int) -> _Directed:
        """The differences between so many ztunnels."""
        back = outbound > inbound
        pair = np.where(outbound == inbound, -1, np.minimum(outbound, inbound) * count + np.maximum(outbound, inbound))
        return _Directed(pair, back, np.where(back, -difference, difference))

    def among(self, apart: Index) -> _Directed:
        """Those between two ztunnels, each pair of which now is its place in `apart`."""
        keep = self.pair >= 0
        return _Directed(np.searchsorted(apart, self.pair[keep]), self.back[keep], self.difference[keep])


def _between(
    apart: Index,
    isolated: _Directed,
    bursts: _Directed,
    crowd: _Directed,
    parameters: ClockParameters,
    usual_delay: float,
) -> tuple[FloatArray, FloatArray]:
    """Offset between each two ztunnels, and how far it may be off.

    Offset plus delay there, delay minus offset back; both are measured by isolated pairs and by bursts laid on each
    other, near where those agree. Without any the crowd says roughly where.
    """
    count, width, about = len(apart), parameters.bin_width, parameters.about
    same = isolated.difference[isolated.pair < 0]
    isolated, bursts, crowd = isolated.among(apart), bursts.among(apart), crowd.among(apart)
    known = np.bincount(isolated.pair, minlength=count)
    good_pair = np.concatenate([isolated.pair, bursts.pair])
    good = np.concatenate([isolated.difference, bursts.difference])
    centre = np.where(
        known >= parameters.enough,
        quantiles(isolated.difference, isolated.pair, np.full(count, 0.5)),
        crowds(good, good_pair, count, width=width, about=about),
    )
    unknown = np.isnan(centre)
    crowd_only = unknown[crowd.pair]
    rough = crowds(crowd.difference[crowd_only], crowd.pair[crowd_only], count, width=width, about=about)
    measured = []
    for side in (False, True):
        sign = -1 if side else 1
        middle, weight = np.zeros(count), np.zeros(count)
        for kind, precision in ((isolated, parameters.pair_varies**-2), (bursts, parameters.burst_varies**-2)):
            near = (kind.back == side) & (np.abs(kind.difference - centre[kind.pair]) <= 2 * width)
            size = np.bincount(kind.pair[near], minlength=count)
            which = _quantile(size, parameters) if kind is isolated else np.full(count, parameters.low_of_burst)
            trust = precision * (size if kind is isolated else size > 0)
            low = quantiles(sign * kind.difference[near], kind.pair[near], which)
            middle += np.where(size > 0, low, 0.0) * trust
            weight += trust
        measured.append((np.divide(middle, weight, out=np.zeros(count), where=weight > 0), weight))
    (there, trust_there), (back, trust_back) = measured
    both = (trust_there > 0) & (trust_back > 0)
    # What delay to expect: that of all that were seen in both directions, else that on one clock.
    usual = (there + back)[both] / 2 if both.any() else same if len(same) else np.array([usual_delay])
    expected = float(np.median(usual))
    # Normal equations of: offset + delay = there, delay - offset = back, delay = expected, offset = centre.
    of_crowd, prior = parameters.crowd_varies**-2, parameters.delay_varies**-2
    one, two, three = trust_there + trust_back + of_crowd, trust_there - trust_back, trust_there + trust_back + prior
    right = trust_there * there - trust_back * back + of_crowd * np.where(unknown, rough, centre)
    below = trust_there * there + trust_back * back + prior * expected
    determinant = one * three - two**2
    return (three * right - two * below) / determinant, np.sqrt(three / determinant)


_DENSE: Final = 200
"""Ztunnels up to which a dense system is solved: a dozen times in some 20 ms."""


def _solve(
    size: int, a: Index, b: Index, difference: FloatArray, spread: FloatArray, parameters: ClockParameters
) -> FloatArray:
    """Offsets in the graph of ztunnels by least absolute deviations, mean 0; one wrong edge of a cycle is outvoted."""
    weight: FloatArray = 1 / spread**2
    solution: FloatArray = np.zeros(size)
    graph = None
    if size > _DENSE:
        from ztflow.pair.clocks.sparse import Graph

        graph = Graph(size, a, b)
    for _ in range(parameters.rounds):
        faint = parameters.faint * float(weight.min())
        found = None if graph is None else graph.solved(weight, faint, difference, solution)
        solution = _eliminated(size, a, b, weight, faint, difference) if found is None else found
        off = np.abs(solution[a] - solution[b] - difference)
        weight = 1 / (spread * np.maximum(off, spread))
    return solution


def _eliminated(size: int, a: Index, b: Index, weight: FloatArray, faint: float, difference: FloatArray) -> FloatArray:
    """What `sparse.Graph.solved` gives, of a dense system. Cost: the third power of the ztunnels."""
    system, right = np.zeros((size, size)), np.zeros(size)
    for i, j, sign in ((a, b, 1), (b, a, -1)):
        np.add.at(system, (i, i), weight)
        np.add.at(system, (i, j), -weight)
        np.add.at(right, i, sign * weight * difference)
    system[np.diag_indices(size)] += faint  # holds the mean of what hangs together at 0
    return np.linalg.solve(system, right).astype(np.float64)
