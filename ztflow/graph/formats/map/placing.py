"""Layout of the map: vertices in boxes, boxes in rows, edges as curves.

Deterministic and without a force simulation, so that two captures of one cluster look alike. Pixels throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ztflow.graph.formats.boxes import boxes
from ztflow.text.escapes import visible, visible_width

if TYPE_CHECKING:
    import networkx as nx

VERTICES_DRAWN = 400
EDGES_DRAWN = 2000
"""More cannot be read and is drawn slowly by browsers; the busiest edges are drawn and the rest is counted."""

_NAME = 34
"""Characters of a name shown; longer ones lose their middle."""

_CHAR, _PILL_HEIGHT, _PILL_GAP = 6.8, 24, 8
_BOX_PAD, _BOX_HEAD = 18, 30
_COLUMN_GAP = 72
"""Between columns of one box: room for the curves of edges that stay inside."""
_GAP_X, _GAP_Y, _MARGIN = 130, 56, 24
_ROWS = 18
"""Vertices stacked in a box before a second column is begun."""
_SWEEPS = 6


@dataclass(slots=True)
class Pill:
    """A vertex as drawn; `x, y` is its upper left corner."""

    vertex: str
    text: str
    width: float
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        """Height of its middle."""
        return self.y + _PILL_HEIGHT / 2


@dataclass(slots=True)
class Box:
    """A node, zone or namespace as drawn; `title` None is the box of vertices without one."""

    title: str | None
    columns: list[list[Pill]]
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0

    @property
    def pills(self) -> list[Pill]:
        """Its vertices."""
        return [pill for column in self.columns for pill in column]


class Curve(NamedTuple):
    """A cubic Bézier curve; it ends at a vertex's left or right side, horizontally."""

    x0: float
    y0: float
    x1: float
    y1: float
    x2: float
    y2: float
    x3: float
    y3: float

    @property
    def path(self) -> str:
        """The `d` of an SVG path."""
        return (
            f"M{self.x0:.1f} {self.y0:.1f}C{self.x1:.1f} {self.y1:.1f} {self.x2:.1f} {self.y2:.1f} "
            f"{self.x3:.1f} {self.y3:.1f}"
        )

    @property
    def middle(self) -> tuple[float, float]:
        """The point half way."""
        return (self.x0 + 3 * self.x1 + 3 * self.x2 + self.x3) / 8, (self.y0 + 3 * self.y1 + 3 * self.y2 + self.y3) / 8

    @property
    def heading(self) -> int:
        """1 when it ends going right, -1 when it ends going left."""
        return 1 if self.x3 > self.x2 else -1


@dataclass(frozen=True, slots=True)
class Link:
    """An edge as drawn."""

    source: str
    target: str
    key: str
    attributes: dict[str, Any]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole map.

    Attributes:
        width: Pixels.
        height: Pixels.
        boxes: With their vertices.
        links: Edges, least busy first, so that busy ones are drawn on top.
        hidden_vertices: Vertices not drawn.
        hidden_edges: Edges not drawn.
    """

    width: float
    height: float
    boxes: list[Box]
    links: list[Link]
    hidden_vertices: int
    hidden_edges: int


def short_name(name: str) -> str:
    """A name made safe to show and cut in its middle to what a vertex has room for."""
    text = visible(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 13]}…{text[-12:]}"


def lay_out(graph: nx.MultiDiGraph[str], attribute: str | None) -> Drawing:
    """Place the busiest part of a graph.

    Args:
        graph: The graph.
        attribute: Vertex attribute that boxes vertices; None draws one box without a frame.

    Cost: about 50 ms for 400 vertices and 2 000 edges.
    """
    edges, drawn = _busiest(graph)
    found = [
        Box(title, [[Pill(vertex, short_name(vertex), _pill_width(vertex)) for vertex in members if vertex in drawn]])
        for title, members in boxes(graph, attribute).items()
    ]
    found = _in_order([box for box in found if box.pills], edges)
    _sort_inside(found, edges)
    for box in found:
        _size(box)
    width, height = _shelve(found)
    pills = {pill.vertex: (pill, box) for box in found for pill in box.pills}
    links = _links(edges, pills)
    return Drawing(
        width,
        height,
        found,
        links,
        hidden_vertices=graph.number_of_nodes() - len(drawn),
        hidden_edges=graph.number_of_edges() - len(edges),
    )


_Edge: TypeAlias = tuple[str, str, str, dict[str, Any]]


def _busiest(graph: nx.MultiDiGraph[str]) -> tuple[list[_Edge], set[str]]:
    """The busiest edges that keep within the limits, and their vertices; all vertices when there are few."""
    every = sorted(graph.edges(keys=True, data=True), key=lambda edge: (-edge[3].get("flows", 0), *edge[:3]))
    kept: list[_Edge] = []
    drawn: set[str] = set()
    for edge in every:
        more = {edge[0], edge[1]} - drawn
        if len(kept) < EDGES_DRAWN and len(drawn) + len(more) <= VERTICES_DRAWN:
            kept.append(edge)
            drawn |= more
    if graph.number_of_nodes() <= VERTICES_DRAWN:
        drawn.update(graph.nodes)
    return kept, drawn


def _pill_width(vertex: str) -> float:
    return round(visible_width(short_name(vertex)) * _CHAR + 22, 1)


def _in_order(found: list[Box], edges: list[_Edge]) -> list[Box]:
    """Boxes so that those with much traffic between them are neighbours; the nameless box last."""
    if len(found) < 3:
        return found
    place = {pill.vertex: number for number, box in enumerate(found) for pill in box.pills}
    between: dict[tuple[int, int], int] = {}
    for source, target, _, attributes in edges:
        pair = (min(place[source], place[target]), max(place[source], place[target]))
        between[pair] = between.get(pair, 0) + attributes.get("flows", 0)
    named = [number for number, box in enumerate(found) if box.title is not None]
    ties = sorted(((-count, pair) for pair, count in between.items() if pair[0] != pair[1]))
    first = next((pair[0] for _, pair in ties if pair[0] in named), named[0] if named else 0)
    chain, left = [first], [number for number in named if number != first]
    while left:
        last = chain[-1]
        best = max(left, key=lambda number: (between.get((min(last, number), max(last, number)), 0), -number))
        chain.append(best)
        left.remove(best)
    chain.extend(number for number in range(len(found)) if number not in chain)
    return [found[number] for number in chain]


def _sort_inside(found: list[Box], edges: list[_Edge]) -> None:
    """Order the vertices of each box by the mean height of their neighbours, which uncrosses most edges."""
    near: dict[str, list[str]] = {}
    for source, target, _, _ in edges:
        if source != target:
            near.setdefault(source, []).append(target)
            near.setdefault(target, []).append(source)
    height = {pill.vertex: row / max(len(box.pills) - 1, 1) for box in found for row, pill in enumerate(box.pills)}
    for _ in range(_SWEEPS):
        for box in found:
            pills = box.columns[0]
            mean = {
                pill.vertex: sum(height[other] for other in others) / len(others)
                if (others := near.get(pill.vertex))
                else height[pill.vertex]
                for pill in pills
            }
            pills.sort(key=lambda pill: (mean[pill.vertex], pill.vertex))
            for row, pill in enumerate(pills):
                height[pill.vertex] = row / max(len(pills) - 1, 1)


def _size(box: Box) -> None:
    """Split the vertices into columns and measure the box."""
    pills = box.columns[0]
    columns = ceil(len(pills) / _ROWS)
    rows = ceil(len(pills) / columns)
    box.columns = [pills[start : start + rows] for start in range(0, len(pills), rows)]
    inner = sum(max(pill.width for pill in column) for column in box.columns)
    head = len(visible(box.title or "")) * _CHAR + 90
    box.width = max(inner + (len(box.columns) - 1) * _COLUMN_GAP + 2 * _BOX_PAD + 34, head)
    box.height = _BOX_HEAD + rows * (_PILL_HEIGHT + _PILL_GAP) - _PILL_GAP + 2 * _BOX_PAD


def _shelve(found: list[Box]) -> tuple[float, float]:
    """Put boxes on shelves of roughly a screen's proportions; returns the size of the whole."""
    area = sum((box.width + _GAP_X) * (box.height + _GAP_Y) for box in found)
    limit = max(sqrt(area * 2.2), max((box.width for box in found), default=0))
    x = y = float(_MARGIN)
    shelf = widest = 0.0
    for box in found:
        if x > _MARGIN and x + box.width > limit + _MARGIN:
            x, y, shelf = float(_MARGIN), y + shelf + _GAP_Y, 0.0
        box.x, box.y = x, y
        _place_pills(box)
        x += box.width + _GAP_X
        shelf = max(shelf, box.height)
        widest = max(widest, box.x + box.width)
    return widest + _MARGIN, y + shelf + _MARGIN


def _place_pills(box: Box) -> None:
    x = box.x + _BOX_PAD
    for column in box.columns:
        y = box.y + _BOX_HEAD + _BOX_PAD
        for pill in column:
            pill.x, pill.y = x, y
            y += _PILL_HEIGHT + _PILL_GAP
        x += max(pill.width for pill in column) + _COLUMN_GAP


def _links(edges: list[_Edge], pills: dict[str, tuple[Pill, Box]]) -> list[Link]:
    lanes: dict[tuple[str, str], int] = {}
    found = []
    for source, target, key, attributes in edges:
        lane = lanes[(source, target)] = lanes.get((source, target), -1) + 1
        back = (target, source) in lanes and source != target
        curve = _curve(pills[source][0], pills[target][0], lane * 7 + (4 if back else 0))
        found.append(Link(source, target, key, attributes, curve))
    return found[::-1]


def _curve(source: Pill, target: Pill, shift: float) -> Curve:
    """A curve that leaves and enters horizontally; ends are shifted apart where edges share both vertices."""
    start_y, end_y = source.middle + min(shift, 10), target.middle + min(shift, 10)
    left, right = source.x, source.x + source.width
    if source is target:
        reach = right + 34 + shift
        return Curve(right, source.middle - 6, reach, source.middle - 18, reach, source.middle + 18, right, end_y + 6)
    if target.x > right:
        start, end = right, target.x
        bend = max((end - start) * 0.45, 30)
        return Curve(start, start_y, start + bend, start_y, end - bend, end_y, end, end_y)
    if target.x + target.width < left:
        start, end = left, target.x + target.width
        bend = max((start - end) * 0.45, 30)
        return Curve(start, start_y, start - bend, start_y, end + bend, end_y, end, end_y)
    start, end = right, target.x + target.width
    reach = max(start, end) + 18 + min(abs(end_y - start_y) * 0.22, 60) + shift
    return Curve(start, start_y, reach, start_y, reach, end_y, end, end_y)
