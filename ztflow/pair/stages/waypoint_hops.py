"""Waypoint hops: which connection of a waypoint or gateway continues which connection of a client.

Two connections, two lines, no shared id and no shared address but the waypoint's own
(docs/reference/ztunnel-log.md#what-both-halves-share): the chain is statistical. A proxy that hands on what it gets
ends both hops together and moves the same bytes on both, so halves are chained that agree in the waypoint's address
and both byte counts, do not contradict each other in the service, and ended close together; where several do, by the
best assignment. A waypoint that rewrites what it carries (HTTP) gives no chain.
"""

from __future__ import annotations

import numpy as np

from ztflow.columns.dtypes import Index, IntArray
from ztflow.pair.assignment import segments
from ztflow.pair.assignment.matching import may_match, nearest
from ztflow.pair.features.basic import combine
from ztflow.pair.features.full import FullFeatures
from ztflow.pair.parameters import DEFAULTS, PairingParameters


def chain_hops(
    features: FullFeatures,
    time: IntArray,
    hop_to: Index,
    hop_from: Index,
    settled: int,
    parameters: PairingParameters = DEFAULTS,
) -> tuple[Index, Index]:
    """Clients' hops to a waypoint and the inferred hops that follow them.

    Args:
        features: All halves at hand.
        time: Their ends with the clock offsets taken off.
        hop_to: Outbound halves that went to a waypoint, in canonical order.
        hop_from: Inbound halves that came from one, in canonical order.
        settled: Both lists are complete before this time.
        parameters: The figures.

    Returns:
        Indexes of the halves to a waypoint, and of those that follow each.
    """
    both = np.concatenate([hop_to, hop_from])
    outbound = features.outbound
    waypoint = np.where(outbound[both], features.destination[both], features.source[both])
    keys = combine([waypoint, features.sizes[both]])
    sequence = np.lexsort((time[both], keys))
    order = both[sequence]
    ranges = segments.whole(keys[sequence], time[order], settled, parameters.reach)
    size = ranges.stop - ranges.start
    hops_to = np.add.reduceat(outbound[order].astype(np.int64), ranges.start) if len(order) else size
    two_sided = ranges.closed & (hops_to > 0) & (hops_to < size) & (size <= parameters.segments.largest)
    couple = ranges.start[two_sided & (size == 2)]
    a, b = order[couple], order[couple + 1]
    to, back = np.where(outbound[a], a, b), np.where(outbound[a], b, a)
    near = may_match(time[to] - time[back], features.duration[to] - features.duration[back], parameters.matching)
    found = [(to[near], back[near])]
    more = two_sided & (size > 2)
    for start, stop in zip(ranges.start[more].tolist(), ranges.stop[more].tolist(), strict=True):
        part = order[start:stop]
        to, back = part[outbound[part]], part[~outbound[part]]
        at_to, at_back = nearest(
            time[to], features.duration[to], time[back], features.duration[back], parameters.matching
        )
        found.append((to[at_to], back[at_back]))
    to, back = (np.concatenate(side) for side in zip(*found, strict=True))
    services = features.service[to], features.service[back]
    agree = (services[0] == 0) | (services[1] == 0) | (services[0] == services[1])
    return to[agree], back[agree]
