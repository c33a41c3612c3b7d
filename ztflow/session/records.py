"""`RecordSession`: access lines without pairing."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ztflow.errors import SourceError
from ztflow.memory import DEFAULT, Budget, keep_below
from ztflow.model.tables import Halves
from ztflow.place import Inventory, place_ztunnels
from ztflow.read import ReadBatch, ReadReport
from ztflow.session.pairing import Pipeline


def no_flows(batch: ReadBatch) -> None:
    """Refuse saved flows where access lines are wanted.

    Raises:
        SourceError: The batch has some.
    """
    if batch.flows is not None:
        raise SourceError(
            batch.source_file, "holds saved flows, and this answer needs access lines",
            hint="give the log, or what `ztflow records` saved of it",
        )  # fmt: skip


class RecordSession(Pipeline[Halves]):
    """Access lines in order of time, each with the node of its ztunnel where it is known.

    Args:
        inventory: What `place.read_inventory` gave; without one a node is named where the log or its shipper names it.
        live: Give lines as they come, with the node known at that time, instead of at the end with what all lines show.
        report: Takes the counts.
        memory: What may be kept in memory, however large the input; more waits on disk.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        *,
        live: bool = False,
        report: ReadReport | None = None,
        memory: Budget = DEFAULT,
    ) -> None:
        super().__init__(inventory, report, memory)
        self._live = live

    def feed(self, batch: ReadBatch) -> Halves:
        """Take in a batch; a live session gives its lines.

        Raises:
            SourceError: It holds saved flows, whose access lines nobody has any more.
        """
        no_flows(batch)
        table = batch.halves.to_arrow()
        self.topology.learn(batch.facts, table)
        if self._live:
            self._return_freed(len(table))
            return self._placed(table)
        self._order.add(table)
        self._return_freed(len(table))
        return Halves()

    def finish(self) -> Iterator[Halves]:
        """The lines that were not given yet, in tables of bounded size."""
        for table in self._order.slices():
            keep_below(self._memory.bound)
            yield self._placed(table)

    def _placed(self, table: pa.Table) -> Halves:
        self.report.forgotten = self.topology.forgotten
        return Halves(place_ztunnels(table, self.topology), owners=self.owners)
