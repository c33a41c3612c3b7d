"""The trellis: arrays that hold all likely ways to pair a burst at once, and the look-up of a state.

A *pairing path* gives each late end in turn the early end it belongs to (or none). Where two paths have taken the same
early ends by some late end, and all that the next step depends on is equal, they are in one *state*: whatever follows
has the same probability. So pairing paths are paths through a trellis: a *column* of states before each late end, a
*transition* for each early end that may be taken from a state. `forward` adds up how likely all paths to each state
are, `backward` all paths onward from it; together they give the probability of each transition (forward-backward
algorithm), exactly where all states are kept.

There are too many states to keep. Of each column the likeliest stay (beam search), ranked by the likelihood of their
paths and a *look-ahead*: a state that has not yet taken an early end which fitted a late end gone by much better than
it will fit any to come is penalised for it.

Either side may have more ends than the other. Surplus late ends go without partner, at no cost. Of surplus early ends
some remain at the end; before that, one is given up when the next to its right is taken in its place, at a cost.

Plain Python that uses only numbers, arrays and `math`; `jit` compiles it. States of a column and of the next are
rows 0 and 1 of each array, by turns.
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.jit.link import FloatRow, FloatTable, Int32Table, IntRow, IntTable
from ztflow.pair.hmm.transitions import Burst

RING_WORDS, WORD_BITS = 16, 32
"""Words, and bits of each, that say which early ends are taken, from the lowest that is not; powers of two."""
SPAN = RING_WORDS * WORD_BITS - WORD_BITS
"""How far above the lowest early end not taken another one can be taken."""
STATES_LOOKED_AT = 24
"""States of a column that are looked at, for each state kept."""
SMALL = 6
"""A burst of up to so many ends has fewer states than 4 to the power of that."""
WORST = 30.0
"""Look-ahead: how much worse than the best an early end fits late ends to come, at most; a logarithm."""
NEW_AT, TRANSITION_AT, TRANSITIONS_AT, STATES_AT, MASK_AT, WORTH_AT, BEFORE_AT, BUCKETS_AT = range(8)
"""Places in `Scratch.sizes`."""
BUCKETS = 128
"""Number of classes of likelihood that states are sorted into."""
TRANSITIONS_PER_STATE = 8
"""Room for transitions in a column, for each state kept."""
TRANSITIONS_LOOKED_AT = 64
"""Transitions of a column that are looked at, for each state kept."""
LOG_ZERO = -1e300
"""The logarithm of probability 0."""


class States(NamedTuple):
    """States of two columns.

    Attributes:
        lowest: The lowest early end not taken.
        highest: The highest one taken; -1 at first.
        last: The one taken by the late end before; -1 where that took none.
        last2: The one taken by the late end before that; -1 where that took none.
        kind: Kind of the step before.
        spare: How many ends may go without partner yet.
        taken_hash: Hash of the set of early ends taken.
        likely: Logarithm of how likely all paths to it are.
        penalty: Look-ahead: logarithm of how much worse the ends it has not taken will fit than they could have.
        bits: Which early ends are taken between lowest and highest: end j in bit j of a ring of `RING_WORDS`.
        chosen: The states that are kept, the likeliest first.
    """

    lowest: IntTable
    highest: IntTable
    last: IntTable
    last2: IntTable
    kind: IntTable
    spare: IntTable
    taken_hash: IntTable
    likely: FloatTable
    penalty: FloatTable
    bits: IntTable
    chosen: IntTable


class Transitions(NamedTuple):
    """All transitions, one column of the trellis after the other.

    Attributes:
        first: Where those of each late end begin.
        kept: States before each late end, and after the last.
        what: From state, to state, partner (the number of early ends for none) and `step_code` (columns); states by
            their place among those kept.
        weight: Logarithm.
        before: The logarithm `likely` of each state (column) before each late end (row), and after the last.
    """

    first: IntRow
    kept: IntRow
    what: Int32Table
    weight: FloatRow
    before: FloatTable


class Scratch(NamedTuple):
    """Working memory.

    Attributes:
        slot: Hash table: state, or -1; all of it -1 before and after a burst.
        found: Hash of the state there.
        place: Where in the table each new state is.
        rank: Place of each new state among those kept, or -1.
        most: The largest addend of each new state.
        worth: Early ends worth a look, of all states of a column.
        sizes: How many new states, and transitions, there are; the most transitions, and new states, there can be; the
            last place of the hash table; how many ends are worth a look (-1: not known yet), and the first end that
            came too late for that; then new states by bucket.
        hashes: Random numbers: of each early end taken, next after the last, after the one before; of kinds (rows).
    """

    slot: IntRow
    found: IntRow
    place: IntRow
    rank: IntRow
    most: FloatRow
    worth: IntRow
    sizes: IntRow
    hashes: IntTable


class TransitionCounts(NamedTuple):
    """Steps of pairing paths, each counted as its probability.

    Attributes:
        follows: By kind before and place (rows) and kind (column), of ends within unfinished batches.
        gaps: By kind (row) and gap class, of the same.
        own: Whether it was `OTHER_THREAD` (row), by class of the time since the end before the last.
        batch: By gap class: how many began a batch last first, and how many could have (rows).
    """

    follows: FloatTable
    gaps: FloatTable
    own: FloatTable
    batch: FloatTable


class LookAhead(NamedTuple):
    """How well each early end fits the best of the late ends to come, compared with the best of all.

    Attributes:
        best: By late end (row; one more, for none to come) and early end (column): logarithm, falling.
        first: Where the changes from each late end to the next begin.
        end: The early end of each change.
        by: How much.
    """

    best: FloatTable
    first: IntRow
    end: IntRow
    by: FloatRow


class BothWays(NamedTuple):
    """The arguments of `backward.both_ways`, in its order; both sides of the compiled call are made from this.

    Attributes:
        burst: What is paired.
        states: Room for states.
        transitions: Room for transitions.
        scratch: Room to work in.
        ahead: How well early ends fit what is to come: filled in.
        counts: Steps are added to it.
        posterior: Of each early end (column) as the partner of each late end (row): filled in.
        onward: Room for three rows as wide as `Transitions.before`.
        limits: States kept of each column, and how much worse they may be.
        total: Logarithm of the sum over all pairing paths: filled in.
    """

    burst: Burst
    states: States
    transitions: Transitions
    scratch: Scratch
    ahead: LookAhead
    counts: TransitionCounts
    posterior: FloatTable
    onward: FloatTable
    limits: FloatRow
    total: FloatRow


def word_of(state: int, j: int) -> int:
    """The word that holds early end j of a state."""
    return state * RING_WORDS + ((j >> 5) & (RING_WORDS - 1))


def is_taken(states: States, column: int, state: int, j: int) -> bool:
    """Whether an early end is taken."""
    if j < states.lowest[column, state]:
        return True
    if j > states.highest[column, state]:
        return False
    return bool((states.bits[column, word_of(state, j)] >> (j & (WORD_BITS - 1))) & 1)


def free_after(states: States, column: int, state: int, j: int, count: int) -> int:
    """The first early end after this one that is not taken; `count` where there is none, or j is -1."""
    if j < 0:
        return count
    found = max(j + 1, int(states.lowest[column, state]))
    while found < count and is_taken(states, column, state, found):
        found += 1
    return found


def place_of(scratch: Scratch, state_hash: int) -> int:
    """Place of a state in the hash table: that of an equal one, or a free one, which is then taken.

    States are equal where they have taken the same ends and what the next step depends on is equal, too: where a batch
    is unfinished, which ends come next on both threads, and the kind of the step before.
    """
    mask = scratch.sizes[MASK_AT]
    at = state_hash & mask
    while scratch.slot[at] >= 0 and scratch.found[at] != state_hash:
        at = (at + 1) & mask
    scratch.found[at] = state_hash
    return int(at)


def limit(burst: Burst, scratch: Scratch, states: int) -> int:
    """How many states are kept of a column; how many are looked at is written down."""
    slots = max(burst.sizes[0], burst.sizes[1])
    looked_at = 1 << (2 * slots) if slots <= SMALL else STATES_LOOKED_AT * states
    scratch.sizes[STATES_AT] = looked_at
    places = 1
    while places <= 2 * looked_at:
        places *= 2
    scratch.sizes[MASK_AT] = places - 1
    return min(looked_at, states)


def look_ahead(burst: Burst, found: LookAhead) -> None:
    """Fill in the look-ahead of a burst."""
    late, early = burst.sizes[0], burst.sizes[1]
    best, change = found.best, 0
    for j in range(early):
        best[late - 1, j] = burst.emission[late - 1, j]
    for k in range(late - 2, -1, -1):
        for j in range(early):
            best[k, j] = max(best[k + 1, j], burst.emission[k, j])
    for j in range(early):
        best[late, j] = best[0, j] - WORST
    for k in range(late, -1, -1):
        for j in range(early):
            best[k, j] = max(best[k, j] - best[0, j], -WORST)
    for k in range(late):
        found.first[k] = change
        for j in range(early):
            by = best[k + 1, j] - best[k, j]
            if by != 0.0:
                found.end[change], found.by[change] = j, by
                change += 1
    found.first[late] = change


def step_code(finished: bool, before: int, place: int, lowest: int, kind: int) -> int:
    """A step as a number; see `backward.count`. -1 is a late end that takes no partner."""
    if finished:
        return (lowest * 4 + kind) * 2 + 1
    return ((before * 3 + place) * 4 + kind) * 2
