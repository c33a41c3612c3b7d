"""Halves that ended close by and are not alone with their like: clock offsets, then the best assignment.

A half is looked at when the log has moved on so far that everything is known that ended within a second of it and that
the clocks' offsets are told from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ztflow.columns.dtypes import BEFORE_ALL, NO_TIME, Index
from ztflow.pair.assignment import segments
from ztflow.pair.assignment.matching import SURE, Segment, match_segments
from ztflow.pair.buffers import LEFT, OPEN, Waiting
from ztflow.pair.clocks.by_epoch import EPOCH, ClockMemory
from ztflow.pair.clocks.offsets import Offsets
from ztflow.pair.features.basic import Outline
from ztflow.pair.output import AMBIGUOUS, UNIQUE, Decided, alone_with_each_other
from ztflow.pair.stages.isolated import FAR_ENDS, FAR_GAP

SETTLE = FAR_GAP + FAR_ENDS
"""Microseconds after which it is known whether a half has a sure partner."""

TORN = 0.4
"""What confidence is worth in a segment that had to be cut where connections were under way: partners stand on the
other side, and a whole run may be shifted (simulated: 10 000 equal connections in a second)."""


def frontier(horizon: int) -> int:
    """Up to when halves can be looked at when everything before the horizon is known; a whole number of epochs."""
    return (horizon - SETTLE - FAR_ENDS) // EPOCH * EPOCH


class CloseBy:
    """Decides on what waits.

    Attributes:
        settled: What ended before this time, by corrected clocks, has been looked at.
    """

    def __init__(self, waiting: Waiting, clocks: ClockMemory) -> None:
        self._waiting = waiting
        self._clocks = clocks
        self._offsets = Offsets()
        self.settled = BEFORE_ALL

    def decide(self, frontier: int, around: Outline, decided: Decided) -> None:
        """Pair what can be told by now; who has no partner here is `LEFT`.

        Args:
            frontier: What ended before it is to be looked at; see `frontier`.
            around: All halves without a sure partner, those that end within `FAR_ENDS` after the frontier among them.
            decided: Takes down the pairs.
        """
        waiting, ev = self._waiting, self._waiting.evidence
        self.settled = frontier - self._offsets.largest() - EPOCH
        index = waiting.where(waiting.status == OPEN)
        if not len(index):
            return
        self._correct(index, around)
        settled = self.settled = frontier - self._offsets.largest() - EPOCH
        status, corrected, classes = waiting.status, waiting.corrected, ev.classes
        order = index[np.lexsort((corrected[index], classes[index]))]
        ranges = segments.whole(classes[order], corrected[order], settled)
        closed_parts: list[Index] = []
        for start, stop, closed in self._simple(order, ranges, decided):
            part, again = order[start:stop], order[:0]
            while first := segments.first_part(corrected[part], ev.outbound[part], settled):
                torn = len(again) > 0 or 2 * int(ev.outbound[part[:first]].sum()) != first
                self._match([part[:first]], decided, TORN if torn else 1.0)
                # Its partner may stand just behind the cut.
                near = corrected[part[:first]] >= corrected[part[first]] - segments.PAUSE
                again = part[:first][near & (status[part[:first]] == LEFT)][-segments.CARRIED :]
                status[again] = OPEN
                part = np.concatenate([again, part[first:]])
            if closed and len(again):
                self._match([part], decided, TORN)
            elif closed:
                closed_parts.append(part)
        self._match(closed_parts, decided)

    def _correct(self, index: Index, around: Outline) -> None:
        """Take the clocks' offsets off, epoch by epoch."""
        waiting, ev = self._waiting, self._waiting.evidence
        uncorrected = index[waiting.corrected[index] == NO_TIME]
        epoch_of = ev.time[uncorrected] // EPOCH
        for epoch in np.unique(epoch_of).tolist():
            self._offsets = self._clocks.offsets(epoch, around)
            here = uncorrected[epoch_of == epoch]
            waiting.corrected[here] = ev.time[here] - self._offsets.of(ev.ztunnel[here])

    def _simple(self, order: Index, ranges: segments.Ranges, decided: Decided) -> Iterator[tuple[int, int, bool]]:
        """Decide at one stroke the closed segments of one pair or of one side only; give back the others."""
        waiting, ev = self._waiting, self._waiting.evidence
        status = waiting.status
        size = ranges.stop - ranges.start
        outs = np.add.reduceat(ev.outbound[order].astype(np.int64), ranges.start) if len(order) else size
        one_sided = ranges.closed & ((outs == 0) | (outs == size))
        lonely = np.repeat(one_sided, size)
        status[order[lonely]] = LEFT
        couple = np.flatnonzero(ranges.closed & (size == 2) & (outs == 1))
        a, b = order[ranges.start[couple]], order[ranges.start[couple] + 1]
        out, inn = np.where(ev.outbound[a], a, b), np.where(ev.outbound[a], b, a)
        near = np.abs(waiting.corrected[out] - waiting.corrected[inn]) <= segments.TOGETHER
        status[out[~near]] = LEFT
        status[inn[~near]] = LEFT
        out, inn = out[near], inn[near]
        paired, confidence = alone_with_each_other(ev.moved(out), waiting.tunnel[out], waiting.tunnel[inn])
        decided.pairs(out, inn, paired, 0, confidence)
        rest = ~one_sided
        rest[couple] = False
        yield from zip(
            ranges.start[rest].tolist(), ranges.stop[rest].tolist(), ranges.closed[rest].tolist(), strict=True
        )

    def _match(self, parts: list[Index], decided: Decided, trust: float = 1.0) -> None:
        """Assign the halves of each segment; those without a partner become leftovers. Confidence times trust."""
        waiting, ev = self._waiting, self._waiting.evidence
        sides = [(part[ev.outbound[part]], part[~ev.outbound[part]]) for part in parts]
        for part in parts:
            waiting.status[part] = LEFT
        sides = [(out, inn) for out, inn in sides if len(out) and len(inn)]
        candidates = [self._segment(out, inn) for out, inn in sides]
        for (out, inn), match in zip(sides, match_segments(candidates), strict=True):
            confidence = match.confidence * trust
            paired = np.where(confidence >= SURE, UNIQUE, AMBIGUOUS)
            decided.pairs(out[match.outbound], inn[match.inbound], paired, match.alternatives, confidence)

    def _segment(self, out: Index, inn: Index) -> Segment:
        waiting, ev, time = self._waiting, self._waiting.evidence, self._waiting.corrected
        noted = waiting.noted[out]
        if (noted != NO_TIME).any():  # by the server's clock, like the inbound ends
            noted = np.where(noted == NO_TIME, NO_TIME, noted - (ev.time[inn[0]] - time[inn[0]]))
        given = self._clocks.given(int(ev.time[out[-1]]))
        usual = given.usual_delay(int(ev.ztunnel[out[0]]), int(ev.ztunnel[inn[0]]))
        return Segment(time[out], ev.duration[out], ev.port[out], time[inn], ev.duration[inn], noted, usual)
