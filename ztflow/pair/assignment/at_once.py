"""Equal halves that ended at once: more in a moment than two ztunnels can end, so the order of ends says nothing.

A ztunnel ends one connection every 14 to 22 µs on each of its threads. Where equal halves lie denser than that
(`segments.DenseStretches`), times were cut or set by something else, or the log was made up: what the hidden Markov
model knows does not apply, and to try all orders would take for ever. What is symmetric need not be tried: halves are
assigned in order, and how many others would have fitted is counted.

The assignment leaves a half out only where there are too many of its side, and has the least sum of distances of ends;
within a moment, of durations. Cost: a few sorts; 1 µs a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, Index, IntArray

UNLIKE: Final = 0.05
"""Least weight of a half whose duration differs by a millisecond as another that would have fitted. Chosen."""


@dataclass(frozen=True, slots=True)
class Side:
    """Halves of one direction, in order of end.

    Attributes:
        time: Ends in µs, with clock offsets taken off.
        duration: Durations in ms.
    """

    time: IntArray
    duration: IntArray

    def __len__(self) -> int:
        return len(self.time)


def assign(out: Side, inn: Side, moment: int, farthest: int) -> tuple[Index, Index]:
    """Partners by order of end, and within a moment by order of duration.

    Args:
        out: Outbound halves.
        inn: Inbound halves.
        moment: How much of time, µs, is one moment: the order of ends within it says less than durations.
        farthest: No partners end farther apart, µs.

    Returns:
        Positions of outbound halves, rising, and of their partners.
    """
    by_time = in_order(out.time, inn.time, np.zeros(len(out), np.int64), np.zeros(len(inn), np.int64), farthest)
    moments = _moments(out, inn, *by_time, moment)
    pairs = in_order(out.duration, inn.duration, *moments, farthest // 500)
    order = np.argsort(pairs[0], kind="stable")
    return pairs[0][order], pairs[1][order]


def _moments(out: Side, inn: Side, rows: Index, columns: Index, moment: int) -> tuple[IntArray, IntArray]:
    """The moment of each half: that of the outbound half of its pair, or its own as an outbound one."""
    delay = int(np.median(out.time[rows] - inn.time[columns])) if len(rows) else 0
    first = int(out.time[0])
    of_out, of_inn = (out.time - first) // moment, (inn.time + delay - first) // moment
    of_inn[columns] = of_out[rows]
    return of_out, of_inn


def in_order(
    out: IntArray, inn: IntArray, out_group: IntArray, in_group: IntArray, farthest: int
) -> tuple[Index, Index]:
    """Pairs within groups whose distances have the least sum, none crossing another.

    Args:
        out: Where each outbound half lies.
        inn: Where each inbound half lies.
        out_group: The group of each outbound half.
        in_group: The group of each inbound half.
        farthest: Halves further apart are not paired.

    Returns:
        Positions of outbound halves and of their partners.
    """
    count = len(out)
    at, group = np.concatenate([out, inn]), np.concatenate([out_group, in_group])
    order = np.lexsort((at, group))
    step = np.where(order < count, 1, -1)
    group = group[order]
    new_group = np.ones(len(order), np.bool_)
    new_group[1:] = group[1:] != group[:-1]
    balance = np.cumsum(step)
    before = np.repeat((balance - step)[new_group], np.diff(np.append(np.flatnonzero(new_group), len(order))))
    # Between two halves of a level as many of each side lie: there they alternate, and neighbours are partners.
    level = balance - before - (step > 0)
    ranked = np.lexsort((level, group))
    taken = order[ranked]
    left, right = _neighbours(at[taken], group[ranked], level[ranked])
    near = np.abs(at[taken[right]] - at[taken[left]]) <= farthest
    chosen = np.zeros(len(order), np.bool_)
    chosen[taken[left[near]]] = chosen[taken[right[near]]] = True
    first_to_last = order[chosen[order]]  # the first with the first: crossing pairs would be as far apart together
    return first_to_last[first_to_last < count], first_to_last[first_to_last >= count] - count


def _neighbours(at: IntArray, group: IntArray, level: IntArray) -> tuple[Index, Index]:
    """Pairs of neighbours within each level; of an odd number the one is left out that saves most."""
    first = np.ones(len(at), np.bool_)
    first[1:] = (group[1:] != group[:-1]) | (level[1:] != level[:-1])
    start = np.flatnonzero(first)
    size = np.diff(np.append(start, len(at)))
    place = np.arange(len(at)) - np.repeat(start, size)
    odd = size % 2 == 1
    # Cost of pairing all before a place from the first on, and all after it from the second on.
    gap = np.append(np.abs(np.diff(at)), 0)
    even_steps = np.cumsum(np.where(place % 2 == 0, gap, 0))
    odd_steps = np.cumsum(np.where(place % 2 == 1, gap, 0))
    last = np.repeat(start + size - 1, size)
    before = even_steps - np.where(place % 2 == 0, gap, 0)  # of the places before this one
    after = (odd_steps - np.where(place % 2 == 1, gap, 0))[last] - odd_steps + np.where(place % 2 == 1, gap, 0)
    cost = np.where(place % 2 == 0, before + after, np.iinfo(np.int64).max)
    least = np.repeat(np.minimum.reduceat(cost, start), size) if len(at) else cost
    candidates = np.flatnonzero((cost == least) & np.repeat(odd, size))
    skipped = np.repeat(start + size, size)
    if len(candidates):
        of = np.searchsorted(start, candidates, side="right") - 1
        one = np.ones(len(candidates), np.bool_)
        one[1:] = of[1:] != of[:-1]
        skip = start + size
        skip[of[one]] = candidates[one]
        skipped = np.repeat(skip, size)
    here = np.arange(len(at))
    begins = np.where(here < skipped, place % 2 == 0, (place % 2 == 1) & (here > skipped)) & (here < last)
    left = np.flatnonzero(begins)
    return left, left + 1


def fitting(side: Side, time: IntArray, duration: IntArray, within: float, other: float) -> FloatArray:
    """How many halves of a side would fit such an end and duration; those a millisecond off have a lower weight.

    Args:
        side: The halves.
        time: The ends, µs.
        duration: The durations, ms.
        within: How far from it, µs, an end may be.
        other: Weight of a half whose duration differs by one.
    """
    first, longest = int(min(side.time.min(), time.min())), int(side.time.max())
    room = max(longest, int(time.max())) - first + 2 * int(within) + 2
    keys = np.sort((side.time - first) + room * (side.duration - int(side.duration.min()) + 1))
    total = np.zeros(len(time))
    for apart, weight in ((0, 1.0), (-1, other), (1, other)):
        wanted = (time - first) + room * np.maximum(duration + apart - int(side.duration.min()) + 1, -1)
        low = np.searchsorted(keys, wanted - int(within), side="left")
        total += weight * (np.searchsorted(keys, wanted + int(within), side="right") - low)
    return total


def scattered(out: IntArray, inn: IntArray) -> float:
    """Weight of a duration that differs by one: how often it does among the pairs, in each direction."""
    apart = out - inn
    unusual: BoolArray = apart != int(np.median(apart)) if len(apart) else np.zeros(0, np.bool_)
    return float(max(UNLIKE, min(1.0, unusual.mean() if len(unusual) else 0.0)))
