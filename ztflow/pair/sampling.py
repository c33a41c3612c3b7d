"""How often each pairing occurs among the likely ways to pair equal connections.

The ways are sampled (Metropolis): starting from the least-squares assignment, partners are exchanged or rotated among
neighbours in time, and each change is taken with the odds that ends (`delays`) and starts (`starts`) give it. The
likelihood only couples neighbours, so changes in disjoint stretches are tried at the same time, in several chains
and for all segments at once, as array operations.

While it settles, what the samples show of the segment's habits (`habits`) and of its lags replaces what is usual.

Random numbers are a hash of the segment's own content, the step and the position: a segment's result is the same
whatever else is sampled beside it, in any process.

Cost: 4 µs a slot and sweep at most; memory about 3 kB a slot, for `match.TOGETHER` at once, and 60 bytes a possible
pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ztflow.pair import delays, habits, starts
from ztflow.pair.outline import BoolArray, FloatArray, IntArray, UIntArray, mix

Index = npt.NDArray[np.intp]

_STEP = 0xD1342543DE82EF95
_PLACE = np.uint64(0x2545F4914F6CDD1D)
_CHAIN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sampled: for segments up to `size` slots, `chains` times (`sweeps` - `settling`) samples."""

    size: float
    chains: int
    sweeps: int
    settling: int
    swaps: tuple[int, ...]
    turns: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Samples taken of each slot."""
        return self.chains * (self.sweeps - self.settling)


EFFORTS = (
    Effort(6, 32, 32, 12, (1, 2, 1, 3), (2, 4)),
    Effort(24, 16, 100, 40, (1, 2, 1, 3, 1, 2, 5), (2, 4, 7)),
    Effort(200, 16, 120, 60, (1, 2, 1, 3, 1, 2, 5), (2, 4, 8, 14)),
    Effort(np.inf, 8, 52, 20, (1, 2, 1, 3, 1, 2, 5), (2, 4, 8, 14)),
)
"""By size of segment: distances of swaps and lengths of rotations tried in each sweep."""
LEARN_AT = (1 / 3, 2 / 3, 1.0)
"""When, as parts of the settling, habits and lags are learned from the samples."""
ROUNDS = 2
"""Steps of expectation and maximisation each time."""


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


def effort_for(slots: int, efforts: Sequence[Effort] = EFFORTS) -> int:
    """Which of the efforts a segment gets."""
    return next(k for k, effort in enumerate(efforts) if slots <= effort.size)


def sample(segments: Sequence[Candidates], effort: Effort, known: habits.Habits | None = None) -> list[FloatArray]:
    """For each segment the share of samples in which each outbound half (row) has each inbound half (column).

    Args:
        segments: The segments.
        effort: How much is sampled.
        known: Habits of any such segment, one value each, if they are known; else they are learned.
    """
    return _Sampler(segments, effort, known).run()


class _Sampler:
    """All segments end to end: one row a slot, one column a chain."""

    def __init__(self, segments: Sequence[Candidates], effort: Effort, known: habits.Habits | None) -> None:
        self._effort = effort
        self._segments = segments
        slots = np.array([s.slots for s in segments])
        self._bounds = np.concatenate([[0], np.cumsum(slots)])
        self._first = np.repeat(self._bounds[:-1], slots)
        self._place = np.arange(self._bounds[-1]) - self._first
        self._hashed_place = self._place.astype(np.uint64) * _PLACE
        self._seed = np.repeat(np.array([s.seed for s in segments], np.uint64), slots)
        self._steps = 0
        self._cold = 1.0
        self._chains = (np.arange(effort.chains, dtype=np.uint64) * _CHAIN)[:, None]

        def laid_out(parts: list[FloatArray], nobody: float) -> FloatArray:
            filled = [np.concatenate([p, np.full(n - len(p), nobody)]) for p, n in zip(parts, slots, strict=True)]
            return np.concatenate(filled)

        outbound = laid_out([s.out_time for s in segments], delays.FAR)
        inbound = laid_out([s.in_time for s in segments], -delays.FAR)
        self._slots = slots
        self._sides = outbound, inbound
        self._rounds = ROUNDS if known is None else 0
        self._usual = (
            habits.Habits.usual(np.array([s.usual for s in segments]))
            if known is None
            else (known.of_slots(np.array([len(segments)])))
        )
        self._habits = self._usual
        self._starts = [starts.start_order(s.out_latest, s.out_port) for s in segments]
        self._weigh([np.full(len(s.out_time), np.nan) for s in segments])
        begins = np.concatenate([[0], np.cumsum(slots**2)])[:-1]
        self._row = np.repeat(begins - self._bounds[:-1], slots) + self._place * np.repeat(slots, slots)
        self._partner = np.repeat(self._first_guess()[None, :], effort.chains, axis=0)

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
        self._factor = self._likelihood(self._partner)
        spare = [k for k, s in enumerate(self._segments) if len(s.in_time) > len(s.out_time)]
        learn_at = {round(part * self._effort.settling) for part in LEARN_AT}
        samples = []
        for sweep in range(self._effort.sweeps):
            self._cold = min(1.0, COLD + (1 - COLD) * sweep / (0.7 * self._effort.settling))
            turns = iter(self._effort.turns)
            for nth, distance in enumerate(self._effort.swaps):
                # Every eighth sweep or so a distance is replaced by a longer one, so that all occur.
                self._rearrange(distance + (sweep % 6 if distance > 2 else 0), turn=False)
                if nth % 2 and (length := next(turns, None)) is not None:
                    self._rearrange(length + (sweep % 5 if length > 2 else 0), turn=True)
            for length in turns:
                self._rearrange(length + 2 * (sweep % 8), turn=True)
            if sweep + 1 in learn_at:
                self._learn()
            if spare:  # last, and counted anew: what others draw must not depend on it
                self._exchange(np.array(spare))
            self._steps = (sweep + 1) * 10_000
            if sweep >= self._effort.settling:
                samples.append(self._partner.astype(np.int32))
        return self._shares(np.concatenate(samples))

    def _weigh(self, local: Sequence[FloatArray]) -> None:
        """Set up the likelihoods by the habits and local lags known by now."""
        self._ends = delays.Ends.of(*self._sides, self._place, self._habits.of_slots(self._slots))
        parts = zip(self._segments, self._starts, local, strict=True)
        tables = [_pairs(segment, start, lags).ravel() for segment, (start, _), lags in parts]
        self._pairs = np.concatenate(tables).astype(np.float32)

    def _learn(self) -> None:
        """Take habits and lags from where the chains are now."""
        local = []
        for segment, base, (start, order) in zip(self._segments, self._bounds.tolist(), self._starts, strict=False):
            latest = np.concatenate([segment.in_latest, np.full(segment.slots - len(segment.in_latest), np.nan)])
            partner = self._partner[:, base : base + len(start)] - base
            lag = latest[partner].mean(axis=0) - starts.WINDOW / 2 - start
            local.append(starts.local_lags(lag, order))
        for _ in range(self._rounds):
            seen = self._ends.seen(self._partner, self._bounds[:-1])
            self._habits = habits.adapted(self._habits, self._usual, seen)
            self._ends = delays.Ends.of(*self._sides, self._place, self._habits.of_slots(self._slots))
        self._weigh(local)
        self._factor = self._likelihood(self._partner)

    def _likelihood(self, partner: Index) -> delays.Factors:
        result = self._ends.likelihood(partner)
        result *= np.float32(delays.TRUST_ENDS)
        result += self._pairs.take(partner + self._row)
        return result

    def _shares(self, samples: npt.NDArray[np.int32]) -> list[FloatArray]:
        shares = []
        for segment, base in zip(self._segments, self._bounds.tolist(), strict=False):
            count, slots = len(segment.out_time), segment.slots
            codes = samples[:, base : base + count] - base + np.arange(count) * slots
            seen = np.bincount(codes.ravel(), minlength=count * slots).reshape(count, slots)
            shares.append(seen[:, : len(segment.in_time)] / len(samples))
        return shares

    def _stretches(self, length: int) -> tuple[Index, Index, IntArray, BoolArray]:
        """Cut every segment into stretches of a length at a random offset.

        Returns:
            Starts of the stretches; for each slot its stretch, its place in it, and whether the stretch is whole or
            ends its segment: then no factor of a slot behind it depends on its first `length` - 2.
        """
        offset = (self._hash_of_segment() % np.uint64(length)).astype(np.int64)
        number = (self._place + offset) // length
        begins = np.ones(len(number), np.bool_)
        begins[1:] = (number[1:] != number[:-1]) | (self._first[1:] != self._first[:-1])
        starts = np.flatnonzero(begins)
        stretch = np.cumsum(begins) - 1
        stops = np.append(starts[1:], len(number))
        ends = np.zeros(len(number) + 1, np.bool_)
        ends[self._bounds] = True
        apart = (stops - starts == length) | ends[stops]
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
        self._try_partners(self._partner.take(moved, axis=1), starts, stretch)

    def _exchange(self, spare: Index) -> None:
        """In segments with more inbound halves: give a free one to whoever has one of its neighbours."""
        holder = np.empty_like(self._partner)
        np.put_along_axis(holder, self._partner, np.arange(holder.shape[1])[None, :], axis=1)
        chains = np.arange(self._effort.chains)[:, None]
        draw = self._hash_of_segment()[self._bounds[spare]]
        base = self._bounds[spare]
        count = np.array([len(self._segments[k].out_time) for k in spare])
        slots = np.array([self._segments[k].slots for k in spare])
        free_slot = base + count + (draw % (slots - count).astype(np.uint64)).astype(np.int64)
        step = ((draw >> np.uint64(32)) % np.uint64(6)).astype(np.int64) - 3
        step += step >= 0
        free = self._partner[:, free_slot]
        wanted = free + step
        inside = (wanted >= base) & (wanted < base + slots)
        other = holder[chains, np.where(inside, wanted, free)]
        proposal = self._partner.copy()
        proposal[chains, other] = free
        proposal[:, free_slot] = self._partner[chains, other]
        whole = np.repeat(np.arange(len(self._segments)), np.diff(self._bounds))
        self._try_partners(proposal, self._bounds[:-1], whole)

    def _try_partners(self, proposal: Index, starts: Index, stretch: Index) -> None:
        factor = self._likelihood(proposal)
        odds = np.add.reduceat(factor - self._factor, starts, axis=1)
        odds *= np.float32(self._cold)
        taken = (self._random_each(starts) < np.exp(odds)).take(stretch, axis=1)
        np.copyto(self._partner, proposal, where=taken)
        np.copyto(self._factor, factor, where=taken)

    def _hash_of_segment(self) -> UIntArray:
        """A new random number for each segment, at each of its slots."""
        self._steps += 1
        return mix(self._seed + np.uint64(self._steps * _STEP % 2**64))

    def _random(self) -> FloatArray:
        """A new random number in [0, 1) for each slot."""
        return _unit(mix(self._hash_of_segment() + self._hashed_place))

    def _random_each(self, slots: Index) -> FloatArray:
        """New random numbers in [0, 1) for these slots, one for each chain."""
        drawn = self._hash_of_segment()[slots] + self._hashed_place[slots]
        return _unit(mix(drawn + self._chains))


def _unit(bits: UIntArray) -> FloatArray:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _pairs(segment: Candidates, start: FloatArray, local: FloatArray) -> FloatArray:
    """What each pair's own delay and starts say; nothing for nobody. Shape: slots by slots."""
    result = np.zeros((segment.slots, segment.slots))
    delay = np.subtract.outer(segment.out_time, segment.in_time)
    lag, noted = (segment.in_latest[None, :] - begun[:, None] for begun in (start, segment.noted))
    fit = delays.not_too_early(delay, _least(segment)) + starts.fits(lag, local, noted)
    result[: len(segment.out_time), : len(segment.in_time)] = fit
    return result


def _least(segment: Candidates) -> float:
    """The least delay to expect: less than usual where the clocks' offsets are a little off."""
    known = segment.partner >= 0
    delay = segment.out_time[known] - segment.in_time[segment.partner[known]]
    least = delays.LEAST * segment.usual / habits.USUAL
    return min(least, float(np.quantile(delay, 0.1)) if len(delay) else least)
