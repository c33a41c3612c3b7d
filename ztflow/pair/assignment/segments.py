"""Cuts the halves of one exact key into segments that are assigned each by itself.

Halves of one exact key agree in blocking key and sizes. Times here have the clock offsets taken off, so two halves of
one connection are milliseconds apart and a pause of `Reach.segment_pause` always separates connections. A segment that
grows beyond `largest` halves is cut at the widest pause among its last `look_back`, which depends on nothing that comes
later; halves near the cut that found no partner before it go on into what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, IntArray, UIntArray
from ztflow.pair.reach import REACH, Reach


@dataclass(frozen=True)
class SegmentParameters:
    """Where segments are cut that are too large; in halves.

    Attributes:
        largest: Halves in one assignment, at most. Chosen: its cost is cubic (1024 halves: about 40 ms).
        look_back: How far from its end a too large segment may be cut. Chosen.
        carried: Halves before a cut, that found no partner there, that are looked at again behind it: in a crowd the
            second ztunnel may be some hundred ends behind the first. Fewer than are cut off at least (`largest` less
            `look_back`), so that every cut makes progress. Chosen.
        torn: What confidence is worth in a segment cut where connections were under way: partners may be on the other
            side, and a whole run may be shifted. Chosen on simulated crowds of 10 000 equal connections in a second.
    """

    largest: int = 1024
    look_back: int = 256
    carried: int = 640
    torn: float = 0.4


SEGMENTS: Final = SegmentParameters()


@dataclass(frozen=True, slots=True)
class Ranges:
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
