"""What bursts start from: the steps of the true pairs of five captured runs.

Printed by `python benchmarks/accuracy.py --habits` for the runs 1.22.1, 1.24.6, 1.24.6-waypoint, 1.24.6-debug and
1.29.5-storm, sizes masked: bursts of four or more. The rows and columns are those of `lattice.Counts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.pair.hmm.transitions import GAP_CLASSES, GAPS
from ztflow.pair.hmm.trellis import Counts

PRIOR = 200.0
"""Steps' worth of trust in the start, for each share."""
MOST = 0.97
"""The chance of a new batch, last first, is never more."""

USUAL = 150.0
"""Microseconds between the ends of connections that are alone (captured runs): used where nothing is known."""
LEAST = 30.0
"""Microseconds from an early end to its late one at least, where the delay is usual."""
MARGIN = 25.0
"""... and at most so much below the 5th percentile of the delays that the first guess has."""
SERVICE = 18.0
"""Microseconds a connection takes a thread, on captured runs."""
SERVICE_WEIGHT, SERVICE_WIDTH = 8.0, 0.6
"""Trust in that, in gaps; and how far (logarithm) machines differ."""
SPREAD = 4.0 / 3.0
"""How far above the least three quarters of the times lie at which a batch was read, in service times."""

_SERVICES = np.geomspace(6.0, 150.0, 40)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things go, in µs: a connection's time on a thread, and the least and spread of delays."""

    service: float
    least: float
    spread: float

    @staticmethod
    def of(late: FloatArray, delay: FloatArray, usual: float) -> Pace:
        """The pace of a burst.

        Args:
            late: Late ends, rising.
            delay: Delays as a first guess has them.
            usual: Usual delay of sure pairs between the same two ztunnels.
        """
        gaps = np.diff(late)[:, None]
        many = ((gaps >= 0.8 * _SERVICES) & (gaps < 1.4 * _SERVICES)).sum(axis=0)
        prior = SERVICE_WEIGHT * np.exp(-((np.log(_SERVICES / SERVICE) / SERVICE_WIDTH) ** 2))
        service = float(_SERVICES[np.argmax(many + prior)])
        least = LEAST + max(0.0, usual - USUAL)
        if len(delay):
            least = min(least, float(np.quantile(delay, 0.05)) - MARGIN)
        return Pace(service, least, SPREAD * service)


def gap_classes(late: FloatArray, service: float, back: int) -> IntArray:
    """Class of the time since the end `back` before each; the last class where there is none."""
    gap = np.full(len(late), np.inf)
    gap[back:] = (late[back:] - late[:-back]) / service
    return np.searchsorted(GAPS, gap, side="right").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares of steps.

    Attributes:
        follows: Of each kind (column), by kind before and place of the lowest (rows).
        gaps: Of each gap class among steps of each kind (rows).
        own: Of each class of the time since the end before the last, among other steps and among `OTHER` (rows).
        batch: That begin a batch last first, of those that could, by gap class.
    """

    follows: FloatArray
    gaps: FloatArray
    own: FloatArray
    batch: FloatArray

    @staticmethod
    def counted(counts: Counts) -> Habits:
        """The shares counts show; what was counted rarely leans on all together."""
        return Habits(
            _shares(counts.follows.reshape(4, 3, 4), 3.0).reshape(12, 4),
            _shares(counts.gaps, 8.0),
            _shares(counts.own, 8.0),
            (counts.batch[0] + 1.0) / (counts.batch[1] + 3.0),
        )

    def moved(self, counts: Counts) -> Habits:
        """These, moved to what was counted."""

        def share(before: FloatArray, seen: FloatArray) -> FloatArray:
            total = seen + PRIOR * before
            moved: FloatArray = total / total.sum(axis=-1, keepdims=True)
            return moved

        return Habits(
            share(self.follows, counts.follows),
            share(self.gaps, counts.gaps),
            share(self.own, counts.own),
            (counts.batch[0] + PRIOR * self.batch) / (counts.batch[1] + PRIOR),
        )

    def weights(self, gap: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """`follows`, `own` and `batch` of a `Burst` whose ends have these gap classes."""
        follows = self.follows[:, None, :] * self.gaps.T[None, :, :]
        return (
            np.ascontiguousarray(follows.reshape(12 * GAP_CLASSES, 4)),
            self.own[1] / self.own[0],
            np.minimum(self.batch[gap], MOST),
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

SHIPPED = Habits.counted(
    Counts(*(np.array(rows, np.float64) for rows in (_COUNTED_FOLLOWS, _COUNTED_GAPS, _COUNTED_OWN, _COUNTED_BATCH)))
)
