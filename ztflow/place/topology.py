"""`Topology`: all evidence about places merged, in the order of its strength, with contradictions kept.

The order: what a shipper said of the writer > inventory > ztunnel's start-up lines > what other lines show. A pod name
that is never given again (`names.is_unique_name`) means one pod on one node for all time. A name or address that can
come back is placed only where time allows it, and there a line written at that very moment beats a snapshot.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from ztflow.origin import Fact
from ztflow.place.known import Inventory, PodFact, canonical_ip
from ztflow.place.names import How, is_unique_name, workload_of_name
from ztflow.place.register import Contradiction, Register, at_time, bounds
from ztflow.place.sightings import NEVER, Sightings, Span, Writer

NOWHERE = -1
"""The place of what could not be placed."""


class Answer(NamedTuple):
    """Where one end is. Places are numbers; a place may be a node nobody named.

    Attributes:
        place: Number of the place, or `NOWHERE`.
        zone: Its zone.
        pod: `namespace/name`, where evidence names a pod.
        evidence: How it is known; None with `NOWHERE` and no zone.
        writer: Number of the end's own writer, or `NOWHERE`: two ends with one writer are on one node.
    """

    place: int = NOWHERE
    zone: str | None = None
    pod: str | None = None
    evidence: str | None = None
    writer: int = NOWHERE


class End(NamedTuple):
    """What a flow says of one of its ends.

    Attributes:
        namespace: As logged.
        workload: As logged: a pod's name, or a workload's.
        owner_namespace: Namespace in the end's identity.
        ip: Address; behind a waypoint that of the waypoint.
        ztunnel: The ztunnel pod that wrote the half of this end.
        file: The file that half stands in, where no pod is known.
        node: Node a shipper named for that half.
        pod: Pod already known.
        local: Whether the half of this end was seen.
        elsewhere: Whether address and name are another hop's (double HBONE), so that they place nothing.
    """

    namespace: str | None
    workload: str | None
    owner_namespace: str | None
    ip: str | None
    ztunnel: str | None
    file: str | None
    node: str | None
    pod: str | None
    local: bool
    elsewhere: bool


class Placement(NamedTuple):
    """Everything known of one pod or address. None is unknown.

    Attributes:
        namespace: Namespace of the pod.
        pod: Its name.
        workload: What it belongs to.
        workload_how: `owner`, `name pattern` or `as logged`.
        service_account: Its service account.
        node: Name of its node.
        zone: Zone of that node.
        region: Region of that node.
        cluster: Its cluster.
        evidence: How its node is known.
    """

    namespace: str | None = None
    pod: str | None = None
    workload: str | None = None
    workload_how: How | None = None
    service_account: str | None = None
    node: str | None = None
    zone: str | None = None
    region: str | None = None
    cluster: str | None = None
    evidence: str | None = None


class Topology:
    """Who is where, at which time.

    Args:
        inventory: What `read_inventory` gave; None for none.
        facts: What non-access lines say (`ztflow.origin.Fact`); kinds that tell no place are skipped.
        halves: Access lines (`schema.HALVES`); more can follow with `learn`.
    """

    def __init__(
        self, inventory: Inventory | None = None, facts: Iterable[Fact] = (), halves: pa.Table | None = None
    ) -> None:
        self.inventory = inventory or Inventory()
        self.register = Register(self.inventory)
        self._sightings = Sightings()
        self._settled = -1
        self._names: list[str | None] = []
        self._place_of_node: dict[str, int] = {}
        self._place_of_writer: dict[Writer, int] = {}
        self._how: dict[Writer, str] = {}
        self._number: dict[Writer, int] = {}
        self._spans: dict[int, Span] = {}
        self._found: list[Contradiction] = []
        self.learn(facts, halves)

    def learn(self, facts: Iterable[Fact] = (), halves: pa.Table | None = None) -> None:
        """Take in more of the log, in any order and cut. Cost: about 60 ns a half."""
        self._sightings.note(facts)
        if halves is not None:
            self._sightings.observe(halves)

    @property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """Sources that disagree, in a fixed order; each is resolved by the order of evidence or left unknown."""
        self._settle()
        return tuple(sorted({*self.register.contradictions, *self._found, *self._moved()}))

    def at(self, address: str, time: int | None = None) -> Placement:
        """What is at an address at a time (microseconds; None: whenever, if that is one answer)."""
        ip = canonical_ip(address)
        return self._placement(End(None, None, None, ip, None, None, None, None, local=False, elsewhere=False), time)

    def pod(self, namespace: str | None, name: str, time: int | None = None) -> Placement:
        """What is known of a pod at a time (microseconds; None: whenever, if that is one answer)."""
        end = End(namespace, name, None, None, None, None, None, None, local=False, elsewhere=False)
        return self._placement(end, time)

    def _placement(self, end: End, time: int | None) -> Placement:
        answer = self.resolve(end, time)
        namespace, name = end.namespace, end.workload
        if name is None and answer.pod is not None:
            space, _, name = answer.pod.partition("/")
            namespace = space or None
        known = at_time(self.register.lookup(namespace, name), time) if name is not None else None
        workload, how = self.owner_of(namespace, name) if name is not None else (None, None)
        node = self.name(answer.place)
        return Placement(
            namespace,
            name,
            workload,
            how,
            known.service_account if known else None,
            node,
            answer.zone,
            (self.register.node_region.get(node) if node else None) or (known.region if known else None),
            known.cluster if known else None,
            answer.evidence,
        )

    def owner_of(self, namespace: str | None, pod: str) -> tuple[str, How]:
        """The workload a pod belongs to, and how that is known.

        Returns:
            (name, `owner`) where an inventory states the owner, (name, `name pattern`) where the name has the shape
            Kubernetes gives, else (pod, `as logged`).
        """
        for known in self.register.lookup(namespace, pod):
            if known.owner is not None:
                return known.owner, "owner"
        return workload_of_name(pod)

    def name(self, place: int) -> str | None:
        """Name of a place; None for `NOWHERE` and for a node nobody named."""
        return self._names[place] if place >= 0 else None

    def place(self, node: str) -> int:
        """Number of a named node."""
        known = self._place_of_node.get(node)
        if known is None:
            known = self._place_of_node[node] = len(self._names)
            self._names.append(node)
        return known

    def span(self, place: int) -> tuple[int, int] | None:
        """First and last time a ztunnel of that place wrote; None where none did."""
        span = self._spans.get(place)
        return (span[0], span[1]) if span is not None else None

    def writers(self) -> dict[str, tuple[str | None, str]]:
        """Node and evidence of every ztunnel pod that wrote a line."""
        self._settle()
        return {
            writer[1]: (self.name(place), self._how[writer])
            for writer, place in self._place_of_writer.items()
            if writer[0] == "pod"
        }

    # -- one end ------------------------------------------------------------------------------------------------------

    def resolve(self, end: End, time: int | None) -> Answer:
        """Where an end is at a time. A pure look-up: cost a few microseconds."""
        self._settle()
        if end.local:
            return self._own(end, time)
        if end.elsewhere:
            return Answer(pod=end.pod)
        return self._remote(end, time)

    def times(self, end: End) -> list[int]:
        """The times at which `resolve` may change its answer for an end, ascending; empty for most ends."""
        if end.elsewhere or (end.local and (end.node is not None or end.ztunnel is not None)):
            return []
        found: set[int] = set()
        if end.workload is not None:
            key = (end.namespace, end.workload)
            if self._is_settled(key):
                return []
            found |= bounds(self.register.lookup(*key))
            found |= self._edges(key)
        if end.ip is not None:
            found |= bounds(self.register.by_ip.get(end.ip, ()))
            seen = self._sightings.addresses.get(end.ip, {})
            if len({self._place_of_writer[writer] for writer, _ in seen}) > 1 or end.ip in self.register.by_ip:
                for first, last in seen.values():
                    found |= {first, last + 1}
        return sorted(time for time in found if -NEVER < time < NEVER)

    def _is_settled(self, key: tuple[str | None, str]) -> bool:
        """Whether a name alone places a pod for all time."""
        return is_unique_name(key[1]) and self._by_unique_name(key) is not None

    def _edges(self, key: tuple[str | None, str]) -> set[int]:
        spans = [*self._seen(key).values(), *self._announced(key).values()]
        return {time for first, last in spans for time in (first, last + 1)}

    def _own(self, end: End, time: int | None) -> Answer:
        writer: Writer | None = None
        if end.ztunnel is not None:
            writer = ("pod", end.ztunnel)
        elif end.node is None and end.file is not None:
            writer = ("file", end.file)
        number = self._number.get(writer, NOWHERE) if writer is not None else NOWHERE
        pod = end.pod
        if pod is None and end.workload is not None and not end.elsewhere:
            pod = f"{end.namespace}/{end.workload}" if end.namespace is not None else None
        if end.node is not None:
            return self._with_zone(Answer(self.place(end.node), None, pod, "shipper", number))
        place = self._place_of_writer.get(writer, NOWHERE) if writer is not None else NOWHERE
        if writer is not None and place != NOWHERE and (self._names[place] is not None or writer[0] == "pod"):
            how = self._how[writer]
            evidence = how if how == "shipper" else f"ztunnel log ({how})" if how else "ztunnel log"
            answer = self._with_zone(Answer(place, None, pod, evidence, number))
            if self._names[place] is not None:
                return answer
        else:
            answer = Answer(NOWHERE, None, pod, None, number)
        stated = self._remote(end, time)
        if stated.place != NOWHERE and self._names[stated.place] is not None:
            return stated._replace(pod=pod or stated.pod, writer=number)
        if answer.place == NOWHERE:
            return stated._replace(pod=pod or stated.pod, writer=number)
        return answer._replace(zone=answer.zone or stated.zone)

    def _with_zone(self, answer: Answer) -> Answer:
        """The answer with the zone of its node, else of its pod."""
        node = self._names[answer.place]
        zone = self.register.node_zone.get(node) if node is not None else None
        if zone is None and answer.pod is not None:
            namespace, _, name = answer.pod.partition("/")
            zones = {self.register.zone(pod) for pod in self.register.lookup(namespace, name)} - {None}
            zone = zones.pop() if len(zones) == 1 else None
        return answer._replace(zone=zone)

    def _remote(self, end: End, time: int | None) -> Answer:
        """Where an end is that wrote no half of its own: by its pod's name, else by its address."""
        if end.workload is not None:
            key = (end.namespace, end.workload)
            answer = self._by_unique_name(key) if is_unique_name(end.workload) else self._by_name(key, end.ip, time)
            if answer is not None:
                return answer._replace(pod=end.pod or answer.pod)
        answer = self._by_address(end, time) if end.ip is not None else None
        if answer is None:
            return Answer(pod=end.pod or self._named_pod(end))
        return answer._replace(pod=end.pod or answer.pod or self._named_pod(end))

    def _named_pod(self, end: End) -> str | None:
        """The pod a line names, where anything else knows a pod of that name."""
        if end.workload is None or end.namespace is None:
            return None
        key = (end.namespace, end.workload)
        known = self.register.lookup(*key) or key in self._sightings.pods or key in self._sightings.announced
        return f"{end.namespace}/{end.workload}" if known else None

    def _by_unique_name(self, key: tuple[str | None, str]) -> Answer | None:
        """Place of a pod whose name is never given again: any sighting or statement holds for all time."""
        pod = f"{key[0]}/{key[1]}" if key[0] is not None else None
        known = self.register.lookup(*key)
        seen = self._seen(key)
        shipped = {place for place in seen if self._is_shipped(place)}
        if len(shipped) == 1:
            return self._with_zone(Answer(shipped.pop(), None, pod, "shipper, other lines"))
        nodes = {fact.node for fact in known if fact.node is not None}
        if len(nodes) == 1 and not shipped:
            return self._stated(next(fact for fact in known if fact.node is not None), pod, "inventory pod name")
        if nodes or shipped:
            return None
        for places, evidence in ((self._announced(key), "start-up lines"), (seen, "other lines")):
            if len(places) == 1:
                return self._with_zone(Answer(next(iter(places)), None, pod, evidence))
            if places:
                return None
        zones = {fact.zone for fact in known if fact.zone is not None}
        return Answer(zone=zones.pop(), pod=pod, evidence="inventory pod name") if len(zones) == 1 else None

    def _by_name(self, key: tuple[str | None, str], ip: str | None, time: int | None) -> Answer | None:
        """Place of a pod whose name can come back (`db-0`), at a time."""
        pod = f"{key[0]}/{key[1]}" if key[0] is not None else None
        seen, announced = self._seen(key), self._announced(key)
        for places, evidence in ((seen, "other lines"), (announced, "start-up lines")):
            now = _during(places, time)
            if len(now) == 1:
                return self._with_zone(Answer(now[0], None, pod, evidence))
            if now:
                return None
        known = [fact for fact in self.register.lookup(*key) if _may_have(fact, ip)]
        fact = at_time(known, time)
        if fact is not None and (key[0] == fact.namespace or (ip is not None and ip in fact.ips)):
            return self._stated(fact, pod, "inventory pod name")
        if known and fact is None:
            return None
        ever = {*seen, *announced}
        if len(ever) == 1 and not known:
            return self._with_zone(Answer(ever.pop(), None, pod, "other lines"))
        return None

    def _by_address(self, end: End, time: int | None) -> Answer | None:
        ip = end.ip
        assert ip is not None
        seen: defaultdict[int, list[Span]] = defaultdict(list)
        pods: defaultdict[int, set[str]] = defaultdict(set)
        for (writer, key), span in self._sightings.addresses.get(ip, {}).items():
            if key is None or self._agrees(end, *key):
                place = self._place_of_writer[writer]
                seen[place].append(span)
                if key is not None:
                    pods[place].add(f"{key[0]}/{key[1]}")
        spans = {place: [min(s[0] for s in all_), max(s[1] for s in all_)] for place, all_ in seen.items()}
        now = _during(spans, time)
        if len(now) == 1:
            return self._with_zone(Answer(now[0], None, _only(pods[now[0]]), "other lines"))
        if now:
            return None
        claims = self.register.by_ip.get(ip, [])
        fact = at_time([pod for pod in claims if not pod.over or pod.end is not None], time)
        if fact is not None:
            if not self._agrees(end, fact.namespace, fact.name):
                return None
            pod = f"{fact.namespace}/{fact.name}" if fact.namespace is not None else None
            return self._stated(fact, pod, "inventory address")
        if claims and any(not pod.over for pod in claims):
            return None
        stated = self.register.node_of_ip.get(ip)
        if stated is not None:
            node, zone, _ = stated
            place = self.place(node) if node is not None else NOWHERE
            zone = (self.register.node_zone.get(node) if node is not None else None) or zone
            return Answer(place, zone, None, "inventory node address")
        if len(spans) == 1:
            place = next(iter(spans))
            return self._with_zone(Answer(place, None, _only(pods[place]), "other lines"))
        return None

    def _agrees(self, end: End, namespace: str | None, name: str) -> bool:
        """Whether the pod found at an address can be the one the line speaks of; else the address was another's."""
        said = end.namespace or end.owner_namespace
        if said is not None and namespace is not None and said != namespace:
            return False
        return end.workload is None or end.workload in {name, self.owner_of(namespace, name)[0]}

    def _stated(self, fact: PodFact, pod: str | None, evidence: str) -> Answer:
        place = self.place(fact.node) if fact.node is not None else NOWHERE
        zone = self.register.zone(fact)
        return Answer(place, zone, pod, evidence if place != NOWHERE or zone is not None else None)

    def _seen(self, key: tuple[str | None, str]) -> dict[int, Span]:
        """Places whose writers wrote of a pod as theirs, with the span of each."""
        if key[0] is None:
            return {}
        return self._by_place(self._sightings.pods.get((key[0], key[1]), {}))

    def _announced(self, key: tuple[str | None, str]) -> dict[int, Span]:
        if key[0] is None:
            return {}
        return self._by_place(self._sightings.announced.get((key[0], key[1]), {}))

    def _by_place(self, spans: dict[Writer, Span]) -> dict[int, Span]:
        found: dict[int, Span] = {}
        for writer, (first, last) in spans.items():
            place = self._place_of_writer.get(writer, NOWHERE)
            if place == NOWHERE:
                continue
            span = found.setdefault(place, [first, last])
            span[0], span[1] = min(span[0], first), max(span[1], last)
        return found

    def _is_shipped(self, place: int) -> bool:
        return place in self._shipped_places

    # -- writers ------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Find the node of every writer, when something new was seen."""
        if self._settled == self._sightings.version:
            return
        self._settled = self._sightings.version
        self._link_uids()
        self._found = []
        self._place_of_writer = {}
        self._how = {}
        self._spans = {}
        self._shipped_places: set[int] = set()
        writers = dict.fromkeys([*self._sightings.writers, *self._sightings.started, *self._sightings.shipped])
        for spans in self._sightings.announced.values():
            writers.update(dict.fromkeys(spans))
        pods_of: defaultdict[Writer, list[tuple[str, str]]] = defaultdict(list)
        for key, spans in self._sightings.pods.items():
            for writer in spans:
                pods_of[writer].append(key)
        dumps: defaultdict[str, set[str]] = defaultdict(set)
        for dump in self.inventory.ztunnels:
            if dump.pod is not None:
                dumps[dump.pod].add(dump.node)
        unnamed: list[Writer] = []
        for writer in sorted(writers):
            self._number.setdefault(writer, len(self._number))
            node, how = self._node_of(writer, pods_of[writer], dumps)
            if node is None:
                unnamed.append(writer)
                continue
            place = self._place_of_writer[writer] = self.place(node)
            self._how[writer] = how
            if how == "shipper":
                self._shipped_places.add(place)
        self._place_unnamed(unnamed)
        for writer, span in self._sightings.writers.items():
            if self._place_of_writer[writer] != NOWHERE:
                known = self._spans.setdefault(self._place_of_writer[writer], [NEVER, -NEVER])
                known[0], known[1] = min(known[0], span[0]), max(known[1], span[1])

    def _link_uids(self) -> None:
        """Give pods announced by uid alone (1.21 and 1.22) the name an inventory knows for that uid."""
        for (writer, uid), span in self._sightings.announced_uids.items():
            key = self.register.uids.get(uid)
            if key is not None and key[0] is not None:
                self._sightings.announced[key[0], key[1]].setdefault(writer, span)

    def _node_of(
        self, writer: Writer, pods: list[tuple[str, str]], dumps: dict[str, set[str]]
    ) -> tuple[str | None, str]:
        """Node of a writer and how it is known: by the strongest kind of evidence that speaks."""
        kind, name = writer
        ranks: list[tuple[str, set[str]]] = [("shipper", set(self._sightings.shipped.get(writer, ())))]
        if kind == "node":
            ranks[0][1].add(name)
        if kind == "pod":
            known = [fact for key, facts in self._ztunnels_named(name) for fact in facts]
            ranks.append(("inventory", {fact.node for fact in known if fact.node is not None}))
            ranks.append(("inventory", dumps.get(name, set())))
        ranks.append(("start-up lines", set(self._sightings.started.get(writer, ()))))
        if kind == "pod":
            ranks.append(("its pods in the inventory", self._nodes_of_pods(writer, pods)))
        said = [(how, nodes) for how, nodes in ranks if nodes]
        if len({node for _, nodes in said for node in nodes}) > 1:
            statements = tuple(f"{node} ({how})" for how, nodes in said for node in sorted(nodes))
            self._found.append(Contradiction(f"ztunnel {name}", tuple(dict.fromkeys(statements))))
        if not said or len(said[0][1]) != 1:
            return None, ""
        return next(iter(said[0][1])), said[0][0]

    def _ztunnels_named(self, name: str) -> Iterable[tuple[tuple[str | None, str], list[PodFact]]]:
        """Pods of that name in any namespace."""
        if not hasattr(self, "_by_pod_name"):
            self._by_pod_name: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)
            for key in self.register.pods:
                self._by_pod_name[key[1]].append(key)
        return [(key, self.register.pods[key]) for key in self._by_pod_name.get(name, ())]

    def _nodes_of_pods(self, writer: Writer, pods: list[tuple[str, str]]) -> set[str]:
        """The node most of a writer's pods are on by the inventory; several if none has twice the votes of the next."""
        votes: Counter[str] = Counter()
        for sure in (True, False):
            for key in pods:
                if is_unique_name(key[1]) is sure:
                    span = self._sightings.pods[key][writer]
                    fact = at_time(self.register.lookup(*key), span[0] if span[0] != NEVER else None)
                    if fact is not None and fact.node is not None:
                        votes[fact.node] += 1
            if votes:
                break
        ranked = votes.most_common()
        if len(ranked) > 1:
            statements = tuple(f"{node} (inventory, {count} of its pods)" for node, count in ranked)
            self._found.append(Contradiction(f"ztunnel {writer[1]}", statements))
            if ranked[0][1] > 2 * ranked[1][1]:
                return {ranked[0][0]}
        return set(votes)

    def _place_unnamed(self, writers: list[Writer]) -> None:
        """Number the writers whose node nobody named; two that wrote of one and the same pod share their node."""
        for writer in writers:
            self._place_of_writer[writer] = NOWHERE
            self._how[writer] = ""
        pods = [writer for writer in writers if writer[0] == "pod"]
        joined: dict[Writer, Writer] = {writer: writer for writer in pods}

        def root(writer: Writer) -> Writer:
            while joined[writer] != writer:
                writer = joined[writer]
            return writer

        named: dict[Writer, set[int]] = defaultdict(set)
        for key, spans in self._sightings.pods.items():
            if not is_unique_name(key[1]):
                continue
            group = [writer for writer in spans if writer in joined]
            for other in group[1:]:
                first, second = sorted((root(group[0]), root(other)))
                joined[second] = first
            if group:
                named[group[0]] |= {self._place_of_writer[w] for w in spans if w not in joined} - {NOWHERE}
        places: dict[Writer, set[int]] = defaultdict(set)
        for writer, found in named.items():
            places[root(writer)] |= found
        fresh: dict[Writer, int] = {}
        for writer in pods:
            head = root(writer)
            known = places.get(head, set())
            if len(known) == 1:
                self._place_of_writer[writer] = next(iter(known))
                self._how[writer] = "a pod it shares with another ztunnel"
            else:
                if head not in fresh:
                    fresh[head] = len(self._names)
                    self._names.append(None)
                self._place_of_writer[writer] = fresh[head]

    def _moved(self) -> list[Contradiction]:
        """Where the log shows a pod on another node than the inventory says, or on two nodes at one time."""
        found = []
        for key, spans in self._sightings.pods.items():
            places = self._by_place(spans)
            named = {self._names[place]: span for place, span in places.items() if self._names[place] is not None}
            subject = f"pod {key[0]}/{key[1]}"
            overlap = [
                name
                for name, span in named.items()
                if any(o != name and s[0] <= span[1] and span[0] <= s[1] for o, s in named.items())
            ]
            if overlap or (is_unique_name(key[1]) and len(places) > 1 and len(named) > 1):
                said = tuple(f"{name} (log)" for name in sorted(filter(None, named)))
                found.append(Contradiction(subject, said))
            for name, span in named.items():
                fact = at_time(self.register.lookup(*key), span[1] if span[1] != -NEVER else None)
                if fact is not None and fact.node is not None and fact.node != name:
                    source = f"{fact.evidence.kind}, {fact.evidence.file}"
                    found.append(Contradiction(subject, (f"{name} (log)", f"{fact.node} ({source})")))
        return found


def node_of_ztunnel(topology: Topology) -> dict[str, tuple[str | None, str]]:
    """Node (None: known, but not by name) and evidence of every ztunnel pod that wrote a line."""
    return topology.writers()


def owner_of(topology: Topology, namespace: str | None, pod: str) -> tuple[str, How]:
    """The workload a pod belongs to, and how that is known: `owner`, `name pattern` or `as logged`."""
    return topology.owner_of(namespace, pod)


def _during(places: dict[int, Span], time: int | None) -> list[int]:
    """The places whose span covers a time."""
    if time is None:
        return []
    return [place for place, (first, last) in places.items() if first <= time <= last]


def _may_have(fact: PodFact, ip: str | None) -> bool:
    """Whether a pod can be the one at an address: it has it, or has none of that family on record."""
    if ip is None or ip in fact.ips:
        return True
    return not any((":" in ip) == (":" in known) for known in fact.ips)


def _only(pods: set[str]) -> str | None:
    return next(iter(pods)) if len(pods) == 1 else None
