"""How often each pairing occurs among the likely ways to pair equal connections.

The ways are sampled by `walk`, by several walkers that start from the least-squares assignment and settle in stages:
first all odds are drawn nearer to even, so that whole runs change places before details freeze. Between the stages the
habits of the burst (`habits`) and the lags of its starts (`starts`) are learned from where the walkers are. At last the
ways they come to are taken down, and put together anew by `trellis`. Four halves or fewer a side are not sampled: all
ways are added up.

Random numbers depend on nothing but the segment's own content: its result is the same whatever else is sampled beside
it, in any process.

Cost: 1 to 2 ms a slot, five times that where walkers disagree; memory 60 bytes a possible pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import numpy.typing as npt

from ztflow.pair import ends, starts, trellis, walker
from ztflow.pair.habits import Habits, Pace, gap_classes
from ztflow.pair.outline import BoolArray, FloatArray, IntArray
from ztflow.pair.shipped import SHIPPED
from ztflow.pair.walker import Counts, Walk, Ways

Index = npt.NDArray[np.intp]

FAR = 1e12
"""Stands for "no such half": so far off that it fits nothing."""
TRUST = 0.8
"""Exponent of the ends' factors, which are not as independent as they are taken to be. With it and `ends.CAUTION` the
confidences of captured runs are calibrated."""
FEW = 4
"""Slots up to which all ways are added up."""
STAGES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Exponents of all odds while settling, a stage each."""
OFTENER, BEFORE_OPEN = 3, 6
"""How many times more steps begin where walkers disagree, or up to so many places before."""
LAGS_FROM, HABITS_FROM = 1, 2
"""Stages from which on lags and habits are learned."""
GROUP = 2
"""Walkers of a group: what they come to is put together (`trellis`)."""
DISAGREEMENT = 0.06
"""Share of the partners that two halves of the walkers may disagree on."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sampled.

    Attributes:
        size: For segments up to so many slots.
        walkers: How many walk.
        settling: Sweeps of each stage of settling.
        samples: Ways taken down of each walker after that.
        patience: How many times longer they settle, once more, where one half of them disagrees with the other.
    """

    size: float
    walkers: int
    settling: int
    samples: int
    patience: int = 1


EFFORTS = (Effort(200, 12, 24, 24, patience=4), Effort(np.inf, 6, 4, 32))
"""By size of segment."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Halves of one segment, each side in order of end; times in µs from any common zero.

    Attributes:
        out_time: Outbound ends.
        out_latest: End minus duration: the latest each can have started.
        out_port: Source ports of the outbound halves, 0 where unknown.
        in_time: Inbound ends.
        in_latest: The latest each inbound half can have started.
        partner: A first guess: the inbound half of each outbound one, or -1.
        seed: Hash of the segment's content.
        noted: When the server saw each outbound half's request; NaN where that is not known.
        usual: Usual delay between the two ztunnels.
    """

    out_time: FloatArray
    out_latest: FloatArray
    out_port: IntArray
    in_time: FloatArray
    in_latest: FloatArray
    partner: Index
    seed: int
    noted: FloatArray
    usual: float

    @property
    def slots(self) -> int:
        """Length of the arrays a segment takes: the larger side; the smaller one is filled with nobody."""
        return max(len(self.out_time), len(self.in_time))


def effort_for(slots: int, efforts: Sequence[Effort] = EFFORTS) -> Effort:
    """Which of the efforts a segment gets."""
    return next(effort for effort in efforts if slots <= effort.size)


def sample(segment: Candidates, effort: Effort, known: Habits | None = None) -> FloatArray:
    """The share of ways in which each outbound half (row) has each inbound half (column).

    Args:
        segment: The segment.
        effort: How much is sampled.
        known: Habits of such segments if they are known; else they are learned.
    """
    sampled = _Segment(segment, known)
    shares = sampled.added_up() if segment.slots <= FEW else sampled.walked(effort)
    return shares.T if sampled.turned else shares


class _Segment:
    """A segment as the model of ends sees it: late ends and early ends, filled up with nobody.

    Attributes:
        turned: The outbound ends are the early ones: the server closed first.
    """

    def __init__(self, halves: Candidates, known: Habits | None) -> None:
        self._halves = halves
        self._known = known
        self._habits = SHIPPED if known is None else known
        guess = halves.partner
        delay = halves.out_time[guess >= 0] - halves.in_time[guess[guess >= 0]]
        self.turned = len(delay) > 0 and float(np.median(delay)) < 0.0
        late, early = (halves.in_time, halves.out_time) if self.turned else (halves.out_time, halves.in_time)
        self._sizes = np.array([len(late), len(early)], np.int64)
        self._late = _filled(late, halves.slots, FAR)
        self._early = _filled(early, halves.slots, -FAR)
        self._pace = Pace.of(late, -delay if self.turned else delay, halves.usual)
        self._possible = ends.too_early(late, early, self._pace.least)
        self._gap = gap_classes(late, self._pace.service, 1)
        self._gap2 = gap_classes(late, self._pace.service, 2)
        self._start, self._order = starts.start_order(halves.out_latest, halves.out_port)
        self._lags = np.full(len(halves.out_time), np.nan)
        lag, noted = (halves.in_latest[None, :] - begun[:, None] for begun in (self._start, halves.noted))
        self._fits = starts.Fits(lag, noted)

    def walked(self, effort: Effort) -> FloatArray:
        """Shares: the mean over groups of walkers, each by all that can be put together from what they came to.

        One trellis of all walkers would believe those few that came to the likeliest ways, and be too sure.
        """
        partners = [self._first_guess() for _ in range(effort.walkers)]
        random = [_random(self._halves.seed, which) for which in range(effort.walkers)]
        groups = self._shares(partners, random, effort)
        if effort.patience > 1 and trellis.disagreement(groups) > DISAGREEMENT:
            groups = self._shares(partners, random, replace(effort, settling=effort.settling * effort.patience))
        shares: FloatArray = groups.mean(axis=0)
        return shares

    def _shares(self, partners: list[IntArray], random: list[IntArray], effort: Effort) -> FloatArray:
        """Let walkers settle; what each group of them says. Where they are and their random numbers are changed."""

        def stage(cold: float, samples: int) -> tuple[Ways, Counts]:
            spots = self._spots(np.stack(partners))
            burst, counts = self._burst(cold), Counts.none()
            ways = Ways.blank(effort.walkers * samples, int(self._sizes[0]))
            for which, (partner, numbers) in enumerate(zip(partners, random, strict=True)):
                part = ways.part(which, samples)
                walker.run(Walk(burst, partner, numbers, effort.settling, part, counts, *spots))
            return ways, counts

        for number, cold in enumerate(STAGES):
            _, counts = stage(cold, 0)
            if number >= LAGS_FROM:
                self._learn_lags(partners)
            if number >= HABITS_FROM and self._known is None:
                self._habits = SHIPPED.moved(counts.divided(effort.walkers))
        ways, _ = stage(1.0, effort.samples)
        parts = [ways.part(number, GROUP * effort.samples) for number in range(max(1, effort.walkers // GROUP))]
        return np.stack([trellis.shares(part, int(self._sizes[1])) for part in parts])

    def _spots(self, partners: npt.NDArray[np.int64]) -> tuple[IntArray, IntArray]:
        """Where steps begin, among late and among early ends: oftener where the walkers (rows) disagree."""
        open_ = (partners[:, : self._sizes[0]] != partners[0, : self._sizes[0]]).any(axis=0)
        taken = np.zeros(self._halves.slots, np.bool_)
        taken[np.unique(partners[:, : self._sizes[0]][:, open_])] = True
        return _oftener(open_), _oftener(taken[: self._sizes[1]])

    def added_up(self) -> FloatArray:
        """Shares of all ways."""
        outs, slots = int(self._sizes[0]), self._halves.slots
        burst = self._burst(1.0)
        way = ends.way(slots)
        chances, ways = [], list(permutations(range(slots)))
        for partner in ways:
            way.partner[:] = partner
            fit = sum(burst.fit[k, partner[k]] for k in range(outs))
            chances.append(ends.CAUTION * ends.set_all(burst, way) + fit)
        shares = np.zeros((outs, slots))
        most = max(chances)
        for chance, partner in zip(chances, ways, strict=True):
            shares[np.arange(outs), partner[:outs]] += math.exp(chance - most)
        added: FloatArray = shares[:, : self._sizes[1]] / shares[0].sum()
        return added

    def _burst(self, cold: float) -> ends.Burst:
        pace = self._pace
        fit = np.zeros((self._halves.slots, self._halves.slots))
        pairs = self._fits.around(self._lags)
        pairs = pairs.T if self.turned else pairs
        fit[: len(pairs), : pairs.shape[1]] = pairs + self._possible
        follows, own, batch = self._habits.weights(self._gap)
        numbers = np.array([pace.service, pace.least, pace.spread, TRUST, cold])
        return ends.Burst(
            self._sizes, numbers, self._late, self._early, fit, follows, own, batch, self._gap, self._gap2
        )

    def _first_guess(self) -> IntArray:
        taken = np.full(self._halves.slots, -1, np.int64)
        guess = self._halves.partner
        known = np.flatnonzero(guess >= 0)
        if self.turned:
            taken[guess[known]] = known
        else:
            taken[known] = guess[known]
        taken[taken < 0] = np.setdiff1d(np.arange(self._halves.slots), taken)
        return taken

    def _learn_lags(self, partners: Iterable[IntArray]) -> None:
        """Take the lags of starts from where the walkers are."""
        halves = self._halves
        latest = _filled(halves.in_latest, halves.slots, np.nan)
        inbound = [np.argsort(partner) if self.turned else partner for partner in partners]
        lag = np.stack([latest[taken[: len(self._start)]] for taken in inbound])
        known = np.isfinite(lag).sum(axis=0)
        middle = np.where(known > 0, np.nansum(lag, axis=0) / np.maximum(known, 1), np.nan)
        self._lags = starts.local_lags(middle - starts.WINDOW / 2 - self._start, self._order)


def _oftener(open_: BoolArray) -> IntArray:
    """All places once, and those that are open, or just before one that is, so many times more."""
    near = np.convolve(open_, np.ones(BEFORE_OPEN + 1))[BEFORE_OPEN:] > 0
    return np.concatenate([np.arange(len(open_)), np.repeat(np.flatnonzero(near), OFTENER)]).astype(np.int64)


def _filled(values: FloatArray, slots: int, nobody: float) -> FloatArray:
    return np.concatenate([values, np.full(slots - len(values), nobody)])


def _random(seed: int, which: int) -> IntArray:
    """Where the random numbers of a walker begin."""
    mixed = (seed + which * 0x9E3779B97F4A7C15) % 2**64
    return np.array([1 + mixed % 0xFFFFFFFF, (mixed >> 32) % 2**32], np.int64)
