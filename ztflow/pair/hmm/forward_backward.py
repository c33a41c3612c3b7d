"""Runs the forward-backward algorithm on a burst: compiled where possible, on arrays made here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import local

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.errors import CompilerError, SlowPathWarning
from ztflow.jit.cache import Cache
from ztflow.jit.link import ArgumentTable, kept_or_made, linked
from ztflow.pair.features.basic import mix
from ztflow.pair.hmm.backward import both_ways
from ztflow.pair.hmm.transitions import GAP_CLASSES, Burst
from ztflow.pair.hmm.trellis import (
    BUCKETS,
    RING_WORDS,
    TRANSITIONS_LOOKED_AT,
    TRANSITIONS_PER_STATE,
    BothWays,
    LookAhead,
    Scratch,
    States,
    TransitionCounts,
    Transitions,
)

STATES_LOOKED_AT = 24
"""States of a column that are looked at, for each state kept."""
SMALL = 6
"""A burst of up to so many ends has fewer states than 4 to the power of that."""
KEPT_UP_TO = 64
"""Slots of a burst up to which the arrays it is worked on in are kept for the next one: some MB for each beam."""
WORST = 30.0
"""Look-ahead: how much worse than the best an early end fits late ends to come, at most; a logarithm."""

SLOW_FROM = 100
"""Late ends added up in Python before a warning that this is slow: one to ten seconds of work."""

TRELLIS_CODE = Cache(
    "lattice", "ztflow.pair.hmm.transitions", "ztflow.pair.hmm.trellis", "ztflow.pair.hmm.forward",
    "ztflow.pair.hmm.backward", "ztflow.pair.hmm.jit",
)  # fmt: skip
"""Where the compiled code is kept."""


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
    room = _room(slots, beam.states)
    sums = PathSums(np.zeros((late, early)), no_counts(), 0.0)
    total = np.zeros(1)
    _runner()(
        BothWays(
            burst, room.states, room.transitions, room.scratch, _look_ahead(burst.emission), sums.counts,
            sums.posterior, room.onward, np.array([room.keep, beam.within]), total,
        )
    )  # fmt: skip
    return PathSums(sums.posterior, sums.counts, float(total[0]))


@dataclass(frozen=True, slots=True)
class _Room:
    """Where the compiled code works: nothing in it outlasts a burst. See `BothWays`."""

    keep: int
    states: States
    transitions: Transitions
    scratch: Scratch
    onward: FloatArray


class _Rooms(local):
    """The rooms of a thread, by how many states they have and keep: making one takes longer than using it."""

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], _Room] = {}


_ROOMS = _Rooms()


def _room(slots: int, states: int) -> _Room:
    """Room for a burst of so many slots, that keeps so many states."""
    looked_at = 4**slots if slots <= SMALL else STATES_LOOKED_AT * states
    keep = min(states, looked_at)
    if slots > KEPT_UP_TO:
        return _new_room(looked_at, keep, slots)
    if (looked_at, keep) not in _ROOMS.made:
        _ROOMS.made[looked_at, keep] = _new_room(looked_at, keep, KEPT_UP_TO)
    return _ROOMS.made[looked_at, keep]


def _new_room(looked_at: int, keep: int, slots: int) -> _Room:
    return _Room(
        keep, _states(looked_at), _transitions(slots, keep), _scratch(looked_at, slots), np.empty((3, keep))
    )  # fmt: skip


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
    return Scratch(np.full(slots, -1), np.empty(slots, np.int64), place, rank, np.empty(room), sizes, hashes)


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
        CompilerError: It cannot be compiled here.
    """
    _code()
    return TRELLIS_CODE.finished()


def _code() -> tuple[str, bytes]:
    """Symbol and object code, kept or made.

    Raises:
        CompilerError: It cannot be compiled here.
    """

    def make() -> tuple[str, bytes]:
        from ztflow.pair.hmm.jit import object_code

        if (damaged := TRELLIS_CODE.finished()) is not None:
            _say(f"in {damaged} is damaged: it is compiled anew, which takes about 5 s")
        return object_code()

    code = kept_or_made(TRELLIS_CODE, make, "what weighs equal connections (about 5 s)")
    if TRELLIS_CODE.finished() is None and TRELLIS_CODE.good() is None:
        _say(
            "has no private folder it could be kept in: every run compiles it anew, which takes about 5 s (set "
            "XDG_CACHE_HOME to a folder you can write)"
        )
    return code


@cache
def _runner() -> Callable[[BothWays], None]:
    """The function that adds up: compiled, or Python where it cannot be compiled."""
    try:
        call = linked(*_code())
    except CompilerError as error:
        return _InPython(str(error))

    kept = local()

    def compiled(arguments: BothWays) -> None:
        is_large = arguments.posterior.size > KEPT_UP_TO**2  # and would be held until the next
        table: ArgumentTable = ArgumentTable(BothWays) if is_large or not hasattr(kept, "table") else kept.table
        table.put(**arguments._asdict())
        call(table)
        if not is_large:
            kept.table = table

    return compiled


class _InPython:
    """Adds up without compiled code, and warns once when there is much to do.

    Source: the ratio is what `benchmarks/slow_paths.py` prints for a burst of 60.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._ends = 0

    def __call__(self, arguments: BothWays) -> None:
        before, self._ends = self._ends, self._ends + len(arguments.burst.late)
        if before < SLOW_FROM <= self._ends:
            _say(f"is not used: {self._reason}; pairing equal connections takes about 100 times as long")
        try:
            both_ways(*arguments)
        except BaseException:  # somebody's Ctrl-C: the room is left as it was found
            arguments.scratch.slot.fill(-1)
            raise


def _say(what: str) -> None:
    warnings.warn(f"compiled pairing {what}", SlowPathWarning, stacklevel=2)
