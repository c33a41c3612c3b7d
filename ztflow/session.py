"""One pipeline for files, pipes and live views: read batches in, placed flows (or access lines) out.

Every session has the same verbs. `feed` takes what was read and gives what is certain by then, `finish` gives the rest;
`advance` tells those that pair live input that it was quiet for a while. They differ only in what they wait for:

- `Session`: finite input. Nothing comes before the end, because what the last line says of a node may place the first
  connection; what does not fit in memory waits on disk.
- `LiveSession`: an input that goes on. A flow comes as soon as no line within the window can change it.
- `GrowingSession`: finite input that is looked at before its end: `picture` at any time, equal to what a `Session` fed
  with the same lines gives.
- `RecordSession`: access lines without pairing, of finite or live input.

These are four classes and not one with modes, because a mode would be asked for in every method; topology, owners and
counts are in one base, `Pipeline`. All of them count into one `read.ReadReport`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import cached_property
from time import monotonic
from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.errors import SourceError
from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA, Flows, Halves
from ztflow.model.vocabulary import BOTH_HALVES
from ztflow.pair import LegacyPairer, Pairer
from ztflow.place import Inventory, Topology, place_flows, place_ztunnels
from ztflow.read import ReadBatch, ReadReport
from ztflow.spill import EndOrder, LogOrder

LIVE_WINDOW = timedelta(seconds=1)
"""How far the nodes' streams may lag behind each other when following: what stern and the kubelet take at most."""

LINES_KEPT = 1_000_000
"""Access lines a `GrowingSession` keeps, so that late ones can be put in their place (some 300 MB)."""

LONGEST_LAG = timedelta(seconds=60)
"""Lines that are late by more are no lagging stream but an older log, which a `GrowingSession` does not wait for."""

SMALL_TABLE, FEW_TABLES = 4096, 64
"""Rows of a small table, and how many small ones are kept before they are joined."""

_UNBOUNDED = 1 << 62

Tabular = TypeVar("Tabular", Flows, Halves)


class Pipeline(ABC, Generic[Tabular]):
    """What all sessions have: topology, owners, counts. Used in a `with` statement, which removes its files."""

    def __init__(self, inventory: Inventory | None, report: ReadReport | None) -> None:
        self.report = ReadReport() if report is None else report
        self.topology = Topology(inventory)
        self.owners = self.topology.owners()
        self._files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @cached_property
    def _order(self) -> LogOrder:
        """Halves in order of log time; made by the first that needs it, for a live session has none."""
        return self._files.enter_context(LogOrder())

    @abstractmethod
    def feed(self, batch: ReadBatch) -> Tabular:
        """Feed a batch; returns what is certain by now."""

    @abstractmethod
    def finish(self) -> Iterator[Tabular]:
        """Nothing more will come: the rest."""


def no_flows(batch: ReadBatch) -> None:
    """Refuse saved flows where access lines are wanted.

    Raises:
        SourceError: The batch has some.
    """
    if batch.flows is not None:
        raise SourceError(
            batch.source_file, "holds saved flows, and this answer needs access lines",
            hint="give the log, or what `ztflow records` saved of it",
        )  # fmt: skip


class RecordSession(Pipeline[Halves]):
    """Access lines in order of time; with an inventory each with the node of its ztunnel, where it is known.

    Args:
        inventory: What `place.read_inventory` gave; without one a node is named where the log or its shipper names it.
        live: Give lines as they come, with the node known at that time, instead of at the end with what all lines show.
        report: Takes the counts.
    """

    def __init__(
        self, inventory: Inventory | None = None, *, live: bool = False, report: ReadReport | None = None
    ) -> None:
        super().__init__(inventory, report)
        self._live = live

    def feed(self, batch: ReadBatch) -> Halves:
        """Take in a batch; a live session gives its lines.

        Raises:
            SourceError: It holds saved flows, whose access lines nobody has any more.
        """
        no_flows(batch)
        table = batch.halves.to_arrow()
        self.topology.learn(batch.facts, table)
        if self._live:
            return self._placed(table)
        self._order.add(table)
        return Halves()

    def finish(self) -> Iterator[Halves]:
        """The lines that were not given yet, in tables of bounded size."""
        return map(self._placed, self._order.slices())

    def _placed(self, table: pa.Table) -> Halves:
        return Halves(place_ztunnels(table, self.topology), owners=self.owners)


class Session(Pipeline[Flows]):
    """The flows of finite input, in order of their end.

    Args:
        inventory: What `place.read_inventory` gave; None for none.
        report: Takes the counts.

    Memory: `spill.IN_MEMORY` halves and `spill.FLOWS_IN_MEMORY` flows, however large the input; more waits on disk.
    """

    def __init__(self, inventory: Inventory | None = None, *, report: ReadReport | None = None) -> None:
        super().__init__(inventory, report)
        self._pairer = Pairer(window=timedelta(0))
        self._legacy = LegacyPairer(wait=None)
        self._count(FLOWS_SCHEMA.empty_table())

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch; gives no flows yet."""
        self._ordered.hold(self._learn(batch))
        self._order.add(batch.halves.to_arrow())
        return Flows()

    def finish(self) -> Iterator[Flows]:
        """All flows, in tables of bounded size; one at least, which may be empty."""
        self._ordered.hold(self._legacy.finish())
        for halves, edge in self._order.portions():
            if edge is None:
                self._ordered.hold(self._pairer.finish(halves).to_arrow())
                continue
            flows = self._pairer.push(halves, before=edge)
            for table in self._ordered.push(flows.to_arrow(), self._pairer.settled):
                yield self._placed(table)
        for table in self._ordered.finish():
            yield self._placed(table)

    @cached_property
    def _ordered(self) -> EndOrder:
        return self._files.enter_context(EndOrder())

    def _learn(self, batch: ReadBatch) -> pa.Table:
        """Learn what a batch says besides its connections; flows of it that need no pairing.

        Those are of releases whose lines share a trace id, and saved ones. Placing them again fills only what is
        unknown, so a saved flow stays as it was unless an inventory knows more.
        """
        self.topology.learn(batch.facts, batch.halves.to_arrow())
        self._pairer.learn(batch.facts)
        flows = self._legacy.push(batch.facts)
        return flows if batch.flows is None else pa.concat_tables([flows, batch.flows])

    def _placed(self, *tables: pa.Table) -> Flows:
        filled = [table for table in tables if table.num_rows]
        table = pa.concat_tables(filled).unify_dictionaries() if filled else None
        self.report.evicted = self._pairer.evicted
        if table is not None:
            table = place_flows(table, self.topology)
            self._count(table)
        return Flows(table, owners=self.owners, evicted=self._pairer.evicted)

    def _count(self, flows: pa.Table) -> None:
        """Add flows to the counts."""
        words = flows["paired"].cast(pa.string())
        paired, report = int(np.count_nonzero(both_seen(flows))), self.report
        report.paired_flows = (report.paired_flows or 0) + paired
        report.ambiguous_flows = (report.ambiguous_flows or 0) + (pc.sum(pc.equal(words, "ambiguous")).as_py() or 0)
        report.unpaired_halves = (report.unpaired_halves or 0) + flows.num_rows - paired


class LiveSession(Session):
    """Flows as soon as no line within the window can change them, placed by what is known then.

    Args:
        inventory: As for `Session`.
        window: How far the nodes' streams may lag behind each other. When nothing comes, log time goes on with the
            clock on the wall.
        report: Takes the counts.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        *,
        window: timedelta = LIVE_WINDOW,
        report: ReadReport | None = None,
    ) -> None:
        super().__init__(inventory, report=report)
        self._pairer = Pairer(window=window)
        self._legacy = LegacyPairer()
        self._quiet_since = monotonic()

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch, or an empty one as a heartbeat; the flows that are certain by now."""
        old = self._learn(batch) if batch else FLOWS_SCHEMA.empty_table()
        return self._placed(self._pair(batch.halves.to_arrow(), self._quiet(batch)), old)

    def advance(self, quiet: timedelta) -> Flows:
        """Nothing came for a while; the flows that are certain by now."""
        return self._placed(self._pair(HALVES_SCHEMA.empty_table(), quiet))

    def finish(self) -> Iterator[Flows]:
        """The flows of what is still pending."""
        yield self._placed(self._pairer.finish().to_arrow(), self._legacy.finish())

    def _quiet(self, batch: ReadBatch) -> timedelta:
        """For how long no access line came."""
        now = monotonic()
        if len(batch.halves):
            self._quiet_since = now
        return timedelta(seconds=now - self._quiet_since)

    def _pair(self, halves: pa.Table, quiet: timedelta) -> pa.Table:
        """The flows decided by a batch or, if it is empty, by the time that went by without one; not placed."""
        found = self._pairer.push(halves) if halves.num_rows else self._pairer.advance(past=quiet)
        return found.to_arrow()


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
        if batch:
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


def both_seen(flows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which flows have both halves."""
    words = flows["paired"].cast(pa.string())
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = pc.is_in(words, pa.array(sorted(BOTH_HALVES))).to_numpy()
    return result


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
