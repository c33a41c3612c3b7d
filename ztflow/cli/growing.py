"""A capture that grows: everything read so far, paired anew whenever somebody looks.

A live summary so is at every moment what a finished reading of the same lines would give, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ztflow.api import pair_and_place
from ztflow.flows import Flows
from ztflow.halves import Halves
from ztflow.origin import Fact
from ztflow.place import read_inventory
from ztflow.tables import HALVES_SCHEMA

KEPT = 1_000_000
"""Access lines kept: some 300 MB, and about two seconds to pair and summarise."""


class GrowingCapture:
    """Halves and facts as they come in.

    Attributes:
        dropped: Access lines no longer kept because there were too many.
    """

    def __init__(self, inventory: Sequence[str] = (), *, kept: int = KEPT) -> None:
        self._known = read_inventory(*inventory)
        self._tables: list[pa.Table] = []
        self._facts: list[Fact] = []
        self._rows = 0
        self._kept = kept
        self.dropped = 0

    def add(self, halves: Halves, facts: Sequence[Fact]) -> None:
        """Take in what came."""
        self._facts += facts
        if len(halves):
            self._tables.append(halves.to_arrow())
            self._rows += len(halves)
        while self._rows - self._tables[0].num_rows >= self._kept if self._tables else False:
            gone = self._tables.pop(0).num_rows
            self._rows -= gone
            self.dropped += gone

    def flows(self) -> Flows:
        """The flows of what is kept."""
        table = pa.concat_tables([HALVES_SCHEMA.empty_table(), *self._tables]).unify_dictionaries()
        self._tables = [table] if table.num_rows else []
        return pair_and_place(Halves(table), self._facts, self._known)
