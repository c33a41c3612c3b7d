"""Backward pass through the trellis: the probability of each transition among all pairing paths."""

from __future__ import annotations

import math

from ztflow.columns.dtypes import FloatArray
from ztflow.pair.hmm.forward import forward
from ztflow.pair.hmm.transitions import ELSEWHERE, OTHER_THREAD, Burst
from ztflow.pair.hmm.trellis import (
    LOG_ZERO,
    LookAhead,
    Scratch,
    States,
    TransitionCounts,
    Transitions,
    limit,
    look_ahead,
)


def backward(
    burst: Burst, transitions: Transitions, onward: FloatArray, posterior: FloatArray, counts: TransitionCounts
) -> float:
    """Add up the probability of each transition: into the posterior of partners, and counts of steps.

    Args:
        burst: The burst.
        transitions: As `forward` found them.
        onward: Room for three rows as wide as `Transitions.before`.
        posterior: A row a late end, a column an early end.
        counts: See `Counts`.

    Returns:
        The logarithm of the sum over all pairing paths.
    """
    late, early = burst.sizes[0], burst.sizes[1]
    after, most, total = onward[0], onward[1], onward[2]
    best, everything = LOG_ZERO, 0.0
    for state in range(transitions.kept[late]):
        best = max(best, transitions.before[late, state])
        after[state] = 0.0
    if transitions.kept[late] == 0:
        return LOG_ZERO
    for state in range(transitions.kept[late]):
        everything += math.exp(transitions.before[late, state] - best)
    everything = best + math.log(everything)
    for k in range(late - 1, -1, -1):
        for state in range(transitions.kept[k]):
            most[state], total[state] = LOG_ZERO, 0.0
        for transition in range(transitions.first[k], transitions.first[k + 1]):
            start = transitions.what[transition, 0]
            transitions.weight[transition] += after[transitions.what[transition, 1]]
            most[start] = max(most[start], transitions.weight[transition])
        for transition in range(transitions.first[k], transitions.first[k + 1]):
            start, partner = transitions.what[transition, 0], transitions.what[transition, 2]
            total[start] += math.exp(transitions.weight[transition] - most[start])
            chance = math.exp(transitions.before[k, start] + transitions.weight[transition] - everything)
            if partner < early:
                posterior[k, partner] += chance
                count(burst, k, transitions.what[transition, 3], chance, counts)
        for state in range(transitions.kept[k]):
            after[state] = most[state] + math.log(total[state]) if total[state] > 0.0 else LOG_ZERO
    return everything


def count(burst: Burst, k: int, code: int, chance: float, counts: TransitionCounts) -> None:
    """Add a step to the counts, as its probability."""
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
    counts.own[1 if kind == OTHER_THREAD else 0, burst.gap2[k]] += chance


def both_ways(
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, ahead: LookAhead,
    counts: TransitionCounts, posterior: FloatArray, onward: FloatArray, limits: FloatArray, total: FloatArray,
) -> None:  # fmt: skip
    """Fill in posterior, counts and the total. Limits: states kept of each column, and how much worse they may be."""
    look_ahead(burst, ahead)
    forward(burst, states, transitions, scratch, ahead, limit(burst, scratch, int(limits[0])), limits[1])
    total[0] = backward(burst, transitions, onward, posterior, counts)
