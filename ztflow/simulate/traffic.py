"""Simulated traffic: client, server, time, duration and bytes of each connection, before any mesh effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.simulate.cluster import NO_NODE, Cluster, Role
from ztflow.simulate.kinds import CODE, HEALTHY, KINDS, Kind
from ztflow.simulate.scenario import Scenario

REFUSED_PORT = 9099
"""A port on which nothing listens."""

_LIFE: dict[Kind, tuple[float, float]] = {
    Kind.PLAIN: (0.010, 1.4), Kind.PROBE: (0.0018, 0.45), Kind.BURST: (0.012, 0.45), Kind.STORM: (0.011, 0.8),
    Kind.BIG: (0.06, 0.3), Kind.SILENT: (0.0305, 0.02), Kind.SERVER_RESET: (0.06, 0.15), Kind.HALF_CLOSE: (0.004, 1.0),
    Kind.EGRESS: (0.08, 0.8), Kind.GATEWAY: (0.012, 1.0), Kind.DOUBLE_HBONE: (0.008, 0.8),
    Kind.POLICY_CHANGE: (4.0, 0.6),
}  # fmt: skip
"""Median and log-spread of what applications take, from the captured runs; others take `_USUAL`."""
_USUAL = (0.003, 0.9)
_ALIKE = 0.25
"""Log-spread within a burst."""

_SIZE: dict[Kind, tuple[int, int]] = {
    Kind.BIG: (8_000_000, 15_000_000), Kind.LONG: (100_000, 300_000), Kind.EGRESS: (500, 4_000),
    Kind.PROBE: (100, 250), Kind.DOUBLE_HBONE: (100_000, 300_000),
}  # fmt: skip
_USUAL_SIZE = (700, 900)
_SILENT = frozenset({Kind.SILENT})
_NO_ANSWER = frozenset({Kind.RESET_BEFORE_ANSWER, Kind.DRAINED, Kind.POD_DELETED})

_SERVERS: dict[Kind, tuple[Role, ...]] = {
    Kind.ALLOWED: (Role.GUARDED,), Kind.DENIED: (Role.GUARDED, Role.CLOSED),
    Kind.DENIED_PLAINTEXT: (Role.GUARDED, Role.CLOSED), Kind.DOUBLE_HBONE: (Role.FAR,),
}  # fmt: skip
_CLIENTS: dict[Kind, tuple[Role, ...]] = {
    Kind.PROBE: (Role.PROBER,), Kind.PLAINTEXT_IN: (Role.UNMESHED,), Kind.DENIED_PLAINTEXT: (Role.UNMESHED,),
    Kind.TLS_FAILURE: (Role.UNMESHED,), Kind.GATEWAY: (Role.GATEWAY,), Kind.DENIED: (Role.APP, Role.PROBER),
}  # fmt: skip
_BY_ADDRESS = frozenset({Kind.PLAINTEXT_IN, Kind.PLAINTEXT_OUT, Kind.DENIED_PLAINTEXT, Kind.TLS_FAILURE, Kind.REFUSED,
                         Kind.PROBE, Kind.GATEWAY, Kind.EGRESS, Kind.UNKNOWN_ADDRESS, Kind.WRONG_AUTHORITY,
                         Kind.POD_DELETED, Kind.DRAINED})  # fmt: skip
_BY_SERVICE = frozenset({Kind.WAYPOINT, Kind.DOUBLE_HBONE, Kind.NO_ENDPOINTS, Kind.UNKNOWN_WAYPOINT})


@dataclass(slots=True)
class Connections:
    """What was done, one place a connection, in order of start.

    Attributes:
        kind: Place in `KINDS`.
        client: Pod.
        server: Pod that answers in the end; `NO_NODE` where there is none.
        via: Waypoint or east-west gateway on the way; `NO_NODE` where there is none.
        service: Service asked for; `NO_NODE` where an address was.
        port: Application's port.
        asked_port: Port asked for.
        ipv6: Over IPv6.
        start: Seconds since the beginning when the client connects.
        life: Seconds the application takes.
        request: Bytes client to server.
        response: Bytes server to client.
        other: Pod whose address a wrong authority names.
    """

    kind: IntArray
    client: IntArray
    server: IntArray
    via: IntArray
    service: IntArray
    port: IntArray
    asked_port: IntArray
    ipv6: BoolArray
    start: FloatArray
    life: FloatArray
    request: IntArray
    response: IntArray
    other: IntArray
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.kind)

    def of(self, *kinds: Kind) -> BoolArray:
        """Which connections are of these kinds."""
        return np.isin(self.kind, [CODE[kind] for kind in kinds])


def connect(scenario: Scenario, cluster: Cluster, rng: np.random.Generator) -> Connections:
    """The connections of a scenario. Cost: about 1 µs each."""
    parts = [
        _of_kind(kind, count, scenario, cluster, rng)
        for kind, count in _counts(scenario).items()
        if count
    ]  # fmt: skip
    columns: dict[str, Any] = (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else _NOTHING
    )
    order = np.argsort(columns["start"], kind="stable")
    made = Connections(**{name: values[order] for name, values in columns.items()}, other=np.full(len(order), NO_NODE))
    _route(made, cluster)
    _size(made, scenario, rng)
    _mislead(made, cluster, rng)
    return made


_NOTHING: dict[str, npt.NDArray[np.generic]] = {
    name: np.zeros(0, dtype=bool if name == "ipv6" else float if name in {"start", "life"} else int)
    for name in ("kind", "client", "server", "via", "service", "port", "asked_port", "ipv6", "start", "life",
                 "request", "response")
}  # fmt: skip


def _counts(scenario: Scenario) -> dict[Kind, int]:
    """How many connections of each kind: shares of the whole, rounded by largest remainder."""
    shares = np.array([share for _, share in scenario.mix], dtype=float)
    exact = shares / shares.sum() * scenario.connections
    counts = np.floor(exact).astype(int)
    for place in np.argsort(counts - exact, kind="stable")[: scenario.connections - int(counts.sum())]:
        counts[place] += 1
    return {Kind(kind): int(count) for (kind, _), count in zip(scenario.mix, counts, strict=True)}


def _of_kind(
    kind: Kind, count: int, scenario: Scenario, cluster: Cluster, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]]:
    start, group = _starts(kind, count, scenario, cluster, rng)
    client, server, service = _ends(kind, group, scenario, cluster, rng)
    targets = np.array([each.target for each in cluster.services])
    ports = np.array([each.port for each in cluster.services])
    of_pod = np.full(len(cluster.pods), 8080)
    for each in cluster.services:
        of_pod[list(each.pods)] = each.target
    port = np.where(service >= 0, targets[service], of_pod[server])
    if kind is Kind.REFUSED:
        port[:] = REFUSED_PORT
    if kind is Kind.EGRESS:
        port[:] = 443
    if kind is Kind.UNKNOWN_ADDRESS:
        port[:] = 81
    return {
        "kind": np.full(count, CODE[kind]),
        "client": client,
        "server": server,
        "via": np.full(count, NO_NODE),
        "service": service,
        "port": port,
        "asked_port": np.where(service >= 0, ports[service], port),
        "ipv6": (rng.random(int(group.max()) + 1) < scenario.shape.ipv6)[group],
        "start": start,
        "life": _lives(kind, group, scenario, rng),
        "request": np.zeros(count, dtype=np.int64),
        "response": np.zeros(count, dtype=np.int64),
    }


def _starts(
    kind: Kind, count: int, scenario: Scenario, cluster: Cluster, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """When they start, and which of them belong together (a burst, a probe's target)."""
    number = np.arange(count)
    if kind is Kind.PROBE:
        least = len(cluster.of(Role.APP))
        targets = min(count, max(least, -(-count // max(1, int(scenario.duration)))))
        group = number % targets
        phase = rng.random(targets)[group]
        # kubelet and its like are woken by timers that are late by a millisecond or so.
        return phase + number // targets + rng.exponential(0.0008, count), group
    if kind in {Kind.BURST, Kind.STORM}:
        sizes = rng.integers(scenario.burst[0], scenario.burst[1] + 1, count // scenario.burst[0] + 1)
        group = np.repeat(np.arange(len(sizes)), sizes)[:count]
        moment = rng.random(len(sizes)) * scenario.duration
        return moment[group] + rng.random(count) * scenario.burst_width, group
    if kind in {Kind.DRAINED, Kind.POD_DELETED}:
        return scenario.duration + rng.random(count) * 2.5, number
    return rng.random(count) * scenario.duration, number


def _ends(
    kind: Kind, group: IntArray, scenario: Scenario, cluster: Cluster, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """Client, server and service of each connection."""
    groups = int(group.max()) + 1
    clients = np.array(cluster.of(*_CLIENTS.get(kind, (Role.APP,))))
    client = rng.choice(clients, groups)
    if kind is Kind.ALLOWED:
        client = rng.choice([pod for pod in cluster.of(Role.APP) if cluster.pods[pod].workload == "web"], groups)
    if kind is Kind.DENIED:
        # Only web may call guarded services; other clients are refused, and so is web where no client is allowed.
        others = [pod for pod in clients if cluster.pods[pod].workload != "web"]
        client = rng.choice(others, groups)
    service = _services(kind, groups, cluster, rng)[group]
    first = np.cumsum([0] + [len(each.pods) for each in cluster.services])
    members = np.array([pod for each in cluster.services for pod in each.pods], dtype=np.int64)
    sizes = np.diff(first)
    if kind in {Kind.PLAINTEXT_OUT, Kind.EGRESS, Kind.UNKNOWN_ADDRESS}:
        role = Role.UNMESHED if kind is Kind.PLAINTEXT_OUT else Role.OUTSIDE
        server = rng.choice(cluster.of(role), len(group))
        return client[group], server, np.full(len(group), NO_NODE)
    if kind in {Kind.NO_ENDPOINTS, Kind.UNKNOWN_WAYPOINT}:
        return client[group], np.full(len(group), NO_NODE), service
    drawn = rng.random(groups)[group]
    if kind is Kind.PROBE:
        servers = np.array(cluster.of(Role.APP))
        server = servers[group % len(servers)]
    else:
        by_service = np.full(groups, kind in _BY_SERVICE)
        if kind not in _BY_ADDRESS and kind not in _BY_SERVICE:
            by_service = rng.random(groups) < scenario.by_service
        if kind is Kind.POD_DELETED:
            drawn[:] = 0.0
            service[:] = cluster.services_of(Role.APP)[0]
        # A service is asked by name and answers with any of its pods; an address is always the same pod.
        pick = np.where(by_service[group], rng.random(len(group)), drawn)
        server = members[first[service] + (pick * sizes[service]).astype(int)]
        service = np.where(by_service[group], service, NO_NODE)
        return client[group], server, service
    return client[group], server, np.full(len(group), NO_NODE)


def _services(kind: Kind, groups: int, cluster: Cluster, rng: np.random.Generator) -> IntArray:
    """The service of each group: some are asked far more often than others."""
    if kind is Kind.NO_ENDPOINTS:
        return np.full(groups, cluster.services_of(Role.OUTSIDE)[0])
    some = cluster.services_of(*_SERVERS.get(kind, (Role.APP,)))
    if kind is Kind.WAYPOINT:
        some = [number for number in some if cluster.services[number].waypoint != NO_NODE]
    weight = 1.0 / (np.arange(len(some)) + 1.5)
    return np.asarray(rng.choice(some, groups, p=weight / weight.sum()), dtype=np.int64)


def _lives(kind: Kind, group: IntArray, scenario: Scenario, rng: np.random.Generator) -> FloatArray:
    count = len(group)
    if kind is Kind.LONG:
        return rng.uniform(*scenario.long_life, count)
    median, spread = _LIFE.get(kind, _USUAL)
    drawn = rng.standard_normal(count) * spread
    if kind in {Kind.BURST, Kind.STORM}:
        # The connections of one burst ask for the same: they differ far less from each other than bursts do.
        between = rng.standard_normal(int(group.max()) + 1)[group]
        drawn = between * max(0.0, spread**2 - _ALIKE**2) ** 0.5 + rng.standard_normal(count) * min(_ALIKE, spread)
    return median * np.exp(drawn)


def _route(made: Connections, cluster: Cluster) -> None:
    """Send what asks for a service with a waypoint through it, and what goes far through the east-west gateway."""
    waypoints = np.array([each.waypoint for each in cluster.services])
    through = made.of(Kind.WAYPOINT, *HEALTHY) & (made.service != NO_NODE)
    made.via[through] = waypoints[made.service[through]]
    far = made.of(Kind.DOUBLE_HBONE)
    if far.any():
        made.via[far] = cluster.of(Role.EAST_WEST)[0]


def _size(made: Connections, scenario: Scenario, rng: np.random.Generator) -> None:
    """Give every connection its bytes."""
    base = np.array([_SIZE.get(kind, _USUAL_SIZE) for kind in KINDS], dtype=np.int64)[made.kind]
    request, response = base[:, 0].copy(), base[:, 1].copy()
    if scenario.sizes == "unique":
        number = np.arange(made.count)
        request += number
        response += number
    elif scenario.sizes == "mixed":
        # A service has a few calls; half of the answers have the call's usual size, the others are free.
        call = rng.integers(0, 4, made.count)
        place = np.where(made.service == NO_NODE, made.server, made.service + 7919) % 97
        request += place * 3 + call * 41
        usual = response + place * 5 + call * 120
        free = (response * np.exp(rng.standard_normal(made.count))).astype(np.int64)
        response = np.where((rng.random(made.count) < 0.5) & ~made.of(Kind.PROBE), free, usual)
    silent = made.of(*_SILENT)
    made.request[:] = np.where(silent, 0, request)
    made.response[:] = np.where(silent | made.of(*_NO_ANSWER), 0, response)


def _mislead(made: Connections, cluster: Cluster, rng: np.random.Generator) -> None:
    """Draw the address that a wrong authority names: a pod, but not the one that is asked."""
    wrong = made.of(Kind.WRONG_AUTHORITY)
    apps = np.array(cluster.of(Role.APP))
    place = np.searchsorted(apps, made.server[wrong])
    made.other[wrong] = apps[(place + rng.integers(1, len(apps), int(wrong.sum()))) % len(apps)]
