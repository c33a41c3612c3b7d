"""Halves that had no sure partner in time: whatever needs a longer look.

They are looked at once an epoch of log, so that a step costs nothing for those that wait long: close-by matching, hops
behind waypoints, cut connections, and at last the reasons of those that stay alone.
"""

from __future__ import annotations

import numpy as np

from ztflow.columns.dtypes import BEFORE_ALL, NO_TIME
from ztflow.model.vocabulary import Unpaired
from ztflow.pair.buffers import LEFT, MATCHED, OPEN, Past, Waiting
from ztflow.pair.clocks.by_epoch import EPOCH, ClockMemory
from ztflow.pair.features.basic import Outline
from ztflow.pair.output import AMBIGUOUS, EXACT, RELAXED, UNIQUE, Decided
from ztflow.pair.stages.isolated import FAR_ENDS
from ztflow.pair.stages.late_or_cut import REACH, pair_leftovers
from ztflow.pair.stages.nearby import CloseBy, frontier
from ztflow.pair.stages.unpaired_reasons import Knowledge
from ztflow.pair.stages.waypoint_hops import chain_hops

RECENT = FAR_ENDS + EPOCH
"""Microseconds: a matched half that ended so long before what was looked at is no evidence for a clock any more."""


class Backlog:
    """What waits long.

    Attributes:
        waiting: The halves.
    """

    def __init__(self, clocks: ClockMemory, knowledge: Knowledge) -> None:
        self.waiting = Waiting()
        self._clocks = clocks
        self._knowledge = knowledge
        self._close_by = CloseBy(self.waiting, clocks)
        self._frontier = BEFORE_ALL

    def look(self, young: Waiting, past: Past, horizon: int, decided: Decided, *, last: bool) -> None:
        """Take over what has grown too old for a sure partner, and decide what can be told by now.

        Args:
            young: The halves that came lately.
            past: Learns of what leaves them.
            horizon: Everything that ended before this time is at hand.
            decided: Takes down the decisions, about this table.
            last: Whether nothing more will come.
        """
        reached = frontier(horizon)
        if reached <= self._frontier and not last:
            return
        self._frontier = reached
        waiting = self.waiting
        around = Outline.concat([waiting.evidence.outline(slice(None)), young.evidence.outline(young.undecided)])
        grown = young.undecided & (young.evidence.time < reached)
        past.add(young.evidence.outline(grown).classes, young.evidence.time[grown])
        waiting.take_over(young, grown)
        waiting.sort()
        self._close_by.decide(reached, around, decided)
        self._hops(decided)
        self._leftovers(decided, horizon if last else horizon // EPOCH * EPOCH, last=last)

    def keep(self) -> None:
        """Drop halves that are in a flow and no evidence any more."""
        waiting = self.waiting
        recent = (waiting.status == MATCHED) & (waiting.evidence.time >= self._frontier - RECENT)
        waiting.keep(waiting.undecided | recent)

    def _hops(self, decided: Decided) -> None:
        """Chain clients' hops to a waypoint with the waypoint's hops; neither has a partner of its own."""
        waiting, ev = self.waiting, self.waiting.evidence
        left = waiting.status == LEFT
        hop_to = waiting.where(left & ev.outbound & ev.elsewhere)
        hop_from = waiting.where(left & ~ev.outbound & ~ev.early)
        if not len(hop_to) or not len(hop_from):
            return
        is_waypoint = self._knowledge.known("waypoint", ev.source[hop_from], ev.time[hop_from] + 2 * REACH)
        open_ = waiting.corrected[(waiting.status == OPEN) & (waiting.corrected != NO_TIME)]
        settled = min(self._close_by.settled, int(open_.min(initial=self._close_by.settled)))
        to, back = chain_hops(ev, waiting.corrected, hop_to, hop_from[is_waypoint], settled)
        if len(to):
            decided.alone(to, Unpaired.WAYPOINT_HOP, next_hop=back)
            decided.alone(back, Unpaired.WAYPOINT_SOURCE)

    def _leftovers(self, decided: Decided, horizon: int, *, last: bool) -> None:
        waiting, ev = self.waiting, self.waiting.evidence
        index = waiting.where(waiting.status == LEFT)
        if not len(index):
            return
        for late in pair_leftovers(ev, waiting.corrected, index, horizon):
            kind = RELAXED if not late.equal_sizes else UNIQUE if not late.alternatives else AMBIGUOUS
            proved = kind == UNIQUE and waiting.tunnel[late.outbound] == waiting.tunnel[late.inbound] != 0
            decided.pairs(
                np.array([late.outbound]),
                np.array([late.inbound]),
                EXACT if proved else kind,
                late.alternatives,
                1.0 if proved else late.confidence,
            )
        index = index[waiting.status[index] == LEFT]
        lone = index if last else index[ev.time[index] + 2 * REACH < horizon]
        if len(lone):
            reasons = self._knowledge.reasons(ev, lone, REACH)
            late_ones = waiting.late[lone].tolist()
            said = [Unpaired.LATE if is_late else r for r, is_late in zip(reasons, late_ones, strict=True)]
            decided.alone(lone, said)
