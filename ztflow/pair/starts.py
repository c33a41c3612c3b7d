"""When connections started, as far as the lines know, and how well the starts of two halves fit each other.

An outbound half says its start to a whole millisecond (end minus duration, both cut). Linux gives out source ports in
rising order per destination, so among many equal connections neighbours in port started one after the other, and the
middle of their millisecond windows narrows each of them down. Where ports say nothing (another system, NAT in
between, none in the line), the windows alone speak.

The inbound start follows the outbound one after some lag: any, as far as is known before pairing; about that of the
connections that started just before and after, once likely pairings are at hand. It lies in the millisecond that the
inbound line leaves open. Where a debug line tells when the server saw the client's request, that is the inbound start.
Units: microseconds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ztflow.pair.outline import FloatArray, IntArray

WINDOW = 1000.0
"""A duration is cut to whole milliseconds: the true start lies up to this much before `end - duration`."""
NEIGHBOURS = 4
"""Neighbours in port order on each side that are asked."""
STRANGER = 3000.0
"""A start this far from those of its neighbours in port order did not get its port in turn (a clash at the NAT)."""

OUTSIDE, OUTSIDE_SCALE = 0.02, 300.0
"""Share of starts outside the window their line leaves open (clock reads are not at one instant), and how far."""
LAG = 500.0
"""Half of all lags are below this."""
BEFORE = 50.0
"""How fast an inbound start before the outbound one becomes impossible."""
LIKE_NEIGHBOURS, LIKE_SCALE = 0.85, 120.0
"""Share of lags that are like those of their neighbours, and how nearly."""
AROUND = 3
"""Neighbours in start order on each side whose lags are asked."""
SOONEST, SOON = 5.0, 20.0
"""A connection starts at least so long after the debug line that notes its request, three quarters within `SOON` more
(1.24.6-debug, to the `connection opened` that follows it: 6 to 71 µs)."""
AT_ONCE = 0.02
"""Share that seems to start sooner: clock and line are not written at one instant."""
IMPOSSIBLE = 1e-9

Index = npt.NDArray[np.intp]


def start_order(latest: FloatArray, port: IntArray) -> tuple[FloatArray, Index]:
    """Estimated starts of outbound halves, and their order.

    Args:
        latest: End minus duration: the latest instant each can have started.
        port: Source port of each; 0 where unknown.

    Returns:
        The estimates, each within its own window, and the indexes in order of start.
    """
    middle = latest - WINDOW / 2
    by_port = _turn(port) if port.any() else np.argsort(middle, kind="stable")
    inside = middle[by_port]
    padded = np.pad(inside, NEIGHBOURS, mode="reflect" if len(inside) > NEIGHBOURS else "edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)
    around = np.where(np.abs(inside - around) > STRANGER, inside, around)
    estimate = np.empty(len(latest))
    estimate[by_port] = np.clip(around, inside - WINDOW / 2, inside + WINDOW / 2)
    rank = np.empty(len(latest), np.intp)
    rank[by_port] = np.arange(len(latest))
    return estimate, np.lexsort((rank, estimate))


def _turn(port: IntArray) -> Index:
    """Indexes in rising order of port, beginning after the widest gap: the range of ports is used in a circle."""
    order = np.argsort(port, kind="stable")
    ports = port[order]
    gaps = np.append(np.diff(ports), ports[0] + 65536 - ports[-1])
    return np.roll(order, -(int(np.argmax(gaps)) + 1))


class Fits:
    """How well the start of each inbound half fits that of each outbound one.

    Args:
        lag: Latest start of the inbound halves (columns) minus estimated start of the outbound ones (rows).
        noted: Latest start of the inbound halves minus the time the request of the outbound half was seen; NaN where
            it was not.

    Cost: memory 32 bytes a cell.
    """

    def __init__(self, lag: FloatArray, noted: FloatArray) -> None:
        self._lag = lag
        self._any = _lags_below(lag) - _lags_below(lag - WINDOW)
        off = np.maximum(np.abs(lag - WINDOW / 2) - WINDOW / 2, 0)
        self._outside = OUTSIDE * (OUTSIDE_SCALE / (OUTSIDE_SCALE + off)) ** 2 + IMPOSSIBLE
        self._told = np.isfinite(noted).all(axis=1)
        after = noted[self._told]
        self._as_told = np.log(_noted_before(after) - _noted_before(after - WINDOW) + IMPOSSIBLE)

    def around(self, local: FloatArray) -> FloatArray:
        """The logarithms, given the lag of the neighbours of each outbound half; NaN where none is known."""
        known = np.isfinite(local)
        inside = self._any
        if known.any():
            inside = inside.copy()
            apart = self._lag[known] - local[known, None]
            like = _spread_below(apart) - _spread_below(apart - WINDOW)
            inside[known] = (1 - LIKE_NEIGHBOURS) * inside[known] + LIKE_NEIGHBOURS * like
        result: FloatArray = np.log((1 - OUTSIDE) * inside + self._outside)
        result[self._told] = self._as_told
        return result


def _lags_below(lag: FloatArray) -> FloatArray:
    """Share of lags below this: half are below `LAG`, hardly any below 0."""
    share = BEFORE / (BEFORE + 2 * LAG)
    before = share * (BEFORE / (BEFORE - np.minimum(lag, 0))) ** 2
    after = np.maximum(lag, 0) / (np.maximum(lag, 0) + LAG)
    return np.where(lag < 0, before, share + (1 - share) * after)


def _spread_below(apart: FloatArray) -> FloatArray:
    """Share of lags that differ from their neighbours' by less than this."""
    half = 0.5 / (1 + np.abs(apart) / LIKE_SCALE)
    return np.where(apart > 0, 1 - half, half)


def _noted_before(after: FloatArray) -> FloatArray:
    """Share of connections that start at most so long after the line that notes their request."""
    over = np.maximum(after - SOONEST, 0)
    sooner = (SOONEST / (SOONEST + np.maximum(SOONEST - after, 0))) ** 4
    return np.where(over > 0, 1 - (1 - AT_ONCE) * (SOON / (SOON + over)) ** 2, AT_ONCE * sooner)


def local_lags(lag: FloatArray, order: Index) -> FloatArray:
    """The median lag around each outbound half, in order of start.

    Args:
        lag: Lag of each outbound half as likely pairings have it; NaN where it has no partner.
        order: Indexes in order of start.
    """
    in_turn = lag[order]
    known = np.flatnonzero(np.isfinite(in_turn))
    if not len(known):
        return lag
    padded = np.pad(in_turn[known], AROUND, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), axis=1)
    result = np.empty(len(lag))
    result[order] = np.interp(np.arange(len(lag)), known, middle)
    return result
