"""Puts the page together: which parts, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ztflow.graph import build_graph
from ztflow.graph.formats.map.columns import Since
from ztflow.graph.map_page import map_page
from ztflow.model.tables import Flows
from ztflow.page.cells import part_of
from ztflow.page.connections import CONNECTIONS
from ztflow.reports import NEEDS_HALVES, REPORTS, diff, make_report, summary

if TYPE_CHECKING:
    from jinja2 import Environment

_MISSING = "loss"
"""The report on what is missing; it has a part of its own."""


def incident_page(
    flows: Flows,
    *,
    by: str = "pod",
    before: Flows | None = None,
    inputs: Sequence[str] = (),
    title: str = "Traffic report",
) -> str:
    """A self-contained HTML page about some connections.

    Args:
        flows: All columns.
        by: Level of the map's vertices, as in `build_graph`.
        before: An earlier capture, to say what changed since: workload by workload, and on the map.
        inputs: What the command line read and by which inventories, as words, for the commands it offers.
        title: Its heading.

    Raises:
        UsageError: `by` is no level.

    Cost: as the map and all reports together; below 5 MB, as the tables are bounded.
    """
    first, since = [part_of(summary(flows))], None
    if before is not None:
        first.append(part_of(diff(before, flows, "workload")))
        changed = {(edge.source, edge.target): edge.changes for edge in diff(before, flows, by).edges}
        since = Since(build_graph(before, by), changed)
    found = [part_of(make_report(name, flows)) for name in REPORTS if name not in NEEDS_HALVES | {_MISSING}]
    # What all rest on is told once, in the summary.
    shown, empty = (
        [part.without_facts() for part in found if part.tables],
        [part.title for part in found if not part.tables],
    )
    last = [*shown, *(part(flows) for part in CONNECTIONS), part_of(make_report(_MISSING, flows))]
    template = _templates().get_template("parts.html.j2")
    known: dict[str, Any] = {"names": [part.title for part in (*first, *last)], "title": title}
    return map_page(
        flows,
        by,
        since=since,
        inputs=inputs,
        above=template.render(parts=first, **known),
        below=template.render(parts=last, empty=empty, foot=True, **known),
    )


def _templates() -> Environment:
    import jinja2

    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: files("ztflow.page").joinpath(name).read_text("utf-8")),
    )
