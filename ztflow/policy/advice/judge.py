"""Whether a rule may cover a connection: one judgement a kind of connection, in the light of the whole capture."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from ztflow.model.vocabulary import ErrorClass, FlowPath, Paired, Unpaired, Verdict
from ztflow.place import Inventory
from ztflow.policy.advice.reasons import Reason
from ztflow.policy.advice.seen import End, Kind, Seen
from ztflow.policy.advice.selectors import Selectors
from ztflow.text.patterns import lazy_pattern

MOST_LOST = 0.1
"""Most connections to a destination that may have lost a half, or whose destination may be unknown, as a share."""

PRINCIPAL = lazy_pattern(
    r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?/ns/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/sa/"
    r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
"""An identity without `spiffe://`, as ztunnel compares it: trust domain, namespace, service account."""

_SCHEME = "spiffe://"

TUNNEL_PORT = 15008
"""The port of the tunnel: what a NetworkPolicy sees of every connection inside the mesh."""

PROBE_ADDRESSES = ("169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff")
"""What a kubelet's probes are sent from in ambient (istio/istio 1.31.0-rc.0 `cni/pkg/iptables/iptables.go`)."""

_AFTER_THE_DECISION = frozenset(
    {
        None, ErrorClass.REFUSED, ErrorClass.UNREACHABLE, ErrorClass.TIMEOUT, ErrorClass.RESET, ErrorClass.IO_ERROR,
        ErrorClass.DRAINED, ErrorClass.H2_ERROR, ErrorClass.PEER_UNAVAILABLE, ErrorClass.INTERNAL, ErrorClass.OTHER,
        ErrorClass.WAYPOINT_CLOSED,
    }
)  # fmt: skip
"""Errors of an inbound line that come after its policies let the connection in."""

_AFTER_THE_ANSWER = frozenset({None, ErrorClass.PEER_UNAVAILABLE, ErrorClass.RESET, ErrorClass.DRAINED})
"""Errors of an outbound line that come after the other side let it in: it answered, or data moved."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks for.

    Attributes:
        window: The least time the log has to cover.
        with_: Reasons in spite of which a rule is written.
        without: Reasons whose connections a draft may refuse.
        network: Whether NetworkPolicies are wanted, which know pods and addresses, not identities.
        namespaces: Namespaces of the destinations wanted; empty for all. All traffic to them is looked at.
    """

    window: timedelta | None = None
    with_: frozenset[Reason] = frozenset()
    without: frozenset[Reason] = frozenset()
    network: bool = False
    namespaces: frozenset[str] = frozenset()


def principal_of(identity: str | None) -> str | None:
    """An identity as a policy names it; None where it has not the form Istio gives."""
    text = (identity or "").removeprefix(_SCHEME)
    return text if PRINCIPAL.fullmatch(text) and identity != text else None


class Judge:
    """What is known of the whole capture before one kind of connection is judged."""

    def __init__(self, seen: Seen, inventory: Inventory | None, selectors: Selectors, asked: Asked) -> None:
        self._asked = asked
        self._selectors = selectors
        self._in_mesh: set[End] = set()
        self._waypoints: set[End] = set()
        self._waypoint_identities: set[str] = set()
        self._runs_as: defaultdict[str, set[str]] = defaultdict(set)
        self._denied: set[tuple[End, str | None, int | None]] = set()
        self._plain: defaultdict[tuple[End, End, int | None], int] = defaultdict(int)
        self._on_port: defaultdict[tuple[End, int | None], int] = defaultdict(int)
        self._targets = _targets(inventory)
        tunnelled = unplaced = 0
        for kind, tally in seen.kinds.items():
            if kind.arrived or kind.path in {FlowPath.HBONE, FlowPath.DOUBLE_HBONE}:
                self._in_mesh.add(kind.destination)
            if kind.path == FlowPath.WAYPOINT:
                self._waypoints.add(kind.destination)
                self._waypoint_identities |= {kind.to_identity} - {None} if kind.to_identity else set()
            if kind.unpaired_reason == Unpaired.WAYPOINT_SOURCE:
                self._waypoints |= {kind.source} if kind.source.is_workload else set()
                self._waypoint_identities |= {kind.identity} if kind.identity else set()
            if kind.identity is not None and kind.source_named and kind.source.is_workload:
                self._runs_as[kind.identity].add(selectors.whole(kind.source).id)
            if kind.path not in {None, FlowPath.PLAINTEXT}:
                tunnelled += tally.connections
                unplaced += 0 if kind.destination.is_workload else tally.connections
            elif kind.path == FlowPath.PLAINTEXT and not kind.both:
                self._plain[_plain_key(kind)] += tally.connections if kind.arrived else -tally.connections
            to = selectors.whole(kind.destination)
            if kind.verdict == Verdict.DENIED:
                self._denied.add((to, kind.identity, self.port(kind)))
            else:
                self._on_port[to, self.port(kind)] += tally.connections
        self.many_unplaced = unplaced > MOST_LOST * tunnelled
        """Whether the destination of many connections inside the mesh is not known."""

    def port(self, kind: Kind) -> int | None:
        """The application's port."""
        if kind.host is None:
            return kind.port
        return self._targets.get((kind.host, kind.port))

    def whole(self, end: End) -> End:
        """As `Selectors.whole`."""
        return self._selectors.whole(end)

    def is_waypoint(self, end: End) -> bool:
        """Whether clients were sent to it as a waypoint."""
        return end in self._waypoints

    def reason(self, kind: Kind) -> Reason | None:
        """Why no rule is advised; None where one is."""
        if kind.verdict == Verdict.DENIED:
            return Reason.DENIED
        if not _was_let_in(kind):
            return Reason.NOT_DECIDED
        tunnel = kind.path != FlowPath.PLAINTEXT
        if not tunnel and not kind.arrived and kind.destination not in self._in_mesh:
            return Reason.OUTSIDE_MESH
        if not tunnel and not kind.arrived and self._plain[_plain_key(kind)] >= 0:
            return Reason.TOLD_BY_DESTINATION
        if not kind.destination.is_workload:
            return Reason.DESTINATION_UNKNOWN
        return self._by_address(kind) if self._asked.network else self._by_identity(kind, tunnel=tunnel)

    def _by_address(self, kind: Kind) -> Reason | None:
        if not kind.source.is_workload:
            return Reason.NODE_PROBE if self._from_node(kind) else Reason.SOURCE_UNKNOWN
        if kind.path == FlowPath.DOUBLE_HBONE:
            return Reason.GATEWAY_SOURCE  # on the wire the other network's gateway calls
        if not isinstance(self._selectors.of(kind.source), dict):
            return Reason.SOURCE_UNKNOWN
        return self._seen_once(kind)

    def _by_identity(self, kind: Kind, *, tunnel: bool) -> Reason | None:
        if kind.path == FlowPath.WAYPOINT:
            return Reason.TO_WAYPOINT
        if not tunnel:
            return Reason.NODE_PROBE if self._from_node(kind) else Reason.PLAINTEXT
        principal = principal_of(kind.identity)
        if principal is None or kind.identity is None:
            return Reason.NO_IDENTITY
        port = self.port(kind)
        if not port:
            return Reason.SERVICE_PORT
        found = PRINCIPAL.fullmatch(principal)
        assert found is not None
        for reason, holds in (
            (Reason.ALSO_DENIED, (self._selectors.whole(kind.destination), kind.identity, port) in self._denied),
            (Reason.WAYPOINT_SOURCE, self._from_waypoint(kind)),
            (Reason.GATEWAY_SOURCE, self._selectors.is_gateway(kind.source)),
            (Reason.SOURCE_NOT_CAPTURED, kind.unpaired_reason == Unpaired.SOURCE_NOT_CAPTURED),
            (Reason.DEFAULT_ACCOUNT, found[2] == "default"),
            (Reason.SHARED_IDENTITY, len(self._running_as(kind.identity, found[1], found[2])) > 1),
        ):
            if holds and reason not in self._asked.with_:
                return reason
        return self._seen_once(kind)

    def _seen_once(self, kind: Kind) -> Reason | None:
        once = self._on_port[self._selectors.whole(kind.destination), self.port(kind)] == 1
        return Reason.SEEN_ONCE if once and Reason.SEEN_ONCE not in self._asked.with_ else None

    def _from_node(self, kind: Kind) -> bool:
        return kind.address in PROBE_ADDRESSES or kind.address in self._selectors.node_addresses

    def _from_waypoint(self, kind: Kind) -> bool:
        return (
            kind.unpaired_reason == Unpaired.WAYPOINT_SOURCE
            or kind.source in self._waypoints
            or kind.identity in self._waypoint_identities
        )

    def _running_as(self, identity: str, namespace: str, account: str) -> set[str]:
        listed = {
            self._selectors.whole(End(one, is_workload=True)).id for one in self._selectors.runs_as(namespace, account)
        }
        return self._runs_as[identity] | listed


def _plain_key(kind: Kind) -> tuple[End, End, int | None]:
    """The two lines of a connection without a tunnel share this; they are two sockets that nothing pairs."""
    return kind.destination, kind.source, kind.port


def _was_let_in(kind: Kind) -> bool:
    """Whether the destination's ztunnel, or the waypoint, decided, and decided for it."""
    if kind.paired == Paired.INBOUND_ONLY or kind.both:
        return kind.error_class in _AFTER_THE_DECISION
    return kind.error_class in _AFTER_THE_ANSWER and kind.unpaired_reason != Unpaired.EARLY_DENIAL


def _targets(inventory: Inventory | None) -> dict[tuple[str, int | None], int]:
    """(host or address, port) of a service → port of its pods, where it is the same on all."""
    found: defaultdict[tuple[str, int | None], set[int]] = defaultdict(set)
    for service in inventory.services if inventory is not None else ():
        hosts = {f"{service.name}.{service.namespace}.svc.cluster.local"} if service.namespace else set()
        hosts |= {*service.vips} | ({service.hostname} if service.hostname else set())
        for own, target in service.ports:
            for host in hosts:
                found[host, own].add(target)
    return {key: next(iter(ports)) for key, ports in found.items() if len(ports) == 1}
