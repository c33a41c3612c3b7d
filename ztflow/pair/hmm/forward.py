"""The way forward through the lattice: states and edges are found, and how likely all ways to each state are."""

from __future__ import annotations

import math

from ztflow.pair.hmm.transitions import (
    ELSEWHERE,
    FLOOR,
    LEAST,
    LOWEST,
    NEXT,
    NOBODY,
    OTHER,
    TRUST,
    UNLIKELY,
    Burst,
    elsewhere,
    of_new_batch,
    row,
)
from ztflow.pair.hmm.trellis import (
    BITS,
    BUCKETS,
    EDGES,
    NONE,
    WINDOW,
    WORDS,
    Ahead,
    Edges,
    Scratch,
    States,
    free_after,
    is_taken,
    place_of,
    step_code,
    word_of,
)

HOPELESS = 200.0
"""A late end does not look at early ends more than so many microseconds after it, once it has looked at `SOME`."""
SOME = 3
MOST_LEFT_OUT = 12
"""Early ends given up at once."""
LOST = math.log(0.05)
"""Logarithm of the price for each: lines are seldom lost, and those that nothing follows yet are given up by nobody."""


def forward(
    burst: Burst, states: States, edges: Edges, scratch: Scratch, ahead: Ahead, keep: int, within: float
) -> None:
    """Find the states and edges."""
    late, early = burst.sizes[0], burst.sizes[1]
    states.lowest[0, 0] = 0
    states.highest[0, 0] = -1
    states.last[0, 0] = -1
    states.last2[0, 0] = -1
    states.kind[0, 0] = NEXT
    states.spare[0, 0] = abs(late - early)
    states.key[0, 0] = 0
    states.likely[0, 0] = 0.0
    states.outlook[0, 0] = 0.0
    for word in range(WORDS):
        states.bits[0, word] = 0
    for at in range(len(scratch.slot)):
        scratch.slot[at] = -1
    edges.first[0] = 0
    edges.before[0, 0] = 0.0
    states.chosen[0, 0] = 0
    edges.kept[0] = 1
    for k in range(late):
        here = k % 2
        scratch.sizes[0], scratch.sizes[1] = 0, edges.first[k]
        scratch.sizes[2] = len(edges.weight) - (late - 1 - k) * EDGES * keep
        best = NONE
        for rank in range(edges.kept[k]):
            best = expand(burst, states, edges, scratch, ahead, k, here, rank, best, within)
        add_up(states, edges, scratch, k, 1 - here)
        choose(states, edges, scratch, k, 1 - here, keep, within)


def expand(
    burst: Burst, states: States, edges: Edges, scratch: Scratch, ahead: Ahead, k: int, here: int, rank: int,
    best: float, within: float,
) -> float:  # fmt: skip
    """Add the edges from a state; the likelihood of the best state they lead to, outlook included."""
    early = burst.sizes[1]
    state = states.chosen[here, rank]
    base = float(states.likely[here, state] + states.outlook[here, state])
    if base < best - within:
        return best
    lowest, highest, spare = states.lowest[here, state], states.highest[here, state], states.spare[here, state]
    worse = 0.0
    for change in range(ahead.first[k], ahead.first[k + 1]):
        if not is_taken(states, here, state, ahead.end[change]):
            worse += ahead.by[change]
    finished = highest <= lowest
    before = states.kind[here, state]
    before = NEXT if before == NOBODY else before
    after, after2, place, line = early, early, 0, 0
    total, next_one, other = 1.0, 0.0, 0.0
    if not finished:
        after = free_after(states, here, state, states.last[here, state], early)
        after2 = free_after(states, here, state, states.last2[here, state], early)
        place = 1 if after == lowest else 2 if after2 == lowest else 0
        line = row(before, place, burst.gap[k])
        soonest = burst.late[k] - 0.7 * burst.numbers[LEAST]
        total = burst.follows[line, ELSEWHERE]
        if after < early and burst.early[after] < soonest:
            next_one = burst.follows[line, NEXT]
            total += next_one
        if after2 < early and after2 != after and burst.early[after2] < soonest:
            other = burst.follows[line, OTHER] * burst.own[burst.gap2[k]]
            total += other
        if place == 0:
            total += burst.follows[line, LOWEST]
    trust = burst.numbers[TRUST]
    leaves_out = spare > 0 and burst.sizes[0] < early
    looked = 0
    for j in range(lowest, min(early, lowest + WINDOW)):
        if is_taken(states, here, state, j):
            continue
        if looked >= SOME and burst.early[j] > burst.late[k] + HOPELESS:
            break
        looked += 1
        fit = burst.fit[k, j]
        if base + worse - ahead.best[k + 1, j] + fit < best - within and not leaves_out:
            continue
        if finished:
            kind = NEXT if j == lowest else ELSEWHERE
            weight = of_new_batch(burst, k, j, lowest)
        elif j == after:
            kind, weight = NEXT, max(next_one, UNLIKELY) / total
        elif j == after2:
            kind, weight = OTHER, max(other, UNLIKELY) / total
        elif j == lowest:
            kind, weight = LOWEST, burst.follows[line, LOWEST] / total
        else:
            kind = ELSEWHERE
            weight = burst.follows[line, ELSEWHERE] / total * elsewhere(burst, k, j, lowest, highest)
        code = step_code(finished, before, place, lowest, kind)
        weight = trust * math.log(weight + FLOOR) + fit
        best = lead(states, edges, scratch, ahead, k, here, rank, early, j, -1, kind, code, weight, worse, best, within)
        if kind == ELSEWHERE or not leaves_out:
            continue
        left_out = 0
        onward = j
        while left_out < min(spare, MOST_LEFT_OUT):
            left_out += 1
            onward += 1
            while onward < early and is_taken(states, here, state, onward):
                onward += 1
            if onward >= min(early, lowest + WINDOW):
                break
            instead = weight - fit + burst.fit[k, onward] + left_out * LOST
            best = lead(
                states, edges, scratch, ahead, k, here, rank, early, onward, j, kind, code, instead, worse, best, within
            )
    if spare > 0 and burst.sizes[0] > early:
        best = lead(
            states, edges, scratch, ahead, k, here, rank, early, early, -1, NOBODY, -1, 0.0, worse, best, within
        )
    return best


def lead(
    states: States, edges: Edges, scratch: Scratch, ahead: Ahead, k: int, here: int, rank: int, early: int, j: int,
    left_out: int, kind: int, code: int, weight: float, worse: float, best: float, within: float,
) -> float:  # fmt: skip
    """Add an edge, and the state it leads to if need be, unless that is hopeless; early ends from `left_out` go."""
    there, state = 1 - here, states.chosen[here, rank]
    likely = states.likely[here, state] + weight
    outlook = states.outlook[here, state] + worse
    if kind != NOBODY:
        outlook -= ahead.best[k + 1, j]
    if left_out >= 0:
        for gone in range(left_out, j):
            if not is_taken(states, here, state, gone):
                outlook -= ahead.best[k + 1, gone]
    if likely + outlook < best - within:
        return best
    new = scratch.sizes[0]
    edge = scratch.sizes[1]
    if new >= len(scratch.place) or edge >= scratch.sizes[2]:
        return best
    for word in range(WORDS):
        states.bits[there, new * WORDS + word] = states.bits[here, state * WORDS + word]
    lowest, highest = states.lowest[here, state], states.highest[here, state]
    spare, key = states.spare[here, state], states.key[here, state]
    if kind == NOBODY:
        spare -= 1
    else:
        for taken in range(left_out if left_out >= 0 else j, j + 1):
            if not is_taken(states, here, state, taken):
                states.bits[there, word_of(new, taken)] |= 1 << (taken & (BITS - 1))
                key ^= scratch.keys[0, taken]
                if taken < j:
                    spare -= 1
        highest = max(highest, j)
        while lowest <= highest and ((states.bits[there, word_of(new, lowest)] >> (lowest & (BITS - 1))) & 1) == 1:
            states.bits[there, word_of(new, lowest)] &= ~(1 << (lowest & (BITS - 1)))
            lowest += 1
    states.lowest[there, new] = lowest
    states.highest[there, new] = highest
    states.last[there, new] = j if kind != NOBODY else -1
    states.last2[there, new] = states.last[here, state]
    states.kind[there, new] = kind
    states.spare[there, new] = spare
    states.key[there, new] = key
    states.outlook[there, new] = outlook
    at = place_of(states, scratch, there, new, early)
    if scratch.slot[at] < 0:
        scratch.slot[at] = new
        scratch.place[new] = at
        scratch.most[new] = likely
        scratch.sizes[0] = new + 1
    stop = scratch.slot[at]
    scratch.most[stop] = max(scratch.most[stop], likely)
    edges.what[edge, 0] = rank
    edges.what[edge, 1] = stop
    edges.what[edge, 2] = j
    edges.what[edge, 3] = code
    edges.weight[edge] = weight
    scratch.sizes[1] = edge + 1
    return max(best, float(likely + outlook))


def add_up(states: States, edges: Edges, scratch: Scratch, k: int, there: int) -> None:
    """Add up how likely all ways to each new state are."""
    for state in range(scratch.sizes[0]):
        states.likely[there, state] = 0.0
        scratch.slot[scratch.place[state]] = -1
    for edge in range(edges.first[k], scratch.sizes[1]):
        stop = edges.what[edge, 1]
        likely = edges.before[k, edges.what[edge, 0]] + edges.weight[edge]
        states.likely[there, stop] += math.exp(likely - scratch.most[stop])
    for state in range(scratch.sizes[0]):
        states.likely[there, state] = scratch.most[state] + math.log(states.likely[there, state])


def choose(states: States, edges: Edges, scratch: Scratch, k: int, there: int, keep: int, within: float) -> None:
    """Keep the most likely of the new states, the likeliest first, and the edges to them."""
    new, buckets = scratch.sizes[0], scratch.sizes[3:]
    best = NONE
    for state in range(new):
        best = max(best, states.likely[there, state] + states.outlook[there, state])
    for bucket in range(BUCKETS + 1):
        buckets[bucket] = 0
    for state in range(new):
        worse = best - states.likely[there, state] - states.outlook[there, state]
        scratch.rank[state] = min(int(worse / within * BUCKETS), BUCKETS)
        buckets[scratch.rank[state]] += 1
    count, bucket = 0, 0
    while bucket < BUCKETS and count < keep:  # from here on buckets say where each one begins
        count, buckets[bucket] = count + buckets[bucket], count
        bucket += 1
    for state in range(new):
        at = scratch.rank[state]
        scratch.rank[state] = -1
        if at < bucket and buckets[at] < keep:
            scratch.rank[state] = buckets[at]
            states.chosen[there, buckets[at]] = state
            edges.before[k + 1, buckets[at]] = states.likely[there, state]
            buckets[at] += 1
    edge = edges.first[k]
    for old in range(edges.first[k], scratch.sizes[1]):
        rank = scratch.rank[edges.what[old, 1]]
        if rank >= 0:
            edges.what[edge, 0] = edges.what[old, 0]
            edges.what[edge, 1] = rank
            edges.what[edge, 2] = edges.what[old, 2]
            edges.what[edge, 3] = edges.what[old, 3]
            edges.weight[edge] = edges.weight[old]
            edge += 1
    edges.first[k + 1] = edge
    edges.kept[k + 1] = min(count, keep)
