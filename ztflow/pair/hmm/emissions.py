"""Emissions: how well the starts of two halves fit, from durations, source ports, start lags and debug lines.

An outbound half gives its start to a whole millisecond (end minus duration, both cut). Linux gives out source ports in
rising order per destination, so among many equal connections neighbours in port order started one after the other, and
the middle of their milliseconds narrows each of them down. Where ports say nothing (another system, NAT in between,
none in the line), the milliseconds are all there is.

The inbound start follows the outbound one after some lag (`start_lags`). It lies in the millisecond that the inbound
line leaves open. Where a debug line tells when the server saw the client's request, that is the inbound start.
Units: microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index, IntArray
from ztflow.pair.hmm.start_lags import MILLISECOND, START_LAGS, StartLagParameters, within_millisecond

IMPOSSIBLE: Final = 1e-9
"""Least probability, so that its logarithm is finite."""


class EmissionParameters(NamedTuple):
    """Figures for estimating starts.

    Attributes:
        neighbours: In port order on each side, that are asked. Chosen.
        stranger: A start this far from those of its neighbours did not get its port in turn (a clash at the NAT).
            Chosen.
        outside: Share of starts outside the millisecond their line leaves open: clock reads are not at one instant.
            Chosen.
        outside_scale: How far outside. Chosen.
        soonest: A connection starts at least so long after the debug line that notes its request. Captured
            (1.24.6-debug, to the `connection opened` that follows it): 6 to 71 µs.
        soon: Three quarters start within so much more. Captured, as above.
        at_once: Share that seems to start sooner: clock and line are not written at one instant. Chosen.
        lags: What start lags are like.
    """

    neighbours: int = 4
    stranger: float = 3000.0
    outside: float = 0.02
    outside_scale: float = 300.0
    soonest: float = 5.0
    soon: float = 20.0
    at_once: float = 0.02
    lags: StartLagParameters = START_LAGS


EMISSIONS: Final = EmissionParameters()


def start_order(
    latest: FloatArray, port: IntArray, parameters: EmissionParameters = EMISSIONS
) -> tuple[FloatArray, Index]:
    """Estimated starts of outbound halves, and their order.

    Args:
        latest: End minus duration: the latest instant each can have started.
        port: Source port of each; 0 where unknown.
        parameters: The figures.

    Returns:
        The estimates, each within its own millisecond, and the indexes in order of start.
    """
    middle, side = latest - MILLISECOND / 2, parameters.neighbours
    by_port = _turn(port) if port.any() else np.argsort(middle, kind="stable")
    inside = middle[by_port]
    around = np.sort(inside[_windows(len(inside), side)], axis=1)[:, side]  # the median
    around = np.where(np.abs(inside - around) > parameters.stranger, inside, around)
    estimate = np.empty(len(latest))
    estimate[by_port] = np.clip(around, inside - MILLISECOND / 2, inside + MILLISECOND / 2)
    rank = np.empty(len(latest), np.intp)
    rank[by_port] = np.arange(len(latest))
    return estimate, np.lexsort((rank, estimate))


@lru_cache(maxsize=64)
def _windows(count: int, side: int) -> Index:
    """Places of each one and of so many neighbours on each side (columns).

    Beyond the ends they are mirrored; where there are too few for that, the one at the end comes again.
    """
    places = np.pad(np.arange(count), side, mode="reflect" if count > side else "edge")
    windows: Index = places[np.arange(count)[:, None] + np.arange(2 * side + 1)]
    return windows


def _turn(port: IntArray) -> Index:
    """Indexes in rising order of port, beginning after the widest gap: the range of ports is used in a circle."""
    order = np.argsort(port, kind="stable")
    ports = port[order]
    gaps = np.append(ports[1:] - ports[:-1], ports[0] + 65536 - ports[-1])
    first = (int(gaps.argmax()) + 1) % len(port)
    return np.concatenate([order[first:], order[:first]])


class StartEmissions:
    """How well the start of each inbound half fits that of each outbound one.

    Args:
        lag: Latest start of the inbound halves (columns) minus estimated start of the outbound ones (rows).
        noted: Latest start of the inbound halves minus the time the request of the outbound half was seen; NaN where
            it was not.
        parameters: The figures.

    Cost: memory 16 bytes a cell.
    """

    def __init__(self, lag: FloatArray, noted: FloatArray, parameters: EmissionParameters = EMISSIONS) -> None:
        self._lag, self._parameters = lag, parameters
        off = np.maximum(np.abs(lag - MILLISECOND / 2) - MILLISECOND / 2, 0)
        scale = parameters.outside_scale
        self._outside = parameters.outside * (scale / (scale + off)) ** 2 + IMPOSSIBLE
        self._told = np.isfinite(noted).all(axis=1)
        after = noted[self._told]
        told = _noted_before(after, parameters) - _noted_before(after - MILLISECOND, parameters)
        self._as_told = np.log(told + IMPOSSIBLE)

    def given(self, posterior: FloatArray | None = None, order: Index | None = None) -> FloatArray:
        """The logarithms, given the probability of each pair and the outbound halves in order of start."""
        inside = within_millisecond(self._lag, posterior, order, self._parameters.lags)
        result: FloatArray = np.log((1 - self._parameters.outside) * inside + self._outside)
        result[self._told] = self._as_told
        return result


def _noted_before(after: FloatArray, parameters: EmissionParameters) -> FloatArray:
    """Share of connections that start at most so long after the line that notes their request."""
    soonest, soon, at_once = parameters.soonest, parameters.soon, parameters.at_once
    over = np.maximum(after - soonest, 0)
    sooner = (soonest / (soonest + np.maximum(soonest - after, 0))) ** 4
    return np.where(over > 0, 1 - (1 - at_once) * (soon / (soon + over)) ** 2, at_once * sooner)
