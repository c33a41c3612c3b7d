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

from ztflow.columns.dtypes import Index, IntArray, UIntArray
from ztflow.columns.sorting import class_order, place_bits, unpacked
from ztflow.pair.buffers import Past
from ztflow.pair.features.basic import Outline

NEAR_GAP = 500_000
"""Microseconds. Probes come once a second; half of that keeps one probe's halves apart from the next one's."""
NEAR_ENDS = 50_000
"""Microseconds. Ends of one connection are at most 13 ms apart in a storm on one clock (captured runs)."""
FAR_GAP = 2_000_000
"""Microseconds."""
FAR_ENDS = 1_000_000
"""Microseconds. Nodes whose clocks are off by a second are found; worse ones are left to `leftovers`."""

FRESH_GAP = 100_000
"""Microseconds. Eight times what separates the two ends in a storm on one clock; a flow shows when that has passed."""
FRESH_PAST = 8_000_000
"""Microseconds. What repeats, repeats within seconds."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class SurePairs:
    """Pairs by index into the halves they were found in, in order of the outbound half.

    Attributes:
        outbound: Index of the outbound half.
        inbound: Index of its partner.
        classes: Class of each of the halves in a pair, sorted: what `Past` has to know of them.
        times: End of each of these.
    """

    outbound: Index
    inbound: Index
    classes: UIntArray
    times: IntArray


def find_sure(halves: Outline, classes: UIntArray, past: Past, horizon: int) -> SurePairs:
    """The sure pairs.

    Args:
        halves: Pairable ones that are in no flow yet.
        classes: The class of each.
        past: Those that are.
        horizon: Everything that ended before this time is at hand; pairs that may yet get company are left.

    Cost: a sort of the classes and a few passes over numpy arrays.
    """
    count = len(halves)
    order = class_order(classes)
    classes = classes[order]
    distinct = np.ones(count, np.bool_)
    distinct[1:] = classes[1:] != classes[:-1]
    gone_classes, gone_times = past.of(classes[distinct])
    time = halves.time
    if len(gone_classes):
        place = np.searchsorted(classes, gone_classes)
        order = np.insert(order, place, count + np.arange(len(gone_classes)))
        classes = np.insert(classes, place, gone_classes)
        time = np.concatenate([time, gone_times])
    _in_time(order, classes, time)
    time = time[order]

    # Where the next one is of the same class, and how long after.
    step = np.full(len(order) + 1, _NEVER)
    inside = np.flatnonzero(classes[1:] == classes[:-1])
    step[inside + 1] = time[inside + 1] - time[inside]
    at = inside[step[inside + 1] <= FAR_ENDS]
    a, b = order[at], order[at + 1]
    whole = (a < count) & (b < count)
    at, a, b = at[whole], a[whole], b[whole]
    a_out = halves.outbound[a]
    both = a_out != halves.outbound[b]
    at, a, b, a_out = at[both], a[both], b[both], a_out[both]

    before, ends, after = step[at], step[at + 1], step[at + 2]
    alone_for = np.minimum(before, after)
    quiet = np.minimum(after, horizon - time[at + 1])  # nothing came for this long, and nothing can
    moved = halves.moved(a)
    near = (np.minimum(alone_for, quiet) > NEAR_GAP) & (ends <= NEAR_ENDS) & (halves.ztunnel[a] == halves.ztunnel[b])
    far = (np.minimum(alone_for, quiet) > FAR_GAP) & moved
    fresh = (before > FRESH_PAST) & (quiet > FRESH_GAP) & (ends <= NEAR_ENDS) & moved
    sure = near | far | fresh
    at, a, b, a_out = at[sure], a[sure], b[sure], a_out[sure]
    out, inn = _side_by_side(np.where(a_out, a, b), np.where(a_out, b, a), count)
    return SurePairs(out, inn, np.repeat(classes[at], 2), np.column_stack([time[at], time[at + 1]]).ravel())


def _side_by_side(out: Index, inn: Index, count: int) -> tuple[Index, Index]:
    """The pairs in order of their outbound half, so that what is looked up of them stands nearly in a row."""
    bits = place_bits(count)
    packed = (out.view(np.uint64) << bits) | inn.view(np.uint64)
    inn = unpacked(packed, bits)
    return (packed >> bits).view(np.int64), inn


def _in_time(order: Index, classes: UIntArray, time: IntArray) -> None:
    """Put each class in order of time, in place; most are two halves that stand right or change places."""
    same = classes[1:] == classes[:-1]
    swapped = np.flatnonzero(same & (time[order[1:]] < time[order[:-1]]))
    if not len(swapped):
        return
    inside = np.zeros(len(order) + 1, np.bool_)  # place p and the one before are of one class
    inside[1:-1] = same
    crowd = inside[swapped] | inside[swapped + 2]  # in a class of three or more
    pair = swapped[~crowd]
    order[pair], order[pair + 1] = order[pair + 1], order[pair]
    if not crowd.any():
        return
    many = np.zeros(len(order), np.bool_)
    middle = np.flatnonzero(inside[1:-1] & (inside[:-2] | inside[2:]))
    many[middle] = many[middle + 1] = True
    rest = np.flatnonzero(many)
    order[rest] = order[rest][np.lexsort((time[order[rest]], classes[rest]))]
