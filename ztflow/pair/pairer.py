"""`Pairer`: push halves, get flows. One implementation for a file, a pipe and a partition.

Everything that decides looks only at a bounded neighbourhood of a half in log time, and is evaluated when the log has
moved on past that neighbourhood. So the flows are the same for any cut of the input and any order within the window.
A step costs what is new and what is undecided; of decided halves only class and time stay (`past`).

The stages, each with its page: trace ids (exact) → `sure`, in every step; in the `backlog`, once an epoch of log,
`close_by` with clocks and `match` for what is left within a second → `hops` behind waypoints → `leftovers` for cut
connections → `reasons` for who stays alone; `requests` turns a pair that a debug line proves into an exact one.
`docs/explanation/pairing.md` tells it to people.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import WordMemory
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL, NO_TIME, BoolArray, Index, UIntArray
from ztflow.columns.sorting import time_order
from ztflow.errors import UsageError
from ztflow.model.provenance import Fact
from ztflow.model.tables import Flows, Halves
from ztflow.model.vocabulary import Unpaired
from ztflow.pair.buffers import GONE, Past, Staged, Waiting
from ztflow.pair.clocks.by_epoch import EPOCH, ClockMemory
from ztflow.pair.exact_evidence import Requests, traced_pairs
from ztflow.pair.features.basic import Outline, outline_of
from ztflow.pair.features.full import gather
from ztflow.pair.output import EXACT, Decided, alone_with_each_other
from ztflow.pair.stages.isolated import FAR_ENDS, FRESH_PAST, find_sure
from ztflow.pair.stages.late_or_cut import REACH
from ztflow.pair.stages.nearby import SETTLE
from ztflow.pair.stages.per_epoch import RECENT, Backlog
from ztflow.pair.stages.unpaired_reasons import Knowledge

WINDOW = timedelta(seconds=60)
"""How much later than its log time a line may come, unless the caller says otherwise."""
CAPACITY = 4_000_000
"""Halves kept in memory at most (about 300 bytes each); beyond it the oldest are given up and counted."""
STEP = 50_000
"""Microseconds of log that are worth a step; a live pipe of small batches is worked off in such portions."""
FOR_CLOCKS = SETTLE + FAR_ENDS + EPOCH + RECENT
"""What ended this much before the horizon is not asked for by the clocks any more."""
FOR_SURE = FOR_CLOCKS + FRESH_PAST
"""An end this much older than the horizon is nobody's neighbour any more."""


class Pairer:
    """Joins the two halves of each connection.

    Args:
        window: How much later than its log time a line may arrive; how far the nodes' streams may lag behind each
            other. Decides when flows come out, not what they are.
        capacity: Bound on the halves kept in memory.

    Every half pushed comes out exactly once, in a flow with its partner or alone with a reason. `push` returns what no
    later line can change, `finish` the rest. Rows come in order of `end` within one call.

    Cost: memory O(halves within the window plus those of 75 s of log that have no partner); time O(n log n), and cubic
    only within segments of at most `segments.LARGEST` equal halves.
    """

    def __init__(self, *, window: timedelta = WINDOW, capacity: int = CAPACITY) -> None:
        if window < timedelta(0):
            raise UsageError(f"window must not be negative, got {window}")
        if capacity < 2:
            raise UsageError(f"capacity must be at least 2 halves, got {capacity}")
        self._window = window // timedelta(microseconds=1)
        self._capacity = capacity
        self._staged = Staged()
        self._young = Waiting()
        self._past = Past()
        self._words = WordMemory()
        self._horizon = BEFORE_ALL
        self._knowledge = Knowledge()
        self._clocks = ClockMemory()
        self._requests = Requests()
        self._backlog = Backlog(self._clocks, self._knowledge)
        self.evicted = 0

    def learn(self, facts: Iterable[Fact]) -> None:
        """Take in what other lines said, before the halves they tell of."""
        self._requests.learn(facts)

    def push(self, halves: Halves | pa.Table, *, before: int | None = None) -> Flows:
        """Take in a batch; give the flows that are decided by it.

        Args:
            halves: The batch.
            before: No half that ended before this time (microseconds) is still to come; the window says so if nobody
                knows better.
        """
        self._staged.put(halves)
        return self._step(self._staged.newest - self._window if before is None else before)

    def advance(self, *, past: timedelta) -> Flows:
        """Treat the log as having moved on by `past` beyond the newest line: for a pipe that has gone quiet."""
        return self._step(self._staged.newest - self._window + past // timedelta(microseconds=1))

    def _step(self, horizon: int) -> Flows:
        """Process when the log has moved on far enough to be worth it, or too much has come."""
        if self._staged.newest == NO_TIME or (horizon < self._horizon + STEP and self.pending <= self._capacity):
            return Flows(evicted=self.evicted)
        return self._process(horizon)

    def finish(self, last: Halves | pa.Table | None = None) -> Flows:
        """The flows of all halves that are still here, and of a last batch, which is cheaper than pushing it first."""
        if last is not None:
            self._staged.put(last)
        newest = 0 if self._staged.newest == NO_TIME else self._staged.newest
        return self._process(newest + 10 * REACH, last=True)

    def fork(self) -> Self:
        """A pairer in the same state that goes its own way; both keep learning from facts together.

        `fork().finish()` is what the input up to now would give. Cost: a copy of what is pending.
        """
        shared = (self._words, self._requests)
        return deepcopy(self, {id(one): one for one in shared})

    @property
    def horizon(self) -> int:
        """Whatever ended before this time (microseconds) has been looked at; a half from before it comes late."""
        return self._horizon

    @property
    def pending(self) -> int:
        """Halves that are not in a flow yet."""
        return self._staged.count + self._young.count + self._backlog.waiting.count

    @property
    def settled(self) -> int:
        """No flow that ends before this time (microseconds) is still to come, but from lines that come late."""
        return min(
            int(waiting.evidence.time[waiting.undecided].min(initial=self._horizon))
            for waiting in (self._young, self._backlog.waiting)
        )

    def _process(self, horizon: int, *, last: bool = False) -> Flows:
        horizon = max(horizon, self._horizon)
        crowded = self.pending > self._capacity
        lately, at_last = Decided(self._young), Decided(self._backlog.waiting)
        self._take_in(lately, self._staged.passed(AFTER_ALL if last or crowded else horizon), horizon)
        self._backlog.look(self._young, self._past, horizon, at_last, last=last)
        if self.pending > self._capacity:
            for waiting, decided in ((self._backlog.waiting, at_last), (self._young, lately)):
                self._evict(waiting, decided)
        tables = [table for made in (at_last, lately) if (table := made.flows(self._words)).num_rows]
        self._young.keep(self._young.undecided)
        self._backlog.keep()
        self._past.forget(horizon - FOR_SURE)
        self._clocks.forget(horizon - FOR_CLOCKS)
        return Flows(_by_end(tables), evicted=self.evicted)

    def _take_in(self, decided: Decided, tables: list[pa.Table], horizon: int) -> None:
        """What comes from behind the horizon: sure pairs go at once, the rest waits."""
        young = self._young
        new = young.join(tables)
        outline = outline_of(new, self._words)
        self._knowledge.learn(new, outline)
        late = outline.time < self._horizon - REACH
        self._horizon = horizon
        tunnel, noted = self._requests.look_up(new, outline.outbound)

        def wait(index: Index) -> None:
            if len(index):
                evidence = gather(new.take(pa.array(index)), self._words, outline.take(index))
                young.add(index, evidence, late[index], tunnel[index], noted[index])

        plain = outline.pairable & new.column("trace_id").is_null().to_numpy()
        if not plain.all():
            wait(np.flatnonzero(~plain))
            young.sort()
            self._at_once(decided)
            self._by_trace(decided)
        fresh = np.flatnonzero(plain)
        taken = self._sure(decided, outline if plain.all() else outline.take(fresh), fresh, tunnel[fresh])
        wait(fresh[~taken])

    def _at_once(self, decided: Decided) -> None:
        """Lines that have no partner by their nature; of early failures those `refused` knows no partner of."""
        young = self._young
        index = np.flatnonzero(young.undecided & ~young.evidence.pairable)
        if len(index):
            decided.alone(index, self._knowledge.reasons(young.evidence, index, REACH))

    def _by_trace(self, decided: Decided) -> None:
        """Halves that carry the same trace id: exact."""
        young, ev = self._young, self._young.evidence
        index = young.where(young.undecided & (ev.trace != 0))
        if len(index) > 1:
            out, inn = traced_pairs(ev, index)
            decided.pairs(out, inn, EXACT, 0, 1.0)
            self._clocks.remember(ev, out, inn)
            both = np.concatenate([out, inn])
            self._past.add(ev.outline(both).classes, ev.time[both])

    def _sure(self, decided: Decided, fresh: Outline, row: Index, tunnel: UIntArray) -> BoolArray:
        """Sure pairs among what waits and what is fresh; which of the fresh ones are in one."""
        young = self._young
        held = np.flatnonzero(young.evidence.pairable & young.undecided)
        halves = Outline.concat([young.evidence.outline(held), fresh])
        sure = find_sure(halves, halves.classes, self._past, self._horizon)
        out, inn = sure.outbound, sure.inbound
        row, tunnel = np.concatenate([young.row[held], row]), np.concatenate([young.tunnel[held], tunnel])
        paired, confidence = alone_with_each_other(halves.moved(out), tunnel[out], tunnel[inn])
        decided.rows(row[out], row[inn], paired, 0, confidence)
        self._clocks.remember(halves, out, inn)
        recent = sure.times >= self._horizon - FOR_SURE
        self._past.add(sure.classes[recent], sure.times[recent])
        taken = np.zeros(len(halves), np.bool_)
        taken[out] = taken[inn] = True
        young.status[held[taken[: len(held)]]] = GONE
        return taken[len(held) :]

    def _evict(self, waiting: Waiting, decided: Decided) -> None:
        """Give up the oldest halves until half the capacity is free."""
        waiting.sort()
        index = waiting.where(waiting.undecided)[: max(0, self.pending - self._capacity // 2)]
        decided.alone(index, Unpaired.EVICTED)
        self._past.add(waiting.evidence.outline(index).classes, waiting.evidence.time[index])
        self.evicted += len(index)


def _by_end(tables: list[pa.Table]) -> pa.Table | None:
    """Flows that are in order of their end, one table among the other; those without a time last."""
    if len(tables) < 2:
        return tables[0] if tables else None
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    end = pc.fill_null(table.column("end").cast(pa.int64()), AFTER_ALL).to_numpy()
    return table.take(pa.array(time_order(end)))
