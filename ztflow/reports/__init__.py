"""Reports: pure functions from flows to typed, frozen results (`reports.model.Report`).

`summary` is the first answer; the others are named in `REPORTS`. A result gives `to_dict()` and `tables()`;
`render` makes text, Markdown, HTML and JSON of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any, Literal, overload

from ztflow.counters import Counters
from ztflow.errors import UsageError
from ztflow.model.tables import Flows, Halves
from ztflow.reports.arrange import Arrangement
from ztflow.reports.check import Check, check
from ztflow.reports.clocks import Clocks, clocks
from ztflow.reports.denied import Denied, denied
from ztflow.reports.diff import Diff, diff
from ztflow.reports.egress import Egress, egress
from ztflow.reports.failures import Failures, failures
from ztflow.reports.identities import Identities, identities
from ztflow.reports.latency import Latency, latency
from ztflow.reports.locality import Locality, locality
from ztflow.reports.loss import LossReport, loss
from ztflow.reports.model import RENDERERS, Basis, Report, render
from ztflow.reports.mtls import Mtls, mtls
from ztflow.reports.prices import Price, Prices
from ztflow.reports.summary import Summary, summary
from ztflow.reports.tables import Field, TitledTable
from ztflow.reports.top import Top, top
from ztflow.reports.traffic import Traffic, traffic
from ztflow.reports.tunnels import Tunnels, tunnels
from ztflow.reports.waypoints import Waypoints, waypoints


def _needs(halves: Halves | None, name: str) -> Halves:
    if halves is None:
        raise UsageError(f"report {name} needs the access lines (halves), not only the flows")
    return halves


_MAKE: Mapping[str, Callable[..., Report]] = MappingProxyType(
    {
        "traffic": traffic,
        "latency": latency,
        "locality": locality,
        "mtls": mtls,
        "denied": denied,
        "failures": failures,
        "egress": egress,
        "identities": identities,
        "loss": loss,
        "tunnels": tunnels,
        "clocks": clocks,
        "waypoints": waypoints,
    }
)

REPORTS: tuple[str, ...] = tuple(_MAKE)
"""Names of all reports, as the command line has them."""

NEEDS_HALVES = frozenset({"tunnels", "clocks"})
"""Reports that read access lines beside the flows."""


@overload
def make_report(name: Literal["traffic"], flows: Flows, **options: Any) -> Traffic: ...
@overload
def make_report(name: Literal["latency"], flows: Flows, **options: Any) -> Latency: ...
@overload
def make_report(name: Literal["locality"], flows: Flows, **options: Any) -> Locality: ...
@overload
def make_report(name: Literal["mtls"], flows: Flows, **options: Any) -> Mtls: ...
@overload
def make_report(name: Literal["denied"], flows: Flows, **options: Any) -> Denied: ...
@overload
def make_report(name: Literal["failures"], flows: Flows, **options: Any) -> Failures: ...
@overload
def make_report(name: Literal["egress"], flows: Flows, **options: Any) -> Egress: ...
@overload
def make_report(name: Literal["identities"], flows: Flows, **options: Any) -> Identities: ...
@overload
def make_report(name: Literal["loss"], flows: Flows, **options: Any) -> LossReport: ...
@overload
def make_report(name: Literal["tunnels"], flows: Flows, **options: Any) -> Tunnels: ...
@overload
def make_report(name: Literal["clocks"], flows: Flows, **options: Any) -> Clocks: ...
@overload
def make_report(name: Literal["waypoints"], flows: Flows, **options: Any) -> Waypoints: ...
@overload
def make_report(name: str, flows: Flows, **options: Any) -> Report: ...
def make_report(
    name: str,
    flows: Flows,
    *,
    halves: Halves | None = None,
    prices: Prices | None = None,
    counters: Counters | None = None,
    **options: Any,
) -> Report:
    """A report by its name.

    Args:
        name: One of `REPORTS`.
        flows: Connections.
        halves: The access lines they were made of; needed by those in `NEEDS_HALVES`.
        prices: For `locality`.
        counters: For `loss`: what `counters.reconcile` found.
        options: What else the function of that name takes: `by` and `sort` of `traffic`, `services` of `waypoints`.

    Raises:
        UsageError: No such report or option, or it needs halves and has none.
    """
    make = _MAKE.get(name)
    if make is None:
        raise UsageError(f"no report {name!r}; choose one of {', '.join(REPORTS)}")
    if name in NEEDS_HALVES:
        options["halves"] = _needs(halves, name)
    if name == "locality":
        options["prices"] = prices
    if name == "loss":
        options["counters"] = counters
    unknown = sorted(options.keys() - signature(make).parameters.keys())
    if unknown:
        raise UsageError(f"report {name} has no option {', '.join(unknown)}")
    return make(flows, **options)


__all__ = [
    "NEEDS_HALVES",
    "RENDERERS",
    "REPORTS",
    "Arrangement",
    "Basis",
    "Check",
    "Clocks",
    "Denied",
    "Diff",
    "Egress",
    "Failures",
    "Field",
    "Identities",
    "Latency",
    "Locality",
    "LossReport",
    "Mtls",
    "Price",
    "Prices",
    "Report",
    "Summary",
    "TitledTable",
    "Top",
    "Traffic",
    "Tunnels",
    "Waypoints",
    "check",
    "clocks",
    "denied",
    "diff",
    "egress",
    "failures",
    "identities",
    "latency",
    "locality",
    "loss",
    "make_report",
    "mtls",
    "render",
    "summary",
    "top",
    "traffic",
    "tunnels",
    "waypoints",
]
