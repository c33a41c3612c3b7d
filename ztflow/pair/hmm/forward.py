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
    log_at_most,
    of_new_batch,
    row,
    width_of,
)
from ztflow.pair.hmm.trellis import (
    BEFORE_AT,
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
    WORTH_AT,
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
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, ahead: LookAhead, keep: int,
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
        scratch.sizes[WORTH_AT], scratch.sizes[BEFORE_AT] = -1, 0
        best = LOG_ZERO
        for rank in range(transitions.kept[k]):
            if rank in (1, 16):
                choose_ends(burst, states, transitions, scratch, ahead, k, here, best - within)
            best = expand(burst, states, transitions, scratch, ahead, k, here, rank, best, within)
        add_likelihoods(states, transitions, scratch, k, 1 - here)
        choose(states, transitions, scratch, k, 1 - here, keep, within)


def choose_ends(
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, ahead: LookAhead, k: int, here: int,
    least: float,
) -> None:  # fmt: skip
    """Write down the early ends that can lead any state of a column to one at least so likely, look-ahead included."""
    early = burst.sizes[1]
    most, lowest, found = LOG_ZERO, early, 0
    for rank in range(transitions.kept[k]):
        state = states.chosen[here, rank]
        most = max(most, states.likely[here, state] + states.penalty[here, state])
        lowest = min(lowest, states.lowest[here, state])
    j = lowest
    while j < early and burst.early[j] <= burst.late[k] + HOPELESS:
        if most + burst.emission[k, j] - ahead.best[k + 1, j] >= least:
            scratch.worth[found] = j
            found += 1
        j += 1
    scratch.sizes[WORTH_AT], scratch.sizes[BEFORE_AT] = found, j


def expand(
    burst: Burst, states: States, transitions: Transitions, scratch: Scratch, ahead: LookAhead, k: int, here: int,
    rank: int, best: float, within: float,
) -> float:  # fmt: skip
    """Add the transitions from a state; returns the likelihood of the best state so far, look-ahead included."""
    early = burst.sizes[1]
    state = states.chosen[here, rank]
    base = float(states.likely[here, state] + states.penalty[here, state])
    if base < best - within:
        return best
    lowest, highest, spare = states.lowest[here, state], states.highest[here, state], states.spare[here, state]
    for change in range(ahead.first[k], ahead.first[k + 1]):
        if not is_taken(states, here, state, ahead.end[change]):
            base += ahead.by[change]
    finished = highest <= lowest
    before = states.kind[here, state]
    before = NEXT if before == NO_PARTNER else before
    after = free_after(states, here, state, states.last[here, state], early)
    after2, place, line, total, next_one, other, width = early, 0, 0, 1.0, 0.0, 0.0, 0.0
    if not finished:
        width = width_of(lowest, highest)
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
    stop = min(early, lowest + SPAN)
    listed = scratch.sizes[WORTH_AT] >= 0 and has_some(states, here, state, lowest, scratch.sizes[BEFORE_AT])
    others, looked = scratch.sizes[WORTH_AT] if listed else stop - lowest, 0
    for turn in range(-1 if spare > 0 and burst.sizes[0] > early else 0, 3 + others):
        j, kind, weight, code = early, NO_PARTNER, 0.0, -1
        if turn >= 3:
            j = scratch.worth[turn - 3] if listed else lowest + turn - 3
            if j < lowest or j >= stop or is_taken(states, here, state, j):
                continue
            if not listed:
                if looked >= SOME and burst.early[j] > burst.late[k] + HOPELESS:
                    break
                looked += 1
            if j == lowest or (not finished and j in (after, after2)):
                continue
            kind = ELSEWHERE
        elif turn >= 0:
            if turn == 0:
                j = lowest
                kind = NEXT if finished or j == after else OTHER_THREAD if j == after2 else LOWEST
            elif finished or (turn == 1 and after == lowest) or (turn == 2 and after2 in (lowest, after)):
                continue
            else:
                j, kind = (after, NEXT) if turn == 1 else (after2, OTHER_THREAD)
            if j >= stop:
                continue
        most_gone = min(spare, MOST_LEFT_OUT) if leaves_out and kind not in (ELSEWHERE, NO_PARTNER) else 0
        likely = base
        if kind != NO_PARTNER:
            likely += burst.emission[k, j] - ahead.best[k + 1, j]
            if likely < best - within and not most_gone:
                continue
            if finished:
                weight = of_new_batch(burst, k, j, lowest)
            elif kind == NEXT:
                weight = max(next_one, UNLIKELY) / total
            elif kind == OTHER_THREAD:
                weight = max(other, UNLIKELY) / total
            elif kind == LOWEST:
                weight = burst.follows[line, LOWEST] / total
            else:
                weight = burst.follows[line, ELSEWHERE] / total * elsewhere(burst, k, j, lowest, highest, width)
            code = step_code(finished, before, place, lowest, kind)
            if not most_gone and likely + exponent * log_at_most(weight + FLOOR) < best - within:
                continue
            weight = exponent * math.log(weight + FLOOR)
        taken, recovered = j, 0.0
        for gone in range(most_gone + 1):
            if gone:
                recovered -= ahead.best[k + 1, taken]
                taken += 1
                while taken < early and is_taken(states, here, state, taken):
                    taken += 1
                if taken >= stop:
                    break
                likely = base + recovered + gone * LOST + burst.emission[k, taken] - ahead.best[k + 1, taken]
            if likely + weight < best - within:
                continue
            step = weight
            if kind != NO_PARTNER:
                step += burst.emission[k, taken] + gone * LOST
            if lead(
                states, transitions, scratch, here, rank, early, taken, j, kind, code, step, likely + weight, after
            ):
                best = max(best, likely + weight)
    return best


def has_some(states: States, column: int, state: int, lowest: int, before: int) -> bool:
    """Whether `SOME` early ends before this one are not taken."""
    found, j = 0, lowest
    while j < before and found < SOME:
        if not is_taken(states, column, state, j):
            found += 1
        j += 1
    return found >= SOME


def lead(
    states: States, transitions: Transitions, scratch: Scratch, here: int, rank: int, early: int, j: int, gone: int,
    kind: int, code: int, weight: float, ranked: float, after: int,
) -> bool:  # fmt: skip
    """Add a transition, and its state if new; false where there is no room.

    Args:
        states: States.
        transitions: Transitions.
        scratch: Room.
        here: Column.
        rank: The state it begins at.
        early: How many early ends there are.
        j: The early end that is taken.
        gone: Early ends from this one on, that are not taken, are given up.
        kind: Kind of step.
        code: See `step_code`.
        weight: Logarithm.
        ranked: Likelihood of the path with look-ahead.
        after: The first end after the last one taken that is not taken; `early` where none was taken.
    """
    there, state = 1 - here, states.chosen[here, rank]
    new, transition = scratch.sizes[NEW_AT], scratch.sizes[TRANSITION_AT]
    if new >= scratch.sizes[STATES_AT] or transition >= scratch.sizes[TRANSITIONS_AT]:
        return False
    lowest, highest, spare = states.lowest[here, state], states.highest[here, state], states.spare[here, state]
    state_hash = int(states.taken_hash[here, state])
    next_after, next_after2 = early, after
    if kind == NO_PARTNER:
        spare -= 1
    else:
        for taken in range(gone, j + 1):
            if not is_taken(states, here, state, taken):
                state_hash ^= scratch.hashes[0, taken]
                if taken < j:
                    spare -= 1
        highest = max(highest, j)
        if gone == lowest:
            lowest = j + 1
            while lowest <= highest and is_taken(states, here, state, lowest):
                lowest += 1
        next_after = max(j + 1, lowest)
        while next_after < early and is_taken(states, here, state, next_after):
            next_after += 1
        if gone <= after <= j:
            next_after2 = next_after
    taken_hash = state_hash
    if highest > lowest:
        state_hash ^= scratch.hashes[1, next_after] ^ scratch.hashes[2, next_after2] ^ scratch.hashes[3, kind]
    elif kind == NO_PARTNER:
        state_hash ^= scratch.hashes[3, NO_PARTNER]
    at = place_of(scratch, state_hash)
    likely = states.likely[here, state] + weight
    stop = scratch.slot[at]
    if stop < 0:
        stop = new
        scratch.slot[at] = new
        scratch.place[new] = at
        scratch.most[new] = likely
        scratch.sizes[NEW_AT] = new + 1
        for word in range(RING_WORDS):
            states.bits[there, new * RING_WORDS + word] = states.bits[here, state * RING_WORDS + word]
        if kind != NO_PARTNER:
            for taken in range(gone, j + 1):
                states.bits[there, word_of(new, taken)] |= 1 << (taken & (WORD_BITS - 1))
            for taken in range(states.lowest[here, state], lowest):
                states.bits[there, word_of(new, taken)] &= ~(1 << (taken & (WORD_BITS - 1)))
        states.lowest[there, new] = lowest
        states.highest[there, new] = highest
        states.last[there, new] = j if kind != NO_PARTNER else -1
        states.last2[there, new] = states.last[here, state]
        states.kind[there, new] = kind
        states.spare[there, new] = spare
        states.taken_hash[there, new] = taken_hash
        states.penalty[there, new] = ranked - likely
    scratch.most[stop] = max(scratch.most[stop], likely)
    transitions.what[transition, 0] = rank
    transitions.what[transition, 1] = stop
    transitions.what[transition, 2] = j
    transitions.what[transition, 3] = code
    transitions.weight[transition] = weight
    scratch.sizes[TRANSITION_AT] = transition + 1
    return True


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
