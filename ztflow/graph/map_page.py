"""The map page of some flows: the graph, and what only the flows tell: time, refusals, lines of the log."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.graph.build import build_grouped, columns_of
from ztflow.graph.formats.map.columns import Since, map_columns
from ztflow.graph.formats.map.details import DETAIL_COLUMNS, details
from ztflow.graph.formats.map.page import page
from ztflow.model.tables import Flows


def map_columns_of(by: str) -> list[str]:
    """The columns of flows a map page is made of.

    Raises:
        UsageError: `by` is no level.
    """
    return list(dict.fromkeys((*columns_of(by), *DETAIL_COLUMNS)))


def map_page(
    flows: Flows,
    by: str = "pod",
    *,
    since: Since | None = None,
    inputs: Sequence[str] = (),
    above: str = "",
    below: str = "",
) -> str:
    """The map as one HTML file, with the traffic over time and some connections behind each edge.

    Args:
        flows: Connections; of their columns only `map_columns_of(by)` are looked at.
        by: Level of the vertices, as in `build_graph`.
        since: An earlier capture at the same level: the map tells what changed, and draws what is gone.
        inputs: What the command line read and by which inventories, as words, for the commands it offers.
        above: HTML to put above the map, escaped where it was made.
        below: Likewise below it.

    Raises:
        UsageError: `by` is no level.

    Cost: as `build_graph`, and reading the inputs up to the lines that are shown. At most some 2 MB at 10 000 edges.
    """
    graph, view, groups = build_grouped(flows, by)
    return page(graph, map_columns(graph, since) | details(view, groups), inputs, above, below)
