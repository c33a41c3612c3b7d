"""`GrowingSession`: finite input that is looked at before its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA, Flows
from ztflow.pair import LegacyPairer
from ztflow.place import Inventory
from ztflow.read import ReadBatch, ReadReport
from ztflow.session.pairing import LIVE_WINDOW, LiveSession, both_seen
from ztflow.spill import EndOrder, LogOrder

LINES_KEPT = 1_000_000
"""Access lines a `GrowingSession` keeps, so that late ones can be put in their place (some 300 MB)."""

LONGEST_LAG = timedelta(seconds=60)
"""Lines that are late by more are no lagging stream but an older log, which a `GrowingSession` does not wait for."""

SMALL_TABLE, FEW_TABLES = 4096, 64
"""Rows of a small table, and how many small ones are kept before they are joined."""

_UNBOUNDED = 1 << 62


class GrowingSession(LiveSession):
    """Finite input that can be looked at before its end, at any time.

    Each line is paired once, as it comes. A picture holds the flows decided so far, and of the lines still pending what
    they would give if nothing more came: pairs as pairs, and halves without a partner with no reason, because it may
    still come. At the end each has its reason, and the last picture is what a `Session` makes of the same lines.

    Lines may come in any order (`cat a.log b.log`, stern's first burst): when some come from before the time pairing
    has passed, it goes back to its last mark and pairs what came since anew, once for the next picture. From then on it
    waits longer, so that streams which always lag behind each other cost this once. A mark is set after every `kept`
    lines; what comes late across a mark counts as late, as with `LiveSession`.

    Args:
        inventory: As for `Session`.
        window: As for `LiveSession`, to begin with.
        report: Takes the counts: of lines those of all, of flows those of the last picture.
        kept: Lines between two marks. A picture covers the last `kept` lines at least, and at most twice as many beside
            what was pending.

    Attributes:
        dropped: Access lines that pictures no longer cover.

    Cost: a picture O(flows it shows), never of what was read before. Memory: `kept` halves, their flows twice, and what
    a `LiveSession` has.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        *,
        window: timedelta = LIVE_WINDOW,
        report: ReadReport | None = None,
        kept: int = LINES_KEPT,
    ) -> None:
        super().__init__(inventory, window=window, report=report)
        self._legacy = LegacyPairer(wait=None)
        self._lag = window // timedelta(microseconds=1)
        """By how much lines are expected to be late, microseconds."""
        self._newest = -_UNBOUNDED
        self._kept = kept
        self._mark = self._pairer.fork()
        self._since: list[pa.Table] = []
        """Halves that came since the mark, as they came."""
        self._rows = 0
        self._late = False
        """Whether one of them came late, from before the time pairing had passed, so that they are paired anew."""
        self._before: list[pa.Table] = []
        """Flows decided before the mark, and those of old releases, which no mark changes."""
        self._after: list[pa.Table] = []
        """Flows decided since the mark."""
        self.dropped = 0

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch; gives no flows, look at the `picture`."""
        halves = batch.halves.to_arrow()
        if halves.num_rows or batch.facts:
            _keep(self._before, self._learn(batch))
        self._note(halves)
        quiet = self._quiet(batch)
        if not self._late:
            _keep(self._after, self._pair(halves, quiet))
        if self._rows > self._kept:
            self._set_mark()
        return Flows()

    def advance(self, quiet: timedelta) -> Flows:
        """Nothing came for a while: what waited long enough is decided."""
        if not self._late:
            _keep(self._after, self._pair(HALVES_SCHEMA.empty_table(), quiet))
        return Flows()

    def picture(self) -> Flows:
        """The flows of all lines so far that are kept, in order of their end, placed by what is known now."""
        self._catch_up()
        pending = self._pairer.fork().finish().to_arrow()
        place = pending.schema.get_field_index("unpaired_reason")
        field = pending.schema.field(place)
        waiting = pending.set_column(place, field, pa.nulls(pending.num_rows, field.type))
        return self._shown(waiting, self._legacy.so_far())

    def finish(self) -> Iterator[Flows]:
        """The last picture: nothing more will come."""
        self._catch_up()
        yield self._shown(self._pairer.finish().to_arrow(), self._legacy.finish())

    def _shown(self, *pending: pa.Table) -> Flows:
        report = self.report
        report.paired_flows = report.ambiguous_flows = report.unpaired_halves = None
        with EndOrder(limit=_UNBOUNDED) as ordered:
            for table in (*self._before, *self._after, *pending):
                ordered.hold(table)
            self._count(FLOWS_SCHEMA.empty_table())
            return self._placed(*ordered.finish())

    def _note(self, halves: pa.Table) -> None:
        """Keep halves until the next mark, and see whether any comes late."""
        _keep(self._since, halves)
        self._rows += halves.num_rows
        times = pc.min_max(halves["time"].cast(pa.int64())).as_py()
        if times["min"] is None:
            return
        behind = self._newest - times["min"]
        if times["min"] < self._pairer.watermark:
            self._late = True
            if behind <= LONGEST_LAG // timedelta(microseconds=1):
                self._lag = max(self._lag, behind * 5 // 4)
        self._newest = max(self._newest, times["max"])

    def _pair(self, halves: pa.Table, quiet: timedelta) -> pa.Table:
        passed = 0 if halves.num_rows else quiet // timedelta(microseconds=1)
        return self._pairer.push(halves, before=self._newest - self._lag + passed).to_arrow()

    def _catch_up(self) -> None:
        """Where lines came late, pair all since the mark anew, in order of time."""
        if not self._late:
            return
        self._late = False
        self._pairer = self._mark.fork()
        passed = self._newest - self._lag
        with LogOrder(limit=_UNBOUNDED) as order:
            for table in self._since:
                order.add(table)
            # No further than where more may come, or that would be late again.
            self._after = [
                self._pairer.push(halves, before=passed if edge is None else min(edge, passed)).to_arrow()
                for halves, edge in order.portions()
            ]

    def _set_mark(self) -> None:
        """Make what is decided final, let the oldest of it go, and begin to keep lines anew."""
        self._catch_up()
        self._mark = self._pairer.fork()
        flows = pa.concat_tables([FLOWS_SCHEMA.empty_table(), *self._before, *self._after]).unify_dictionaries()
        lines = np.cumsum(1 + both_seen(flows))
        too_many = int(lines[-1]) - self._kept if len(lines) else 0
        if too_many > 0:
            gone = int(np.searchsorted(lines, too_many)) + 1
            self.dropped += int(lines[gone - 1])
            flows = flows.slice(gone)
        self._before, self._after, self._since, self._rows = [_compact(flows)], [], [], 0


def _keep(tables: list[pa.Table], table: pa.Table) -> None:
    """Add a table; many small ones become one, for a table takes some kilobytes beside its rows."""
    if not table.num_rows:
        return
    tables.append(table)
    if len(tables) >= FEW_TABLES and max(one.num_rows for one in tables[-FEW_TABLES:]) < SMALL_TABLE:
        tables[-FEW_TABLES:] = [pa.concat_tables(tables[-FEW_TABLES:]).unify_dictionaries().combine_chunks()]


def _compact(flows: pa.Table) -> pa.Table:
    """A copy without words no row has: a slice keeps all rows of its table, and their dictionaries, in memory."""
    copied = flows.take(pa.array(np.arange(flows.num_rows)))
    columns = [
        column.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(column.type) else column
        for column in copied.columns
    ]
    return pa.table(columns, schema=flows.schema)
