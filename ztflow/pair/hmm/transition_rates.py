"""Transition rates: how often each kind of step follows which, and how fast a burst goes; defaults, and learning both.

The default rates are the steps of the true pairs of five captured runs, printed by
`python benchmarks/accuracy.py --rates RUN_DIR...` for 1.22.1, 1.24.6, 1.24.6-waypoint, 1.24.6-debug and 1.29.5-storm,
sizes masked: bursts of four or more. Rows and columns are those of `trellis.TransitionCounts`. Each burst moves them to
what its own likely pairings show. Units: microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.columns.group_statistics import quantile
from ztflow.pair.hmm.transitions import GAP_CLASSES, GAPS
from ztflow.pair.hmm.trellis import TransitionCounts
from ztflow.pair.reach import REACH

_GAPS = np.array(GAPS)
_SERVICES = np.geomspace(6.0, 150.0, 40)
"""Service times that are tried, µs."""
_LOWEST_GAP, _HIGHEST_GAP = 0.8 * _SERVICES, 1.4 * _SERVICES
"""Gaps from the first up to the second speak for each."""


class TransitionRateParameters(NamedTuple):
    """Figures for estimating a burst's pace and rates from its ends.

    Attributes:
        prior: Steps' worth of trust in the default rates, for each rate. Chosen.
        most_batch: The chance that a new batch begins, last first, is never more. Chosen.
        usual_delay: Delay at which the least delay is `least`; `Reach.usual_delay`.
        least: Microseconds from an early end to its late one at least, where the delay is usual. Chosen.
        margin: The least delay is never higher than the 5th percentile of the first guess's delays less this, µs.
            Chosen.
        service: Microseconds a connection takes a thread. Captured runs: 14 to 22.
        service_weight: Trust in that, in gaps. Chosen.
        service_width: How far (logarithm) machines differ in it. Chosen.
        spread: How far above the least three quarters of the times lie at which a batch was read, in service times.
            Chosen.
    """

    prior: float = 200.0
    most_batch: float = 0.97
    usual_delay: float = REACH.usual_delay
    least: float = 30.0
    margin: float = 25.0
    service: float = 18.0
    service_weight: float = 8.0
    service_width: float = 0.6
    spread: float = 4.0 / 3.0


TRANSITION_RATES: Final = TransitionRateParameters()


@lru_cache(maxsize=4)
def _service_prior(parameters: TransitionRateParameters) -> FloatArray:
    """How likely each service time is before, in gaps."""
    off = np.log(_SERVICES / parameters.service) / parameters.service_width
    prior: FloatArray = parameters.service_weight * np.exp(-(off**2))
    return prior


def services(parameters: TransitionRateParameters) -> tuple[FloatArray, FloatArray]:
    """Service times that are tried, and how likely each is before, in gaps."""
    return _SERVICES, _service_prior(parameters)


class Pace(NamedTuple):
    """How fast a burst goes, in µs: a connection's time on a thread, and the least and spread of delays."""

    service: float
    least: float
    spread: float

    @staticmethod
    def of(
        late: FloatArray, delay: FloatArray, usual: float, parameters: TransitionRateParameters = TRANSITION_RATES
    ) -> Pace:
        """The pace of a burst.

        Args:
            late: Late ends, rising.
            delay: Delays of the first guess.
            usual: Usual delay of isolated pairs between the same two ztunnels.
            parameters: The figures.
        """
        gaps = (late[1:] - late[:-1])[:, None]
        many = ((gaps >= _LOWEST_GAP) & (gaps < _HIGHEST_GAP)).sum(axis=0)
        service = float(_SERVICES[(many + _service_prior(parameters)).argmax()])
        least = parameters.least + max(0.0, usual - parameters.usual_delay)
        if len(delay):
            least = min(least, quantile(delay, 0.05) - parameters.margin)
        return Pace(service, least, parameters.spread * service)


def gap_classes(late: FloatArray, service: float, back: int) -> IntArray:
    """Class of the time since the end `back` before each; the last class where there is none."""
    classes = np.full(len(late), GAP_CLASSES - 1)
    classes[back:] = _GAPS.searchsorted((late[back:] - late[:-back]) / service, side="right")
    return classes


class TransitionRates(NamedTuple):
    """Shares of each kind of step.

    Attributes:
        follows: Of each kind (column), by kind before and place of the lowest (rows).
        gaps: Of each gap class among steps of each kind (rows).
        own: Of each class of the time since the end before the last, among other steps and among `OTHER_THREAD` (rows).
        batch: Of steps that begin a batch last first, among those that could, by gap class.
    """

    follows: FloatArray
    gaps: FloatArray
    own: FloatArray
    batch: FloatArray

    @staticmethod
    def counted(counts: TransitionCounts) -> TransitionRates:
        """The rates the counts show; where a kind was counted rarely, they lean on the rates of all kinds."""
        return TransitionRates(
            _shares(counts.follows.reshape(4, 3, 4), 3.0).reshape(12, 4),
            _shares(counts.gaps, 8.0),
            _shares(counts.own, 8.0),
            (counts.batch[0] + 1.0) / (counts.batch[1] + 3.0),
        )

    def moved(
        self, counts: TransitionCounts, parameters: TransitionRateParameters = TRANSITION_RATES
    ) -> TransitionRates:
        """These rates, moved towards what was counted."""
        prior = parameters.prior

        def share(before: FloatArray, seen: FloatArray) -> FloatArray:
            total = seen + prior * before
            moved: FloatArray = total / total.sum(axis=-1, keepdims=True)
            return moved

        return TransitionRates(
            share(self.follows, counts.follows),
            share(self.gaps, counts.gaps),
            share(self.own, counts.own),
            (counts.batch[0] + prior * self.batch) / (counts.batch[1] + prior),
        )

    def weights(
        self, gap: IntArray, parameters: TransitionRateParameters = TRANSITION_RATES
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """`follows`, `own` and `batch` of a `Burst` whose ends have these gap classes."""
        follows = self.follows[:, None, :] * self.gaps.T[None, :, :]
        return (
            np.ascontiguousarray(follows.reshape(12 * GAP_CLASSES, 4)),
            self.own[1] / self.own[0],
            np.minimum(self.batch[gap], parameters.most_batch),
        )


def _shares(counts: FloatArray, weight: float) -> FloatArray:
    together = counts.sum(axis=0, keepdims=True) + 0.5
    together /= together.sum(axis=-1, keepdims=True)
    total = counts + weight * together
    shares: FloatArray = total / total.sum(axis=-1, keepdims=True)
    return shares


_COUNTED_FOLLOWS = (
    (146, 0, 95, 16),
    (747, 0, 0, 29),
    (0, 0, 0, 0),
    (13, 1, 3, 1),
    (285, 34, 0, 12),
    (9, 50, 0, 0),
    (0, 0, 0, 0),
    (52, 25, 0, 6),
    (0, 0, 0, 0),
    (52, 17, 67, 12),
    (0, 0, 0, 0),
    (37, 539, 0, 94),
)
_COUNTED_GAPS = (
    (23, 14, 38, 1025, 116, 79, 35, 11),
    (33, 43, 18, 190, 120, 135, 94, 33),
    (16, 16, 3, 52, 18, 19, 21, 20),
    (22, 10, 6, 56, 31, 25, 14, 6),
)
_COUNTED_OWN = (
    (0, 0, 1, 87, 835, 352, 221, 180),
    (0, 0, 4, 95, 36, 62, 89, 380),
)
_COUNTED_BATCH = (
    (1, 1, 0, 20, 27, 47, 69, 440),
    (3, 2, 5, 578, 155, 103, 130, 711),
)


@lru_cache(maxsize=1)
def default_rates() -> TransitionRates:
    """Rates every burst starts with."""
    tables = (_COUNTED_FOLLOWS, _COUNTED_GAPS, _COUNTED_OWN, _COUNTED_BATCH)
    return TransitionRates.counted(TransitionCounts(*(np.array(rows, np.float64) for rows in tables)))
