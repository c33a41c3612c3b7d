"""Halves whose partner did not end close by: cut connections, dead peers, clocks far off, unequal byte counts.

Two halves with the same addresses are taken for a pair only when something else than nearness speaks for it
(format sheet §5.3 to §5.5): equal bytes that are not zero, with starts or durations that agree; or counts that obey the
inequality of a cut connection, an error on one side, and starts that agree. Each must be the other's best.

Candidates are at most `REACH` apart. A pair is judged when the log has moved on by that much and a half is given up
when it has moved on by twice that, so the order of judging is that of the log, whatever the cut of the input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ztflow.pair.evidence import Evidence
from ztflow.pair.outline import IntArray

REACH = 35_000_000
"""Microseconds. A vanished peer is noticed by the HTTP/2 ping after at most 10 s + 20 s (format sheet §5.4)."""
SAME_START = 60_000
"""Microseconds within which starts agree: set-up of a fresh tunnel, truncation, and what is left of clock offsets."""
SAME_DURATION = 60
"""Milliseconds within which durations agree when the clocks of the two nodes do not."""
NEIGHBOURS = 16
"""Candidates looked at on each side of a half, nearest first: keeps the cost linear where thousands are left."""
EQUAL = 0.99
"""Confidence of a pair with equal sizes and agreeing starts or durations."""
UNEQUAL = 0.9
"""Confidence of a pair with unequal sizes."""


class Late(NamedTuple):
    """A pair found here, by index into the evidence."""

    outbound: int
    inbound: int
    equal_sizes: bool
    alternatives: int

    @property
    def confidence(self) -> float:
        """Probability that the partner is right, shared with whoever would have fitted, too."""
        return (EQUAL if self.equal_sizes else UNEQUAL) / (1 + self.alternatives)


def pair_leftovers(
    evidence: Evidence, time: IntArray, index: np.ndarray[tuple[int], np.dtype[np.intp]], horizon: int
) -> list[Late]:
    """The pairs among the leftover halves that can be judged by now.

    Args:
        evidence: All halves at hand.
        time: Their ends with the clock offsets taken off.
        index: The leftovers, in canonical order.
        horizon: Everything that ended before this time is at hand.
    """
    candidates = _candidates(evidence, time, index)
    taken: set[int] = set()
    found: list[Late] = []
    by_half: dict[int, list[tuple[float, int]]] = {}
    for _, o, i, score, _ in candidates:
        by_half.setdefault(o, []).append((score, i))
        by_half.setdefault(i, []).append((score, o))
    for due, o, i, score, equal in candidates:
        if due >= horizon:
            break
        if o in taken or i in taken:
            continue
        rivals = [
            s
            for half, partner in ((o, i), (i, o))
            for s, other in by_half[half]
            if other != partner and other not in taken
        ]
        if rivals and min(rivals) <= score:
            continue
        taken |= {o, i}
        found.append(Late(o, i, equal, len(rivals)))
    return found


def _candidates(
    evidence: Evidence, time: IntArray, index: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> list[tuple[int, int, int, float, bool]]:
    """Possible pairs as (when it can be judged, outbound, inbound, distance, equal sizes), in order of judging."""
    order = index[np.lexsort((time[index], evidence.loose_key[index]))]
    if not len(order):
        return []
    key = evidence.loose_key[order]
    outbound = evidence.outbound[order]
    cuts = np.flatnonzero(key[1:] != key[:-1]) + 1
    result = []
    for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(order)], strict=True):
        outs = order[start:stop][outbound[start:stop]]
        ins = order[start:stop][~outbound[start:stop]]
        if not len(outs) or not len(ins):
            continue
        for o in outs.tolist():
            middle = int(np.searchsorted(time[ins], time[o]))
            near = ins[max(0, middle - NEIGHBOURS) : middle + NEIGHBOURS]
            for i in near[np.abs(time[near] - time[o]) <= REACH].tolist():
                judged = _judge(evidence, time, o, i)
                if judged is not None:
                    due = max(int(evidence.time[o]), int(evidence.time[i])) + REACH
                    result.append((due, o, i, *judged))
    rank = {int(half): place for place, half in enumerate(index.tolist())}
    result.sort(key=lambda c: (c[0], c[3], rank[c[1]], rank[c[2]]))
    return result


def _judge(evidence: Evidence, time: IntArray, o: int, i: int) -> tuple[float, bool] | None:
    """How far apart two halves are in ms, and whether their sizes are equal; None when they cannot be a pair."""
    names = (int(evidence.identity[o]), int(evidence.identity[i]))
    if all(names) and names[0] != names[1]:
        return None
    request = (int(evidence.request[o]), int(evidence.request[i]))
    response = (int(evidence.response[o]), int(evidence.response[i]))
    ends = abs(int(time[o] - time[i])) / 1000
    starts = abs(int(time[o] - time[i]) / 1000 - int(evidence.duration[o] - evidence.duration[i]))
    durations = abs(int(evidence.duration[o] - evidence.duration[i]))
    if request[0] == request[1] and response[0] == response[1]:
        agree = min(starts, ends) <= SAME_START / 1000 or durations <= SAME_DURATION
        if agree and (any(request) or any(response) or min(starts, ends) <= SAME_START / 1000):
            return min(starts, ends, durations), True
        return None
    # Writers count what they handed on (format sheet §5.3): a cut connection lost bytes on the way, never gained any.
    lawful = request[0] >= request[1] and response[1] >= response[0]
    broken = bool(evidence.failed[o] or evidence.failed[i])
    if lawful and broken and starts <= SAME_START / 1000:
        return starts, False
    return None
