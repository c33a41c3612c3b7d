"""The best one-to-one assignment among halves alike in addresses, identity and sizes that ended close together.

Evidence left here is time: the difference of the two ends and of the two durations (whole milliseconds). For equal
sizes the most likely assignment is the one with the least squared differences, ends weighted 1 and durations ¼.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ztflow.pair.evidence import FloatArray, IntArray

DURATION_WEIGHT = 0.25
"""Weight of a squared millisecond of duration difference against one of end difference (captured runs)."""
ALONE = 100.0**2
"""Price of leaving a half alone: no pair of halves 100 ms apart is taken here."""
SCALE = 2.0
"""Squared milliseconds that make one partner e times as likely as another; fitted on captured runs."""
FITS = 0.01
"""An alternative counts when it is at least this likely beside the chosen partner."""

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs by position in the arrays given.

    Attributes:
        outbound: Position among the outbound halves.
        inbound: Position among the inbound halves.
        confidence: Probability that the partner is right.
        alternatives: How many other partners would have fitted.
    """

    outbound: Index
    inbound: Index
    confidence: FloatArray
    alternatives: IntArray


def match_segment(out_time: IntArray, out_duration: IntArray, in_time: IntArray, in_duration: IntArray) -> Matches:
    """Assign outbound to inbound halves of one segment; times in µs with clock offsets taken off, durations in ms.

    Cost: cubic in the segment's size; `segments` keeps that below `LARGEST`.
    """
    ends = np.subtract.outer(out_time, in_time) / 1000.0
    durations = np.subtract.outer(out_duration, in_duration).astype(np.float64)
    cost = ends**2 + DURATION_WEIGHT * durations**2
    if cost.shape == (1, 1):
        rows, columns = np.zeros(1, np.intp), np.zeros(1, np.intp)
    else:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(np.minimum(cost, 2 * ALONE))
    keep = cost[rows, columns] < ALONE
    rows, columns = rows[keep], columns[keep]
    confidence, alternatives = _marginals(cost, rows, columns)
    return Matches(rows, columns, confidence, alternatives)


def _marginals(cost: FloatArray, rows: Index, columns: Index) -> tuple[FloatArray, IntArray]:
    """How sure each pair of the assignment is, against every exchange of partners with another pair or a lone half."""
    chosen = cost[rows, columns]
    # Exchange partners of pairs p and q: what it would cost more than what is chosen.
    crossed = cost[np.ix_(rows, columns)]
    more = crossed + crossed.T - chosen[:, None] - chosen[None, :]
    np.fill_diagonal(more, np.inf)
    odds = np.exp(-np.maximum(more, 0.0) / SCALE)
    lone_columns = np.setdiff1d(np.arange(cost.shape[1]), columns)
    lone_rows = np.setdiff1d(np.arange(cost.shape[0]), rows)
    more_in = cost[np.ix_(rows, lone_columns)] - chosen[:, None]
    more_out = cost[np.ix_(lone_rows, columns)].T - chosen[:, None]
    odds = np.concatenate([odds, *(np.exp(-np.maximum(m, 0.0) / SCALE) for m in (more_in, more_out))], axis=1)
    return 1.0 / (1.0 + odds.sum(axis=1)), (odds >= FITS).sum(axis=1).astype(np.int64)
