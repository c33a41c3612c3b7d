"""The halves that are in no flow yet, and those that were matched so lately that the clocks may still ask for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.pair.evidence import Evidence, canonical_order, gather
from ztflow.pair.outline import NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.tables import HALVES_SCHEMA

OPEN, LEFT, MATCHED, GONE = 0, 1, 2, 3
"""Not looked at yet; without a partner among those that ended close by; in a flow, but still evidence of the clocks'
offsets; here no longer."""
UNUSED_WORDS = 4096
"""Words of a dictionary that may stand in no row."""


class Waiting:
    """Halves by place, in order of arrival.

    Attributes:
        evidence: What is known of each.
        row: Its row in the table at hand.
        status: `OPEN`, `LEFT`, `MATCHED` or `GONE`.
        corrected: Its end with the clock's offset taken off; `NO_TIME` while that is not known.
        late: Whether it came after the window for its partner had closed.
        tunnel: Hash of the tunnel it came through, 0 where no debug line tells.
        noted: When the server saw its request, by the server's clock; `NO_TIME` where no debug line tells.
    """

    def __init__(self) -> None:
        self.table = HALVES_SCHEMA.empty_table()
        self.evidence: Evidence = gather(self.table)
        self.row: Index = np.zeros(0, np.intp)
        self.status: npt.NDArray[np.int8] = np.zeros(0, np.int8)
        self.corrected: IntArray = np.zeros(0, np.int64)
        self.late: BoolArray = np.zeros(0, np.bool_)
        self.tunnel: UIntArray = np.zeros(0, np.uint64)
        self.noted: IntArray = np.zeros(0, np.int64)
        self._canonical: Index = np.zeros(0, np.intp)

    @property
    def undecided(self) -> BoolArray:
        """Which are in no flow."""
        result: BoolArray = self.status <= LEFT
        return result

    @property
    def count(self) -> int:
        """Halves that are in no flow."""
        return int(np.count_nonzero(self.undecided))

    def join(self, tables: list[pa.Table]) -> pa.Table:
        """Put tables before the one at hand, so that their dictionaries lead; they as one.

        Their halves are taken in by `add`.
        """
        count = sum(table.num_rows for table in tables)
        filled = [table for table in (*tables, self.table) if table.num_rows]
        self.table = pa.concat_tables(filled or [self.table]).unify_dictionaries().combine_chunks()
        self.row = self.row + count
        return self.table.slice(0, count)

    def add(self, row: Index, evidence: Evidence, late: BoolArray, tunnel: UIntArray, noted: IntArray) -> None:
        """Take in halves that stand in these rows of the table."""
        count = len(row)
        if not count:
            return
        self.evidence = Evidence.concat([self.evidence, evidence])
        self.row = np.concatenate([self.row, row])
        self.status = np.concatenate([self.status, np.zeros(count, np.int8)])
        self.corrected = np.concatenate([self.corrected, np.full(count, NO_TIME)])
        self.late = np.concatenate([self.late, late])
        self.tunnel = np.concatenate([self.tunnel, tunnel])
        self.noted = np.concatenate([self.noted, noted])

    def take_over(self, other: Waiting, mask: BoolArray) -> None:
        """Take in halves that waited elsewhere, where a mask is true; they are `GONE` there."""
        moved = np.flatnonzero(mask)
        if not len(moved):
            return
        table = self.join([other.table.take(pa.array(other.row[moved]))])
        self.add(
            np.arange(table.num_rows),
            other.evidence.take(moved),
            other.late[moved],
            other.tunnel[moved],
            other.noted[moved],
        )
        other.status[moved] = GONE

    def sort(self) -> None:
        """Find the canonical order anew."""
        self._canonical = canonical_order(self.evidence.time, self.row, self.table)

    def where(self, mask: BoolArray) -> Index:
        """Places where a mask is true, in canonical order."""
        return self._canonical[mask[self._canonical]]

    def keep(self, mask: BoolArray) -> None:
        """Drop all others, and every row of the table that is nobody's."""
        if len(self.row) == self.table.num_rows and mask.all():
            return
        kept = np.flatnonzero(mask)
        self.table = _compact(self.table.take(pa.array(self.row[kept])).combine_chunks())
        self.evidence = self.evidence.take(kept)
        self.row = np.arange(len(kept))
        self.status = self.status[kept]
        self.corrected = self.corrected[kept]
        self.late = self.late[kept]
        self.tunnel = self.tunnel[kept]
        self.noted = self.noted[kept]


def _compact(table: pa.Table) -> pa.Table:
    """The table without words nobody uses, where they are many; else a stream's dictionaries only ever grow."""
    for place, column in enumerate(table.columns):
        if not pa.types.is_dictionary(column.type) or not column.num_chunks:
            continue
        if len(column.chunk(0).dictionary) > UNUSED_WORDS + 4 * table.num_rows:
            words = column.cast(pa.string()).dictionary_encode().cast(column.type)
            table = table.set_column(place, table.field(place), words)
    return table
