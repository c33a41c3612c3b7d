"""Best assignment among halves alike in addresses, identity and sizes that ended close together.

What tells them apart here is time. A first assignment has the least squared differences of ends and durations; around
it `hmm.posterior` gives the probability of each partner over all likely pairing paths. What is reported is the
one-to-one assignment with the largest expected number of right pairs, each with its probability as confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import NO_TIME, BoolArray, FloatArray, Index, IntArray
from ztflow.columns.group_statistics import middle
from ztflow.pair.assignment import batches
from ztflow.pair.assignment.at_once import Side, assign, fitting, scattered
from ztflow.pair.assignment.batches import Segment
from ztflow.pair.assignment.matching_parameters import MATCHING, MatchingParameters
from ztflow.pair.hmm.figures import Segments
from ztflow.pair.hmm.forward_backward import InPython, runner
from ztflow.pair.hmm.posterior import Candidates, partner_posterior
from ztflow.pair.hmm.transition_rates import TransitionRates
from ztflow.pair.reach import REACH, Reach


class Matches(NamedTuple):
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
    out_time: IntArray,
    out_duration: IntArray,
    in_time: IntArray,
    in_duration: IntArray,
    parameters: MatchingParameters = MATCHING,
) -> tuple[Index, Index]:
    """The assignment with the least squared differences: positions of outbound halves and of their partners.

    Cost: cubic in the segment's size.
    """
    rows, columns, _ = _least_squares(out_time, out_duration, in_time, in_duration, parameters)
    return rows, columns


def may_match(ends: IntArray, spans: IntArray, parameters: MatchingParameters = MATCHING) -> BoolArray:
    """Whether halves whose ends differ by these µs and whose durations by these ms may belong together."""
    result: BoolArray = _squares(ends, spans, parameters) < parameters.no_partner
    return result


def _squares(ends: IntArray, spans: IntArray, parameters: MatchingParameters) -> FloatArray:
    cost: FloatArray = (ends / 1000.0) ** 2 + parameters.duration_weight * spans.astype(np.float64) ** 2
    return cost


def match_segments(
    segments: Sequence[Segment],
    parameters: MatchingParameters = MATCHING,
    reach: Reach = REACH,
    *,
    rates: TransitionRates | None = None,
) -> list[Matches]:
    """Match each segment. The result for one does not depend on which others come with it.

    Args:
        segments: The segments.
        parameters: The figures.
        reach: Time distances.
        rates: Their transition rates where these are known; else they are learned from each.

    Cost: cubic in a segment's size for the assignments (1024 halves: about 40 ms), linear for the posterior (0.3 to
    1 ms a pair).
    """
    batch = batches.of_segments(segments)
    match_together(batch, parameters, reach, rates=rates)
    found = []
    for start, stop in pairwise(batch.out_first.tolist()):
        out = np.flatnonzero(batch.partner[start:stop] >= 0)
        there = out + start
        found.append(Matches(out, batch.partner[there], batch.confidence[there], batch.alternatives[there]))
    return found


def match_together(
    batch: Segments,
    parameters: MatchingParameters = MATCHING,
    reach: Reach = REACH,
    *,
    rates: TransitionRates | None = None,
) -> Matches:
    """Match segments that lie one after the other; positions are those among all outbound and all inbound halves.

    Args:
        batch: The segments; what is found is filled in.
        parameters: The figures.
        reach: Time distances.
        rates: Their transition rates where these are known; else they are learned from each.
    """
    if isinstance(runner(), InPython):
        for number in range(len(batch.usual_delay)):
            match = _matched(batches.segment_of(batch, number), parameters, reach, rates)
            batches.put(batch, number, match.outbound, match.inbound, match.confidence, match.alternatives)
    else:
        batches.match(batch, parameters, reach, rates)
    out = np.flatnonzero(batch.partner >= 0)
    segment = np.repeat(np.arange(len(batch.usual_delay)), np.diff(batch.out_first))[out]
    return Matches(out, batch.partner[out] + batch.in_first[segment], batch.confidence[out], batch.alternatives[out])


def match_dense(out: Side, inn: Side, parameters: MatchingParameters = MATCHING, reach: Reach = REACH) -> Matches:
    """Match a stretch too dense for the model: in order, each partner as likely as any other that would have fitted.

    Args:
        out: The outbound halves.
        inn: The inbound halves.
        parameters: The figures.
        reach: Time distances.

    Cost: O(n log n): 1 to 2 µs a half.
    """
    farthest = int(1000 * parameters.no_partner**0.5) - 1
    rows, columns = assign(out, inn, parameters.moment, farthest)
    other, within = scattered(out.duration[rows], inn.duration[columns]), reach.usual_delay
    fit_in = fitting(inn, inn.time[columns], inn.duration[columns], within, other)
    fit_out = fitting(out, out.time[rows], out.duration[rows], within, other)
    confidence = (1 - parameters.overtakes) / np.maximum(np.maximum(fit_in, fit_out), 1.0)
    confidence *= parameters.crowded if max(len(out), len(inn)) > parameters.posterior.crowd else 1.0
    return Matches(rows, columns, confidence, np.rint(fit_in).astype(np.int64) - 1)


def _matched(segment: Segment, parameters: MatchingParameters, reach: Reach, rates: TransitionRates | None) -> Matches:
    out, inn, others = _pieces(segment, parameters, reach)
    found = [(out, inn, np.full(len(out), parameters.at_most), np.zeros(len(out), np.int64))]
    found += [
        _decide(piece, partner_posterior(piece.candidates, parameters.posterior, rates), parameters) for piece in others
    ]
    return Matches(*found[0]) if len(found) == 1 else _joined(found)


class _Piece(NamedTuple):
    """A part of a segment that is matched by itself, as positions in it."""

    outbound: Index
    inbound: Index
    cost: FloatArray
    candidates: Candidates


def _least_squares(
    out_time: IntArray,
    out_duration: IntArray,
    in_time: IntArray,
    in_duration: IntArray,
    parameters: MatchingParameters,
) -> tuple[Index, Index, FloatArray]:
    cost = _squares(out_time[:, None] - in_time, out_duration[:, None] - in_duration, parameters)
    rows, columns = _assign(np.minimum(cost, 2 * parameters.no_partner))
    keep = cost[rows, columns] < parameters.no_partner
    return rows[keep], columns[keep], cost


def _assign(cost: FloatArray) -> tuple[Index, Index]:
    """The assignment of the smaller side to the larger that costs least in all: rows, rising, and their columns."""
    if cost.size < 2:  # one cell, or none: that the solver would not survive
        return np.zeros(cost.size, np.intp), np.zeros(cost.size, np.intp)
    from lap import lapjv

    column = lapjv(cost, extend_cost=True)[1].astype(np.intp)
    rows = np.flatnonzero(column >= 0)
    return rows, column[rows]


def _pieces(segment: Segment, parameters: MatchingParameters, reach: Reach) -> tuple[Index, Index, list[_Piece]]:
    """The segment cut at pauses at which no half is unpaired; halves too far from all others left out.

    Returns:
        The positions of both halves of the pieces that are one pair, and the pieces with a choice.
    """
    rows, columns, cost = _least_squares(
        segment.out_time, segment.out_duration, segment.in_time, segment.in_duration, parameters
    )
    may = cost < parameters.no_partner
    near_out, near_in = np.flatnonzero(may.any(axis=1)), np.flatnonzero(may.any(axis=0))
    partner = np.full(len(segment.out_time), -1, np.intp)
    partner[rows] = columns
    out_time, in_time = segment.out_time[near_out], segment.in_time[near_in]
    time = np.concatenate([out_time, in_time])
    order = time.argsort(kind="stable")
    time, balance = time[order], np.where(order < len(near_out), 1, -1).cumsum()
    cuts = time[1:][(time[1:] - time[:-1] > reach.piece_pause) & (balance[:-1] == 0)]
    out_stops = [*out_time.searchsorted(cuts).tolist(), len(near_out)]
    in_stops = [*in_time.searchsorted(cuts).tolist(), len(near_in)]
    couples: list[tuple[int, int]] = []
    others: list[_Piece] = []
    out_start = in_start = 0
    for out_stop, in_stop in zip(out_stops, in_stops, strict=True):
        outs, ins = out_stop - out_start, in_stop - in_start
        if outs == ins == 1:
            couples.append((out_start, in_start))
        elif outs and ins:
            out, inn = near_out[out_start:out_stop], near_in[in_start:in_stop]
            candidates = _candidates(segment, out, inn, partner, reach)
            others.append(_Piece(out, inn, cost[out[:, None], inn], candidates))
        out_start, in_start = out_stop, in_stop
    a, b = np.array(couples, np.intp).reshape(-1, 2).T
    return near_out[a], near_in[b], others


def _candidates(segment: Segment, out: Index, inn: Index, partner: Index, reach: Reach) -> Candidates:
    """The piece as `posterior` takes it: times from its first end on, so that it is the same wherever it is."""
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
        _noted(segment, out, reach.piece_pause) - zero,
        segment.usual_delay,
    )


def _noted(segment: Segment, out: Index, slack: int) -> FloatArray:
    """When the server saw the request of each, NaN where that is not known or no time within its life."""
    if segment.noted is None:
        return np.full(len(out), np.nan)
    noted, end = segment.noted[out], segment.out_time[out]
    possible = (noted != NO_TIME) & (noted <= end + slack) & (noted >= end - 1000 * segment.out_duration[out] - slack)
    return np.where(possible, noted, np.nan)


def _decide(
    piece: _Piece, posterior: FloatArray, parameters: MatchingParameters
) -> tuple[Index, Index, FloatArray, IntArray]:
    """The assignment with the largest expected number of right pairs; ties by nearness."""
    posterior = _alike(posterior, piece.candidates)
    far = parameters.no_partner
    rows, columns = _assign(1e-6 * np.minimum(piece.cost, far) / far - posterior)
    keep = piece.cost[rows, columns] < far
    rows, columns = rows[keep], columns[keep]
    chance = posterior[rows, columns]
    counts_from = np.minimum(parameters.alternative, chance * (1 - 1e-6))
    others = (posterior[rows] >= counts_from[:, None]).sum(axis=1) - 1
    confidence = chance * (1 - _overtaken(piece.candidates, rows, columns, parameters))
    confidence *= parameters.crowded if piece.candidates.slots > parameters.posterior.crowd else 1.0
    confidence = np.minimum(confidence, parameters.at_most)
    return piece.outbound[rows], piece.inbound[columns], confidence, others


def _alike(posterior: FloatArray, halves: Candidates) -> FloatArray:
    """Halves of equal end, start and port are interchangeable: each gets the mean of their probabilities."""
    outs = halves.out_time, halves.out_latest, halves.out_port
    ins = halves.in_time, halves.in_latest
    for alike, axis in ((outs, 0), (ins, 1)):
        ends = alike[0]
        if (ends[1:] > ends[:-1]).all():  # none ended with another
            continue
        twins = np.stack([values.astype(np.float64) for values in alike])
        _, group, size = np.unique(twins, axis=1, return_inverse=True, return_counts=True)
        if len(size) < twins.shape[1]:
            total = np.zeros((len(size), posterior.shape[1 - axis]))
            np.add.at(total, group.ravel(), np.moveaxis(posterior, axis, 0))
            posterior = np.moveaxis((total / size[:, None])[group.ravel()], 0, axis)
    return posterior


def _overtaken(halves: Candidates, rows: Index, columns: Index, parameters: MatchingParameters) -> FloatArray:
    """Probability of each pair that it overtook its nearest neighbour in a way the model does not cover."""

    def apart(values: FloatArray) -> FloatArray:
        return np.abs(values[:, None] - values)

    ends = np.maximum(apart(halves.out_time[rows]), apart(halves.in_time[columns]))
    starts = np.minimum(apart(halves.out_latest[rows]), apart(halves.in_latest[columns]))
    ends[starts > parameters.interchangeable] = np.inf
    ends.ravel()[:: len(ends) + 1] = np.inf
    nearest_end = ends.min(axis=1, initial=np.inf)
    delay = halves.out_time[rows] - halves.in_time[columns]
    scatter = middle(np.abs(delay - middle(delay))) / 2 if len(delay) else 0.0
    within = parameters.overtakes_within + scatter
    chance: FloatArray = parameters.overtakes / (1 + (nearest_end / within) ** 2)
    return chance


def _joined(parts: list[tuple[Index, Index, FloatArray, IntArray]]) -> Matches:
    out, inn, confidence, alternatives = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Matches(out, inn, confidence, alternatives)
