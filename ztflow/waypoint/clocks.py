"""How far the clock of a client's node is ahead of the waypoint's, learned from the ends of connections and requests.

A connection ends a moment after its last request, and begins a moment before its first. Of all pairs of a connection
and a line those moments lie at one place, wherever the clocks are; what the other pairs give lies anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ztflow.columns.dtypes import FloatArray

REACH_MS: Final = 5000.0
"""Clocks are looked for so far apart."""

LEAST_MS: Final = 3.0
"""A difference below this is none: it is what both logs cut off."""

_AFTER: Final = (0.0, 6.0)
"""A connection usually ends so much after its last line."""
_BEFORE: Final = (-1.0, 4.0)
"""A connection's first line usually begins so much after the connection."""
_MOST_CONNECTIONS: Final = 2000
_CLEARLY: Final = 2
"""How many times more moments must agree on a difference than on any other."""
_FEWEST: Final = 10


def ahead_by(
    starts: Sequence[FloatArray], ends: Sequence[FloatArray], line_starts: Sequence[FloatArray],
    line_ends: Sequence[FloatArray],
) -> float:  # fmt: skip
    """Milliseconds the connections' clock is ahead of the lines'; 0 where that is not clear.

    Args:
        starts: Of connections, an array for each client and authority.
        ends: Likewise.
        line_starts: Of the lines of the same client and authority.
        line_ends: Likewise.

    Cost: that of sorting, and of the pairs within `REACH_MS` of at most 2,000 connections.
    """
    every = max(1, sum(map(len, ends)) // _MOST_CONNECTIONS)
    by_end, by_start = [], []
    for start, end, line_start, line_end in zip(starts, ends, line_starts, line_ends, strict=True):
        by_end.append(_differences(end[::every], np.sort(line_end)) - sum(_AFTER) / 2)
        by_start.append(_differences(start[::every], np.sort(line_start)) + sum(_BEFORE) / 2)
    one, other = _agreed(np.concatenate(by_end)), _agreed(np.concatenate(by_start))
    if one is None or other is None or abs(one - other) > LEAST_MS:
        return 0.0
    ahead = (one + other) / 2
    return ahead if abs(ahead) >= LEAST_MS else 0.0


def _agreed(off: FloatArray) -> float | None:
    """What most differences agree on; None where that is not clear."""
    if len(off) < _FEWEST:
        return None
    off = np.sort(off)
    width = _AFTER[1] - _AFTER[0]
    places = np.arange(-REACH_MS, REACH_MS, 0.5)
    agree = np.searchsorted(off, places + width / 2) - np.searchsorted(off, places - width / 2)
    best = int(agree.max())
    if best < max(_FEWEST, _CLEARLY * float(np.median(agree))):
        return None
    return float(np.median(places[agree == best]))


def _differences(moments: FloatArray, others: FloatArray) -> FloatArray:
    """All differences within reach, of moments to other moments in order."""
    first = np.searchsorted(others, moments - REACH_MS)
    count = np.searchsorted(others, moments + REACH_MS) - first
    row = np.repeat(np.arange(len(moments)), count)
    place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    result: FloatArray = moments[row] - others[place]
    return result
