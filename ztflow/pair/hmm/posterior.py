"""Posterior: the probability of each partner among equal connections, by expectation maximisation over a burst.

`forward_backward` adds up all likely pairing paths of a burst. Two things it needs are not known at first: the rates
with which the burst's batches are worked off (`transition_rates`), and how long after the outbound start the inbound
one follows (`start_lags`). Both are learned from the posterior, which is then computed again. Between two nodes clocks
are known to some 20 µs only, which matters to the order of ends 18 µs apart: the least delay of the burst is moved to
where all paths together are most likely.

Nothing is random: the posterior of a burst depends on nothing but its own content and what was known before it.

Cost: 0.3 to 1 ms a slot; memory 60 bytes a possible pair, and some MB.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index, IntArray
from ztflow.columns.group_statistics import middle
from ztflow.pair.hmm import emissions, transitions
from ztflow.pair.hmm.emissions import EMISSIONS, EmissionParameters
from ztflow.pair.hmm.forward_backward import Beam, PathSums, sum_paths
from ztflow.pair.hmm.transition_rates import (
    TRANSITION_RATES,
    Pace,
    TransitionRateParameters,
    TransitionRates,
    default_rates,
    gap_classes,
)


class PosteriorParameters(NamedTuple):
    """How much is learned, and how many states are kept.

    Attributes:
        few: Up to so many slots (the larger side) nothing is learned: there is too little to learn from. Chosen.
        shifts: One number each time something is learned: by how many µs more and less the least delay is tried, too.
            Chosen.
        many: The least delay is shifted in bursts of at least so many slots: fewer ends say little about clocks.
            Captured bursts of 60 gain nothing.
        settled: In smaller bursts learning ends when no probability changes by more, or none is further from 0 and 1.
            Captured bursts, sizes masked: going on to the last shift gives the same figures.
        clock_error: How well clocks, hence the least delay, are known before, in µs. Chosen.
        learning: States kept while learning. Chosen.
        learning_exponent: Exponent of the weights of steps while learning. Chosen.
        beam: States kept in the end. Chosen.
        exponent: Exponent of the weights of steps in the end. They are not as independent as they are taken to be: with
            this one the confidences of captured runs are calibrated.
        crowd: In bursts of more slots less is kept, and learned once only: 10 000 at once are not to take long. Chosen.
        crowd_learning: States kept in those while learning. Chosen.
        crowd_beam: States kept in those in the end. Chosen.
        rates: Pace and transition rates.
        emissions: Starts.
    """

    few: int = 4
    shifts: tuple[float, ...] = (0.0, 40.0, 20.0, 10.0)
    many: int = 70
    settled: float = 0.01
    clock_error: float = 20.0
    learning: Beam = Beam(100, 9.0)
    learning_exponent: float = 0.8
    beam: Beam = Beam(400, 12.0)
    exponent: float = 0.72
    crowd: int = 200
    crowd_learning: Beam = Beam(40, 6.0)
    crowd_beam: Beam = Beam(100, 7.5)
    rates: TransitionRateParameters = TRANSITION_RATES
    emissions: EmissionParameters = EMISSIONS


POSTERIOR: Final = PosteriorParameters()


class Candidates(NamedTuple):
    """Halves of one burst, each side in order of end; times in µs from any common zero.

    Attributes:
        out_time: Outbound ends.
        out_latest: End minus duration: the latest each can have started.
        out_port: Source ports of the outbound halves, 0 where unknown.
        in_time: Inbound ends.
        in_latest: The latest each inbound half can have started.
        partner: A first guess: the inbound half of each outbound one, or -1.
        noted: When the server saw each outbound half's request; NaN where that is not known.
        usual_delay: Usual delay between the two ztunnels.
    """

    out_time: FloatArray
    out_latest: FloatArray
    out_port: IntArray
    in_time: FloatArray
    in_latest: FloatArray
    partner: Index
    noted: FloatArray
    usual_delay: float

    @property
    def slots(self) -> int:
        """The larger side."""
        return max(len(self.out_time), len(self.in_time))


def partner_posterior(
    candidates: Candidates, parameters: PosteriorParameters = POSTERIOR, known: TransitionRates | None = None
) -> FloatArray:
    """The probability that each outbound half (row) belongs to each inbound half (column).

    Args:
        candidates: The burst.
        parameters: The figures.
        known: Transition rates of such bursts if they are known; else they are learned.
    """
    model = _Model(candidates, parameters, known)
    if candidates.slots > parameters.crowd:
        model.learn(model.sums(parameters.crowd_learning, parameters.learning_exponent))
        sums = model.sums(parameters.crowd_beam, parameters.exponent)
    else:
        model.learn_on(parameters.shifts if candidates.slots > parameters.few else ())
        sums = model.sums(parameters.beam, parameters.exponent)
    return model.by_outbound(sums.posterior)


class _Model:
    """A burst as the hidden Markov model sees it, and what has been learned of it."""

    def __init__(self, halves: Candidates, parameters: PosteriorParameters, known: TransitionRates | None) -> None:
        self._halves = halves
        self._parameters = parameters
        self._known = known
        self._rates = default_rates() if known is None else known
        guess = halves.partner
        delay = halves.out_time[guess >= 0] - halves.in_time[guess[guess >= 0]]
        self._turned = len(delay) > 0 and middle(delay) < 0.0  # the server closed first: outbound is early
        late, early = (halves.in_time, halves.out_time) if self._turned else (halves.out_time, halves.in_time)
        self._ends, self._shift = (late, early), 0.0
        delay = -delay if self._turned else delay
        self._pace = pace = Pace.of(late, delay, halves.usual_delay, parameters.rates)
        self._gaps = tuple(gap_classes(late, pace.service, back) for back in (1, 2))
        self._start, self._order = emissions.start_order(halves.out_latest, halves.out_port, parameters.emissions)
        lag, noted = (halves.in_latest[None, :] - begun[:, None] for begun in (self._start, halves.noted))
        self._starts = emissions.StartEmissions(lag, noted, parameters.emissions)
        self._by_start = self._starts.given()

    def by_outbound(self, cells: FloatArray) -> FloatArray:
        """Transpose from rows by late end to rows by outbound half where these differ, or back."""
        return cells.T if self._turned else cells

    def sums(self, beam: Beam, exponent: float) -> PathSums:
        """Add up all pairing paths with the rates and lags learned so far."""
        late, early = self._ends
        least = self._pace.least + self._shift
        emission = self.by_outbound(self._by_start) + transitions.too_early(late, early, least)
        return sum_paths(
            transitions.Burst(
                np.array([len(late), len(early)]), np.array([least, exponent]), late, early,
                np.ascontiguousarray(emission), *transitions.reads(late, early, least, self._pace.spread),
                *self._rates.weights(self._gaps[0], self._parameters.rates), *self._gaps,
            ),
            beam,
        )  # fmt: skip

    def shifted(self, step: float) -> PathSums:
        """Add up all paths while learning, and move the least delay by this step where that is likelier."""
        use = self._parameters
        here, found = self._shift, []
        for shift in (here, here - step, here + step) if step else (here,):
            self._shift = shift
            sums = self.sums(use.learning, use.learning_exponent)
            found.append((sums.total - (shift / use.clock_error) ** 2 / 2, shift, sums))
        _, self._shift, sums = max(found, key=lambda one: one[0])
        return sums

    def learn_on(self, shifts: tuple[float, ...]) -> None:
        """Learn until nothing changes any more, or as often as there are shifts."""
        use = self._parameters
        before = None
        for step in shifts:
            sums = self.shifted(step if self._halves.slots >= use.many else 0.0)
            least = sums.posterior.round() if before is None else before  # the first time: is there any doubt?
            if self._halves.slots < use.many and np.abs(sums.posterior - least).max() < use.settled:
                return
            self.learn(sums)
            before = sums.posterior

    def learn(self, sums: PathSums) -> None:
        """Learn start lags, and transition rates unless they are given, from all paths together."""
        if self._known is None:
            self._rates = default_rates().moved(sums.counts, self._parameters.rates)
        self._by_start = self._starts.given(self.by_outbound(sums.posterior), self._order)
