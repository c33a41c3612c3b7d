"""A capture that grows: everything read so far, paired anew whenever somebody looks.

A live summary so is at every moment what a finished reading of the same lines would give, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ztflow.api import pair_and_place
from ztflow.model.provenance import Fact
from ztflow.model.tables import HALVES_SCHEMA, Flows, Halves
from ztflow.place import read_inventory

KEPT = 1_000_000
"""Access lines kept: some 300 MB, and about two seconds to pair and summarise."""


class GrowingCapture:
    """Halves and facts as they come in.

    Attributes:
        dropped: Access lines no longer kept because there were too many.
    """

    def __init__(self, inventory: Sequence[str] = (), *, kept: int | None = KEPT) -> None:
        """Begin with an inventory; `kept` bounds the access lines kept, None does not."""
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
        too_many = 0 if self._kept is None else self._rows - self._kept
        if too_many > self._kept_slack():
            rows = self._table()
            self._tables = [rows.slice(too_many)]
            self._rows -= too_many
            self.dropped += too_many

    def _kept_slack(self) -> int:
        """Lines too many before any are dropped: dropping copies, so it is done now and then, not line by line."""
        return 0 if self._kept is None else self._kept // 10

    def _table(self) -> pa.Table:
        table = pa.concat_tables([HALVES_SCHEMA.empty_table(), *self._tables]).unify_dictionaries()
        self._tables = [table]
        return table

    def halves(self) -> Halves:
        """The access lines that are kept, in the order they came."""
        return Halves(self._table())

    def flows(self) -> Flows:
        """The flows of what is kept."""
        return pair_and_place(self.halves(), self._facts, self._known)
