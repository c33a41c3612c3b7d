"""From what was seen to drafts: which connections a rule covers, which none, and which destinations have to wait.

A draft is made only if it lets in everything that was let in to its destination while the log was written. An ALLOW
policy refuses all it does not name, so one connection without a rule holds the whole draft back; the user decides
reason by reason whether to write its rule all the same (`with_`) or to let the policy refuse it (`without`). Where
policies refuse everything that was seen, the draft lets in nobody, too.

Every connection is in the rules of a draft, in `refused`, or was not asked for: in one of them, never in two or none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ztflow.model.vocabulary import ErrorClass, FlowPath, Paired, Unpaired, Verdict
from ztflow.place import Inventory
from ztflow.policy.advice.reasons import EXPLANATIONS, Reason
from ztflow.policy.advice.seen import End, Kind, Seen, Tally, total
from ztflow.policy.advice.selectors import Labels, Selectors

PRINCIPAL = re.compile(
    r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?/ns/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/sa/"
    r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
"""An identity without `spiffe://`, as ztunnel compares it: trust domain, namespace, service account."""

_SCHEME = "spiffe://"
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_WORKLOAD = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,178}[a-z0-9])?")
"""Short enough that a file can be called `namespace.workload.yaml`."""

TUNNEL_PORT = 15008
"""The port of the tunnel: what a NetworkPolicy sees of every connection inside the mesh."""

PROBE_ADDRESSES = ("169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff")
"""What a kubelet's probes are sent from in ambient (istio/istio 1.31.0-rc.0 `cni/pkg/iptables/iptables.go`)."""

_LOSS = 0.1
"""Most connections to a destination that may have lost a half, or whose destination may be unknown, as a share."""

_AFTER_THE_DECISION = frozenset(
    {
        None, ErrorClass.REFUSED, ErrorClass.UNREACHABLE, ErrorClass.TIMEOUT, ErrorClass.RESET, ErrorClass.IO_ERROR,
        ErrorClass.DRAINED, ErrorClass.H2_ERROR, ErrorClass.PEER_UNAVAILABLE, ErrorClass.INTERNAL, ErrorClass.OTHER,
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


@dataclass(frozen=True, slots=True)
class Allowed:
    """One thing a draft allows.

    Attributes:
        port: The application's port; for a NetworkPolicy the one on the wire.
        source: For an AuthorizationPolicy the principal, for a NetworkPolicy the client (`namespace/workload`).
        seen: The connections.
    """

    port: int
    source: str
    seen: Tally


@dataclass(frozen=True, slots=True)
class Draft:
    """The policy of one destination.

    Attributes:
        workload: `namespace/workload`.
        selector: Labels of its pods.
        allowed: What it allows, by port and source; nothing where all that was seen is refused today.
        unprotected: Connections that it will refuse although they work today (`without`).
    """

    workload: End
    selector: Labels
    allowed: tuple[Allowed, ...]
    unprotected: Tally

    @property
    def seen(self) -> Tally:
        """Connections it allows."""
        return total(allowed.seen for allowed in self.allowed)


@dataclass(frozen=True, slots=True)
class Refused:
    """Connections no rule is advised for.

    Attributes:
        destination: Who was called.
        source: Who called.
        identity: The caller's identity as logged.
        port: The port as far as known.
        reason: Why.
        seen: The connections.
    """

    destination: str
    source: str
    identity: str | None
    port: int | None
    reason: Reason
    seen: Tally


@dataclass(frozen=True, slots=True)
class Decided:
    """What is advised, and what not.

    Attributes:
        drafts: By workload.
        refused: By destination, reason, source, port.
        held_back: Destination without a draft → the reasons.
        elsewhere: Connections to namespaces that were not asked for.
    """

    drafts: tuple[Draft, ...]
    refused: tuple[Refused, ...]
    held_back: Mapping[str, tuple[Reason, ...]]
    elsewhere: Tally

    @property
    def allowed(self) -> int:
        """Connections the drafts allow."""
        return sum(draft.seen.connections for draft in self.drafts)


def principal_of(identity: str | None) -> str | None:
    """An identity as a policy names it; None where it has not the form Istio gives."""
    text = (identity or "").removeprefix(_SCHEME)
    return text if PRINCIPAL.fullmatch(text) and identity != text else None


class _Judge:
    """What is known of the whole capture before one kind of connection is judged."""

    def __init__(self, seen: Seen, inventory: Inventory | None, selectors: Selectors, asked: Asked) -> None:
        self._asked = asked
        self._selectors = selectors
        self._in_mesh: set[End] = set()
        self._waypoints: set[End] = set()
        self._waypoint_identities: set[str] = set()
        self._runs_as: defaultdict[str, set[str]] = defaultdict(set)
        self._denied: set[tuple[End, str | None, int | None]] = set()
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
            to = selectors.whole(kind.destination)
            if kind.verdict == Verdict.DENIED:
                self._denied.add((to, kind.identity, self.port(kind)))
            else:
                self._on_port[to, self.port(kind)] += tally.connections
        self.many_unplaced = unplaced > _LOSS * tunnelled
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


def decide(seen: Seen, inventory: Inventory | None = None, asked: Asked | None = None) -> Decided:
    """What to advise.

    Args:
        seen: The connections.
        inventory: Labels of pods, ports of services, addresses of nodes, service accounts.
        asked: What the user wants; nothing in particular unless given.
    """
    asked = Asked() if asked is None else asked
    selectors = Selectors(inventory)
    judge = _Judge(seen, inventory, selectors, asked)
    by_destination: defaultdict[End, list[tuple[Kind, Tally]]] = defaultdict(list)
    elsewhere = Tally()
    for kind, tally in seen.kinds.items():
        if asked.namespaces and kind.destination.namespace not in asked.namespaces:
            elsewhere += tally
        else:
            by_destination[selectors.whole(kind.destination)].append((kind, tally))
    drafts, refused, held_back = [], list[Refused](), dict[str, tuple[Reason, ...]]()
    for workload, members in sorted(by_destination.items()):
        judged = [(kind, tally, judge.reason(kind)) for kind, tally in members]
        good = [(kind, tally) for kind, tally, reason in judged if reason is None]
        holding = {reason for _, _, reason in judged if reason is not None and EXPLANATIONS[reason].holds}
        shut = (
            not good
            and not holding
            and not asked.network
            and any(kind.arrived for kind, _, reason in judged if reason is Reason.DENIED)
        )
        selector: Labels = {}
        whole: set[Reason] = set()
        if good or shut:
            whole = _of_whole(workload, members, judge, seen, asked)
            found = selectors.of(workload)
            whole |= {found} if isinstance(found, Reason) else set()
            selector = {} if isinstance(found, Reason) else found
            holding |= whole
        blocking = holding - asked.without
        if (good or shut) and not blocking:
            unprotected = total(
                tally for _, tally, reason in judged if reason is not None and EXPLANATIONS[reason].holds
            )
            drafts.append(Draft(workload, selector, _allowed(good, judge, asked), unprotected))
        elif blocking:
            held_back[workload.id] = tuple(sorted(blocking, key=list(Reason).index))
        main = next(iter(sorted(whole, key=list(Reason).index)), Reason.WITHHELD) if good and blocking else None
        refused += [
            Refused(
                workload.id, kind.source.id if kind.source.is_workload or not kind.address else kind.address,
                kind.identity, judge.port(kind) or kind.port, reason or main or Reason.WITHHELD, tally,
            )
            for kind, tally, reason in judged if reason is not None or blocking
        ]  # fmt: skip
    return Decided(tuple(drafts), _joined(refused), held_back, elsewhere)


def _of_whole(
    workload: End, members: Iterable[tuple[Kind, Tally]], judge: _Judge, seen: Seen, asked: Asked
) -> set[Reason]:
    """Reasons that hold for everything that went to a destination."""
    found: set[Reason] = set()
    if not asked.network and judge.is_waypoint(workload):
        found.add(Reason.TO_WAYPOINT)
    if asked.window is not None and (seen.window is None or seen.window < asked.window):
        found.add(Reason.SHORT_WINDOW)
    members = list(members)
    lost = sum(tally.connections for kind, tally in members if kind.lost)
    if lost > _LOSS * sum(tally.connections for _, tally in members):
        found.add(Reason.MANY_UNPAIRED)
    if judge.many_unplaced:
        found.add(Reason.MANY_UNPLACED)
    if not (_NAMESPACE.fullmatch(workload.namespace) and _WORKLOAD.fullmatch(workload.name)):
        found.add(Reason.BAD_NAME)
    return found - asked.with_


def _allowed(good: Iterable[tuple[Kind, Tally]], judge: _Judge, asked: Asked) -> tuple[Allowed, ...]:
    found: defaultdict[tuple[int, str], Tally] = defaultdict(Tally)
    for kind, tally in good:
        if asked.network:
            source, port = (
                judge.whole(kind.source).id,
                TUNNEL_PORT if kind.path != FlowPath.PLAINTEXT else kind.port or 0,
            )
        else:
            source, port = principal_of(kind.identity) or "", judge.port(kind) or 0
        found[port, source] += tally
    return tuple(Allowed(port, source, tally) for (port, source), tally in sorted(found.items()))


def _joined(refused: Iterable[Refused]) -> tuple[Refused, ...]:
    """Equal refusals as one, in a fixed order."""
    found: defaultdict[tuple[str, int, str, int, str], list[Refused]] = defaultdict(list)
    for one in refused:
        key = (one.destination, list(Reason).index(one.reason), one.source, one.port or 0, one.identity or "")
        found[key].append(one)
    return tuple(
        Refused(*_same(members[0]), total(member.seen for member in members)) for _, members in sorted(found.items())
    )


def _same(one: Refused) -> tuple[str, str, str | None, int | None, Reason]:
    return one.destination, one.source, one.identity, one.port, one.reason
