"""When connections started, as far as the client's side of the log knows.

An outbound half says its start to a whole millisecond (end minus duration, both cut). Linux gives out source ports in
rising order per destination, so among many equal connections neighbours in port started one after the other, and the
middle of their millisecond windows narrows each of them down. Where ports say nothing (another system, NAT in
between, none in the line), the windows alone speak. Units: microseconds.
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
