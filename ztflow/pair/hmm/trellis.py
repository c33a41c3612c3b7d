"""The sum over all likely ways to pair a burst, end by end.

A way is followed through the late ends in turn (`ends`). Where two ways have taken the same early ends by some late
end, and all that the next one depends on is equal, they are in one *state*: whatever follows weighs the same. So ways
are paths through a lattice, a layer of states before each late end, an edge for each early end taken from a state. One
pass forward adds up how likely all ways to each state are, one pass backward all ways on from it, and both together say
how likely each edge is (forward-backward algorithm): exact, where all states are kept.

Too many to keep are states that mean little: of each layer stay the most likely ones only (beam search), ordered by
what they are and by what they leave: an early end that would have fitted a late end gone by much better than any to
come counts against the states that have not taken it.

Either side may have more ends than the other. Of the late ends so many take nobody, at no price. Of the early ends some
are left over in the end; before that, one is given up when the next one to its right is taken in its place, at a price.

Plain Python that uses nothing but numbers, arrays and `math`; `sums` has it compiled. States of a layer and of the next
stand in rows 0 and 1 of each array, in turns.
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.jit.link import FloatRow, FloatTable, Int32Table, IntRow, IntTable
from ztflow.pair.hmm.transitions import NOBODY, Burst

WORDS, BITS = 16, 32
"""Words, and bits of each, that say which early ends are taken, from the lowest that is not; powers of two."""
WINDOW = WORDS * BITS - BITS
"""So far above the lowest that is not taken another one can be taken."""
BUCKETS = 128
"""Into so many classes of likelihood states are sorted."""
EDGES = 8
"""Room for so many edges for each state kept, in every layer."""
NONE = -1e300
"""The logarithm of nothing."""


class States(NamedTuple):
    """States of two layers.

    Attributes:
        lowest: The lowest early end not taken.
        highest: The highest one taken; -1 at first.
        last: The one taken by the late end before; -1 where that was nobody.
        last2: The same of the late end before that.
        kind: Kind of the step before.
        spare: How many ends may go without partner yet.
        key: Hash of the set of early ends taken.
        likely: Logarithm of how likely all ways to it are.
        outlook: ... and of how much worse the ends it has not taken will fit than they could have.
        bits: Which early ends are taken between lowest and highest: end j in bit j of a ring of `WORDS`.
        chosen: The states that are kept, the likeliest first.
    """

    lowest: IntTable
    highest: IntTable
    last: IntTable
    last2: IntTable
    kind: IntTable
    spare: IntTable
    key: IntTable
    likely: FloatTable
    outlook: FloatTable
    bits: IntTable
    chosen: IntTable


class Edges(NamedTuple):
    """All edges, a layer after the other.

    Attributes:
        first: Where those of each late end begin.
        kept: States before each late end, and after the last.
        what: Start, stop, partner (the number of early ends for nobody) and `step_code` (columns); states by their
            place among those kept.
        weight: Logarithm.
        before: The logarithm `likely` of each state (column) before each late end (row), and after the last.
    """

    first: IntRow
    kept: IntRow
    what: Int32Table
    weight: FloatRow
    before: FloatTable


class Scratch(NamedTuple):
    """Room to work in.

    Attributes:
        slot: Hash table: state, or -1.
        found: Key of the state there.
        place: Where in the table each new state is.
        rank: Place of each new state among those kept, or -1.
        most: The largest addend of each new state.
        sizes: How many new states, and edges, there are; the most edges there can be; then new states by bucket.
        keys: Random numbers: of each early end taken, next after the last, after the one before; of kinds (rows).
    """

    slot: IntRow
    found: IntRow
    place: IntRow
    rank: IntRow
    most: FloatRow
    sizes: IntRow
    keys: IntTable


class Counts(NamedTuple):
    """Steps of ways, each for as much as it is likely.

    Attributes:
        follows: By kind before and place (rows) and kind (column), of ends within unfinished batches.
        gaps: By kind (row) and gap class, of the same.
        own: Whether it was `OTHER` (row), by class of the time since the end before the last.
        batch: By gap class: how many began a batch last first, and how many could have (rows).
    """

    follows: FloatTable
    gaps: FloatTable
    own: FloatTable
    batch: FloatTable


class Ahead(NamedTuple):
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
        edges: Room for edges.
        scratch: Room to work in.
        ahead: How well early ends fit what is to come.
        counts: Steps are added to it.
        shares: Of each early end (column) as the partner of each late end (row): filled in.
        onward: Room for three rows as wide as `edges.before`.
        limits: States kept of each layer, and how much worse they may be.
        total: Logarithm of the sum over all ways: filled in.
    """

    burst: Burst
    states: States
    edges: Edges
    scratch: Scratch
    ahead: Ahead
    counts: Counts
    shares: FloatTable
    onward: FloatTable
    limits: FloatRow
    total: FloatRow


def word_of(state: int, j: int) -> int:
    """The word that holds early end j of a state."""
    return state * WORDS + ((j >> 5) & (WORDS - 1))


def is_taken(states: States, layer: int, state: int, j: int) -> bool:
    """Whether an early end is taken."""
    if j < states.lowest[layer, state]:
        return True
    if j > states.highest[layer, state]:
        return False
    return bool((states.bits[layer, word_of(state, j)] >> (j & (BITS - 1))) & 1)


def free_after(states: States, layer: int, state: int, j: int, count: int) -> int:
    """The first early end after this one that is not taken; `count` where there is none, or j is nobody."""
    if j < 0:
        return count
    found = max(j + 1, int(states.lowest[layer, state]))
    while found < count and is_taken(states, layer, state, found):
        found += 1
    return found


def place_of(states: States, scratch: Scratch, layer: int, state: int, early: int) -> int:
    """Where in the hash table a new state belongs: where one equal to it is, or a free place that has its key now."""
    key = int(states.key[layer, state])
    kind = states.kind[layer, state]
    if states.highest[layer, state] > states.lowest[layer, state]:
        after = free_after(states, layer, state, states.last[layer, state], early)
        after2 = free_after(states, layer, state, states.last2[layer, state], early)
        key ^= scratch.keys[1, after] ^ scratch.keys[2, after2] ^ scratch.keys[3, kind]
    elif kind == NOBODY:
        key ^= scratch.keys[3, NOBODY]
    mask = len(scratch.slot) - 1
    at = key & mask
    while scratch.slot[at] >= 0 and scratch.found[at] != key:
        at = (at + 1) & mask
    scratch.found[at] = key
    return at


def step_code(finished: bool, before: int, place: int, lowest: int, kind: int) -> int:
    """A step as a number; see `backward.count`. -1 is a late end that takes nobody."""
    if finished:
        return (lowest * 4 + kind) * 2 + 1
    return ((before * 3 + place) * 4 + kind) * 2
