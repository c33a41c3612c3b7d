"""The compiled code in this process: linked from the cache with LLVM alone, compiled with Numba when it is not there.

Loading Numba takes ten times as long as linking what it once made, so a finished object file is kept instead of
Numba's own cache. It is called by its C signature (Numba's calling convention: where results and exceptions go, then
the arguments; 0 for success), through ctypes, which lets the GIL go.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ztflow.kernel import cache
from ztflow.kernel.layout import Columns, Scratch
from ztflow.kernel.memory import Array, Groups, Texts

_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_linked: list[Any] = []
"""Whatever holds machine code in memory."""


class Table:
    """What the compiled code is called with: a buffer and all arrays, as numbers, in the order of `entry`."""

    def __init__(self, texts: Texts, src: Groups, dst: Groups, scratch: Scratch) -> None:
        self._kept = (texts, src, dst, scratch)
        self._about = [number for arrays in self._kept for array in arrays for number in _about(array)]

    def numbers(self, base: int, stop: int, limit: int, columns: Columns, progress: Array) -> Array:
        """The table for one call."""
        last = [number for array in (*columns, progress) for number in _about(array)]
        return np.array([base, stop, limit, *self._about, *last], np.int64)


def _about(array: Array) -> tuple[int, int, int]:
    return array.ctypes.data, array.shape[0], array.shape[1] if array.ndim > 1 else 0


@lru_cache(maxsize=1)
def compiled() -> Callable[[Array], None]:
    """The function that reads lines, given the numbers of a `Table`.

    Cost: about 50 ms the first time when the cache is warm, else about 10 s.

    Raises:
        ImportError: Numba, or the LLVM it brings, is not installed.
    """
    found = cache.kept()
    if found is None:
        from ztflow.kernel.entry import object_code

        found = object_code()
        cache.keep(*found)
    call = _link(*found)

    def read(numbers: Array) -> None:
        result, trouble = ctypes.c_void_p(), ctypes.c_void_p()
        if call(ctypes.byref(result), ctypes.byref(trouble), numbers.ctypes.data):
            raise RuntimeError("the compiled kernel gave up")

    return read


def _link(symbol: str, code: bytes) -> Callable[[Any, Any, int], int]:
    """The function of this name in object code."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _linked.append(engine)
    found: Callable[[Any, Any, int], int] = _SIGNATURE(engine.get_function_address(symbol))
    return found
