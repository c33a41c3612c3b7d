"""A traffic graph as columns of JSON: what the map page carries, small enough for 10 000 edges.

A dictionary an edge would say each name 10 000 times; a column says it once, and a column of mostly one value is told
by its exceptions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from ztflow.aggregate.measures import MEASURE_NAMES, OPTIONAL
from ztflow.text.escapes import visible

if TYPE_CHECKING:
    import networkx as nx

Packed: TypeAlias = "dict[str, Any] | list[Any]"

_TIMES = ("first_seen", "last_seen")
_NUMBERS = tuple(name for name in MEASURE_NAMES if name not in _TIMES)
_ATTRIBUTES = ("kind", "namespace", "workload", "workload_from", "node", "zone", "cluster", "identity")


@dataclass(frozen=True)
class Since:
    """What is known of an earlier capture, of the same level.

    Attributes:
        graph: The earlier capture's.
        changes: Of each pair of vertices whose traffic changed, what did: keys of `ztflow.reports.diff.TITLES`.
    """

    graph: nx.MultiDiGraph[str]
    changes: Mapping[tuple[str, str], Sequence[str]]


_GONE = "gone"
"""The change of a pair without traffic now."""


def packed(values: Sequence[Any]) -> Packed:
    """A column; where most values are one and the same, that value with the exceptions: place (as steps) and value."""
    if not values:
        return []
    common, often = Counter(values).most_common(1)[0]
    if 3 * often < 2 * len(values):
        return list(values)
    places = [place for place, value in enumerate(values) if value != common]
    steps = [place - before for place, before in zip(places, [0, *places], strict=False)]
    return {"n": len(values), "most": common, "at": steps, "is": [values[place] for place in places]}


def worded(values: Sequence[str | None]) -> dict[str, Any]:
    """A column of repeated texts: every text once, made printable, and its number a row; -1 for none."""
    words: dict[str, int] = {}
    codes = [-1 if value is None else words.setdefault(value, len(words)) for value in values]
    return {"words": [visible(word) for word in words], "codes": packed(codes)}


def map_columns(graph: nx.MultiDiGraph[str], since: Since | None = None) -> dict[str, Any]:
    """Vertices and edges of a graph as columns; an edge's number is its place in the graph.

    Args:
        graph: The graph.
        since: An earlier capture: its edges that are gone come last, as they were, and its vertices likewise.

    Returns:
        `about`: the graph's own attributes. `vertices`: `id` and what is known of them. `edges`: `source` and `target`
        (numbers of vertices), `path` and the measures of `ztflow.aggregate.Measures`; times as milliseconds since
        `about.start` (milliseconds since 1970), null where unknown; with `since` also `change`, words with blanks
        between them, null where nothing changed.

    Cost: about 10 µs an edge.
    """
    edges = list(graph.edges(data=True))
    vertices: dict[str, dict[str, Any]] = {name: graph.nodes[name] for name in graph}
    if since is not None:
        gone = [edge for edge in since.graph.edges(data=True) if _GONE in since.changes.get(edge[:2], ())]
        edges += gone
        ends = {name for edge in gone for name in edge[:2]}
        vertices |= {name: since.graph.nodes[name] for name in sorted(ends - vertices.keys())}
    names, known = [*vertices], [*vertices.values()]
    number = {name: place for place, name in enumerate(names)}
    facts: list[Mapping[str, Any]] = [attributes for _, _, attributes in edges]
    times = {name: [_milliseconds(fact.get(name)) for fact in facts] for name in _TIMES}
    start = min((time for time in times["first_seen"] if time is not None), default=0)
    columns: dict[str, Packed] = {
        name: packed([fact.get(name, None if name in OPTIONAL else 0) for fact in facts]) for name in _NUMBERS
    }
    for name, column in times.items():
        columns[name] = packed([None if time is None else time - start for time in column])
    changed: dict[str, Any] = {}
    if since is not None:
        changed["change"] = worded([" ".join(since.changes.get(edge[:2], ())) or None for edge in edges])
    return {
        "about": {**{name: _text(value) for name, value in graph.graph.items()}, "start": start},
        "vertices": {
            "id": [visible(name) for name in names],
            "unknown": packed([int(bool(one.get("unknown"))) for one in known]),
            **{name: worded([_name(one.get(name)) for one in known]) for name in _ATTRIBUTES},
        },
        "edges": {
            "source": [number[source] for source, _, _ in edges],
            "target": [number[target] for _, target, _ in edges],
            "path": worded([_name(fact.get("path")) for fact in facts]),
            **changed,
            **columns,
        },
    }


def _milliseconds(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _name(value: object) -> str | None:
    return None if value is None else str(value)


def _text(value: object) -> object:
    return visible(value) if isinstance(value, str) else value
