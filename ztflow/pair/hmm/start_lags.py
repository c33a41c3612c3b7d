"""Start lags: how long after the outbound start of a connection its inbound one follows, estimated from its neighbours.

Connections that start one after the other wait in the same queues, so their lags are alike: mostly near that of the one
before, now and then any. That is a hidden Markov chain along the order of starts. What is observed of it are the likely
pairs: each says in which millisecond the lag of its outbound half lies, and how likely it is. The belief about a half's
lag follows from all observations but its own (forward-backward algorithm), so it does not harden from its own first
guess, and neighbours whose partners are unclear say little.

Units: microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index

MILLISECOND: Final = 1000.0
"""A duration is cut to whole milliseconds: the true start lies up to this much before `end - duration`."""


class StartLagParameters(NamedTuple):
    """What lags are like where nothing is known, and how alike neighbours are.

    Attributes:
        half_below: Half of all lags are below this. Chosen.
        before: How fast an inbound start before the outbound one becomes impossible. Chosen.
        like_neighbour: Share of lags that are like that of the connection before. Chosen.
        neighbour_apart: Half of those are at most so far from it. Chosen.
        doubt: Weight of knowing nothing beside what the likely pairs say: they are not as sure as their probabilities,
            in which lags had a hand. On captured and simulated bursts 0.1 and 0.6 do worse.
        blur: How blurred the edges of a millisecond are: clock reads are not at one instant. Chosen.
        likely: Pairs of a smaller probability are no observation. Chosen.
        step: Width of the grid on which lags are told apart. Chosen, like the next three: finer than what moves a
            result, coarse enough to be fast.
        even_until: Up to here the grid is even.
        wider: Beyond, its width is this share of how far it is beyond.
        longest: Where the grid ends.
    """

    half_below: float = 500.0
    before: float = 50.0
    like_neighbour: float = 0.94
    neighbour_apart: float = 180.0
    doubt: float = 0.35
    blur: float = 60.0
    likely: float = 0.01
    step: float = 100.0
    even_until: float = 8000.0
    wider: float = 0.12
    longest: float = 100_000.0


START_LAGS: Final = StartLagParameters()


class Grid(NamedTuple):
    """Lags that are told apart.

    Attributes:
        at: The lags.
        edge: Where each one's share ends.
        prior: Share of each, where nothing is known.
        next: Share of each (column) after each (row).
        last: The same the other way round.
    """

    at: FloatArray
    edge: FloatArray
    prior: FloatArray
    next: FloatArray
    last: FloatArray


@lru_cache(maxsize=4)
def grid_of(parameters: StartLagParameters) -> Grid:
    """The lags that are told apart."""
    step = parameters.step
    lags = [-10 * step]
    while lags[-1] < parameters.longest:
        lags.append(lags[-1] + max(step, parameters.wider * (lags[-1] - parameters.even_until)))
    at = np.array(lags)
    edge = at + np.append(np.diff(at), 0) / 2
    prior = np.diff(usual_below(edge, parameters), prepend=0.0)
    near = np.gradient(at) / (1 + np.abs(at[:, None] - at[None, :]) / parameters.neighbour_apart) ** 2
    prior /= prior.sum()
    alike = parameters.like_neighbour
    after = alike * near / near.sum(axis=1, keepdims=True) + (1 - alike) * prior
    return Grid(at, edge, prior, after, np.ascontiguousarray(after.T))


def usual_below(lag: FloatArray, parameters: StartLagParameters = START_LAGS) -> FloatArray:
    """Share of lags below this where nothing is known: half are below `half_below`, hardly any below 0."""
    soon, half = parameters.before, parameters.half_below
    share = soon / (soon + 2 * half)
    before = share * (soon / (soon - np.minimum(lag, 0))) ** 2
    after = np.maximum(lag, 0) / (np.maximum(lag, 0) + half)
    return np.where(lag < 0, before, share + (1 - share) * after)


def within_millisecond(
    lag: FloatArray,
    posterior: FloatArray | None = None,
    order: Index | None = None,
    parameters: StartLagParameters = START_LAGS,
) -> FloatArray:
    """The probability that the inbound start lies in the millisecond that its line leaves open.

    Args:
        lag: Latest start of the inbound halves (columns) minus the start of the outbound ones (rows).
        posterior: Probability of each pair; None where nothing is known.
        order: The outbound halves in order of start.
        parameters: The figures.

    Cost: 0.1 ms an outbound half.
    """
    if posterior is None or order is None:
        return usual_below(lag, parameters) - usual_below(lag - MILLISECOND, parameters)
    beliefs = _beliefs(lag, posterior, order, parameters)
    below = np.zeros((len(lag), beliefs.shape[1] + 2))
    np.cumsum(beliefs, axis=1, out=below[:, 1:-1])
    below[:, -1] = below[:, -2]
    return np.maximum(_at(lag, below, parameters) - _at(lag - MILLISECOND, below, parameters), 0.0)


def _at(lag: FloatArray, below: FloatArray, parameters: StartLagParameters) -> FloatArray:
    """What is below each lag of a row, linear between the edges of the grid; `below` has a column before and behind."""
    edge = grid_of(parameters).edge
    place = edge.searchsorted(lag, side="right")
    low, high = edge[np.maximum(place - 1, 0)], edge[np.minimum(place, len(edge) - 1)]
    part = np.divide(lag - low, high - low, out=np.zeros(lag.shape), where=high > low)
    row = np.arange(len(lag))[:, None]
    first = below[row, place]
    result: FloatArray = first + (below[row, place + 1] - first) * part
    return result


def _beliefs(lag: FloatArray, posterior: FloatArray, order: Index, parameters: StartLagParameters) -> FloatArray:
    """What the lag of each outbound half (row) may be (columns: the grid), by all others."""
    grid = grid_of(parameters)
    seen = _seen(lag, posterior, parameters)[order]
    forward, backward = np.empty(seen.shape), np.empty(seen.shape)
    belief = grid.prior
    for here, likely in zip(forward, seen, strict=True):
        here[:] = belief
        belief = (belief * likely) @ grid.next
        belief /= belief.sum()
    belief = np.ones(len(grid.at))
    for here, likely in zip(backward[::-1], seen[::-1], strict=True):
        here[:] = belief
        belief = grid.next @ (belief * likely)
        belief /= belief.max()
    both = forward * backward
    result = np.empty(seen.shape)
    result[order] = both / both.sum(axis=1, keepdims=True)
    return result


def _seen(lag: FloatArray, posterior: FloatArray, parameters: StartLagParameters) -> FloatArray:
    """How likely what is observed of each outbound half (row) is, if its lag is so much (column)."""
    grid, blur = grid_of(parameters), parameters.blur
    rows, columns = np.nonzero(posterior > parameters.likely)
    latest = lag[rows, columns][:, None] - grid.at
    seen = np.full((len(lag), len(grid.at)), parameters.doubt)
    inside = _over(latest, blur) - _over(latest - MILLISECOND, blur)
    if len(rows):
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        seen[rows[first]] += np.add.reduceat(posterior[rows, columns][:, None] * inside, first)
    return seen


def _over(by: FloatArray, blur: float) -> FloatArray:
    """How far over a blurred edge something is that lies so much beyond it: from 0 to 1."""
    half = 0.5 / (1 + np.abs(by) / blur)
    return np.where(by > 0, 1 - half, half)
