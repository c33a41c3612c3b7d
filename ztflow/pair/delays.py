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
runs; results hardly depend on them: halving or doubling any one moves recall by less than 0.01. Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.pair.evidence import BoolArray, FloatArray, IntArray
from ztflow.pair.starts import WINDOW

FAR = 1e12
"""Stands for "no such half": so far off that every kernel vanishes."""

SAME_QUEUE, NEXT_BUT_ONE, NEARLY, NEW_QUEUE = 0.38, 0.10, 0.30, 0.20
"""Weights: the delay of the end just before goes on; that of the one before it (two threads taking turns); either
goes on roughly; a new queue."""
STEP_FIXED, STEP_SHARE = 2.0, 0.3
"""How much a delay changes within one queue: a little, and a share of the time gone by."""
STEP_NEARLY = 55.0
SUCCESSOR = 3.0
"""How much likelier a queue goes on with the very next inbound end than with a later one."""
DELAY = 300.0
"""Half of all new delays are below this."""
LEAST, LEAST_SLOPE = 30.0, 10.0
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

TRUST_ENDS, TRUST_STARTS, TRUST_WINDOWS = 0.5, 0.7, 0.8
"""Exponents of the three factors: neighbours' delays are not as independent as the product pretends. With these the
confidences of captured runs are calibrated; recall does not change."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Ends of the outbound halves in their order and of all inbound halves; the likelihood of a way to join them.

    Shapes: one entry a slot; results have one column a chain.
    """

    outbound: FloatArray
    inbound: FloatArray
    least: FloatArray
    scale_1: FloatArray
    scale_2: FloatArray
    share_1: FloatArray
    share_2: FloatArray
    share_new: FloatArray

    @staticmethod
    def of(outbound: FloatArray, inbound: FloatArray, place: IntArray, least: FloatArray) -> Ends:
        """The ends; `place` is each slot's position in its segment; `FAR` where there is no half."""
        one, two = _gap(outbound, place, 1), _gap(outbound, place, 2)
        weight_1 = np.where(np.isfinite(one), SAME_QUEUE, 0.0)
        weight_2 = np.where(np.isfinite(two), NEXT_BUT_ONE, 0.0)
        total = weight_1 + weight_2 + np.where(weight_1 > 0, NEARLY, 0.0) + NEW_QUEUE
        scale = [STEP_FIXED + STEP_SHARE * np.where(np.isfinite(gap), gap, 0.0) for gap in (one, two)]
        shares = [weight / total for weight in (weight_1, weight_2, np.full(len(outbound), NEW_QUEUE))]
        return Ends(
            outbound[:, None], inbound, least[:, None], *(a[:, None] for a in scale), *(a[:, None] for a in shares)
        )

    def likelihood(self, partner: IntArray) -> FloatArray:
        """Factor of each outbound end, given its partner and the partners of the two ends before it."""
        delay = self.outbound - self.inbound[partner]
        result = self.share_new * DELAY / (DELAY + np.maximum(delay, 0.0)) ** 2 + FLOOR
        for lag, share, scale in ((1, self.share_1, self.scale_1), (2, self.share_2, self.scale_2)):
            change = np.abs(delay[lag:] - delay[:-lag])
            near = scale[lag:] * 0.5 / (scale[lag:] + change) ** 2
            rough = STEP_NEARLY * 0.5 / (STEP_NEARLY + change) ** 2
            goes_on = share[lag:] * (near + NEARLY / (SAME_QUEUE + NEXT_BUT_ONE) * rough)
            result[lag:] += np.where(partner[lag:] - partner[:-lag] == 1, SUCCESSOR * goes_on, goes_on)
        early = np.maximum(self.least - delay, 0.0) / LEAST_SLOPE
        result /= (1.0 + early) ** 3
        return result


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
        first: Whether each is the first of its segment.
        nobody: Whether the slot has no outbound half.
        latest: The latest instant each inbound half can have started (end minus duration).
    """

    outbound: FloatArray
    first: BoolArray
    nobody: BoolArray
    latest: FloatArray

    def likelihood(self, start: FloatArray) -> FloatArray:
        """Factor of each hidden start, given the one before it; slots in start order."""
        lag = start - self.outbound
        result = LAG_NEW * LAG_DELAY / (LAG_DELAY + np.maximum(lag, 0.0)) ** 2
        result /= (1.0 + np.maximum(-lag, 0.0) / BEFORE_SLOPE) ** 3
        follows = np.abs(start[1:] - start[:-1])
        lags = np.abs(lag[1:] - lag[:-1])
        goes_on = START_FOLLOWS * START_SCALE * 0.5 / (START_SCALE + follows) ** 2
        goes_on += LAG_FOLLOWS * LAG_SCALE * 0.5 / (LAG_SCALE + lags) ** 2
        result[1:] += np.where(self.first[1:], 0.0, goes_on)
        return np.where(self.nobody, 1.0, result + FLOOR)

    def windows(self, partner: IntArray, start: FloatArray) -> FloatArray:
        """How well each hidden start fits the window its inbound half leaves open; slots in end order."""
        latest = self.latest[partner]
        before = latest - start
        outside = np.maximum(np.maximum(-before, before - WINDOW), 0.0)
        fits = np.where(
            outside <= 0,
            (1.0 - OUTSIDE) / WINDOW,
            OUTSIDE * OUTSIDE_SCALE * 0.5 / (OUTSIDE_SCALE + outside) ** 2,
        )
        return np.where(np.isfinite(latest), fits, 1.0 / WINDOW)
