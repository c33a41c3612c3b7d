"""Which connection to a server carries each request: pools as Envoy keeps them, one a server.

Source: Envoy's documentation, "Connection pooling": with HTTP/1.1 a connection carries one request at a time and the
one used last is taken first; with HTTP/2 all go over one, up to 100 at once.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.simulate.l7.settings import Http

_STREAMS: Final = 100


@dataclass(slots=True)
class Hops:
    """The waypoint's connections to servers, in order of their beginning.

    Attributes:
        server: Pod.
        opened: Seconds since the beginning.
        closed: Likewise.
        cut: Whether it ended in the midst of an answer.
        of: For each attempt, which of them carried it.
    """

    server: IntArray
    opened: FloatArray
    closed: FloatArray
    cut: BoolArray
    of: IntArray


@dataclass(slots=True)
class _Hop:
    server: int
    opened: float
    used: float
    alone: bool
    busy: int = 0
    carried: int = 0
    closed: float | None = None
    cut: bool = False


def pooled(
    http: Http, server: IntArray, http2: BoolArray, start: FloatArray, end: FloatArray, alone: BoolArray,
    cuts: BoolArray, until: float,
) -> Hops:  # fmt: skip
    """Assign attempts to connections.

    Args:
        http: When connections are closed.
        server: Pod each attempt goes to.
        http2: Whether the waypoint speaks HTTP/2 to it.
        start: When each attempt begins.
        end: When it ends.
        alone: Attempts with a connection of their own (plain TCP).
        cuts: Attempts that end their connection.
        until: When the waypoint is stopped, which closes what is open.

    Cost: some 3 µs an attempt.
    """
    hops: list[_Hop] = []
    of = np.zeros(len(server), np.int64)
    free: dict[int, list[int]] = {}
    running: list[tuple[float, int, bool]] = []

    def done(before: float) -> None:
        while running and running[0][0] <= before:
            moment, number, cut = heapq.heappop(running)
            hop = hops[number]
            hop.busy -= 1
            hop.used = max(hop.used, moment)
            spent = bool(http.pool_requests) and hop.carried >= http.pool_requests
            if cut or hop.alone or (spent and not hop.busy):
                hop.closed, hop.cut = moment, cut
            elif not spent and number not in free[hop.server]:
                free[hop.server].append(number)

    order = np.argsort(start, kind="stable")
    columns = (values[order].tolist() for values in (server, http2, start, end, alone, cuts))
    for attempt, to, many, begins, ends, single, cut in zip(order.tolist(), *columns, strict=True):
        done(begins)
        mine = free.setdefault(to, [])
        number = _taken(http, mine, hops, begins, many=many) if not single else None
        if number is None:
            number = len(hops)
            hops.append(_Hop(to, begins, ends, single))
            if many and not single:
                mine.append(number)
        hop = hops[number]
        hop.busy += 1
        hop.carried += 1
        of[attempt] = number
        if number in mine and hop.carried == http.pool_requests:
            mine.remove(number)
        heapq.heappush(running, (ends, number, cut))
    done(np.inf)
    for hop in hops:
        if hop.closed is None:
            hop.closed = min(hop.used + http.pool_idle, max(until, hop.used))
    return Hops(
        np.array([hop.server for hop in hops], np.int64), np.array([hop.opened for hop in hops], float),
        np.array([hop.closed for hop in hops], float), np.array([hop.cut for hop in hops], np.bool_), of,
    )  # fmt: skip


def _taken(http: Http, free: list[int], hops: list[_Hop], moment: float, *, many: bool) -> int | None:
    """The connection of a pool that carries what begins now; None when it takes a new one."""
    while free:
        last = hops[free[-1]]
        if last.closed is None and not last.busy and last.used + http.pool_idle < moment:
            last.closed = last.used + http.pool_idle
        if last.closed is None:
            if not many:
                return free.pop()
            return free[-1] if last.busy < _STREAMS else None
        free.pop()
    return None
