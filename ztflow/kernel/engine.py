"""Loads the compiled reader into this process: from the cache, or by compiling it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ztflow.jit.cache import Cache
from ztflow.jit.link import ArgumentTable, kept_or_made, linked

KERNEL = Cache("kernel", "ztflow.kernel", "ztflow.model.schema", "ztflow.model.vocabulary", "ztflow.parse.values")
"""Where its code is kept."""


@cache
def compiled() -> Callable[[ArgumentTable], None]:
    """The function that reads lines, given the table of a `table_layout.Call`.

    Cost: about 50 ms the first time when the cache is warm, else about 15 s.

    Raises:
        CompilerError: It cannot be compiled or linked here.
    """

    def make() -> tuple[str, bytes]:
        from ztflow.kernel.entry import object_code

        return object_code()

    return linked(*kept_or_made(KERNEL, make, "the reader of big inputs (about 15 s)"))
