"""Matches segments of equal halves, for compiled code: `assignment.matching`, in plain loops. See there.

Where there is no compiler, `assignment.matching` does the same.
"""

from __future__ import annotations

import math

from ztflow.columns.dtypes import NO_TIME, FloatArray, IntArray
from ztflow.pair.hmm.backward import both_ways
from ztflow.pair.hmm.figures import Figures, Piece, Segments, Tables
from ztflow.pair.hmm.learning import learn
from ztflow.pair.hmm.ordering import middle_of, sort
from ztflow.pair.hmm.solver import assign, partner_in
from ztflow.pair.hmm.trellis import BothWays

OUT_AT, IN_AT = 2, 3
"""Places in `Piece.sizes`: how many halves of each side of the segment were looked at."""


def work(whole: int, trellis: BothWays, figures: Figures, tables: Tables, segments: Segments, piece: Piece) -> None:
    """Match the segments, or only add up the burst of the trellis."""
    if not whole:
        both_ways(
            trellis.burst, trellis.states, trellis.transitions, trellis.scratch, trellis.ahead, trellis.counts,
            trellis.posterior, trellis.onward, trellis.limits, trellis.total,
        )  # fmt: skip
        return
    for place in range(len(segments.chosen)):
        number = segments.chosen[place]
        first_assignment(figures, segments, piece, number)
        while next_piece(figures, segments, piece, number):
            if not needs_no_model(figures, segments, piece, number):
                lay_out(figures, segments, piece, number)
                learn(trellis, piece, figures, tables, segments.usual_delay[number])
                decide(figures, segments, piece, segments.out_first[number])


def next_piece(use: Figures, segments: Segments, piece: Piece, number: int) -> bool:
    """Take the next halves of a segment, up to a pause at which no half is unpaired; false where none is left.

    Halves too far from all others are left out.
    """
    out_start, in_start = segments.out_first[number], segments.in_first[number]
    outs, ins = segments.out_first[number + 1] - out_start, segments.in_first[number + 1] - in_start
    out, inn, last = piece.sizes[OUT_AT], piece.sizes[IN_AT], 0
    piece.sizes[0], piece.sizes[1] = 0, 0
    while out < outs or inn < ins:
        is_out = out < outs and (inn >= ins or segments.out_time[out_start + out] <= segments.in_time[in_start + inn])
        time = segments.out_time[out_start + out] if is_out else segments.in_time[in_start + inn]
        if is_near(use, piece, is_out, out if is_out else inn, ins if is_out else outs):
            begun = piece.sizes[0] > 0 or piece.sizes[1] > 0
            if begun and piece.sizes[0] == piece.sizes[1] and time - last > use.piece_pause:
                break
            if is_out:
                piece.outbound[piece.sizes[0]] = out
                piece.sizes[0] += 1
            else:
                piece.inbound[piece.sizes[1]] = inn
                piece.sizes[1] += 1
            last = time
        if is_out:
            out += 1
        else:
            inn += 1
    piece.sizes[OUT_AT], piece.sizes[IN_AT] = out, inn
    return bool(piece.sizes[0] > 0 or piece.sizes[1] > 0)


def needs_no_model(use: Figures, segments: Segments, piece: Piece, number: int) -> bool:
    """Whether a piece has one half of each side, which are a pair, or one side only."""
    outs, ins, out_start = piece.sizes[0], piece.sizes[1], segments.out_first[number]
    if outs == 1 and ins == 1:
        out = out_start + piece.outbound[0]
        segments.partner[out], segments.confidence[out], segments.alternatives[out] = piece.inbound[0], use.at_most, 0
        return True
    if outs and ins:
        return False
    for out in range(outs):
        segments.partner[out_start + piece.outbound[out]] = -1
    return True


def is_near(use: Figures, piece: Piece, is_out: bool, half: int, others: int) -> bool:
    """Whether a half may belong to any of the other side."""
    for other in range(others):
        if (piece.cost[half, other] if is_out else piece.cost[other, half]) < use.no_partner:
            return True
    return False


def first_assignment(use: Figures, segments: Segments, piece: Piece, number: int) -> None:
    """Fill in `piece.cost`, and partners by least squares: `matching._least_squares`."""
    out_start, in_start = segments.out_first[number], segments.in_first[number]
    outs, ins = segments.out_first[number + 1] - out_start, segments.in_first[number + 1] - in_start
    for out in range(outs):
        for inn in range(ins):
            end = (segments.out_time[out_start + out] - segments.in_time[in_start + inn]) / 1000.0
            span = float(segments.out_duration[out_start + out] - segments.in_duration[in_start + inn])
            cost = end * end + use.duration_weight * span * span
            piece.cost[out, inn] = cost
            piece.price[out, inn] = min(cost, 2 * use.no_partner)
    piece.sizes[OUT_AT], piece.sizes[IN_AT] = 0, 0
    turned = assign(piece.price, outs, ins, piece.assigned)
    for out in range(outs):
        inn = partner_in(piece.assigned, turned, out)
        segments.partner[out_start + out] = -1
        if inn >= 0 and piece.cost[out, inn] < use.no_partner:
            segments.partner[out_start + out] = inn


def lay_out(use: Figures, segments: Segments, piece: Piece, number: int) -> None:
    """Times from the first end of the piece on, so that it is the same wherever it is: `matching._candidates`."""
    out_start, in_start = segments.out_first[number], segments.in_first[number]
    zero = min(segments.out_time[out_start + piece.outbound[0]], segments.in_time[in_start + piece.inbound[0]])
    for inn in range(piece.sizes[1]):
        at = in_start + piece.inbound[inn]
        piece.in_time[inn] = float(segments.in_time[at] - zero)
        piece.in_latest[inn] = piece.in_time[inn] - 1000.0 * segments.in_duration[at]
    for out in range(piece.sizes[0]):
        at = out_start + piece.outbound[out]
        end, duration, noted = segments.out_time[at], segments.out_duration[at], segments.noted[at]
        piece.out_time[out] = float(end - zero)
        piece.out_latest[out] = piece.out_time[out] - 1000.0 * duration
        piece.out_port[out] = segments.out_port[at]
        slack = use.piece_pause
        possible = noted != NO_TIME and noted <= end + slack and noted >= end - 1000 * duration - slack
        piece.noted[out] = float(noted - zero) if possible else math.nan
        piece.guess[out] = -1
        for inn in range(piece.sizes[1]):
            if piece.inbound[inn] == segments.partner[at]:
                piece.guess[out] = inn


def decide(use: Figures, segments: Segments, piece: Piece, out_start: int) -> None:
    """The assignment with the largest expected number of right pairs; ties by nearness: `matching._decide`."""
    outs, ins, far, share = piece.sizes[0], piece.sizes[1], use.no_partner, piece.share
    share_alike(piece, 0)
    share_alike(piece, 1)
    for out in range(outs):
        for inn in range(ins):
            cost = piece.cost[piece.outbound[out], piece.inbound[inn]]
            piece.price[out, inn] = 1e-6 * min(cost, far) / far - share[out, inn]
    turned = assign(piece.price, outs, ins, piece.assigned)
    pairs = 0
    for out in range(outs):
        inn = partner_in(piece.assigned, turned, out)
        segments.partner[out_start + piece.outbound[out]] = -1
        piece.guess[out] = -1
        if inn >= 0 and piece.cost[piece.outbound[out], piece.inbound[inn]] < far:
            piece.guess[out] = inn
            piece.values[pairs] = piece.out_time[out] - piece.in_time[inn]
            pairs += 1
    scatter = scattered(piece.values, pairs, piece.ranks, piece.spare)
    within = use.overtakes_within + scatter
    trust = use.crowded if max(outs, ins) > use.crowd else 1.0
    for out in range(outs):
        inn = piece.guess[out]
        if inn < 0:
            continue
        chance = share[out, inn]
        counts_from, others = min(use.alternative, chance * (1 - 1e-6)), -1
        for other in range(ins):
            if share[out, other] >= counts_from:
                others += 1
        apart = nearest_end(piece, use, out) / within
        at = out_start + piece.outbound[out]
        segments.partner[at] = piece.inbound[inn]
        segments.confidence[at] = min(chance * (1 - use.overtakes / (1 + apart * apart)) * trust, use.at_most)
        segments.alternatives[at] = others


def scattered(delays: FloatArray, pairs: int, order: IntArray, room: IntArray) -> float:
    """What delays differ by from their middle, half of it."""
    if not pairs:
        return 0.0
    sort(delays, pairs, order, room)
    middle = middle_of(delays, order, pairs)
    for pair in range(pairs):
        delays[pair] = abs(delays[pair] - middle)
    sort(delays, pairs, order, room)
    return middle_of(delays, order, pairs) / 2


def nearest_end(piece: Piece, use: Figures, out: int) -> float:
    """How far the ends of another pair are, that could have changed places with this one: `matching._overtaken`."""
    inn, nearest = piece.guess[out], math.inf
    for other in range(piece.sizes[0]):
        theirs = piece.guess[other]
        if theirs < 0 or other == out:
            continue
        end = max(
            abs(piece.out_time[out] - piece.out_time[other]), abs(piece.in_time[inn] - piece.in_time[theirs])
        )  # fmt: skip
        if end >= nearest:
            continue
        start = min(
            abs(piece.out_latest[out] - piece.out_latest[other]), abs(piece.in_latest[inn] - piece.in_latest[theirs])
        )  # fmt: skip
        if start <= use.interchangeable:
            nearest = end
    return nearest


def share_alike(piece: Piece, side: int) -> None:
    """Halves of equal end, start and port are interchangeable: each gets the mean of their probabilities."""
    count, others = piece.sizes[side], piece.sizes[1 - side]
    time = piece.out_time if side == 0 else piece.in_time
    latest = piece.out_latest if side == 0 else piece.in_latest
    done = piece.ranks
    for half in range(count):
        done[half] = 0
    for half in range(count):
        if done[half]:
            continue
        alike, stop = 1, half + 1
        piece.spare[0] = half
        while stop < count and time[stop] == time[half]:
            same = latest[stop] == latest[half] and (side == 1 or piece.out_port[stop] == piece.out_port[half])
            if same:
                piece.spare[alike] = stop
                alike += 1
                done[stop] = 1
            stop += 1
        if alike == 1:
            continue
        for other in range(others):
            total = 0.0
            for one in range(alike):
                here = piece.spare[one]
                total += piece.share[here, other] if side == 0 else piece.share[other, here]
            for one in range(alike):
                here = piece.spare[one]
                if side == 0:
                    piece.share[here, other] = total / alike
                else:
                    piece.share[other, here] = total / alike
