"""When connections started, as far as the lines know, and how well the starts of two halves fit each other.

An outbound half says its start to a whole millisecond (end minus duration, both cut). Linux gives out source ports in
rising order per destination, so among many equal connections neighbours in port started one after the other, and the
middle of their millisecond windows narrows each of them down. Where ports say nothing (another system, NAT in
between, none in the line), the windows alone speak.

The inbound start follows the outbound one after some lag (`lags`). It lies in the millisecond that the inbound line
leaves open. Where a debug line tells when the server saw the client's request, that is the inbound start.
Units: microseconds.
"""

from __future__ import annotations

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index, IntArray
from ztflow.pair.hmm.start_lags import WINDOW, within_window

NEIGHBOURS = 4
"""Neighbours in port order on each side that are asked."""
STRANGER = 3000.0
"""A start this far from those of its neighbours in port order did not get its port in turn (a clash at the NAT)."""

OUTSIDE, OUTSIDE_SCALE = 0.02, 300.0
"""Share of starts outside the window their line leaves open (clock reads are not at one instant), and how far."""
SOONEST, SOON = 5.0, 20.0
"""A connection starts at least so long after the debug line that notes its request, three quarters within `SOON` more
(1.24.6-debug, to the `connection opened` that follows it: 6 to 71 µs)."""
AT_ONCE = 0.02
"""Share that seems to start sooner: clock and line are not written at one instant."""
IMPOSSIBLE = 1e-9


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

    Cost: memory 16 bytes a cell.
    """

    def __init__(self, lag: FloatArray, noted: FloatArray) -> None:
        self._lag = lag
        off = np.maximum(np.abs(lag - WINDOW / 2) - WINDOW / 2, 0)
        self._outside = OUTSIDE * (OUTSIDE_SCALE / (OUTSIDE_SCALE + off)) ** 2 + IMPOSSIBLE
        self._told = np.isfinite(noted).all(axis=1)
        after = noted[self._told]
        self._as_told = np.log(_noted_before(after) - _noted_before(after - WINDOW) + IMPOSSIBLE)

    def given(self, shares: FloatArray | None = None, order: Index | None = None) -> FloatArray:
        """The logarithms, given how likely each pair is and the outbound halves in order of start."""
        result: FloatArray = np.log((1 - OUTSIDE) * within_window(self._lag, shares, order) + self._outside)
        result[self._told] = self._as_told
        return result


def _noted_before(after: FloatArray) -> FloatArray:
    """Share of connections that start at most so long after the line that notes their request."""
    over = np.maximum(after - SOONEST, 0)
    sooner = (SOONEST / (SOONEST + np.maximum(SOONEST - after, 0))) ** 4
    return np.where(over > 0, 1 - (1 - AT_ONCE) * (SOON / (SOON + over)) ** 2, AT_ONCE * sooner)
