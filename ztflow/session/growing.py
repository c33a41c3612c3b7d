"""`GrowingSession`: an input that is looked at before its end, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import without_unused
from ztflow.memory import MIB, Budget, keep_below
from ztflow.model.provenance import LogsHere
from ztflow.model.table import empty
from ztflow.model.tables import Flows, Halves
from ztflow.pair import LegacyPairer
from ztflow.place import Inventory
from ztflow.read import ReadBatch, ReadReport
from ztflow.session.pairing import LIVE_WINDOW, LiveSession, logs_here
from ztflow.spill import EndOrder, LogOrder

LINES_KEPT = 1_000_000
"""Access lines between two marks, so that late ones can be put in their place; most of them wait on disk."""
FLOWS_KEPT = 20_000
"""Flows kept as rows until the first are added up."""
FLOWS_AT_ONCE = 5_000
"""Flows that are added up at once from then on, so that a picture costs little."""

BOUNDED = Budget(
    bound=400 * MIB,
    halves=4 * MIB,
    in_order=4 * MIB,
    portion=4 * MIB,
    flows=6 * MIB,
    ends=16_000,
    pending=64 * MIB,
    waiting=95_000,
    addresses=1 << 16,
)
"""Unless the user says otherwise. A live view is looked at beside other work, and needs little that is old."""

LONGEST_LAG = timedelta(seconds=60)
"""Lines that are late by more are no lagging stream but an older log, which a `GrowingSession` does not wait for."""

SMALL_TABLE, FEW_TABLES = 4096, 64
"""Rows of a small table, and how many small ones are kept before they are joined."""

_UNBOUNDED = 1 << 62


class Total(Protocol):
    """Takes in the flows that are no longer kept as rows."""

    def add(self, flows: Flows) -> None:
        """Take in flows, in order of their end, placed by what is known now."""

    def fork(self) -> Self:
        """An independent copy, to come back to."""


Sum = TypeVar("Sum", bound=Total)


@dataclass(slots=True)
class _AddedUp(Generic[Sum]):
    """Flows that are no longer kept as rows."""

    total: Sum
    flows: int = 0
    paired: int = 0
    ambiguous: int = 0
    unpaired: int = 0
    logs: LogsHere = field(default_factory=LogsHere)

    def fork(self) -> _AddedUp[Sum]:
        made = copy(self)
        made.total = self.total.fork()
        return made


class GrowingSession(LiveSession, Generic[Sum]):
    """An input that can be looked at before its end, at any time, however long it goes on.

    Each line is paired once, as it comes. A picture holds the flows decided so far, and of the lines still pending what
    they would give if nothing more came: pairs as pairs, and halves without a partner with no reason, because it may
    still come. At the end each has its reason, and the last picture is what a `Session` makes of the same lines.

    When there are too many flows to keep, those decided are added to `total`, as they are placed by then, and pictures
    hold the rest: a picture and the total together are all flows so far, each once.

    Lines may come in any order (`cat a.log b.log`, stern's first burst): when some come from before the time pairing
    has passed, it goes back to its last mark and pairs what came since anew, once for the next picture. From then on it
    waits longer, so that streams which always lag behind each other cost this once. A mark is set after every `kept`
    lines; what comes late across a mark counts as late, as with `LiveSession`.

    Args:
        inventory: As for `Session`.
        total: Takes in what is no longer kept.
        window: As for `LiveSession`, to begin with.
        report: Takes the counts: of lines those of all, of flows those of the last picture and the total.
        kept: Lines between two marks.
        flows_kept: Flows kept as rows until the first are added up.
        at_once: Flows added up at once from then on.
        memory: What may be kept in memory.

    Cost: a picture O(flows it shows), never of what was read before. Memory: `memory.flows` of flows, a few times
    that while a picture is made, `memory.halves` of halves, and what a `LiveSession` has.
    """

    def __init__(
        self,
        inventory: Inventory | None,
        total: Sum,
        *,
        window: timedelta = LIVE_WINDOW,
        report: ReadReport | None = None,
        kept: int = LINES_KEPT,
        flows_kept: int = FLOWS_KEPT,
        at_once: int = FLOWS_AT_ONCE,
        memory: Budget = BOUNDED,
    ) -> None:
        super().__init__(inventory, window=window, report=report, memory=memory)
        self._legacy = LegacyPairer(wait=None)
        self._lag = window // timedelta(microseconds=1)
        """By how much lines are expected to be late, microseconds."""
        self._newest = -_UNBOUNDED
        self._kept, self._flows_kept, self._at_once = kept, flows_kept, at_once
        self._since = _Lines(memory)
        self._files.callback(self._since.clear)
        self._late = False
        """Whether a line since the mark came late, from before the time pairing had passed: they are paired anew."""
        self._rows: list[pa.Table] = []
        """Flows decided since the mark and not added up."""
        self._old: list[pa.Table] = []
        """Flows of old releases, and saved ones, that are not added up; no mark changes them."""
        self._added = _AddedUp(total)
        self._mark = self._pairer.fork(), self._added.fork()

    @property
    def total(self) -> Sum:
        """What was added up; complete together with a picture made just before."""
        return self._added.total

    @property
    def added(self) -> int:
        """Flows in the total."""
        return self._added.flows

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch; gives no flows, look at the `picture`."""
        self._add_requests(batch)
        halves = batch.halves.to_arrow()
        if batch:
            _keep(self._old, self._learn(batch))
        self._note(halves)
        quiet = self._quiet(batch)
        if not self._late:
            self._decide(self._pair(halves, quiet))
        if self._since.rows > self._kept:
            self._set_mark()
        keep_below(self._memory.bound)
        return Flows()

    def advance(self, quiet: timedelta) -> Flows:
        """Nothing came for a while: what waited long enough is decided."""
        if not self._late:
            self._decide(self._pair(empty(Halves), quiet))
        return Flows()

    def picture(self) -> Flows:
        """The flows of all lines so far that are not in the total, in order of their end, placed by what is known."""
        keep_below(self._memory.bound)
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
        flows = self._in_order(*self._old, *self._rows, *pending)
        if self._requests is not None:
            self.report.requests = [self._requests.rows()]  # without names: a picture has only counts of them
        added, report = self._added, self.report
        report.paired_flows, report.ambiguous_flows = added.paired, added.ambiguous
        report.unpaired_halves, report.logs = added.unpaired, added.logs
        self._count(flows.to_arrow())
        return flows

    def _in_order(self, *tables: pa.Table) -> Flows:
        """Flows in order of their end, placed."""
        with EndOrder(limit=_UNBOUNDED) as ordered:
            for table in tables:
                ordered.hold(table)
            return self._place(*ordered.finish())

    def _note(self, halves: pa.Table) -> None:
        """Keep halves until the next mark, and see whether any comes late."""
        self._since.add(halves)
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

    def _decide(self, flows: pa.Table) -> None:
        """Keep flows that are decided, or add up all that are kept: these, and saved ones, with which none may come."""
        if flows.num_rows:
            _keep(self._rows, without_unused(flows))
        tables = [*self._rows, *self._old]
        bound = self._at_once if self.added else self._flows_kept
        if sum(t.num_rows for t in tables) > bound or sum(t.nbytes for t in tables) > self._memory.flows:
            self._add_up()

    def _add_up(self) -> None:
        """Add what is decided to the total; going back to the mark takes it out again, but for old releases."""
        for added, tables in ((self._mark[1], self._old), (self._added, [*self._old, *self._rows])):
            flows = self._in_order(*tables)
            if len(flows):
                added.total.add(flows)
                added.flows += len(flows)
                paired, ambiguous = self._counts(flows.to_arrow())
                added.paired += paired
                added.ambiguous += ambiguous
                added.unpaired += len(flows) - paired
                added.logs += logs_here(flows.to_arrow())
        self._old, self._rows = [], []

    def _catch_up(self) -> None:
        """If lines came late, pair what came since the mark anew, in order of log time."""
        if not self._late:
            return
        self._late = False
        pairer, added = self._mark
        self._pairer, self._added, self._rows = pairer.fork(), added.fork(), []
        passed = self._newest - self._lag
        for halves, edge in self._since.portions():
            # No further than where more may come, or that would be late again.
            flows = self._pairer.push(halves, before=passed if edge is None else min(edge, passed))
            self._decide(flows.to_arrow())

    def _set_mark(self) -> None:
        """Make what is decided final, and begin to keep lines anew."""
        self._catch_up()
        self._add_up()
        self._mark = self._pairer.fork(), self._added.fork()
        self._since.clear()


class _Lines:
    """Halves as they came, in memory while they are few."""

    def __init__(self, memory: Budget) -> None:
        self.rows = 0
        self.small: list[pa.Table] = []
        """Those that came last."""
        self._order = LogOrder(limit=memory.halves, portion=memory.portion)

    def add(self, halves: pa.Table) -> None:
        """Keep halves."""
        if not halves.num_rows:
            return
        self.rows += halves.num_rows
        _keep(self.small, without_unused(halves))
        if sum(table.num_rows for table in self.small) >= FEW_TABLES * SMALL_TABLE // 16:
            self._settle()

    def portions(self) -> Iterator[tuple[pa.Table, int | None]]:
        """All halves kept, as `LogOrder.portions` gives them."""
        self._settle()
        return self._order.portions(keep=True)

    def clear(self) -> None:
        """Forget them."""
        self.rows, self.small = 0, []
        self._order.clear()

    def _settle(self) -> None:
        if self.small:
            self._order.add(pa.concat_tables(self.small).unify_dictionaries())
        self.small = []


def _keep(tables: list[pa.Table], table: pa.Table) -> None:
    """Add a table; many small ones become one, for a table takes some kilobytes beside its rows."""
    if not table.num_rows:
        return
    tables.append(table)
    if len(tables) >= FEW_TABLES and max(one.num_rows for one in tables[-FEW_TABLES:]) < SMALL_TABLE:
        joined = pa.concat_tables(tables[-FEW_TABLES:]).unify_dictionaries()
        tables[-FEW_TABLES:] = [without_unused(joined)]
