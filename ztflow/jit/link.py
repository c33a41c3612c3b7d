"""Code that was compiled, in this process.

Loading Numba takes ten times as long as linking what it once made, so a finished object file is kept instead of
Numba's own cache. Its function is called by its C signature (Numba's calling convention: where results and exceptions
go, then the arguments; 0 for success), through ctypes, which lets the GIL go. The one argument is the address of a
table of numbers: scalars, and for each array its address, rows and columns.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_linked: list[Any] = []
"""Whatever holds machine code in memory."""


def numbers_of(arrays: Iterable[Array]) -> list[int]:
    """Address, rows and columns of each array. The arrays have to live as long as the numbers are used."""
    return [number for array in arrays for number in _about(array)]


def _about(array: Array) -> tuple[int, int, int]:
    if not array.flags.c_contiguous:
        raise ValueError("compiled code takes arrays without gaps only")
    return array.ctypes.data, array.shape[0], array.shape[1] if array.ndim > 1 else 0


def linked(symbol: str, code: bytes) -> Callable[[Array], None]:
    """The function of this name in object code; it takes a table of numbers. Cost: 10 to 50 ms.

    Raises:
        ImportError: LLVM is not installed.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _linked.append(engine)
    call = _SIGNATURE(engine.get_function_address(symbol))

    def run(numbers: Array) -> None:
        result, trouble = ctypes.c_void_p(), ctypes.c_void_p()
        if call(ctypes.byref(result), ctypes.byref(trouble), numbers.ctypes.data):
            raise RuntimeError("compiled code gave up")

    return run


def table(scalars: Iterable[int], numbers: Iterable[int]) -> Array:
    """What a compiled function is called with."""
    return np.array([*scalars, *numbers], np.int64)
