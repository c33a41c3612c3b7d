"""Forward pass through the trellis: finds the states and transitions, and the likelihood of all paths to each state."""

from __future__ import annotations

import math

from ztflow.pair.hmm.transitions import (
    ELSEWHERE,
    EXPONENT_AT,
    FLOOR,
    LEAST_AT,
    LOWEST,
    NEXT,
    NO_PARTNER,
    OTHER_THREAD,
    UNLIKELY,
    Burst,
    elsewhere,
    of_new_batch,
    row,
)
from ztflow.pair.hmm.trellis import (
    BUCKETS,
    BUCKETS_AT,
    LOG_ZERO,
    NEW_AT,
    RING_WORDS,
    SPAN,
    STATES_AT,
    TRANSITION_AT,
    TRANSITIONS_AT,
    TRANSITIONS_LOOKED_AT,
    TRANSITIONS_PER_STATE,
    WORD_BITS,
    LookAhead,
    Scratch,
    States,
    Transitions,
    free_after,
    is_taken,
    place_of,
    step_code,
    word_of,
)

HOPELESS = 200.0
"""Microseconds. A late end that has looked at `SOME` early ends looks at none that ended more than this after it."""
SOME = 3
"""Early ends a late end looks at in any case."""
MOST_LEFT_OUT = 12
"""Early ends given up at once, at most."""
LOST = math.log(0.05)
"""Logarithm of the price of giving up an early end whose late line is lost: lines are seldom lost. Only early ends
below one that is taken are given up; those above may still be taken later."""


def forward(
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, look_ahead: LookAhead, keep: int,
    within: float,
) -> None:  # fmt: skip
    """Find the states and transitions."""
    late, early = burst.sizes[0], burst.sizes[1]
    states.lowest[0, 0] = 0
    states.highest[0, 0] = -1
    states.last[0, 0] = -1
    states.last2[0, 0] = -1
    states.kind[0, 0] = NEXT
    states.spare[0, 0] = abs(late - early)
    states.taken_hash[0, 0] = 0
    states.likely[0, 0] = 0.0
    states.penalty[0, 0] = 0.0
    for word in range(RING_WORDS):
        states.bits[0, word] = 0
    transitions.first[0] = 0
    transitions.before[0, 0] = 0.0
    states.chosen[0, 0] = 0
    transitions.kept[0] = 1
    for k in range(late):
        here = k % 2
        scratch.sizes[NEW_AT], scratch.sizes[TRANSITION_AT] = 0, transitions.first[k]
        scratch.sizes[TRANSITIONS_AT] = ((k + 1) * TRANSITIONS_PER_STATE + TRANSITIONS_LOOKED_AT) * keep
        best = LOG_ZERO
        for rank in range(transitions.kept[k]):
            best = expand(burst, states, transitions, scratch, look_ahead, k, here, rank, best, within)
        add_likelihoods(states, transitions, scratch, k, 1 - here)
        choose(states, transitions, scratch, k, 1 - here, keep, within)


def expand(
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, look_ahead: LookAhead, k: int, here: int,
    rank: int, best: float, within: float,
) -> float:  # fmt: skip
    """Add the transitions from a state; returns the likelihood of the best state so far, look-ahead included."""
    early = burst.sizes[1]
    state = states.chosen[here, rank]
    base = float(states.likely[here, state] + states.penalty[here, state])
    if base < best - within:
        return best
    lowest, highest, spare = states.lowest[here, state], states.highest[here, state], states.spare[here, state]
    worse = 0.0
    for change in range(look_ahead.first[k], look_ahead.first[k + 1]):
        if not is_taken(states, here, state, look_ahead.end[change]):
            worse += look_ahead.by[change]
    finished = highest <= lowest
    before = states.kind[here, state]
    before = NEXT if before == NO_PARTNER else before
    after, after2, place, line = early, early, 0, 0
    total, next_one, other = 1.0, 0.0, 0.0
    if not finished:
        after = free_after(states, here, state, states.last[here, state], early)
        after2 = free_after(states, here, state, states.last2[here, state], early)
        place = 1 if after == lowest else 2 if after2 == lowest else 0
        line = row(before, place, burst.gap[k])
        soonest = burst.late[k] - 0.7 * burst.numbers[LEAST_AT]
        total = burst.follows[line, ELSEWHERE]
        if after < early and burst.early[after] < soonest:
            next_one = burst.follows[line, NEXT]
            total += next_one
        if after2 < early and after2 != after and burst.early[after2] < soonest:
            other = burst.follows[line, OTHER_THREAD] * burst.own[burst.gap2[k]]
            total += other
        if place == 0:
            total += burst.follows[line, LOWEST]
    exponent = burst.numbers[EXPONENT_AT]
    leaves_out = spare > 0 and burst.sizes[0] < early
    looked = 0
    for j in range(lowest, min(early, lowest + SPAN)):
        if is_taken(states, here, state, j):
            continue
        if looked >= SOME and burst.early[j] > burst.late[k] + HOPELESS:
            break
        looked += 1
        emission = burst.emission[k, j]
        if base + worse - look_ahead.best[k + 1, j] + emission < best - within and not leaves_out:
            continue
        if finished:
            kind = NEXT if j == lowest else ELSEWHERE
            weight = of_new_batch(burst, k, j, lowest)
        elif j == after:
            kind, weight = NEXT, max(next_one, UNLIKELY) / total
        elif j == after2:
            kind, weight = OTHER_THREAD, max(other, UNLIKELY) / total
        elif j == lowest:
            kind, weight = LOWEST, burst.follows[line, LOWEST] / total
        else:
            kind = ELSEWHERE
            weight = burst.follows[line, ELSEWHERE] / total * elsewhere(burst, k, j, lowest, highest)
        code = step_code(finished, before, place, lowest, kind)
        weight = exponent * math.log(weight + FLOOR) + emission
        best = lead(
            states, transitions, scratch, look_ahead, k, here, rank, early, j,
            -1, kind, code, weight, worse, best, within,
        )  # fmt: skip
        if kind == ELSEWHERE or not leaves_out:
            continue
        left_out = 0
        onward = j
        while left_out < min(spare, MOST_LEFT_OUT):
            left_out += 1
            onward += 1
            while onward < early and is_taken(states, here, state, onward):
                onward += 1
            if onward >= min(early, lowest + SPAN):
                break
            instead = weight - emission + burst.emission[k, onward] + left_out * LOST
            best = lead(
                states, transitions, scratch, look_ahead, k, here, rank, early, onward,
                j, kind, code, instead, worse, best, within,
            )  # fmt: skip
    if spare > 0 and burst.sizes[0] > early:
        best = lead(
            states, transitions, scratch, look_ahead, k, here, rank, early, early,
            -1, NO_PARTNER, -1, 0.0, worse, best, within,
        )  # fmt: skip
    return best


def lead(
    states: States, transitions: Transitions, scratch: Scratch, look_ahead: LookAhead, k: int, here: int, rank: int,
    early: int, j: int, left_out: int, kind: int, code: int, weight: float, worse: float, best: float, within: float,
) -> float:  # fmt: skip
    """Add a transition, and its state if new, unless that is hopeless; early ends from `left_out` on are given up."""
    there, state = 1 - here, states.chosen[here, rank]
    likely = states.likely[here, state] + weight
    penalty = states.penalty[here, state] + worse
    if kind != NO_PARTNER:
        penalty -= look_ahead.best[k + 1, j]
    if left_out >= 0:
        for gone in range(left_out, j):
            if not is_taken(states, here, state, gone):
                penalty -= look_ahead.best[k + 1, gone]
    if likely + penalty < best - within:
        return best
    new = scratch.sizes[NEW_AT]
    transition = scratch.sizes[TRANSITION_AT]
    if new >= scratch.sizes[STATES_AT] or transition >= scratch.sizes[TRANSITIONS_AT]:
        return best
    for word in range(RING_WORDS):
        states.bits[there, new * RING_WORDS + word] = states.bits[here, state * RING_WORDS + word]
    lowest, highest = states.lowest[here, state], states.highest[here, state]
    spare, taken_hash = states.spare[here, state], states.taken_hash[here, state]
    if kind == NO_PARTNER:
        spare -= 1
    else:
        for taken in range(left_out if left_out >= 0 else j, j + 1):
            if not is_taken(states, here, state, taken):
                states.bits[there, word_of(new, taken)] |= 1 << (taken & (WORD_BITS - 1))
                taken_hash ^= scratch.hashes[0, taken]
                if taken < j:
                    spare -= 1
        highest = max(highest, j)
        while lowest <= highest and ((states.bits[there, word_of(new, lowest)] >> (lowest & (WORD_BITS - 1))) & 1) == 1:
            states.bits[there, word_of(new, lowest)] &= ~(1 << (lowest & (WORD_BITS - 1)))
            lowest += 1
    states.lowest[there, new] = lowest
    states.highest[there, new] = highest
    states.last[there, new] = j if kind != NO_PARTNER else -1
    states.last2[there, new] = states.last[here, state]
    states.kind[there, new] = kind
    states.spare[there, new] = spare
    states.taken_hash[there, new] = taken_hash
    states.penalty[there, new] = penalty
    at = place_of(states, scratch, there, new, early)
    if scratch.slot[at] < 0:
        scratch.slot[at] = new
        scratch.place[new] = at
        scratch.most[new] = likely
        scratch.sizes[NEW_AT] = new + 1
    stop = scratch.slot[at]
    scratch.most[stop] = max(scratch.most[stop], likely)
    transitions.what[transition, 0] = rank
    transitions.what[transition, 1] = stop
    transitions.what[transition, 2] = j
    transitions.what[transition, 3] = code
    transitions.weight[transition] = weight
    scratch.sizes[TRANSITION_AT] = transition + 1
    return max(best, float(likely + penalty))


def add_likelihoods(states: States, transitions: Transitions, scratch: Scratch, k: int, there: int) -> None:
    """Add up the likelihoods of all paths to each new state."""
    for state in range(scratch.sizes[NEW_AT]):
        states.likely[there, state] = 0.0
        scratch.slot[scratch.place[state]] = -1
    for transition in range(transitions.first[k], scratch.sizes[TRANSITION_AT]):
        stop = transitions.what[transition, 1]
        likely = transitions.before[k, transitions.what[transition, 0]] + transitions.weight[transition]
        states.likely[there, stop] += math.exp(likely - scratch.most[stop])
    for state in range(scratch.sizes[NEW_AT]):
        states.likely[there, state] = scratch.most[state] + math.log(states.likely[there, state])


def choose(
    states: States, transitions: Transitions, scratch: Scratch, k: int, there: int, keep: int, within: float
) -> None:
    """Keep the most likely of the new states, the likeliest first, and the transitions to them."""
    new, buckets = scratch.sizes[NEW_AT], scratch.sizes[BUCKETS_AT:]
    best = LOG_ZERO
    for state in range(new):
        best = max(best, states.likely[there, state] + states.penalty[there, state])
    for bucket in range(BUCKETS + 1):
        buckets[bucket] = 0
    for state in range(new):
        worse = best - states.likely[there, state] - states.penalty[there, state]
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
            transitions.before[k + 1, buckets[at]] = states.likely[there, state]
            buckets[at] += 1
    transition = transitions.first[k]
    for old in range(transitions.first[k], scratch.sizes[TRANSITION_AT]):
        rank = scratch.rank[transitions.what[old, 1]]
        if rank >= 0:
            transitions.what[transition, 0] = transitions.what[old, 0]
            transitions.what[transition, 1] = rank
            transitions.what[transition, 2] = transitions.what[old, 2]
            transitions.what[transition, 3] = transitions.what[old, 3]
            transitions.weight[transition] = transitions.weight[old]
            transition += 1
    transitions.first[k + 1] = transition
    transitions.kept[k + 1] = min(count, keep)
