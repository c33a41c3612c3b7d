"""Compiles the reader of bulk input to object code. Importing this module imports Numba."""

from __future__ import annotations

from ztflow.jit.build import built
from ztflow.kernel.lines import read_lines
from ztflow.kernel.table_layout import Call


def object_code() -> tuple[str, bytes]:
    """The symbol of the function that takes an `ArgumentTable` of a `Call`, and its object code. Cost: about 15 s."""
    return built(read_lines, Call)
