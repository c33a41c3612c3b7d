"""Machine code of the walk. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import register_jitable

from ztflow.compiled.build import array_at, built
from ztflow.pair import ends, walk
from ztflow.pair.walker import walk_and_count

_row, _table = array_at(types.float64, 1), array_at(types.float64, 2)
_whole_row, _whole_table = array_at(types.int64, 1), array_at(types.int64, 2)

_registered: Any = register_jitable
for _function in (
    ends.row, ends.arrived, ends.not_taken, ends.behind, ends.set_holders, ends.set_bounds, ends.set_factor,
    ends.set_all, ends.count_steps, ends.situation, walk.drawn, walk.source, walk.weighed, walk.try_step,
    walk.try_spare, walk.walk, walk_and_count,
):  # fmt: skip
    _registered(_function)


def _entry(at: int) -> None:
    walk_and_count(
        _whole_row(at), _row(at + 24), _row(at + 48), _row(at + 72), _table(at + 96), _table(at + 120),
        _row(at + 144), _row(at + 168), _whole_row(at + 192), _whole_row(at + 216),
        _whole_row(at + 240), _whole_table(at + 264), _table(at + 288), _whole_row(at + 312), _whole_row(at + 336),
        _whole_table(at + 360), _whole_table(at + 384), _table(at + 408),
        _table(at + 432), _table(at + 456), _table(at + 480), _table(at + 504),
        _whole_row(at + 528), _whole_row(at + 552),
    )  # fmt: skip


def object_code() -> tuple[str, bytes]:
    """Compile everything: the symbol of the function that takes the address of a table, and its object code."""
    return built(_entry, types.int64)
