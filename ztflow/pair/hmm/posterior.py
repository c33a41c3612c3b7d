"""How likely each partner is among equal connections: the marginals over all likely ways to pair them.

The ways of a burst are added up by `lattice`. What that needs to know of the burst is not known at first: the habits
with which batches are worked off (`habits`), and how long after the outbound start the inbound one follows (`lags`).
Both are learned from the marginals, which are then computed again (expectation and maximisation). Between two nodes
clocks are known to some 20 µs only, which matters to the order of ends 18 µs apart: the least delay of the burst is
moved to where all ways together are most likely.

Nothing is random: a segment's marginals depend on nothing but its own content and what was known before it.

Cost: 0.3 to 1 ms a slot; memory 60 bytes a possible pair, and some MB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index, IntArray
from ztflow.pair.hmm import emissions, transitions
from ztflow.pair.hmm.forward_backward import Effort, Sums, add_up
from ztflow.pair.hmm.transition_rates import SHIPPED, Habits, Pace, gap_classes

FEW = 4
"""Up to so many slots nothing is learned: there is too little to learn from."""
SHIFTS = (0.0, 40.0, 20.0, 10.0)
"""Each time something is learned: by how many µs more and less the least delay is tried, too."""
MANY = 70
"""... where a segment has so many slots: fewer ends say little about clocks (captured bursts of 60 gain nothing)."""
CLOCK_ERROR = 20.0
"""How well clocks, hence the least delay, are known before, in µs."""
LEARNING, LEARNING_TRUST = Effort(100, 9.0), 0.8
"""While learning: what is kept, and the exponent of the ends' factors."""
EFFORT, TRUST = Effort(400, 12.0), 0.72
"""In the end. The factors are not as independent as they are taken to be: with this exponent the confidences of
captured runs are calibrated."""
CROWD, CROWD_LEARNING, CROWD_EFFORT = 200, Effort(40, 8.0), Effort(100, 9.0)
"""In segments of more slots less is kept, and learned once only: 10 000 at once are not to take long."""


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
        noted: When the server saw each outbound half's request; NaN where that is not known.
        usual: Usual delay between the two ztunnels.
    """

    out_time: FloatArray
    out_latest: FloatArray
    out_port: IntArray
    in_time: FloatArray
    in_latest: FloatArray
    partner: Index
    noted: FloatArray
    usual: float

    @property
    def slots(self) -> int:
        """The larger side."""
        return max(len(self.out_time), len(self.in_time))


def marginals(segment: Candidates, effort: Effort = EFFORT, known: Habits | None = None) -> FloatArray:
    """The probability that each outbound half (row) belongs to each inbound half (column).

    Args:
        segment: The segment.
        effort: How many states are kept in the end, up to `CROWD` slots.
        known: Habits of such segments if they are known; else they are learned.
    """
    burst = _Segment(segment, known)
    if segment.slots > CROWD:
        burst.learn(burst.sums(CROWD_LEARNING, LEARNING_TRUST))
        effort = CROWD_EFFORT
    elif segment.slots > FEW:
        for step in SHIFTS:
            burst.learn(burst.shifted(step if segment.slots >= MANY else 0.0))
    return burst.by_outbound(burst.sums(effort, TRUST).shares)


class _Segment:
    """A segment as the model of ends sees it, and what has been learned of it."""

    def __init__(self, halves: Candidates, known: Habits | None) -> None:
        self._halves = halves
        self._known = known
        self._habits = SHIPPED if known is None else known
        guess = halves.partner
        delay = halves.out_time[guess >= 0] - halves.in_time[guess[guess >= 0]]
        self._turned = len(delay) > 0 and float(np.median(delay)) < 0.0  # the server closed first: outbound is early
        late, early = (halves.in_time, halves.out_time) if self._turned else (halves.out_time, halves.in_time)
        self._ends, self._shift = (late, early), 0.0
        self._pace = pace = Pace.of(late, -delay if self._turned else delay, halves.usual)
        self._gaps = tuple(gap_classes(late, pace.service, back) for back in (1, 2))
        self._start, self._order = emissions.start_order(halves.out_latest, halves.out_port)
        lag, noted = (halves.in_latest[None, :] - begun[:, None] for begun in (self._start, halves.noted))
        self._fits = emissions.Fits(lag, noted)
        self._by_start = self._fits.given()

    def by_outbound(self, shares: FloatArray) -> FloatArray:
        """Shares of late ends (rows), or what is laid out like them, by outbound halves; and the other way round."""
        return shares.T if self._turned else shares

    def sums(self, effort: Effort, trust: float) -> Sums:
        """Add up all ways, with what is known so far."""
        late, early = self._ends
        least = self._pace.least + self._shift
        fit = self.by_outbound(self._by_start) + transitions.too_early(late, early, least)
        return add_up(
            transitions.Burst(
                np.array([len(late), len(early)]), np.array([least, trust]), late, early, np.ascontiguousarray(fit),
                *transitions.reads(late, early, least, self._pace.spread),
                *self._habits.weights(self._gaps[0]), *self._gaps,
            ),
            effort,
        )  # fmt: skip

    def shifted(self, step: float) -> Sums:
        """Add up all ways while learning, and move the least delay by this step where that is likelier."""
        here, found = self._shift, []
        for shift in (here, here - step, here + step) if step else (here,):
            self._shift = shift
            sums = self.sums(LEARNING, LEARNING_TRUST)
            found.append((sums.total - (shift / CLOCK_ERROR) ** 2 / 2, shift, sums))
        _, self._shift, sums = max(found, key=lambda one: one[0])
        return sums

    def learn(self, sums: Sums) -> None:
        """Take habits, unless they are known, and lags from what all ways together say."""
        if self._known is None:
            self._habits = SHIPPED.moved(sums.counts)
        self._by_start = self._fits.given(self.by_outbound(sums.shares), self._order)
