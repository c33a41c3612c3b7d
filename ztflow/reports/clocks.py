"""Clocks: how far the nodes' clocks are apart, from the ends of connections both sides logged.

For a connection from a pod of ztunnel A to one of ztunnel B, the difference of the two end times is
`offset(A) - offset(B) + delay`. Connections in both directions cancel the delay; with one direction only, offset and
delay cannot be told apart, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ztflow.aggregate import View
from ztflow.columns.dictionaries import Coded
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows, Halves
from ztflow.model.vocabulary import Paired, Verdict
from ztflow.reports.joins import NO_ROW, find, places
from ztflow.reports.model import Basis, Report
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit

OFF_MS = 50.0
"""An offset worth a finding: beyond what NTP leaves on a healthy node."""


@dataclass(frozen=True, slots=True)
class Direction:
    """End times of connections from one ztunnel's pods to another's.

    Attributes:
        outbound: ztunnel pod of the clients.
        inbound: ztunnel pod of the servers.
        flows: Connections compared.
        median_ms: Median of outbound end minus inbound end.
        low_ms: 5th percentile.
        high_ms: 95th percentile.
    """

    outbound: str
    inbound: str
    flows: int
    median_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True)
class Offset:
    """How far one ztunnel's clock is ahead of another's.

    Attributes:
        ztunnel: The one.
        other: The other.
        offset_ms: How far the one is ahead; with one direction only, offset and delay together.
        delay_ms: Mean delay between the two ends of a connection; None with one direction only.
        spread_ms: Half the distance between the 5th and the 95th percentile, of the worse direction.
        flows: Connections it rests on.
        both_ways: Whether connections in both directions were seen.
    """

    ztunnel: str
    other: str
    offset_ms: float
    delay_ms: float | None
    spread_ms: float
    flows: int
    both_ways: bool


@dataclass(frozen=True)
class Clocks(Report):
    """How far the clocks are apart.

    Attributes:
        offsets: By pair of ztunnels, largest first.
        directions: What they rest on.
        compared: Connections compared.
    """

    name: ClassVar[str] = "clocks"
    title: ClassVar[str] = "Clock offsets"

    offsets: tuple[Offset, ...]
    directions: tuple[Direction, ...]
    compared: int

    @property
    def findings(self) -> int:
        """Pairs of clocks that are off by more than `OFF_MS` and more than their spread."""
        return sum(row.both_ways and abs(row.offset_ms) > max(OFF_MS, row.spread_ms) for row in self.offsets)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Offsets, then the differences they rest on."""
        limit = self.cap(limit)
        offsets = [
            (row.ztunnel, row.other, row.offset_ms, row.spread_ms, row.delay_ms, row.flows,
             "both ways" if row.both_ways else "one way: offset and delay together")
            for row in self.offsets
        ]  # fmt: skip
        directions = [
            (row.outbound, row.inbound, row.flows, row.median_ms, row.low_ms, row.high_ms) for row in self.directions
        ]
        return [
            titled("How far clocks are apart", _OFFSETS, offsets, limit),
            titled("End at the client's side minus end at the server's", _DIRECTIONS, directions, limit),
        ]

    def notes(self) -> list[str]:
        """What was compared."""
        return [
            "Only `exact` and `unique` pairs without error are compared. Timestamps come from each node's own clock."
        ]


_OFFSETS = (
    ("ztunnel", Unit.TEXT), ("ahead of", Unit.TEXT), ("by ms", Unit.NUMBER), ("± ms", Unit.NUMBER),
    ("delay ms", Unit.NUMBER), ("conns", Unit.COUNT), ("seen", Unit.TEXT),
)  # fmt: skip
_DIRECTIONS = (
    ("clients of", Unit.TEXT), ("servers of", Unit.TEXT), ("conns", Unit.COUNT), ("median ms", Unit.NUMBER),
    ("p5 ms", Unit.NUMBER), ("p95 ms", Unit.NUMBER),
)  # fmt: skip


def clocks(flows: Flows, halves: Halves) -> Clocks:
    """How far the nodes' clocks are apart.

    Args:
        flows: Connections; those paired `exact` or `unique` and forwarded are compared.
        halves: The access lines they were made of, for the end on the server's side.

    Cost: about 0.5 s for 1 M flows.
    """
    view, lines = View(flows.to_arrow()), View(halves.to_arrow())
    sure = (
        view.equals("paired", Paired.EXACT, Paired.UNIQUE) & view.equals("verdict", Verdict.FORWARDED)
        & view.known("end") & view.known("outbound_ztunnel") & view.known("inbound_ztunnel")
    )  # fmt: skip
    part = view.where(sure)
    files: dict[str, int] = {}
    wanted = places(part, "inbound_file", "inbound_line", files)
    row = find(wanted, places(lines, "source_file", "line_number", files))
    time, told = lines.numbers("time")
    usable = row != NO_ROW
    usable[usable] = told[row[usable]]
    part, row = part.where(usable), row[usable]
    difference = part.numbers("end")[0].astype(np.int64) - time[row].astype(np.int64)
    directions = _directions(part.labels("outbound_ztunnel"), part.labels("inbound_ztunnel"), difference)
    return Clocks(Basis.of(flows, view), _offsets(directions), directions, len(part))


def _directions(outbound: Coded, inbound: Coded, difference: Integers) -> tuple[Direction, ...]:
    groups = group([outbound.part, inbound.part], len(difference))
    order = np.lexsort((difference, groups.codes))
    cuts = np.flatnonzero(np.diff(groups.codes[order])) + 1
    found = []
    for number, values in enumerate(np.split(difference[order] / 1000, cuts) if len(order) else []):
        first = groups.first[number]
        low, middle, high = np.percentile(values, [5, 50, 95]).tolist()
        names = outbound.words[outbound.codes[first]], inbound.words[inbound.codes[first]]
        found.append(Direction(*names, len(values), middle, low, high))
    return tuple(sorted(found, key=lambda row: (row.outbound, row.inbound)))


def _offsets(directions: tuple[Direction, ...]) -> tuple[Offset, ...]:
    by_ends = {(row.outbound, row.inbound): row for row in directions}
    found = []
    for (one, other), there in by_ends.items():
        back = by_ends.get((other, one))
        spread = (there.high_ms - there.low_ms) / 2
        if one == other:
            continue
        if back is None:
            found.append(Offset(one, other, there.median_ms, None, spread, there.flows, both_ways=False))
        elif one < other:
            spread = max(spread, (back.high_ms - back.low_ms) / 2)
            offset, delay = (there.median_ms - back.median_ms) / 2, (there.median_ms + back.median_ms) / 2
            found.append(Offset(one, other, offset, delay, spread, there.flows + back.flows, both_ways=True))
    return tuple(sorted(found, key=lambda row: (-abs(row.offset_ms), row.ztunnel, row.other)))
