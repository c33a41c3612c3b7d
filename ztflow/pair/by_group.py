"""`GroupPairer`: the stages of `Pairer` for the halves of some groups, with a stop wherever others' halves count.

Halves of different groups are never paired, so different processes can pair the groups of a capture. Four things
are known from all halves only, and are given between the steps: which addresses were seen in which role, the requests
that debug lines named, the clock offsets, and which hops of a waypoint are one chain.

    isolate    no partner by nature, trace ids, isolated pairs  → flows, and what this part knows of the clocks
    match      clock offsets of all, nearby halves              → hops that may be of one chain
    conclude   chains of all, plaintext, late or cut, reasons   → flows

What comes out is what one `Pairer` makes of all halves together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import WordMemory
from ztflow.columns.dtypes import AFTER_ALL, NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.model.table import empty
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Unpaired
from ztflow.pair.buffers import MatchedHistory
from ztflow.pair.clocks.offsets import Offsets
from ztflow.pair.clocks.shared import Evidence, OffsetsOfAll
from ztflow.pair.exact_evidence import ConnectRequests
from ztflow.pair.features.basic import BasicFeatures, basic_features, combine, hashes_of, mix
from ztflow.pair.features.full import FullFeatures, canonical_order
from ztflow.pair.output import DecisionRecorder
from ztflow.pair.pairer import Pairer
from ztflow.pair.stages.per_epoch import EpochStages
from ztflow.pair.stages.unpaired_reasons import SeenAddresses
from ztflow.pair.stages.waypoint_hops import chain_hops

_HALVES_AT_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class Hops:
    """Halves that may be of a chain through a waypoint.

    Attributes:
        place: Their places among the unmatched halves of their part.
        features: What is known of each.
        corrected: Its end with the clock offset taken off.
        halves: The access lines.
    """

    place: Index
    features: FullFeatures
    corrected: IntArray
    halves: pa.Table

    def parted(self, count: int) -> list[Hops]:
        """These in so many parts; hops that can be of one chain are in one of them, whichever part they came from."""
        if count == 1:
            return [self]
        where = np.where(self.features.outbound, self.features.destination, self.features.source)
        number = mix(combine([where, self.features.sizes])) % np.uint64(count)
        return [self._take(np.flatnonzero(number == one)) for one in range(count)]

    def _take(self, index: Index) -> Hops:
        return Hops(
            self.place[index], self.features.take(index), self.corrected[index], self.halves.take(pa.array(index))
        )


@dataclass(frozen=True, slots=True)
class Chained:
    """Hops of one part that are of a chain.

    Attributes:
        to: Places of hops to a waypoint.
        file: The input with the hop that follows each.
        line: And its line.
        back: Places of hops that follow one.
    """

    to: Index
    file: list[str]
    line: IntArray
    back: Index

    @classmethod
    def of(cls, parts: Sequence[Chained]) -> Chained:
        """Several as one."""
        return cls(
            np.concatenate([part.to for part in parts]),
            [file for part in parts for file in part.file],
            np.concatenate([part.line for part in parts]),
            np.concatenate([part.back for part in parts]),
        )


class GroupPairer(Pairer):
    """Pairs the halves of some groups in three steps.

    Args:
        seen: The addresses of all halves.
        requests: The requests of all debug lines.
    """

    def __init__(self, seen: SeenAddresses, requests: ConnectRequests) -> None:
        super().__init__(window=timedelta(0), capacity=_HALVES_AT_MOST)
        self._seen, self._requests = seen, requests
        self._clocks = self._shared = OffsetsOfAll(self._parameters.clocks, self._reach)
        self._epoch_stages = EpochStages(self._clocks, self._seen, self._parameters)
        self._at_last = DecisionRecorder(self._epoch_stages.unmatched)

    def isolate(self, halves: pa.Table) -> tuple[pa.Table, Evidence]:
        """Take in all halves; the flows that need no other part, and what is known of the clocks here."""
        self._ahead.put(halves)
        newest = 0 if self._ahead.newest == NO_TIME else self._ahead.newest
        recent, decided = self._recent, DecisionRecorder(self._recent)
        watermark = newest + 10 * self._reach.partner
        self._take_in(decided, self._ahead.passed(AFTER_ALL), watermark)
        around = self._epoch_stages.take_over(recent, self._history, self._reach.frontier(watermark))
        flows = decided.flows(self._words)
        recent.keep(recent.undecided)
        self._history, self._words = MatchedHistory(), WordMemory()  # what is behind this step, and is not small
        open_ = BasicFeatures.concat([recent.features.basic(slice(None))] if around is None else [around])
        return flows, Evidence(*self._shared.isolated(), open_)

    def match(self, offsets: Mapping[int, Offsets]) -> Hops:
        """Pair nearby halves by the clock offsets of all; the hops that are left."""
        self._shared.share(offsets)
        unmatched, stages = self._epoch_stages.unmatched, self._epoch_stages
        if unmatched.count:
            reached = self._reach.frontier(self._watermark)
            stages.assign(reached, unmatched.features.basic(slice(None)), self._at_last)
        place = np.concatenate(stages.remaining_hops())
        rows = unmatched.table.take(pa.array(unmatched.row[place]))
        return Hops(place, unmatched.features.take(place), unmatched.corrected[place], rows)

    def conclude(self, chained: Chained) -> pa.Table:
        """The flows of all halves that are still here."""
        unmatched, decided = self._epoch_stages.unmatched, self._at_last
        if not unmatched.features.time.size:
            return empty(Flows)
        if len(chained.to):
            decided.unpaired(chained.to, Unpaired.WAYPOINT_HOP)
        if len(chained.back):
            decided.unpaired(chained.back, Unpaired.WAYPOINT_SOURCE)
        self._epoch_stages.decide_rest(decided, self._watermark, self._watermark, last=True)
        flows = decided.flows(self._words)
        return _with_next(flows, unmatched.table, unmatched.row[chained.to], chained) if len(chained.to) else flows


def chains(parts: Sequence[Hops]) -> list[Chained]:
    """The chains among the hops of all parts; of each part those of its halves that are in one."""
    features = FullFeatures.concat([part.features for part in parts])
    corrected = np.concatenate([part.corrected for part in parts])
    halves = pa.concat_tables([part.halves for part in parts]).unify_dictionaries().combine_chunks()
    order = canonical_order(features.time, np.arange(len(features)), halves)
    outbound = features.outbound[order]
    to, back = order[outbound], order[~outbound]
    if len(to) and len(back):
        to, back = chain_hops(features, corrected, to, back, AFTER_ALL)
    else:
        to, back = to[:0], back[:0]
    file, line = (halves.column(name).take(pa.array(back)) for name in ("source_file", "line_number"))
    files, lines = file.to_pylist(), line.to_numpy().astype(np.int64)
    starts = np.cumsum([0, *(len(part.place) for part in parts)])
    found = []
    for part, start in zip(parts, starts.tolist(), strict=False):
        mine, theirs = (_within(index, start, len(part.place)) for index in (to, back))
        names = [files[one] for one in np.flatnonzero(mine).tolist()]
        found.append(Chained(part.place[to[mine] - start], names, lines[mine], part.place[back[theirs] - start]))
    return found


def _within(index: Index, start: int, count: int) -> BoolArray:
    result: BoolArray = (index >= start) & (index < start + count)
    return result


def _with_next(flows: pa.Table, halves: pa.Table, row: Index, chained: Chained) -> pa.Table:
    """Flows with the hop behind the waypoint filled in."""
    place = pa.array(row)
    keys = zip(
        halves.column("source_file").take(place).to_pylist(), halves.column("line_number").take(place).to_pylist(),
        chained.file, chained.line.tolist(), strict=True,
    )  # fmt: skip
    following = {(file, line): (next_file, next_line) for file, line, next_file, next_line in keys}
    files, lines = (flows.column(f"outbound_{name}").to_pylist() for name in ("file", "line"))
    found = [following.get(key, (None, None)) for key in zip(files, lines, strict=True)]
    for column, name in enumerate(("next_hop_file", "next_hop_line")):
        at = flows.schema.get_field_index(name)
        field = flows.schema.field(at)
        values = pa.array([one[column] for one in found], pa.string() if column == 0 else field.type)
        flows = flows.set_column(at, field, values.cast(field.type))
    return flows


def groups_of(halves: pa.Table) -> tuple[UIntArray, SeenAddresses]:
    """What parts halves: a number that all halves have that may be compared; and the addresses they tell of.

    Halves of one trace id are compared, too; nearly always they have one number.
    """
    basic, seen = basic_features(halves, WordMemory()), SeenAddresses()
    seen.learn(halves, basic)
    return basic.loose_key(hashes_of(halves.column("src_identity"))), seen
