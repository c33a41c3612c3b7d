"""Who belongs to whom among halves alike in addresses, identity and sizes that ended close together.

Evidence left here is time. A first assignment has the least squared differences of ends and durations; around it
`marginals` says in which share of all likely ways to pair each pair occurs. What is reported is the one-to-one
assignment with the largest expected number of right pairs, each with its share as confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import NO_TIME, BoolArray, FloatArray, Index, IntArray
from ztflow.pair.hmm.forward_backward import Effort
from ztflow.pair.hmm.posterior import CROWD, EFFORT, Candidates, marginals
from ztflow.pair.hmm.transition_rates import USUAL, Habits

DURATION_WEIGHT = 0.25
"""Weight of a squared millisecond of duration difference against one of end difference (captured runs)."""
ALONE = 100.0**2
"""Price of leaving a half alone: no pair of halves 100 ms apart is taken here."""
FITS = 0.01
"""An alternative counts when it has at least this share."""
APART = 30_000
"""Microseconds without an end after which, with nothing open, earlier halves are matched by themselves; ends of one
connection are up to 13 ms apart in a storm."""
OVERTAKES, OVERTAKES_WITHIN = 0.025, 400.0
"""Chance that a pair the model is certain of is wrong all the same, when another that could take its place ended
alongside it; and how far apart, in µs, the ends have to be to halve that, besides half of what delays scatter by.
Counted on captured runs."""
CROWDED = 0.95
"""What confidence is worth in segments of more than `CROWD` slots, where less is looked at and runs may be wrong.
Of pairs in simulated crowds that seem certain 89 to 95 in 100 are right."""
INTERCHANGEABLE = 1500.0
"""Starts this near, in µs, do not tell two halves apart: a millisecond cut off each duration, and the usual lag."""
SURE = 0.97
"""A pair of at least this confidence is called `unique`."""
LONELY = 0.9995
"""Confidence of a pair that has no other near it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Halves that could belong together; times in µs with clock offsets taken off, durations in ms.

    Attributes:
        out_time: Ends of the outbound halves, rising.
        out_duration: Their durations.
        out_port: Their source ports, 0 where unknown.
        in_time: Ends of the inbound halves, rising.
        in_duration: Their durations.
        noted: When the server saw the request of each outbound half, by its clock with the offset taken off; `NO_TIME`
            where no line tells. None: nowhere.
        usual_delay: Usual delay between the ends on the two ztunnels, as sure pairs had it.
    """

    out_time: IntArray
    out_duration: IntArray
    out_port: IntArray
    in_time: IntArray
    in_duration: IntArray
    noted: IntArray | None = None
    usual_delay: float = USUAL


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


def nearest(
    out_time: IntArray, out_duration: IntArray, in_time: IntArray, in_duration: IntArray
) -> tuple[Index, Index]:
    """The assignment with the least squared differences: positions of outbound halves and of their partners.

    Cost: cubic in the segment's size.
    """
    rows, columns, _ = _least_squares(out_time, out_duration, in_time, in_duration)
    return rows, columns


def fits(ends: IntArray, spans: IntArray) -> BoolArray:
    """Whether halves whose ends differ by these µs and whose durations by these ms may belong together."""
    result: BoolArray = _squares(ends, spans) < ALONE
    return result


def _squares(ends: IntArray, spans: IntArray) -> FloatArray:
    cost: FloatArray = (ends / 1000.0) ** 2 + DURATION_WEIGHT * spans.astype(np.float64) ** 2
    return cost


def match_segments(
    segments: Sequence[Segment], *, habits: Habits | None = None, effort: Effort = EFFORT
) -> list[Matches]:
    """Match each segment. The result for one does not depend on which others stand beside it.

    Args:
        segments: The segments.
        habits: Their habits where these are known; else they are learned from each.
        effort: How many ways are added up.

    Cost: cubic in a segment's size for the assignments (1024 halves: about 40 ms), linear for the marginals (0.3 to
    1 ms a pair).
    """
    return [_matched(segment, habits, effort) for segment in segments]


def _matched(segment: Segment, habits: Habits | None, effort: Effort) -> Matches:
    found = []
    for piece in _pieces(segment):
        if len(piece.outbound) == 1 == len(piece.inbound):
            found.append((piece.outbound, piece.inbound, np.array([LONELY]), np.zeros(1, np.int64)))
        else:
            found.append(_decide(piece, marginals(piece.candidates, effort, habits)))
    return _joined(found)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a segment that is matched by itself, as positions in it."""

    outbound: Index
    inbound: Index
    cost: FloatArray
    candidates: Candidates


def _least_squares(
    out_time: IntArray, out_duration: IntArray, in_time: IntArray, in_duration: IntArray
) -> tuple[Index, Index, FloatArray]:
    cost = _squares(np.subtract.outer(out_time, in_time), np.subtract.outer(out_duration, in_duration))
    rows, columns = _assign(np.minimum(cost, 2 * ALONE))
    keep = cost[rows, columns] < ALONE
    return rows[keep], columns[keep], cost


def _assign(cost: FloatArray) -> tuple[Index, Index]:
    if cost.shape == (1, 1):
        return np.zeros(1, np.intp), np.zeros(1, np.intp)
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return rows, columns


def _pieces(segment: Segment) -> Iterator[_Piece]:
    """The segment cut where a pause finds no half without a partner; halves too far from all others left out."""
    rows, columns, cost = _least_squares(segment.out_time, segment.out_duration, segment.in_time, segment.in_duration)
    near_out = np.flatnonzero((cost < ALONE).any(axis=1))
    near_in = np.flatnonzero((cost < ALONE).any(axis=0))
    partner = np.full(len(segment.out_time), -1, np.intp)
    partner[rows] = columns
    time = np.concatenate([segment.out_time[near_out], segment.in_time[near_in]])
    side = np.concatenate([np.ones(len(near_out), np.int64), np.full(len(near_in), -1)])
    order = np.argsort(time, kind="stable")
    time, balance = time[order], np.cumsum(side[order])
    cuts = time[1:][(np.diff(time) > APART) & (balance[:-1] == 0)] if len(time) else time
    out_piece = np.searchsorted(cuts, segment.out_time[near_out], side="right")
    in_piece = np.searchsorted(cuts, segment.in_time[near_in], side="right")
    for number in range(len(cuts) + 1):
        out, inn = near_out[out_piece == number], near_in[in_piece == number]
        if len(out) and len(inn):
            yield _Piece(out, inn, cost[np.ix_(out, inn)], _candidates(segment, out, inn, partner))


def _candidates(segment: Segment, out: Index, inn: Index, partner: Index) -> Candidates:
    """The piece as `marginals` takes it: times from its first end on, so that it is the same wherever it stands."""
    zero = min(int(segment.out_time[out[0]]), int(segment.in_time[inn[0]]))
    out_time = (segment.out_time[out] - zero).astype(np.float64)
    in_time = (segment.in_time[inn] - zero).astype(np.float64)
    place = np.full(len(segment.in_time), -1, np.intp)
    place[inn] = np.arange(len(inn))
    guess = np.where(partner[out] >= 0, place[partner[out]], -1)
    return Candidates(
        out_time,
        out_time - 1000.0 * segment.out_duration[out],
        segment.out_port[out],
        in_time,
        in_time - 1000.0 * segment.in_duration[inn],
        guess,
        _noted(segment, out) - zero,
        segment.usual_delay,
    )


def _noted(segment: Segment, out: Index) -> FloatArray:
    """When the server saw the request of each, NaN where that is not known or no time within its life."""
    if segment.noted is None:
        return np.full(len(out), np.nan)
    noted, end = segment.noted[out], segment.out_time[out]
    possible = (noted != NO_TIME) & (noted <= end + APART) & (noted >= end - 1000 * segment.out_duration[out] - APART)
    return np.where(possible, noted, np.nan)


def _decide(piece: _Piece, shares: FloatArray) -> tuple[Index, Index, FloatArray, IntArray]:
    """The assignment with the largest expected number of right pairs; ties by nearness."""
    shares = _alike(shares, piece.candidates)
    rows, columns = _assign(1e-6 * np.minimum(piece.cost, ALONE) / ALONE - shares)
    keep = piece.cost[rows, columns] < ALONE
    rows, columns = rows[keep], columns[keep]
    share = shares[rows, columns]
    others = (shares[rows] >= FITS).sum(axis=1) - (share >= FITS)
    confidence = share * (1 - _overtaken(piece.candidates, rows, columns))
    confidence *= CROWDED if piece.candidates.slots > CROWD else 1.0
    confidence = np.minimum(confidence, LONELY)
    return piece.outbound[rows], piece.inbound[columns], confidence, others


def _alike(shares: FloatArray, halves: Candidates) -> FloatArray:
    """Halves of equal end, start and port are interchangeable: each gets the mean of their shares."""
    outs = np.stack([halves.out_time, halves.out_latest, halves.out_port.astype(np.float64)])
    ins = np.stack([halves.in_time, halves.in_latest])
    for twins, axis in ((outs, 0), (ins, 1)):
        _, group, size = np.unique(twins, axis=1, return_inverse=True, return_counts=True)
        if len(size) < twins.shape[1]:
            total = np.zeros((len(size), shares.shape[1 - axis]))
            np.add.at(total, group.ravel(), np.moveaxis(shares, axis, 0))
            shares = np.moveaxis((total / size[:, None])[group.ravel()], 0, axis)
    return shares


def _overtaken(halves: Candidates, rows: Index, columns: Index) -> FloatArray:
    """The chance, for each pair, that it changed places with its nearest neighbour in a way the model does not know."""

    def apart(values: FloatArray) -> FloatArray:
        return np.abs(np.subtract.outer(values, values))

    ends = np.maximum(apart(halves.out_time[rows]), apart(halves.in_time[columns]))
    starts = np.minimum(apart(halves.out_latest[rows]), apart(halves.in_latest[columns]))
    ends[starts > INTERCHANGEABLE] = np.inf
    np.fill_diagonal(ends, np.inf)
    nearest_end = ends.min(axis=1, initial=np.inf)
    delay = halves.out_time[rows] - halves.in_time[columns]
    within = OVERTAKES_WITHIN + (np.median(np.abs(delay - np.median(delay))) / 2 if len(delay) else 0.0)
    chance: FloatArray = OVERTAKES / (1 + (nearest_end / within) ** 2)
    return chance


def _joined(parts: list[tuple[Index, Index, FloatArray, IntArray]]) -> Matches:
    if not parts:
        none = np.zeros(0, np.intp)
        return Matches(none, none, np.zeros(0), np.zeros(0, np.int64))
    out, inn, confidence, alternatives = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Matches(out, inn, confidence, alternatives)
