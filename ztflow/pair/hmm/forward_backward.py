"""Runs the forward-backward algorithm on a burst: compiled where possible, on arrays made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.jit.cache import LATTICE
from ztflow.jit.link import linked, numbers_of, table
from ztflow.pair.features.basic import mix
from ztflow.pair.hmm.backward import both_ways
from ztflow.pair.hmm.transitions import GAP_CLASSES, Burst
from ztflow.pair.hmm.trellis import (
    BUCKETS,
    RING_WORDS,
    TRANSITIONS_PER_STATE,
    LookAhead,
    Scratch,
    States,
    TransitionCounts,
    Transitions,
)

STATES_LOOKED_AT, TRANSITIONS_LOOKED_AT = 24, 64
"""States, and transitions, of a column that are looked at, for each state kept."""
SMALL = 6
"""A burst of up to so many ends has fewer states than 4 to the power of that."""
WORST = 30.0
"""Look-ahead: how much worse than the best an early end fits late ends to come, at most; a logarithm."""


@dataclass(frozen=True, slots=True)
class Beam:
    """How many states of each column are kept.

    Attributes:
        states: How many at most.
        within: How much worse than the best they may be: a logarithm.
    """

    states: int
    within: float


@dataclass(frozen=True, slots=True)
class PathSums:
    """What all pairing paths together say.

    Attributes:
        posterior: Probability of each early end (column) as the partner of each late end (row).
        counts: Steps, each counted as its probability.
        total: Logarithm of the sum of the likelihoods of all paths.
    """

    posterior: FloatArray
    counts: TransitionCounts
    total: float


def no_counts() -> TransitionCounts:
    """Nothing counted."""
    gaps = (np.zeros((rows, GAP_CLASSES)) for rows in (4, 2, 2))
    return TransitionCounts(np.zeros((12, 4)), *gaps)


def sum_paths(burst: Burst, beam: Beam) -> PathSums:
    """Add up all pairing paths of a burst.

    Cost: 0.1 to 0.3 ms an end, with 400 states; once, 50 ms to load the compiled code, 5 s to make it where it is not
    kept yet. Memory: 24 bytes a transition, some kB an end.
    """
    late, early = (int(size) for size in burst.sizes)
    slots = max(late, early)
    room = 4**slots if slots <= SMALL else STATES_LOOKED_AT * beam.states
    keep = min(beam.states, room)
    sums = PathSums(np.zeros((late, early)), no_counts(), 0.0)
    total = np.zeros(1)
    structures = burst, _states(room), _transitions(late, keep), _scratch(room, early), _look_ahead(burst.emission)
    _runner()(
        (*structures, sums.counts),
        (sums.posterior, np.empty((3, keep)), np.array([keep, beam.within]), total),
    )
    return PathSums(sums.posterior, sums.counts, float(total[0]))


def _states(room: int) -> States:
    def whole(columns: int = room) -> IntArray:
        return np.empty((2, columns), np.int64)

    likely, penalty = np.empty((2, room)), np.empty((2, room))
    numbers = whole(), whole(), whole(), whole(), whole(), whole(), whole()
    return States(*numbers, likely, penalty, whole(room * RING_WORDS), whole())


def _transitions(late: int, keep: int) -> Transitions:
    most = (late * TRANSITIONS_PER_STATE + TRANSITIONS_LOOKED_AT) * keep
    first, kept = np.zeros(late + 1, np.int64), np.zeros(late + 1, np.int64)
    return Transitions(first, kept, np.empty((most, 4), np.int32), np.empty(most), np.empty((late + 1, keep)))


def _scratch(room: int, early: int) -> Scratch:
    slots = 1 << (2 * room).bit_length()
    sizes = np.zeros(4 + BUCKETS, np.int64)
    place, rank = np.empty(room, np.int64), np.empty(room, np.int64)
    hashes = _hashes(1 << max(4, early.bit_length()))
    return Scratch(np.empty(slots, np.int64), np.empty(slots, np.int64), place, rank, np.empty(room), sizes, hashes)


@lru_cache(maxsize=16)
def _hashes(early: int) -> IntArray:
    hashes = mix(np.arange(1, 4 * (early + 1) + 1, dtype=np.uint64)).view(np.int64)
    return hashes.reshape(4, early + 1)


def _look_ahead(emission: FloatArray) -> LookAhead:
    late = len(emission)
    best = np.empty((late + 1, emission.shape[1]))
    best[:late] = np.maximum.accumulate(emission[::-1], axis=0)[::-1]
    best[late] = best[0] - WORST
    best = np.maximum(best - best[0], -WORST)
    change = np.diff(best, axis=0)
    at, end = np.nonzero(change)
    first = np.searchsorted(at, np.arange(late + 1))
    return LookAhead(best, first, np.ascontiguousarray(end), change[at, end])


def warmup() -> Path | None:
    """Compile ahead, where that was not done: where the code is kept, or None when there is nowhere to.

    Raises:
        ImportError: Numba is not installed.
    """
    if not LATTICE.is_warm():
        _code()
    return LATTICE.finished()


def _code() -> tuple[str, bytes]:
    """Symbol and object code, kept or made."""
    found = LATTICE.kept()
    if found is None:
        from ztflow.pair.hmm.jit import object_code

        found = object_code()
        LATTICE.keep(*found)
        LATTICE.good()
    return found


@lru_cache(maxsize=1)
def _runner() -> Callable[[tuple[Any, ...], tuple[Any, ...]], None]:
    """What adds up, called with the structures and the arrays `both_ways` takes: compiled, or Python where it must."""
    try:
        call = linked(*_code())
    except Exception:  # noqa: BLE001  whatever Numba, LLVM or the machine cannot do: Python adds up as well, only slower
        return lambda structures, arrays: both_ways(*structures, *arrays)

    def compiled(structures: tuple[Any, ...], arrays: tuple[Any, ...]) -> None:
        every = [array for structure in structures for array in structure]
        call(table((), numbers_of([*every, *arrays])))

    return compiled
