"""Charts as plain numbers and names: what a figure of plotly and an SVG picture are both drawn from.

Nothing here is a row of a table of flows: all numbers are sums, counts or shares of groups. Names come from logs and
may hold anything; who draws them makes them text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10
from typing import TypeAlias

from ztflow.text.format import Unit, duration_text


@dataclass(frozen=True, slots=True)
class Series:
    """One name with its numbers.

    Attributes:
        name: As in the log or the inventory.
        values: Numbers, one a step, bin or point.
        rest: Whether it is what is left of several: `(others)`.
    """

    name: str
    values: tuple[float, ...]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbers in equal steps of time, stacked.

    Attributes:
        title: Heading.
        unit: What the numbers are.
        starts: Beginning of each step, with its zone.
        seconds: Length of a step.
        series: One a name, most first; the first is drawn at the bottom.
        notes: Sentences a reader needs.
    """

    title: str
    unit: Unit
    starts: tuple[datetime, ...]
    seconds: float
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heat:
    """A number for each pair of names.

    Attributes:
        title: Heading.
        unit: What the numbers are.
        down: What the rows are.
        across: What the columns are.
        rows: Names of the rows, the first at the top.
        columns: Names of the columns.
        cells: Numbers, one tuple a row; negative ones are of another colour.
        notes: Sentences a reader needs.
    """

    title: str
    unit: Unit
    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many connections lived how long, stacked.

    Attributes:
        title: Heading.
        edges: Milliseconds; a bin goes from one edge up to the next, without it.
        series: One a name, a number a bin.
        notes: Sentences a reader needs.
    """

    title: str
    edges: tuple[int, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """Which share of the connections of a name lived no longer than so many milliseconds.

    Attributes:
        name: As in the log or the inventory.
        milliseconds: Rising.
        shares: Fractions of 1, rising, the last is 1.
        rest: As in `Series`.
    """

    name: str
    milliseconds: tuple[int, ...]
    shares: tuple[float, ...]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Ecdf:
    """Empirical distribution functions of lives.

    Attributes:
        title: Heading.
        curves: One a name.
        notes: Sentences a reader needs.
    """

    title: str
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """A number for each name.

    Attributes:
        title: Heading.
        unit: What the numbers are.
        what: Their heading.
        names: The first at the top.
        values: Numbers, none negative.
        notes: Sentences a reader needs.
    """

    title: str
    unit: Unit
    what: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """What went from a client to a server.

    Attributes:
        source: Place among the sources.
        target: Place among the targets.
        value: Number, more than 0.
    """

    source: int
    target: int
    value: float


@dataclass(frozen=True, slots=True)
class Sankey:
    """From whom to whom, clients on the left and servers on the right: a name that is both is on both sides.

    Attributes:
        title: Heading.
        unit: What the numbers are.
        sources: Clients, most first.
        targets: Servers, most first.
        links: Pairs that have any.
        notes: Sentences a reader needs.
    """

    title: str
    unit: Unit
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    links: tuple[Link, ...]
    notes: tuple[str, ...] = ()


Chart: TypeAlias = Steps | Heat | Histogram | Ecdf | Bars | Sankey

COLORS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#d6a400", "#9d755d", "#d67195", "#6b8e23")
"""Of series, after Vega's "tableau10"; each can be told from white and from black."""

REST_COLOR = "#9aa5b1"
"""Of what is left over."""


def color(place: int, *, rest: bool = False) -> str:
    """The colour of a series by its place."""
    return REST_COLOR if rest else COLORS[place % len(COLORS)]


def heading(title: str) -> str:
    """A title with its first letter large."""
    return title[:1].upper() + title[1:]


def life_scale(milliseconds: float) -> float:
    """Where a life is on an axis that grows by powers of ten and yet has a place for 0."""
    return log10(1 + milliseconds)


_MARKS = (0, 1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000, 360_000_000)
"""Milliseconds that an axis of lives names."""


def life_marks(longest: float) -> list[tuple[int, str]]:
    """The lives an axis names, and how."""
    return [(mark, _mark(mark)) for mark in _MARKS if mark <= longest or mark <= 1]


def bin_marks(edges: Sequence[int]) -> list[tuple[int, str]]:
    """The edges of bins that an axis names: their place, and how; the first, and one in each power of ten."""
    return [(place, _mark(edge)) for place, edge in enumerate(edges) if str(edge).strip("0") in {"", "1"}]


def _mark(milliseconds: int) -> str:
    return duration_text(milliseconds) if milliseconds else "0"
