"""Cutting the halves of one class into segments that are assigned each by itself.

A class is what shares key and sizes. Times here have the clock offsets taken off, so two halves of one connection are
milliseconds apart and a pause of `PAUSE` always separates connections. A segment that grows beyond `LARGEST` halves
is cut at the widest pause among its last `LOOK_BACK`, which depends on nothing that comes later.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ztflow.pair.evidence import BoolArray, IntArray, UIntArray

PAUSE = 250_000
"""Microseconds without a half of the class that end a segment."""
LARGEST = 1024
"""Halves in one assignment; its cost is cubic (1024 halves: about 40 ms)."""
LOOK_BACK = 256
"""How far from its end a too large segment may be cut."""

Index = npt.NDArray[np.intp]


def cut(classes: UIntArray, time: IntArray, outbound: BoolArray, settled: int) -> list[tuple[int, int]]:
    """Segments that are complete, as ranges of positions.

    Args:
        classes: Class of each half; the halves are sorted by class and time.
        time: Corrected end times.
        outbound: Whether each is an outbound half.
        settled: Every half before this time is among them; later ones may be missing.

    Returns:
        Ranges [start, stop) whose halves can be assigned now. What is in no range waits.
    """
    if not len(time):
        return []
    breaks = np.flatnonzero((classes[1:] != classes[:-1]) | (np.diff(time) > PAUSE)) + 1
    starts = np.concatenate([[0], breaks])
    stops = np.concatenate([breaks, [len(time)]])
    last_of_class = np.concatenate([classes[stops[:-1]] != classes[stops[:-1] - 1], [True]])
    closed = time[stops - 1] + PAUSE < settled
    closed |= ~last_of_class & (time[np.minimum(stops, len(time) - 1)] < settled)
    ranges: list[tuple[int, int]] = []
    for start, stop, done in zip(starts.tolist(), stops.tolist(), closed.tolist(), strict=True):
        ranges += _within(start, stop, time, outbound, done=done, settled=settled)
    return ranges


def _within(
    start: int, stop: int, time: IntArray, outbound: BoolArray, *, done: bool, settled: int
) -> list[tuple[int, int]]:
    """The ranges of one segment, cut further where it is too large."""
    ranges = []
    while stop - start > LARGEST and time[start + LARGEST] < settled:
        here = start + LARGEST - LOOK_BACK
        pauses = np.diff(time[here - 1 : start + LARGEST])
        balance = np.cumsum(np.where(outbound[start : start + LARGEST], 1, -1))[LARGEST - LOOK_BACK - 1 : LARGEST - 1]
        even = balance == 0
        best = int(np.argmax(np.where(even, pauses, -1) if even.any() else pauses))
        ranges.append((start, here + best))
        start = here + best
    if done:
        ranges.append((start, stop))
    return ranges
