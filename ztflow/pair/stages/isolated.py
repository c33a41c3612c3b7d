"""Isolated pairs: two lines alike in addresses, identity and byte counts with no third one near; most pairs are.

Rule *near*, for halves of one ztunnel, hence one clock: nothing else with the same exact key (blocking key and sizes)
ended within `near_gap`, and the two ends are at most `near_ends` apart. Rule *far*, across clocks that may be off: the
same within `far_gap` and `far_ends`, for halves that moved bytes (one of no bytes looks like any other of its kind).

Rule *fresh*, which lets most flows out at once: nothing of the exact key was seen for `fresh_past`, so it is no probe
that comes again and again, and the two, which moved bytes, ended at most `near_ends` apart with nothing of their kind
for `fresh_gap` after.

The rules look only at raw times and at lines a few seconds away, so the answer is the same for any cut of the input,
and it is known as soon as the log has moved on by that much. The clocks and the usual delays are learned from the pairs
found here. The distances are in `reach`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ztflow.columns.dtypes import AFTER_ALL, BoolArray, FloatArray, Index, IntArray, UIntArray
from ztflow.columns.sorting import class_order, place_bits, unpacked
from ztflow.pair.buffers import MatchedHistory
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.flow_table import EXACT, UNIQUE
from ztflow.pair.reach import REACH, Reach


class IsolatedParameters(NamedTuple):
    """Confidence of pairs that no third line is near.

    Attributes:
        moved_bytes: Where bytes were moved. Chosen: what is left is a lost pair of halves that look alike.
        empty: Of connections without a byte, which look like any other of their kind. Chosen.
    """

    moved_bytes: float = 0.9995
    empty: float = 0.995


ISOLATED: Final = IsolatedParameters()


class IsolatedPairs(NamedTuple):
    """Pairs by index into the halves they were found in, in order of the outbound half.

    Attributes:
        outbound: Index of the outbound half.
        inbound: Index of its partner.
        keys: Exact key of each of the halves in a pair, sorted: what `MatchedHistory` has to know of them.
        times: End of each of these.
    """

    outbound: Index
    inbound: Index
    keys: UIntArray
    times: IntArray


def find_isolated(
    halves: BasicFeatures, keys: UIntArray, history: MatchedHistory, watermark: int, reach: Reach = REACH
) -> IsolatedPairs:
    """The isolated pairs.

    Args:
        halves: Pairable ones that are in no flow yet.
        keys: The exact key of each.
        history: Those that are.
        watermark: Everything that ended before this time is at hand; pairs that may yet get company are left.
        reach: Time distances.

    Cost: a sort of the keys and a few passes over numpy arrays.
    """
    count = len(halves)
    order = class_order(keys)
    keys = keys[order]
    distinct = np.ones(count, np.bool_)
    distinct[1:] = keys[1:] != keys[:-1]
    gone_keys, gone_times = history.of(keys[distinct])
    time = halves.time
    if len(gone_keys):
        place = np.searchsorted(keys, gone_keys)
        order = np.insert(order, place, count + np.arange(len(gone_keys)))
        keys = np.insert(keys, place, gone_keys)
        time = np.concatenate([time, gone_times])
    _in_time(order, keys, time)
    time = time[order]

    # Where the next one is of the same key, and how long after.
    step = np.full(len(order) + 1, AFTER_ALL)
    inside = np.flatnonzero(keys[1:] == keys[:-1])
    step[inside + 1] = time[inside + 1] - time[inside]
    at = inside[step[inside + 1] <= reach.far_ends]
    a, b = order[at], order[at + 1]
    whole = (a < count) & (b < count)
    at, a, b = at[whole], a[whole], b[whole]
    a_out = halves.outbound[a]
    both = a_out != halves.outbound[b]
    at, a, b, a_out = at[both], a[both], b[both], a_out[both]

    before, ends, after = step[at], step[at + 1], step[at + 2]
    alone_for = np.minimum(before, after)
    quiet = np.minimum(after, watermark - time[at + 1])  # nothing came for this long, and nothing can
    moved = halves.moved(a)
    one_clock = halves.ztunnel[a] == halves.ztunnel[b]
    near = (np.minimum(alone_for, quiet) > reach.near_gap) & (ends <= reach.near_ends) & one_clock
    far = (np.minimum(alone_for, quiet) > reach.far_gap) & moved
    fresh = (before > reach.fresh_past) & (quiet > reach.fresh_gap) & (ends <= reach.near_ends) & moved
    found = near | far | fresh
    at, a, b, a_out = at[found], a[found], b[found], a_out[found]
    out, inn = _side_by_side(np.where(a_out, a, b), np.where(a_out, b, a), count)
    return IsolatedPairs(out, inn, np.repeat(keys[at], 2), np.column_stack([time[at], time[at + 1]]).ravel())


def graded(
    moved: BoolArray, tunnel: UIntArray, other: UIntArray, parameters: IsolatedParameters
) -> tuple[IntArray, FloatArray]:
    """`paired` and confidence of isolated pairs; one tunnel on both sides is a proof.

    Args:
        moved: Whether each moved bytes.
        tunnel: Hash of the tunnel of each outbound half, 0 where no debug line says it.
        other: Hash of the tunnel of each inbound half.
        parameters: The confidences.
    """
    proved = (tunnel != 0) & (tunnel == other)
    confidence = np.where(moved, parameters.moved_bytes, parameters.empty)
    return np.where(proved, EXACT, UNIQUE), np.where(proved, 1.0, confidence)


def _side_by_side(out: Index, inn: Index, count: int) -> tuple[Index, Index]:
    """The pairs in order of their outbound half, so that what is looked up of them lies close together in memory."""
    bits = place_bits(count)
    packed = (out.view(np.uint64) << bits) | inn.view(np.uint64)
    inn = unpacked(packed, bits)
    return (packed >> bits).view(np.int64), inn


def _in_time(order: Index, keys: UIntArray, time: IntArray) -> None:
    """Put each key's halves in order of time, in place; most are two that are right or have to change places."""
    same = keys[1:] == keys[:-1]
    swapped = np.flatnonzero(same & (time[order[1:]] < time[order[:-1]]))
    if not len(swapped):
        return
    inside = np.zeros(len(order) + 1, np.bool_)  # place p and the one before are of one key
    inside[1:-1] = same
    crowd = inside[swapped] | inside[swapped + 2]  # of a key with three or more
    pair = swapped[~crowd]
    order[pair], order[pair + 1] = order[pair + 1], order[pair]
    if not crowd.any():
        return
    many = np.zeros(len(order), np.bool_)
    middle = np.flatnonzero(inside[1:-1] & (inside[:-2] | inside[2:]))
    many[middle] = many[middle + 1] = True
    rest = np.flatnonzero(many)
    order[rest] = order[rest][np.lexsort((time[order[rest]], keys[rest]))]
