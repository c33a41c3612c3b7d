"""Reports: pure functions from flows to typed, frozen results (`reports.model.Report`).

`summary` is the first answer; the others are named in `REPORTS`. A result gives `to_dict()` and `tables()`;
`render` makes text, Markdown, HTML and JSON of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ztflow.counters import Counters
from ztflow.errors import UsageError
from ztflow.model.tables import Flows, Halves
from ztflow.reports.check import Check, check
from ztflow.reports.clocks import clocks
from ztflow.reports.denied import denied
from ztflow.reports.diff import diff
from ztflow.reports.egress import egress
from ztflow.reports.failures import failures
from ztflow.reports.locality import locality
from ztflow.reports.loss import loss
from ztflow.reports.model import RENDERERS, Basis, Report, render
from ztflow.reports.mtls import mtls
from ztflow.reports.prices import Price, Prices
from ztflow.reports.summary import summary
from ztflow.reports.tables import Field, TitledTable
from ztflow.reports.traffic import traffic
from ztflow.reports.tunnels import tunnels
from ztflow.reports.waypoints import waypoints

_Make = Callable[[Flows, Halves | None, Prices | None], Report]


def _needs(halves: Halves | None, name: str) -> Halves:
    if halves is None:
        raise UsageError(f"report {name} needs the access lines (halves), not only the flows")
    return halves


_MAKE: Mapping[str, _Make] = MappingProxyType(
    {
        "traffic": lambda flows, _, __: traffic(flows),
        "locality": lambda flows, _, prices: locality(flows, prices=prices),
        "mtls": lambda flows, _, __: mtls(flows),
        "denied": lambda flows, _, __: denied(flows),
        "failures": lambda flows, _, __: failures(flows),
        "egress": lambda flows, _, __: egress(flows),
        "loss": lambda flows, _, __: loss(flows),
        "tunnels": lambda flows, halves, _: tunnels(flows, _needs(halves, "tunnels")),
        "clocks": lambda flows, halves, _: clocks(flows, _needs(halves, "clocks")),
        "waypoints": lambda flows, _, __: waypoints(flows),
    }
)

REPORTS: tuple[str, ...] = tuple(_MAKE)
"""Names of all reports, as the command line has them."""

NEEDS_HALVES = frozenset({"tunnels", "clocks"})
"""Reports that read access lines beside the flows."""


def make_report(
    name: str,
    flows: Flows,
    *,
    halves: Halves | None = None,
    prices: Prices | None = None,
    counters: Counters | None = None,
) -> Report:
    """A report by its name.

    Args:
        name: One of `REPORTS`.
        flows: Connections.
        halves: The access lines they were made of; needed by those in `NEEDS_HALVES`.
        prices: For `locality`.
        counters: For `loss`: what `counters.reconcile` found.

    Raises:
        UsageError: No such report, or it needs halves and has none.
    """
    if name == "loss":
        return loss(flows, counters)
    make = _MAKE.get(name)
    if make is None:
        raise UsageError(f"no report {name!r}; choose one of {', '.join(REPORTS)}")
    return make(flows, halves, prices)


__all__ = [
    "NEEDS_HALVES",
    "RENDERERS",
    "REPORTS",
    "Basis",
    "Check",
    "Field",
    "Price",
    "Prices",
    "Report",
    "TitledTable",
    "check",
    "clocks",
    "denied",
    "diff",
    "egress",
    "failures",
    "locality",
    "loss",
    "make_report",
    "mtls",
    "render",
    "summary",
    "traffic",
    "tunnels",
    "waypoints",
]
