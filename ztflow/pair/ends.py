"""The model of ends: in which order equal connections end at the second ztunnel, given the order at the first.

Whoever sees a connection end first (usually the server's side) writes its line and tells the other side through the
tunnel. There, ztunnel's runtime (tokio) reads whatever has arrived by then in one go, a *batch*, and wakes one task a
connection. The task woken last is run first (tokio's LIFO slot), then the others in turn, one every 14 to 22 µs; or all
in turn, where that slot is not in use. A second thread may take over the older part of the batch and work it off at the
same time. So the late ends, in their order, go through the early ends as

    in turn             0 1 2 3 4 5
    last first          5 0 1 2 3 4
    by two threads      5 3 0 4 1 2

and the next batch begins where this one ended. A way to pair is weighed by following it end by end. What comes next is

- `NEXT`: the early end after the one before (the first that is not taken),
- `OTHER`: the one after that of the end before the last: the other thread goes on,
- `LOWEST`: the lowest that is not taken: what was skipped is begun with,
- `ELSEWHERE`: any other: the last of a new batch, or where the other thread begins.

How often each comes after what, and after which time, are the `habits`: shares counted on captured runs. Whether the
batch before is finished (nothing that was skipped is left) and how long ago the early end came decide whether a new
batch can begin, and with which end: what had come some 30 µs ago can be in it, what came later cannot.

The functions on a `Way` are plain Python; `walker` compiles them. So they use nothing but numbers, arrays and `math`.
Source: block structure of the truth of five captured runs, 1.22.1 to 1.29.5 (of 1.29.5-storm 83 % of the pairs in
bursts lie in blocks in turn or last first; `benchmarks/fit_delays.py` prints it); tokio's scheduler
(`runtime/scheduler/multi_thread`). Units: microseconds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ztflow.pair.outline import FloatArray, IntArray

NEXT, OTHER, LOWEST, ELSEWHERE, NOBODY = 0, 1, 2, 3, 4
"""Kinds of steps; `NOBODY` has no partner."""

GAPS = (0.35, 0.65, 0.8, 1.5, 2.5, 5.0, 15.0)
"""Bounds between classes of the time since another late end, in service times."""
GAP_CLASSES = len(GAPS) + 1

SERVICE, LEAST, SPREAD, TRUST, COLD = 0, 1, 2, 3, 4
"""Places in `Burst.numbers`: time a connection takes a thread; the least time from an early end to its late one; how
far above that half of three quarters lie; exponent of all factors; the same while settling."""

CAUTION = 0.8
"""Exponent of factors where ways are weighed in the end: walks settle better with more trust in them than is due."""
STRAY = 0.028
"""Share of steps that no batch explains."""
EARLY_SLOPE, EARLY_STEEP = 10.0, 6.0
"""How fast a late end less than `LEAST` after its early end becomes impossible."""
BEHIND, NEAR = 0.35, 0.05
"""While a batch is unfinished, shares of `ELSEWHERE` that begin a newer one: by when it was read, by nearness."""
WITHIN = 0.6
"""... and that go on within it."""
FLOOR = 1e-9
NEVER = -1e12
"""How long ago something was that does not come."""

Index = npt.NDArray[np.intp]


class Burst(NamedTuple):
    """Ends and all that weighs them; arrays as `walker` makes them.

    Attributes:
        sizes: Late ends, early ends.
        numbers: See `SERVICE` and following.
        late: Late ends, rising, then `FAR` for nobody.
        early: Early ends, rising, then -`FAR`.
        fit: Logarithm of how well each late (row) and early half fit by themselves: starts, and `too_early`.
        follows: Weight of each kind of step (column); see `row` for the rows.
        own: Weight of `OTHER`, by class of the time since its own thread's last end.
        batch: Chance that a new batch begins at each late end, and last first.
        gap: Class of the time since the late end before.
        gap2: Class of the time since the one before that.
    """

    sizes: IntArray
    numbers: FloatArray
    late: FloatArray
    early: FloatArray
    fit: FloatArray
    follows: FloatArray
    own: FloatArray
    batch: FloatArray
    gap: IntArray
    gap2: IntArray


class Way(NamedTuple):
    """A way to pair, and what follows from it at each late end.

    Attributes:
        partner: The early end of each late end; both sides are filled up with nobody to equal length.
        holder: The late end of each early end; -1 where that is nobody.
        lowest: The lowest early end not taken before.
        highest: The highest early end taken before; -1 at the first.
        kind: Kind of step.
        factor: Logarithm of its factor.
        fit: That of the burst's `fit`; filled in by `walk`.
    """

    partner: IntArray
    holder: IntArray
    lowest: IntArray
    highest: IntArray
    kind: IntArray
    factor: FloatArray
    fit: FloatArray


def way(slots: int) -> Way:
    """An empty way of so many slots."""
    whole = np.empty((5, slots + 1), np.int64)
    return Way(whole[0][:slots], whole[1], whole[2], whole[3], whole[4], np.empty(slots), np.empty(slots))


def row(before: int, place: int, gap: int) -> int:
    """Row of `Burst.follows`. Place: 1 where `NEXT` is the lowest, 2 where `OTHER` is, else 0."""
    return (before * 3 + place) * GAP_CLASSES + gap


def arrived(ago: float, least: float, spread: float) -> float:
    """Chance that an early end so long ago had been read when the batch began."""
    over = ago - least
    if over <= 0:
        return 0.0
    left = spread / (spread + over)
    return 1.0 - left * left


def too_early(late: FloatArray, early: FloatArray, least: float) -> FloatArray:
    """Logarithm of how possible each late end (row) is so soon after each early end."""
    ago = late[:, None] - early[None, :]
    possible: FloatArray = -EARLY_STEEP * np.log1p(np.maximum(least - ago, 0) / EARLY_SLOPE)
    return possible


def not_taken(after: int, holder: IntArray, k: int, count: int) -> int:
    """The first early end after this one that is not taken before late end `k`; `count` where there is none."""
    found = after + 1
    while found < count and holder[found] < k:
        found += 1
    return found


def behind(way: Way, back: int, k: int, count: int) -> int:
    """The first early end not taken after that of the late end so far back; `count` where there is none."""
    if k < back or way.kind[k - back] == NOBODY:
        return count
    return not_taken(way.partner[k - back], way.holder, k, count)


def set_holders(burst: Burst, way: Way) -> None:
    """Fill in who holds each early end."""
    for k in range(len(way.partner)):
        way.holder[way.partner[k]] = k if k < burst.sizes[0] else -1


def set_bounds(burst: Burst, way: Way, given: Way, first: int, last: int) -> None:
    """Fill in lowest and highest for late ends from first to last; those around stand in `given`."""
    count = burst.sizes[1]
    lowest = given.lowest[last + 1]
    for k in range(last, first - 1, -1):
        if way.partner[k] < count:
            lowest = min(lowest, way.partner[k])
        way.lowest[k] = lowest
    highest = given.highest[first]
    for k in range(first, last + 1):
        way.highest[k] = highest
        if way.partner[k] < count:
            highest = max(highest, way.partner[k])


def set_all(burst: Burst, way: Way) -> float:
    """Fill in everything; the logarithm of the likelihood of the ends."""
    outs = burst.sizes[0]
    set_holders(burst, way)
    way.lowest[outs] = burst.sizes[1]
    way.highest[0] = -1
    set_bounds(burst, way, way, 0, outs - 1)
    total = 0.0
    for k in range(outs):
        set_factor(burst, way, k)
        total += way.factor[k]
    return total


def set_factor(burst: Burst, way: Way, k: int) -> None:
    """Fill in kind and factor of late end `k`, the kind before it and all bounds being there."""
    j = way.partner[k]
    ends = burst.sizes[1]
    if j >= ends:
        way.kind[k] = NOBODY
        way.factor[k] = 0.0
        return
    least, spread = burst.numbers[LEAST], burst.numbers[SPREAD]
    lowest, highest = way.lowest[k], way.highest[k]
    late = burst.late[k]
    ago = late - burst.early[j]
    later = late - burst.early[j + 1] if j + 1 < ends else NEVER
    if highest <= lowest:  # everything before is finished: a batch goes on in turn, or a new one begins
        chance = burst.batch[k]
        if j == lowest:
            kind = NEXT
            weight = (1.0 - STRAY) * (1.0 - chance * arrived(later, least, spread))
        else:
            kind = ELSEWHERE
            read = arrived(ago, least, spread) - arrived(later, least, spread)
            weight = (1.0 - STRAY) * chance * read + 0.6 * STRAY / ((j - lowest) * (j - lowest))
    else:
        before = way.kind[k - 1]
        after, after2 = behind(way, 1, k, ends), behind(way, 2, k, ends)
        place = 1 if after == lowest else 2 if after2 == lowest else 0
        here = row(before if before != NOBODY else NEXT, place, burst.gap[k])
        soonest = 0.7 * least
        total = burst.follows[here, ELSEWHERE]
        next_one, other = 0.0, 0.0
        if after < ends and late - burst.early[after] > soonest:
            next_one = burst.follows[here, NEXT]
            total += next_one
        if after2 < ends and after2 != after and late - burst.early[after2] > soonest:
            other = burst.follows[here, OTHER] * burst.own[burst.gap2[k]]
            total += other
        if place == 0:
            total += burst.follows[here, LOWEST]
        if j == after:
            kind = NEXT
            weight = max(next_one, 1e-6)
        elif j == after2:
            kind = OTHER
            weight = max(other, 1e-6)
        elif j == lowest:
            kind = LOWEST
            weight = burst.follows[here, LOWEST]
        else:
            kind = ELSEWHERE
            weight = burst.follows[here, ELSEWHERE]
            if j > highest:
                read = arrived(ago, least, spread) - arrived(later, least, spread)
                weight *= BEHIND * read + NEAR / ((j - highest) * (j - highest))
            else:
                weight *= WITHIN / ((j - lowest) * (WITHIN + math.log(highest - lowest + 1.0)))
        weight /= total
    way.kind[k] = kind
    way.factor[k] = burst.numbers[TRUST] * math.log(weight + FLOOR)


def situation(burst: Burst, way: Way, k: int) -> int:
    """All that late end `k` depends on, besides which early ends are taken: a number, equal for equal situations."""
    lowest, ends = int(way.lowest[k]), int(burst.sizes[1])
    if way.highest[k] <= lowest:
        return lowest * 8 + (1 if k > 0 and way.kind[k - 1] == NOBODY else 0)
    before = int(way.kind[k - 1])
    after, after2 = behind(way, 1, k, ends), behind(way, 2, k, ends)
    return ((after2 * (ends + 1) + after) * (ends + 1) + lowest) * 8 + before + 1


def count_steps(
    burst: Burst, way: Way, follows: FloatArray, gaps: FloatArray, own: FloatArray, batch: FloatArray
) -> None:
    """Add the steps of a way to counts.

    Args:
        burst: The ends.
        way: The way, filled in.
        follows: By kind before and place (rows) and kind (column), of ends within unfinished batches.
        gaps: By kind (row) and gap class, of the same.
        own: Whether it was `OTHER` (row), by class of the time since the end before the last.
        batch: By gap class: how many began a batch last first, and how many could have (rows).
    """
    before = NEXT
    for k in range(burst.sizes[0]):
        kind = way.kind[k]
        if kind != NOBODY:
            if way.highest[k] <= way.lowest[k]:
                lowest = way.lowest[k] + 1
                ago = burst.late[k] - burst.early[lowest] if lowest < burst.sizes[1] else NEVER
                possible = arrived(ago, burst.numbers[LEAST], burst.numbers[SPREAD])
                batch[1, burst.gap[k]] += possible
                if kind == ELSEWHERE:
                    batch[0, burst.gap[k]] += possible
            else:
                place = 0
                if before != NOBODY and k > 0:
                    after = not_taken(way.partner[k - 1], way.holder, k, burst.sizes[1])
                    if after == way.lowest[k]:
                        place = 1
                if place == 0 and k > 1 and way.kind[k - 2] != NOBODY:
                    after = not_taken(way.partner[k - 2], way.holder, k, burst.sizes[1])
                    if after == way.lowest[k]:
                        place = 2
                follows[before * 3 + place, kind] += 1.0
                gaps[kind, burst.gap[k]] += 1.0
                own[1 if kind == OTHER else 0, burst.gap2[k]] += 1.0
            before = kind
        else:
            before = NEXT
