"""How the delays of one burst behave: weights and scales of the model in `delays`, learned from the burst itself.

The scales of an idle node are not those of a storm, nor one machine's those of another. So a burst starts with what
captured runs show and the usual delay that sure pairs between the same two ztunnels had, and moves to what its own
likely pairings show (expectation and maximisation, on the samples taken while settling). Some `PRIOR` ends' worth of
the start stays, which holds small bursts back: few ends prove nothing. Nothing but the burst's own halves and sure
pairs before it is looked at, so the result is the same for any cut of the input. Units: microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ztflow.pair.outline import FloatArray, IntArray

SAME_QUEUE, NEXT_BUT_ONE, NEARLY, NEW_QUEUE = 0.38, 0.20, 0.30, 0.30
"""Weights: the delay of the end just before goes on; that of the one before it (two threads taking turns); either
goes on roughly; a new queue. Captured runs differ from them, and from each other, by a factor of two."""
STEP_NEARLY = 55.0
"""How much a delay that goes on roughly changes."""
DELAY = 300.0
"""Half of all new delays are below this, where the usual delay is `USUAL`."""
USUAL = 150.0
"""Usual delay between two ztunnels."""
PRIOR_WEIGHTS, PRIOR_SCALES = 30.0, 5.0
"""Ends' worth of trust in the start: for weights, and for scales."""
MOST = 10.0
"""Factor by which a scale may leave its start."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Weights and scales; one value a segment, or one a slot.

    Attributes:
        same: Weight of a delay that goes on from the end just before.
        other: Weight of one that goes on from the end before that.
        nearly: Weight of either going on roughly.
        new: Weight of a new queue.
        step: How much a delay changes within a queue, against the usual.
        rough: How much it changes when it goes on roughly.
        delay: Half of all new delays are below this.
    """

    same: FloatArray
    other: FloatArray
    nearly: FloatArray
    new: FloatArray
    step: FloatArray
    rough: FloatArray
    delay: FloatArray

    @staticmethod
    def usual(delay: FloatArray) -> Habits:
        """What captured runs show, given the usual delay of each segment's ztunnels."""
        even = np.ones(len(delay))
        return Habits(
            SAME_QUEUE * even, NEXT_BUT_ONE * even, NEARLY * even, NEW_QUEUE * even,
            even, STEP_NEARLY * even, DELAY / USUAL * delay,
        )  # fmt: skip

    def of_slots(self, slots: IntArray) -> Habits:
        """One value a slot, for segments of so many slots."""
        return Habits(*(np.repeat(getattr(self, field.name), slots) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ends of each segment show, summed over its ends: how many were of which kind, and how wide they lay.

    A width is the sum of 2·scale / (scale + size) over ends of that kind; it equals their number where the scale is
    the likeliest.
    """

    same: FloatArray
    other: FloatArray
    nearly: FloatArray
    new: FloatArray
    step_width: FloatArray
    rough_width: FloatArray
    delay_width: FloatArray


def adapted(habits: Habits, start: Habits, seen: Seen) -> Habits:
    """Habits that fit what was seen better, held back by those at the start: one step of maximisation."""
    count = seen.same + seen.other + seen.nearly + seen.new
    whole = start.same + start.other + start.nearly + start.new

    def weight(before: FloatArray, number: FloatArray) -> FloatArray:
        return (PRIOR_WEIGHTS * before + number * whole) / (PRIOR_WEIGHTS + count)

    def scale(now: FloatArray, before: FloatArray, number: FloatArray, width: FloatArray) -> FloatArray:
        moved = now / before * (number + PRIOR_SCALES) / (width + PRIOR_SCALES)
        return before * np.clip(moved, 1 / MOST, MOST)

    return Habits(
        weight(start.same, seen.same),
        weight(start.other, seen.other),
        weight(start.nearly, seen.nearly),
        weight(start.new, seen.new),
        scale(habits.step, start.step, seen.same + seen.other, seen.step_width),
        scale(habits.rough, start.rough, seen.nearly, seen.rough_width),
        scale(habits.delay, start.delay, seen.new, seen.delay_width),
    )
