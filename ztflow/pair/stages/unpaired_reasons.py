"""Why a half has no partner: an answer from evidence, never a guess.

What can be missing and why: docs/reference/ztunnel-log.md#why-a-half-can-be-missing and #what-each-path-writes.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import NONE, codes_of, encoded, text_hashes
from ztflow.columns.dtypes import AFTER_ALL, NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.model.vocabulary import Unpaired
from ztflow.pair.features.basic import BasicFeatures
from ztflow.pair.features.full import FullFeatures
from ztflow.pair.reach import Reach

ADDRESSES_KEPT = 1 << 18
"""Addresses remembered in each role, at least half of it the latest: a cluster has 150,000 pods at most, by what
Kubernetes is made for (kubernetes.io/docs/setup/best-practices/cluster-large)."""

_NONE_SEEN: tuple[UIntArray, IntArray] = np.zeros(0, np.uint64), np.zeros(0, np.int64)


class SeenAddresses:
    """Which addresses were seen in which role, and since when by the log's time.

    Only what the log says up to twice `Reach.partner` after a half counts for that half, so the answer does not depend
    on how the input was cut. Past `most` addresses in a role those seen first are forgotten until they are seen
    again, so that a log of ever new addresses takes no more memory than that.

    Args:
        most: Addresses kept in each role, 16 bytes each.
    """

    def __init__(self, most: int = ADDRESSES_KEPT) -> None:
        self._most = most
        self._since: dict[str, tuple[UIntArray, IntArray]] = {}

    def __deepcopy__(self, memo: object) -> Self:
        """A copy that shares the arrays, which never change."""
        made = copy(self)
        vars(made).update(_since=dict(self._since))
        return made

    def learn(self, halves: pa.Table, features: BasicFeatures) -> None:
        """Learn from a batch of halves.

        Cost: a few passes over numpy arrays; Python once a distinct address.
        """
        timed = features.time != NO_TIME
        outbound = features.outbound & timed
        source, destination = encoded(halves.column("src_ip")), encoded(halves.column("dst_ip"))
        self._note("outbound_source", source, features.time, outbound)
        self._note("inbound_destination", destination, features.time, timed & ~features.outbound)
        if features.elsewhere.any():
            self._note("waypoint", destination, features.time, outbound & features.elsewhere)

    def absorb(self, other: SeenAddresses) -> None:
        """Learn what another one knows."""
        for role, (names, times) in other._since.items():
            known = self._since.get(role, _NONE_SEEN)
            self._since[role] = self._within_bound(*_joined(*known, names, times))

    def _note(self, role: str, addresses: pa.DictionaryArray, time: IntArray, mask: BoolArray) -> None:
        codes, when = codes_of(addresses)[mask], time[mask]
        named = codes != NONE
        if not named.all():
            codes, when = codes[named], when[named]
        if not len(codes):
            return
        here = np.zeros(len(addresses.dictionary), np.bool_)
        here[codes] = True
        seen = np.flatnonzero(here)
        hashes = text_hashes(addresses.dictionary.take(pa.array(seen)))
        names, times = self._since.get(role, _NONE_SEEN)
        news = np.ones(len(seen), np.bool_)
        if len(names):
            place = np.searchsorted(names, hashes).clip(max=len(names) - 1)
            news = (names[place] != hashes) | (times[place] > when.min())
        if not news.any():
            return
        first = np.full(len(here), AFTER_ALL)
        first[codes[::-1]] = when[::-1]  # of equal codes the first stays, which mostly is the earliest
        earlier = when < first[codes]
        np.minimum.at(first, codes[earlier], when[earlier])
        order = np.flatnonzero(news)[np.argsort(hashes[news])]
        self._since[role] = self._within_bound(*_joined(names, times, hashes[order], first[seen[order]]))

    def _within_bound(self, names: UIntArray, times: IntArray) -> tuple[UIntArray, IntArray]:
        if len(names) <= self._most:
            return names, times
        kept = times >= np.partition(times, len(times) - self._most // 2)[len(times) - self._most // 2]
        return names[kept], times[kept]

    def known(self, role: str, addresses: UIntArray, until: IntArray) -> BoolArray:
        """Whether each address was seen in that role by that time."""
        names, times = self._since.get(role, _NONE_SEEN)
        if not len(names):
            return np.zeros(len(addresses), np.bool_)
        place = np.searchsorted(names, addresses).clip(max=len(names) - 1)
        result: BoolArray = (names[place] == addresses) & (times[place] <= until)
        return result

    def other_side(self, features: FullFeatures, index: Index, until: IntArray) -> BoolArray:
        """Whether the end that is not local to each half has written a line as that end by that time."""
        outbound = features.outbound[index]
        found = np.where(outbound, self.known("inbound_destination", features.destination[index], until), False)
        found |= ~outbound & self.known("outbound_source", features.source[index], until)
        return found

    def reasons(self, features: FullFeatures, index: Index, reach: Reach) -> list[str]:
        """The reason of each half without partner."""
        part = features.take(index)
        until = part.time + 2 * reach.partner
        result = np.full(len(index), Unpaired.PARTNER_MISSING.value, dtype=object)
        nothing_moved = (part.request | part.response) == 0
        out = part.outbound
        result[out & ~self.known("inbound_destination", part.destination, until)] = Unpaired.DESTINATION_NOT_CAPTURED
        result[out & part.failed & nothing_moved & ~part.answered] = Unpaired.CONNECT_FAILED
        result[out & part.elsewhere & ~self.known("inbound_destination", part.destination, until)] = (
            Unpaired.WAYPOINT_HOP
        )
        result[~out & ~self.known("outbound_source", part.source, until)] = Unpaired.SOURCE_NOT_CAPTURED
        result[~out & self.known("waypoint", part.source, until)] = Unpaired.WAYPOINT_SOURCE
        result[~part.tunnelled] = Unpaired.PLAINTEXT
        result[part.early] = Unpaired.EARLY_DENIAL
        result[part.time == NO_TIME] = Unpaired.NO_TIME
        return [str(reason) for reason in result]


def _joined(names: UIntArray, times: IntArray, more: UIntArray, when: IntArray) -> tuple[UIntArray, IntArray]:
    """Addresses in order of their hash with others, also in order; of one in both, the earlier time."""
    place = np.searchsorted(names, more)
    there = place < len(names)
    there[there] = names[place[there]] == more[there]
    fresh = ~there
    held = place[there] + np.cumsum(np.bincount(place[fresh], minlength=len(names) + 1))[place[there]]
    times = np.insert(times, place[fresh], when[fresh])
    times[held] = np.minimum(times[held], when[there])
    return np.insert(names, place[fresh], more[fresh]), times
