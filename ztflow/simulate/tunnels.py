"""Which tunnel carries which connection: pools that fill a tunnel to its limit and drop it when idle.

Source: istio/ztunnel 1.24.0 `src/proxy/pool.rs` (about 100 streams a connection, closed after 5 idle minutes).
"""

from __future__ import annotations

import heapq

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.simulate.cluster import NO_NODE

FIRST_PORT = 32_768
EPHEMERAL_PORTS = 28_232
"""The kernel's ephemeral ports."""


def first_of_tunnel(pool: IntArray, start: FloatArray, end: FloatArray, idle: float) -> IntArray:
    """For each connection, the one that opened the tunnel it finds, were tunnels without limit.

    Args:
        pool: Who dials whom; equal numbers share a pool.
        start: Seconds.
        end: Seconds.
        idle: Seconds after which an unused tunnel is gone.
    """
    order = np.lexsort((start, pool))
    count = len(order)
    if not count:
        return np.zeros(0, dtype=np.int64)
    starts, pools = start[order], pool[order]
    # Groups are laid one after the other on one time line, so that one running maximum serves all.
    apart = np.cumsum(np.concatenate([[0], pools[1:] != pools[:-1]])) * (float(end.max() - start.min()) + 1.0)
    busy_until = np.maximum.accumulate(end[order] + apart)
    opens = np.ones(count, dtype=bool)
    opens[1:] = (starts[1:] + apart[1:] > busy_until[:-1] + idle) | (pools[1:] != pools[:-1])
    opener = order[np.maximum.accumulate(np.where(opens, np.arange(count), 0))]
    result = np.empty(count, dtype=np.int64)
    result[order] = opener
    return result


def assign_tunnels(pool: IntArray, start: FloatArray, end: FloatArray, limit: int, idle: float) -> IntArray:
    """A tunnel for every connection: never more than `limit` at once in one, lowest tunnel first.

    Returns:
        Tunnel numbers from 0; tunnels of different pools differ.

    Cost: about 2 µs a connection.
    """
    result = np.empty(len(pool), dtype=np.int64)
    tunnels = 0
    current = None
    open_until: list[tuple[float, int]] = []
    free: list[int] = []
    slots = 0
    number: list[int] = []
    in_use: list[int] = []
    used_at: list[float] = []
    order = np.lexsort((start, pool))
    rows = zip(order.tolist(), pool[order].tolist(), start[order].tolist(), end[order].tolist(), strict=True)
    for row, key, begins, ends in rows:
        if key != current:
            current, open_until, free, slots, number, in_use, used_at = key, [], [], 0, [], [], []
        while open_until and open_until[0][0] <= begins:
            ended, slot = heapq.heappop(open_until)
            heapq.heappush(free, slot)
            in_use[slot // limit] -= 1
            used_at[slot // limit] = ended
        if free:
            slot = heapq.heappop(free)
        else:
            slot, slots = slots, slots + 1
        place = slot // limit
        if place == len(number):
            number.append(tunnels)
            in_use.append(0)
            used_at.append(begins)
            tunnels += 1
        elif not in_use[place] and begins - used_at[place] > idle:
            number[place] = tunnels
            tunnels += 1
        in_use[place] += 1
        heapq.heappush(open_until, (ends, slot))
        result[row] = number[place]
    return result


def draw_ports(owner: IntArray, rng: np.random.Generator, parity: int) -> IntArray:
    """A port for each thing, never the same twice among 14 000 neighbours of one owner.

    Args:
        owner: Pod that needs the port; what one pod owns is in order of creation.
        rng: Where each owner's ports begin.
        parity: 0 or 1, so that two callers never clash.
    """
    if not len(owner):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    owners = owner[order]
    first = np.searchsorted(owners, owners, side="left")
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - first
    begin = rng.integers(0, EPHEMERAL_PORTS // 2, int(owner.max()) + 1)[owner]
    # 6 199 has no factor in common with the 14 116 ports of one parity: neighbours in time are not neighbours here.
    return FIRST_PORT + 2 * ((begin + rank * 6199) % (EPHEMERAL_PORTS // 2)) + parity


def tunnel_ports(tunnel: IntArray, dialler: IntArray, start: FloatArray, rng: np.random.Generator) -> IntArray:
    """The port of the tunnel of each connection, 0 for those without one (`NO_NODE`)."""
    held = np.flatnonzero(tunnel != NO_NODE)
    ports = np.zeros(len(tunnel), dtype=np.int64)
    if len(held):
        order = held[np.argsort(start[held], kind="stable")]
        numbers, first = np.unique(tunnel[order], return_index=True)
        opened = np.argsort(first, kind="stable")
        drawn = np.empty(len(numbers), dtype=np.int64)
        drawn[opened] = draw_ports(dialler[order[first[opened]]], rng, 1)
        ports[held] = drawn[np.searchsorted(numbers, tunnel[held])]
    return ports
