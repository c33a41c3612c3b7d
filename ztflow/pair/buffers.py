"""The halves pairing holds: ahead of the watermark, unmatched so far, and the history of those that are in a flow.

Whether two halves are isolated also depends on those before them. Of a half that is in a flow nothing but its exact key
and its time matters to others, so 16 bytes are all that stays of it.
"""

from __future__ import annotations

from copy import copy
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.columns.sorting import class_order
from ztflow.model.table import empty
from ztflow.model.tables import Halves
from ztflow.pair.features.basic import numbers_of_time
from ztflow.pair.features.full import FullFeatures, canonical_order, full_features

WHOLE_FROM: Final = 0.9
"""Share of a batch that the watermark has passed from which the rest goes along: keeping it back costs more."""
UNUSED_WORDS: Final = 4096
"""Words of a dictionary that may be in no row."""
LARGE_RUN: Final = 1 << 17
"""Ends in a run of `MatchedHistory` from which merging it costs more than asking it by itself."""


class AheadOfWatermark:
    """Batches as they came, until the watermark has passed them.

    Attributes:
        newest: The latest time that came; `NO_TIME` before any did.
        count: Halves held.
    """

    def __init__(self) -> None:
        self._tables: list[tuple[pa.Table, int, int]] = []
        """Each with the first and the last time in it."""
        self.newest = NO_TIME
        self.count = 0

    def __deepcopy__(self, memo: object) -> Self:
        """A copy that shares the tables, which never change."""
        made = copy(self)
        vars(made).update(_tables=list(self._tables))
        return made

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

    def passed(self, watermark: int) -> list[pa.Table]:
        """Give out all halves before a time, and those without one.

        A batch of which little is left goes out whole: what comes too early does no harm, it only waits elsewhere.
        """
        ready, left = [], []
        for table, first, last in self._tables:
            if last < watermark:
                ready.append(table)
            elif first >= watermark:
                left.append((table, first, last))
            else:
                times = numbers_of_time(table)
                before = times < watermark
                if np.count_nonzero(before) >= WHOLE_FROM * len(times):
                    ready.append(table)
                    continue
                ready.append(table.filter(pa.array(before)))
                left.append((table.filter(pa.array(~before)), int(times[~before].min()), last))
        self._tables = left
        self.count -= sum(table.num_rows for table in ready)
        return ready


OPEN, REMAINING, MATCHED, GONE = 0, 1, 2, 3
"""Not looked at yet; without a partner among those that ended nearby; in a flow, but still evidence of the clocks'
offsets; moved elsewhere."""


class Unmatched:
    """Halves behind the watermark that are in no flow yet, by place, in order of arrival.

    Attributes:
        features: What is known of each.
        row: Its row in the table at hand.
        status: `OPEN`, `REMAINING`, `MATCHED` or `GONE`.
        corrected: Its end with the clock's offset taken off; `NO_TIME` while that is not known.
        late: Whether it came so late that its partner may have been given up.
        tunnel: Hash of the tunnel it came through, 0 where no debug line says it.
        noted: When the server saw its request, by the server's clock; `NO_TIME` where no debug line says it.
    """

    def __init__(self) -> None:
        self.table = empty(Halves)
        self.features: FullFeatures = full_features(self.table)
        self.row: Index = np.zeros(0, np.intp)
        self.status: npt.NDArray[np.int8] = np.zeros(0, np.int8)
        self.corrected: IntArray = np.zeros(0, np.int64)
        self.late: BoolArray = np.zeros(0, np.bool_)
        self.tunnel: UIntArray = np.zeros(0, np.uint64)
        self.noted: IntArray = np.zeros(0, np.int64)
        self._canonical: Index = np.zeros(0, np.intp)

    def __deepcopy__(self, memo: object) -> Self:
        """A copy that shares the table and all arrays but those written to in place."""
        made = copy(self)
        made.status, made.corrected = self.status.copy(), self.corrected.copy()
        return made

    @property
    def undecided(self) -> BoolArray:
        """Which are in no flow."""
        result: BoolArray = self.status <= REMAINING
        return result

    @property
    def count(self) -> int:
        """Halves that are in no flow."""
        return int(np.count_nonzero(self.undecided))

    def join(self, tables: list[pa.Table]) -> pa.Table:
        """These tables and the current one behind them as one table, so that their dictionaries come first.

        Their halves are taken in by `add`.
        """
        count = sum(table.num_rows for table in tables)
        filled = [table for table in (*tables, self.table) if table.num_rows]
        self.table = pa.concat_tables(filled or [self.table]).unify_dictionaries().combine_chunks()
        self.row = self.row + count
        return self.table.slice(0, count)

    def add(self, row: Index, features: FullFeatures, late: BoolArray, tunnel: UIntArray, noted: IntArray) -> None:
        """Take in the halves in these rows of the table."""
        count = len(row)
        if not count:
            return
        self.features = FullFeatures.concat([self.features, features])
        self.row = np.concatenate([self.row, row])
        self.status = np.concatenate([self.status, np.zeros(count, np.int8)])
        self.corrected = np.concatenate([self.corrected, np.full(count, NO_TIME)])
        self.late = np.concatenate([self.late, late])
        self.tunnel = np.concatenate([self.tunnel, tunnel])
        self.noted = np.concatenate([self.noted, noted])

    def take_over(self, other: Unmatched, mask: BoolArray) -> None:
        """Take in halves held elsewhere, where a mask is true; they are `GONE` there."""
        moved = np.flatnonzero(mask)
        if not len(moved):
            return
        table = self.join([other.table.take(pa.array(other.row[moved]))])
        self.add(
            np.arange(table.num_rows),
            other.features.take(moved),
            other.late[moved],
            other.tunnel[moved],
            other.noted[moved],
        )
        other.status[moved] = GONE

    def sort(self) -> None:
        """Compute the canonical order again."""
        self._canonical = canonical_order(self.features.time, self.row, self.table)

    def where(self, mask: BoolArray) -> Index:
        """Places where a mask is true, in canonical order."""
        return self._canonical[mask[self._canonical]]

    def keep(self, mask: BoolArray) -> None:
        """Drop all others, and the rows of the table that belong to no half."""
        if len(self.row) == self.table.num_rows and mask.all():
            return
        kept = np.flatnonzero(mask)
        self.table = _compact(self.table.take(pa.array(self.row[kept])).combine_chunks())
        self.features = self.features.take(kept)
        self.row = np.arange(len(kept))
        self.status = self.status[kept]
        self.corrected = self.corrected[kept]
        self.late = self.late[kept]
        self.tunnel = self.tunnel[kept]
        self.noted = self.noted[kept]


def _compact(table: pa.Table) -> pa.Table:
    """The table without unused words, where they are many; else a stream's dictionaries only ever grow."""
    for place, column in enumerate(table.columns):
        if not pa.types.is_dictionary(column.type) or not column.num_chunks:
            continue
        if len(column.chunk(0).dictionary) > UNUSED_WORDS + 4 * table.num_rows:
            words = column.cast(pa.string()).dictionary_encode().cast(column.type)
            table = table.set_column(place, table.field(place), words)
    return table


_Run = tuple[UIntArray, IntArray]


class MatchedHistory:
    """Ends of halves that are in a flow, by exact key, in a few sorted runs of growing size.

    Cost: O(log n) merges an end added; asking costs two binary searches a key and run.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._before = np.iinfo(np.int64).min

    def __deepcopy__(self, memo: object) -> Self:
        """A copy that shares the runs, which never change."""
        made = copy(self)
        vars(made).update(_runs=list(self._runs))
        return made

    def add(self, keys: UIntArray, times: IntArray) -> None:
        """Remember these; sorted ones cost less."""
        if len(keys):
            in_order = (keys[1:] >= keys[:-1]).all()
            self._runs.append((keys, times) if in_order else _sorted(keys, times))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < min(2 * len(self._runs[-1][0]), LARGE_RUN):
            (later, late_times), (keys, times) = self._runs.pop(), self._runs.pop()
            keep = times >= self._before
            self._runs.append(_sorted(np.concatenate([keys[keep], later]), np.concatenate([times[keep], late_times])))

    def of(self, keys: UIntArray) -> _Run:
        """The ends of these exact keys (sorted, each once), as keys and times."""
        found_keys, found_times = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for known, times in self._runs:
            place = _among(keys, known)
            found_keys.append(known[place])
            found_times.append(times[place])
        return np.concatenate(found_keys), np.concatenate(found_times)

    def forget(self, before: int) -> None:
        """Drop what ended before this time; at the latest when it is merged with something later."""
        self._before = before
        self._runs = [run for run in self._runs if run[1].max() >= before]


def _sorted(keys: UIntArray, times: IntArray) -> _Run:
    order = class_order(keys)
    return keys[order], times[order]


def _among(wanted: UIntArray, known: UIntArray) -> Index:
    """Places in `known` (sorted) of what is wanted (sorted, distinct); searches the smaller in the larger."""
    if not len(wanted) or not len(known):
        return np.zeros(0, np.intp)
    if len(known) < len(wanted):
        place = np.searchsorted(wanted, known).clip(max=len(wanted) - 1)
        return np.flatnonzero(wanted[place] == known)
    first = np.searchsorted(known, wanted)
    there = known[first.clip(max=len(known) - 1)] == wanted
    there &= first < len(known)
    first, last = first[there], np.searchsorted(known, wanted[there], side="right")
    count = last - first
    inside = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    result: Index = np.repeat(first, count) + inside
    return result
