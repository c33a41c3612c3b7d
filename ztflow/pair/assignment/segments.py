"""Cuts the halves of one exact key into segments that are assigned each by itself.

Halves of one exact key agree in blocking key and sizes. Times here have the clock offsets taken off, so two halves of
one connection are milliseconds apart and a pause of `Reach.segment_pause` always separates connections. A segment that
grows beyond `largest` halves is cut at the widest pause among its last `look_back`, which depends on nothing that comes
later; halves near the cut that found no partner before it go on into what follows. Where halves lie denser than two
ztunnels can end connections, all that could be partners are one stretch of any size, which `at_once` assigns.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import BoolArray, IntArray, UIntArray
from ztflow.pair.reach import REACH, Reach


class SegmentParameters(NamedTuple):
    """Where segments are cut that are too large; in halves.

    Attributes:
        largest: Halves in one assignment, at most. Chosen: its cost is cubic (1024 halves: about 40 ms).
        look_back: How far from its end a too large segment may be cut. Chosen.
        carried: Halves before a cut, that found no partner there, that are looked at again behind it: in a crowd the
            second ztunnel may be some hundred ends behind the first. Fewer than are cut off at least (`largest` less
            `look_back`), so that every cut makes progress. Chosen.
        dense: So many halves within `dense_within` are more than two ztunnels can end. Captured runs have 64 within
            842 µs at the least, simulated crowds within 237.
        dense_within: µs.
        around: No partners end further apart than this, µs: what is this near to a dense place belongs to it.
        longest: A dense stretch that goes on is cut after this, µs. Chosen: it waits in memory that long.
        torn: What confidence is worth in a segment cut where connections were under way: partners may be on the other
            side, and a whole run may be shifted. Chosen on simulated crowds of 10 000 equal connections in a second.
    """

    largest: int = 1024
    look_back: int = 256
    carried: int = 640
    dense: int = 64
    dense_within: int = 200
    around: int = 100_000
    longest: int = 1_000_000
    torn: float = 0.4


SEGMENTS: Final = SegmentParameters()


class Ranges(NamedTuple):
    """Segments as ranges [start, stop) of positions, and whether nothing can join them any more."""

    start: IntArray
    stop: IntArray
    closed: BoolArray


def whole(keys: UIntArray, time: IntArray, settled: int, reach: Reach = REACH) -> Ranges:
    """The segments.

    Args:
        keys: Exact key of each half; the halves are sorted by key and time.
        time: Corrected end times.
        settled: Every half before this time is among them; later ones may be missing.
        reach: Time distances.
    """
    if not len(time):
        none = np.zeros(0, np.int64)
        return Ranges(none, none, np.zeros(0, np.bool_))
    breaks = np.flatnonzero((keys[1:] != keys[:-1]) | (np.diff(time) > reach.segment_pause)) + 1
    starts = np.concatenate([[0], breaks])
    stops = np.concatenate([breaks, [len(time)]])
    return Ranges(starts, stops, time[stops - 1] + reach.segment_pause < settled)


def first_part(time: IntArray, outbound: BoolArray, settled: int, parameters: SegmentParameters = SEGMENTS) -> int:
    """Where to cut a segment that is too large: how many halves go first; 0 when this is not known yet."""
    largest = parameters.largest
    if len(time) <= largest or time[largest] >= settled:
        return 0
    here = largest - parameters.look_back
    pauses = np.diff(time[here - 1 : largest])
    even = np.cumsum(np.where(outbound[:largest], 1, -1))[here - 1 : largest - 1] == 0
    return here + int(np.argmax(np.where(even, pauses, -1) if even.any() else pauses))


class DenseStretches:
    """Where the halves of a segment lie too dense; found once for all of it.

    Args:
        time: Their ends, rising.
        parameters: The figures.
    """

    def __init__(self, time: IntArray, parameters: SegmentParameters = SEGMENTS) -> None:
        self._parameters = parameters
        self._start = _dense(time, parameters)
        self._at, self._last = time[self._start], time[self._start + parameters.dense - 1]
        ends = np.ones(len(self._at), np.bool_)
        ends[:-1] = self._at[1:] - self._last[:-1] > parameters.around
        self._ends = np.flatnonzero(ends)

    def first(self, time: IntArray, at: int) -> tuple[int, int] | None:
        """The first stretch of what is left of the segment, if it begins among the first `largest` halves.

        Args:
            time: Ends of the halves looked at: some from before `at`, and those from there on.
            at: Where in the segment it goes on.

        Returns:
            Where the stretch begins, as a place in `time`; and the end of its last half.
        """
        use = self._parameters
        begins = _dense(time, use)
        if not len(begins) or begins[0] >= use.largest:
            return None
        start = int(np.searchsorted(time, time[begins[0]] - use.around))
        last = int(time[begins[0] + use.dense - 1])
        beyond = int(np.searchsorted(self._at, last + use.around, side="right"))
        if beyond > np.searchsorted(self._start, at):
            last = max(last, int(self._last[self._ends[np.searchsorted(self._ends, beyond - 1)]]))
        return start, min(last + use.around, int(time[start]) + use.longest)


def _dense(time: IntArray, parameters: SegmentParameters) -> IntArray:
    """Where `dense` halves begin that lie within `dense_within`."""
    count = parameters.dense
    return np.flatnonzero(time[count - 1 :] - time[: max(len(time) - count + 1, 0)] <= parameters.dense_within)
