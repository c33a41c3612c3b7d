"""The walk of `walk`, compiled where that can be done, and the arrays it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ztflow.compiled.cache import WALK
from ztflow.compiled.link import linked, numbers_of, table
from ztflow.pair.ends import GAP_CLASSES, Burst, Way, count_steps
from ztflow.pair.outline import FloatArray, IntArray
from ztflow.pair.walk import walk


@dataclass(frozen=True, slots=True)
class Counts:
    """Steps counted on ways to pair; see `ends.count_steps`."""

    follows: FloatArray
    gaps: FloatArray
    own: FloatArray
    batch: FloatArray

    @staticmethod
    def none() -> Counts:
        """Nothing counted."""
        gaps = (np.zeros((rows, GAP_CLASSES)) for rows in (4, 2, 2))
        return Counts(np.zeros((12, 4)), *gaps)

    def divided(self, by: float) -> Counts:
        """The mean of so many ways' counts."""
        return Counts(*(counted / by for counted in _of(self)))


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways a walk came to: a row each, a column a late end.

    Attributes:
        partner: The early end of each; as many as there are early ends, and more, stand for nobody.
        situation: What each depends on, besides which early ends are taken before; see `ends.situation`.
        weight: Logarithm of its factor, fit of starts included.
    """

    partner: IntArray
    situation: IntArray
    weight: FloatArray

    @staticmethod
    def blank(rows: int, late: int) -> Ways:
        """So many, to be filled in."""
        shape = rows, late
        return Ways(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape))

    def part(self, number: int, rows: int) -> Ways:
        """So many rows of them, counted in such parts."""
        rows_of = slice(number * rows, (number + 1) * rows)
        return Ways(self.partner[rows_of], self.situation[rows_of], self.weight[rows_of])


@dataclass(frozen=True, slots=True)
class Walk:
    """All a walk needs. The arrays are changed by it: `partner`, `random`, the ways and the counts."""

    burst: Burst
    partner: IntArray
    random: IntArray
    settling: int
    ways: Ways
    counts: Counts
    late_spots: IntArray
    early_spots: IntArray

    def arrays(self) -> list[Any]:
        """In the order in which `walk_and_count` takes them; made anew where they are only scratch."""
        slots = len(self.partner)
        return [
            *self.burst, self.partner, np.empty((8, slots + 2), np.int64), np.empty((3, slots + 2)), self.random,
            np.array([self.settling], np.int64), self.ways.partner, self.ways.situation, self.ways.weight,
            *_of(self.counts), self.late_spots, self.early_spots,
        ]  # fmt: skip


def _of(counts: Counts) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return counts.follows, counts.gaps, counts.own, counts.batch


def run(one: Walk) -> None:
    """Walk, and count the steps of the way it ends with.

    Cost: 0.15 to 0.4 µs a step tried; once, 50 ms to load the compiled code, 5 s to make it where it is not kept yet.
    """
    _runner()(one.arrays())


def warmup() -> Path | None:
    """Compile ahead, where that was not done: where the code is kept, or None when there is nowhere to.

    Raises:
        ImportError: Numba is not installed.
    """
    if not WALK.is_warm():
        _code()
    return WALK.finished()


def _code() -> tuple[str, bytes]:
    """Symbol and object code, kept or made."""
    found = WALK.kept()
    if found is None:
        from ztflow.pair.compile_walk import object_code

        found = object_code()
        WALK.keep(*found)
        WALK.good()
    return found


@lru_cache(maxsize=1)
def _runner() -> Callable[[list[Any]], None]:
    """What walks: compiled code, or Python where there is no compiler."""
    try:
        call = linked(*_code())
    except Exception:  # noqa: BLE001  whatever Numba, LLVM or the machine cannot do: Python walks as well, only slower
        return lambda arrays: walk_and_count(*arrays)

    def compiled(arrays: list[Any]) -> None:
        call(table((), numbers_of(arrays)))

    return compiled


def walk_and_count(
    sizes: IntArray, numbers: FloatArray, late: FloatArray, early: FloatArray, fit: FloatArray, follows: FloatArray,
    own: FloatArray, batch: FloatArray, gap: IntArray, gap2: IntArray,
    partner: IntArray, whole: IntArray, parts: FloatArray, random: IntArray, settling: IntArray,
    partners: IntArray, situations: IntArray, weights: FloatArray,
    seen_follows: FloatArray, seen_gaps: FloatArray, seen_own: FloatArray, seen_batch: FloatArray,
    late_spots: IntArray, early_spots: IntArray,
) -> None:  # fmt: skip
    """Walk on these arrays: those of a `Burst`, the partners, scratch of 8 and 3 rows, and what is counted."""
    burst = Burst(sizes, numbers, late, early, fit, follows, own, batch, gap, gap2)
    way = Way(partner, whole[0], whole[1], whole[2], whole[3], parts[0], parts[2])
    trial = Way(partner, whole[0], whole[4], whole[5], whole[6], parts[1], parts[2])
    kept = whole[7][: len(partner)]
    walk(burst, way, trial, kept, random, settling[0], partners, situations, weights, late_spots, early_spots)
    count_steps(burst, way, seen_follows, seen_gaps, seen_own, seen_batch)
