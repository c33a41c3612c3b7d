"""Which node each ztunnel is on: writers of lines become places, named or not.

A place is a number. A node with a known name is one place; the node of a ztunnel without one is a place of its own, so
that two things known to be with that ztunnel are known to be on one node.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ztflow.place.codes import NEVER
from ztflow.place.inventory.facts import Inventory, PodFact
from ztflow.place.names import is_unique_name
from ztflow.place.register import Contradiction, Register, at_time
from ztflow.place.sightings import PodName, Sightings, Span, Writer

NOWHERE = -1
"""The place of what could not be placed."""


class Writers:
    """Places of writers, settled anew when something new was seen.

    Cost: a few microseconds a writer; for writers without a known node, some per pod of theirs when they wrote of
    another one.

    Attributes:
        names: Name of each place; None for a node without a known name.
        place_of: Place of each writer, or `NOWHERE`.
        how: How its name is known: `shipper`, `inventory`, `start-up lines`, `its pods in the inventory`, …
        number: A lasting number for each writer.
        spans: First and last line of the ztunnels of a place.
        shipped: Places whose name a shipper gave.
        arrived: Pods that start-up lines announced, with the places and spans.
        contradictions: Sources that disagree about a writer.
    """

    def __init__(self, inventory: Inventory, register: Register, sightings: Sightings) -> None:
        self.names: list[str | None] = []
        self.place_of: dict[Writer, int] = {}
        self.how: dict[Writer, str] = {}
        self.number: dict[Writer, int] = {}
        self.spans: dict[int, Span] = {}
        self.shipped: set[int] = set()
        self.arrived: dict[PodName, dict[int, Span]] = {}
        self.contradictions: list[Contradiction] = []
        self._register = register
        self._sightings = sightings
        self._place_of_node: dict[str, int] = {}
        self._unnamed: dict[Writer, int] = {}
        """Places of nodes without a known name, by the first of their writers."""
        self._named = _Named(-1)
        self._votes: dict[Writer, tuple[int, Counter[str]]] = {}
        self.settled = (-1, -1)
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

    def by_place(self, spans: Iterable[tuple[Writer, Span]]) -> dict[int, Span]:
        """Spans by place instead of by writer; writers without a place left out."""
        found: dict[int, Span] = {}
        for writer, (first, last) in spans:
            place = self.place_of.get(writer, NOWHERE)
            if place != NOWHERE:
                span = found.setdefault(place, [first, last])
                span[0], span[1] = min(span[0], first), max(span[1], last)
        return found

    def seen(self, pod: PodName) -> dict[int, Span]:
        """Places whose ztunnels wrote of a pod as theirs, with the span of each."""
        spans = self._sightings.pods.get(pod)
        return self.by_place((writer, span) for (writer, _), span in spans.items()) if spans else {}

    def settle(self) -> None:
        """Find the node of every writer, if something new was seen since the last time."""
        seen = self._sightings
        if self.settled == seen.version:
            self._find_spans()  # lines that tell nothing new still make them longer
            return
        if self._named.version != seen.direct:
            self._name_directly()
        named = self._named
        self.contradictions, self.place_of, self.how = list(named.contradictions), dict(named.place_of), dict(named.how)
        if named.unnamed:
            self._place_unnamed(self._name_by_pods(named.unnamed, named.stays))
        self._find_spans()
        self.settled = seen.version
        self.arrived = {pod: self.by_place(spans.items()) for pod, spans in named.stays.items()}

    def _find_spans(self) -> None:
        self.spans = self.by_place(self._sightings.writers.items())

    def _name_directly(self) -> None:
        """Place the writers that something names, and see which are left."""
        seen = self._sightings
        self.contradictions, self.place_of, self.how, self.shipped = [], {}, {}, set()
        unnamed: list[Writer] = []
        writers = sorted({*seen.writers, *seen.started, *seen.shipped, *(writer for writer, _ in seen.stays)})
        stated = self._register.any_namespace({name for kind, name in writers if kind == "pod"})
        for writer in writers:
            self.number.setdefault(writer, len(self.number))
            self._name(writer, self._ranks(writer, stated.get(writer[1], ())))
            if writer[0] == "file" or self.place_of[writer] == NOWHERE:
                unnamed.append(writer)
        self._named = _Named(
            seen.direct, self.contradictions, self.place_of, self.how, unnamed, self._stays() if seen.stays else {}
        )

    def _stays(self) -> dict[PodName, dict[Writer, Span]]:
        """Announced pods by name; a uid becomes a name where the log or an inventory ties the two."""
        found: defaultdict[PodName, dict[Writer, Span]] = defaultdict(dict)
        for (writer, who), stay in self._sightings.stays.items():
            pod: tuple[str | None, str] | None = who if isinstance(who, tuple) else None
            if isinstance(who, str):
                pod = self._sightings.uids.get(who) or self._register.uids.get(who)
            if pod is None or pod[0] is None:
                continue
            first, last = stay.span()
            span = found[pod[0], pod[1]].setdefault(writer, [first, last])
            span[0], span[1] = min(span[0], first), max(span[1], last)
        return found

    def _name(self, writer: Writer, ranks: list[tuple[str, set[str]]]) -> None:
        """Place a writer by the strongest kind of evidence that speaks, if that speaks with one voice."""
        said = [(how, nodes) for how, nodes in ranks if nodes]
        self.place_of[writer], self.how[writer] = NOWHERE, ""
        if len({node for _, nodes in said for node in nodes}) > 1:
            statements = (f"{node} ({how})" for how, nodes in said for node in sorted(nodes))
            self.contradictions.append(Contradiction(f"ztunnel {writer[1]}", tuple(statements)))
        if said and len(said[0][1]) == 1:
            how, nodes = said[0]
            self.place_of[writer], self.how[writer] = self.place(next(iter(nodes))), how
            if how == "shipper":
                self.shipped.add(self.place_of[writer])

    def _ranks(self, writer: Writer, pods: Iterable[PodFact]) -> list[tuple[str, set[str]]]:
        """What names the node of a writer directly, strongest first."""
        kind, name = writer
        ranks = [("shipper", {name} if kind == "node" else set(self._sightings.shipped.get(writer, ())))]
        if kind == "pod":
            stated = {fact.node for fact in pods if fact.node is not None}
            ranks.append(("inventory", stated or self._dumps.get(name, set())))
        ranks.append(("start-up lines", set(self._sightings.started.get(writer, ()))))
        return ranks

    def _name_by_pods(self, writers: list[Writer], stays: dict[PodName, dict[Writer, Span]]) -> list[Writer]:
        """Place ztunnels by where the inventory has their pods. Returns those still without a name.

        A bare file may hold several ztunnels' lines; then its one start-up block does not speak for all of them.
        """
        announced: defaultdict[Writer, set[PodName]] = defaultdict(set)
        for pod, spans in stays.items():
            for writer in spans:
                announced[writer].add(pod)
        for writer in writers:
            nodes = self._majority(writer, self._votes_of(writer))
            if writer[0] == "pod":
                self._name(writer, [("its pods in the inventory", nodes)])
            elif writer[0] == "file":
                told = announced[writer]
                foreign = bool(told) and not told.issuperset(self._sightings.pods_of(writer))
                if foreign or nodes - {self.name(self.place_of[writer])}:
                    self.place_of[writer], self.how[writer] = NOWHERE, ""
        return [writer for writer in writers if self.place_of[writer] == NOWHERE]

    def _votes_of(self, writer: Writer) -> Counter[str]:
        """Nodes of a writer's pods, else of its addresses, by the inventory; counted anew when it has more of them."""
        if not self._register.places_anything:
            return Counter()
        pairs = self._sightings.pairs_of(writer)
        known = self._votes.get(writer)
        if known is None or known[0] != pairs:
            votes = self._votes_of_pods(self._sightings.pods_of(writer))
            known = (pairs, votes or self._votes_of_addresses(self._sightings.addresses_of(writer)))
            self._votes[writer] = known
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

    def _majority(self, writer: Writer, votes: Counter[str]) -> set[str]:
        """The node most votes are for; all of them if none has more than twice the votes of the next."""
        ranked = votes.most_common()
        if len(ranked) > 1:
            statements = tuple(f"{node} (inventory, {count} of its pods)" for node, count in sorted(votes.items()))
            self.contradictions.append(Contradiction(f"ztunnel {writer[1]}", statements))
            if ranked[0][1] > 2 * ranked[1][1]:
                return {ranked[0][0]}
        return set(votes)

    def _fact_at(self, pod: PodName, time: int) -> PodFact | None:
        return at_time(self._register.lookup(*pod), _known(time))

    def _place_unnamed(self, writers: list[Writer]) -> None:
        """Number the ztunnels whose node has no known name; two that wrote of one and the same pod share it."""
        head = {writer: writer for writer in writers if writer[0] == "pod"}

        def root(writer: Writer) -> Writer:
            while head[writer] != writer:
                writer = head[writer]
            return writer

        shared: dict[Writer, set[int]] = defaultdict(set)
        seen = self._sightings.pods
        for pod in sorted(self._sightings.several):
            if not is_unique_name(pod[1]):
                continue
            wrote = {writer for writer, _ in seen[pod]}
            group = sorted(wrote & head.keys())
            for other in group[1:]:
                first, second = sorted((root(group[0]), root(other)))
                head[second] = first
            if group:
                shared[group[0]] |= {self.place_of[writer] for writer in wrote - head.keys()} - {NOWHERE}
        named: dict[Writer, set[int]] = defaultdict(set)
        for writer, places in shared.items():
            named[root(writer)] |= places
        for writer in head:
            top = root(writer)
            if len(named[top]) == 1:
                self.place_of[writer] = next(iter(named[top]))
                self.how[writer] = "a pod it shares with another ztunnel"
            else:
                if top not in self._unnamed:
                    self._unnamed[top] = len(self.names)
                    self.names.append(None)
                self.place_of[writer] = self._unnamed[top]

    def moved(self) -> list[Contradiction]:
        """Where the log shows a pod on another node than the inventory says, or on two nodes at one time."""
        found = []
        for pod in self._sightings.pods:
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


@dataclass(frozen=True, slots=True)
class _Named:
    """What writers and facts settle by themselves, whatever pods there are."""

    version: int
    contradictions: list[Contradiction] = field(default_factory=list)
    place_of: dict[Writer, int] = field(default_factory=dict)
    how: dict[Writer, str] = field(default_factory=dict)
    unnamed: list[Writer] = field(default_factory=list)
    """Writers whose pods are to be looked at."""
    stays: dict[PodName, dict[Writer, Span]] = field(default_factory=dict)


def _known(time: int) -> int | None:
    return time if abs(time) != NEVER else None


def _overlap(spans: list[Span]) -> bool:
    ordered = sorted(spans)
    return any(later[0] <= earlier[1] for earlier, later in pairwise(ordered))
