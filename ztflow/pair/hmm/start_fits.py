"""How well starts fit, for compiled code: `emissions` and `start_lags`, in plain loops. See there for what it means."""

from __future__ import annotations

import math

from ztflow.columns.dtypes import FloatArray
from ztflow.pair.hmm.emissions import IMPOSSIBLE
from ztflow.pair.hmm.figures import Figures, Piece, Tables
from ztflow.pair.hmm.ordering import sort
from ztflow.pair.hmm.start_lags import MILLISECOND

PORTS = 65536
"""The range of ports, used in a circle."""


def start_order(piece: Piece, use: Figures) -> None:
    """Estimate starts, and put outbound halves in order of them: `emissions.start_order`."""
    count, side = piece.sizes[0], use.neighbours
    by_port, latest, port = piece.ranks, piece.out_latest, piece.out_port
    known, first = False, 0
    for half in range(count):
        known = known or port[half] != 0
    for half in range(count):
        piece.values[half] = float(port[half]) if known else latest[half]
    sort(piece.values, count, piece.order, piece.spare)
    if known:
        widest = port[piece.order[0]] + PORTS - port[piece.order[count - 1]]
        for place in range(count - 1, 0, -1):
            gap = port[piece.order[place]] - port[piece.order[place - 1]]
            if gap >= widest:
                widest, first = gap, place
    for place in range(count):
        by_port[place] = piece.order[(first + place) % count]
    around, size = piece.belief, 2 * side + 1
    for place in range(count):
        for one in range(size):
            at = place + one - side
            if count > side:
                at = -at if at < 0 else 2 * (count - 1) - at if at >= count else at
            else:
                at = min(max(at, 0), count - 1)
            value, slot = latest[by_port[at]], one
            while slot > 0 and around[slot - 1] > value:
                around[slot] = around[slot - 1]
                slot -= 1
            around[slot] = value
        inside, likely = latest[by_port[place]], around[side]
        if abs(inside - likely) > use.stranger:
            likely = inside
        likely = min(max(likely, inside - MILLISECOND / 2), inside + MILLISECOND / 2)
        piece.values[place] = likely - MILLISECOND / 2
        piece.start[by_port[place]] = piece.values[place]
    sort(piece.values, count, piece.order, piece.spare)
    for place in range(count):
        piece.order[place] = by_port[piece.order[place]]


def fit_starts(piece: Piece, use: Figures, tables: Tables, learned: bool) -> None:
    """Fill in `piece.fit`, from `piece.share` where something was learned: `StartEmissions.given`."""
    outs, ins = piece.sizes[0], piece.sizes[1]
    if learned:
        believe(piece, use, tables)
    for out in range(outs):
        if not math.isnan(piece.noted[out]):
            for inn in range(ins):
                after = piece.in_latest[inn] - piece.noted[out]
                told = noted_before(after, use) - noted_before(after - MILLISECOND, use)
                piece.fit[out, inn] = math.log(told + IMPOSSIBLE)
            continue
        below = piece.behind[out]
        for inn in range(ins):
            lag = piece.in_latest[inn] - piece.start[out]
            if learned:
                inside = max(below_lag(lag, below, use, tables) - below_lag(lag - MILLISECOND, below, use, tables), 0.0)
            else:
                inside = usual_below_lag(lag, use) - usual_below_lag(lag - MILLISECOND, use)
            off = max(abs(lag - MILLISECOND / 2) - MILLISECOND / 2, 0.0)
            part = use.outside_scale / (use.outside_scale + off)
            piece.fit[out, inn] = math.log((1 - use.outside) * inside + use.outside * part * part + IMPOSSIBLE)


def noted_before(after: float, use: Figures) -> float:
    """Share of connections that start at most so long after the line that notes their request."""
    if after > use.soonest:
        left = use.soon / (use.soon + after - use.soonest)
        return 1 - (1 - use.at_once) * left * left
    sooner = use.soonest / (use.soonest + use.soonest - after)
    return float(use.at_once * sooner * sooner * sooner * sooner)


def usual_below_lag(lag: float, use: Figures) -> float:
    """Share of lags below this where nothing is known: `start_lags.usual_below`."""
    share = use.before / (use.before + 2 * use.half_below)
    if lag < 0:
        soon = use.before / (use.before - lag)
        return share * soon * soon
    return share + (1 - share) * lag / (lag + use.half_below)


def below_lag(lag: float, below: FloatArray, use: Figures, tables: Tables) -> float:
    """What is below a lag, linear between the edges of the grid."""
    edge, last = tables.edge, len(tables.edge)
    if lag < edge[0]:
        return 0.0
    place = min(int((lag - edge[0]) / use.step) + 1, last)
    while place > 1 and edge[place - 1] > lag:
        place -= 1
    while place < last and edge[place] <= lag:
        place += 1
    if place == last:
        return float(below[last - 1])
    part = (lag - edge[place - 1]) / (edge[place] - edge[place - 1])
    return float(below[place - 1] + (below[place] - below[place - 1]) * part)


def believe(piece: Piece, use: Figures, tables: Tables) -> None:
    """Fill in `piece.behind` with what is believed to be below each lag: `start_lags._beliefs`, summed up."""
    outs, lags = piece.sizes[0], len(tables.at)
    belief, onward = piece.belief, piece.onward
    for out in range(outs):
        see(piece, use, tables, out)
    for lag in range(lags):
        belief[lag] = tables.share[lag]
    for place in range(outs):
        out = piece.order[place]
        for lag in range(lags):
            piece.ahead[out, lag] = belief[lag]
        pass_on(belief, piece.seen[out], tables.next, onward)
        total = 0.0
        for lag in range(lags):
            total += onward[lag]
        for lag in range(lags):
            belief[lag] = onward[lag] / total
    for lag in range(lags):
        belief[lag] = 1.0
    for place in range(outs - 1, -1, -1):
        out = piece.order[place]
        for lag in range(lags):
            piece.behind[out, lag] = belief[lag]
        pass_on(belief, piece.seen[out], tables.last, onward)
        most = 0.0
        for lag in range(lags):
            most = max(most, onward[lag])
        for lag in range(lags):
            belief[lag] = onward[lag] / most
    for out in range(outs):
        total = 0.0
        for lag in range(lags):
            piece.behind[out, lag] *= piece.ahead[out, lag]
            total += piece.behind[out, lag]
        below = 0.0
        for lag in range(lags):
            below += piece.behind[out, lag] / total
            piece.behind[out, lag] = below


def pass_on(belief: FloatArray, likely: FloatArray, shares: FloatArray, onward: FloatArray) -> None:
    """What follows from a belief and what is seen: their product, by the share of each lag (column) after each."""
    lags = len(likely)
    for lag in range(lags):
        onward[lag] = 0.0
    for start in range(lags):
        weight, share = belief[start] * likely[start], shares[start]
        for lag in range(lags):
            onward[lag] += weight * share[lag]


def see(piece: Piece, use: Figures, tables: Tables, out: int) -> None:
    """Fill in a row of `piece.seen`: `start_lags._seen`."""
    seen, lags = piece.seen[out], len(tables.at)
    for lag in range(lags):
        seen[lag] = use.doubt
    for inn in range(piece.sizes[1]):
        share = piece.share[out, inn]
        if share > use.likely:
            latest = piece.in_latest[inn] - piece.start[out]
            for lag in range(lags):
                over = latest - tables.at[lag]
                seen[lag] += share * (over_edge(over, use.blur) - over_edge(over - MILLISECOND, use.blur))


def over_edge(by: float, blur: float) -> float:
    """How far over a blurred edge something is that lies so much beyond it: from 0 to 1."""
    half = 0.5 * blur / (blur + abs(by))
    return 1 - half if by > 0 else half
