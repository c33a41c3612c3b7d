"""Exact evidence, which proves a pair: a trace id on both lines, or a debug line that names the connection's tunnel.

See docs/reference/ztunnel-log.md#identifiers.

The server's ztunnel prints the CONNECT request with the client's own ip:port and the tunnel it came on (≥ 1.24.2
at debug level). An outbound half has the client's ip:port, an inbound half has the tunnel's. That does not name the
access line, but an isolated pair that came through that tunnel is proved. Among many
that are alike, the time of the request tells them apart: it is when the inbound half started.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import text_hash
from ztflow.columns.dtypes import NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.model.provenance import Fact
from ztflow.pair.features.basic import combine, hashes_of, mix, numbers
from ztflow.pair.features.full import FullFeatures

REQUEST: Final = "connect_request"
"""Kind of the facts that debug lines give."""
REQUESTS_KEPT: Final = 1_000_000
"""Requests remembered; beyond it the oldest go. One is noted when its connection starts and looked up when it ends."""


def traced_pairs(features: FullFeatures, index: Index) -> tuple[Index, Index]:
    """Outbound halves and their partners: those whose trace id is in just one half of either side.

    Args:
        features: All halves at hand.
        index: Those with a trace id that are in no flow, in canonical order.
    """
    index = index[np.lexsort((~features.outbound[index], features.trace[index]))]
    trace = features.trace[index]
    differs = trace[1:] != trace[:-1]
    starts, stops = np.concatenate([[True], differs]), np.concatenate([differs, [True]])
    first = np.flatnonzero(~differs)
    first = first[starts[first] & stops[first + 1]]
    out, inn = index[first], index[first + 1]
    whole = features.outbound[out] & ~features.outbound[inn]
    return out[whole], inn[whole]


def _hash(*parts: str | int | None) -> int | None:
    """What `combine` gives of the same texts and mixed numbers; None when one is missing."""
    if any(part is None for part in parts):
        return None
    arrays = [
        np.array([text_hash(part)], np.uint64) if isinstance(part, str) else mix(np.array([part], np.uint64))
        for part in parts
    ]
    return int(combine(arrays)[0])


class ConnectRequests:
    """Tunnel and time by connection, from the CONNECT requests that servers printed."""

    def __init__(self) -> None:
        self._tunnel: dict[int, tuple[int, int]] = {}

    def learn(self, facts: Iterable[Fact]) -> None:
        """Learn from facts of any kind."""
        for fact in facts:
            if fact.kind != REQUEST:
                continue
            said = fact.values
            asked = _hash(
                said.get("client_ip"), said.get("client_port"), said.get("hbone_host"), said.get("hbone_port")
            )
            tunnel = _hash(said.get("peer_ip"), said.get("peer_port"))
            if asked is not None and tunnel is not None:
                self._tunnel.pop(asked, None)
                self._tunnel[asked] = tunnel, NO_TIME if fact.time is None else fact.time
        for _ in range(len(self._tunnel) - REQUESTS_KEPT):
            del self._tunnel[next(iter(self._tunnel))]

    def look_up(self, halves: pa.Table, outbound: BoolArray) -> tuple[UIntArray, IntArray]:
        """What is known of each half's request.

        Returns:
            The tunnel: an inbound half's own, an outbound one's where its request was seen; else 0. And when the server
            saw the request of an outbound half, by the server's clock; else `NO_TIME`.
        """
        if not self._tunnel:
            return np.zeros(len(outbound), np.uint64), np.full(len(outbound), NO_TIME)
        address = [hashes_of(halves.column("src_ip")), mix(numbers(halves, "src_port").astype(np.uint64))]
        authority = [hashes_of(halves.column("hbone_host")), mix(numbers(halves, "hbone_port").astype(np.uint64))]
        asked = combine([*address, *authority])
        tunnel = combine(address)
        time = np.full(len(tunnel), NO_TIME)
        found = [self._tunnel.get(one, (0, NO_TIME)) for one in asked[outbound].tolist()]
        tunnel[outbound] = [name for name, _ in found]
        time[outbound] = [when for _, when in found]
        return tunnel, time
