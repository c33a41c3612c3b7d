"""Halves that the log has not moved past yet: nobody looks at them until it has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ztflow.halves import Halves
from ztflow.pair.outline import NO_TIME, numbers_of_time

MOST = 0.9
"""Share of a batch from which it is not worth its while to keep the rest back."""


class Staged:
    """Batches as they came.

    Attributes:
        newest: The latest time that came; `NO_TIME` before any did.
        count: Halves held.
    """

    def __init__(self) -> None:
        self._tables: list[tuple[pa.Table, int, int]] = []
        """Each with the first and the last time in it."""
        self.newest = NO_TIME
        self.count = 0

    def put(self, halves: Halves | pa.Table) -> None:
        """Take in a batch."""
        table = halves.to_arrow() if isinstance(halves, Halves) else halves
        if not table.num_rows:
            return
        times = numbers_of_time(table)
        last = int(times.max())
        self._tables.append((table, int(times.min()), last))
        self.newest = max(self.newest, last)
        self.count += table.num_rows

    def passed(self, horizon: int) -> list[pa.Table]:
        """Give out all halves before a time, and those without one.

        A batch of which little is left goes out whole: what comes too early does no harm, it only waits elsewhere.
        """
        ready, left = [], []
        for table, first, last in self._tables:
            if last < horizon:
                ready.append(table)
            elif first >= horizon:
                left.append((table, first, last))
            else:
                times = numbers_of_time(table)
                before = times < horizon
                if np.count_nonzero(before) >= MOST * len(times):
                    ready.append(table)
                    continue
                ready.append(table.filter(pa.array(before)))
                left.append((table.filter(pa.array(~before)), int(times[~before].min()), last))
        self._tables = left
        self.count -= sum(table.num_rows for table in ready)
        return ready
