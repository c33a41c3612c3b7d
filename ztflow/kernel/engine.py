"""The compiled reader in this process: linked from the cache, compiled when it is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ztflow.jit.cache import KERNEL
from ztflow.jit.link import Array, linked, numbers_of, table
from ztflow.kernel.buffers import Groups, Texts
from ztflow.kernel.table_layout import Columns, Scratch


class Table:
    """What the compiled code is called with: a buffer and all arrays, as numbers, in the order of `entry`."""

    def __init__(self, texts: Texts, src: Groups, dst: Groups, scratch: Scratch) -> None:
        self._kept = (texts, src, dst, scratch)
        self._about = [number for arrays in self._kept for number in numbers_of(arrays)]

    def numbers(self, base: int, stop: int, limit: int, columns: Columns, progress: Array) -> Array:
        """The table for one call."""
        return table((base, stop, limit), [*self._about, *numbers_of((*columns, progress))])


@lru_cache(maxsize=1)
def compiled() -> Callable[[Array], None]:
    """The function that reads lines, given the numbers of a `Table`.

    Cost: about 50 ms the first time when the cache is warm, else about 10 s.

    Raises:
        ImportError: Numba, or the LLVM it brings, is not installed.
    """
    found = KERNEL.kept()
    if found is None:
        from ztflow.kernel.entry import object_code

        found = object_code()
        KERNEL.keep(*found)
    return linked(*found)
