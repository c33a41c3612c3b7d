"""Pairs that need no model: alike in addresses, identity and both byte counts, and alone with it for a while.

Rule *near*, for halves of one ztunnel, hence one clock: within `NEAR_GAP` of each other nothing else of the same key
and sizes ended, and the two ends are at most `NEAR_ENDS` apart. Rule *far*, across clocks that may be off: the same
within `FAR_GAP` and `FAR_ENDS`, for halves that moved bytes (one of no bytes looks like any other of its kind).

Rule *fresh*, which lets most flows out at once: nothing of the key and sizes was seen for `FRESH_PAST`, so it is no
probe that comes again and again, and the two, which moved bytes, ended at most `NEAR_ENDS` apart with nothing of their
kind for `FRESH_GAP` after.

The rules look only at raw times and at lines a few seconds away, so the answer is the same for any cut of the input,
and it is known as soon as the log has moved on by that much. The pairs found here are what the clocks and
the delays are learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ztflow.pair.evidence import Evidence, IntArray

NEAR_GAP = 500_000
"""Microseconds. Probes come once a second; half of that keeps one probe's halves apart from the next one's."""
NEAR_ENDS = 50_000
"""Microseconds. Ends of one connection are at most 13 ms apart in a storm on one clock (captured runs)."""
FAR_GAP = 2_000_000
"""Microseconds."""
FAR_ENDS = 1_000_000
"""Microseconds. Nodes whose clocks are off by a second are found; worse ones are left to `leftovers`."""

FRESH_GAP = 250_000
"""Microseconds. Twenty times what separates the two ends in a storm."""
FRESH_PAST = 8_000_000
"""Microseconds. What repeats, repeats within seconds."""

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SurePairs:
    """Pairs by index into the evidence they were found in.

    Attributes:
        outbound: Index of the outbound half.
        inbound: Index of its partner.
    """

    outbound: Index
    inbound: Index


def find_sure(evidence: Evidence, order: Index, horizon: int) -> SurePairs:
    """The sure pairs among the halves of `order`.

    Args:
        evidence: All halves at hand.
        order: Indexes of the pairable ones, sorted by key, sizes and time; see `class_order`.
        horizon: Everything that ended before this time is at hand; clusters that may still grow are left.

    Cost: a few passes over numpy arrays, O(n).
    """
    time = evidence.time[order]
    new_class = np.ones(len(order), np.bool_)
    if len(order):
        classes = evidence.classes[order]
        new_class[1:] = classes[1:] != classes[:-1]
    near = _lonely_pairs(evidence, order, time, new_class, NEAR_GAP, NEAR_ENDS, horizon)
    far = _lonely_pairs(evidence, order, time, new_class, FAR_GAP, FAR_ENDS, horizon)
    moved = (evidence.request[order] | evidence.response[order]) != 0
    far &= moved[: len(far)]
    near &= evidence.ztunnel[order][1:] == evidence.ztunnel[order][:-1]
    fresh = _lonely_pairs(evidence, order, time, new_class, FRESH_GAP, NEAR_ENDS, horizon) & moved[: len(far)]
    fresh[1:] &= new_class[1 : len(far)] | (time[1 : len(far)] - time[: len(far) - 1] > FRESH_PAST)
    first = np.flatnonzero(near | far | fresh)
    a, b = order[first], order[first + 1]
    a_out = evidence.outbound[a]
    return SurePairs(np.where(a_out, a, b), np.where(a_out, b, a))


def class_order(evidence: Evidence, canonical: Index) -> Index:
    """Indexes of the pairable halves sorted by key and sizes, within that canonically.

    Cost: one unstable sort, which numpy does with SIMD, and a stable one of the classes of more than two halves.
    """
    index = canonical[evidence.pairable[canonical]]
    classes = evidence.classes[index]
    order = np.argsort(classes)
    ordered = classes[order]
    same = ordered[1:] == ordered[:-1]
    swapped = same & (order[1:] < order[:-1])
    if swapped.any():
        inside = np.zeros(len(order) + 1, np.bool_)  # position p and the one before are of one class
        inside[1:-1] = same
        many = np.zeros(len(order), np.bool_)
        crowded = np.flatnonzero(inside[1:-1] & (inside[:-2] | inside[2:]))  # in classes of three and more
        many[crowded] = many[crowded + 1] = True
        pair = np.flatnonzero(swapped & ~many[:-1])
        order[pair], order[pair + 1] = order[pair + 1], order[pair]
        rest = np.flatnonzero(many)
        order[rest] = order[rest][np.lexsort((order[rest], ordered[rest]))]
    return index[order]


def _lonely_pairs(
    evidence: Evidence,
    order: Index,
    time: IntArray,
    new_class: npt.NDArray[np.bool_],
    gap: int,
    ends: int,
    horizon: int,
) -> npt.NDArray[np.bool_]:
    """True at position p where order[p] and order[p + 1] are a whole cluster: one outbound, one inbound half."""
    count = len(order)
    if count < 2:
        return np.zeros(0, np.bool_)
    step = np.diff(time)
    opens = new_class.copy()
    opens[1:] |= step > gap
    closes = np.ones(count, np.bool_)  # the last half of a cluster …
    closes[:-1] = opens[1:]
    last_of_class = np.ones(count, np.bool_)
    last_of_class[:-1] = new_class[1:]
    closes &= ~last_of_class | (time + gap < horizon)  # … and nothing can come that would join it
    outbound = evidence.outbound[order]
    result: npt.NDArray[np.bool_] = (
        opens[:-1] & ~opens[1:] & closes[1:] & (step <= ends) & (outbound[:-1] != outbound[1:])
    )
    return result
