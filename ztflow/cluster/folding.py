"""Flows added up for an answer where they are, so that only what the answer tells apart comes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from ztflow.aggregate.fold import Fold, FoldedPart, Shape
from ztflow.aggregate.folded_flows import FoldedFlows
from ztflow.cluster.connect import at_hand
from ztflow.cluster.placing import InOrder
from ztflow.cluster.saving import Saved, counted
from ztflow.cluster.sending import Sent
from ztflow.columns.dtypes import AFTER_ALL
from ztflow.columns.timestamps import micros_of
from ztflow.model.tables import Flows
from ztflow.place import Topology

if TYPE_CHECKING:
    from distributed import Client, Future

Added = tuple[FoldedPart, Saved, Sent]
"""Rows, the counts of the flows they are made of, and numbers of each of these."""


def added_up(made: InOrder, number: int, topology: Topology, shape: Shape) -> Added:
    """Fold the flows of a part; runs on a worker."""
    del number
    table, fold = made[0], Fold(shape, few=0)
    fold.add(Flows(table, owners=topology.owners()))
    part, values = fold.part(micros_of(table.column("end"), AFTER_ALL))
    return part, counted(table), Sent.of(values)


def together(
    client: Client, added: Sequence[Future], shape: Shape, owners: Mapping[str, str]
) -> tuple[FoldedFlows, list[Saved]]:
    """The flows of all parts, folded; and their counts. Numbers of single flows come here part by part.

    Cost: of each part the rows an answer tells apart, and some 10 bytes a flow where it has medians.
    """
    told: list[tuple[FoldedPart, Saved]] = client.gather(at_hand(client, itemgetter(slice(2)), added))
    values = (one.result().table for one in at_hand(client, itemgetter(2), added))
    return Fold(shape).join([part for part, _ in told], values, owners), [saved for _, saved in told]
