"""Once per epoch of log time: runs the slower stages on the halves that are not isolated pairs.

In turn `nearby` (clock offsets and the best assignment), `waypoint_hops`, `plaintext_by_start`, `late_or_cut`, and at
last the `unpaired_reasons` of halves that get no partner. Between epochs a step costs nothing for halves that wait.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ztflow.columns.dtypes import BEFORE_ALL, NO_TIME, Index
from ztflow.model.vocabulary import Unpaired
from ztflow.pair.buffers import MATCHED, OPEN, REMAINING, MatchedHistory, Unmatched
from ztflow.pair.clocks.by_epoch import OffsetsByEpoch
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.flow_table import AMBIGUOUS, EXACT, RELAXED, UNIQUE
from ztflow.pair.output import DecisionRecorder
from ztflow.pair.parameters import PairingParameters
from ztflow.pair.stages.late_or_cut import pair_late_or_cut
from ztflow.pair.stages.nearby import NearbyStage
from ztflow.pair.stages.plaintext_by_start import pair_by_start
from ztflow.pair.stages.unpaired_reasons import SeenAddresses
from ztflow.pair.stages.waypoint_hops import chain_hops


class EpochStages:
    """The stages that run once an epoch, and the halves that wait for them.

    Attributes:
        unmatched: The halves.
    """

    def __init__(self, clocks: OffsetsByEpoch, seen: SeenAddresses, parameters: PairingParameters) -> None:
        self.unmatched = Unmatched()
        self._seen = seen
        self._parameters = parameters
        self._clocks = clocks
        self._frontier = BEFORE_ALL

    @cached_property
    def _nearby(self) -> NearbyStage:
        """Made with the first half that has to wait."""
        return NearbyStage(self.unmatched, self._clocks, self._parameters)

    def look(
        self, recent: Unmatched, history: MatchedHistory, watermark: int, decided: DecisionRecorder, *, last: bool
    ) -> None:
        """Take over halves too old for an isolated partner, and decide those that can be decided by now.

        Args:
            recent: The halves that came lately.
            history: Learns of what leaves them.
            watermark: Everything that ended before this time is at hand.
            decided: Records the decisions, about this table.
            last: Whether nothing more will come.
        """
        reach = self._parameters.reach
        reached = reach.frontier(watermark)
        if reached <= self._frontier and not last:
            return
        around = self.take_over(recent, history, reached)
        if around is None:
            return
        self.assign(reached, around, decided)
        self._hops(decided)
        self.decide_rest(decided, watermark if last else reach.before_epoch(watermark), watermark, last=last)

    def take_over(self, recent: Unmatched, history: MatchedHistory, reached: int) -> BasicFeatures | None:
        """Take over halves that ended before a time; all that have no isolated partner, None where none wait here."""
        self._frontier = reached
        unmatched = self.unmatched
        grown = recent.undecided & (recent.features.time < reached)
        if not unmatched.count and not grown.any():
            return None
        around = BasicFeatures.concat([unmatched.features.basic(slice(None)), recent.features.basic(recent.undecided)])
        history.add(recent.features.basic(grown).exact_key, recent.features.time[grown])
        unmatched.take_over(recent, grown)
        unmatched.sort()
        return around

    def assign(self, reached: int, around: BasicFeatures, decided: DecisionRecorder) -> None:
        """Pair halves with others nearby; `around` are all without an isolated partner."""
        self._nearby.decide(reached, around, decided)

    def decide_rest(self, decided: DecisionRecorder, looked_at: int, watermark: int, *, last: bool) -> None:
        """What comes behind the hops: plaintext by start, late or cut, and the reasons of what is given up."""
        self._plaintext(decided, watermark)
        self._late_or_cut(decided, looked_at, last=last)

    def keep(self) -> None:
        """Drop halves that are in a flow and no longer needed as evidence."""
        unmatched, oldest = self.unmatched, self._frontier - self._parameters.reach.recent
        recent = (unmatched.status == MATCHED) & (unmatched.features.time >= oldest)
        unmatched.keep(unmatched.undecided | recent)

    def _hops(self, decided: DecisionRecorder) -> None:
        """Chain clients' hops to a waypoint with the waypoint's hops; neither has a partner of its own."""
        unmatched, features = self.unmatched, self.unmatched.features
        hop_to, hop_from = self.remaining_hops()
        if not len(hop_to) or not len(hop_from):
            return
        open_ = unmatched.corrected[(unmatched.status == OPEN) & (unmatched.corrected != NO_TIME)]
        settled = min(self._nearby.settled, int(open_.min(initial=self._nearby.settled)))
        to, back = chain_hops(features, unmatched.corrected, hop_to, hop_from, settled, self._parameters)
        if len(to):
            decided.unpaired(to, Unpaired.WAYPOINT_HOP, next_hop=back)
            decided.unpaired(back, Unpaired.WAYPOINT_SOURCE)

    def remaining_hops(self) -> tuple[Index, Index]:
        """Places of the hops to a waypoint and from one that nothing nearby is a partner of, in canonical order."""
        unmatched, features = self.unmatched, self.unmatched.features
        remaining = unmatched.status == REMAINING
        hop_to = unmatched.where(remaining & features.outbound & features.elsewhere)
        hop_from = unmatched.where(remaining & ~features.outbound & features.tunnelled & ~features.early)
        until = features.time[hop_from] + 2 * self._parameters.reach.partner
        return hop_to, hop_from[self._seen.known("waypoint", features.source[hop_from], until)]

    def _plaintext(self, decided: DecisionRecorder, watermark: int) -> None:
        """Pair plaintext that was refused or cut; what is left of a cluster has no partner."""
        unmatched, features, reach = self.unmatched, self.unmatched.features, self._parameters.reach
        short = features.plain & (1000 * features.duration <= reach.partner)
        index = unmatched.where(short & (unmatched.status == REMAINING))
        if not len(index):
            return
        open_ = short & (unmatched.status == OPEN)
        since = unmatched.corrected[open_] - 1000 * features.duration[open_]
        settled = min(reach.for_starts(watermark), self._nearby.settled - reach.partner, *since.tolist())
        found = pair_by_start(features, unmatched.corrected, index, settled, self._parameters)
        kinds = np.where(found.equal, np.where(found.alternatives == 0, UNIQUE, AMBIGUOUS), RELAXED)
        decided.pairs(found.outbound, found.inbound, kinds, found.confidence, found.alternatives)
        self._give_up(decided, found.alone)

    def _late_or_cut(self, decided: DecisionRecorder, watermark: int, *, last: bool) -> None:
        """Pair late and cut halves; give the reason of those that are given up."""
        unmatched, features = self.unmatched, self.unmatched.features
        reach = self._parameters.reach
        index = unmatched.where(unmatched.status == REMAINING)
        if not len(index):
            return
        others = index[~features.plain[index] | (1000 * features.duration[index] > reach.partner)]
        parameters = self._parameters.late_or_cut
        for pair in pair_late_or_cut(features, unmatched.corrected, others, watermark, parameters, reach):
            kind = RELAXED if not pair.equal_sizes else UNIQUE if not pair.alternatives else AMBIGUOUS
            proved = kind == UNIQUE and unmatched.tunnel[pair.outbound] == unmatched.tunnel[pair.inbound] != 0
            decided.pairs(
                np.array([pair.outbound]),
                np.array([pair.inbound]),
                EXACT if proved else kind,
                1.0 if proved else pair.confidence,
                pair.alternatives,
            )
        index = index[unmatched.status[index] == REMAINING]
        self._give_up(decided, index if last else index[features.time[index] + 2 * reach.partner < watermark])

    def _give_up(self, decided: DecisionRecorder, index: Index) -> None:
        """Record that these have no partner, and why."""
        if len(index):
            reasons = self._seen.reasons(self.unmatched.features, index, self._parameters.reach)
            late = self.unmatched.late[index].tolist()
            told = [Unpaired.LATE if came_late else reason for reason, came_late in zip(reasons, late, strict=True)]
            decided.unpaired(index, told)
