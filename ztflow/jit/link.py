"""Calls compiled code: its arguments as one table of numbers, its object code linked by LLVM without Numba.

Loading Numba takes ten times as long as linking what it once made, so a finished object file is kept instead of
Numba's own cache. Its function is called by its C signature (Numba's calling convention: where results and exceptions
go, then the arguments; 0 for success), through ctypes, which lets the GIL go. Its one argument is the address of a
table of numbers.

What is in the table is declared once, as a `NamedTuple` of numbers, arrays (`ArrayOf` says which) and further
such tuples. Both sides are made from that declaration: `ArgumentTable` writes the table, `build.built` compiles the
code that reads it. A field more, or in another place, changes both.
"""

from __future__ import annotations

import ctypes
import logging
import struct
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeAlias, cast, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.errors import CompilerError
from ztflow.jit.cache import Cache

Array: TypeAlias = npt.NDArray[Any]

_LOG = logging.getLogger("ztflow")
_FLOAT, _BITS = struct.Struct("=d"), struct.Struct("=q")


class ArrayOf(NamedTuple):
    """What an array argument holds.

    Attributes:
        dtype: Name of its numbers' type.
        dimensions: 1 or 2.
    """

    dtype: str
    dimensions: int


ByteRow: TypeAlias = Annotated[Array, ArrayOf("uint8", 1)]
Int32Row: TypeAlias = Annotated[npt.NDArray[np.int32], ArrayOf("int32", 1)]
Int32Table: TypeAlias = Annotated[npt.NDArray[np.int32], ArrayOf("int32", 2)]
IntRow: TypeAlias = Annotated[npt.NDArray[np.int64], ArrayOf("int64", 1)]
IntTable: TypeAlias = Annotated[npt.NDArray[np.int64], ArrayOf("int64", 2)]
UIntRow: TypeAlias = Annotated[npt.NDArray[np.uint64], ArrayOf("uint64", 1)]
FloatRow: TypeAlias = Annotated[npt.NDArray[np.float64], ArrayOf("float64", 1)]
FloatTable: TypeAlias = Annotated[npt.NDArray[np.float64], ArrayOf("float64", 2)]

Structure: TypeAlias = type[tuple[Any, ...]]
"""A declaration: a `NamedTuple`."""
Argument: TypeAlias = Structure | ArrayOf | type[int | float]
"""What a field of a declaration is."""


@cache
def fields_of(declared: Structure) -> dict[str, Argument]:
    """The fields of a declaration in their order, each with what it is.

    Raises:
        TypeError: If a field is none of the three kinds.
    """
    hints = get_type_hints(declared, include_extras=True)
    return {name: _field(f"{declared.__name__}.{name}", hints[name]) for name in declared._fields}  # type: ignore[attr-defined]


def _field(name: str, hint: Any) -> Argument:
    array = next((mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, ArrayOf)), None)
    if array is not None:
        return array
    if hint in (int, float):
        return cast("type[int | float]", hint)
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return hint
    raise TypeError(f"{name} is no number, no array described by ArrayOf and no NamedTuple: {hint}")


def numbers_in(field: Argument) -> int:
    """How many numbers of the table a field takes: an array its address and its shape."""
    if isinstance(field, ArrayOf):
        return 1 + field.dimensions
    if field in (int, float):
        return 1
    return sum(numbers_in(part) for part in fields_of(cast("Structure", field)).values())


class ArgumentTable:
    """The table a compiled function is called with. It keeps what it points to alive.

    Args:
        declared: The `NamedTuple` of the function's arguments.
    """

    def __init__(self, declared: Structure) -> None:
        size, self._fields = _layout(declared)
        self._numbers = np.zeros(size, np.int64)
        self._kept: dict[str, Any] = {}

    def put(self, **arguments: Any) -> None:
        """Write some of the arguments; the others stay as they are, and what is there already costs nothing.

        Raises:
            ValueError: If an array has gaps between its numbers.
            TypeError: If an argument is not of its declared kind.
        """
        for name, value in arguments.items():
            if self._kept.get(name) is value:
                continue
            place, numbers = self._fields[name]
            self._numbers[place] = numbers(value)
            self._kept[name] = value

    def address(self) -> int:
        """Where the table is.

        Raises:
            TypeError: If an argument was never put.
        """
        if len(self._kept) < len(self._fields):
            raise TypeError(f"never put: {', '.join(self._fields.keys() - self._kept.keys())}")
        return self._numbers.ctypes.data


@cache
def _layout(declared: Structure) -> tuple[int, dict[str, tuple[slice, Callable[[Any], list[int]]]]]:
    """How many numbers a table holds; which of them belong to each argument, and how they are made from it."""
    end, found = 0, {}
    for name, field in fields_of(declared).items():
        start, end = end, end + numbers_in(field)
        found[name] = slice(start, end), _numbers_of(name, field)
    return end, found


def _numbers_of(name: str, field: Argument) -> Callable[[Any], list[int]]:
    """A function `value -> numbers` for a field of a declaration."""
    if field is int:
        return lambda value: [value]
    if field is float:
        return lambda value: [_BITS.unpack(_FLOAT.pack(value))[0]]
    if isinstance(field, ArrayOf):
        dtype, dimensions = np.dtype(field.dtype), field.dimensions

        def of_array(value: Array) -> list[int]:
            if value.dtype != dtype or value.ndim != dimensions:
                raise TypeError(f"{name} must be {dtype} in {dimensions} dimensions, not {value.dtype}")
            if not value.flags.c_contiguous:
                raise ValueError(f"compiled code takes arrays without gaps only, and {name} has some")
            return [pa.py_buffer(value).address, *value.shape]  # five times as fast as `value.ctypes.data`

        return of_array

    declared = cast("Structure", field)
    parts = [_numbers_of(f"{name}.{part}", kind) for part, kind in fields_of(declared).items()]

    def of_structure(value: tuple[Any, ...]) -> list[int]:
        if not isinstance(value, declared):
            raise TypeError(f"{name} must be {declared.__name__}, not {type(value).__name__}")
        return [number for part, one in zip(parts, value, strict=True) for number in part(one)]

    return of_structure


def kept_or_made(kept: Cache, make: Callable[[], tuple[str, bytes]], cost: str) -> tuple[str, bytes]:
    """Symbol and object code: from the cache, else made and written there (it counts once it is called good).

    Args:
        kept: The cache.
        make: Compiles it.
        cost: What is compiled and how long that takes; logged before, as it is a wait without a word, and after.

    Raises:
        CompilerError: Numba is missing, of another version than it has to be, or cannot compile.
    """
    found = kept.kept()
    if found is None:
        _LOG.info("compiling %s, once on this machine", cost)
        try:
            found = make()
        except (ImportError, OSError) as error:  # Numba refuses a NumPy it does not know by ImportError, too
            raise CompilerError(str(error)) from error
        finally:
            _LOG.debug("compiled %s", cost)
        kept.keep(*found)
    return found


def linked(symbol: str, code: bytes) -> Callable[[ArgumentTable], None]:
    """The function of this name in object code. Cost: 10 to 50 ms.

    Raises:
        CompilerError: LLVM is missing or cannot link the code.
    """
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        address = engine.get_function_address(symbol)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # the last: an llvmlite without these calls
        raise CompilerError(f"LLVM cannot link it: {error}") from error
    if not address:
        raise CompilerError("the object code does not hold its function")
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)

    def run(arguments: ArgumentTable, _engine: Any = engine) -> None:  # the engine holds the machine code in memory
        result, trouble = ctypes.c_void_p(), ctypes.c_void_p()
        if call(ctypes.byref(result), ctypes.byref(trouble), arguments.address()):
            raise RuntimeError("compiled code gave up")

    return run
