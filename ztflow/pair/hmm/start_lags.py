"""How long after the outbound start of a connection its inbound start follows: its lag.

Connections that start one after the other wait in the same queues, so their lags are alike: mostly near that of the one
before, now and then any. That is a hidden Markov chain along the order of starts. What is seen of it are the likely
pairs: each says in which millisecond the lag of its outbound half lies, and how likely it is. From all of that but what
is seen of a half itself follows what its lag may be (forward-backward algorithm). So the belief about a half does not
harden from its own first guess, and neighbours whose partners are unclear say little.

Units: microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index

WINDOW = 1000.0
"""A duration is cut to whole milliseconds: the true start lies up to this much before `end - duration`."""
LAG = 500.0
"""Half of all lags are below this."""
BEFORE = 50.0
"""How fast an inbound start before the outbound one becomes impossible."""
LIKE_NEIGHBOUR, APART = 0.94, 180.0
"""Share of lags that are like that of the connection before, and how far from it half of them are at most."""
DOUBT = 0.35
"""What the likely pairs say counts beside this: they are not as sure as their shares, in which lags had a hand. On
captured and simulated bursts 0.1 and 0.6 do worse."""
BLUR = 60.0
"""How blurred the edges of a millisecond are: clock reads are not at one instant."""
LIKELY = 0.01
"""Pairs with a smaller share say nothing."""

STEP, EVEN, WIDER, LONGEST = 100.0, 8000.0, 0.12, 100_000.0
"""Lags are told apart by `STEP`, beyond `EVEN` by a share of what they are above it, up to `LONGEST`."""


class _Grid(NamedTuple):
    """Lags that are told apart.

    Attributes:
        at: The lags.
        edge: Where each one's share ends.
        prior: Share of each, where nothing is known.
        near: Share of each (column) after each (row), where lags are alike.
    """

    at: FloatArray
    edge: FloatArray
    prior: FloatArray
    near: FloatArray


@lru_cache(maxsize=1)
def _grid() -> _Grid:
    lags = [-10 * STEP]
    while lags[-1] < LONGEST:
        lags.append(lags[-1] + max(STEP, WIDER * (lags[-1] - EVEN)))
    at = np.array(lags)
    edge = at + np.append(np.diff(at), 0) / 2
    prior = np.diff(usual_below(edge), prepend=0.0)
    near = np.gradient(at) / (1 + np.abs(at[:, None] - at[None, :]) / APART) ** 2
    return _Grid(at, edge, prior / prior.sum(), near / near.sum(axis=1, keepdims=True))


def usual_below(lag: FloatArray) -> FloatArray:
    """Share of lags below this where nothing is known: half are below `LAG`, hardly any below 0."""
    share = BEFORE / (BEFORE + 2 * LAG)
    before = share * (BEFORE / (BEFORE - np.minimum(lag, 0))) ** 2
    after = np.maximum(lag, 0) / (np.maximum(lag, 0) + LAG)
    return np.where(lag < 0, before, share + (1 - share) * after)


def within_window(lag: FloatArray, shares: FloatArray | None = None, order: Index | None = None) -> FloatArray:
    """The probability that the inbound start lies in the millisecond that its line leaves open.

    Args:
        lag: Latest start of the inbound halves (columns) minus the start of the outbound ones (rows).
        shares: How likely each pair is; None where nothing is known.
        order: The outbound halves in order of start.

    Cost: 0.1 ms an outbound half.
    """
    if shares is None or order is None:
        return usual_below(lag) - usual_below(lag - WINDOW)
    below = np.cumsum(_beliefs(lag, shares, order), axis=1)
    edge = _grid().edge
    inside = np.empty(lag.shape)
    for row, latest in enumerate(lag):
        inside[row] = np.interp(latest, edge, below[row], left=0.0)
        inside[row] -= np.interp(latest - WINDOW, edge, below[row], left=0.0)
    return np.maximum(inside, 0.0)


def _beliefs(lag: FloatArray, shares: FloatArray, order: Index) -> FloatArray:
    """What the lag of each outbound half (row) may be (columns: the grid), by all others."""
    grid = _grid()
    seen = _seen(lag, shares)[order]
    forward, backward = np.empty(seen.shape), np.empty(seen.shape)
    belief = grid.prior
    for place in range(len(seen)):
        forward[place] = belief
        belief = belief * seen[place]
        belief = LIKE_NEIGHBOUR * (belief / belief.sum()) @ grid.near + (1 - LIKE_NEIGHBOUR) * grid.prior
    belief = np.ones(len(grid.at))
    for place in range(len(seen) - 1, -1, -1):
        backward[place] = belief
        belief = belief * seen[place]
        belief = LIKE_NEIGHBOUR * grid.near @ belief + (1 - LIKE_NEIGHBOUR) * (grid.prior @ belief)
        belief /= belief.max()
    both = forward * backward
    result = np.empty(seen.shape)
    result[order] = both / both.sum(axis=1, keepdims=True)
    return result


def _seen(lag: FloatArray, shares: FloatArray) -> FloatArray:
    """How likely what is seen of each outbound half (row) is, if its lag is so much (column)."""
    grid = _grid()
    rows, columns = np.nonzero(shares > LIKELY)
    latest = lag[rows, columns][:, None] - grid.at
    seen = np.full((len(lag), len(grid.at)), DOUBT)
    np.add.at(seen, rows, shares[rows, columns][:, None] * (_over(latest) - _over(latest - WINDOW)))
    return seen


def _over(by: FloatArray) -> FloatArray:
    """How far over an edge something is that lies so much beyond it: from 0 to 1."""
    half = 0.5 / (1 + np.abs(by) / BLUR)
    return np.where(by > 0, 1 - half, half)
