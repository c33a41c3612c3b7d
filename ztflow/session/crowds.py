"""Pairs halves that ended in one instant and are too many to be held together: those of one kind at a time.

Log time tells nothing about them, so pairing could only give up what does not fit. But the two halves of a connection
share their blocking key, so the halves go to disk in parts by that key, and each part is paired by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import BoolArray
from ztflow.model.vocabulary import Direction
from ztflow.pair import Pairer
from ztflow.pair.features.basic import mix
from ztflow.runs import Runs, Stretch

_PARTS: Final = 64
_MOST_PARTS: Final = 256


@dataclass(slots=True)
class _Part:
    """Halves on disk: those of one direction and of the other, and whether they all count the same."""

    sides: tuple[list[Stretch], list[Stretch]] = field(default_factory=lambda: ([], []))
    sizes: set[int] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return sum(stretch.rows for side in self.sides for stretch in side)

    def add(self, table: pa.Table, outbound: BoolArray, runs: Runs) -> None:
        """Write halves."""
        for side, mine in zip(self.sides, (outbound, ~outbound), strict=True):
            if mine.any():
                side.extend(runs.write(table.filter(pa.array(mine)).combine_chunks()))


def pair_crowd(halves: Iterable[pa.Table], pairer: Pairer, runs: Runs, capacity: int) -> Iterator[pa.Table]:
    """The flows of the halves of one instant.

    Args:
        halves: The halves, in tables.
        pairer: What is known so far; it learns the addresses and is asked, but keeps none of the halves.
        runs: Where halves wait.
        capacity: Halves paired together. Of one blocking key more than these are parted by their sizes, too, and of one
            size more than these are taken as they came, as many of one direction as of the other: one is as good a
            partner as the next.
    """
    for part in _parted(halves, pairer, runs, count=_PARTS, level=0):
        for tables in _fitting(part, pairer, runs, capacity, level=1):
            yield pairer.fork().finish(pa.concat_tables(tables)).to_arrow()


def _parted(halves: Iterable[pa.Table], pairer: Pairer, runs: Runs, *, count: int, level: int) -> list[_Part]:
    """Halves on disk in parts: at level 0 those of one blocking key in one part, then those of one size.

    Sizes that fall into one part at one level fall into different ones at the next.
    """
    parts = [_Part() for _ in range(count)]
    for came in halves:
        table = came.unify_dictionaries().combine_chunks()
        blocking, exact = pairer.foresee(table)
        number = mix(mix(exact) + np.uint64(level) if level else blocking) % np.uint64(count)
        outbound = pc.equal(table.column("direction"), Direction.OUTBOUND).to_numpy()
        for one in np.unique(number).tolist():
            mine = number == one
            part = parts[one]
            if len(part.sizes) < 2:  # whether there are several is all that is asked
                part.sizes.update(np.unique(exact[mine])[:2].tolist())
            part.add(table.filter(pa.array(mine)), outbound[mine], runs)
    return parts


def _fitting(part: _Part, pairer: Pairer, runs: Runs, capacity: int, level: int) -> Iterator[list[pa.Table]]:
    """A part in tables that may be paired together."""
    rows = part.rows
    if 0 < rows <= capacity:
        yield [runs.read(stretch) for side in part.sides for stretch in side]
    elif len(part.sizes) == 1:
        yield from _abreast(part, runs, max(1, capacity // 2))
    elif rows:
        halves = (runs.read(stretch) for side in part.sides for stretch in side)
        for smaller in _parted(halves, pairer, runs, count=min(_MOST_PARTS, 2 * rows // capacity + 1), level=level):
            yield from _fitting(smaller, pairer, runs, capacity, level + 1)


def _abreast(part: _Part, runs: Runs, most: int) -> Iterator[list[pa.Table]]:
    """As many halves of one direction as of the other at a time, while both last."""
    sides = [_cut(map(runs.read, side), most) for side in part.sides]
    while held := [table for side in sides for table in next(side, [])]:
        yield held


def _cut(tables: Iterable[pa.Table], most: int) -> Iterator[list[pa.Table]]:
    """Rows in lists of tables that have so many together; the last ones fewer."""
    held: list[pa.Table] = []
    room = most
    for table in tables:
        start = 0
        while table.num_rows - start >= room:
            held.append(table.slice(start, room))
            yield held
            start += room
            held, room = [], most
        if start < table.num_rows:
            held.append(table.slice(start))
            room -= table.num_rows - start
    if held:
        yield held
