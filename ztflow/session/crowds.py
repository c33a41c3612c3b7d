"""Pairs halves that ended in one instant and are too many to be held together: those of one kind at a time.

Log time tells nothing about them, so pairing could only give up what does not fit. But the two halves of a connection
share their blocking key, so the halves go to disk in parts by that key, and each part is paired by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from ztflow.pair import Pairer
from ztflow.spill import Runs, Stretch

_PARTS: Final = 64


def pair_crowd(halves: Iterable[pa.Table], pairer: Pairer, runs: Runs, capacity: int) -> Iterator[pa.Table]:
    """The flows of the halves of one instant.

    Args:
        halves: The halves, in tables.
        pairer: What is known so far; it learns the addresses and is asked, but keeps none of the halves.
        runs: Where halves wait.
        capacity: Halves paired together. Of one kind more than these are parted; they are equal but for what only
            one side knows of them.
    """
    parts: list[list[Stretch]] = [[] for _ in range(_PARTS)]
    for came in halves:
        table = came.unify_dictionaries().combine_chunks()
        part = (pairer.foresee(table) >> np.uint64(32)) % np.uint64(_PARTS)
        for number in np.unique(part).tolist():
            parts[number] += runs.write(table.filter(pa.array(part == number)).combine_chunks())
    for stretches in parts:
        held: list[pa.Table] = []
        rows = 0
        for place, stretch in enumerate(stretches):
            held.append(runs.read(stretch))
            rows += stretch.rows
            if place + 1 == len(stretches) or rows + stretches[place + 1].rows > capacity:
                yield pairer.fork().finish(pa.concat_tables(held)).to_arrow()
                held, rows = [], 0
