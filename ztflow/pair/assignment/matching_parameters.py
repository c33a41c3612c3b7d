"""The figures of matching equal halves."""

from __future__ import annotations

from typing import Final, NamedTuple

from ztflow.pair.hmm.posterior import POSTERIOR, PosteriorParameters


class MatchingParameters(NamedTuple):
    """What pairs cost in the first assignment, and how confidence follows from the posterior.

    Attributes:
        duration_weight: Of a squared millisecond of duration difference against one of end difference. Captured runs.
        no_partner: Cost of leaving a half without partner: no pair 100 ms apart is taken. Chosen.
        alternative: Another partner counts as an alternative from this probability on, or when it is as likely as the
            one taken. Chosen.
        moment: In a crowd denser than two ztunnels can end, the order of ends within this, µs, says less than
            durations. Chosen.
        overtakes: Chance that a pair the model is certain of is wrong all the same, when another that could take its
            place ended alongside it. Captured runs.
        overtakes_within: How far apart, in µs, the ends have to be to halve that, besides half of what delays scatter
            by. Captured runs.
        crowded: What confidence is worth in bursts of more than `PosteriorParameters.crowd` slots, where less is looked
            at and whole runs may be wrong. Of pairs in simulated crowds that seem certain 89 to 95 in 100 are right.
        interchangeable: Starts this near, in µs, do not tell two halves apart: a millisecond cut off each duration, and
            the usual lag.
        unique: A pair of at least this confidence is called `unique`. Chosen.
        at_most: Confidence of a pair with no other near it, and the most of any. Chosen.
        posterior: Weighing the partners.
    """

    duration_weight: float = 0.25
    no_partner: float = 100.0**2
    alternative: float = 0.01
    moment: int = 1000
    overtakes: float = 0.025
    overtakes_within: float = 400.0
    crowded: float = 0.95
    interchangeable: float = 1500.0
    unique: float = 0.97
    at_most: float = 0.9995
    posterior: PosteriorParameters = POSTERIOR


MATCHING: Final = MatchingParameters()
