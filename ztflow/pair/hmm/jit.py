"""Machine code of the trellis. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import register_jitable

from ztflow.jit.build import array_at, built
from ztflow.pair.hmm import backward, forward, transitions, trellis
from ztflow.pair.hmm.transitions import Burst
from ztflow.pair.hmm.trellis import LookAhead, Scratch, States, TransitionCounts, Transitions

_row, _table = array_at(types.float64, 1), array_at(types.float64, 2)
_whole_row, _whole_table = array_at(types.int64, 1), array_at(types.int64, 2)
_small_table = array_at(types.int32, 2)

_registered: Any = register_jitable
for _function in (
    transitions.row, transitions.of_new_batch, transitions.elsewhere, trellis.word_of,
    trellis.is_taken, trellis.free_after, trellis.place_of, trellis.step_code,
    forward.lead, forward.expand, forward.add_likelihoods, forward.choose, forward.forward,
    backward.count, backward.backward, backward.both_ways,
):  # fmt: skip
    _registered(_function)


def _entry(at: int) -> None:
    burst = Burst(
        _whole_row(at), _row(at + 24), _row(at + 48), _row(at + 72), _table(at + 96), _table(at + 120),
        _table(at + 144), _table(at + 168), _row(at + 192), _row(at + 216), _whole_row(at + 240), _whole_row(at + 264),
    )  # fmt: skip
    at += 12 * 24
    states = States(
        _whole_table(at), _whole_table(at + 24), _whole_table(at + 48), _whole_table(at + 72), _whole_table(at + 96),
        _whole_table(at + 120), _whole_table(at + 144), _table(at + 168), _table(at + 192), _whole_table(at + 216),
        _whole_table(at + 240),
    )  # fmt: skip
    at += 11 * 24
    edges = Transitions(_whole_row(at), _whole_row(at + 24), _small_table(at + 48), _row(at + 72), _table(at + 96))
    at += 5 * 24
    scratch = Scratch(
        _whole_row(at), _whole_row(at + 24), _whole_row(at + 48), _whole_row(at + 72), _row(at + 96),
        _whole_row(at + 120), _whole_table(at + 144),
    )  # fmt: skip
    at += 7 * 24
    ahead = LookAhead(_table(at), _whole_row(at + 24), _whole_row(at + 48), _row(at + 72))
    at += 4 * 24
    counts = TransitionCounts(_table(at), _table(at + 24), _table(at + 48), _table(at + 72))
    at += 4 * 24
    backward.both_ways(
        burst, states, edges, scratch, ahead, counts, _table(at), _table(at + 24), _row(at + 48), _row(at + 72)
    )


def object_code() -> tuple[str, bytes]:
    """Compile everything: the symbol of the function that takes the address of a table, and its object code."""
    return built(_entry, types.int64)
