"""Tunnels: how connections share HBONE tunnels, from the source port of inbound halves.

The inbound source port is that of the tunnel. Equal client address and port at one server pod therefore means one
tunnel, as long as it lives: ztunnel closes a tunnel that carried nothing for five minutes, and ports are used again.

Source: istio/ztunnel 1.24.0 src/proxy/pool.rs (`POOL_UNUSED_RELEASE_TIMEOUT` 5 min, 100 streams a tunnel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from ztflow.aggregate import View, vertices
from ztflow.aggregate.measures import sums
from ztflow.aggregate.percentiles import quantiles
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import Groups, group, order_within
from ztflow.model.provenance import time_from_micros
from ztflow.model.tables import Flows, Halves
from ztflow.model.vocabulary import Direction, Message
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted

IDLE = timedelta(minutes=5)
"""After so long without a connection a tunnel is closed, so a later one on that port is another."""

_PORTS = 65536

_LONGEST_MS = 10**12
"""Some 30 years: a longer life is a damaged line, and its start would not fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One HBONE tunnel, as far as its connections ended in the capture.

    Attributes:
        source: Client pod as logged by the server's side, else its address.
        target: Server pod.
        source_ip: Client's address.
        source_port: Tunnel's port.
        target_ip: Server's address.
        ztunnel: ztunnel pod that wrote the lines.
        streams: Connections it carried.
        concurrent: Most of them open at once.
        bytes: Payload both ways.
        first_start: Start of the first.
        last_end: End of the last.
    """

    source: str
    target: str
    source_ip: str | None
    source_port: int
    target_ip: str | None
    ztunnel: str | None
    streams: int
    concurrent: int
    bytes: int
    first_start: datetime
    last_end: datetime

    @property
    def life(self) -> timedelta:
        """From the first start to the last end; the tunnel itself may be older and live on."""
        return self.last_end - self.first_start


@dataclass(frozen=True, slots=True)
class PairTunnels:
    """Tunnels between two workloads."""

    source: str
    target: str
    tunnels: int
    streams: int
    streams_per_tunnel: float
    most_concurrent: int
    longest_ms: float


@dataclass(frozen=True)
class Tunnels(Report):
    """How connections share tunnels.

    Attributes:
        inbound_halves: Inbound HBONE halves looked at.
        unusable: Of those, without source port or time.
        reuse: Share of the connections that found a tunnel already open.
        streams_p50: Connections a tunnel: median.
        streams_p95: 95th percentile.
        streams_max: Most.
        pairs: By pair of workloads, most tunnels first.
        tunnels: Every tunnel, busiest first.
    """

    name: ClassVar[str] = "tunnels"
    title: ClassVar[str] = "HBONE tunnels"

    inbound_halves: int
    unusable: int
    reuse: float | None
    streams_p50: int | None
    streams_p95: int | None
    streams_max: int | None
    pairs: tuple[PairTunnels, ...]
    tunnels: tuple[Tunnel, ...]

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Totals, pairs of workloads, single tunnels."""
        limit = self.cap(limit)
        totals = [
            (self.inbound_halves, len(self.tunnels), self.reuse, self.streams_p50, self.streams_p95, self.streams_max)
        ]
        pairs = [
            (
                row.source,
                row.target,
                row.tunnels,
                row.streams,
                row.streams_per_tunnel,
                row.most_concurrent,
                row.longest_ms,
            )
            for row in self.pairs
        ]
        single = [
            (row.source, row.target, row.source_port, row.streams, row.concurrent, row.bytes,
             row.life / timedelta(milliseconds=1), row.first_start, row.last_end)
            for row in self.tunnels
        ]  # fmt: skip
        return [
            titled("All tunnels", _TOTALS, totals),
            titled("By pair of workloads", _PAIRS, pairs, limit),
            titled("Busiest tunnels", _SINGLE, single, limit),
        ]

    def notes(self) -> list[str]:
        """How tunnels are told apart."""
        notes = ["A tunnel is one client address and port at one server, until five minutes without a connection."]
        if self.unusable:
            notes.append(f"Not in any tunnel: {counted(self.unusable, 'inbound line')} without source port or time.")
        return notes


_TOTALS = (
    ("inbound conns", Unit.COUNT), ("tunnels", Unit.COUNT), ("reused", Unit.SHARE), ("conns a tunnel p50", Unit.COUNT),
    ("p95", Unit.COUNT), ("max", Unit.COUNT),
)  # fmt: skip
_PAIRS = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("tunnels", Unit.COUNT), ("conns", Unit.COUNT),
    ("conns a tunnel", Unit.NUMBER), ("at once", Unit.COUNT), ("longest", Unit.MS),
)  # fmt: skip
_SINGLE = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER), ("conns", Unit.COUNT),
    ("at once", Unit.COUNT), ("bytes", Unit.BYTES), ("life", Unit.MS), ("first start", Unit.TIME),
    ("last end", Unit.TIME),
)  # fmt: skip


def tunnels(flows: Flows, halves: Halves) -> Tunnels:
    """How connections share HBONE tunnels.

    Args:
        flows: Connections, for the basis.
        halves: The access lines they were made of.

    Cost: about 0.6 s for 1 M inbound halves.
    """
    every = View(halves.to_arrow())
    hbone = (
        every.equals("direction", Direction.INBOUND)
        & every.equals("message", Message.COMPLETE)
        & every.known("hbone_host")
    )
    usable = hbone & every.known("src_port") & every.known("time")
    view = every.where(usable)
    ended = view.numbers("time")[0].astype(np.int64)
    began = ended - np.minimum(view.numbers("duration_ms")[0].astype(np.int64), _LONGEST_MS) * 1000
    groups = _tunnels(view, began, ended)
    streams = np.bincount(groups.codes, minlength=len(groups))
    found = _describe(view, groups, began, ended)
    p50, p95, longest = quantiles(streams.astype(np.int64), np.zeros(len(streams), dtype=np.int64), 1)
    return Tunnels(
        Basis.of(flows, View(flows.to_arrow())),
        int(hbone.sum()),
        int(hbone.sum() - usable.sum()),
        share(len(view) - len(groups), len(view)),
        p50[0],
        p95[0],
        longest[0],
        _pairs(view, groups, found, flows.owners),
        tuple(
            sorted(
                found,
                key=lambda row: (-row.streams, -row.bytes, row.source, row.target, row.source_port, row.first_start),
            )
        ),
    )


def _tunnels(view: View, began: Integers, ended: Integers) -> Groups:
    """Rows grouped by tunnel."""
    port = view.numbers("src_port")[0].astype(np.int64)
    ends = group(
        [
            view.part("src_ip"),
            (port, _PORTS),
            view.part("dst_ip"),
            view.part("ztunnel_pod"),
            view.part("ztunnel_namespace"),
        ],
        len(view),
    )
    if not len(view):
        return ends
    order = order_within(ends.codes, began)
    key, start = ends.codes[order].astype(np.int64), began[order]
    new = np.ones(len(key), dtype=bool)
    new[1:] = key[1:] != key[:-1]
    # The latest end so far within a group: ranks of ends, lifted apart by group so that one running maximum serves all.
    ends_in_order, rank = np.unique(ended, return_inverse=True)
    lift = key * len(ends_in_order)
    latest = ends_in_order[np.maximum.accumulate(rank[order] + lift) - lift]
    idle = np.zeros(len(key), dtype=bool)
    idle[1:] = start[1:] - latest[:-1] > IDLE // timedelta(microseconds=1)
    codes = np.empty(len(key), dtype=np.int64)
    codes[order] = np.cumsum(new | idle) - 1
    return Groups(codes, order[np.flatnonzero(new | idle)])


def _concurrent(codes: Integers, began: Integers, ended: Integers) -> list[int]:
    """Most connections open at once, by group; one that ends as another starts does not overlap it."""
    if not len(codes):
        return []
    # A connection shorter than the log's millisecond is open for an instant of its own. The lowest bit puts ends (0)
    # before starts (1) of the same microsecond.
    events = np.concatenate([began * 2 + 1, np.maximum(ended, began + 1) * 2])
    both = np.concatenate([codes, codes])
    order = order_within(both, events)
    running = np.cumsum((events[order] & 1) * 2 - 1)
    starts = np.flatnonzero(np.r_[True, np.diff(both[order]) > 0])
    found: list[int] = np.maximum.reduceat(running, starts).tolist()
    return found


def _describe(view: View, groups: Groups, began: Integers, ended: Integers) -> list[Tunnel]:
    count = len(groups)
    streams = np.bincount(groups.codes, minlength=count).tolist()
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, groups.codes, began)
    np.maximum.at(last, groups.codes, ended)
    sent, received = (sums(view, f"bytes_{way}", groups.codes, count) for way in ("sent", "recv"))
    ends = vertices(view, "pod")
    texts = view.rows(groups.first, "src_ip", "src_port", "dst_ip", "ztunnel_pod")
    concurrent = _concurrent(groups.codes, began, ended)
    return [
        Tunnel(
            ends.id(int(ends.source[row])),
            ends.id(int(ends.target[row])),
            source_ip,
            source_port,
            target_ip,
            ztunnel,
            streams[number],
            concurrent[number],
            sent[number] + received[number],
            time_from_micros(int(first[number])),
            time_from_micros(int(last[number])),
        )
        for number, (row, (source_ip, source_port, target_ip, ztunnel)) in enumerate(
            zip(groups.first.tolist(), texts, strict=True)
        )
    ]


def _pairs(view: View, groups: Groups, found: list[Tunnel], owners: Mapping[str, str]) -> tuple[PairTunnels, ...]:
    ends = vertices(view, "workload", owners)
    members: dict[tuple[str, str], list[Tunnel]] = {}
    for row, tunnel in zip(groups.first.tolist(), found, strict=True):
        key = (ends.id(int(ends.source[row])), ends.id(int(ends.target[row])))
        members.setdefault(key, []).append(tunnel)
    rows = [
        PairTunnels(
            source,
            target,
            len(several),
            sum(tunnel.streams for tunnel in several),
            sum(tunnel.streams for tunnel in several) / len(several),
            max(tunnel.concurrent for tunnel in several),
            max(tunnel.life for tunnel in several) / timedelta(milliseconds=1),
        )
        for (source, target), several in members.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.tunnels, -row.streams, row.source, row.target)))
