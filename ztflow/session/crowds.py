"""Pairs halves that ended in one instant and are too many to be held together: those of one kind at a time.

Log time tells nothing about them, so pairing could only give up what does not fit. But the two halves of a connection
share their blocking key, so the halves go to disk in parts by that key, and each part is paired by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import UIntArray
from ztflow.pair import Pairer
from ztflow.pair.features.basic import mix
from ztflow.spill import Runs, Stretch

_PARTS: Final = 64
_MOST_PARTS: Final = 256


def pair_crowd(halves: Iterable[pa.Table], pairer: Pairer, runs: Runs, capacity: int) -> Iterator[pa.Table]:
    """The flows of the halves of one instant.

    Args:
        halves: The halves, in tables.
        pairer: What is known so far; it learns the addresses and is asked, but keeps none of the halves.
        runs: Where halves wait.
        capacity: Halves paired together. Of one blocking key more than these are parted by their sizes, too, and of one
            size more than these as they came: then one is as good a partner as the other.
    """
    for part in _parted(halves, lambda table: pairer.foresee(table)[0], _PARTS, runs):
        rows = sum(stretch.rows for stretch in part)
        if rows <= capacity:
            smaller = [part]
        else:
            count = min(_MOST_PARTS, 2 * rows // capacity + 1)
            smaller = _parted(map(runs.read, part), lambda table: pairer.foresee(table)[1], count, runs)
        for some in smaller:
            for tables in _together(some, runs, capacity):
                yield pairer.fork().finish(pa.concat_tables(tables)).to_arrow()


def _parted(
    halves: Iterable[pa.Table], key: Callable[[pa.Table], UIntArray], count: int, runs: Runs
) -> list[list[Stretch]]:
    """Halves on disk in parts, those of equal keys in one."""
    parts: list[list[Stretch]] = [[] for _ in range(count)]
    for came in halves:
        table = came.unify_dictionaries().combine_chunks()
        number = mix(key(table)) % np.uint64(count)
        for one in np.unique(number).tolist():
            parts[one] += runs.write(table.filter(pa.array(number == one)).combine_chunks())
    return parts


def _together(part: list[Stretch], runs: Runs, capacity: int) -> Iterator[list[pa.Table]]:
    """As many of these as may be paired together."""
    held: list[pa.Table] = []
    rows = 0
    for stretch in part:
        if held and rows + stretch.rows > capacity:
            yield held
            held, rows = [], 0
        held.append(runs.read(stretch))
        rows += stretch.rows
    if held:
        yield held
