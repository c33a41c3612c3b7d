"""`Topology`: all evidence about places merged, in the order of its strength, with contradictions kept.

The order: the node a shipper names for the ztunnel > inventory > ztunnel's start-up lines > what other lines show. A
pod name never given again (`names.is_unique_name`) means one pod on one node for all time; a name or address that can
come back is placed where time allows it only, by the log before an inventory that does not tell since when it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import pyarrow as pa

from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL
from ztflow.columns.gc_pause import gc_paused
from ztflow.memory import DEFAULT
from ztflow.model.provenance import Fact
from ztflow.place.endpoints import (
    Answer,
    End,
    MovingEnd,
    Placement,
    agrees,
    in_cluster,
    in_time,
    may_have,
    only,
    pod_at,
    surely_holds,
)
from ztflow.place.inventory.facts import Inventory, PodFact, canonical_ip
from ztflow.place.names import How, is_unique_name
from ztflow.place.register import Contradiction, PodKey, Register, at_time, bounds
from ztflow.place.sightings import Sightings, ztunnel_of
from ztflow.place.stays import Span
from ztflow.place.ztunnels import NOWHERE, Ztunnels

_BY_NAME = "inventory pod name"
_BY_RANGE = "inventory pod range"
_UNASKED = Answer()


class Topology:
    """Which pod is on which node, at which time.

    Args:
        inventory: What `read_inventory` gave; None for none.
        facts: What non-access lines say (`ztflow.model.provenance.Fact`); kinds that tell no place are skipped.
        halves: Access lines (`schema.HALVES`); more can follow with `learn`.
        most: As for `sightings.Sightings`, which is of the log.
        goes_on: So, too.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        facts: Iterable[Fact] = (),
        halves: pa.Table | None = None,
        *,
        most: int = DEFAULT.ends,
        goes_on: bool = False,
    ) -> None:
        self.inventory = Inventory() if inventory is None else inventory
        with gc_paused():
            self.register = Register(self.inventory)
        self.has_halves = False
        """Whether it has seen access lines; if not, it learns from the flows to place instead."""
        self._most, self._sightings = most, Sightings(most, goes_on=goes_on)
        self._ztunnels = Ztunnels(self.inventory, self.register, self._sightings)
        self.moving = dict[End, MovingEnd]()
        """What was answered of ends that change places, until more is learnt; see `placement`."""
        self._unique, self._unique_at = dict[tuple[PodKey, str | None], Answer | None](), (-1, -1)
        self.learn(facts, halves)

    def learn(self, facts: Iterable[Fact] = (), halves: pa.Table | None = None) -> None:
        """Learn from more of the log, in any order and cut. Cost: about 60 ns a half."""
        self.moving.clear()
        self._sightings.note(facts)
        if halves is not None:
            self.has_halves = True
            self._sightings.observe(halves)

    def learn_from_flows(self, flows: pa.Table) -> None:
        """Learn from flows what their halves said, where the halves are not at hand."""
        self.moving.clear()
        self._sightings.introduce(flows)

    @property
    def forgotten(self) -> int:
        """Pods, addresses and ztunnels of the log that were given up."""
        return self._sightings.forgotten

    def look_up(self, names: Collection[str], ips: Collection[str]) -> None:
        """Have what the log says of such pods and addresses at hand for `resolve` and the like."""
        self._sightings.look_up(names, ips)

    @property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """Sources that disagree, in a fixed order; each is resolved by the order of evidence or left unknown."""
        self._ztunnels.settle()
        return tuple(sorted({*self.register.contradictions, *self._ztunnels.contradictions, *self._ztunnels.moved()}))

    def at(self, address: str, time: int | None = None) -> Placement:
        """What is at an address at a time (microseconds; None: whenever, if that is one answer)."""
        return self._placement(End(ip=canonical_ip(address)), time)

    def pod(self, namespace: str | None, name: str, time: int | None = None) -> Placement:
        """What is known of a pod at a time (microseconds; None: whenever, if that is one answer)."""
        return self._placement(End(namespace, name), time)

    def _placement(self, end: End, time: int | None) -> Placement:
        self.settle()
        self.look_up([end.workload] if end.workload else [], [end.ip] if end.ip else [])
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
        return self.register.owner_of(namespace, pod)

    def owners(self) -> dict[str, str]:
        """The workload of every pod (`namespace/name`) whose owner an inventory states."""
        return self.register.owners

    def name(self, place: int) -> str | None:
        """Name of a place; None for `NOWHERE` and for a node without a known name."""
        return self._ztunnels.name(place)

    def span(self, place: int) -> tuple[int, int] | None:
        """First and last time a ztunnel of that place wrote; None where none did."""
        span = self._ztunnels.spans.get(place)
        return (span[0], span[1]) if span is not None and span[0] <= span[1] else None

    def ztunnels(self) -> dict[str, tuple[str | None, str]]:
        """Node (None where its name is unknown) and evidence of every ztunnel pod of the log."""
        self._ztunnels.settle()
        places, how = self._ztunnels.place_of, self._ztunnels.how
        return {
            ztunnel[1]: (self.name(place), how[ztunnel]) for ztunnel, place in places.items() if ztunnel[0] == "pod"
        }

    def settle(self) -> None:
        """Make the node of every ztunnel final for what is known so far; cheap where nothing new was learnt."""
        self._ztunnels.settle()

    def of_ztunnel(self, ztunnel: str | None, node: str | None) -> Answer:
        """Where the ends are whose halves this ztunnel wrote, known by its pod or by the node a shipper named."""
        if ztunnel is None and node is None:
            return Answer()
        return self._own(End(ztunnel=ztunnel, node=node, local=True, elsewhere=True), None)

    def resolve(self, end: End, time: int | None) -> Answer:
        """Where an end is at a time: cost a few microseconds. Call `settle` before."""
        if end.local:
            return self._own(end, time)
        if end.node is not None:
            return self._with_zone(Answer(self._ztunnels.place(end.node), None, end.pod))
        if end.elsewhere:
            return Answer(pod=end.pod)
        return self._remote(end, time)

    def lasting(self, end: End, first: int, last: int) -> Answer | None:
        """Where an end is through a whole span of time; None when that may change in it. Call `settle` before."""
        if self._is_unnamed(end):
            return None
        if end.local or end.elsewhere or end.node is not None:
            settled = end.elsewhere or end.node is not None or self._own_place(end) != NOWHERE
            return self.resolve(end, None) if settled else None
        if end.workload is None:
            return None
        pod = (end.namespace, end.workload)
        if is_unique_name(end.workload):
            answer = self._by_unique_name(pod, end.cluster)
        else:
            known = self.register.pods.get(pod, [])
            if len(known) != 1 or self._ztunnels.shipped or not may_have(known[0], end.ip):
                return None
            answer = self._stated(known[0], f"{end.namespace}/{end.workload}", _BY_NAME)
            held = surely_holds(known[0], first) and surely_holds(known[0], last)
            if not held and not self._uncontested(pod, known[0], answer.place):
                return None
        if answer is None or answer.place == NOWHERE:
            return None
        return answer if end.pod is None else answer._replace(pod=end.pod)

    def _uncontested(self, pod: PodKey, fact: PodFact, place: int) -> bool:
        """Whether nothing bounds a statement in time and the log has its pod nowhere else."""
        if fact.start is not None or fact.end is not None:
            return False
        return {*self._seen(pod), *self._announced(pod)} <= {place}

    def times(self, end: End) -> list[int]:
        """The times at which `resolve` may change its answer for an end without a lasting one, ascending."""
        found: set[int] = set()
        if end.workload is not None:
            pod = (end.namespace, end.workload)
            found |= bounds(self.register.lookup(*pod))
            for first, last in (*self._seen(pod).values(), *self._announced(pod).values()):
                found |= {first, last + 1}
        if end.ip is not None:
            found |= bounds(self.register.by_ip.get(end.ip, ()))
            for first, last in self._sightings.addresses.get(end.ip, {}).values():
                found |= {first, last + 1}
        return sorted(time for time in found if BEFORE_ALL < time < AFTER_ALL)

    def _own_place(self, end: End) -> int:
        """The place of the ztunnel of an end's own half, or `NOWHERE`."""
        ztunnel = ztunnel_of(end.ztunnel, None, end.file)
        return self._ztunnels.place_of.get(ztunnel, NOWHERE) if ztunnel is not None else NOWHERE

    def _own(self, end: End, time: int | None) -> Answer:
        """Where an end is that wrote a half: with its ztunnel, whatever an inventory says."""
        ztunnel = ztunnel_of(end.ztunnel, None, end.file)
        # A bare file may hold the lines of several ztunnels, so two ends in one file are not yet on one node.
        number = self._ztunnels.number.get(ztunnel, NOWHERE) if ztunnel is not None and ztunnel[0] == "pod" else NOWHERE
        pod = end.pod
        if pod is None and None not in {end.workload, end.namespace} and not end.elsewhere:
            pod = f"{end.namespace}/{end.workload}"
        if end.node is not None:
            answer = Answer(self._ztunnels.place(end.node), None, pod, "shipper", number)
            return self._with_zone(self._named(answer, end, time))
        answer = Answer(NOWHERE, None, pod, None, number)
        place = self._own_place(end)
        if ztunnel is not None and place != NOWHERE:
            how = self._ztunnels.how[ztunnel]
            evidence = how if how == "shipper" else f"ztunnel log ({how})" if how else "ztunnel log"
            return self._with_zone(self._named(answer._replace(place=place, evidence=evidence), end, time))
        stated = Answer() if end.elsewhere else self._remote(end, time)
        return stated._replace(pod=pod or stated.pod, ztunnel=number)

    def _is_unnamed(self, end: End) -> bool:
        """Whether only an inventory can name an end whose own half was seen: a denial before its pod was known."""
        named = end.workload is not None or end.pod is not None or end.elsewhere
        return end.local and not named and end.ip in self.register.by_ip

    def _named(self, answer: Answer, end: End, time: int | None) -> Answer:
        """The answer with the pod that has the end's address, where the inventory and the log leave only one."""
        if not self._is_unnamed(end) or end.ip is None:
            return answer
        seen = {pod for _, pod in self._sightings.addresses.get(end.ip, ())}
        fact = pod_at(self.register.by_ip[end.ip], end, time, self.name(answer.place), seen)
        if fact is None or not agrees(self.register, end, fact.namespace, fact.name):
            return answer
        evidence = f"{answer.evidence}, named by inventory address"
        return answer._replace(pod=f"{fact.namespace}/{fact.name}", evidence=evidence)

    def _remote(self, end: End, time: int | None) -> Answer:
        """Where an end is whose own half is missing: by its pod's name, else by its address."""
        by_name = None
        if end.workload is not None:
            pod = (end.namespace, end.workload)
            unique = is_unique_name(end.workload)
            by_name = self._by_unique_name(pod, end.cluster) if unique else self._by_name(pod, end, time)
            if by_name is not None and by_name.place != NOWHERE:
                return by_name._replace(pod=end.pod or by_name.pod)
        answer = self._by_address(end, time) if end.ip is not None else None
        answer = answer or by_name or Answer()
        if answer.place == NOWHERE and (node := self._ztunnels.node_by_range(end.ip)) is not None:
            answer = self._with_zone(answer._replace(place=self._ztunnels.place(node), evidence=_BY_RANGE))
        zone = answer.zone or (by_name.zone if by_name is not None else None)
        return answer._replace(pod=end.pod or answer.pod or self._named_pod(end), zone=zone)

    def _named_pod(self, end: End) -> str | None:
        """The pod a line names, where anything else knows a pod of that name."""
        if end.workload is None or end.namespace is None:
            return None
        pod = (end.namespace, end.workload)
        known = self.register.lookup(*pod) or pod in self._sightings.pods or pod in self._ztunnels.arrived
        return f"{end.namespace}/{end.workload}" if known else None

    def _by_unique_name(self, pod: PodKey, cluster: str | None) -> Answer | None:
        """Place of a pod whose name is never given again: what is known once holds for all time."""
        if self._unique_at != self._ztunnels.settled or len(self._unique) > self._most:
            self._unique.clear()
            self._unique_at = self._ztunnels.settled
        asked = (pod, cluster)
        answer = self._unique.get(asked, _UNASKED)
        if answer is _UNASKED:
            answer = self._unique[asked] = self._find_unique_name(pod, cluster)
        return answer

    def _find_unique_name(self, pod: PodKey, cluster: str | None) -> Answer | None:
        key = f"{pod[0]}/{pod[1]}" if pod[0] is not None else None
        known = self.register.lookup(*pod)
        if cluster is not None:
            known = in_cluster(known, cluster)
        if len(known) == 1 and known[0].node is not None and not self._ztunnels.shipped:
            return self._stated(known[0], key, _BY_NAME)
        nodes = {fact.node for fact in known if fact.node is not None}
        seen = self._seen(pod)
        shipped = seen.keys() & self._ztunnels.shipped
        if not shipped and len(nodes) == 1:
            return self._stated(next(fact for fact in known if fact.node is not None), key, _BY_NAME)
        if nodes and not shipped:
            return None
        for places, evidence in (
            (shipped, "shipper, other lines"),
            (self._announced(pod).keys(), "start-up lines"),
            (seen.keys(), "other lines"),
        ):
            if places:
                place = next(iter(places))
                return self._with_zone(Answer(place, None, key, evidence)) if len(places) == 1 else None
        zones = {fact.zone for fact in known if fact.zone is not None}
        return Answer(zone=zones.pop(), pod=key, evidence=_BY_NAME) if len(zones) == 1 else None

    def _by_name(self, pod: PodKey, end: End, time: int | None) -> Answer | None:
        """Place of a pod whose name can come back (`db-0`), at a time."""
        key = f"{pod[0]}/{pod[1]}" if pod[0] is not None else None
        known = [fact for fact in in_cluster(self.register.lookup(*pod), end.cluster) if may_have(fact, end.ip)]
        fact = at_time(known, time)
        if fact is not None and fact.namespace != pod[0] and (end.ip is None or end.ip not in fact.ips):
            fact = None
        stated = self._stated(fact, key, _BY_NAME) if fact is not None else None
        answer = in_time(self._seen(pod), self._announced(pod), fact, stated, time, self._ztunnels.shipped)
        if answer is not None:
            return answer if answer.place == NOWHERE else self._with_zone(answer._replace(pod=key))
        ever = {*self._seen(pod), *self._announced(pod)}
        return self._with_zone(Answer(ever.pop(), None, key, "other lines")) if len(ever) == 1 and not known else None

    def _by_address(self, end: End, time: int | None) -> Answer | None:
        """Place of an address at a time; None where the pod that has it is not the one the line names."""
        ip = end.ip or ""
        seen: dict[int, Span] = {}
        pods: defaultdict[int, set[str]] = defaultdict(set)
        for (ztunnel, pod), span in self._sightings.addresses.get(ip, {}).items():
            place = self._ztunnels.place_of.get(ztunnel, NOWHERE)
            if place != NOWHERE and (pod is None or agrees(self.register, end, *pod)):
                known = seen.setdefault(place, list(span))
                known[0], known[1] = min(known[0], span[0]), max(known[1], span[1])
                pods[place] |= {f"{pod[0]}/{pod[1]}"} if pod is not None else set()
        at_ip = in_cluster(self.register.by_ip.get(ip, []), end.cluster)
        claims = [pod for pod in at_ip if not pod.over or pod.end is not None]
        fact = at_time(claims, time)
        stated = None
        if fact is not None and agrees(self.register, end, fact.namespace, fact.name):
            pod_name = f"{fact.namespace}/{fact.name}" if fact.namespace is not None else None
            stated = self._stated(fact, pod_name, "inventory address")
        answer = in_time(seen, {}, fact, stated, time, self._ztunnels.shipped)
        if answer is not None:
            whole = answer.pod or answer.place == NOWHERE
            return answer if whole else self._with_zone(answer._replace(pod=only(pods[answer.place])))
        if ip in self.register.node_of_ip:
            node, zone, _ = self.register.node_of_ip[ip]
            place = self._ztunnels.place(node) if node is not None else NOWHERE
            zone = (self.register.node_zone.get(node) if node is not None else None) or zone
            return Answer(place, zone, None, "inventory node address")
        if len(seen) == 1 and not claims:
            place = next(iter(seen))
            return self._with_zone(Answer(place, None, only(pods[place]), "other lines"))
        return None

    def _stated(self, fact: PodFact, pod: str | None, evidence: str) -> Answer:
        place = self._ztunnels.place(fact.node) if fact.node is not None else NOWHERE
        zone = self.register.zone(fact)
        return Answer(place, zone, pod, evidence if place != NOWHERE or zone is not None else None)

    def _with_zone(self, answer: Answer) -> Answer:
        """The answer with the zone of its node, else of its pod."""
        node = self.name(answer.place)
        zone = self.register.node_zone.get(node) if node is not None else None
        if zone is None and answer.pod is not None:
            namespace, _, name = answer.pod.partition("/")
            # Where the node has no name, a statement that names one is about another place.
            known = [pod for pod in self.register.lookup(namespace, name) if node is not None or pod.node is None]
            zones = {self.register.zone(pod) for pod in known} - {None}
            zone = zones.pop() if len(zones) == 1 else None
        return answer._replace(zone=zone)

    def _seen(self, pod: PodKey) -> dict[int, Span]:
        """Places whose ztunnels wrote of a pod as theirs, with the span of each."""
        return self._ztunnels.seen((pod[0], pod[1])) if pod[0] is not None else {}

    def _announced(self, pod: PodKey) -> dict[int, Span]:
        """Places whose ztunnels said they serve a pod, with the span of each."""
        return self._ztunnels.arrived.get((pod[0], pod[1]), {}) if pod[0] is not None else {}
