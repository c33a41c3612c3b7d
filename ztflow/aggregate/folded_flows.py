"""Flows of which one row stands for many, and the view of any flows that reports begin with."""

from __future__ import annotations

import pyarrow as pa

from ztflow.aggregate.folded import Folded
from ztflow.aggregate.view import View
from ztflow.model.tables import Flows


def view_of(flows: Flows) -> View:
    """The view of some flows, folded or not."""
    return View(flows.to_arrow(), flows.folded if isinstance(flows, FoldedFlows) else None)


class FoldedFlows(Flows):
    """Connections for reports that look at them by `view_of`; a row may stand for several, and has only their columns.

    Args:
        table: Some columns of `schema.FLOWS`: sums of bytes, first start, last end, longest life, and what is the same
            in all connections of a row, or looked at in one of them only.
        folded: How many they are, and so on.
    """

    def __init__(self, table: pa.Table, folded: Folded) -> None:
        super().__init__(table)
        self.folded = folded

    def __len__(self) -> int:
        """How many connections there are."""
        return int(self.folded.weights.sum())
