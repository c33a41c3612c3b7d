"""Taking wrappers off: what stern, kubectl, a runtime, a shipper or a store put around a line of ztunnel.

Decided line by line; wrappers inside wrappers are taken off in turn.
"""

from __future__ import annotations

from ztflow.read.unwrap.json_text import decoded
from ztflow.read.unwrap.registry import WRAPPERS
from ztflow.read.unwrap.unwrapper import Piece, Unwrapper

__all__ = ["WRAPPERS", "Piece", "Unwrapper", "decoded"]
