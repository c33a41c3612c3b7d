"""Nearby halves: clock offsets, then the best assignment, for halves of one exact key that ended within a second.

A half is looked at when the log has moved on so far that everything is known that ended within `Reach.far_ends` of it
and that clock offsets are estimated from. Most segments are one pair, or of one side only, and are decided in bulk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import BEFORE_ALL, NO_TIME, BoolArray, FloatArray, Index, IntArray
from ztflow.pair.assignment import segments
from ztflow.pair.assignment.at_once import Side
from ztflow.pair.assignment.batches import with_room
from ztflow.pair.assignment.matching import match_dense, match_together
from ztflow.pair.buffers import OPEN, REMAINING, Unmatched
from ztflow.pair.clocks.by_epoch import OffsetsByEpoch
from ztflow.pair.clocks.offsets import Offsets
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.flow_table import AMBIGUOUS, UNIQUE
from ztflow.pair.hmm.figures import Segments
from ztflow.pair.output import DecisionRecorder
from ztflow.pair.parameters import PairingParameters
from ztflow.pair.stages.isolated import graded


class _Part(NamedTuple):
    """Halves of a segment that are matched together, in order of corrected end, and what their confidence is worth."""

    halves: Index
    trust: float


class NearbyStage:
    """Pairs unmatched halves with others that ended nearby.

    Attributes:
        settled: What ended before this time, by corrected clocks, has been looked at.
    """

    def __init__(self, unmatched: Unmatched, clocks: OffsetsByEpoch, parameters: PairingParameters) -> None:
        self._unmatched = unmatched
        self._clocks = clocks
        self._parameters = parameters
        self._offsets = Offsets()
        self.settled = BEFORE_ALL

    def decide(self, frontier: int, around: BasicFeatures, decided: DecisionRecorder) -> None:
        """Pair what can be decided by now; a half without a partner here is `REMAINING`.

        Args:
            frontier: What ended before it is to be looked at; see `Reach.frontier`.
            around: All halves without an isolated partner, among them those that end within `Reach.far_ends` after the
                frontier.
            decided: Records the pairs.
        """
        unmatched, features, reach = self._unmatched, self._unmatched.features, self._parameters.reach
        self.settled = frontier - self._offsets.largest() - reach.epoch
        index = unmatched.where(unmatched.status == OPEN)
        if not len(index):
            return
        self._correct(index, around)
        settled = self.settled = frontier - self._offsets.largest() - reach.epoch
        corrected, keys = unmatched.corrected, features.exact_key
        order = index[np.lexsort((corrected[index], keys[index]))]
        ranges = segments.whole(keys[order], corrected[order], settled, reach)
        ways = [
            self._cut(order[start:stop], settled, decided, closed=closed)
            for start, stop, closed in self._simple(order, ranges, decided)
        ]
        while ways:  # a part of each segment together, so that they are shared out to processors
            asked = [(way, part) for way in ways if (part := next(way, None)) is not None]
            ways = [way for way, _ in asked]
            self._match([part for _, part in asked], decided)

    def _cut(self, part: Index, settled: int, decided: DecisionRecorder, *, closed: bool) -> Iterator[_Part]:
        """What of a segment is to be matched, in turn: its front as long as it is too large, then all if it is closed.

        Each part is to be matched before the next is asked for. What is too dense is matched here.
        """
        cutting, reach = self._parameters.segments, self._parameters.reach
        if len(part) < min(cutting.dense, cutting.largest):
            if closed:
                yield _Part(part, 1.0)
            return
        status, outbound = self._unmatched.status, self._unmatched.features.outbound
        time = self._unmatched.corrected[part]
        dense = segments.DenseStretches(time, cutting)
        again, at = part[:0], 0
        while True:
            look = np.concatenate([again, part[at : at + cutting.largest + cutting.dense]])
            ends, out = self._unmatched.corrected[look], outbound[look]
            if stretch := dense.first(ends, at):
                first, end = stretch
                if end + cutting.dense_within >= settled:
                    break
                stop = int(np.searchsorted(time, end, side="right"))
                crowd = np.concatenate([look[first : len(again)], part[at + max(0, first - len(again)) : stop]])
                yield _Part(look[:first], self._trust(again, out[:first]))
                self._match_dense(crowd, decided)
                again, at = part[:0], stop
                continue
            first = segments.first_part(ends, out, settled - cutting.dense_within, cutting)
            if not first:
                break
            yield _Part(look[:first], self._trust(again, out[:first]))
            # A partner may be just behind the cut.
            near = ends[:first] >= ends[first] - reach.segment_pause
            at += first - len(again)
            again = look[:first][near & (status[look[:first]] == REMAINING)][-cutting.carried :]
            status[again] = OPEN
        if closed:
            yield _Part(np.concatenate([again, part[at:]]), cutting.torn if len(again) else 1.0)

    def _trust(self, again: Index, outbound: BoolArray) -> float:
        """What confidence is worth before a cut: connections may have been under way there, or at the cut before."""
        torn = len(again) > 0 or 2 * int(outbound.sum()) != len(outbound)
        return self._parameters.segments.torn if torn else 1.0

    def _correct(self, index: Index, around: BasicFeatures) -> None:
        """Subtract the clock offsets, epoch by epoch."""
        unmatched, features = self._unmatched, self._unmatched.features
        uncorrected = index[unmatched.corrected[index] == NO_TIME]
        epoch_of = features.time[uncorrected] // self._parameters.reach.epoch
        for epoch in np.unique(epoch_of).tolist():
            self._offsets = self._clocks.offsets(epoch, around)
            here = uncorrected[epoch_of == epoch]
            unmatched.corrected[here] = features.time[here] - self._offsets.of(features.ztunnel[here])

    def _simple(
        self, order: Index, ranges: segments.Ranges, decided: DecisionRecorder
    ) -> Iterator[tuple[int, int, bool]]:
        """Decide in bulk the closed segments of one pair or of one side only; give back the others."""
        unmatched, features = self._unmatched, self._unmatched.features
        status = unmatched.status
        size = ranges.stop - ranges.start
        outs = np.add.reduceat(features.outbound[order].astype(np.int64), ranges.start) if len(order) else size
        one_sided = ranges.closed & ((outs == 0) | (outs == size))
        status[order[np.repeat(one_sided, size)]] = REMAINING
        couple = np.flatnonzero(ranges.closed & (size == 2) & (outs == 1))
        a, b = order[ranges.start[couple]], order[ranges.start[couple] + 1]
        out, inn = np.where(features.outbound[a], a, b), np.where(features.outbound[a], b, a)
        near = np.abs(unmatched.corrected[out] - unmatched.corrected[inn]) <= self._parameters.reach.together
        status[out[~near]] = REMAINING
        status[inn[~near]] = REMAINING
        out, inn = out[near], inn[near]
        moved, tunnel = features.moved(out), unmatched.tunnel
        decided.pairs(out, inn, *graded(moved, tunnel[out], tunnel[inn], self._parameters.isolated))
        rest = ~one_sided
        rest[couple] = False
        yield from zip(
            ranges.start[rest].tolist(), ranges.stop[rest].tolist(), ranges.closed[rest].tolist(), strict=True
        )

    def _match(self, parts: list[_Part], decided: DecisionRecorder) -> None:
        """Assign the halves of each part; those without a partner are `REMAINING`."""
        part = np.concatenate([np.zeros(0, np.intp), *(one.halves for one in parts)])
        self._unmatched.status[part] = REMAINING
        outbound = self._unmatched.features.outbound[part]
        size = np.array([len(one.halves) for one in parts], np.int64)
        number = np.repeat(np.arange(len(parts)), size)
        outs = np.bincount(number[outbound], minlength=len(parts))
        both = (outs > 0) & (outs < size)
        if not both.any():
            return
        keep = both[number]
        part, outbound = part[keep], outbound[keep]
        out, inn = part[outbound], part[~outbound]
        segments = self._segments(out, inn, outs[both], (size - outs)[both])
        match = match_together(segments, self._parameters.matching, self._parameters.reach)
        trust = np.repeat([one.trust for one in parts], outs * both)[match.outbound]
        out, inn = out[match.outbound], inn[match.inbound]
        self._decide(out, inn, match.confidence * trust, match.alternatives, decided)

    def _match_dense(self, part: Index, decided: DecisionRecorder) -> None:
        """Assign halves that lie too dense for the order of their ends to say anything."""
        if sides := self._sides(part):
            out, inn = sides
            time, duration = self._unmatched.corrected, self._unmatched.features.duration
            ours, theirs = Side(time[out], duration[out]), Side(time[inn], duration[inn])
            match = match_dense(ours, theirs, self._parameters.matching, self._parameters.reach)
            self._decide(out[match.outbound], inn[match.inbound], match.confidence, match.alternatives, decided)

    def _sides(self, part: Index) -> tuple[Index, Index] | None:
        """Outbound and inbound halves, all `REMAINING` for now; None where all are of one side."""
        outbound = self._unmatched.features.outbound[part]
        self._unmatched.status[part] = REMAINING
        return (part[outbound], part[~outbound]) if outbound.any() and not outbound.all() else None

    def _decide(
        self, out: Index, inn: Index, confidence: FloatArray, alternatives: IntArray, decided: DecisionRecorder
    ) -> None:
        paired = np.where(confidence >= self._parameters.matching.unique, UNIQUE, AMBIGUOUS)
        decided.pairs(out, inn, paired, confidence, alternatives)

    def _segments(self, out: Index, inn: Index, outs: IntArray, ins: IntArray) -> Segments:
        """Halves, segment after segment, with how many of each side each has."""
        unmatched, features, time = self._unmatched, self._unmatched.features, self._unmatched.corrected
        out_first, in_first = (np.concatenate([[0], np.cumsum(sizes)]) for sizes in (outs, ins))
        first_out, last_out, first_in = out[out_first[:-1]], out[out_first[1:] - 1], inn[in_first[:-1]]
        noted = unmatched.noted[out]
        if (noted != NO_TIME).any():  # by the server's clock, like the inbound ends
            offset = np.repeat(features.time[first_in] - time[first_in], outs)
            noted = np.where(noted == NO_TIME, NO_TIME, noted - offset)
        epoch, usual = features.time[last_out] // self._parameters.reach.epoch, np.empty(len(outs))
        for one in np.unique(epoch).tolist():
            here = epoch == one
            given = self._clocks.given(one * self._parameters.reach.epoch)
            usual[here] = given.usual_delay(features.ztunnel[first_out[here]], features.ztunnel[first_in[here]])
        return with_room(
            out_first, in_first, time[out], features.duration[out], features.port[out], noted, time[inn],
            features.duration[inn], usual,
        )  # fmt: skip
