"""`Pairer`: push halves, get flows. It moves the watermark and runs the stages in order.

The *watermark* is the newest line's time less the *allowed lateness*: everything that ended before it is at hand. All
that decides looks only at a bounded neighbourhood of a half in log time (`reach`), and is evaluated when the watermark
has passed that neighbourhood. So the flows are the same for any cut of the input and any order within the allowed
lateness. A step costs what is new and what is unmatched; of matched halves only exact key and time stay.
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
from ztflow.pair.buffers import GONE, AheadOfWatermark, MatchedHistory, Unmatched
from ztflow.pair.clocks.by_epoch import OffsetsByEpoch
from ztflow.pair.exact_evidence import ConnectRequests, traced_pairs
from ztflow.pair.features.basic import BasicFeatures, basic_features, hashes_of
from ztflow.pair.features.full import full_features
from ztflow.pair.flow_table import EXACT, Decided
from ztflow.pair.output import DecisionRecorder
from ztflow.pair.parameters import DEFAULTS, PairingParameters
from ztflow.pair.stages.isolated import find_isolated, graded
from ztflow.pair.stages.per_epoch import EpochStages
from ztflow.pair.stages.unpaired_reasons import ADDRESSES_KEPT, SeenAddresses

ALLOWED_LATENESS = timedelta(seconds=60)
"""How much later than its log time a line may come, unless the caller says otherwise."""
CAPACITY = 4_000_000
"""Halves kept in memory at most, some 900 bytes each; beyond it the oldest are given up and counted."""


class Pairer:
    """Joins the two halves of each connection.

    Args:
        window: Allowed lateness: how much later than its log time a line may arrive; how far the nodes' streams may lag
            behind each other. Decides when flows come out, not what they are.
        capacity: Bound on the halves kept in memory.
        parameters: The figures of the method, for benchmarks that try others.
        addresses: As for `SeenAddresses`.

    Attributes:
        capacity: As given; it may be changed at any time.
        evicted: Halves given up because of it.

    Every half pushed comes out exactly once, in a flow with its partner or unpaired with a reason. `push` returns what
    no later line can change, `finish` the rest. Rows come in order of `end` within one call.

    Cost: memory O(halves within the allowed lateness plus those of 75 s of log that have no partner); time O(n log n),
    and cubic only within segments of at most `SegmentParameters.largest` equal halves. Equal halves denser than two
    ztunnels can end, however many, are a few sorts.
    """

    def __init__(
        self,
        *,
        window: timedelta = ALLOWED_LATENESS,
        capacity: int = CAPACITY,
        parameters: PairingParameters = DEFAULTS,
        addresses: int = ADDRESSES_KEPT,
    ) -> None:
        if window < timedelta(0):
            raise UsageError(f"window must not be negative, got {window}")
        if capacity < 2:
            raise UsageError(f"capacity must be at least 2 halves, got {capacity}")
        self._lateness = window // timedelta(microseconds=1)
        self.capacity = capacity
        self._parameters = parameters
        self._reach = parameters.reach
        self._watermark = BEFORE_ALL
        self._ahead = AheadOfWatermark()
        self._recent = Unmatched()
        self._history = MatchedHistory()
        self._words = WordMemory()
        self._seen = SeenAddresses(addresses)
        self._clocks = OffsetsByEpoch(parameters.clocks, parameters.reach)
        self._requests = ConnectRequests()
        self._epoch_stages = EpochStages(self._clocks, self._seen, parameters)
        self.evicted = 0

    def learn(self, facts: Iterable[Fact]) -> None:
        """Learn from lines other than access lines, before the halves they are about."""
        self._requests.learn(facts)

    def foresee(self, halves: pa.Table) -> tuple[UIntArray, UIntArray]:
        """Learn the addresses of halves that are pushed later.

        Returns:
            A number that the two halves of a connection have in common, and one that they have if both count the same.
        """
        basic = basic_features(halves, self._words)
        self._seen.learn(halves, basic)
        trace = hashes_of(halves.column("trace_id"))
        return np.where(trace == 0, basic.blocking_key, trace), np.where(trace == 0, basic.exact_key, trace)

    def push(self, halves: Halves | pa.Table, *, before: int | None = None) -> Flows:
        """Take in a batch; give the flows that are decided by it.

        Args:
            halves: The batch.
            before: The watermark: no half that ended before this time (microseconds) is still to come. Without it, the
                newest time that came less the allowed lateness.
        """
        self._ahead.put(halves)
        return self._whole(self._step(self._ahead.newest - self._lateness if before is None else before))

    def decide(self, halves: pa.Table, before: int | None) -> list[Decided]:
        """What `push`, or without a time `finish`, gives, not built yet: each makes a table in order of `end`.

        For a caller who builds one after the other and puts them in order himself: a flow has more than 60 columns, and
        is copied once less.
        """
        self._ahead.put(halves)
        return self._last() if before is None else self._step(before)

    def advance(self, *, past: timedelta) -> Flows:
        """Treat the log as having moved on by `past` beyond the newest line: for a pipe that has gone quiet."""
        return self._whole(self._step(self._ahead.newest - self._lateness + past // timedelta(microseconds=1)))

    def _step(self, watermark: int) -> list[Decided]:
        """Run the stages when the log has moved on far enough, or when too many halves wait."""
        enough = watermark >= self._watermark + self._reach.step or self.pending > self.capacity
        return self._process(watermark) if enough and self._ahead.newest != NO_TIME else []

    def finish(self, last: Halves | pa.Table | None = None) -> Flows:
        """The flows of all halves that are still here, and of a last batch, which is cheaper than pushing it first."""
        if last is not None:
            self._ahead.put(last)
        return self._whole(self._last())

    def _last(self) -> list[Decided]:
        newest = 0 if self._ahead.newest == NO_TIME else self._ahead.newest
        return self._process(newest + 10 * self._reach.partner, last=True)

    def _whole(self, found: list[Decided]) -> Flows:
        return Flows(_by_end([one.flows(self._words) for one in found]), evicted=self.evicted)

    def fork(self) -> Self:
        """An independent copy in the same state; only the facts learned are shared by both.

        `fork().finish()` is what the input up to now would give. Cost: a copy of what is pending.
        """
        shared = (self._words, self._requests)
        return deepcopy(self, {id(one): one for one in shared})

    @property
    def watermark(self) -> int:
        """Time (microseconds) up to which everything was looked at; a half that ended before it comes late."""
        return self._watermark

    @property
    def pending(self) -> int:
        """Halves that are not in a flow yet."""
        return self._ahead.count + self._recent.count + self._epoch_stages.unmatched.count

    @property
    def settled(self) -> int:
        """Only late lines can still give a flow that ends before this time (microseconds)."""
        return min(
            int(unmatched.features.time[unmatched.undecided].min(initial=self._watermark))
            for unmatched in (self._recent, self._epoch_stages.unmatched)
        )

    def _process(self, watermark: int, *, last: bool = False) -> list[Decided]:
        """Run the stages on everything the watermark has passed."""
        watermark = max(watermark, self._watermark)
        crowded = self.pending > self.capacity
        recent, waiting = self._recent, self._epoch_stages.unmatched
        lately, at_last = DecisionRecorder(recent), DecisionRecorder(waiting)
        self._take_in(lately, self._ahead.passed(AFTER_ALL if last or crowded else watermark), watermark)
        self._epoch_stages.look(recent, self._history, watermark, at_last, last=last)
        if self.pending > self.capacity:
            for unmatched, decided in ((waiting, at_last), (recent, lately)):
                self._evict(unmatched, decided)
        found = [one for made in (at_last, lately) if len(one := made.decided())]
        recent.keep(recent.undecided)
        self._epoch_stages.keep()
        self._history.forget(watermark - self._reach.for_isolation)
        self._clocks.forget(watermark - self._reach.for_clocks)
        return found

    def _take_in(self, decided: DecisionRecorder, tables: list[pa.Table], watermark: int) -> None:
        """Halves the watermark has passed: isolated pairs go at once, the rest waits."""
        recent = self._recent
        new = recent.join(tables)
        basic = basic_features(new, self._words)
        self._seen.learn(new, basic)
        late = basic.time < self._watermark - self._reach.partner
        self._watermark = watermark
        tunnel, noted = self._requests.look_up(new, basic.outbound)

        def wait(index: Index) -> None:
            if len(index):
                features = full_features(new.take(pa.array(index)), self._words, basic.take(index))
                recent.add(index, features, late[index], tunnel[index], noted[index])

        plain = basic.pairable & new.column("trace_id").is_null().to_numpy()
        if not plain.all():
            wait(np.flatnonzero(~plain))
            recent.sort()
            self._without_partner(decided)
            self._by_trace(decided)
        fresh = np.flatnonzero(plain)
        taken = self._isolated(decided, basic if plain.all() else basic.take(fresh), fresh, tunnel[fresh])
        wait(fresh[~taken])
        self._plaintext_alone(decided)

    def _without_partner(self, decided: DecisionRecorder) -> None:
        """Dials that nothing took, and early denials that say too little to find their partner."""
        recent = self._recent
        index = np.flatnonzero(recent.undecided & ~recent.features.pairable)
        if len(index):
            decided.unpaired(index, self._seen.reasons(recent.features, index, self._reach))

    def _plaintext_alone(self, decided: DecisionRecorder) -> None:
        """Plaintext whose other end has written no line from that side by `Reach.settle` after: it is not captured.

        So traffic from and to outside the mesh does not wait as long as what may have a partner.
        """
        recent, features = self._recent, self._recent.features
        until = self._watermark - self._reach.settle
        index = np.flatnonzero(recent.undecided & features.plain & (features.time < until))
        if not len(index):
            return
        index = index[~self._seen.other_side(features, index, features.time[index] + self._reach.settle)]
        if len(index):
            decided.unpaired(index, Unpaired.PLAINTEXT)
            self._history.add(features.basic(index).exact_key, features.time[index])

    def _by_trace(self, decided: DecisionRecorder) -> None:
        """Halves that carry the same trace id: exact."""
        recent, features = self._recent, self._recent.features
        index = recent.where(recent.undecided & (features.trace != 0))
        if len(index) > 1:
            out, inn = traced_pairs(features, index)
            decided.pairs(out, inn, EXACT, 1.0)
            self._clocks.remember(features, out, inn)
            both = np.concatenate([out, inn])
            self._history.add(features.basic(both).exact_key, features.time[both])

    def _isolated(self, decided: DecisionRecorder, fresh: BasicFeatures, row: Index, tunnel: UIntArray) -> BoolArray:
        """Isolated pairs among recent and fresh halves; which of the fresh ones are in one."""
        recent = self._recent
        held = np.flatnonzero(recent.features.pairable & recent.undecided)
        halves = BasicFeatures.concat([recent.features.basic(held), fresh])
        found = find_isolated(halves, halves.exact_key, self._history, self._watermark, self._reach)
        out, inn = found.outbound, found.inbound
        row, tunnel = np.concatenate([recent.row[held], row]), np.concatenate([recent.tunnel[held], tunnel])
        paired, confidence = graded(halves.moved(out), tunnel[out], tunnel[inn], self._parameters.isolated)
        decided.rows(row[out], row[inn], paired, confidence)
        self._clocks.remember(halves, out, inn)
        near = found.times >= self._watermark - self._reach.for_isolation
        self._history.add(found.keys[near], found.times[near])
        taken = np.zeros(len(halves), np.bool_)
        taken[out] = taken[inn] = True
        recent.status[held[taken[: len(held)]]] = GONE
        return taken[len(held) :]

    def _evict(self, unmatched: Unmatched, decided: DecisionRecorder) -> None:
        """Give up the oldest halves until half the capacity is free."""
        unmatched.sort()
        index = unmatched.where(unmatched.undecided)[: max(0, self.pending - self.capacity // 2)]
        decided.unpaired(index, Unpaired.EVICTED)
        self._history.add(unmatched.features.basic(index).exact_key, unmatched.features.time[index])
        self.evicted += len(index)


def _by_end(tables: list[pa.Table]) -> pa.Table | None:
    """Flows in order of their end, of tables that each are; those without a time last."""
    if len(tables) < 2:
        return tables[0] if tables else None
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    end = pc.fill_null(table.column("end").cast(pa.int64()), AFTER_ALL).to_numpy()
    return table.take(pa.array(time_order(end)))
