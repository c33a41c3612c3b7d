"""Which connection of a waypoint or gateway carries on which connection of a client.

Two connections, two lines, no shared id and no shared address but the waypoint's own
(docs/reference/ztunnel-log.md#what-both-halves-share): the chain is statistical. A proxy that hands on what it gets
ends both hops together and moves the same bytes on both, so halves are chained that agree in the waypoint's address
and both byte counts, do not contradict each other in the service, and ended close together; where several do, by the
best assignment. A waypoint that rewrites what it carries (HTTP) gives no chain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import IntArray
from ztflow.pair.assignment import segments
from ztflow.pair.assignment.matching import fits, nearest
from ztflow.pair.features.basic import combine
from ztflow.pair.features.full import Evidence

Index = npt.NDArray[np.intp]


def chain_hops(evidence: Evidence, time: IntArray, hop_to: Index, hop_from: Index, settled: int) -> tuple[Index, Index]:
    """Clients' hops to a waypoint and the hops believed to follow them.

    Args:
        evidence: All halves at hand.
        time: Their ends with the clock offsets taken off.
        hop_to: Outbound halves that went to a waypoint, in canonical order.
        hop_from: Inbound halves that came from one, in canonical order.
        settled: Both lists are complete before this time.

    Returns:
        Indexes of the halves to a waypoint, and of those that follow each.
    """
    both = np.concatenate([hop_to, hop_from])
    outbound = evidence.outbound
    waypoint = np.where(outbound[both], evidence.destination[both], evidence.source[both])
    classes = combine([waypoint, evidence.sizes[both]])
    sequence = np.lexsort((time[both], classes))
    order = both[sequence]
    ranges = segments.whole(classes[sequence], time[order], settled)
    size = ranges.stop - ranges.start
    hops_to = np.add.reduceat(outbound[order].astype(np.int64), ranges.start) if len(order) else size
    two_sided = ranges.closed & (hops_to > 0) & (hops_to < size) & (size <= segments.LARGEST)
    couple = ranges.start[two_sided & (size == 2)]
    a, b = order[couple], order[couple + 1]
    to, back = np.where(outbound[a], a, b), np.where(outbound[a], b, a)
    near = fits(time[to] - time[back], evidence.duration[to] - evidence.duration[back])
    found = [(to[near], back[near])]
    more = two_sided & (size > 2)
    for start, stop in zip(ranges.start[more].tolist(), ranges.stop[more].tolist(), strict=True):
        part = order[start:stop]
        to, back = part[outbound[part]], part[~outbound[part]]
        at_to, at_back = nearest(time[to], evidence.duration[to], time[back], evidence.duration[back])
        found.append((to[at_to], back[at_back]))
    to, back = (np.concatenate(side) for side in zip(*found, strict=True))
    services = evidence.service[to], evidence.service[back]
    agree = (services[0] == 0) | (services[1] == 0) | (services[0] == services[1])
    return to[agree], back[agree]
