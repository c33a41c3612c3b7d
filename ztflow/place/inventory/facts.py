"""What an inventory states: pods, nodes, services, ztunnels and open connections, each with its evidence.

Times are microseconds since 1970 UTC, addresses canonical text (`canonical_ip`), absent is None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from ztflow.text.patterns import lazy_pattern


class Evidence(NamedTuple):
    """Where a statement comes from.

    Attributes:
        file: The inventory file as the user named it.
        kind: `kubectl table`, `kubernetes object`, `endpoint slice`, `istioctl table`, `ztunnel dump`,
            `address list`.
        captured: When the file was taken: the latest time its content names (a lower bound), else the time of the
            file; None when neither is known.
        modified: Time of the file: nothing in it was seen later.
    """

    file: str
    kind: str
    captured: int | None = None
    modified: int | None = None


def evidence_of(file: str, kind: str, named: int | None, modified: int | None) -> Evidence:
    """Evidence of a file whose content names times up to `named`; a file time before that is a copy's, not its own."""
    if named is None:
        return Evidence(file, kind, modified, modified)
    return Evidence(file, kind, named, modified if modified is not None and modified >= named else None)


class PodFact(NamedTuple):
    """One pod (or another workload the mesh knows), as one file states it.

    Attributes:
        namespace: None when the table did not say.
        name: Pod name.
        ips: Its addresses; several with dual stack.
        node: Node it was scheduled to.
        host_network: True when it uses its node's addresses.
        host_ip: Its node's address, where stated.
        phase: `Pending`, `Running`, `Succeeded`, `Failed`, where stated.
        owner_kind: Kind of the owner: `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, `Pod`, …
        owner: Name of the owner; `owner_kind` `Pod` means that nothing owns it.
        service_account: Its service account.
        zone: Its zone, where the file gives one with the pod.
        region: Its region, likewise.
        cluster: Its cluster.
        network: Its network; addresses are unique inside one network only.
        start: When it got its addresses.
        end: When it stopped.
        uid: Kubernetes uid.
        labels: Its labels in order of their keys; None where the file does not list them.
        policies: Keys of the policies attached to it, where a ztunnel's dump says so.
        evidence: The file that says all this.
    """

    namespace: str | None
    name: str
    ips: tuple[str, ...] = ()
    node: str | None = None
    host_network: bool | None = None
    host_ip: str | None = None
    phase: str | None = None
    owner_kind: str | None = None
    owner: str | None = None
    service_account: str | None = None
    zone: str | None = None
    region: str | None = None
    cluster: str | None = None
    network: str | None = None
    start: int | None = None
    end: int | None = None
    uid: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    policies: tuple[str, ...] | None = None
    evidence: Evidence = Evidence("", "")

    @property
    def over(self) -> bool:
        """Whether it has ended: it keeps showing an address that is another pod's by now."""
        return self.phase in {"Succeeded", "Failed"} or self.end is not None


class NodeFact(NamedTuple):
    """One node, as one file states it."""

    name: str
    ips: tuple[str, ...] = ()
    zone: str | None = None
    region: str | None = None
    cluster: str | None = None
    evidence: Evidence = Evidence("", "")
    pod_ranges: tuple[str, ...] = ()
    """What `spec.podCIDRs` gives its pods."""


class AddressFact(NamedTuple):
    """An address whose node or zone is stated without a pod: a row of a list, an endpoint without a target."""

    ip: str
    node: str | None = None
    zone: str | None = None
    evidence: Evidence = Evidence("", "")


class ServiceFact(NamedTuple):
    """One service with its virtual addresses, the pods behind it (`namespace/name`) and its ports (own, the pods')."""

    namespace: str | None
    name: str
    hostname: str | None = None
    vips: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    evidence: Evidence = Evidence("", "")


class ZtunnelFact(NamedTuple):
    """A ztunnel pod and its node, or (pod None) a node whose ztunnel wrote the file."""

    pod: str | None
    node: str
    evidence: Evidence = Evidence("", "")


class OpenConnection(NamedTuple):
    """A connection that was open when a ztunnel's dump was taken (its `workloadState`).

    Attributes:
        namespace: Namespace of the pod whose proxy holds it.
        pod: That pod.
        direction: `outbound` or `inbound`.
        src: `ip:port`; inbound: the tunnel's.
        original_dst: What was asked for: `ip:port` or a host name; None when not stated.
        actual_dst: Where it went: outbound the next hop, inbound the application.
        protocol: `HBONE` or `TCP`, from 1.23 on.
        node: Node of that ztunnel.
        evidence: The file that says this.
    """

    namespace: str | None
    pod: str
    direction: str
    src: str
    original_dst: str | None
    actual_dst: str
    protocol: str | None = None
    node: str | None = None
    evidence: Evidence = Evidence("", "")


@dataclass(slots=True)
class Inventory:
    """All statements of one or more files, in the order read. Nothing is merged here: see `Topology`.

    Attributes:
        pods: Pods, with node, addresses, owner and times where stated.
        nodes: Nodes, with addresses, zone and region.
        addresses: Addresses of pods that are named by nothing else (lists, endpoint slices).
        services: Virtual addresses.
        ztunnels: Which node a ztunnel is on.
        connections: Connections that were open when a ztunnel's dump was taken.
        unused: Rows and objects that gave nothing, by reason; every row is a statement above or counted here.
        elided: By file, rows whose node somebody left out (`...`), so that it is unknown.
        files: The files read.
    """

    pods: list[PodFact] = field(default_factory=list)
    nodes: list[NodeFact] = field(default_factory=list)
    addresses: list[AddressFact] = field(default_factory=list)
    services: list[ServiceFact] = field(default_factory=list)
    ztunnels: list[ZtunnelFact] = field(default_factory=list)
    connections: list[OpenConnection] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    elided: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)

    def node_of(self, name: str | None, file: str) -> str | None:
        """A node as a file names it; None, and counted, for one that was left out or blackened."""
        if name is None or not is_elided(name):
            return name
        self.elided[file] += 1
        return None

    def add(self, more: Inventory) -> None:
        """Put the statements of another one behind these."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(more, name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                mine.extend(theirs)

    def of_file(self, file: str) -> Inventory:
        """What one file states; what gave nothing is known only of all together."""
        found = Inventory(unused=self.unused)
        for name in ("pods", "nodes", "addresses", "services", "ztunnels", "connections"):
            getattr(found, name).extend(fact for fact in getattr(self, name) if fact.evidence.file == file)
        return found

    def __len__(self) -> int:
        objects = len(self.pods) + len(self.nodes) + len(self.services)
        return objects + len(self.addresses) + len(self.ztunnels) + len(self.connections)


_LONGEST_RANGE = 64
"""Characters; an IPv6 range has at most 43."""
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = lazy_pattern(rf"(?:{_OCTET}\.){{3}}{_OCTET}")


def sorted_labels(labels: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Labels in order of their keys; a value that is no text is left out."""
    return tuple(sorted((key, value) for key, value in labels.items() if isinstance(value, str)))


_ELIDED = lazy_pattern(
    r"[-.…*?_#]+|<[^>]*>|\[[^]]*\]|x{2,}|n/?a|none|null|nil|unknown|undefined|redacted|elided", re.IGNORECASE
)


def is_elided(text: str) -> bool:
    """Whether a name is none: left out (`...`, `ip-10-0-…`), blackened (`***`, `xxx`) or a word for nothing."""
    return "..." in text or "…" in text or _ELIDED.fullmatch(text) is not None


def canonical_ranges(texts: object) -> tuple[str, ...]:
    """The valid ranges of addresses (`10.244.1.0/24`) of a list, in order, each once."""
    found: dict[str, None] = {}
    for text in texts if isinstance(texts, (list, tuple)) else ():
        if isinstance(text, str) and "/" in text and len(text) < _LONGEST_RANGE:
            with suppress(ValueError):
                found[str(ip_network(text.strip(), strict=False))] = None
    return tuple(found)


def canonical_ip(text: object) -> str | None:
    """An address as the log prints it (RFC 5952, IPv4-mapped as IPv4, no zone id); None when it is none."""
    if not isinstance(text, str):
        return None
    if _IPV4.fullmatch(text):
        return text
    if ":" not in text:
        return None
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


def canonical_ips(texts: object) -> tuple[str, ...]:
    """The valid addresses of a list, in order, each once."""
    if not isinstance(texts, (list, tuple)):
        return ()
    if len(texts) == 1:
        ip = canonical_ip(texts[0])
        return () if ip is None else (ip,)
    return tuple(dict.fromkeys(ip for ip in map(canonical_ip, texts) if ip is not None))


def micros(text: object) -> int | None:
    """An RFC 3339 time in microseconds since 1970 UTC; None when it is none."""
    if isinstance(text, datetime):
        moment = text
    elif isinstance(text, str) and len(text) > 18:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
    else:
        return None
    if moment.tzinfo is None:
        return None
    return round(moment.timestamp() * 1_000_000)
