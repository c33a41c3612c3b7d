"""Failures by class, with the likely cause and what to try, and which clients and servers were hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ztflow.aggregate import vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.model.error_classes import CLASS_BY_NAME
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Verdict
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.pairs import nodes_text
from ztflow.reports.refusals import Refusal, Refusals
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit


@dataclass(frozen=True, slots=True)
class FailureClass:
    """A class of failures.

    Attributes:
        error_class: Its name; None where the log gives no error text.
        summary: What happened.
        cause: The likely cause.
        advice: What to try.
        flows: Connections.
        flows_share: Of all failed connections.
        pairs: Distinct pairs of workloads hit.
    """

    error_class: str | None
    summary: str | None
    cause: str | None
    advice: str | None
    flows: int
    flows_share: float
    pairs: int


@dataclass(frozen=True)
class Failures(Report):
    """Connections that failed, other than by policy.

    Attributes:
        classes: By class, most frequent first.
        rows: By class, source, destination and port.
    """

    name: ClassVar[str] = "failures"
    title: ClassVar[str] = "Failed connections"

    classes: tuple[FailureClass, ...]
    rows: tuple[Refusal, ...]

    @property
    def findings(self) -> int:
        """Connections failed."""
        return sum(row.flows for row in self.classes)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Classes with cause and advice, then the clients and servers that were hit."""
        limit = self.cap(limit)
        classes = [
            (row.error_class, row.summary, row.flows, row.flows_share, row.pairs, row.cause, row.advice)
            for row in self.classes
        ]
        rows = [
            (row.error_class, row.source, nodes_text(row.source_nodes), row.target, nodes_text(row.target_nodes),
             row.port, row.flows, row.first_seen, row.last_seen, row.error)
            for row in self.rows
        ]  # fmt: skip
        return [
            titled("By class", _CLASSES, classes, limit),
            titled("Who was hit", _ROWS, rows, limit),
        ]

    def notes(self) -> list[str]:
        """How sure a class is."""
        return ["A class is read from the error text, the cause is the likely one; the log carries no response flags."]


_CLASSES = (
    ("class", Unit.TEXT), ("what", Unit.TEXT), ("conns", Unit.COUNT), ("share", Unit.SHARE), ("pairs", Unit.COUNT),
    ("likely cause", Unit.TEXT), ("try", Unit.TEXT),
)  # fmt: skip
_ROWS = (
    ("class", Unit.TEXT), ("source", Unit.TEXT), ("on", Unit.TEXT), ("destination", Unit.TEXT), ("on", Unit.TEXT),
    ("port", Unit.NUMBER), ("conns", Unit.COUNT), ("first", Unit.TIME), ("last", Unit.TIME), ("error", Unit.TEXT),
)  # fmt: skip


def failures(flows: Flows) -> Failures:
    """Connections that failed, other than by policy.

    Args:
        flows: Connections.

    Cost: about 0.2 s for 1 M flows.
    """
    view = view_of(flows)
    refused = view.equals("verdict", Verdict.FAILED)
    failed, every = np.flatnonzero(refused), view.count(refused)
    rows = tuple(Refusals(view, vertices(view, "workload"), vertices(view, "node"), failed))
    found: dict[str | None, list[Refusal]] = {}
    for row in rows:
        found.setdefault(row.error_class, []).append(row)
    classes = []
    for error_class, members in found.items():
        known = CLASS_BY_NAME.get(error_class or "")
        count = sum(row.flows for row in members)
        classes.append(
            FailureClass(
                error_class,
                known.summary if known else None,
                known.cause if known else None,
                known.advice if known else None,
                count,
                share(count, every) or 0.0,
                len({(row.source, row.target) for row in members}),
            )
        )
    classes.sort(key=lambda row: (-row.flows, row.error_class or ""))
    return Failures(Basis.of(flows, view), tuple(classes), rows)
