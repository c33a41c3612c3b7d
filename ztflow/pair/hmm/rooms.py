"""Arrays that compiled code works in: for one burst, or for the pieces of segments up to a size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from threading import local
from typing import Any

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.pair.features.basic import mix
from ztflow.pair.hmm.figures import Figures, Piece, Segments, Tables
from ztflow.pair.hmm.solver import Assigned
from ztflow.pair.hmm.transitions import GAP_CLASSES, Burst
from ztflow.pair.hmm.trellis import (
    BUCKETS,
    BUCKETS_AT,
    RING_WORDS,
    SMALL,
    STATES_LOOKED_AT,
    TRANSITIONS_LOOKED_AT,
    TRANSITIONS_PER_STATE,
    BothWays,
    LookAhead,
    Scratch,
    States,
    TransitionCounts,
    Transitions,
)

KEPT_UP_TO = 64
"""Slots of a burst up to which the arrays it is worked on in are kept for the next one: some MB for each beam."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where a burst is added up: nothing in it outlasts the burst. See `BothWays`."""

    states: States
    transitions: Transitions
    scratch: Scratch
    onward: FloatArray


class _Rooms(local):
    """What a thread keeps: making it takes longer than using it."""

    def __init__(self) -> None:
        self.of_burst: dict[tuple[int, int], Room] = {}
        self.of_pieces: dict[tuple[Any, ...], tuple[BothWays, Piece]] = {}


_ROOMS = _Rooms()


def for_burst(slots: int, states: int) -> Room:
    """Room for a burst of so many slots, that keeps so many states."""
    looked_at = STATES_LOOKED_AT * states if slots > SMALL else 4**slots
    keep = min(states, looked_at)
    if slots > KEPT_UP_TO:
        return _room(looked_at, keep, slots)
    if (looked_at, keep) not in _ROOMS.of_burst:  # fewer states can be looked at than another beam keeps
        _ROOMS.of_burst[looked_at, keep] = _room(looked_at, keep, KEPT_UP_TO)
    return _ROOMS.of_burst[looked_at, keep]


def for_pieces(slots: int, use: Figures, lags: int) -> tuple[BothWays, Piece]:
    """Room for pieces of up to so many slots, by these figures and with so many lags told apart."""
    beams = use.beam_states, use.learning_states, use.crowd_beam_states, use.crowd_learning_states, use.crowd
    if slots > KEPT_UP_TO:
        return _for_pieces(slots, use, lags)
    key = (*beams, lags, use.neighbours)
    if key not in _ROOMS.of_pieces:
        _ROOMS.of_pieces[key] = _for_pieces(KEPT_UP_TO, use, lags)
    return _ROOMS.of_pieces[key]


def _for_pieces(slots: int, use: Figures, lags: int) -> tuple[BothWays, Piece]:
    def row() -> FloatArray:
        return np.empty(slots)

    def places() -> IntArray:
        return np.empty(slots, np.int64)

    def table(columns: int = slots) -> FloatArray:
        return np.empty((slots, columns))

    usual, crowd = max(use.beam_states, use.learning_states), max(use.crowd_beam_states, use.crowd_learning_states)
    most = max(usual, crowd) if slots > use.crowd else usual
    usual_room = _transitions_of(min(slots, use.crowd), usual)
    room = _room(
        max(STATES_LOOKED_AT * most, 4**SMALL), most, slots,
        max(usual_room, _transitions_of(slots, crowd)) if slots > use.crowd else usual_room,
    )  # fmt: skip
    burst = Burst(
        np.zeros(2, np.int64), np.zeros(2), row(), row(), table(), table(), table(slots + 1),
        np.empty((12 * GAP_CLASSES, 4)), np.empty(GAP_CLASSES), row(), places(), places(),
    )  # fmt: skip
    trellis = BothWays(
        burst, room.states, room.transitions, room.scratch, look_ahead(slots, slots), no_counts(),
        table(), room.onward, np.zeros(2), np.zeros(1),
    )  # fmt: skip
    learning = min(slots, use.crowd)
    other = transitions(learning, use.learning_states, slots)
    lag_row = max(lags, 2 * use.neighbours + 1)
    piece = Piece(
        np.zeros(4, np.int64), places(), places(), row(), row(), places(), row(), row(), places(), row(), row(),
        places(), table(), table(), table(), table(), table(), table(lags), table(lags), table(lags),
        np.empty(lag_row), np.empty(lag_row), row(), places(), places(),
        Assigned(places(), places(), row(), row(), row(), places(), places(), places()), other,
    )  # fmt: skip
    return trellis, piece


def _room(looked_at: int, keep: int, slots: int, most: int = 0) -> Room:
    return Room(
        _states(looked_at), transitions(slots, keep, slots, most), _scratch(looked_at, slots), np.empty((3, keep))
    )  # fmt: skip


def _states(room: int) -> States:
    def whole(columns: int = room) -> IntArray:
        return np.empty((2, columns), np.int64)

    likely, penalty = np.empty((2, room)), np.empty((2, room))
    numbers = whole(), whole(), whole(), whole(), whole(), whole(), whole()
    return States(*numbers, likely, penalty, whole(room * RING_WORDS), whole())


def _transitions_of(late: int, keep: int) -> int:
    return (late * TRANSITIONS_PER_STATE + TRANSITIONS_LOOKED_AT) * keep


def transitions(late: int, keep: int, slots: int, most: int = 0) -> Transitions:
    """Room for the transitions of so many late ends, or for so many; for bursts of so many slots."""
    most = most or _transitions_of(late, keep)
    first, kept = np.zeros(slots + 1, np.int64), np.zeros(slots + 1, np.int64)
    return Transitions(first, kept, np.empty((most, 4), np.int32), np.empty(most), np.empty((slots + 1, keep)))


def _scratch(room: int, early: int) -> Scratch:
    slots = 1 << (2 * room).bit_length()
    sizes = np.zeros(BUCKETS_AT + BUCKETS + 1, np.int64)
    place, rank = np.empty(room, np.int64), np.empty(room, np.int64)
    hashes = _hashes(1 << max(4, early.bit_length()))
    return Scratch(
        np.full(slots, -1),
        np.empty(slots, np.int64),
        place,
        rank,
        np.empty(room),
        np.empty(early, np.int64),
        sizes,
        hashes,
    )


@lru_cache(maxsize=16)
def _hashes(early: int) -> IntArray:
    hashes = mix(np.arange(1, 4 * (early + 1) + 1, dtype=np.uint64)).view(np.int64)
    return hashes.reshape(4, early + 1)


def look_ahead(late: int, early: int) -> LookAhead:
    """Room for the look-ahead of a burst."""
    changes = late * early
    best, first = np.empty((late + 1, early)), np.empty(late + 1, np.int64)
    return LookAhead(best, first, np.empty(changes, np.int64), np.empty(changes))


def no_counts() -> TransitionCounts:
    """Nothing counted."""
    gaps = (np.zeros((rows, GAP_CLASSES)) for rows in (4, 2, 2))
    return TransitionCounts(np.zeros((12, 4)), *gaps)


@cache
def nothing() -> tuple[Figures, Tables, Segments, Piece]:
    """What is handed over where only a burst is added up."""
    figures = Figures(*(0 for _ in Figures._fields))
    row, places, table = np.zeros(1), np.zeros(1, np.int64), np.zeros((1, 1))
    tables = Tables(row, row, row, table, table, row, row, table, table, table, row, row)
    eight = places, places, places, places, places, places, places, places
    segments = Segments(*eight, row, places, places, row, places)
    assigned = Assigned(places, places, row, row, row, places, places, places)
    tables_of_pairs = table, table, table, table, table, table, table, table
    piece = Piece(
        places, places, places, row, row, places, row, row, places, row, row, places, *tables_of_pairs,
        row, row, row, places, places, assigned, transitions(1, 1, 1),
    )  # fmt: skip
    return figures, tables, segments, piece
