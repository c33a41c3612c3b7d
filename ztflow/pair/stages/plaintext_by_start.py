"""Plaintext by start: halves in plaintext whose byte counts differ, because the server refused or cut the connection.

A server's ztunnel that refuses plaintext closes what it has just accepted: its line says so and counts nothing. The
client's has sent what the application gave it and ends well, without an error, whenever the application lets go
(docs/reference/ztunnel-log.md#what-both-halves-share). Nothing but addresses and starts joins the two: the server's
accept follows the client's dial by the time a packet takes. So halves of one blocking key are paired in order of their
starts, none further apart than `Reach.same_start`, and never when bytes were gained on the way.

A *cluster* is what started together. It is decided as a whole when every half is at hand that may belong to it, and
what has no partner in it has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import AFTER_ALL, BoolArray, FloatArray, Index, IntArray, UIntArray
from ztflow.pair.assignment.at_once import in_order
from ztflow.pair.features.full import FullFeatures
from ztflow.pair.parameters import PairingParameters


class PlaintextPairs(NamedTuple):
    """What was decided, by index into the features.

    Attributes:
        outbound: Outbound halves with a partner.
        inbound: Their partners.
        equal: Whether both count the same bytes.
        alternatives: How many other partners would have fitted.
        confidence: Probability that the partner is right.
        alone: Halves without partner.
    """

    outbound: Index
    inbound: Index
    equal: BoolArray
    alternatives: IntArray
    confidence: FloatArray
    alone: Index


def pair_by_start(
    features: FullFeatures, time: IntArray, index: Index, settled: int, parameters: PairingParameters
) -> PlaintextPairs:
    """The pairs of the clusters that are complete, and what is left over in them.

    Args:
        features: All halves at hand.
        time: Their ends with the clock offsets taken off.
        index: The remaining halves in plaintext, none longer than `Reach.partner`, in canonical order.
        settled: Every half that started before this time, by corrected clocks, is among them.
        parameters: The figures.

    Cost: a few sorts; Python once a cluster that is cut for its length.
    """
    reach = parameters.reach
    start = time[index] - 1000 * features.duration[index]
    key = features.blocking_key[index]
    order = np.lexsort((start, key))
    index, start, key = index[order], start[order], key[order]
    cluster, closed = _clusters(key, start, features.outbound[index], settled, reach.same_start, reach.epoch)
    index, start, cluster = index[closed], start[closed], cluster[closed]
    outbound = features.outbound[index]
    a, b = np.flatnonzero(outbound), np.flatnonzero(~outbound)
    rows, columns = in_order(start[a], start[b], cluster[a], cluster[b], reach.same_start) if len(a) and len(b) else (
        np.zeros(0, np.intp), np.zeros(0, np.intp))  # fmt: skip
    a, b = a[rows], b[columns]
    others, beside = (
        _others(start, cluster, ~outbound, a, b, int(within))
        for within in (parameters.matching.interchangeable, reach.usual_delay)
    )
    o, i = index[a], index[b]
    equal = (features.request[o] == features.request[i]) & (features.response[o] == features.response[i])
    lost = (features.request[o] >= features.request[i]) & (features.response[i] >= features.response[o])
    broken = features.failed[o] | features.failed[i]
    together = np.abs(time[o] - time[i]) <= reach.same_start
    figures = parameters.late_or_cut
    fits = lost & (equal | broken | (together & (others == 0)))
    trust = np.where(equal, figures.equal, np.where(broken, figures.unequal, figures.silent))
    a, b = a[fits], b[fits]
    alone = np.ones(len(index), np.bool_)
    alone[a] = alone[b] = False
    confidence = trust / (1 + beside)  # order tells most of those apart that merely might have fitted
    return PlaintextPairs(index[a], index[b], equal[fits], others[fits], confidence[fits], index[alone])


def _clusters(
    key: UIntArray, start: IntArray, outbound: BoolArray, settled: int, pause: int, longest: int
) -> tuple[IntArray, BoolArray]:
    """The number of each half's cluster, and whether nothing can join it any more; halves by key and start.

    One without a pause is cut after `longest` at the widest gap of its second half, so it depends on nothing later.
    """
    if not len(key):
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    first = np.ones(len(key), np.bool_)
    gap = np.full(len(key), AFTER_ALL)
    same = key[1:] == key[:-1]
    gap[1:][same] = np.diff(start)[same]
    first[1:] = gap[1:] > pause
    begins = np.flatnonzero(first)
    stops = np.append(begins[1:], len(key))
    last = start[stops - 1]
    for one in np.flatnonzero(last - start[begins] > longest).tolist():
        first[list(_cuts(start, outbound, int(begins[one]), int(stops[one]), longest))] = True
    begins = np.flatnonzero(first)
    size = np.diff(np.append(begins, len(key)))
    ends = start[begins + size - 1]
    closed = np.repeat(ends + longest < settled, size)
    return np.repeat(np.arange(len(begins)), size), closed


def _cuts(start: IntArray, outbound: BoolArray, at: int, stop: int, longest: int) -> Iterator[int]:
    """Where to cut a cluster that goes on for longer than that, preferably where no half is without partner."""
    while start[stop - 1] - start[at] > longest:
        half, end = np.searchsorted(start[at:stop], [start[at] + longest // 2, start[at] + longest], side="right") + at
        places = np.arange(max(half, at + 1), max(end, half + 1, at + 2))
        places = places[places < stop]
        even = np.cumsum(np.where(outbound[at : places[-1]], 1, -1))[places - 1 - at] == 0
        gaps = start[places] - start[places - 1]
        at = int(places[np.argmax(np.where(even, gaps, -1) if even.any() else gaps)])
        yield at


def _others(start: IntArray, cluster: IntArray, inbound: BoolArray, a: Index, b: Index, within: int) -> IntArray:
    """How many other inbound halves of the cluster started within that of each pair's."""
    rows = np.flatnonzero(inbound)
    room = int(start.max() - start.min()) + 2 * within + 2 if len(start) else 1
    zero = int(start.min()) - within if len(start) else 0
    at = (start[rows] - zero) + room * cluster[rows]
    wanted = (start[b] - zero) + room * cluster[a]
    low, high = np.searchsorted(at, wanted - within, "left"), np.searchsorted(at, wanted + within, "right")
    result: IntArray = high - low - 1
    return result
