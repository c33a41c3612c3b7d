"""What a live summary adds up of the flows it does not keep: those the filters let through."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

from ztflow.cli.rows import Selection
from ztflow.model.tables import Flows
from ztflow.reports.running_summary import RunningSummary
from ztflow.reports.summary import Summary, summary

ROWS_KEPT = 150_000
"""Flows kept for a period that moves on (`--since 5m`): what leaves it has to be taken out again."""


class LiveTotal:
    """A `session.Total` that gives a summary.

    Args:
        selection: Filters and time limits.

    Attributes:
        dropped: Flows left out though the period asked for may have them, because there were too many.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._running = RunningSummary()
        self._rows = Flows()
        self.dropped = 0

    def fork(self) -> Self:
        """An independent copy."""
        return deepcopy(self, {id(one): one for one in (self._selection, self._rows)})

    def add(self, flows: Flows) -> None:
        """Take in flows for good."""
        if not self._selection.moves:
            self._running.add(self._selection.part(flows))
            return
        rows = Flows.concat([self._rows, flows])
        table = rows.to_arrow()
        rows = rows.with_rows(table.slice(self._selection.outdated(rows)).combine_chunks())
        surplus = max(0, len(rows) - ROWS_KEPT)
        self.dropped += surplus
        self._rows = rows.with_rows(rows.to_arrow().slice(surplus))

    def summary(self, rest: Flows) -> Summary:
        """The summary of what was added and of the flows still kept."""
        if self._selection.moves:
            return summary(self._selection.now(Flows.concat([self._rows, rest]) if len(self._rows) else rest))
        return self._running.summary(self._selection.part(rest))
