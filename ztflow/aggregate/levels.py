"""The two ends of a connection at a chosen level: pod, workload, service, namespace, identity, node, zone, cluster.

An end becomes a vertex by the best name the log or the inventory gives it, and the vertex says which kind of name that
is. Nothing is invented: what has no name at this level is the one vertex `(unknown)`, marked `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np

from ztflow.aggregate.view import View
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import Groups, group
from ztflow.errors import UsageError
from ztflow.model.schema import logged_name
from ztflow.model.vocabulary import GraphLevel, unknown_word
from ztflow.place.names import How, qualified, workload_of_pod

_PROGRAMS = {GraphLevel.POD, GraphLevel.WORKLOAD, GraphLevel.SERVICE}
"""Levels at which an end is a program."""

UNKNOWN = "(unknown)"
"""Id of the vertex for ends without a name at the chosen level."""

LEVELS = tuple(level.value for level in GraphLevel)
"""Values of `by`."""

_NAMED_BY: dict[str, tuple[str, ...]] = {
    GraphLevel.POD: ("pod", "namespace", "name", "workload", "ip", "host"),
    GraphLevel.WORKLOAD: ("pod", "namespace", "name", "workload", "ip", "host"),
    GraphLevel.SERVICE: ("service", "pod", "namespace", "name", "workload", "ip", "host"),
    GraphLevel.NAMESPACE: ("namespace", "pod"),
    GraphLevel.IDENTITY: ("identity",),
    GraphLevel.NODE: ("node", "ztunnel"),
    GraphLevel.ZONE: ("zone",),
    GraphLevel.CLUSTER: ("cluster",),
}
"""What an end's name at a level is made of."""

_DESCRIBED: dict[str, tuple[str, ...]] = {
    GraphLevel.POD: ("namespace", "workload", "node", "zone", "cluster", "identity"),
    GraphLevel.WORKLOAD: ("namespace", "workload", "node", "zone", "cluster", "identity"),
    GraphLevel.SERVICE: ("namespace", "workload", "node", "zone", "cluster", "identity"),
    GraphLevel.NAMESPACE: ("cluster",),
    GraphLevel.IDENTITY: ("namespace", "cluster"),
    GraphLevel.NODE: ("node", "zone", "cluster"),
    GraphLevel.ZONE: ("zone", "cluster"),
    GraphLevel.CLUSTER: ("cluster",),
}
"""Vertex attributes of a level."""

_COLUMNS: dict[str, dict[str, str | None]] = {
    "src": {
        "pod": "src_pod", "namespace": "src_namespace", "name": "src_name", "workload": "src_workload", "ip": "src_ip",
        "host": None, "node": "src_node", "zone": "src_zone", "cluster": "src_cluster", "identity": "src_identity",
        "service": None, "ztunnel": "outbound_ztunnel",
    },
    "dst": {
        "pod": "dst_pod", "namespace": "dst_namespace", "name": "dst_name", "workload": "dst_workload", "ip": "dst_ip",
        "host": "hbone_host", "node": "dst_node", "zone": "dst_zone", "cluster": "dst_cluster",
        "identity": "dst_identity", "service": "dst_service", "ztunnel": "inbound_ztunnel",
    },
}  # fmt: skip
"""Columns of `schema.FLOWS` by end; a client has no service name and no CONNECT host. Halves have the name as logged
under `schema.LOGGED_NAMES`."""


def ends_columns(by: str) -> tuple[str, ...]:
    """The columns of `schema.FLOWS` that `vertices` looks at for a level, with the vertices' attributes.

    Raises:
        UsageError: `by` is no level.
    """
    check_level(by)
    wanted = (*_NAMED_BY[by], *_DESCRIBED[by])
    return tuple({name: None for end in _COLUMNS.values() for fact in wanted if (name := end[fact]) is not None})


@dataclass(slots=True)
class Vertex:
    """One end of connections, at one level.

    Attributes:
        id: Name, unique in the graph.
        kinds: What kinds of name it is: the level, `name as logged`, `address`, `unknown`; this and the rest only when
            described.
        facts: Values seen for each described attribute.
        rolled_up: How its workload was derived: `owner`, or what `place.names` says of the pod's name.
    """

    id: str
    kinds: set[str] = field(default_factory=set)
    facts: dict[str, set[str]] = field(default_factory=dict)
    rolled_up: set[str] = field(default_factory=set)

    def attributes(self) -> dict[str, str | bool]:
        """Scalar attributes; one that is not the same wherever the vertex was seen is left out."""
        values: dict[str, str | bool] = {}
        if len(self.kinds) == 1:
            values["kind"] = next(iter(self.kinds))
        values.update({name: next(iter(seen)) for name, seen in self.facts.items() if len(seen) == 1})
        if self.rolled_up:
            values["workload_from"] = ", ".join(sorted(self.rolled_up))
        if "unknown" in self.kinds:
            values["unknown"] = True
        if "unnamed node" in self.kinds:
            values["unnamed"] = True
        return values


@dataclass(frozen=True, slots=True)
class Vertices:
    """The vertices of a view.

    Attributes:
        source: Vertex of each row's client, as an index into `all`.
        target: Vertex of each row's server.
        all: Every vertex, in order of first use.
    """

    source: Integers
    target: Integers
    all: list[Vertex]

    def id(self, code: int) -> str:
        """The id of a vertex."""
        return self.all[code].id

    def known(self, codes: Iterable[int]) -> tuple[str, ...]:
        """The ids of some vertices that have a name, in order of name."""
        return known(self.all, codes)


def known(vertices: Sequence[Vertex], codes: Iterable[int]) -> tuple[str, ...]:
    """The ids of some of the vertices that have a name, in order of name."""
    return tuple(sorted([name for code in codes if (name := vertices[code].id) != UNKNOWN]))


def check_level(by: str) -> None:
    """Refuse a level that does not exist.

    Raises:
        UsageError: Names the nearest level, or those there are.
    """
    wrong = unknown_word(GraphLevel, "by", by)
    if wrong is not None:
        raise UsageError(wrong)


def vertices(view: View, by: str, owners: Mapping[str, str] | None = None, *, described: bool = False) -> Vertices:
    """Name both ends of every connection at a level.

    Args:
        view: Rows of `schema.FLOWS`; of `schema.HALVES` too, which name fewer ends.
        by: One of `LEVELS`.
        owners: Pod (`namespace/name`) → name of the workload that owns it, where an inventory tells. Flows hold their
            workloads, so there it only tells a described vertex how its workload is known; halves need it.
        described: Whether the vertices' attributes are wanted too; names alone take half the time.

    Raises:
        UsageError: `by` is no level.

    Cost: columns are coded by Arrow; Python runs once per distinct end.
    """
    index: dict[str, int] = {}
    if not described:
        source, target = numbered_ends(view, by, owners, index)
        return Vertices(source, target, list(map(Vertex, index)))
    check_level(by)
    found: list[Vertex] = []
    source = _describe_ends(view, "src", by, owners or {}, index, found)
    target = _describe_ends(view, "dst", by, owners or {}, index, found)
    return Vertices(source, target, found)


def numbered_ends(
    view: View, by: str, owners: Mapping[str, str] | None, index: dict[str, int]
) -> tuple[Integers, Integers]:
    """Both ends of every connection as numbers of their names, for tables that come one after the other.

    Args:
        view: As for `vertices`; so are `by` and `owners`.
        by: One of `LEVELS`.
        owners: Who owns which pod.
        index: Names and their numbers; new ones are added.

    Raises:
        UsageError: `by` is no level.
    """
    check_level(by)
    return _number_ends(view, "src", by, owners or {}, index), _number_ends(view, "dst", by, owners or {}, index)


def _distinct_ends(view: View, end: str, facts: Iterable[str]) -> tuple[dict[str, list[str | None]], Groups]:
    """What is told of each distinct end, and which rows have it."""
    columns = {fact: name for fact in dict.fromkeys(facts) if (name := _column(view, end, fact)) is not None}
    parts = [view.labels(name) for name in columns.values()]
    groups = group([part.part for part in parts], len(view))
    return dict(zip(columns, (part.take(groups.first).texts() for part in parts), strict=True)), groups


def _facts(told: dict[str, list[str | None]], count: int) -> Iterator[dict[str, str]]:
    rows = zip(*told.values(), strict=True) if told else repeat((), count)
    return ({fact: value for fact, value in zip(told, values, strict=True) if value} for values in rows)


def _number_ends(view: View, end: str, by: str, owners: Mapping[str, str], index: dict[str, int]) -> Integers:
    told, groups = _distinct_ends(view, end, _NAMED_BY[by])
    count = len(groups)
    if by == GraphLevel.WORKLOAD:
        names = _workload_ids([told.get(fact, [None] * count) for fact in _NAMED_BY[by]], owners)
    else:
        names = (_name(facts, by, owners)[0] for facts in _facts(told, count))
    numbers = np.fromiter((index.setdefault(name, len(index)) for name in names), np.int32, count)
    return numbers[groups.codes]


def _describe_ends(
    view: View, end: str, by: str, owners: Mapping[str, str], index: dict[str, int], found: list[Vertex]
) -> Integers:
    told, groups = _distinct_ends(view, end, (*_NAMED_BY[by], *_DESCRIBED[by]))
    numbers = np.zeros(len(groups), dtype=np.int32)
    for place, facts in enumerate(_facts(told, len(groups))):
        name, kind, how = _name(facts, by, owners)
        numbers[place] = number = index.setdefault(name, len(found))
        if number == len(found):
            found.append(Vertex(name))
        vertex = found[number]
        vertex.kinds.add(kind)
        if how is not None:
            vertex.rolled_up.add(how)
        for fact in _DESCRIBED[by]:
            if fact in facts and kind != "unknown":
                vertex.facts.setdefault(fact, set()).add(facts[fact])
    return numbers[groups.codes]


def _column(view: View, end: str, fact: str) -> str | None:
    """The column of a view that holds a fact about an end."""
    columns = view.table.column_names
    name = logged_name(columns, end) if fact == "name" else _COLUMNS[end][fact]
    if fact == "workload" and f"{end}_name" not in columns:
        return None
    return name if name in columns else None


def _name(facts: dict[str, str], by: str, owners: Mapping[str, str]) -> tuple[str, str, str | None]:
    """Id, kind of name, and how the workload was derived; puts namespace and workload in order in `facts`."""
    if by in _PROGRAMS:
        return _name_program(facts, by, owners)
    if by == GraphLevel.NAMESPACE and "/" in facts.get("pod", ""):
        facts["namespace"] = facts["pod"].partition("/")[0]
    if by in facts:
        return facts[by], by, None
    if by == GraphLevel.NODE and "ztunnel" in facts:
        # The log proves that the end is on this ztunnel's node; only the node's name is missing.
        return f"(node of {facts['ztunnel']})", "unnamed node", None
    return UNKNOWN, "unknown", None


def _workload_ids(facts: Sequence[Sequence[str | None]], owners: Mapping[str, str]) -> Iterator[str]:
    """What `_name` calls ends by workload, from the facts of `_NAMED_BY`: live pictures name ever new ones."""
    for pod, namespace, name, held, ip, host in zip(*facts, strict=True):
        known = pod or qualified(namespace or None, name or None)
        if not known:
            yield ip or host or UNKNOWN
            continue
        first, slash, _ = known.partition("/")
        yield str(qualified(first if slash else namespace, held or workload_of_pod(known, owners)[0]))


def _name_program(facts: dict[str, str], by: str, owners: Mapping[str, str]) -> tuple[str, str, str | None]:
    pod = facts.get("pod")
    kind = "pod"
    if pod is None:
        kind = "name as logged"
        pod = qualified(facts.get("namespace"), facts.get("name"))
    how = None
    if pod is not None:
        namespace, slash, _ = pod.partition("/")
        if slash:
            facts["namespace"] = namespace
        facts["workload"], how = _workload(pod, facts.get("workload"), owners)
    if by == GraphLevel.SERVICE and "service" in facts:
        return facts["service"], "service", None
    if pod is None:
        address = facts.get("ip") or facts.get("host")
        return (address, "address", None) if address else (UNKNOWN, "unknown", None)
    if by == GraphLevel.POD:
        return pod, kind, how
    return str(qualified(facts.get("namespace"), facts["workload"])), "workload", how


def _workload(pod: str, held: str | None, owners: Mapping[str, str]) -> tuple[str, How]:
    """The workload the flows hold, and how it is known; where they were never placed, what the pod tells."""
    told, how = workload_of_pod(pod, owners)
    return (told, how) if held in {told, None} else (held, "owner")
