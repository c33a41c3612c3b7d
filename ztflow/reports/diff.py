"""Diff: what changed between two captures, allowing for their lengths and for chance.

Counts are compared as rates, because the captures may differ in length. An edge that is gone carries the probability
that so long a silence is chance (Poisson).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import ClassVar, Literal

from ztflow.aggregate import Measures, View, measure, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.columns.grouping import group
from ztflow.errors import UsageError
from ztflow.model.notices import Notice
from ztflow.model.tables import Flows
from ztflow.reports.model import Basis, Report, basis_lines
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted, duration_text, share_text

Change = Literal["new", "gone", "more", "less", "locality", "newly_denied", "newly_failed", "newly_plaintext"]

CHANGE_RATIO = 2.0
"""A rate that changed by this factor, beyond chance, is a change."""

_SIGMAS = 3.0
"""How far apart two rates must be in standard deviations, so that one in some 400 comparisons errs by chance."""

_BYTES_FLOWS = 10
"""Connections on both sides before bytes alone can make a change: sizes vary much more than counts."""

_SHIFT = 0.25
"""Change of the same-node or same-zone share that counts as a change of locality."""

_CHANCE = 0.05
"""A silence as likely as this by chance is marked `maybe chance`."""


@dataclass(frozen=True, slots=True)
class EdgeDiff:
    """How one (source, target) changed.

    Attributes:
        source: Client, at the level asked for.
        target: Server.
        changes: What changed; never empty.
        before: Sums in the first capture; None when it has no such connection.
        after: Sums in the second.
        rate_before: Connections a minute; None for a window without length.
        rate_after: Likewise.
        chance: For new and gone edges the probability of seeing none in the other window at the same rate.
    """

    source: str
    target: str
    changes: tuple[Change, ...]
    before: Measures | None
    after: Measures | None
    rate_before: float | None
    rate_after: float | None
    chance: float | None


@dataclass(frozen=True)
class Diff(Report):
    """What changed.

    Attributes:
        basis: Of the first capture.
        basis_after: Of the second.
        by: Level of the names.
        edges: Every edge that changed, most telling first.
        unchanged: Edges in both without a change.
    """

    name: ClassVar[str] = "diff"
    title: ClassVar[str] = "What changed"
    basis_in_tables: ClassVar[bool] = True

    basis_after: Basis
    by: str
    edges: tuple[EdgeDiff, ...]
    unchanged: int

    @property
    def findings(self) -> int:
        """Edges that changed."""
        return len(self.edges)

    def notices(self) -> list[Notice]:
        """What makes the numbers of either capture doubtful."""
        return [*self.basis.notices, *self.basis_after.notices]

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """The two captures, then the changes by kind."""
        limit = self.cap(limit)
        before, after = basis_lines(self.basis), basis_lines(self.basis_after)
        sides = [(name, old, dict(after).get(name)) for name, old in before]
        found = [titled("Captures", (("", Unit.TEXT), ("before", Unit.TEXT), ("after", Unit.TEXT)), sides)]
        for change, title in TITLES.items():
            rows = [_cells(edge, change) for edge in self.edges if change in edge.changes]
            if rows:
                found.append(titled(title, _COLUMNS, rows, limit))
        found.append(titled("Unchanged", (("", Unit.TEXT), ("edges", Unit.COUNT)), [("in both", self.unchanged)]))
        return found

    def notes(self) -> list[str]:
        """What makes the two hard to compare."""
        notes = []
        one, two = self.basis.window, self.basis_after.window
        if not one or not two:
            notes.append("A window without length: counts are compared as they are, not as rates.")
        elif max(one, two) > 1.2 * min(one, two):
            lengths = " and ".join(duration_text(window.total_seconds() * 1000) for window in (one, two))
            notes.append(f"The windows differ in length ({lengths}): counts are compared as rates.")
        shares = [basis.paired_share for basis in (self.basis, self.basis_after)]
        if None not in shares and abs((shares[0] or 0) - (shares[1] or 0)) > 0.1:
            texts = " and ".join(share_text(part or 0) for part in shares)
            notes.append(
                f"The captures differ in how many halves have the partner they can have ({texts}): one may lack lines."
            )
        unsure = sum(edge.chance is not None and edge.chance > _CHANCE for edge in self.edges)
        if unsure:
            notes.append(f"{counted(unsure, 'new or gone edge')} may be chance: too few connections for the window.")
        return notes


TITLES: dict[Change, str] = {
    "new": "New", "gone": "Gone", "newly_denied": "Newly denied", "newly_failed": "Newly failed",
    "newly_plaintext": "Newly plaintext", "locality": "Other locality", "more": "More traffic", "less": "Less traffic",
}  # fmt: skip

_COLUMNS = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("conns before", Unit.COUNT), ("after", Unit.COUNT),
    ("a minute before", Unit.NUMBER), ("after", Unit.NUMBER), ("bytes before", Unit.BYTES), ("after", Unit.BYTES),
    ("what", Unit.TEXT),
)  # fmt: skip


def _cells(edge: EdgeDiff, change: Change) -> tuple[object, ...]:
    old, new = edge.before, edge.after
    return (
        edge.source, edge.target, old.flows if old else 0, new.flows if new else 0, edge.rate_before, edge.rate_after,
        old.bytes if old else None, new.bytes if new else None, _what(edge, change),
    )  # fmt: skip


def _what(edge: EdgeDiff, change: Change) -> str | None:
    old, new = edge.before, edge.after
    if edge.chance is not None:
        return f"maybe chance ({share_text(edge.chance)})" if edge.chance > _CHANCE else None
    if old is None or new is None:
        return None
    match change:
        case "newly_denied":
            return f"{new.denied:,} denied"
        case "newly_failed":
            return f"{new.failed:,} failed"
        case "newly_plaintext":
            return f"{new.plaintext:,} in plaintext"
        case "locality":
            return "; ".join(text for place in ("node", "zone") if (text := _moved(old, new, place)))
    return None


def _local(sums: Measures, place: str) -> tuple[int, int]:
    """Local and known connections, by node or zone."""
    if place == "node":
        return sums.same_node, sums.same_node + sums.cross_node
    return sums.same_zone, sums.same_zone + sums.cross_zone


def _moved(old: Measures, new: Measures, place: str) -> str | None:
    """`same node 90.0 % to 10.0 %` when the share changed beyond chance, else None."""
    (local_a, known_a), (local_b, known_b) = _local(old, place), _local(new, place)
    if not known_a or not known_b:
        return None
    a, b = local_a / known_a, local_b / known_b
    pooled = (local_a + local_b) / (known_a + known_b)
    deviation = sqrt(pooled * (1 - pooled) * (1 / known_a + 1 / known_b))
    if abs(a - b) < _SHIFT or abs(a - b) < _SIGMAS * deviation:
        return None
    return f"same {place} {share_text(a)} to {share_text(b)}"


def diff(
    before: Flows,
    after: Flows,
    by: str = "workload",
    *,
    ratio: float = CHANGE_RATIO,
) -> Diff:
    """What changed from one capture to another.

    Args:
        before: Connections of the first capture.
        after: Connections of the second.
        by: Level of the names; see `graph.build_graph`. Workloads outlive their pods.
        ratio: Factor by which a rate must change to count.

    Raises:
        UsageError: `by` is no level, or `ratio` is not above 1.

    Cost: about 0.4 s for 1 M flows on each side.
    """
    if not ratio > 1:
        raise UsageError(f"ratio={ratio} marks everything as changed; it must be above 1")
    old_view, new_view = view_of(before), view_of(after)
    bases = Basis.of(before, old_view), Basis.of(after, new_view)
    minutes = [basis.window.total_seconds() / 60 if basis.window else None for basis in bases]
    old, new = _edges(old_view, by), _edges(new_view, by)
    found, unchanged = [], 0
    for ends in sorted(old.keys() | new.keys()):
        edge = _compare(ends, old.get(ends), new.get(ends), minutes, ratio)
        if edge is None:
            unchanged += 1
        else:
            found.append(edge)
    order = list(TITLES)

    def telling(edge: EdgeDiff) -> tuple[int, int, str, str]:
        flows = max(sums.flows for sums in (edge.before, edge.after) if sums is not None)
        return min(order.index(change) for change in edge.changes), -flows, edge.source, edge.target

    return Diff(bases[0], bases[1], by, tuple(sorted(found, key=telling)), unchanged)


def _edges(view: View, by: str) -> dict[tuple[str, str], Measures]:
    ends = vertices(view, by)
    count = len(ends.all)
    groups = group([(ends.source, count), (ends.target, count)], len(view))
    heads = groups.first.tolist()
    return {
        (ends.id(int(ends.source[row])), ends.id(int(ends.target[row]))): sums
        for row, sums in zip(heads, measure(view, groups), strict=True)
    }


def _compare(
    ends: tuple[str, str], old: Measures | None, new: Measures | None, minutes: list[float | None], ratio: float
) -> EdgeDiff | None:
    rates = [
        None if length is None else (sums.flows / length if sums else 0.0)
        for sums, length in zip((old, new), minutes, strict=True)
    ]
    # Without both lengths counts are compared as they are, as if the windows were equal.
    told = [length or 1.0 for length in minutes] if all(minutes) else [1.0, 1.0]
    chance: float | None = None
    changes: list[Change] = []
    if old is None and new is not None:
        changes.append("new")
        chance = exp(-new.flows * told[0] / told[1])
    elif new is None and old is not None:
        changes.append("gone")
        chance = exp(-old.flows * told[1] / told[0])
    elif old is not None and new is not None:
        changes += _volume(old, new, told, ratio)
        if _moved(old, new, "node") or _moved(old, new, "zone"):
            changes.append("locality")
    if new is not None:
        newly: tuple[tuple[Change, str], ...] = (
            ("newly_denied", "denied"),
            ("newly_failed", "failed"),
            ("newly_plaintext", "plaintext"),
        )
        changes += [name for name, kind in newly if getattr(new, kind) and not (old and getattr(old, kind))]
    return EdgeDiff(*ends, tuple(changes), old, new, rates[0], rates[1], chance) if changes else None


def _volume(old: Measures, new: Measures, minutes: list[float], ratio: float) -> list[Change]:
    a, b = old.flows / minutes[0], new.flows / minutes[1]
    deviation = sqrt(old.flows / minutes[0] ** 2 + new.flows / minutes[1] ** 2)
    if abs(a - b) >= _SIGMAS * deviation and max(a, b) >= ratio * min(a, b):
        return ["more" if b > a else "less"]
    if min(old.flows, new.flows) >= _BYTES_FLOWS and not old.bytes_unknown and not new.bytes_unknown:
        moved = old.bytes / minutes[0], new.bytes / minutes[1]
        if max(moved) >= ratio * min(moved) and max(moved) > 0:
            return ["more" if moved[1] > moved[0] else "less"]
    return []
