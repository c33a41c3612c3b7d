"""`Pairer`: push halves, get flows. One implementation for a file, a pipe and a partition.

Everything that decides looks only at a bounded neighbourhood of a half in log time, and is evaluated when the log has
moved on past that neighbourhood. So the flows are the same for any cut of the input and any order within the window.
A step costs what is new and what is undecided; of decided halves only class and time stay (`past`).

The stages, each with its page: trace ids (exact) → `sure` → clocks and `match` for what is left within a second →
`hops` behind waypoints → `leftovers` for cut connections → `reasons` for who stays alone; `requests` turns a pair that
a debug line proves into an exact one. `docs/explanation/pairing.md` tells it to people.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

import numpy as np
import pyarrow as pa

from ztflow.errors import UsageError
from ztflow.flows import Flows
from ztflow.halves import Halves
from ztflow.origin import Fact
from ztflow.pair.clock_memory import EPOCH, ClockMemory
from ztflow.pair.close_by import SETTLE, CloseBy
from ztflow.pair.coded import NONE, WordMemory
from ztflow.pair.decided import Decided, alone_with_each_other
from ztflow.pair.evidence import canonical_order, gather
from ztflow.pair.hops import chain_hops
from ztflow.pair.join import AMBIGUOUS, EXACT, RELAXED, UNIQUE, Decisions, build_flows
from ztflow.pair.leftovers import REACH, pair_leftovers
from ztflow.pair.outline import (
    NO_TIME,
    BoolArray,
    FloatArray,
    Index,
    IntArray,
    Outline,
    UIntArray,
    numbers_of_time,
    outline_of,
)
from ztflow.pair.past import Past
from ztflow.pair.reasons import Knowledge, Unpaired
from ztflow.pair.requests import Requests
from ztflow.pair.staged import Staged
from ztflow.pair.sure import FAR_ENDS, FRESH_PAST, find_sure
from ztflow.pair.traces import traced_pairs
from ztflow.pair.waiting import GONE, LEFT, MATCHED, OPEN, Waiting

WINDOW = timedelta(seconds=60)
"""How much later than its log time a line may come, unless the caller says otherwise."""
CAPACITY = 4_000_000
"""Halves kept in memory at most (about 300 bytes each); beyond it the oldest are given up and counted."""
STEP = 50_000
"""Microseconds of log that are worth a step; a live pipe of small batches is worked off in such portions."""
FOR_CLOCKS = SETTLE + 2 * FAR_ENDS + 2 * EPOCH
"""A matched half this much older than the horizon is no evidence for a clock any more."""
FOR_SURE = FOR_CLOCKS + FRESH_PAST
"""An end this much older than the horizon is nobody's neighbour any more."""

_BEFORE = -(2**62)
_AFTER = 2**62


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
        self._waiting = Waiting()
        self._past = Past()
        self._words = WordMemory()
        self._horizon = _BEFORE
        self._knowledge = Knowledge()
        self._clocks = ClockMemory()
        self._requests = Requests()
        self._close_by = CloseBy(self._waiting, self._clocks)
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

    @property
    def pending(self) -> int:
        """Halves that are not in a flow yet."""
        return self._staged.count + self._waiting.count

    @property
    def settled(self) -> int:
        """No flow that ends before this time (microseconds) is still to come, but from lines that come late."""
        waiting = self._waiting
        return min(self._horizon, int(waiting.evidence.time[waiting.undecided].min(initial=self._horizon)))

    def _process(self, horizon: int, *, last: bool = False) -> Flows:
        horizon = max(horizon, self._horizon)
        crowded = self.pending > self._capacity
        decided = Decided()
        self._take_in(decided, self._staged.passed(_AFTER if last or crowded else horizon), horizon)
        self._close_by.decide(horizon, partial(self._pair, decided))
        self._hops(decided)
        self._leftovers(decided, horizon, last=last)
        if self.pending > self._capacity:
            self._evict(decided)
        result = decided.decisions()
        flows = Flows(evicted=self.evicted) if result is None else self._build(result)
        self._forget(horizon)
        return flows

    def _take_in(self, decided: Decided, tables: list[pa.Table], horizon: int) -> None:
        """What comes from behind the horizon: sure pairs go at once, the rest waits."""
        waiting = self._waiting
        new = waiting.join(tables)
        outline = outline_of(new, self._words)
        self._knowledge.learn(new, outline)
        late = outline.time < self._horizon - REACH
        self._horizon = horizon
        tunnel, noted = self._requests.look_up(new, outline.outbound)

        def wait(index: Index) -> None:
            if len(index):
                evidence = gather(new.take(pa.array(index)), self._words, outline.take(index))
                waiting.add(index, evidence, late[index], tunnel[index], noted[index])

        plain = outline.pairable & new.column("trace_id").is_null().to_numpy()
        if not plain.all():
            wait(np.flatnonzero(~plain))
            waiting.sort()
            self._at_once(decided)
            self._by_trace(decided)
        fresh = np.flatnonzero(plain)
        taken = self._sure(decided, outline if plain.all() else outline.take(fresh), fresh, tunnel[fresh])
        wait(fresh[~taken])
        waiting.sort()

    def _at_once(self, decided: Decided) -> None:
        """Lines that have no partner by their nature."""
        waiting = self._waiting
        index = np.flatnonzero((waiting.status == OPEN) & ~waiting.evidence.pairable)
        if len(index):
            self._alone(decided, index, self._knowledge.reasons(waiting.evidence, index, REACH))
            waiting.status[index] = GONE

    def _by_trace(self, decided: Decided) -> None:
        """Halves that carry the same trace id: exact."""
        waiting, ev = self._waiting, self._waiting.evidence
        index = waiting.where((waiting.status == OPEN) & (ev.trace != 0))
        if len(index) < 2:
            return
        out, inn = traced_pairs(ev, index)
        self._pair(decided, out, inn, EXACT, 0, 1.0)
        self._clocks.remember(ev, out, inn)
        for side in (out, inn):
            waiting.status[side] = GONE

    def _sure(self, decided: Decided, fresh: Outline, row: Index, tunnel: UIntArray) -> BoolArray:
        """Sure pairs among what waits and what is fresh; which of the fresh ones are in one."""
        waiting = self._waiting
        held = np.flatnonzero(waiting.evidence.pairable & waiting.undecided)
        halves = Outline.concat([waiting.evidence.outline(held), fresh])
        classes = halves.classes
        sure = find_sure(halves, classes, self._past, self._horizon)
        open_ = np.ones(len(halves), np.bool_)
        open_[: len(held)] = waiting.status[held] == OPEN
        both = open_[sure.outbound] & open_[sure.inbound]
        out, inn = sure.outbound[both], sure.inbound[both]
        row, tunnel = np.concatenate([waiting.row[held], row]), np.concatenate([waiting.tunnel[held], tunnel])
        paired, confidence = alone_with_each_other(halves.moved(out), tunnel[out], tunnel[inn])
        decided.pairs(row[out], row[inn], paired, 0, confidence)
        self._clocks.remember(halves, out, inn)
        taken = np.zeros(len(halves), np.bool_)
        taken[out] = taken[inn] = True
        self._remember(classes, halves.time, taken)
        waiting.status[held[taken[: len(held)]]] = GONE
        return taken[len(held) :]

    def _remember(self, classes: UIntArray, time: IntArray, which: BoolArray) -> None:
        """Of halves that go, what they mean to those that stay."""
        which = which & (time >= self._horizon - FOR_SURE)
        self._past.add(classes[which], time[which])

    def _pair(
        self,
        decided: Decided,
        out: Index,
        inn: Index,
        paired: int | IntArray,
        alternatives: int | IntArray,
        confidence: float | FloatArray,
    ) -> None:
        """Decide on pairs of halves that waited."""
        waiting, ev = self._waiting, self._waiting.evidence
        decided.pairs(waiting.row[out], waiting.row[inn], paired, alternatives, confidence)
        both = np.concatenate([out, inn])
        waiting.status[both] = MATCHED
        self._past.add(ev.outline(both).classes, ev.time[both])

    def _alone(
        self, decided: Decided, index: Index, reasons: str | list[str], *, next_hop: Index | None = None
    ) -> None:
        """Decide on halves that waited and stay alone; `next_hop` is the place of the hop that follows each."""
        waiting, ev = self._waiting, self._waiting.evidence
        hop = None if next_hop is None else waiting.row[next_hop]
        decided.alone(waiting.row[index], ev.outbound[index], reasons, next_hop=hop)
        waiting.status[index] = MATCHED
        self._past.add(ev.outline(index).classes, ev.time[index])

    def _hops(self, decided: Decided) -> None:
        """Chain clients' hops to a waypoint with the waypoint's hops; neither has a partner of its own."""
        waiting, ev = self._waiting, self._waiting.evidence
        left = waiting.status == LEFT
        hop_to = waiting.where(left & ev.outbound & ev.elsewhere)
        hop_from = waiting.where(left & ~ev.outbound)
        if not len(hop_to) or not len(hop_from):
            return
        is_waypoint = self._knowledge.known("waypoint", ev.source[hop_from], ev.time[hop_from] + 2 * REACH)
        open_ = waiting.corrected[(waiting.status == OPEN) & (waiting.corrected != NO_TIME)]
        settled = min(self._close_by.settled, int(open_.min(initial=self._close_by.settled)))
        to, back = chain_hops(ev, waiting.corrected, hop_to, hop_from[is_waypoint], settled)
        if len(to):
            self._alone(decided, to, Unpaired.WAYPOINT_HOP, next_hop=back)
            self._alone(decided, back, Unpaired.WAYPOINT_SOURCE)

    def _leftovers(self, decided: Decided, horizon: int, *, last: bool) -> None:
        waiting, ev = self._waiting, self._waiting.evidence
        index = waiting.where(waiting.status == LEFT)
        if not len(index):
            return
        for late in pair_leftovers(ev, waiting.corrected, index, horizon):
            out, inn = np.array([late.outbound]), np.array([late.inbound])
            kind = RELAXED if not late.equal_sizes else UNIQUE if not late.alternatives else AMBIGUOUS
            proved = kind == UNIQUE and waiting.tunnel[late.outbound] == waiting.tunnel[late.inbound] != 0
            self._pair(
                decided, out, inn, EXACT if proved else kind, late.alternatives, 1.0 if proved else late.confidence
            )
        index = index[waiting.status[index] == LEFT]
        lone = index if last else index[ev.time[index] + 2 * REACH < horizon]
        if len(lone):
            reasons = self._knowledge.reasons(ev, lone, REACH)
            late_ones = waiting.late[lone].tolist()
            said = [Unpaired.LATE if is_late else r for r, is_late in zip(reasons, late_ones, strict=True)]
            self._alone(decided, lone, said)

    def _evict(self, decided: Decided) -> None:
        """Give up the oldest halves until half the capacity is free."""
        index = self._waiting.where(self._waiting.undecided)
        index = index[: len(index) - self._capacity // 2]
        self._alone(decided, index, Unpaired.EVICTED)
        self.evicted += len(index)

    def _build(self, decisions: Decisions) -> Flows:
        """The flows in order of their end, ties canonically; flows without a time last."""
        table = self._waiting.table
        told_by = np.where(decisions.outbound == NONE, decisions.inbound, decisions.outbound)
        end = numbers_of_time(table)[told_by]
        order = canonical_order(np.where(end == NO_TIME, _AFTER, end), told_by, table)
        return Flows(build_flows(table, decisions.take(order), self._words), evicted=self.evicted)

    def _forget(self, horizon: int) -> None:
        """Drop halves that are in a flow and too old to matter to others."""
        waiting = self._waiting
        recent = (waiting.status == MATCHED) & (waiting.evidence.time >= horizon - FOR_CLOCKS)
        waiting.keep(waiting.undecided | recent)
        self._past.forget(horizon - FOR_SURE)
        self._clocks.forget(horizon - FOR_CLOCKS)
