"""Waypoints: what came through them, what they sent to servers, and who reached the servers' pods past them.

Connections are read from ztunnel's log. What happens inside a waypoint is not in there: how many requests a connection
carried, which of them failed, and which client's request went to which server. That is in the waypoint's own log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ztflow.aggregate import View
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Dialled
from ztflow.place import ServiceFact
from ztflow.place.names import workload_of_pod
from ztflow.reports.model import Basis, Report
from ztflow.reports.pairs import known_bytes, nodes_split, nodes_text
from ztflow.reports.tables import TitledTable, titled
from ztflow.reports.waypoint_hops import KNOWN_BY, StatedService, waypoint_traffic
from ztflow.reports.waypoint_past import Past, past_of
from ztflow.reports.waypoint_request_rows import requests_of
from ztflow.reports.waypoint_request_tables import request_notes, request_tables
from ztflow.reports.waypoint_requests import Requests
from ztflow.reports.waypoint_rows import (
    Client,
    Hop,
    Through,
    Waypoint,
    clients_of,
    hops_of,
    services_of,
    waypoints_of,
)
from ztflow.text.format import Unit, bytes_text, counted


@dataclass(frozen=True)
class Waypoints(Report):
    """Traffic through and past waypoints.

    Attributes:
        services: Services with a waypoint: what came through it, what went past it.
        past: Who reached or tried to reach their pods past the waypoint, and how; each connection is in one row.
        clients: Who came to the waypoint; each client's connection is in one row.
        hops: The waypoint's connections to servers; each is in one row.
        waypoints: Both sides of each waypoint.
        requests: What the waypoints' own logs say; None where none was read.
    """

    name: ClassVar[str] = "waypoints"
    title: ClassVar[str] = "Waypoints"

    services: tuple[Through, ...]
    past: tuple[Past, ...]
    clients: tuple[Client, ...]
    hops: tuple[Hop, ...]
    waypoints: tuple[Waypoint, ...]
    requests: Requests | None = None

    @property
    def findings(self) -> int:
        """Connections that reached pods of a service with a waypoint past it."""
        return sum(row.reached for row in self.past)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Services, who went past, requests, who came through, what came out again, both sides of each waypoint."""
        limit = self.cap(limit)
        hops, carried = list(map(_hop_cells, self.hops)), list(map(_carried_cells, self.services))
        return [
            titled(
                "Services with a waypoint", _BY_SERVICE, list(map(_service_cells, self.services)), limit, self._shared()
            ),
            titled("Past the waypoint", _PAST, list(map(_past_cells, self.past)), limit),
            *request_tables(self.requests, limit),
            titled("To the waypoint", _CLIENTS, list(map(_client_cells, self.clients)), limit),
            titled("From the waypoint to servers", _HOPS, hops, limit, self._legend()),
            titled("What carried on the clients' connections", _CARRIED, carried, limit),
            titled("Both sides", _WAYPOINTS, list(map(_waypoint_cells, self.waypoints)), limit),
        ]

    def _services_at(self) -> dict[str, set[str]]:
        """The services of each server."""
        found: dict[str, set[str]] = {}
        for row in self.services:
            for server in row.servers:
                found.setdefault(server, set()).add(row.service)
        return found

    def _shared(self) -> list[str]:
        """Which services cannot be told apart by their pods, and of which no pods are known."""
        shared = {tuple(sorted(services)) for services in self._services_at().values() if len(services) > 1}
        notes = [
            f"{' and '.join(services)} stand for the same pods: what went past is counted for each of them."
            for services in sorted(shared)
        ]
        unknown = dict.fromkeys(row.service for row in self.services if not row.servers)
        if unknown:
            notes.append(f"Nothing shows which pods stand behind {', '.join(unknown)}: what went past is not known.")
        return notes

    def _legend(self) -> list[str]:
        """How the services of the waypoint's connections are known."""
        used = dict.fromkeys(row.known_by for row in self.hops)
        return [f"{_words(known_by)}: {KNOWN_BY[known_by]}." for known_by in used if known_by is not None]

    def notes(self) -> list[str]:
        """What the log can tell, and what it cannot."""
        notes = []
        if self.past:
            notes.append(
                "Past the waypoint: connections of others to the pods and ports its services stand for. "
                "Gateways and clients outside the mesh go that way by default."
            )
        notes += request_notes(self.requests)
        if self.services or self.hops:
            notes.append(
                "The two sides share no id: a waypoint that adds headers or keeps connections for many requests gives "
                "sums for each service, not pairs. A client that no ztunnel captures leaves no line on its way to it."
            )
        notes += [
            f"{row.waypoint} moved {bytes_text(row.bytes)} with clients and {bytes_text(row.server_bytes)} with "
            "servers: there are clients whose lines are missing here, maybe of other services."
            for row in self.waypoints
            if row.server_bytes > _MORE * row.bytes
        ]
        if any(row.unseen for row in self.services):
            notes.append(
                "A line comes when the waypoint lets go of a connection, by default after an hour without a request: "
                "some are still to come. There is none where it answered itself, or where a node's log is missing."
            )
        notes += [
            f"{counted(row.denied, 'connection')} of {row.waypoint} refused by policy: the servers' pods see the "
            f"waypoint's identity ({row.identity or 'not logged'}), not the client's. Admit it there, and judge "
            "clients by a policy for the waypoint (targetRefs)."
            for row in self.waypoints
            if row.denied
        ]
        return notes


_MORE = 2
"""A waypoint that moves so many times as much with servers as with clients has others: headers are rarely as much."""

_BY_SERVICE = (
    ("service", Unit.TEXT), ("waypoint", Unit.TEXT), ("clients", Unit.COUNT), ("through it", Unit.COUNT),
    ("bytes", Unit.BYTES), ("past it", Unit.COUNT), ("bytes", Unit.BYTES), ("plaintext", Unit.COUNT),
    ("pods behind it", Unit.TEXT),
)  # fmt: skip
_PAST = (
    ("client", Unit.TEXT), ("identity", Unit.TEXT), ("server", Unit.TEXT), ("port", Unit.NUMBER),
    ("dialled", Unit.TEXT), ("encrypted", Unit.TEXT), ("reached it", Unit.COUNT), ("bytes", Unit.BYTES),
    ("refused", Unit.COUNT), ("first", Unit.TIME), ("last", Unit.TIME),
)  # fmt: skip
_CLIENTS = (
    ("client", Unit.TEXT), ("identity", Unit.TEXT), ("waypoint", Unit.TEXT), ("service", Unit.TEXT),
    ("conns", Unit.COUNT), ("bytes", Unit.BYTES), ("nodes", Unit.TEXT), ("refused", Unit.COUNT),
)  # fmt: skip
_HOPS = (
    ("waypoint", Unit.TEXT), ("server", Unit.TEXT), ("on", Unit.TEXT), ("port", Unit.NUMBER), ("of", Unit.TEXT),
    ("known by", Unit.TEXT), ("conns", Unit.COUNT), ("bytes", Unit.BYTES), ("nodes", Unit.TEXT), ("let go", Unit.COUNT),
    ("refused", Unit.COUNT), ("last", Unit.TIME),
)  # fmt: skip
_CARRIED = (
    ("service", Unit.TEXT), ("waypoint", Unit.TEXT), ("conns", Unit.COUNT), ("same bytes", Unit.COUNT),
    ("one at the time", Unit.COUNT), ("no line yet", Unit.COUNT), ("refused", Unit.COUNT),
)  # fmt: skip
_WAYPOINTS = (
    ("waypoint", Unit.TEXT), ("identity servers see", Unit.TEXT), ("conns in", Unit.COUNT), ("bytes in", Unit.BYTES),
    ("conns out", Unit.COUNT), ("bytes out", Unit.BYTES), ("let go", Unit.COUNT), ("denied", Unit.COUNT),
    ("failed", Unit.COUNT),
)  # fmt: skip


def _service_cells(row: Through) -> tuple[object, ...]:
    return (
        row.service, row.waypoint, row.clients, row.flows, row.bytes, row.past_flows, row.past_bytes,
        row.past_plaintext, row.servers,
    )  # fmt: skip


def _past_cells(row: Past) -> tuple[object, ...]:
    sums = row.measures
    dialled = f"service {row.dialled_service}" if row.dialled_service else row.dialled
    if row.dialled == Dialled.ADDRESS:
        dialled = "pod address"
    encrypted = {True: "mTLS", False: "plaintext", None: None}[row.mtls]
    return (
        row.source, row.identity, row.target, row.port, dialled, encrypted, row.reached, known_bytes(sums, sums.bytes),
        row.refused, sums.first_seen, sums.last_seen,
    )  # fmt: skip


def _client_cells(row: Client) -> tuple[object, ...]:
    sums = row.measures
    return (
        row.source, row.identity, row.waypoint, row.service, sums.flows, known_bytes(sums, sums.bytes),
        nodes_split(sums), sums.denied + sums.failed,
    )  # fmt: skip


def _words(name: str) -> str:
    return name.replace("_", " ")


def _hop_cells(row: Hop) -> tuple[object, ...]:
    sums, known_by = row.measures, None if row.known_by is None else _words(row.known_by)
    return (
        row.waypoint, row.target, nodes_text(row.target_nodes), row.port, " or ".join(row.services) or None, known_by,
        sums.flows, known_bytes(sums, sums.bytes), nodes_split(sums), row.closed, sums.denied + sums.failed,
        sums.last_seen,
    )  # fmt: skip


def _carried_cells(row: Through) -> tuple[object, ...]:
    return row.service, row.waypoint, row.flows, row.carried_on, row.alongside, row.unseen, row.refused


def _waypoint_cells(row: Waypoint) -> tuple[object, ...]:
    return (
        row.waypoint, row.identity, row.flows, row.bytes, row.server_flows, row.server_bytes, row.closed, row.denied,
        row.failed,
    )  # fmt: skip


def waypoints(flows: Flows, *, services: Iterable[ServiceFact] = ()) -> Waypoints:
    """What came through waypoints and what went past them.

    Args:
        flows: Connections of a whole capture: both sides of a waypoint are looked up among them; with the requests of
            waypoints' logs, where those were read (`Flows.requests`).
        services: What an inventory states of services (the `services` of an `Inventory`): it tells the pods behind
            those of which no line does. Those without pods and ports say nothing.

    Cost: about 1 s for 1 M flows.
    """
    view = View(flows.to_arrow())
    traffic = waypoint_traffic(view, _stated(services, flows.owners))
    return Waypoints(
        Basis.of(flows, view),
        services_of(traffic),
        past_of(traffic),
        clients_of(traffic),
        hops_of(traffic),
        waypoints_of(traffic),
        requests_of(flows, traffic),
    )


def _stated(services: Iterable[ServiceFact], owners: Mapping[str, str]) -> Iterator[StatedService]:
    for service in services:
        if service.hostname is None or not service.pods or not service.ports:
            continue
        workloads = frozenset(
            f"{pod.partition('/')[0]}/{workload_of_pod(pod, owners)[0]}" for pod in service.pods if "/" in pod
        )
        yield StatedService(service.hostname, workloads, frozenset(target for _, target in service.ports))
