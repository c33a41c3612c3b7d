"""Lost halves: which connections were seen from one side only, why, and whose log seems to be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.measures import tally
from ztflow.columns.dtypes import NO_TIME, BoolArray, Integers
from ztflow.columns.grouping import Groups, factorize, group
from ztflow.counters import Counters
from ztflow.model.provenance import time_from_micros
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import BOTH_HALVES, ONE_HALF, DirectionWord, Paired, Unpaired
from ztflow.reports.counters import counter_notes, counter_tables
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted

Loss = Literal["no", "maybe", "yes"]

LOSS: Mapping[str, Loss] = {
    Unpaired.PLAINTEXT: "no",
    Unpaired.EARLY_DENIAL: "no",
    Unpaired.WAYPOINT_HOP: "no",
    Unpaired.WAYPOINT_SOURCE: "no",
    Unpaired.CONNECT_FAILED: "no",
    Unpaired.SOURCE_NOT_CAPTURED: "maybe",
    Unpaired.DESTINATION_NOT_CAPTURED: "yes",
    Unpaired.PARTNER_MISSING: "yes",
    Unpaired.STILL_OPEN: "no",
    Unpaired.FAST_PATH: "no",
    Unpaired.NO_TIME: "maybe",
    Unpaired.EVICTED: "yes",
    Unpaired.LATE: "yes",
}
"""Whether a reason means that a line which should exist is missing."""

_UNEXPLAINED: tuple[Loss, str] = ("maybe", "no reason known")
"""Loss and meaning of a half without a reason."""


@dataclass(frozen=True, slots=True)
class Lone:
    """Halves without a partner, for one reason.

    Attributes:
        reason: Value of `unpaired_reason`; None where there is none.
        missing: Which half is missing: `inbound` or `outbound`.
        loss: Whether that half should exist.
        meaning: What the reason says.
        halves: How many.
    """

    reason: str | None
    missing: DirectionWord
    loss: Loss
    meaning: str
    halves: int


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """How complete the log of one node looks.

    Attributes:
        node: Node; `(unknown)` for halves whose node is not known.
        seen: Halves its ztunnel wrote.
        missing: Halves it should have written that are not there.
        maybe: Halves that may be missing, or never were.
        missing_share: `missing / (seen + missing)`.
    """

    node: str
    seen: int
    missing: int
    maybe: int
    missing_share: float | None

    @property
    def verdict(self) -> str:
        """What that looks like."""
        if self.node == UNKNOWN:
            return "node unknown"
        if not self.seen and self.missing:
            return "log seems missing altogether"
        if not self.seen:
            return "log may be missing"
        if self.missing:
            return "lines missing"
        return "nothing missing for sure" if self.maybe else "complete"


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the log: connections that ended in it.

    Attributes:
        start: Its start.
        flows: Connections.
        missing: Halves missing among them.
        node: Node with the most halves missing.
    """

    start: datetime
    flows: int
    missing: int
    node: str | None


@dataclass(frozen=True)
class LossReport(Report):
    """What the capture lacks.

    Attributes:
        reasons: Lone halves by reason.
        nodes: Completeness by node, most missing first.
        minutes: Minutes with missing halves.
        timeless: Missing halves without a time.
        counters: The lines against what the ztunnels counted; None without scrapes.
    """

    name: ClassVar[str] = "loss"
    title: ClassVar[str] = "Lost halves"

    reasons: tuple[Lone, ...]
    nodes: tuple[NodeLoss, ...]
    minutes: tuple[Minute, ...]
    timeless: int
    counters: Counters | None = None

    @property
    def findings(self) -> int:
        """Halves that should exist and do not: as counted, where there are counters."""
        if self.counters is not None:
            return abs(self.counters.missing)
        return sum(row.halves for row in self.reasons if row.loss == "yes")

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """By reason, by node, by minute."""
        limit = self.cap(limit)
        reasons = [(row.reason, row.missing, row.loss, row.halves, row.meaning) for row in self.reasons]
        nodes = [(row.node, row.seen, row.missing, row.maybe, row.missing_share, row.verdict) for row in self.nodes]
        minutes = [(row.start, row.flows, row.missing, row.node) for row in self.minutes]
        return [
            *([] if self.counters is None else counter_tables(self.counters, limit)),
            titled("Halves without a partner", _REASONS, reasons, limit),
            titled("By node whose ztunnel should have written", _NODES, nodes, limit),
            titled("Minutes with missing halves", _MINUTES, minutes, limit),
        ]

    def to_dict(self) -> dict[str, Any]:
        """As for every report; with counters, their totals and ztunnels stand beside the other fields."""
        values = super().to_dict()
        if self.counters is not None:
            values.update(values.pop("counters"))
        return values

    def notes(self) -> list[str]:
        """What counts as lost."""
        notes = [] if self.counters is None else counter_notes(self.counters)
        notes += ["Only reasons marked `yes` count as missing; the others are as they should be, or cannot be told."]
        if self.timeless:
            notes.append(
                f"Not in any minute: {counted(self.timeless, 'missing half', 'missing halves')} without a time."
            )
        return notes


_REASONS = (
    ("reason", Unit.TEXT), ("missing half", Unit.TEXT), ("lost", Unit.TEXT), ("halves", Unit.COUNT),
    ("meaning", Unit.TEXT),
)  # fmt: skip
_NODES = (
    ("node", Unit.TEXT), ("seen", Unit.COUNT), ("missing", Unit.COUNT), ("maybe", Unit.COUNT),
    ("missing share", Unit.SHARE), ("looks", Unit.TEXT),
)  # fmt: skip
_MINUTES = (
    ("minute", Unit.TIME), ("conns", Unit.COUNT), ("missing", Unit.COUNT), ("mostly on", Unit.TEXT),
)  # fmt: skip

_MINUTE = 60_000_000


def loss(flows: Flows, counters: Counters | None = None) -> LossReport:
    """Which halves are missing and where.

    Args:
        flows: Connections.
        counters: What `counters.reconcile` found.

    Cost: about 0.3 s for 1 M flows.
    """
    view = View(flows.to_arrow())
    nodes = vertices(view, "node")
    outbound_only, inbound_only = (view.equals("paired", half) for half in ONE_HALF)
    reason = view.labels("unpaired_reason")
    verdicts = [*(_said(text)[0] for text in reason.words), _UNEXPLAINED[0]]
    lost = np.array([verdict == "yes" for verdict in verdicts])[reason.codes]
    maybe = np.array([verdict == "maybe" for verdict in verdicts])[reason.codes]
    # The half that is missing would be in the log of the other end's node.
    missing_at: Integers = np.where(outbound_only, nodes.target, np.where(inbound_only, nodes.source, -1))
    alone = outbound_only | inbound_only
    return LossReport(
        Basis.of(flows, view),
        _reasons(view, outbound_only, inbound_only),
        _nodes(view, nodes, missing_at, lost & alone, maybe & alone),
        *_minutes(view, nodes, missing_at, lost & alone),
        counters,
    )


def _said(reason: str | None) -> tuple[Loss, str]:
    """Whether a reason means loss, and its meaning."""
    if reason is None or reason not in LOSS:
        return _UNEXPLAINED
    return LOSS[reason], Unpaired(reason).meaning


def _reasons(view: View, outbound_only: BoolArray, inbound_only: BoolArray) -> tuple[Lone, ...]:
    reason = view.labels("unpaired_reason")
    found = []
    sides: tuple[tuple[DirectionWord, BoolArray], ...] = (
        ("inbound", outbound_only),
        ("outbound", inbound_only),
    )
    for missing, mask in sides:
        counts = np.bincount(reason.codes[mask] + 1, minlength=len(reason.words) + 1).tolist()
        for text, count in zip([None, *reason.words], counts, strict=True):
            if count:
                verdict, meaning = _said(text)
                found.append(Lone(text, missing, verdict, meaning, count))
    return tuple(sorted(found, key=lambda row: (-row.halves, row.reason or "", row.missing)))


def _nodes(
    view: View, nodes: Vertices, missing_at: Integers, lost: BoolArray, maybe: BoolArray
) -> tuple[NodeLoss, ...]:
    count = len(nodes.all)
    paired = view.equals("paired", *BOTH_HALVES)
    wrote_outbound = paired | view.equals("paired", Paired.OUTBOUND_ONLY)
    wrote_inbound = paired | view.equals("paired", Paired.INBOUND_ONLY)
    seen_halves = tally(nodes.source, count, wrote_outbound) + tally(nodes.target, count, wrote_inbound)
    missing, unsure = tally(missing_at, count, lost), tally(missing_at, count, maybe)
    rows = [
        NodeLoss(vertex.id, wrote, gone, perhaps, share(gone, wrote + gone))
        for vertex, wrote, gone, perhaps in zip(
            nodes.all, seen_halves.tolist(), missing.tolist(), unsure.tolist(), strict=True
        )
        if wrote or gone or perhaps
    ]
    return tuple(sorted(rows, key=lambda row: (-row.missing, -row.maybe, row.node == UNKNOWN, row.node)))


def _minutes(view: View, nodes: Vertices, missing_at: Integers, lost: BoolArray) -> tuple[tuple[Minute, ...], int]:
    _, ended = view.seen()
    told = ended != NO_TIME
    timeless = int((lost & ~told).sum())
    lost_here = lost[told]
    if not lost_here.any():
        return (), timeless
    minute = ended[told] // _MINUTE
    minutes = Groups(*factorize(minute))
    flows, missing = (tally(minutes.codes, len(minutes), mask).tolist() for mask in (None, lost_here))
    place = missing_at[told][lost_here]
    by_node = group([(minutes.codes[lost_here], len(minutes)), (place, len(nodes.all))], len(place))
    most: dict[int, tuple[int, str]] = {}
    for row, count in zip(by_node.first.tolist(), tally(by_node.codes, len(by_node)).tolist(), strict=True):
        number, name = int(minutes.codes[lost_here][row]), nodes.id(int(place[row]))
        most[number] = max(most.get(number, (0, "")), (count, name))
    rows = [
        Minute(time_from_micros(int(minute[first]) * _MINUTE), flows[number], missing[number], most[number][1])
        for number, first in enumerate(minutes.first.tolist())
        if missing[number]
    ]
    return tuple(sorted(rows, key=lambda row: row.start)), timeless
