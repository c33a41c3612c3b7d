"""How often each pairing occurs among the likely ways to pair equal connections.

The ways are sampled (Metropolis): starting from the least-squares assignment, partners are exchanged or rotated among
neighbours in time, hidden starts are shifted, and each change is taken with the odds the model of `delays` gives it.
The likelihood only couples neighbours, so changes in disjoint stretches are tried at the same time, in several chains
and for all segments at once, as array operations.

Random numbers are a hash of the segment's own content, the step and the position: a segment's result is the same
whatever else is sampled beside it, in any process.

Cost: 10 µs a slot and sweep at most, less in larger segments; memory about 10 kB a slot, for `match.TOGETHER` at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ztflow.pair import delays
from ztflow.pair.outline import BoolArray, FloatArray, IntArray, UIntArray, mix
from ztflow.pair.starts import WINDOW, start_order

Index = npt.NDArray[np.intp]

_STEP = 0xD1342543DE82EF95
_PLACE = np.uint64(0x2545F4914F6CDD1D)
_CHAIN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = 60.0
"""Usual size of a change of a hidden start, µs; the tail is Cauchy's."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sampled: for segments up to `size` slots, `chains` times (`sweeps` - `settling`) samples."""

    size: float
    chains: int
    sweeps: int
    settling: int
    swaps: tuple[int, ...]
    turns: tuple[int, ...]
    shifts: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Samples taken of each slot."""
        return self.chains * (self.sweeps - self.settling)


EFFORTS = (
    Effort(6, 32, 32, 12, (1, 2, 1, 3), (2, 4), (1, 2)),
    Effort(24, 16, 100, 40, (1, 2, 1, 3, 1, 2, 5), (2, 4, 7), (1, 3, 8)),
    Effort(200, 12, 220, 80, (1, 2, 1, 3, 1, 2, 5), (2, 4, 8, 14), (1, 3, 8, 20)),
    Effort(np.inf, 8, 52, 20, (1, 2, 1, 3, 1, 2, 5), (2, 4, 8, 14), (1, 3, 8, 20)),
)
"""By size of segment: distances of swaps, lengths of rotations and of shifted stretches tried in each sweep."""


COLD = 0.6
"""Exponent of all odds at the start of settling, rising to 1: lets whole runs change places before details freeze."""


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
    """

    out_time: FloatArray
    out_latest: FloatArray
    out_port: IntArray
    in_time: FloatArray
    in_latest: FloatArray
    partner: Index
    seed: int

    @property
    def slots(self) -> int:
        """Length of the arrays a segment takes: the larger side; the smaller one is filled with nobody."""
        return max(len(self.out_time), len(self.in_time))


def effort_for(slots: int) -> int:
    """Which of `EFFORTS` a segment gets."""
    return next(k for k, effort in enumerate(EFFORTS) if slots <= effort.size)


def sample(segments: Sequence[Candidates], effort: Effort) -> list[FloatArray]:
    """For each segment the share of samples in which each outbound half (row) has each inbound half (column)."""
    return _Sampler(segments, effort).run()


class _Sampler:
    """All segments end to end: one row a slot, one column a chain."""

    def __init__(self, segments: Sequence[Candidates], effort: Effort) -> None:
        self._effort = effort
        self._segments = segments
        slots = np.array([s.slots for s in segments])
        self._bounds = np.concatenate([[0], np.cumsum(slots)])
        self._first = np.repeat(self._bounds[:-1], slots)
        self._place = np.arange(self._bounds[-1]) - self._first
        self._seed = np.repeat(np.array([s.seed for s in segments], np.uint64), slots)
        self._steps = 0
        self._cold = 1.0
        self._chains = (np.arange(effort.chains, dtype=np.uint64) * _CHAIN)[None, :]

        def laid_out(parts: list[FloatArray], nobody: float) -> FloatArray:
            filled = [np.concatenate([p, np.full(n - len(p), nobody)]) for p, n in zip(parts, slots, strict=True)]
            return np.concatenate(filled)

        estimates, orders = [], []
        for segment, base, count in zip(segments, self._bounds, slots, strict=False):
            estimate, order = start_order(segment.out_latest, segment.out_port)
            estimates.append(estimate)
            orders.append(base + np.concatenate([order, np.arange(len(order), count)]))
        self._order: Index = np.concatenate(orders)
        self._position = np.empty_like(self._order)
        self._position[self._order] = np.arange(len(self._order))
        self._partner = np.repeat(self._first_guess()[:, None], effort.chains, axis=1)

        outbound = laid_out([s.out_time for s in segments], delays.FAR)
        least = np.repeat([_least(s) for s in segments], slots)
        inbound = laid_out([s.in_time for s in segments], -delays.FAR)
        self._ends = delays.Ends.of(outbound, inbound, self._place, least)
        start = laid_out(estimates, 0.0).astype(np.float32)[self._order][:, None]
        nobody = (outbound >= delays.FAR)[self._order][:, None]
        latest = laid_out([s.in_latest for s in segments], np.inf).astype(np.float32)
        self._starts = delays.Starts(start, (self._place > 0)[:, None], nobody, latest)
        fits = latest[self._partner][self._order]
        fits = np.where(np.isfinite(fits), fits, start + np.float32(WINDOW))
        self._start = np.clip(start + np.float32(delays.LAG_DELAY / 2), fits - np.float32(WINDOW - 1), fits - 1)
        self._start_by_end = self._start[self._position]

    def _first_guess(self) -> Index:
        guesses = []
        for segment, base in zip(self._segments, self._bounds, strict=False):
            taken = np.full(segment.slots, -1, np.intp)
            taken[: len(segment.partner)] = segment.partner
            taken[taken < 0] = np.setdiff1d(np.arange(segment.slots), taken)
            guesses.append(base + taken)
        return np.concatenate(guesses)

    def run(self) -> list[FloatArray]:
        """Sample; the shares of each segment."""
        self._end_factor = self._ends.likelihood(self._partner)
        self._window_factor = self._starts.windows(self._partner, self._start_by_end)
        self._start_factor = self._starts.likelihood(self._start)
        spare = [k for k, s in enumerate(self._segments) if len(s.in_time) > len(s.out_time)]
        samples = []
        for sweep in range(self._effort.sweeps):
            self._cold = min(1.0, COLD + (1 - COLD) * sweep / (0.7 * self._effort.settling))
            turns = iter(self._effort.turns)
            for nth, distance in enumerate(self._effort.swaps):
                # Every eighth sweep or so a distance is replaced by a longer one, so that all occur.
                self._rearrange(distance + (sweep % 6 if distance > 2 else 0), turn=False)
                if nth % 2:
                    self._shift(1)
                    if (length := next(turns, None)) is not None:
                        self._rearrange(length + (sweep % 5 if length > 2 else 0), turn=True)
            for length in turns:
                self._rearrange(length + 2 * (sweep % 8), turn=True)
            for length in self._effort.shifts:
                self._shift(length)
            if spare:  # last, and counted anew: what others draw must not depend on it
                self._exchange(np.array(spare))
            self._steps = (sweep + 1) * 10_000
            if sweep >= self._effort.settling:
                samples.append(self._partner.astype(np.int32))
        return self._shares(np.concatenate(samples, axis=1))

    def _shares(self, samples: npt.NDArray[np.int32]) -> list[FloatArray]:
        shares = []
        for segment, base in zip(self._segments, self._bounds.tolist(), strict=False):
            count, slots = len(segment.out_time), segment.slots
            codes = samples[base : base + count] - base + (np.arange(count) * slots)[:, None]
            seen = np.bincount(codes.ravel(), minlength=count * slots).reshape(count, slots)
            shares.append(seen[:, : len(segment.in_time)] / samples.shape[1])
        return shares

    def _stretches(self, length: int) -> tuple[Index, Index, IntArray, BoolArray]:
        """Cut every segment into stretches of a length at a random offset.

        Returns:
            Starts of the stretches; for each slot its stretch, its place in it, and whether the stretch is whole or
            ends its segment: then no factor of a slot behind it depends on its first `length` - 2 (end order) or - 1.
        """
        offset = (self._hash_of_segment() % np.uint64(length)).astype(np.int64)
        number = (self._place + offset) // length
        begins = np.ones(len(number), np.bool_)
        begins[1:] = (number[1:] != number[:-1]) | (self._first[1:] != self._first[:-1])
        starts = np.flatnonzero(begins)
        stretch = np.cumsum(begins) - 1
        stops = np.append(starts[1:], len(number))
        apart = (stops - starts == length) | np.isin(stops, self._bounds)
        return starts, stretch, np.arange(len(number)) - starts[stretch], apart[stretch]

    def _rearrange(self, distance: int, *, turn: bool) -> None:
        """In each stretch exchange the partners of its first slot and the one at a distance, or rotate all between."""
        starts, stretch, inner, apart = self._stretches(distance + 3)  # two more: their factors look back that far
        here = np.arange(len(stretch))
        size = np.diff(np.append(starts, len(stretch)))[stretch]
        whole = apart & (size > distance)
        if turn:
            forward = (self._random()[starts] < 0.5)[stretch]
            up = np.where(inner == distance, here - distance, here + 1)
            down = np.where(inner == 0, here + distance, here - 1)
            moved = np.where(whole & (inner <= distance), np.where(forward, up, down), here)
        else:
            moved = np.where(whole & (inner == 0), here + distance, here)
            moved = np.where(whole & (inner == distance), here - distance, moved)
        self._try_partners(self._partner.take(moved, axis=0), starts, stretch)

    def _exchange(self, spare: Index) -> None:
        """In segments with more inbound halves: give a free one to whoever has one of its neighbours."""
        holder = np.empty_like(self._partner)
        np.put_along_axis(holder, self._partner, np.arange(len(holder))[:, None], axis=0)
        chains = np.arange(self._effort.chains)[None, :]
        draw = self._hash_of_segment()[self._bounds[spare]]
        base = self._bounds[spare]
        count = np.array([len(self._segments[k].out_time) for k in spare])
        slots = np.array([self._segments[k].slots for k in spare])
        free_slot = base + count + (draw % (slots - count).astype(np.uint64)).astype(np.int64)
        step = ((draw >> np.uint64(32)) % np.uint64(6)).astype(np.int64) - 3
        step += step >= 0
        free = self._partner[free_slot]
        wanted = free + step[:, None]
        inside = (wanted >= base[:, None]) & (wanted < (base + slots)[:, None])
        other = holder[np.where(inside, wanted, free), chains]
        proposal = self._partner.copy()
        proposal[other, chains] = free
        proposal[free_slot[:, None], chains] = self._partner[other, chains]
        whole = np.repeat(np.arange(len(self._segments)), np.diff(self._bounds))
        self._try_partners(proposal, self._bounds[:-1], whole)

    def _try_partners(self, proposal: Index, starts: Index, stretch: Index) -> None:
        ends = self._ends.likelihood(proposal)
        windows = self._starts.windows(proposal, self._start_by_end)
        odds = _odds(ends, self._end_factor, starts) ** delays.TRUST_ENDS
        odds *= _odds(windows, self._window_factor, starts)
        taken = (self._random_each(starts) < odds**self._cold).take(stretch, axis=0)
        np.copyto(self._partner, proposal, where=taken)
        np.copyto(self._end_factor, ends, where=taken)
        np.copyto(self._window_factor, windows, where=taken)

    def _shift(self, length: int) -> None:
        """Shift the hidden starts of stretches in start order."""
        starts, stretch, inner, apart = self._stretches(length + 1)  # one more: its factor looks back
        step = (_SHIFT * np.tan(np.pi * (self._random_each(starts) * 0.998 - 0.499))).astype(np.float32)
        change = step.take(stretch, axis=0)
        change *= (apart & (inner < length))[:, None]
        change += self._start
        factor = self._starts.likelihood(change)
        by_end = change.take(self._position, axis=0)
        windows = self._starts.windows(self._partner, by_end)
        odds = _odds(factor, self._start_factor, starts)
        fits = (windows / self._window_factor).take(self._order, axis=0)
        odds *= np.multiply.reduceat(fits, starts, axis=0, dtype=np.float64)
        taken = (self._random_each(starts) < odds**self._cold).take(stretch, axis=0)
        np.copyto(self._start, change, where=taken)
        np.copyto(self._start_factor, factor, where=taken)
        taken = taken.take(self._position, axis=0)
        np.copyto(self._start_by_end, by_end, where=taken)
        np.copyto(self._window_factor, windows, where=taken)

    def _hash_of_segment(self) -> UIntArray:
        """A new random number for each segment, at each of its slots."""
        self._steps += 1
        return mix(self._seed + np.uint64(self._steps * _STEP % 2**64))

    def _random(self) -> FloatArray:
        """A new random number in [0, 1) for each slot."""
        return _unit(mix(self._hash_of_segment() + self._place.astype(np.uint64) * _PLACE))

    def _random_each(self, slots: Index) -> FloatArray:
        """New random numbers in [0, 1) for these slots, one for each chain."""
        drawn = self._hash_of_segment()[slots] + self._place[slots].astype(np.uint64) * _PLACE
        return _unit(mix(drawn[:, None] + self._chains))


def _odds(proposed: delays.Factors, current: delays.Factors, starts: Index) -> FloatArray:
    """How much likelier each stretch becomes."""
    return np.multiply.reduceat(proposed / current, starts, axis=0, dtype=np.float64)


def _unit(bits: UIntArray) -> FloatArray:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _least(segment: Candidates) -> float:
    """The least delay to expect: less than usual where the clocks' offsets are a little off."""
    known = segment.partner >= 0
    delay = segment.out_time[known] - segment.in_time[segment.partner[known]]
    return min(delays.LEAST, float(np.quantile(delay, 0.1)) if len(delay) else delays.LEAST)
