"""ztflow: Istio ambient's ztunnel access log as traffic flows.

Public are the names in `__all__` here and in `ztflow.plot`, `ztflow.reports`, `ztflow.simulate` and `ztflow.testing`;
all else may change. They are loaded when first used, so `import ztflow` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ztflow.errors import (
    InputError,
    InventoryError,
    OutputError,
    ParseError,
    Reason,
    RenamedColumnWarning,
    SlowPathWarning,
    SourceError,
    UsageError,
    ZtflowError,
)
from ztflow.version import __version__

if TYPE_CHECKING:
    from ztflow.api import (
        follow_flows,
        follow_records,
        iter_flows,
        iter_records,
        read_capture,
        read_flows,
        read_records,
    )
    from ztflow.filters import Filter, make_filter
    from ztflow.graph import build_graph
    from ztflow.graph.formats import write_graph
    from ztflow.model.objects import AccessRecord, Flow
    from ztflow.model.provenance import Problem, ReadStats
    from ztflow.model.tables import Flows, Halves
    from ztflow.pair import Pairer
    from ztflow.parse import explain, parse_line
    from ztflow.place import Inventory, Topology, place_flows, read_inventory
    from ztflow.read import ReadReport, StreamParser
    from ztflow.read.sources.loki import loki_url
    from ztflow.reports import make_report

_HOME = {
    "AccessRecord": "ztflow.model.objects",
    "Filter": "ztflow.filters",
    "Flow": "ztflow.model.objects",
    "Flows": "ztflow.model.tables",
    "Halves": "ztflow.model.tables",
    "Inventory": "ztflow.place",
    "Pairer": "ztflow.pair",
    "Problem": "ztflow.model.provenance",
    "ReadReport": "ztflow.model.provenance",
    "ReadStats": "ztflow.model.provenance",
    "StreamParser": "ztflow.read",
    "Topology": "ztflow.place",
    "build_graph": "ztflow.graph",
    "explain": "ztflow.parse",
    "follow_flows": "ztflow.api",
    "follow_records": "ztflow.api",
    "iter_flows": "ztflow.api",
    "iter_records": "ztflow.api",
    "loki_url": "ztflow.read.sources.loki",
    "make_filter": "ztflow.filters",
    "make_report": "ztflow.reports",
    "parse_line": "ztflow.parse",
    "place_flows": "ztflow.place",
    "read_capture": "ztflow.api",
    "read_flows": "ztflow.api",
    "read_inventory": "ztflow.place",
    "read_records": "ztflow.api",
    "write_graph": "ztflow.graph.formats",
}
"""Where each late-loaded public name lives."""

_MODULES = frozenset({"plot", "reports", "simulate", "testing"})
"""Public modules, with an `__all__` of their own."""

__all__ = [
    "AccessRecord",
    "Filter",
    "Flow",
    "Flows",
    "Halves",
    "InputError",
    "Inventory",
    "InventoryError",
    "OutputError",
    "Pairer",
    "ParseError",
    "Problem",
    "ReadReport",
    "ReadStats",
    "Reason",
    "RenamedColumnWarning",
    "SlowPathWarning",
    "SourceError",
    "StreamParser",
    "Topology",
    "UsageError",
    "ZtflowError",
    "__version__",
    "build_graph",
    "explain",
    "follow_flows",
    "follow_records",
    "iter_flows",
    "iter_records",
    "loki_url",
    "make_filter",
    "make_report",
    "parse_line",
    "place_flows",
    "read_capture",
    "read_flows",
    "read_inventory",
    "read_records",
    "write_graph",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"ztflow.{name}")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ztflow' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
