"""The register: inventory statements merged per pod and indexed by name and address, valid in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from ztflow.place.inventory.facts import Evidence, Inventory, PodFact
from ztflow.place.names import How, is_unique_name, workload_of_name
from ztflow.place.ranges import Ranges

CLOCK_SLACK = 5_000_000
"""Microseconds by which the API server's clock and a node's may differ before a start or end time counts as after."""

SNAPSHOT_GAP = 60_000_000
"""Snapshots closer together than this (microseconds) are one moment: files copied together have close times."""

PodKey = tuple[str | None, str]
"""Namespace (None when a table did not say) and name."""


class Contradiction(NamedTuple):
    """Two sources that cannot both be right about the same thing.

    Attributes:
        subject: What they disagree about: `pod shop/db-0`, `address 10.0.0.7`, `ztunnel ztunnel-x7k2q`, `zone of …`.
        statements: What each says, with its source.
    """

    subject: str
    statements: tuple[str, ...]


class Register:
    """Merged inventory. Cost: a few microseconds a pod to build, dictionary lookups to ask."""

    def __init__(self, inventory: Inventory) -> None:
        self.pods: dict[PodKey, list[PodFact]] = {}
        """Every pod by namespace and name; more than one entry where a name was given again on another node."""
        self.by_ip: dict[str, list[PodFact]] = {}
        """Pods by address; host-network pods are not here."""
        self.uids: dict[str, PodKey] = {}
        self.node_zone: dict[str, str] = {}
        self.node_region: dict[str, str] = {}
        self.node_of_ip: dict[str, tuple[str | None, str | None, Evidence]] = {}
        """Node, zone and evidence of addresses that are a node's, or were stated without a pod."""
        self.contradictions: list[Contradiction] = []
        self.knows_pod_zones = False
        """Whether any statement gives a zone with a pod."""
        self._read_nodes(inventory)
        self._read_pods(inventory.pods)
        self.ranges = self._ranges(inventory)
        """Nodes by the ranges of their pods; none where a pod's address is in another node's range."""

    def _read_nodes(self, inventory: Inventory) -> None:
        zones: defaultdict[str, dict[str, Evidence]] = defaultdict(dict)
        owners: defaultdict[str, dict[str, Evidence]] = defaultdict(dict)
        for node in inventory.nodes:
            if node.zone is not None:
                zones[node.name].setdefault(node.zone, node.evidence)
            if node.region is not None:
                self.node_region.setdefault(node.name, node.region)
            for ip in node.ips:
                owners[ip].setdefault(node.name, node.evidence)
        for pod in inventory.pods:
            if pod.host_ip is not None and pod.node is not None:
                owners[pod.host_ip].setdefault(pod.node, pod.evidence)
        for name, found in zones.items():
            if len(found) == 1:
                self.node_zone[name] = next(iter(found))
            else:
                self.contradictions.append(_contradiction(f"zone of node {name}", found.items()))
        for ip, names in owners.items():
            if len(names) == 1:
                name, evidence = next(iter(names.items()))
                self.node_of_ip[ip] = (name, None, evidence)
            else:
                self.contradictions.append(_contradiction(f"node address {ip}", names.items()))
        stated: defaultdict[str, dict[tuple[str | None, str | None], Evidence]] = defaultdict(dict)
        for address in inventory.addresses:
            stated[address.ip].setdefault((address.node, address.zone), address.evidence)
        for ip, places in stated.items():
            if ip in self.node_of_ip:
                continue
            if len(places) == 1:
                (node_name, zone), evidence = next(iter(places.items()))
                self.node_of_ip[ip] = (node_name, zone, evidence)
            else:
                said = ((node_name or zone or "", evidence) for (node_name, zone), evidence in places.items())
                self.contradictions.append(_contradiction(f"address {ip}", said))

    def _read_pods(self, facts: Sequence[PodFact]) -> None:
        groups: defaultdict[PodKey, list[PodFact]] = defaultdict(list)
        nameless: list[PodFact] = []
        for fact in facts:
            if fact.namespace is None:
                nameless.append(fact)
            else:
                groups[fact.namespace, fact.name].append(fact)
        by_name: defaultdict[str, list[PodKey]] = defaultdict(list)
        if nameless:
            for key in groups:
                by_name[key[1]].append(key)
        for fact in nameless:
            # A table without NAMESPACE: the same pod as one of that name elsewhere, if name or address settle which.
            keys = by_name.get(fact.name, [])
            same = [key for key in keys if set(fact.ips) & {ip for known in groups[key] for ip in known.ips}]
            if len(same) != 1 and len(keys) == 1 and is_unique_name(fact.name):
                same = keys
            groups[same[0] if len(same) == 1 else (None, fact.name)].append(fact)
        for key, group in groups.items():
            self.pods[key] = group if len(group) == 1 else _merge(group)
            for pod in self.pods[key]:
                if pod.uid is not None:
                    self.uids[pod.uid] = key
        self.knows_pod_zones = any(fact.zone is not None for fact in facts)
        self._index_addresses()
        self._check_names()

    def _ranges(self, inventory: Inventory) -> Ranges | None:
        if not any(node.pod_ranges for node in inventory.nodes):
            return None
        ranges = Ranges(inventory.nodes)
        pods = ((ip, pod.node) for ip, pods in self.by_ip.items() for pod in pods if not pod.over)
        wrong = ranges.contradicted(pods)
        if wrong is None:
            return ranges
        ip, node, ranged = wrong
        self.contradictions.append(Contradiction("ranges of pods", (f"{ip} is on {node}", f"{ip} is {ranged}'s")))
        return None

    def _index_addresses(self) -> None:
        shared: defaultdict[str, list[PodFact]] = defaultdict(list)
        for pods in self.pods.values():
            for pod in pods:
                for ip in pod.ips:
                    shared[ip].append(pod)
        for ip, pods in shared.items():
            if self._is_host_address(ip, pods):
                nodes = {pod.node: pod.evidence for pod in pods if pod.node is not None}
                if ip not in self.node_of_ip and len(nodes) == 1:
                    node, evidence = next(iter(nodes.items()))
                    self.node_of_ip[ip] = (node, None, evidence)
            else:
                self.by_ip[ip] = pods

    def _is_host_address(self, ip: str, pods: Sequence[PodFact]) -> bool:
        """Whether an address is a node's: stated, or several live pods of one node show it."""
        if ip in self.node_of_ip or any(pod.host_network for pod in pods):
            return True
        live = [pod for pod in pods if not pod.over and pod.host_network is None]
        if len(live) < 2 or len({pod.node for pod in live}) != 1 or live[0].node is None:
            return False
        # One pod of several days' files is one pod; two pods of one file with one address share their node's.
        names = defaultdict(set)
        for pod in live:
            names[pod.evidence.file].add((pod.namespace, pod.name))
        return any(len(group) > 1 for group in names.values())

    def _check_names(self) -> None:
        for (namespace, name), pods in self.pods.items():
            if len(pods) > 1 and is_unique_name(name) and not _of_several_clusters(pods):
                said = [(pod.node, pod.evidence) for pod in pods if pod.node is not None]
                self.contradictions.append(_contradiction(f"pod {namespace or '?'}/{name}", said))
        for ip, pods in self.by_ip.items():
            if len(pods) < 2:
                continue
            live = [pod for pod in pods if not pod.over and pod.node is not None]
            nodes = {pod.node for pod in live}
            timed = all(pod.start is not None for pod in live) and len({pod.start for pod in live}) == len(live)
            if len(nodes) > 1 and not timed and not _apart(live) and not _of_several_clusters(live):
                said = [(f"{pod.namespace}/{pod.name} on {pod.node}", pod.evidence) for pod in live]
                self.contradictions.append(_contradiction(f"address {ip}", said))

    @property
    def places_anything(self) -> bool:
        """Whether it knows a pod or an address at all."""
        return bool(self.pods or self.by_ip or self.node_of_ip)

    def lookup(self, namespace: str | None, name: str) -> list[PodFact]:
        """What is known of a pod; a table without NAMESPACE counts where no other pod of that name is known."""
        found = self.pods.get((namespace, name))
        return found if found is not None else self.pods.get((None, name), [])

    def any_namespace(self, names: Collection[str]) -> dict[str, list[PodFact]]:
        """Every pod of some names. Cost: a look at every pod."""
        found: defaultdict[str, list[PodFact]] = defaultdict(list)
        for key, pods in self.pods.items():
            if key[1] in names:
                found[key[1]].extend(pods)
        return found

    def owner_of(self, namespace: str | None, pod: str) -> tuple[str, How]:
        """The workload a pod belongs to, and how that is known (`Topology.owner_of`)."""
        for known in self.lookup(namespace, pod):
            if known.owner is not None:
                return known.owner, "owner"
        return workload_of_name(pod)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The workload of every pod (`namespace/name`) whose owner is stated."""
        return {
            f"{namespace}/{name}": pod.owner
            for (namespace, name), pods in self.pods.items()
            if namespace is not None
            for pod in pods
            if pod.owner is not None
        }

    def zone(self, pod: PodFact) -> str | None:
        """Zone of a pod: its node's, else its own."""
        return (self.node_zone.get(pod.node) if pod.node is not None else None) or pod.zone


def at_time(pods: Sequence[PodFact], time: int | None) -> PodFact | None:
    """Which of several pods that claim the same name or address has it at that time; None when nothing settles it.

    A start or end that is known decides; else the snapshot nearest in time does, where all files have a time.
    """
    if time is not None:
        pods = [pod for pod in pods if _covers(pod, time)]
    if len(pods) < 2:
        return pods[0] if pods else None
    live = [pod for pod in pods if not pod.over]
    if len(live) == 1 and time is None:
        return live[0]
    if time is not None and all(pod.start is not None for pod in pods):
        latest = max(pods, key=lambda pod: pod.start or 0)
        if sum(pod.start == latest.start for pod in pods) == 1:
            return latest
    if len(live) == 1 and all(pod.end is None for pod in pods):
        return live[0]
    return _nearest_snapshot(live or pods, time)


def bounds(pods: Iterable[PodFact]) -> set[int]:
    """The times at which `at_time` may change its answer."""
    found: set[int] = set()
    pods = list(pods)
    for pod in pods:
        if pod.start is not None:
            found.add(pod.start - CLOCK_SLACK)
        if pod.end is not None:
            found.add(pod.end + CLOCK_SLACK + 1)
    if len(pods) > 1:
        for pod in pods:
            if pod.evidence.captured is not None:
                found |= {pod.evidence.captured, pod.evidence.captured + 1}
    return found


def _covers(pod: PodFact, time: int) -> bool:
    after = pod.start is None or pod.start - CLOCK_SLACK <= time
    return after and (pod.end is None or time <= pod.end + CLOCK_SLACK)


def _apart(pods: Sequence[PodFact]) -> bool:
    """Whether the pods come from snapshots far enough apart in time to be one after the other."""
    times = [pod.evidence.captured for pod in pods]
    known = sorted(time for time in times if time is not None)
    gaps = (later - earlier for earlier, later in pairwise(known))
    return len(known) == len(pods) and all(gap >= SNAPSHOT_GAP for gap in gaps)


def _nearest_snapshot(pods: Sequence[PodFact], time: int | None) -> PodFact | None:
    """The pod of the last snapshot before a time, if it is also the first after; outside all, of the nearest."""
    if time is None or not _apart(pods):
        return None
    ordered = sorted(pods, key=lambda pod: pod.evidence.captured or 0)
    first, last = ordered[0], ordered[-1]
    if time <= (first.evidence.captured or 0):
        return first
    if time >= (last.evidence.captured or 0):
        return last
    return next((pod for pod in pods if pod.evidence.captured == time), None)


def _merge(facts: Sequence[PodFact]) -> list[PodFact]:
    """One entry per incarnation of a pod: statements that agree (or are silent) about node and uid become one."""
    merged: list[PodFact] = []
    for fact in facts:
        for index, known in enumerate(merged):
            if _agree(known.node, fact.node) and _agree(known.uid, fact.uid) and _agree(known.cluster, fact.cluster):
                merged[index] = _combine(known, fact)
                break
        else:
            merged.append(fact)
    return merged


def _of_several_clusters(pods: Sequence[PodFact]) -> bool:
    """Whether each pod is of another cluster or network, where names and addresses are given anew."""
    clusters = {(pod.cluster, pod.network) for pod in pods if pod.cluster is not None or pod.network is not None}
    return len(clusters) == len(pods)


def _agree(first: str | None, second: str | None) -> bool:
    return first is None or second is None or first == second


def _combine(known: PodFact, fact: PodFact) -> PodFact:
    """Merge two statements about one pod: all addresses; the first statement wins, except for phase and end."""
    values: list[Any] = [mine if mine is not None else theirs for mine, theirs in zip(known, fact, strict=True)]
    both = PodFact(*values)
    owner = known if known.owner_kind is not None or fact.owner_kind is None else fact
    return both._replace(
        ips=tuple(dict.fromkeys(known.ips + fact.ips)),
        phase=fact.phase or known.phase,
        end=fact.end or known.end,
        owner_kind=owner.owner_kind,
        owner=owner.owner or both.owner,
        host_network=known.host_network or fact.host_network,
        evidence=known.evidence if known.node is not None or fact.node is None else fact.evidence,
    )


def _contradiction(subject: str, said: Iterable[tuple[str | None, Evidence]]) -> Contradiction:
    return Contradiction(subject, tuple(f"{what} ({source.kind}, {source.file})" for what, source in said))
