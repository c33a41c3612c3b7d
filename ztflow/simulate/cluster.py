"""The simulated cluster: nodes, pods and services, drawn from a seed, and how kubectl prints them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ztflow.simulate.scenario import Scenario

NAMESPACE = "istio-system"
TRUST_DOMAIN = "cluster.local"
NO_NODE = -1

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes draws random name endings from."""

_NAMES = (
    "web", "cart", "orders", "stock", "search", "users", "mail", "prices", "ads", "media", "audit", "queue", "reviews",
    "ratings", "invoice", "shipping", "geo", "cache", "auth", "feed",
)  # fmt: skip


class Role(StrEnum):
    """What a pod is there for."""

    APP = "app"
    GUARDED = "guarded"
    CLOSED = "closed"
    FAR = "far"
    PROBER = "prober"
    UNMESHED = "unmeshed"
    WAYPOINT = "waypoint"
    GATEWAY = "gateway"
    EAST_WEST = "east-west"
    OUTSIDE = "outside"
    """An address the mesh knows nothing about."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node and its ztunnel."""

    name: str
    zone: str
    ztunnel: str
    ip: str
    cluster: str
    network: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or an address outside the cluster (`node` is then `NO_NODE`)."""

    name: str
    namespace: str
    workload: str
    account: str
    ip: str
    ip6: str
    node: int
    role: Role

    @property
    def identity(self) -> str:
        """Its SPIFFE identity."""
        return f"spiffe://{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.account}"


@dataclass(frozen=True, slots=True)
class Service:
    """A service; `waypoint` is a pod's number or `NO_NODE`."""

    name: str
    namespace: str
    vip: str
    vip6: str
    port: int
    target: int
    pods: tuple[int, ...]
    waypoint: int
    role: Role

    @property
    def hostname(self) -> str:
        """Its name in the mesh."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes, pods and services; everything else names them by their place in these."""

    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]

    def of(self, *roles: Role) -> list[int]:
        """Numbers of the pods of some roles."""
        return [number for number, pod in enumerate(self.pods) if pod.role in roles]

    def services_of(self, *roles: Role) -> list[int]:
        """Numbers of the services of some roles."""
        return [number for number, service in enumerate(self.services) if service.role in roles]

    def pods_txt(self) -> str:
        """What `kubectl get pods -A -o wide` prints."""
        head = ("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE",
                "READINESS GATES")  # fmt: skip
        rows = [
            (NAMESPACE, node.ztunnel, "1/1", "Running", "0", "3h12m", node.ip, node.name, "<none>", "<none>")
            for node in self.nodes
        ]
        rows += [
            (pod.namespace, pod.name, "1/1", "Running", "0", "3h12m", pod.ip, self.nodes[pod.node].name, "<none>",
             "<none>")
            for pod in self.pods
            if pod.node != NO_NODE
        ]  # fmt: skip
        return _columns([head, *rows])

    def nodes_txt(self) -> str:
        """What `kubectl get nodes --show-labels` prints."""
        rows = []
        for node in self.nodes:
            place = f"topology.kubernetes.io/region=eu-west-1,topology.kubernetes.io/zone={node.zone}"
            labels = f"kubernetes.io/hostname={node.name},{place}"
            rows.append((node.name, "Ready", "<none>", "4h12m", "v1.32.4", labels))
        return _columns([("NAME", "STATUS", "ROLES", "AGE", "VERSION", "LABELS"), *rows])


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


class _Builder:
    """Draws names and hands out addresses."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self.shape = scenario.shape
        self.rng = rng
        self.pods: list[Pod] = []
        self.services: list[Service] = []
        self.on_node = [1] * scenario.shape.nodes
        self.taken: set[str] = set()
        self.replica_sets: dict[str, str] = {}
        self.turn = 0

    def ending(self, length: int = 5) -> str:
        while True:
            text = "".join(_LETTERS[i] for i in self.rng.integers(0, len(_LETTERS), length))
            if text not in self.taken:
                self.taken.add(text)
                return text

    def nodes(self) -> tuple[Node, ...]:
        shape = self.shape
        near = shape.nodes if shape.networks == 1 else shape.nodes - max(1, shape.nodes // 3)
        made = []
        for number in range(shape.nodes):
            letter = chr(ord("a") + number) if shape.nodes <= 26 else f"{number + 1:03d}"
            first = number < near
            made.append(
                Node(
                    name=f"node-{letter}",
                    zone=f"eu-west-1{chr(ord('a') + number * shape.zones // shape.nodes)}",
                    ztunnel=f"ztunnel-{self.ending()}",
                    ip=f"10.244.{number + 1}.2",
                    cluster=("east" if first else "west") if shape.networks > 1 else "Kubernetes",
                    network=("net1" if first else "net2") if shape.networks > 1 else "",
                )
            )
        return tuple(made)

    def pod(self, workload: str, namespace: str, role: Role, node: int, *, stateful: bool = False) -> int:
        self.on_node[node] += 1
        place = self.on_node[node]
        # A /24 a node as kubeadm gives it; further /24s in 10.245.0.0/16 and up when a node has more pods.
        ip = f"10.{244 + place // 250}.{node + 1}.{place % 250 + 3}"
        name = f"{workload}-0" if stateful else f"{workload}-{self.replica_set(workload)}-{self.ending()}"
        self.pods.append(
            Pod(name, namespace, workload, workload, ip, f"fd00:10:244:{node + 1:x}::{place:x}", node, role)
        )
        return len(self.pods) - 1

    def replica_set(self, workload: str) -> str:
        if workload not in self.replica_sets:
            self.replica_sets[workload] = self.ending(9)
        return self.replica_sets[workload]

    def service(
        self, name: str, namespace: str, pods: list[int], port: int, target: int, role: Role, waypoint: int = NO_NODE
    ) -> None:
        number = len(self.services) + 1
        vip, vip6 = f"10.96.{10 + number // 200}.{number % 200 + 1}", f"fd00:10:96::{number:x}"
        self.services.append(Service(name, namespace, vip, vip6, port, target, tuple(pods), waypoint, role))

    def spread(self, nodes: list[int]) -> int:
        self.turn += 1
        return nodes[(self.turn - 1) % len(nodes)]


def build_cluster(scenario: Scenario, rng: np.random.Generator) -> Cluster:
    """The cluster of a scenario; the same generator state gives the same cluster."""
    shape = scenario.shape
    make = _Builder(scenario, rng)
    nodes = make.nodes()
    near = [number for number, node in enumerate(nodes) if node.network in {"", "net1"}]
    far = [number for number, node in enumerate(nodes) if node.network == "net2"]
    waypoint = NO_NODE
    if shape.waypoint_services:
        waypoint = make.pod("waypoint", "shop", Role.WAYPOINT, near[-1])
    for number in range(shape.apps):
        name = _NAMES[number % len(_NAMES)] + (str(number // len(_NAMES)) if number >= len(_NAMES) else "")
        pods = [make.pod(name, "shop", Role.APP, make.spread(near)) for _ in range(shape.replicas)]
        port = 8080 if number % 2 else 80
        through = waypoint if number >= shape.apps - shape.waypoint_services else NO_NODE
        make.service(name, "shop", pods, port, 8080, Role.APP, through)
    make.service("db", "data", [make.pod("db", "data", Role.APP, near[-1], stateful=True)], 5432, 5432, Role.APP)
    vault = make.pod("vault", "secure", Role.GUARDED, near[len(near) // 2], stateful=True)
    make.service("vault", "secure", [vault], 8200, 8200, Role.GUARDED)
    make.service("shut", "closed", [make.pod("shut", "closed", Role.CLOSED, near[-1])], 80, 8080, Role.CLOSED)
    make.pod("prober", "monitoring", Role.PROBER, near[len(near) // 2])
    make.pod("legacy", "legacy", Role.UNMESHED, near[0], stateful=True)
    make.pod("gateway", "ingress", Role.GATEWAY, near[len(near) // 2])
    make.service("gone", "shop", [], 80, 8080, Role.OUTSIDE)
    if far:
        make.pod("eastwest", "ingress", Role.EAST_WEST, far[0])
        pods = [make.pod("far", "data", Role.FAR, make.spread(far)) for _ in range(max(2, shape.replicas))]
        make.service("far", "data", pods, 80, 8080, Role.FAR)
    make.pods += [
        Pod(f"outside-{last}", "", "", "", f"203.0.113.{last}", f"2001:db8:113::{last:x}", NO_NODE, Role.OUTSIDE)
        for last in range(10, 16)
    ]
    return Cluster(nodes, tuple(make.pods), tuple(make.services))
