"""Expectation maximisation over a piece of a segment, for compiled code: `posterior`, in plain loops. See there."""

from __future__ import annotations

import math

from ztflow.pair.hmm.backward import backward
from ztflow.pair.hmm.figures import Figures, Piece, Tables
from ztflow.pair.hmm.forward import forward
from ztflow.pair.hmm.ordering import middle_of, quantile_of, sort
from ztflow.pair.hmm.start_fits import fit_starts, start_order
from ztflow.pair.hmm.transitions import (
    EARLY_SLOPE,
    EARLY_STEEP,
    EXPONENT_AT,
    GAP_CLASSES,
    GAPS,
    LEAST_AT,
    Burst,
)
from ztflow.pair.hmm.trellis import LOG_ZERO, BothWays, Transitions, limit, look_ahead


def learn(trellis: BothWays, piece: Piece, use: Figures, tables: Tables, usual: float) -> None:
    """Fill in `piece.share`: `posterior.partner_posterior`.

    Every round adds up all paths with what was learned so far; the last one with the final beam. Each function that is
    large is called in one place: compilers copy them to where they are called.
    """
    slots = max(piece.sizes[0], piece.sizes[1])
    crowd = slots > use.crowd
    rounds = 1 if crowd else len(tables.shifts) if slots > use.few else 0
    states, within = use.learning_states, use.learning_within
    if crowd:
        states, within = use.crowd_learning_states, use.crowd_learning_within
    turned, least, spread, shift, turn, final, fresh = False, 0.0, 0.0, 0.0, 0, False, True
    start_order(piece, use)
    while not final:
        final = turn >= rounds
        if final:
            states = use.crowd_beam_states if crowd else use.beam_states
            within = use.crowd_beam_within if crowd else use.beam_within
        if fresh:
            fit_starts(piece, use, tables, turn > 0)
            if turn == 0:
                turned, least, spread = pace(trellis.burst, piece, use, tables, usual)
            move_rates(trellis, use, tables, turn > 0 and not use.known)
        step = tables.shifts[turn] if not final and not crowd and slots >= use.many else 0.0
        exponent = use.exponent if final else use.learning_exponent
        shift = add_up(trellis, piece, use, turned, least, spread, shift, step, states, within, exponent)
        if not final and not crowd and slots < use.many and change(trellis, piece, turn == 0) < use.settled:
            rounds, fresh = turn, False  # nothing is learned from this round
        else:
            share_out(trellis, piece, turned)
            turn += 1


def change(trellis: BothWays, piece: Piece, first: bool) -> float:
    """By how much the posterior changed at most; the first time: how far it is from certain."""
    most = 0.0
    for k in range(trellis.burst.sizes[0]):
        for j in range(trellis.burst.sizes[1]):
            share = trellis.posterior[k, j]
            before = float(round(share)) if first else piece.settled[k, j]
            most = max(most, abs(share - before))
            piece.settled[k, j] = share
    return most


def share_out(trellis: BothWays, piece: Piece, turned: bool) -> None:
    """Copy the posterior, a row an outbound half."""
    for out in range(piece.sizes[0]):
        for inn in range(piece.sizes[1]):
            piece.share[out, inn] = trellis.posterior[inn, out] if turned else trellis.posterior[out, inn]


def pace(
    burst: Burst, piece: Piece, use: Figures, tables: Tables, usual: float
) -> tuple[bool, float, float]:  # fmt: skip
    """Lay out the ends of a burst: `transition_rates.Pace` and `gap_classes`.

    Returns:
        Whether outbound ends are the early ones, the least delay and its spread.
    """
    outs, ins, known = piece.sizes[0], piece.sizes[1], 0
    for out in range(outs):
        if piece.guess[out] >= 0:
            piece.values[known] = piece.out_time[out] - piece.in_time[piece.guess[out]]
            known += 1
    sort(piece.values, known, piece.ranks, piece.spare)
    turned = known > 0 and middle_of(piece.values, piece.ranks, known) < 0.0
    if turned:
        for place in range(known):
            piece.values[place] = -piece.values[place]
            piece.spare[place] = piece.ranks[known - 1 - place]
        for place in range(known):
            piece.ranks[place] = piece.spare[place]
    burst.sizes[0], burst.sizes[1] = (ins, outs) if turned else (outs, ins)
    for k in range(burst.sizes[0]):
        burst.late[k] = piece.in_time[k] if turned else piece.out_time[k]
    for j in range(burst.sizes[1]):
        burst.early[j] = piece.out_time[j] if turned else piece.in_time[j]
    service, most = 0.0, -1.0
    for one in range(len(tables.service)):
        many, tried = tables.service_share[one], tables.service[one]
        for k in range(1, burst.sizes[0]):
            gap = burst.late[k] - burst.late[k - 1]
            if 0.8 * tried <= gap < 1.4 * tried:
                many += 1.0
        if many > most:
            most, service = many, tried
    least = use.least + max(0.0, usual - use.usual_delay)
    if known:
        least = min(least, quantile_of(piece.values, piece.ranks, known, 0.05) - use.margin)
    for k in range(burst.sizes[0]):
        burst.gap[k] = gap_class(burst.late[k] - burst.late[k - 1], service) if k >= 1 else GAP_CLASSES - 1
        burst.gap2[k] = gap_class(burst.late[k] - burst.late[k - 2], service) if k >= 2 else GAP_CLASSES - 1
    return turned, least, use.spread * service


def gap_class(gap: float, service: float) -> int:
    """Class of a time between ends."""
    found = 0
    for bound in GAPS:
        if gap / service >= bound:
            found += 1
    return found


def move_rates(trellis: BothWays, use: Figures, tables: Tables, learned: bool) -> None:
    """Weights of a burst's steps: `TransitionRates.weights`, `moved` before where something was counted."""
    burst, counts = trellis.burst, trellis.counts
    prior = use.prior
    for row in range(12):
        total = prior
        for kind in range(4):
            total += counts.follows[row, kind] if learned else 0.0
        for kind in range(4):
            share = tables.follows[row, kind]
            if learned:
                share = (counts.follows[row, kind] + prior * share) / total
            for gap in range(GAP_CLASSES):
                burst.follows[row * GAP_CLASSES + gap, kind] = share
    for kind in range(4):
        total = prior
        for gap in range(GAP_CLASSES):
            total += counts.gaps[kind, gap] if learned else 0.0
        for gap in range(GAP_CLASSES):
            share = tables.gaps[kind, gap]
            if learned:
                share = (counts.gaps[kind, gap] + prior * share) / total
            for row in range(12):
                burst.follows[row * GAP_CLASSES + gap, kind] *= share
    other, own = prior, prior
    for gap in range(GAP_CLASSES):
        other += counts.own[0, gap] if learned else 0.0
        own += counts.own[1, gap] if learned else 0.0
    for gap in range(GAP_CLASSES):
        mine, theirs = tables.own[1, gap], tables.own[0, gap]
        if learned:
            mine = (counts.own[1, gap] + prior * mine) / own
            theirs = (counts.own[0, gap] + prior * theirs) / other
        burst.own[gap] = mine / theirs
    for k in range(burst.sizes[0]):
        gap = burst.gap[k]
        chance = tables.batch[gap]
        if learned:
            chance = (counts.batch[0, gap] + prior * chance) / (counts.batch[1, gap] + prior)
        burst.batch[k] = min(chance, use.most_batch)


def weigh(trellis: BothWays, piece: Piece, turned: bool, least: float, spread: float, exponent: float) -> None:
    """Fill in what of a burst hangs on the least delay: `transitions.reads` and `transitions.too_early`."""
    burst = trellis.burst
    late, early = burst.sizes[0], burst.sizes[1]
    burst.numbers[LEAST_AT], burst.numbers[EXPONENT_AT] = least, exponent
    for k in range(late):
        later = 0.0
        burst.later[k, early] = 0.0
        for j in range(early - 1, -1, -1):
            ago = burst.late[k] - burst.early[j]
            left = spread / (spread + max(ago - least, 0.0))
            burst.later[k, j] = later
            burst.read[k, j] = 1.0 - left * left - later
            later = 1.0 - left * left
            fit = piece.fit[j, k] if turned else piece.fit[k, j]
            if ago < least:
                fit -= EARLY_STEEP * math.log1p((least - ago) / EARLY_SLOPE)
            burst.emission[k, j] = fit
    look_ahead(burst, trellis.ahead)


def go_back(trellis: BothWays, transitions: Transitions) -> None:
    """The backward pass, into posterior and counts made empty."""
    burst, counts = trellis.burst, trellis.counts
    for k in range(burst.sizes[0]):
        for j in range(burst.sizes[1]):
            trellis.posterior[k, j] = 0.0
    for table in (counts.follows, counts.gaps, counts.own, counts.batch):
        for row in range(table.shape[0]):
            for column in range(table.shape[1]):
                table[row, column] = 0.0
    backward(burst, transitions, trellis.onward, trellis.posterior, counts)


def add_up(
    trellis: BothWays, piece: Piece, use: Figures, turned: bool, least: float, spread: float, shift: float, step: float,
    states: int, within: float, exponent: float,
) -> float:  # fmt: skip
    """Add up all paths into posterior and counts; returns how far the least delay is moved from where it was first.

    It moves by this step where that is likelier, which the forward pass alone tells.
    """
    keep = limit(trellis.burst, trellis.scratch, states)
    best, chosen, last = LOG_ZERO, shift, shift
    kept, free = trellis.transitions, piece.other
    tries, turn = 3 if step else 1, 0
    while turn < tries or last != chosen:
        last = chosen if turn == tries else shift if turn == 0 else shift - step if turn == 1 else shift + step
        weigh(trellis, piece, turned, least + last, spread, exponent)
        if turn < tries:
            if step:
                kept, free = free, kept
            forward(trellis.burst, trellis.states, kept, trellis.scratch, trellis.ahead, keep, within)
            total = sum_of(kept, trellis.burst.sizes[0]) - (last / use.clock_error) ** 2 / 2
            if turn == 0 or total > best:
                best, chosen = total, last
            else:
                kept, free = free, kept
        turn += 1
    go_back(trellis, kept)
    return chosen


def sum_of(transitions: Transitions, late: int) -> float:
    """The logarithm of the sum over all pairing paths."""
    best, everything = LOG_ZERO, 0.0
    for state in range(transitions.kept[late]):
        best = max(best, transitions.before[late, state])
    if transitions.kept[late] == 0:
        return LOG_ZERO
    for state in range(transitions.kept[late]):
        everything += math.exp(transitions.before[late, state] - best)
    return best + math.log(everything)
