"""`Pipeline`, what all sessions have, and the two that give flows once each: `Session` and `LiveSession`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import cached_property
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import WordMemory, coded
from ztflow.columns.dtypes import AFTER_ALL, BoolArray
from ztflow.columns.grouping import group
from ztflow.columns.timestamps import micros_of
from ztflow.memory import DEFAULT, Budget, capacity, give_back, keep_below
from ztflow.model.provenance import LogsHere, Writer, Written
from ztflow.model.table import empty
from ztflow.model.tables import Flows, Halves, lines_of, pairings
from ztflow.model.vocabulary import BOTH_HALVES, LogLevel, Paired, Unpaired
from ztflow.pair import Decided, LegacyPairer, Pairer
from ztflow.place import Inventory, Topology, place_flows
from ztflow.place.names import says_gateway
from ztflow.place.open_flows import OpenFlows
from ztflow.read import ReadBatch, ReadReport
from ztflow.runs import Runs
from ztflow.session.crowds import pair_crowd
from ztflow.spill import EndOrder, LogOrder

if TYPE_CHECKING:
    from ztflow.aggregate.requests import RequestSums

LIVE_WINDOW = timedelta(seconds=1)
"""How far the nodes' streams may lag behind each other when following: what stern and the kubelet take at most."""

_ZTUNNEL = "ztunnel-"
"""How the names of a DaemonSet's pods begin that Istio's charts make."""

_WRITERS_KEPT = 10_000
"""Writers that are counted; more ztunnels has no mesh."""

_NOW_AND_THEN = 1 << 14
"""Rows between two looks at the memory in use."""

Tabular = TypeVar("Tabular", Flows, Halves)


class Pipeline(ABC, Generic[Tabular]):
    """What all sessions have: topology, owners, counts. Used in a `with` statement, which removes its files."""

    GOES_ON: ClassVar[bool] = False
    """Whether flows are placed before the input ends."""

    def __init__(self, inventory: Inventory | None, report: ReadReport | None, memory: Budget) -> None:
        self.report = ReadReport() if report is None else report
        self._memory = memory
        self._rows_since = 0
        self.topology = Topology(inventory, most=memory.ends, goes_on=self.GOES_ON)
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
        memory = self._memory
        return self._files.enter_context(
            LogOrder(limit=memory.halves, in_order=memory.in_order, portion=memory.portion)
        )

    def _return_freed(self, rows: int) -> None:
        """Now and then return what was freed to the system, if much of the bound is in use."""
        self._rows_since += rows
        if self._rows_since >= _NOW_AND_THEN:
            self._rows_since = 0
            keep_below(self._memory.bound)

    @abstractmethod
    def feed(self, batch: ReadBatch) -> Tabular:
        """Feed a batch; returns what is certain by now."""

    @abstractmethod
    def finish(self) -> Iterator[Tabular]:
        """Nothing more will come: the rest."""


class Session(Pipeline[Flows]):
    """The flows of finite input, in order of their end.

    Args:
        inventory: What `place.read_inventory` gave; None for none.
        report: Takes the counts.
        memory: What may be kept in memory, however large the input; more waits on disk.
    """

    def __init__(
        self, inventory: Inventory | None = None, *, report: ReadReport | None = None, memory: Budget = DEFAULT
    ) -> None:
        super().__init__(inventory, report, memory)
        self._pairer = Pairer(window=timedelta(0))
        self._legacy = LegacyPairer(wait=None)
        opened = inventory is not None and bool(inventory.connections)
        self._open = OpenFlows(inventory, self.topology.register) if inventory is not None and opened else None
        self._count(empty(Flows))

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch; gives no flows yet."""
        self._unplaced.hold(self._learn(batch))
        self._order.add(batch.halves.to_arrow())
        self._return_freed(len(batch.halves))
        return Flows()

    def finish(self) -> Iterator[Flows]:
        """All flows, in tables of bounded size; one at least, which may be empty."""
        self._unplaced.hold(self._legacy.finish())
        self._pairer.capacity = capacity(self._memory.pending, self._order.row)
        for table in self._everything():
            yield Flows(table, owners=self.owners, evicted=self._pairer.evicted)
            del table
        if self._open is not None and (left := self._open.table()).num_rows:
            yield self._placed_below(left)
            self.report.open_flows = left.num_rows
        self.report.open_settled = 0 if self._open is None else self._open.settled

    def _everything(self) -> Generator[pa.Table, None, None]:
        """All flows, placed, in order of their end.

        All on one thread: of what is done here so much holds Python's lock that a second one made it slower (the
        command with 1 M lines on two processors: 6.1 s, 7.5 of the processors, instead of 5.4 and 5.9).
        """
        give_back()  # what reading took
        for table in self._unplaced.finish():
            self._hold(table)
            del table
        self._pair_crowds()
        words = WordMemory()
        for found, settled in self._decided():
            while found:
                self._hold(found.pop(0).flows(words))
            if settled is not None:
                yield from self._ordered.before(settled)
        give_back()  # what pairing took
        for table in self._ordered.finish():
            yield table
            del table
            keep_below(self._memory.bound)  # while pairing goes on, that is done once for each portion of it

    def _decided(self) -> Generator[tuple[list[Decided], int | None], None, None]:
        """Flows as they are decided, with the time before which no further one ends; None with the last."""
        for halves, edge in self._order.portions():
            keep_below(self._memory.bound)
            found = self._pairer.decide(halves, edge)
            del halves
            keep_below(self._memory.bound)  # before the next ones are read
            yield found, None if edge is None else self._pairer.settled
            del found

    def _hold(self, table: pa.Table) -> None:
        """Place flows and hold them back until none that ends earlier can come."""
        self._ordered.hold(self._placed_below(table).to_arrow())

    def _placed_below(self, table: pa.Table) -> Flows:
        """Flows, placed and counted; what is freed on the way goes back before they are written."""
        keep_below(self._memory.bound)
        flows = self._placed(table)
        if self._open is not None:
            self._open.note(flows.to_arrow())
        keep_below(self._memory.bound)
        return flows

    def _pair_crowds(self) -> None:
        """Pair the halves of instants that have more than pairing can hold."""
        most = self._pairer.capacity
        runs = Runs("time", self._memory.portion)
        self._files.callback(runs.remove)
        for crowd in self._order.crowds(most):
            for flows in pair_crowd(crowd, self._pairer, runs, most):
                self._hold(flows)

    @cached_property
    def _unplaced(self) -> EndOrder:
        """Flows that need no pairing; where they are is known when all is read."""
        return self._end_order()

    @cached_property
    def _ordered(self) -> EndOrder:
        return self._end_order()

    def _end_order(self) -> EndOrder:
        return self._files.enter_context(EndOrder(limit=self._memory.flows, portion=self._memory.portion))

    def _learn(self, batch: ReadBatch) -> pa.Table:
        """Learn what a batch says besides its connections; flows of it that need no pairing.

        Those are of releases whose lines share a trace id, and saved ones. Placing them again fills only what is
        unknown, so a saved flow stays as it was unless an inventory knows more.
        """
        halves = batch.halves.to_arrow()
        count_levels(halves, self.report.written)
        self.topology.learn(batch.facts, halves)
        self._pairer.learn(batch.facts)
        flows = self._legacy.push(batch.facts)
        return flows if batch.flows is None else pa.concat_tables([flows, batch.flows])

    def _placed(self, *tables: pa.Table) -> Flows:
        """Flows, placed and counted."""
        flows = self._place(*tables)
        self._count(flows.to_arrow())
        return flows

    def _place(self, *tables: pa.Table) -> Flows:
        filled = [table for table in tables if table.num_rows]
        table = pa.concat_tables(filled).unify_dictionaries() if filled else None
        self.report.evicted, self.report.forgotten = self._pairer.evicted, self.topology.forgotten
        placed = None if table is None else place_flows(table, self.topology)
        return Flows(placed, owners=self.owners, evicted=self._pairer.evicted)

    def _count(self, flows: pa.Table) -> None:
        """Add flows to the counts."""
        report = self.report
        if flows.num_rows or report.paired_flows is None:  # else nothing changes, and a live log gives mostly none
            paired, ambiguous = self._counts(flows)
            report.paired_flows = (report.paired_flows or 0) + paired
            report.ambiguous_flows = (report.ambiguous_flows or 0) + ambiguous
            report.unpaired_halves = (report.unpaired_halves or 0) + lines_of(flows) - 2 * paired
            report.logs += logs_here(flows)
        report.logs.expected = unheard(self.topology)

    @staticmethod
    def _counts(flows: pa.Table) -> tuple[int, int]:
        """How many are paired, and how many of these are ambiguous."""
        found = pairings(flows)
        return sum(found[word] for word in BOTH_HALVES), found[Paired.AMBIGUOUS]


class LiveSession(Session):
    """Flows as soon as no line within the window can change them, placed by what is known then.

    Args:
        inventory: As for `Session`.
        window: How far the nodes' streams may lag behind each other. When nothing comes, log time goes on with the
            clock on the wall.
        report: Takes the counts.
        memory: What may be kept in memory.
    """

    GOES_ON = True

    def __init__(
        self,
        inventory: Inventory | None = None,
        *,
        window: timedelta = LIVE_WINDOW,
        report: ReadReport | None = None,
        memory: Budget = DEFAULT,
    ) -> None:
        super().__init__(inventory, report=report, memory=memory)
        self._pairer = Pairer(window=window, capacity=memory.waiting, addresses=memory.addresses)
        self._legacy = LegacyPairer()
        self._quiet_since = monotonic()
        self._requests: RequestSums | None = None

    def feed(self, batch: ReadBatch) -> Flows:
        """Take in a batch, or an empty one as a heartbeat; the flows that are certain by now."""
        self._add_requests(batch)
        old = self._learn(batch) if batch else empty(Flows)
        self._return_freed(len(batch.halves))
        return self._placed(self._pair(batch.halves.to_arrow(), self._quiet(batch)), old)

    def advance(self, quiet: timedelta) -> Flows:
        """Nothing came for a while; the flows that are certain by now."""
        return self._placed(self._pair(empty(Halves), quiet))

    def finish(self) -> Iterator[Flows]:
        """The flows of what is still pending."""
        self._tell_requests()
        yield self._placed(self._pairer.finish().to_arrow(), self._legacy.finish())

    def _add_requests(self, batch: ReadBatch) -> None:
        """Add up the requests of a waypoint's log: to join them, all flows would have to be kept."""
        if batch.requests is not None:
            if self._requests is None:
                from ztflow.aggregate.requests import RequestSums

                self._requests = RequestSums()
            self._requests.add(batch.requests)

    def _tell_requests(self) -> None:
        """Put the requests so far into the report."""
        if self._requests is not None:
            from ztflow.session.waypoint_logs import named

            self.report.requests = [named(self._requests.rows(), self.topology)]

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


def count_levels(halves: pa.Table, written: dict[Writer, Written]) -> None:
    """Count the access lines of a batch by writer and level into `written`.

    Cost: one grouping, some 20 ns a line.
    """
    if not halves.num_rows:
        return
    pods, files, levels = (coded(halves, name) for name in ("ztunnel_pod", "source_file", "level"))
    unnamed = np.where(pods.codes < 0, files.codes, -1)
    groups = group([pods.part, (unnamed, files.size)], halves.num_rows)
    refused = levels.mask(LogLevel.WARN) | levels.mask(LogLevel.ERROR)
    lines = np.bincount(groups.codes, minlength=len(groups))
    bad = np.bincount(groups.codes[refused], minlength=len(groups))
    first = np.full(len(groups), AFTER_ALL, np.int64)
    np.minimum.at(first, groups.codes, micros_of(halves.column("time"), AFTER_ALL))
    named = zip(pods.texts(groups.first), files.texts(groups.first), strict=True)
    for (pod, file), count, failed, time in zip(named, lines.tolist(), bad.tolist(), first.tolist(), strict=True):
        writer = pod, file if pod is None else None
        if writer in written or len(written) < _WRITERS_KEPT:
            one = written.setdefault(writer, Written())
            one.add(count - failed, failed, None if time == AFTER_ALL else time)


def logs_here(flows: pa.Table) -> LogsHere:
    """What some placed flows say.

    Cost: two groupings by node, some 20 ns a flow.
    """
    found, paired = LogsHere(), coded(flows, "paired")
    both = paired.known() & ~(paired.mask(Paired.OUTBOUND_ONLY) | paired.mask(Paired.INBOUND_ONLY))
    for column, alone in (("src_node", Paired.OUTBOUND_ONLY), ("dst_node", Paired.INBOUND_ONLY)):
        wrote, labels = both | paired.mask(alone), coded(flows, column)
        codes = np.unique(labels.codes[wrote])
        found.nodes.update(labels.words[code] for code in codes.tolist() if code >= 0)
        found.unplaced |= bool(len(codes)) and codes[0] < 0
    target, reason = coded(flows, "dst_node"), coded(flows, "unpaired_reason")
    alone_there = target.codes[reason.mask(Unpaired.DESTINATION_NOT_CAPTURED)]
    unheard_of = reason.mask(Unpaired.SOURCE_NOT_CAPTURED)
    if unheard_of.any():
        names_of, nodes = coded(flows, "src_name"), coded(flows, "src_node")
        gateways: BoolArray = np.array([*map(says_gateway, names_of.words), False], np.bool_)
        codes = np.unique(nodes.codes[unheard_of & ~gateways[names_of.codes]])
        found.sources.update(nodes.words[code] for code in codes.tolist() if code >= 0)
    names = [*target.words, None]
    for code, count in enumerate(np.bincount(alone_there + 1, minlength=1).tolist()):
        if count:
            found.awaited[names[code - 1]] += count
    return found


def unheard(topology: Topology) -> set[str]:
    """The nodes on which an inventory has a ztunnel, and none of them has written a line."""
    wrote = topology.ztunnels()
    running = [
        pod
        for (_, name), pods in topology.register.pods.items()
        if name.startswith(_ZTUNNEL)
        for pod in pods
        if pod.node is not None and not pod.over
    ]
    seen = {pod.node for pod in running if pod.name in wrote} | {node for node, _ in wrote.values()}
    return {pod.node for pod in running if pod.node is not None and pod.node not in seen}
