"""`Pairer`: push halves, get flows. One implementation for a file, a pipe and a partition.

Everything that decides looks only at a bounded neighbourhood of a half in log time, and is evaluated when the log has
moved on past that neighbourhood. So the flows are the same for any cut of the input and any order within the window.

The stages, each with its page: trace ids (exact) → `sure` → clocks and `match` for what is left within a second →
`hops` behind waypoints → `leftovers` for cut connections → `reasons` for who stays alone; `requests` turns a pair that
a debug line proves into an exact one. `docs/explanation/pairing.md` tells it to people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.errors import UsageError
from ztflow.flows import Flows
from ztflow.halves import Halves
from ztflow.origin import Fact
from ztflow.pair import segments
from ztflow.pair.clock_memory import EPOCH, ClockMemory
from ztflow.pair.clocks import Offsets
from ztflow.pair.decided import Decided
from ztflow.pair.evidence import NO_TIME, Evidence, FloatArray, IntArray, canonical_order, gather
from ztflow.pair.hops import chain_hops
from ztflow.pair.join import NONE, Decisions, build_flows
from ztflow.pair.leftovers import REACH, pair_leftovers
from ztflow.pair.match import SURE, Segment, match_segments
from ztflow.pair.reasons import Knowledge, Unpaired
from ztflow.pair.requests import Requests
from ztflow.pair.sure import FAR_ENDS, FAR_GAP, FRESH_PAST, class_order, find_sure
from ztflow.tables import HALVES_SCHEMA

WINDOW = timedelta(seconds=60)
"""How much later than its log time a line may come, unless the caller says otherwise."""
CAPACITY = 4_000_000
"""Halves kept in memory at most (about 200 bytes each); beyond it the oldest are given up and counted."""
SETTLE = FAR_GAP + FAR_ENDS
"""After this much more log it is known whether a half has a sure partner."""
STEP = 50_000
"""Microseconds of log that are worth a step; a live pipe of small batches is worked off in such portions."""
ALONE_IN_CLASS = 0.9995
"""Confidence of a sure pair that moved bytes: what is left is a lost pair of halves that look alike."""
ALONE_EMPTY = 0.995
"""The same for a connection of no bytes."""

OPEN, MATCHED, LEFT, SURELY = 0, 1, 2, 3

Index = npt.NDArray[np.intp]
_BEFORE = -(2**62)


class Pairer:
    """Joins the two halves of each connection.

    Args:
        window: How much later than its log time a line may arrive; how far the nodes' streams may lag behind each
            other. Decides when flows come out, not what they are.
        capacity: Bound on the halves kept in memory.

    Every half pushed comes out exactly once, in a flow with its partner or alone with a reason. `push` returns what no
    later line can change, `finish` the rest. Rows come in order of `end` within one call.

    Cost: memory O(halves within the window plus 75 s of log); time O(n log n), and cubic only within segments of at
    most `segments.LARGEST` equal halves.
    """

    def __init__(self, *, window: timedelta = WINDOW, capacity: int = CAPACITY) -> None:
        if window < timedelta(0):
            raise UsageError(f"window must not be negative, got {window}")
        if capacity < 2:
            raise UsageError(f"capacity must be at least 2 halves, got {capacity}")
        self._window = window // timedelta(microseconds=1)
        self._capacity = capacity
        self._table = HALVES_SCHEMA.empty_table()
        self._evidence = gather(self._table)
        self._status = np.zeros(0, np.int8)
        self._corrected = np.zeros(0, np.int64)
        self._late = np.zeros(0, np.bool_)
        self._canonical = np.zeros(0, np.intp)
        self._incoming: list[pa.Table] = []
        self._newest = NO_TIME
        self._horizon = _BEFORE
        self._knowledge = Knowledge()
        self._clocks = ClockMemory()
        self._requests = Requests()
        self._tunnel = np.zeros(0, np.uint64)
        self._noted = np.zeros(0, np.int64)
        self._offsets = Offsets()
        self._settled = _BEFORE
        self.evicted = 0

    def learn(self, facts: Iterable[Fact]) -> None:
        """Take in what other lines said, before the halves they tell of."""
        self._requests.learn(facts)

    def push(self, halves: Halves | pa.Table) -> Flows:
        """Take in a batch; give the flows that are decided by it."""
        self._take_in(halves)
        return self._step(self._newest - self._window)

    def _take_in(self, halves: Halves | pa.Table) -> None:
        table = halves.to_arrow() if isinstance(halves, Halves) else halves
        if table.num_rows:
            self._incoming.append(table)
            newest = pc.max(table.column("time")).cast(pa.int64()).as_py()
            if newest is not None:
                self._newest = max(self._newest, newest)

    def advance(self, *, past: timedelta) -> Flows:
        """Treat the log as having moved on by `past` beyond the newest line: for a pipe that has gone quiet."""
        return self._step(self._newest - self._window + past // timedelta(microseconds=1))

    def _step(self, horizon: int) -> Flows:
        """Process when the log has moved on far enough to be worth it, or too much has come."""
        if self._newest == NO_TIME or (horizon < self._horizon + STEP and self.pending <= self._capacity):
            return Flows(evicted=self.evicted)
        return self._process(horizon)

    def finish(self, last: Halves | pa.Table | None = None) -> Flows:
        """The flows of all halves that are still here, and of a last batch, which is cheaper than pushing it first."""
        if last is not None:
            self._take_in(last)
        newest = 0 if self._newest == NO_TIME else self._newest
        return self._process(newest + 10 * REACH, last=True)

    @property
    def pending(self) -> int:
        """Halves that are not in a flow yet."""
        waiting = (self._status == OPEN) | (self._status == LEFT)
        return sum(int(table.num_rows) for table in self._incoming) + int(np.count_nonzero(waiting))

    @property
    def settled(self) -> int:
        """No flow that ends before this time (microseconds) is still to come, but from lines that come late."""
        waiting = (self._status == OPEN) | (self._status == LEFT)
        return min(self._horizon, int(self._evidence.time[waiting].min(initial=self._horizon)))

    def _process(self, horizon: int, *, last: bool = False) -> Flows:
        self._merge()
        horizon = max(horizon, self._horizon)
        self._horizon = horizon
        decided = Decided()
        self._at_once(decided)
        self._by_trace(decided)
        self._by_class(decided, horizon)
        self._by_time(decided, horizon)
        self._hops(decided)
        self._leftovers(decided, horizon, last=last)
        if self.pending > self._capacity:
            self._evict(decided)
        result = decided.decisions()
        flows = Flows(evicted=self.evicted) if result is None else self._build(result)
        self._forget(horizon)
        return flows

    def _merge(self) -> None:
        """Append what was pushed since the last step."""
        if not self._incoming:
            return
        new = pa.concat_tables(self._incoming).unify_dictionaries().combine_chunks()
        self._incoming = []
        evidence = gather(new)
        self._knowledge.learn(evidence)
        count = len(evidence)
        self._table = (
            pa.concat_tables([self._table, new]).unify_dictionaries().combine_chunks() if len(self._evidence) else new
        )
        self._evidence = Evidence.concat([self._evidence, evidence]) if len(self._evidence) else evidence
        self._status = np.concatenate([self._status, np.zeros(count, np.int8)])
        self._corrected = np.concatenate([self._corrected, np.full(count, NO_TIME)])
        self._late = np.concatenate([self._late, evidence.time < self._horizon - REACH])
        tunnel, noted = np.zeros(count, np.uint64), np.full(count, NO_TIME)
        if self._requests:
            tunnel, noted = self._requests.look_up(new, evidence.outbound)
        self._tunnel = np.concatenate([self._tunnel, tunnel])
        self._noted = np.concatenate([self._noted, noted])
        self._canonical = canonical_order(self._evidence, self._table)

    def _where(self, mask: npt.NDArray[np.bool_]) -> Index:
        """Indexes where a mask is true, in canonical order."""
        return self._canonical[mask[self._canonical]]

    def _at_once(self, decided: Decided) -> None:
        """Lines that have no partner by their nature."""
        ev = self._evidence
        index = np.flatnonzero((self._status == OPEN) & ~ev.pairable)
        if len(index):
            decided.alone(ev, index, self._knowledge.reasons(ev, index, REACH))
            self._status[index] = SURELY

    def _by_trace(self, decided: Decided) -> None:
        """Halves that carry the same trace id: exact."""
        ev = self._evidence
        index = self._where((self._status == OPEN) & (ev.trace != 0))
        if len(index) < 2:
            return
        index = index[np.lexsort((~ev.outbound[index], ev.trace[index]))]
        trace = ev.trace[index]
        first = np.flatnonzero(trace[1:] == trace[:-1])
        starts = np.concatenate([[True], trace[1:] != trace[:-1]])
        stops = np.concatenate([trace[1:] != trace[:-1], [True]])
        first = first[starts[first] & stops[first + 1]]
        out, inn = index[first], index[first + 1]
        whole = ev.outbound[out] & ~ev.outbound[inn]
        out, inn = out[whole], inn[whole]
        self._take(decided, out, inn, "exact", 0, 1.0, SURELY)
        self._clocks.remember(ev, out, inn)

    def _by_class(self, decided: Decided, horizon: int) -> None:
        ev = self._evidence
        sure = find_sure(ev, class_order(ev, self._canonical), horizon)
        # Once the log has moved past a half, what made it unsure may be forgotten: it does not become sure by that.
        undecided = (self._status == OPEN) & (self._corrected == NO_TIME)
        fresh = undecided[sure.outbound] & undecided[sure.inbound]
        out, inn = sure.outbound[fresh], sure.inbound[fresh]
        moved = (ev.request[out] | ev.response[out]) != 0
        self._take(decided, out, inn, "unique", 0, np.where(moved, ALONE_IN_CLASS, ALONE_EMPTY), SURELY)
        self._clocks.remember(ev, out, inn)

    def _take(
        self,
        decided: Decided,
        out: Index,
        inn: Index,
        paired: str,
        alternatives: int | IntArray,
        confidence: float | FloatArray,
        status: int,
    ) -> None:
        if len(out):
            proved = (self._tunnel[out] != 0) & (self._tunnel[out] == self._tunnel[inn]) & (paired == "unique")
            words = np.where(proved, "exact", paired).tolist() if proved.any() else paired
            decided.pairs(out, inn, words, alternatives, np.where(proved, 1.0, confidence))
            self._status[out] = status
            self._status[inn] = status

    def _by_time(self, decided: Decided, horizon: int) -> None:
        """Clock offsets, then the best assignment of what ended within a second of each other."""
        ev = self._evidence
        frontier = (horizon - SETTLE - FAR_ENDS) // EPOCH * EPOCH
        self._settled = frontier - self._offsets.largest() - EPOCH
        index = self._where((self._status == OPEN) & ev.pairable & (ev.time < frontier))
        if not len(index):
            return
        uncorrected = index[self._corrected[index] == NO_TIME]
        epochs = np.unique(ev.time[uncorrected] // EPOCH)
        for epoch in epochs.tolist():
            self._offsets = self._clocks.offsets(epoch, ev, ev.pairable & (self._status != SURELY))
            here = uncorrected[ev.time[uncorrected] // EPOCH == epoch]
            self._corrected[here] = ev.time[here] - self._offsets.of(ev.ztunnel[here])
        classes = ev.classes
        order = index[np.lexsort((self._corrected[index], classes[index]))]
        settled = self._settled = frontier - self._offsets.largest() - EPOCH
        ranges = segments.whole(classes[order], self._corrected[order], settled)
        closed_parts: list[Index] = []
        for start, stop, closed in self._simple(decided, order, ranges):
            part = order[start:stop]
            while first := segments.first_part(self._corrected[part], ev.outbound[part], settled):
                self._match(decided, [part[:first]])
                # Its partner may stand just behind the cut.
                near = self._corrected[part[:first]] >= self._corrected[part[first]] - segments.PAUSE
                again = part[:first][near & (self._status[part[:first]] == LEFT)][-segments.LOOK_BACK :]
                self._status[again] = OPEN
                part = np.concatenate([again, part[first:]])
            if closed:
                closed_parts.append(part)
        self._match(decided, closed_parts)

    def _simple(self, decided: Decided, order: Index, ranges: segments.Ranges) -> Iterator[tuple[int, int, bool]]:
        """Decide at one stroke the closed segments of one pair or of one side only; give back the others."""
        ev = self._evidence
        size = ranges.stop - ranges.start
        outs = np.add.reduceat(ev.outbound[order].astype(np.int64), ranges.start) if len(order) else size
        one_sided = ranges.closed & ((outs == 0) | (outs == size))
        lonely = np.repeat(one_sided, size)
        self._status[order[lonely]] = LEFT
        couple = np.flatnonzero(ranges.closed & (size == 2) & (outs == 1))
        a, b = order[ranges.start[couple]], order[ranges.start[couple] + 1]
        out, inn = np.where(ev.outbound[a], a, b), np.where(ev.outbound[a], b, a)
        moved = (ev.request[out] | ev.response[out]) != 0
        near = np.abs(self._corrected[out] - self._corrected[inn]) <= segments.TOGETHER
        self._status[out[~near]] = LEFT
        self._status[inn[~near]] = LEFT
        confidence = np.where(moved, ALONE_IN_CLASS, ALONE_EMPTY)[near]
        self._take(decided, out[near], inn[near], "unique", 0, confidence, MATCHED)
        rest = ~one_sided
        rest[couple] = False
        yield from zip(
            ranges.start[rest].tolist(), ranges.stop[rest].tolist(), ranges.closed[rest].tolist(), strict=True
        )

    def _match(self, decided: Decided, parts: list[Index]) -> None:
        """Assign the halves of each segment; those without a partner become leftovers."""
        ev = self._evidence
        sides = [(part[ev.outbound[part]], part[~ev.outbound[part]]) for part in parts]
        for part in parts:
            self._status[part] = LEFT
        sides = [(out, inn) for out, inn in sides if len(out) and len(inn)]
        time = self._corrected
        candidates = []
        for out, inn in sides:
            noted = self._noted[out]
            if (noted != NO_TIME).any():  # by the server's clock, like the inbound ends
                noted = np.where(noted == NO_TIME, NO_TIME, noted - (ev.time[inn[0]] - time[inn[0]]))
            usual = self._clocks.given(int(ev.time[out[-1]])).usual_delay(
                int(ev.ztunnel[out[0]]), int(ev.ztunnel[inn[0]])
            )
            candidates.append(
                Segment(time[out], ev.duration[out], ev.port[out], time[inn], ev.duration[inn], noted, usual)
            )
        for (all_out, all_in), match in zip(sides, match_segments(candidates), strict=True):
            out, inn = all_out[match.outbound], all_in[match.inbound]
            self._status[out] = MATCHED
            self._status[inn] = MATCHED
            paired = ["unique" if c >= SURE else "ambiguous" for c in match.confidence.tolist()]
            decided.pairs(out, inn, paired, match.alternatives, match.confidence)

    def _hops(self, decided: Decided) -> None:
        """Chain clients' hops to a waypoint with the waypoint's hops; neither has a partner of its own."""
        ev = self._evidence
        left = self._status == LEFT
        hop_to = self._where(left & ev.outbound & ev.elsewhere)
        hop_from = self._where(left & ~ev.outbound)
        if not len(hop_to) or not len(hop_from):
            return
        is_waypoint = self._knowledge.known("waypoint", ev.source[hop_from], ev.time[hop_from] + 2 * REACH)
        waiting = self._corrected[(self._status == OPEN) & (self._corrected != NO_TIME)]
        settled = min(self._settled, int(waiting.min(initial=self._settled)))
        to, back = chain_hops(ev, self._corrected, hop_to, hop_from[is_waypoint], settled)
        if len(to):
            decided.alone(ev, to, Unpaired.WAYPOINT_HOP, next_hop=back)
            decided.alone(ev, back, Unpaired.WAYPOINT_SOURCE)
            self._status[to] = MATCHED
            self._status[back] = MATCHED

    def _leftovers(self, decided: Decided, horizon: int, *, last: bool) -> None:
        ev = self._evidence
        index = self._where(self._status == LEFT)
        if not len(index):
            return
        for late in pair_leftovers(ev, self._corrected, index, horizon):
            out, inn = np.array([late.outbound]), np.array([late.inbound])
            kind = "relaxed" if not late.equal_sizes else "unique" if not late.alternatives else "ambiguous"
            self._take(decided, out, inn, kind, late.alternatives, late.confidence, MATCHED)
        index = index[self._status[index] == LEFT]
        lone = index if last else index[ev.time[index] + 2 * REACH < horizon]
        if len(lone):
            reasons = self._knowledge.reasons(ev, lone, REACH)
            late_ones = self._late[lone]
            decided.alone(
                ev,
                lone,
                [Unpaired.LATE if is_late else r for r, is_late in zip(reasons, late_ones.tolist(), strict=True)],
            )
            self._status[lone] = MATCHED

    def _evict(self, decided: Decided) -> None:
        """Give up the oldest halves until half the capacity is free."""
        index = self._where((self._status == OPEN) | (self._status == LEFT))
        index = index[: len(index) - self._capacity // 2]
        decided.alone(self._evidence, index, Unpaired.EVICTED)
        self._status[index] = MATCHED
        self.evicted += len(index)

    def _build(self, decisions: Decisions) -> Flows:
        """The flows in order of their end, ties canonically; flows without a time last."""
        rank = np.empty(len(self._canonical), np.int64)
        rank[self._canonical] = np.arange(len(rank))
        told_by = np.where(decisions.outbound == NONE, decisions.inbound, decisions.outbound)
        place = rank[told_by] + np.where(self._evidence.time[told_by] == NO_TIME, len(rank), 0)
        return Flows(build_flows(self._table, decisions.take(np.argsort(place))), evicted=self.evicted)

    def _forget(self, horizon: int) -> None:
        """Drop halves that are in a flow and too old to matter to others."""
        done = (self._status == MATCHED) | (self._status == SURELY)
        old = horizon - max(SETTLE + 2 * FAR_ENDS + 2 * EPOCH, FRESH_PAST + FAR_ENDS)
        gone = done & (self._evidence.time < old)
        if gone.sum() * 2 > len(gone):
            keep = np.flatnonzero(~gone)
            self._table = self._table.take(pa.array(keep)).combine_chunks()
            self._evidence = self._evidence.take(keep)
            self._status = self._status[keep]
            self._corrected = self._corrected[keep]
            self._late = self._late[keep]
            self._tunnel = self._tunnel[keep]
            self._noted = self._noted[keep]
            self._canonical = canonical_order(self._evidence, self._table)
        self._clocks.forget(old)
