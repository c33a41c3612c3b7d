"""The transition model: in which order equal connections end at the second ztunnel, given the order at the first.

The ztunnel that sees a connection end first (usually the server's) writes its line, the *early end*, and tells the
other one through the tunnel, which writes the *late end*. There, ztunnel's runtime (tokio) reads whatever has arrived
by then in one go, a *batch*, and wakes one task a connection. The task woken last is run first (tokio's LIFO slot),
then the others in turn, one every 14 to 22 µs; or all in turn, where that slot is not in use. A second thread may take
over the older part of the batch and work it off at the same time. So the late ends, in their order, go through the
early ends as

    in turn             0 1 2 3 4 5
    last first          5 0 1 2 3 4
    by two threads      5 3 0 4 1 2

and the next batch begins where this one ended. A pairing path takes an early end for each late end in turn; each step
is one of

- `NEXT`: the early end after the one before (the first that is not taken),
- `OTHER_THREAD`: the one after that of the end before the last: the other thread goes on,
- `LOWEST`: the lowest that is not taken: what was skipped is begun with,
- `ELSEWHERE`: any other: the last of a new batch, or where the other thread begins.

How often each follows what, and after which time, are the `transition_rates`. Whether the batch before is finished
(nothing that was skipped is left) and how long ago the early end came decide whether a new batch can begin, and with
which end: what had come some 30 µs ago can be in it, what came later cannot.

`trellis` follows all likely paths at once. The constants below are compiled in; *chosen* are those that were not
measured.

Source: block structure of the truth of five captured runs, 1.22.1 to 1.29.5 (of 1.29.5-storm 83 % of the pairs in
bursts lie in blocks in turn or last first; `benchmarks/fit_delays.py` prints it); tokio's scheduler
(`runtime/scheduler/multi_thread`). Units: microseconds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray
from ztflow.jit.link import FloatRow, FloatTable, IntRow

NEXT, OTHER_THREAD, LOWEST, ELSEWHERE, NO_PARTNER = 0, 1, 2, 3, 4
"""Kinds of steps; `NO_PARTNER` is a late end that takes no early one."""

GAPS = (0.35, 0.65, 0.8, 1.5, 2.5, 5.0, 15.0)
"""Bounds between the classes of the time since another late end, in service times (`transition_rates.Pace`)."""
GAP_CLASSES = len(GAPS) + 1

LEAST_AT, EXPONENT_AT = 0, 1
"""Places in `Burst.numbers`: the least delay from an early end to its late one; the exponent of steps' weights."""

STRAY = 0.028
"""Share of steps that no batch explains. Chosen."""
EARLY_SLOPE, EARLY_STEEP = 10.0, 6.0
"""How fast a late end less than the least delay after its early end becomes impossible (µs, exponent). Chosen."""
BEHIND, NEARNESS, WITHIN = 0.35, 0.05, 0.6
"""Shares of `ELSEWHERE` while a batch is unfinished: begins a newer batch (by when that was read; by nearness), or goes
on within this one. Chosen."""
UNLIKELY = 1e-6
"""Weight of a step for which the early end came too late."""
FLOOR = 1e-9
"""Least weight of any step, so that its logarithm is finite."""


class Burst(NamedTuple):
    """Ends, and what their weights are computed from.

    Attributes:
        sizes: Late ends, early ends.
        numbers: See `LEAST_AT` and `EXPONENT_AT`.
        late: Late ends, rising.
        early: Early ends, rising.
        emission: Logarithm of how well each late (row) and early half fit by themselves: starts, and `too_early`.
        read: Chance that each early end (column) was the last that had been read when a late one (row) was written.
        later: Chance that the early end after each had been read by then; one column more than early ends.
        follows: Weight of each kind of step (column); see `row` for the rows.
        own: Weight of `OTHER_THREAD`, by class of the time since its own thread's last end.
        batch: Chance that a new batch begins at each late end, and last first.
        gap: Class of the time since the late end before.
        gap2: Class of the time since the one before that.
    """

    sizes: IntRow
    numbers: FloatRow
    late: FloatRow
    early: FloatRow
    emission: FloatTable
    read: FloatTable
    later: FloatTable
    follows: FloatTable
    own: FloatRow
    batch: FloatRow
    gap: IntRow
    gap2: IntRow


def row(before: int, place: int, gap: int) -> int:
    """Row of `Burst.follows`. Place: 1 where `NEXT` is the lowest, 2 where `OTHER_THREAD` is, else 0."""
    return (before * 3 + place) * GAP_CLASSES + gap


def of_new_batch(burst: Burst, k: int, j: int, lowest: int) -> float:
    """Weight of an early end where everything before is finished: a batch goes on in turn, or a new one begins."""
    chance = float(burst.batch[k])
    if j == lowest:
        return (1.0 - STRAY) * (1.0 - chance * float(burst.later[k, j]))
    return (1.0 - STRAY) * chance * float(burst.read[k, j]) + 0.6 * STRAY / ((j - lowest) * (j - lowest))


def width_of(lowest: int, highest: int) -> float:
    """What `elsewhere` wants to know of how many early ends lie between the lowest and the highest of a batch."""
    return WITHIN + math.log(highest - lowest + 1.0)


def elsewhere(burst: Burst, k: int, j: int, lowest: int, highest: int, width: float) -> float:
    """Share of an early end among those that nothing leads to, within an unfinished batch."""
    if j > highest:
        return BEHIND * float(burst.read[k, j]) + NEARNESS / ((j - highest) * (j - highest))
    return WITHIN / ((j - lowest) * width)


def log_at_most(value: float) -> float:
    """A bound of the logarithm of what is positive, in a fraction of its time: the least of some of its tangents."""
    return min(
        value * 10.0 - 3.302585, value * 100.0 - 5.605170, value * 1000.0 - 7.907755, value * 10000.0 - 10.210340
    )  # fmt: skip


def arrived(ago: FloatArray, least: float, spread: float) -> FloatArray:
    """Chance that an early end so long ago had been read when the batch began."""
    left = spread / (spread + np.maximum(ago - least, 0))
    chance: FloatArray = 1.0 - left * left
    return chance


def reads(late: FloatArray, early: FloatArray, least: float, spread: float) -> tuple[FloatArray, FloatArray]:
    """`read` and `later` of a `Burst`, given the least time from an early end to its late one and its spread."""
    later = np.zeros((len(late), len(early) + 1))
    had = arrived(late[:, None] - early[None, :], least, spread)
    later[:, : len(early) - 1] = had[:, 1:]
    return had - later[:, : len(early)], later


def too_early(late: FloatArray, early: FloatArray, least: float) -> FloatArray:
    """Logarithm of how possible each late end (row) is so soon after each early end."""
    ago = late[:, None] - early[None, :]
    possible: FloatArray = -EARLY_STEEP * np.log1p(np.maximum(least - ago, 0) / EARLY_SLOPE)
    return possible
