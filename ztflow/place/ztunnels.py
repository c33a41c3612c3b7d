"""Which node each ztunnel of the log is on. The result are places: nodes with or without a known name.

A place is a number. A node with a known name is one place; the node of a ztunnel without one is a place of its own, so
that two things known to be with that ztunnel are known to be on one node.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ztflow.columns.dtypes import AFTER_ALL
from ztflow.place.inventory.facts import Inventory, PodFact
from ztflow.place.names import is_unique_name
from ztflow.place.register import Contradiction, Register, at_time
from ztflow.place.sightings import PodName, Sightings, Ztunnel
from ztflow.place.stays import Span

NOWHERE = -1
"""The place of what could not be placed."""


class Ztunnels:
    """Places of ztunnels, computed again when something new was seen.

    Cost: a few microseconds a ztunnel; without a direct statement of its node, some per pod when it wrote of another.

    Attributes:
        names: Name of each place; None for a node without a known name.
        place_of: Place of each ztunnel, or `NOWHERE`.
        how: How its name is known: `shipper`, `inventory`, `start-up lines`, `its pods in the inventory`, …
        number: A lasting number for each ztunnel.
        spans: First and last line of the ztunnels of a place.
        shipped: Places whose name a shipper gave.
        arrived: Pods that start-up lines announced, with the places and spans.
        contradictions: Sources that disagree about a ztunnel.
    """

    def __init__(self, inventory: Inventory, register: Register, sightings: Sightings) -> None:
        self.names: list[str | None] = []
        self.place_of: dict[Ztunnel, int] = {}
        self.how: dict[Ztunnel, str] = {}
        self.number: dict[Ztunnel, int] = {}
        self.spans: dict[int, Span] = {}
        self.shipped: set[int] = set()
        self.arrived: dict[PodName, dict[int, Span]] = {}
        self.contradictions: list[Contradiction] = []
        self._register = register
        self._sightings = sightings
        self._place_of_node: dict[str, int] = {}
        self._unnamed: dict[Ztunnel, int] = {}
        """Places of nodes without a known name, by the first of their ztunnels."""
        self._named = _Named(-1)
        self._votes: dict[Ztunnel, tuple[int, Counter[str]]] = {}
        self.settled = self._ranges_at = (-1, -1)
        self._ranges_hold = True
        self._dumps: defaultdict[str, set[str]] = defaultdict(set)
        for dump in inventory.ztunnels:
            if dump.pod is not None:
                self._dumps[dump.pod].add(dump.node)

    def place(self, node: str) -> int:
        """Number of a named node."""
        known = self._place_of_node.get(node)
        if known is None:
            known = self._place_of_node[node] = len(self.names)
            self.names.append(node)
        return known

    def name(self, place: int) -> str | None:
        """Name of a place; None for `NOWHERE` and for a node without a known name."""
        return self.names[place] if place >= 0 else None

    def by_place(self, spans: Iterable[tuple[Ztunnel, Span]]) -> dict[int, Span]:
        """Spans by place instead of by ztunnel; ztunnels without a place left out."""
        found: dict[int, Span] = {}
        for ztunnel, (first, last) in spans:
            place = self.place_of.get(ztunnel, NOWHERE)
            if place != NOWHERE:
                span = found.setdefault(place, [first, last])
                span[0], span[1] = min(span[0], first), max(span[1], last)
        return found

    def seen(self, pod: PodName) -> dict[int, Span]:
        """Places whose ztunnels wrote of a pod as theirs, with the span of each."""
        spans = self._sightings.pods.get(pod)
        return self.by_place((ztunnel, span) for (ztunnel, _), span in spans.items()) if spans else {}

    def settle(self) -> None:
        """Find the node of every ztunnel, if something new was seen since the last time."""
        seen = self._sightings
        if self.settled == seen.version:
            self._find_spans()  # lines that tell nothing new still make them longer
            return
        if self._named.version != seen.direct:
            self._name_directly()
        named = self._named
        self.contradictions, self.place_of, self.how = list(named.contradictions), dict(named.place_of), dict(named.how)
        if named.unnamed:
            told = {name for _, name in named.stays} | {name for _, name in self._register.pods}
            seen.survey(told, {*self._register.by_ip, *self._register.node_of_ip})
            self._place_unnamed(self._name_by_pods(named.unnamed, named.stays))
        self._find_spans()
        self.settled = seen.version
        self.arrived = {pod: self.by_place(spans.items()) for pod, spans in named.stays.items()}

    def _find_spans(self) -> None:
        self.spans = self.by_place(self._sightings.ztunnels.items())

    def _name_directly(self) -> None:
        """Place the ztunnels whose node something states, and see which are left."""
        seen = self._sightings
        self.contradictions, self.place_of, self.how, self.shipped = [], {}, {}, set()
        unnamed: list[Ztunnel] = []
        ztunnels = sorted({*seen.ztunnels, *seen.started, *seen.shipped, *(ztunnel for ztunnel, _ in seen.stays)})
        stated = self._register.any_namespace({name for kind, name in ztunnels if kind == "pod"})
        for ztunnel in ztunnels:
            self.number.setdefault(ztunnel, len(self.number))
            self._name(ztunnel, self._ranks(ztunnel, stated.get(ztunnel[1], ())))
            if ztunnel[0] == "file" or self.place_of[ztunnel] == NOWHERE:
                unnamed.append(ztunnel)
        self._named = _Named(
            seen.direct, self.contradictions, self.place_of, self.how, unnamed, self._stays() if seen.stays else {}
        )

    def _stays(self) -> dict[PodName, dict[Ztunnel, Span]]:
        """Announced pods by name; a uid becomes a name where the log or an inventory ties the two."""
        found: defaultdict[PodName, dict[Ztunnel, Span]] = defaultdict(dict)
        for (ztunnel, who), stay in self._sightings.stays.items():
            pod: tuple[str | None, str] | None = who if isinstance(who, tuple) else None
            if isinstance(who, str):
                pod = self._sightings.uids.get(who) or self._register.uids.get(who)
            if pod is None or pod[0] is None:
                continue
            first, last = stay.span()
            span = found[pod[0], pod[1]].setdefault(ztunnel, [first, last])
            span[0], span[1] = min(span[0], first), max(span[1], last)
        return found

    def _name(self, ztunnel: Ztunnel, ranks: list[tuple[str, set[str]]]) -> None:
        """Place a ztunnel by its strongest kind of evidence, if that names one node only."""
        said = [(how, nodes) for how, nodes in ranks if nodes]
        self.place_of[ztunnel], self.how[ztunnel] = NOWHERE, ""
        if len({node for _, nodes in said for node in nodes}) > 1:
            statements = (f"{node} ({how})" for how, nodes in said for node in sorted(nodes))
            self.contradictions.append(Contradiction(f"ztunnel {ztunnel[1]}", tuple(statements)))
        if said and len(said[0][1]) == 1:
            how, nodes = said[0]
            self.place_of[ztunnel], self.how[ztunnel] = self.place(next(iter(nodes))), how
            if how == "shipper":
                self.shipped.add(self.place_of[ztunnel])

    def _ranks(self, ztunnel: Ztunnel, pods: Iterable[PodFact]) -> list[tuple[str, set[str]]]:
        """What names the node of a ztunnel directly, strongest first."""
        kind, name = ztunnel
        ranks = [("shipper", {name} if kind == "node" else set(self._sightings.shipped.get(ztunnel, ())))]
        if kind == "pod":
            stated = {fact.node for fact in pods if fact.node is not None}
            ranks.append(("inventory", stated or self._dumps.get(name, set())))
        ranks.append(("start-up lines", set(self._sightings.started.get(ztunnel, ()))))
        return ranks

    def _name_by_pods(self, ztunnels: list[Ztunnel], stays: dict[PodName, dict[Ztunnel, Span]]) -> list[Ztunnel]:
        """Place ztunnels by where the inventory has their pods. Returns those still without one.

        A bare file may hold several ztunnels' lines; then its one start-up block is not about all of them.
        """
        announced: defaultdict[Ztunnel, set[PodName]] = defaultdict(set)
        for pod, spans in stays.items():
            for ztunnel in spans:
                announced[ztunnel].add(pod)
        for ztunnel in ztunnels:
            nodes = self._majority(ztunnel, self._votes_of(ztunnel))
            if ztunnel[0] == "pod":
                self._name(ztunnel, [("its pods in the inventory", nodes)])
            elif ztunnel[0] == "file":
                told = announced[ztunnel]
                foreign = bool(told) and not told.issuperset(self._sightings.pods_of(ztunnel))
                if foreign or nodes - {self.name(self.place_of[ztunnel])}:
                    self.place_of[ztunnel], self.how[ztunnel] = NOWHERE, ""
        return [ztunnel for ztunnel in ztunnels if self.place_of[ztunnel] == NOWHERE]

    def _votes_of(self, ztunnel: Ztunnel) -> Counter[str]:
        """Nodes of a ztunnel's pods, else of its addresses, by the inventory; counted anew when it has more of them."""
        if not self._register.places_anything:
            return Counter()
        pairs = self._sightings.pairs_of(ztunnel)
        known = self._votes.get(ztunnel)
        if known is None or known[0] != pairs:
            votes = self._votes_of_pods(self._sightings.pods_of(ztunnel))
            known = (pairs, votes or self._votes_of_addresses(self._sightings.addresses_of(ztunnel)))
            self._votes[ztunnel] = known
        return known[1]

    def _votes_of_pods(self, pods: dict[PodName, int]) -> Counter[str]:
        """Nodes of pods by the inventory; pods whose name can come back count only where no other does."""
        votes: Counter[str] = Counter()
        for sure in (True, False):
            for pod, time in pods.items():
                if is_unique_name(pod[1]) is sure:
                    fact = self._fact_at(pod, time)
                    if fact is not None and fact.node is not None:
                        votes[fact.node] += 1
            if votes:
                break
        return votes

    def _votes_of_addresses(self, ips: dict[str, int]) -> Counter[str]:
        """Nodes of addresses by the inventory, for inventories without pod names."""
        votes: Counter[str] = Counter()
        for ip, time in ips.items():
            fact = at_time(self._register.by_ip.get(ip, ()), _known(time))
            node = fact.node if fact is not None else self._register.node_of_ip.get(ip, (None,))[0]
            if node is not None:
                votes[node] += 1
        return votes

    def _majority(self, ztunnel: Ztunnel, votes: Counter[str]) -> set[str]:
        """The node with most votes; all of them if none has more than twice the votes of the next."""
        ranked = votes.most_common()
        if len(ranked) > 1:
            statements = tuple(f"{node} (inventory, {count} of its pods)" for node, count in sorted(votes.items()))
            self.contradictions.append(Contradiction(f"ztunnel {ztunnel[1]}", statements))
            if ranked[0][1] > 2 * ranked[1][1]:
                return {ranked[0][0]}
        return set(votes)

    def _fact_at(self, pod: PodName, time: int) -> PodFact | None:
        return at_time(self._register.lookup(*pod), _known(time))

    def _place_unnamed(self, ztunnels: list[Ztunnel]) -> None:
        """Number the ztunnels whose node has no known name; two that wrote of one and the same pod share their node."""
        head = {ztunnel: ztunnel for ztunnel in ztunnels if ztunnel[0] == "pod"}

        def root(ztunnel: Ztunnel) -> Ztunnel:
            while head[ztunnel] != ztunnel:
                ztunnel = head[ztunnel]
            return ztunnel

        shared: dict[Ztunnel, set[int]] = defaultdict(set)
        seen = self._sightings.pods
        for pod in sorted(self._sightings.several):
            if not is_unique_name(pod[1]):
                continue
            wrote = {ztunnel for ztunnel, _ in seen[pod]}
            group = sorted(wrote & head.keys())
            for other in group[1:]:
                first, second = sorted((root(group[0]), root(other)))
                head[second] = first
            if group:
                shared[group[0]] |= {self.place_of[ztunnel] for ztunnel in wrote - head.keys()} - {NOWHERE}
        named: dict[Ztunnel, set[int]] = defaultdict(set)
        for ztunnel, places in shared.items():
            named[root(ztunnel)] |= places
        for ztunnel in head:
            top = root(ztunnel)
            if len(named[top]) == 1:
                self.place_of[ztunnel] = next(iter(named[top]))
                self.how[ztunnel] = "a pod it shares with another ztunnel"
            else:
                if top not in self._unnamed:
                    self._unnamed[top] = len(self.names)
                    self.names.append(None)
                self.place_of[ztunnel] = self._unnamed[top]

    def node_by_range(self, ip: str | None) -> str | None:
        """The node whose pods have addresses of that range, unless the log has one of them on another node."""
        ranges, seen = self._register.ranges, self._sightings
        if ranges is None or ip is None:
            return None
        if self._ranges_at != self.settled:
            self._ranges_at = self.settled
            places = (
                (address, self.name(place))
                for _ in seen.in_parts()
                for address, spans in seen.addresses.items()
                if address not in self._register.node_of_ip
                for place in {self.place_of.get(ztunnel, NOWHERE) for ztunnel, _ in spans}
            )
            self._ranges_hold = ranges.contradicted(places) is None
        return ranges.node_of(ip) if self._ranges_hold else None

    def moved(self) -> list[Contradiction]:
        """Where the log shows a pod on another node than the inventory says, or on two nodes at one time."""
        found = []
        for pod in (pod for _ in self._sightings.in_parts() for pod in self._sightings.pods):
            named = {name: span for place, span in self.seen(pod).items() if (name := self.names[place])}
            subject = f"pod {pod[0]}/{pod[1]}"
            if len(named) > 1 and (is_unique_name(pod[1]) or _overlap(list(named.values()))):
                found.append(Contradiction(subject, tuple(f"{name} (log)" for name in sorted(named))))
            for name, span in named.items():
                fact = self._fact_at(pod, span[1])
                if fact is not None and fact.node is not None and fact.node != name:
                    source = f"{fact.evidence.kind}, {fact.evidence.file}"
                    found.append(Contradiction(subject, (f"{name} (log)", f"{fact.node} ({source})")))
        return found


@dataclass(slots=True)
class _Named:
    """What ztunnels and facts settle by themselves, without any pods."""

    version: int
    contradictions: list[Contradiction] = field(default_factory=list)
    place_of: dict[Ztunnel, int] = field(default_factory=dict)
    how: dict[Ztunnel, str] = field(default_factory=dict)
    unnamed: list[Ztunnel] = field(default_factory=list)
    """Ztunnels whose pods are to be looked at."""
    stays: dict[PodName, dict[Ztunnel, Span]] = field(default_factory=dict)


def _known(time: int) -> int | None:
    return time if abs(time) != AFTER_ALL else None


def _overlap(spans: list[Span]) -> bool:
    ordered = sorted(spans)
    return any(later[0] <= earlier[1] for earlier, later in pairwise(ordered))
