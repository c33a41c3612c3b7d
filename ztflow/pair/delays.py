"""The model of ends: how likely a way of pairing equal connections is by the order and delay of their ends.

What one ztunnel finishes reaches the other through a queue: stream ends arrive in the order they were sent, are worked
off by a few threads, each in order, so neighbours in time share their delay to within microseconds, in one of a few
interleaved sequences. So the likelihood of an assignment is a product over outbound ends in their order, each
given the one or two before it: either the delay goes on (narrowly, or nearly), or a new queue begins (any delay).

All kernels are rational (1/(1+x)²): heavy-tailed, and cheap enough to be evaluated some 10⁸ times a second. Their
weights and scales are the `habits` of each segment. Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ztflow.pair.habits import Habits, Seen
from ztflow.pair.outline import FloatArray, IntArray

Index = npt.NDArray[np.intp]

FAR = 1e12
"""Stands for "no such half": so far off that every kernel vanishes."""

STEP_FIXED, STEP_SHARE = 2.0, 0.3
"""How much a delay changes within one queue: a little, and a share of the time gone by."""
SUCCESSOR = 4.0
"""How much likelier a queue goes on with the very next inbound end than with a later one."""
LEAST, LEAST_SLOPE = 25.0, 10.0
"""An inbound end precedes its outbound end by at least this, where the delay is usual; how fast less becomes
impossible."""
FLOOR = 1e-9

TRUST_ENDS = 0.6
"""Exponent of the ends' factors: one overtaking shows in two to four of them. With it the confidences of captured runs
are calibrated; recall hardly changes."""


Factors: TypeAlias = npt.NDArray[np.float32]
"""One factor of the likelihood a chain and slot; single precision is plenty for odds and half the work."""


@dataclass(frozen=True, slots=True)
class _Lag:
    """What an end is compared with: the end `back` before it. One entry a slot from `back` on."""

    back: int
    step: Factors
    of_step: Factors
    rough: Factors
    of_rough: Factors


@dataclass(frozen=True, slots=True)
class Ends:
    """Ends of the outbound halves in their order and of all inbound halves; the likelihood of a way to join them.

    Shapes: one entry a slot; results have one row a chain.
    """

    outbound: FloatArray
    inbound: FloatArray
    delay: Factors
    of_new: Factors
    lags: tuple[_Lag, ...]

    @staticmethod
    def of(outbound: FloatArray, inbound: FloatArray, place: IntArray, habits: Habits) -> Ends:
        """The ends.

        Args:
            outbound: Outbound ends; `FAR` where there is no half.
            inbound: Inbound ends; -`FAR` where there is no half.
            place: Each slot's position in its segment.
            habits: One value a slot.
        """
        gaps = {back: _gap(outbound, place, back) for back in (1, 2)}
        weights = {1: habits.same * np.isfinite(gaps[1]), 2: habits.other * np.isfinite(gaps[2])}
        total = weights[1] + weights[2] + habits.nearly * np.isfinite(gaps[1]) + habits.new
        lags = []
        for back, gap in gaps.items():
            step = habits.step * (STEP_FIXED + STEP_SHARE * np.where(np.isfinite(gap), gap, 0.0))
            share = weights[back] / total
            roughly = share * habits.nearly / (habits.same + habits.other)
            parts = (step, share * step / 2, habits.rough, roughly * habits.rough / 2)
            lags.append(_Lag(back, *(_single(part)[back:] for part in parts)))
        return Ends(outbound, inbound, _single(habits.delay), _single(habits.new / total * habits.delay), tuple(lags))

    def likelihood(self, partner: Index) -> Factors:
        """Logarithm of the factor of each outbound end, given its partner and those of the two ends before it."""
        delay = (self.outbound - self.inbound.take(partner)).astype(np.float32)
        result = np.maximum(delay, 0)
        result += self.delay
        result *= result
        np.divide(self.of_new, result, out=result)
        result += FLOOR
        for lag in self.lags:
            change = np.abs(delay[..., lag.back :] - delay[..., : -lag.back])
            near = change + lag.step
            near *= near
            np.divide(lag.of_step, near, out=near)
            change += lag.rough
            change *= change
            near += np.divide(lag.of_rough, change, out=change)
            near *= _successors(partner, lag.back)
            result[..., lag.back :] += near
        return np.log(result, out=result)

    def seen(self, partner: Index, bounds: Index) -> Seen:
        """What these ways to join the ends show of the habits (the expectation), per segment beginning at `bounds`."""
        delay = (self.outbound - self.inbound.take(partner)).astype(np.float32)
        reach = np.maximum(delay, 0) + self.delay
        new = self.of_new / (reach * reach)
        total = new + np.float32(FLOOR)
        same: list[Factors] = []
        nearly: list[Factors] = []
        step_width: list[Factors] = []
        rough_width: list[Factors] = []
        for lag in self.lags:
            change = np.abs(delay[..., lag.back :] - delay[..., : -lag.back])
            follows = _successors(partner, lag.back)
            for kinds, widths, scale, share in (
                (same, step_width, lag.step, lag.of_step),
                (nearly, rough_width, lag.rough, lag.of_rough),
            ):
                part = np.zeros_like(delay)
                part[..., lag.back :] = share / (change + scale) ** 2 * follows
                total += part
                width = part.copy()
                width[..., lag.back :] *= 2 * scale / (change + scale)
                kinds.append(part)
                widths.append(width)
        real = (self.outbound < FAR / 2) & (self.inbound.take(partner) > -FAR / 2)

        def summed(*parts: Factors) -> FloatArray:
            share = np.where(real, sum(parts) / total, 0)
            each: FloatArray = np.add.reduceat(share.mean(axis=0, dtype=np.float64), bounds)
            return each

        return Seen(
            summed(same[0]), summed(same[1]), summed(*nearly), summed(new),
            summed(*step_width), summed(*rough_width), summed(new * (2 * self.delay / reach)),
        )  # fmt: skip


def _successors(partner: Index, back: int) -> Factors:
    """`SUCCESSOR` where an end's partner is the very next after that of the end `back` before it, else 1."""
    follows: Factors = (partner[..., back:] - partner[..., :-back] == 1).astype(np.float32)
    follows *= SUCCESSOR - 1
    follows += 1
    return follows


def _single(values: FloatArray) -> Factors:
    return values.astype(np.float32)


def _gap(outbound: FloatArray, place: IntArray, back: int) -> FloatArray:
    """Time since the outbound end `back` slots before, infinite where there is none."""
    gap = np.full(len(outbound), np.inf)
    gap[back:] = outbound[back:] - outbound[:-back]
    return np.where((place >= back) & (outbound < FAR / 2), gap, np.inf)


def not_too_early(delay: FloatArray, least: float) -> FloatArray:
    """Logarithm of how possible each delay is: the inbound end comes first, by `least` or more."""
    return np.asarray(-6 * TRUST_ENDS * np.log1p(np.maximum(least - delay, 0) / LEAST_SLOPE))
