"""The model of delays: how likely a way of pairing equal connections is.

What one ztunnel finishes reaches the other through a queue: stream ends arrive in the order they were sent, are worked
off by a few threads, each in order, so neighbours in time share their delay to within microseconds, in one of a few
interleaved sequences. So the likelihood of an assignment is a product over outbound ends in their order, each
given the one or two before it: either the delay goes on (narrowly, or nearly), or a new queue begins (any delay).

The starts tell the same story from the other end, seen through durations cut to whole milliseconds. The true start of
each inbound half is a hidden variable: it lies in the millisecond the line leaves open, after the outbound start,
and follows that of its neighbour in start order.

All kernels are rational (1/(1+x)²): heavy-tailed, and cheap enough to be evaluated some 10⁸ times a second. The scales
are physical (a ztunnel handles one stream in 15 to 25 µs, a burst stalls for some 100 µs) and were chosen on captured
runs; results hardly depend on them: halving or doubling one moves recall on the larger runs by less than 0.01.
Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ztflow.pair.outline import BoolArray, FloatArray, IntArray
from ztflow.pair.starts import WINDOW

Index = npt.NDArray[np.intp]

FAR = 1e12
"""Stands for "no such half": so far off that every kernel vanishes."""

SAME_QUEUE, NEXT_BUT_ONE, NEARLY, NEW_QUEUE = 0.38, 0.10, 0.30, 0.30
"""Weights: the delay of the end just before goes on; that of the one before it (two threads taking turns); either
goes on roughly; a new queue."""
STEP_FIXED, STEP_SHARE = 2.0, 0.3
"""How much a delay changes within one queue: a little, and a share of the time gone by."""
STEP_NEARLY = 55.0
SUCCESSOR = 4.0
"""How much likelier a queue goes on with the very next inbound end than with a later one."""
DELAY = 300.0
"""Half of all new delays are below this."""
LEAST, LEAST_SLOPE = 25.0, 10.0
"""An inbound end precedes its outbound end by at least this; how fast less becomes impossible."""
FLOOR = 1e-9

OUTSIDE, OUTSIDE_SCALE = 0.02, 300.0
"""Share of starts outside the window their line leaves open (clock reads are not at one instant), and how far."""
START_FOLLOWS, START_SCALE = 0.5, 30.0
"""The inbound start follows right after that of its neighbour."""
LAG_FOLLOWS, LAG_SCALE = 0.35, 150.0
"""The inbound start lags behind the outbound one like its neighbour's."""
LAG_NEW, LAG_DELAY = 0.25, 500.0
"""The inbound start lags by any amount; half of these by less than `LAG_DELAY`."""
BEFORE_SLOPE = 50.0
"""How fast an inbound start before the outbound one becomes impossible."""

TRUST_ENDS = 0.6
"""Exponent of the ends' factors: one overtaking shows in two to four of them. With it the confidences of captured runs
are calibrated; recall hardly changes."""


Factors: TypeAlias = npt.NDArray[np.float32]
"""One factor of the likelihood a slot and chain; single precision is plenty for odds and half the work."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Ends of the outbound halves in their order and of all inbound halves; the likelihood of a way to join them.

    Shapes: one entry a slot; results have one column a chain.
    """

    outbound: FloatArray
    inbound: FloatArray
    least: Factors
    new: Factors
    lags: tuple[tuple[int, Factors, Factors, Factors], ...]

    @staticmethod
    def of(outbound: FloatArray, inbound: FloatArray, place: IntArray, least: FloatArray) -> Ends:
        """The ends; `place` is each slot's position in its segment; `FAR` where there is no half."""
        gaps = {lag: _gap(outbound, place, lag) for lag in (1, 2)}
        weights = {1: SAME_QUEUE * np.isfinite(gaps[1]), 2: NEXT_BUT_ONE * np.isfinite(gaps[2])}
        total = weights[1] + weights[2] + NEARLY * np.isfinite(gaps[1]) + NEW_QUEUE
        lags = []
        for lag, gap in gaps.items():
            scale = STEP_FIXED + STEP_SHARE * np.where(np.isfinite(gap), gap, 0.0)
            share = weights[lag] / total
            rough = share * NEARLY / (SAME_QUEUE + NEXT_BUT_ONE)
            near = share * scale / 2
            lags.append((lag, _column(scale)[lag:], _column(near)[lag:], _column(rough * STEP_NEARLY / 2)[lag:]))
        return Ends(outbound[:, None], inbound, _column(least), _column(NEW_QUEUE / total * DELAY), tuple(lags))

    def likelihood(self, partner: Index) -> Factors:
        """Factor of each outbound end, given its partner and the partners of the two ends before it."""
        delay = (self.outbound - self.inbound.take(partner)).astype(np.float32)
        result = np.maximum(delay, 0)
        result += DELAY
        result *= result
        np.divide(self.new, result, out=result)
        result += FLOOR
        for lag, scale, near_share, rough_share in self.lags:
            change = np.abs(delay[lag:] - delay[:-lag])
            near = change + scale
            near *= near
            np.divide(near_share, near, out=near)
            change += STEP_NEARLY
            change *= change
            near += np.divide(rough_share, change, out=change)
            np.multiply(near, SUCCESSOR, out=near, where=partner[lag:] - partner[:-lag] == 1)
            result[lag:] += near
        early = np.subtract(self.least, delay, out=delay)
        early /= LEAST_SLOPE
        np.maximum(early, 0, out=early)
        early += 1
        early *= early * early
        result /= early
        result /= early
        np.maximum(result, FLOOR**2, out=result)
        return result


def _column(values: FloatArray) -> Factors:
    return values.astype(np.float32)[:, None]


def _gap(outbound: FloatArray, place: IntArray, lag: int) -> FloatArray:
    """Time since the outbound end `lag` slots before, infinite where there is none."""
    gap = np.full(len(outbound), np.inf)
    gap[lag:] = outbound[lag:] - outbound[:-lag]
    return np.where((place >= lag) & (outbound < FAR / 2), gap, np.inf)


@dataclass(frozen=True, slots=True)
class Starts:
    """Estimated outbound starts, in their order; the likelihood of hidden inbound starts.

    Attributes:
        outbound: Estimated outbound starts, one a slot, in start order.
        follows: False for the first of each segment.
        nobody: Whether the slot has no outbound half.
        latest: The latest instant each inbound half can have started (end minus duration); infinite for nobody.
    """

    outbound: Factors
    follows: BoolArray
    nobody: BoolArray
    latest: Factors

    def likelihood(self, start: Factors) -> Factors:
        """Factor of each hidden start, given the one before it; slots in start order."""
        lag = start - self.outbound
        near = np.abs(start[1:] - start[:-1])
        near += START_SCALE
        near *= near
        np.divide(START_FOLLOWS * START_SCALE / 2, near, out=near)
        alike = np.abs(lag[1:] - lag[:-1])
        alike += LAG_SCALE
        alike *= alike
        near += np.divide(LAG_FOLLOWS * LAG_SCALE / 2, alike, out=alike)
        near *= self.follows[1:]
        result: Factors = np.maximum(lag, 0)
        result += LAG_DELAY
        result *= result
        np.divide(LAG_NEW * LAG_DELAY, result, out=result)
        np.minimum(lag, 0, out=lag)
        lag /= -BEFORE_SLOPE
        lag += 1
        result /= lag * lag * lag
        result[1:] += near
        result += FLOOR
        np.copyto(result, 1, where=self.nobody)
        return result

    def windows(self, partner: Index, start: Factors) -> Factors:
        """How well each hidden start fits the window its inbound half leaves open; slots in end order."""
        outside: Factors = self.latest.take(partner)
        outside -= start + WINDOW / 2
        np.abs(outside, out=outside)
        outside -= WINDOW / 2
        inside = outside <= 0
        np.maximum(outside, 0, out=outside)
        outside += OUTSIDE_SCALE
        outside *= outside
        np.divide(OUTSIDE * OUTSIDE_SCALE / 2, outside, out=outside)
        np.copyto(outside, (1 - OUTSIDE) / WINDOW, where=inside)
        np.maximum(outside, FLOOR, out=outside)
        return outside
