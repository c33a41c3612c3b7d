"""ztflow: Istio ambient's ztunnel access log as traffic flows.

The public names are loaded when first used, so `import ztflow` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ztflow.errors import InputError, InventoryError, ParseError, Reason, SourceError, UsageError, ZtflowError
from ztflow.version import __version__

if TYPE_CHECKING:
    from ztflow.api import read_flows, read_records
    from ztflow.model.objects import AccessRecord, Flow
    from ztflow.model.tables import Flows, Halves
    from ztflow.pair import Pairer
    from ztflow.parse import parse_line
    from ztflow.read import StreamParser

_HOME = {
    "AccessRecord": "ztflow.model.objects",
    "Flow": "ztflow.model.objects",
    "Flows": "ztflow.model.tables",
    "Halves": "ztflow.model.tables",
    "Pairer": "ztflow.pair",
    "StreamParser": "ztflow.read",
    "parse_line": "ztflow.parse",
    "read_flows": "ztflow.api",
    "read_records": "ztflow.api",
}
"""Where each late-loaded public name lives."""

__all__ = [
    "AccessRecord",
    "Flow",
    "Flows",
    "Halves",
    "InputError",
    "InventoryError",
    "Pairer",
    "ParseError",
    "Reason",
    "SourceError",
    "StreamParser",
    "UsageError",
    "ZtflowError",
    "__version__",
    "parse_line",
    "read_flows",
    "read_records",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ztflow' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
