"""What a live summary adds up of the flows it does not keep: those the filters let through."""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import dataclass
from typing import Self

from ztflow.aggregate import View, vertices
from ztflow.cli.rows import Selection
from ztflow.columns.dictionaries import without_unused
from ztflow.model.tables import Flows
from ztflow.reports.recent import RecentPairs
from ztflow.reports.running_summary import RunningSummary
from ztflow.reports.summary import Summary, summary

ROWS_KEPT = 150_000
"""Flows kept for a period that moves on (`--since 5m`): what leaves it has to be taken out again."""

LATEST_KEPT = 4_000
"""Flows kept as rows for whoever opens a pair, and at most as many again: the latest that were added up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of all flows at a moment.

    Attributes:
        summary: Over all of them.
        recent: Of the last minute.
        latest: The latest as rows, the newest table last.
        dropped: Flows left out though the period asked for may have them, because there were too many.
    """

    summary: Summary
    recent: RecentPairs
    latest: tuple[Flows, ...]
    dropped: int


class LiveTotal:
    """A `session.Total` that gives a summary, what was recent, and the latest rows.

    Args:
        selection: Filters and time limits.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._running = RunningSummary()
        self._recent = RecentPairs()
        self._latest: deque[Flows] = deque()
        self._rows = Flows()
        self._dropped = 0

    def fork(self) -> Self:
        """An independent copy."""
        made = copy(self)
        forked = {"_running": self._running.fork(), "_recent": self._recent.fork(), "_latest": self._latest.copy()}
        made.__dict__.update(forked)
        return made

    def add(self, flows: Flows) -> None:
        """Take in flows for good."""
        chosen = self._selection.part(flows)
        if len(chosen):
            view = View(chosen.to_arrow())
            ends = vertices(view, "workload", chosen.owners)
            self._recent.add(chosen, view, ends)
            self._keep_latest(chosen)
            if not self._selection.moves:
                self._running.add(chosen, view, ends)
        if self._selection.moves:
            self._keep_rows(flows)

    def _keep_rows(self, flows: Flows) -> None:
        rows = Flows.concat([self._rows, flows])
        table = rows.to_arrow()
        rows = rows.with_rows(table.slice(self._selection.outdated(rows)).combine_chunks())
        surplus = max(0, len(rows) - ROWS_KEPT)
        self._dropped += surplus
        self._rows = rows.with_rows(rows.to_arrow().slice(surplus))

    def _keep_latest(self, flows: Flows) -> None:
        table = flows.to_arrow()
        self._latest.append(flows.with_rows(without_unused(table.slice(max(0, len(flows) - LATEST_KEPT)))))
        while sum(map(len, self._latest)) - len(self._latest[0]) >= LATEST_KEPT:
            self._latest.popleft()

    def answer(self, rest: Flows) -> Answer:
        """What is known of what was added and of the flows still kept, which are not added for good."""
        chosen = self._selection.part(rest)
        recent = self._recent.fork()
        recent.add(chosen)
        return Answer(self.summary(rest), recent, (*self._latest, chosen), self._dropped)

    def summary(self, rest: Flows) -> Summary:
        """The summary of the same."""
        if self._selection.moves:
            return summary(self._selection.now(Flows.concat([self._rows, rest]) if len(self._rows) else rest))
        return self._running.summary(self._selection.part(rest))

    @property
    def dropped(self) -> int:
        """As in an `Answer`."""
        return self._dropped
