"""Cutting the halves of one class into segments that are assigned each by itself.

A class is what shares key and sizes. Times here have the clock offsets taken off, so two halves of one connection are
milliseconds apart and a pause of `PAUSE` always separates connections. A segment that grows beyond `LARGEST` halves
is cut at the widest pause among its last `LOOK_BACK`, which depends on nothing that comes later; halves near the cut
that found no partner before it go on into what follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import BoolArray, IntArray, UIntArray

PAUSE = 250_000
"""Microseconds without a half of the class that end a segment."""
TOGETHER = 100_000
"""Microseconds between the ends of one connection at most, here."""
LARGEST = 1024
"""Halves in one assignment; its cost is cubic (1024 halves: about 40 ms)."""
LOOK_BACK = 256
"""How far from its end a too large segment may be cut."""
CARRIED = 640
"""So many halves before a cut, that found no partner there, are looked at again behind it: in a crowd the second
ztunnel may be some hundred ends behind the first. Fewer than are cut off at least, so that every cut gets on."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Segments as ranges [start, stop) of positions, and whether nothing can join them any more."""

    start: IntArray
    stop: IntArray
    closed: BoolArray


def whole(classes: UIntArray, time: IntArray, settled: int) -> Ranges:
    """The segments.

    Args:
        classes: Class of each half; the halves are sorted by class and time.
        time: Corrected end times.
        settled: Every half before this time is among them; later ones may be missing.
    """
    if not len(time):
        none = np.zeros(0, np.int64)
        return Ranges(none, none, np.zeros(0, np.bool_))
    breaks = np.flatnonzero((classes[1:] != classes[:-1]) | (np.diff(time) > PAUSE)) + 1
    starts = np.concatenate([[0], breaks])
    stops = np.concatenate([breaks, [len(time)]])
    return Ranges(starts, stops, time[stops - 1] + PAUSE < settled)


def first_part(time: IntArray, outbound: BoolArray, settled: int) -> int:
    """Where to cut a segment that is too large: how many halves go first; 0 when it cannot be told yet."""
    if len(time) <= LARGEST or time[LARGEST] >= settled:
        return 0
    here = LARGEST - LOOK_BACK
    pauses = np.diff(time[here - 1 : LARGEST])
    even = np.cumsum(np.where(outbound[:LARGEST], 1, -1))[here - 1 : LARGEST - 1] == 0
    return here + int(np.argmax(np.where(even, pauses, -1) if even.any() else pauses))
