"""The way back through the lattice: how likely each edge is among all ways."""

from __future__ import annotations

import math

from ztflow.columns.dtypes import FloatArray
from ztflow.pair.hmm.forward import forward
from ztflow.pair.hmm.transitions import ELSEWHERE, OTHER, Burst
from ztflow.pair.hmm.trellis import NONE, Ahead, Counts, Edges, Scratch, States


def backward(burst: Burst, edges: Edges, onward: FloatArray, shares: FloatArray, counts: Counts) -> float:
    """Add up how likely each edge is among all ways: into shares of partners, and counts of steps.

    Args:
        burst: The burst.
        edges: As `forward` found them.
        onward: Room for three rows as wide as `edges.before`.
        shares: A row a late end, a column an early end.
        counts: See `Counts`.

    Returns:
        The logarithm of the sum over all ways.
    """
    late, early = burst.sizes[0], burst.sizes[1]
    after, most, total = onward[0], onward[1], onward[2]
    best, everything = NONE, 0.0
    for state in range(edges.kept[late]):
        best = max(best, edges.before[late, state])
        after[state] = 0.0
    if edges.kept[late] == 0:
        return NONE
    for state in range(edges.kept[late]):
        everything += math.exp(edges.before[late, state] - best)
    everything = best + math.log(everything)
    for k in range(late - 1, -1, -1):
        for state in range(edges.kept[k]):
            most[state], total[state] = NONE, 0.0
        for edge in range(edges.first[k], edges.first[k + 1]):
            start = edges.what[edge, 0]
            edges.weight[edge] += after[edges.what[edge, 1]]
            most[start] = max(most[start], edges.weight[edge])
        for edge in range(edges.first[k], edges.first[k + 1]):
            start, partner = edges.what[edge, 0], edges.what[edge, 2]
            total[start] += math.exp(edges.weight[edge] - most[start])
            chance = math.exp(edges.before[k, start] + edges.weight[edge] - everything)
            if partner < early:
                shares[k, partner] += chance
                count(burst, k, edges.what[edge, 3], chance, counts)
        for state in range(edges.kept[k]):
            after[state] = most[state] + math.log(total[state]) if total[state] > 0.0 else NONE
    return everything


def count(burst: Burst, k: int, code: int, chance: float, counts: Counts) -> None:
    """Add a step to the counts, for as much as it is likely."""
    kind, rest = (code >> 1) & 3, code >> 3
    gap = burst.gap[k]
    if code & 1:  # everything before was finished, and rest is the lowest end not taken
        possible = chance * burst.later[k, rest]
        counts.batch[1, gap] += possible
        if kind == ELSEWHERE:
            counts.batch[0, gap] += possible
        return
    counts.follows[rest, kind] += chance
    counts.gaps[kind, gap] += chance
    counts.own[1 if kind == OTHER else 0, burst.gap2[k]] += chance


def both_ways(
    burst: Burst, states: States, edges: Edges, scratch: Scratch, ahead: Ahead, counts: Counts,
    shares: FloatArray, onward: FloatArray, limits: FloatArray, total: FloatArray,
) -> None:  # fmt: skip
    """Fill in shares, counts and the total. Limits: states kept of each layer, and how much worse they may be."""
    forward(burst, states, edges, scratch, ahead, int(limits[0]), limits[1])
    total[0] = backward(burst, edges, onward, shares, counts)
