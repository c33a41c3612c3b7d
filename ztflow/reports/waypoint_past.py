"""Who reached the pods of a service with a waypoint past it, and how they dialled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.aggregate import Measures, measure
from ztflow.aggregate.measures import tally
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import group
from ztflow.model.vocabulary import REFUSED, Dialled
from ztflow.reports.refusals import wanted_port
from ztflow.reports.waypoint_hops import WaypointTraffic


@dataclass(frozen=True, slots=True)
class Past:
    """Connections to pods of a service with a waypoint, from another client than the waypoint.

    Attributes:
        source: The client's workload.
        identity: Its SPIFFE identity; None in plaintext.
        target: The server's workload.
        port: The port asked for.
        services: The services with a waypoint that it stands behind, as in `Through`.
        dialled: What the client dialled (`Dialled`); None where its side was not seen.
        dialled_service: The service it dialled, or None.
        mtls: Whether the mesh encrypted them.
        reached: Connections that were not refused.
        refused: Connections that were denied or failed.
        measures: Sums over both.
    """

    source: str
    identity: str | None
    target: str
    port: int | None
    services: tuple[str, ...]
    dialled: str | None
    dialled_service: str | None
    mtls: bool | None
    reached: int
    refused: int
    measures: Measures


def past_of(traffic: WaypointTraffic) -> tuple[Past, ...]:
    """One row a client, server, way of dialling and encryption; those that reached most first."""
    ends, part = traffic.ends, traffic.view.take(traffic.past)
    identity, dialled, service = (part.labels(name) for name in ("src_identity", "dialled", "dst_service"))
    server = traffic.servers.codes[traffic.past]
    by_service = part.equals("dialled", Dialled.SERVICE)
    mtls, told = part.numbers("mtls")
    encrypted: Integers = np.where(told, mtls.astype(np.int64), -1)
    groups = group(
        [
            (ends.source[traffic.past], len(ends.all)), identity.part, (server, len(traffic.servers)), dialled.part,
            (np.where(by_service, service.codes, -1), service.size), (encrypted, 2),
        ],
        len(part),
    )  # fmt: skip
    refused = tally(groups.codes, len(groups), part.equals("verdict", *REFUSED)).tolist()
    ports = wanted_port(part)
    of: dict[int, list[str]] = {}
    for asked, servers in traffic.behind.items():
        for one in servers:
            of.setdefault(one, []).append(traffic.asked[asked].name)
    rows = [
        Past(
            ends.id(int(ends.source[traffic.past[row]])),
            identity.words[identity.codes[row]] if identity.codes[row] >= 0 else None,
            ends.id(int(ends.target[traffic.past[row]])),
            int(ports[row]) if ports[row] >= 0 else None,
            tuple(sorted(of[int(server[row])])),
            dialled.words[dialled.codes[row]] if dialled.codes[row] >= 0 else None,
            service.words[service.codes[row]] if by_service[row] and service.codes[row] >= 0 else None,
            None if encrypted[row] < 0 else bool(encrypted[row]),
            measured.flows - refused[number],
            refused[number],
            measured,
        )
        for number, (row, measured) in enumerate(zip(groups.first.tolist(), measure(part, groups), strict=True))
    ]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                -row.reached, -row.refused, row.source, row.target, row.port or 0, row.identity or "",
                row.dialled or "", row.dialled_service or "", str(row.mtls),
            ),
        )
    )  # fmt: skip
