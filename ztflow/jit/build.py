"""The one module that reaches into Numba's private parts: it compiles a function to object code that needs no Numba.

Importing it imports Numba (about 250 ms). What is private can change with any release, so a Numba or llvmlite newer
than the newest one tested is refused: everything then works, only slower, and says so. To allow a newer one, install
it, run `pytest tests/kernel tests/pair tests/jit`, then raise `NEWEST` here and the bounds in
`pyproject.toml` (a test holds the three together).
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import llvmlite
import numba
from llvmlite import ir
from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np import arrayobj

from ztflow.errors import CompilerError
from ztflow.jit.link import Argument, ArrayOf, Structure, fields_of

NEWEST: Final = {"numba": (0, 68), "llvmlite": (0, 50)}
"""Newest release of each that the whole test suite passed with."""

HOW: Final = {
    "nogil": True, "error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
}  # fmt: skip
"""No GIL, no Python errors, no counting of references: an array's reference count would cost more than a look-up. And
no way to call it from Python or C, which nobody does with a function of its own."""
_SELDOM: Final = 200_000
"""Objects made before the collector of garbage looks at them, while compiling makes millions that stay."""

_njit: Any = njit
_arrays: Any = arrayobj
_tuple: Any = types.BaseTuple
_Library: Any = JITCodeLibrary
_I64 = ir.IntType(64)
_NUMBERS: Final[dict[Any, Any]] = {int: types.int64, float: types.float64}


def _check_version(package: str, version: str) -> None:
    """Refuse what was never tested.

    Raises:
        ImportError: If the version is newer than the newest one tested.
    """
    newest = NEWEST[package]
    if tuple(map(int, version.split(".")[:2])) > newest:
        raise ImportError(f"{package} {version} is newer than {'.'.join(map(str, newest))}, the newest one tested")


_check_version("numba", numba.__version__)
_check_version("llvmlite", llvmlite.__version__)


def built(function: Callable[..., Any], declared: Structure) -> tuple[str, bytes]:
    """Compile a function without what Python needs to call it.

    Args:
        function: Compiled into a function that takes the address of an `ArgumentTable`.
        declared: The `NamedTuple` of its arguments, named and ordered as its parameters are.

    Returns:
        The symbol, and the object code for this processor.

    Raises:
        CompilerError: Numba or LLVM cannot do it.
        TypeError: If the declaration does not fit the function.
    """
    parameters = tuple(inspect.signature(getattr(function, "py_func", function)).parameters)
    if parameters != tuple(fields_of(declared)):
        raise TypeError(f"{declared.__name__} does not declare the arguments {parameters}")
    arguments_at = _structure_at(declared)

    def entry(address: int) -> None:
        function(*arguments_at(address))

    try:
        dispatcher = _njit(**HOW)(entry)
        with _optimized_once(entry.__qualname__):
            dispatcher.compile((types.int64,))
        overload = dispatcher.overloads[(types.int64,)]
        library = overload.library
        return overload.fndesc.llvm_func_name, library.codegen._tm.emit_object(library._final_module)  # noqa: SLF001
    except (NumbaError, RuntimeError, AttributeError, LookupError) as error:  # RuntimeError: LLVM; the others: privates
        reason = str(error).strip().partition("\n")[0]
        raise CompilerError(f"Numba {numba.__version__} cannot compile it: {reason}") from error


@contextmanager
def _optimized_once(last: str) -> Iterator[None]:
    """Have Numba optimize all functions in the end, with the last one that holds them.

    Else LLVM optimizes each function with all that it calls, which are so in every one of their callers again, and
    makes machine code of each that nobody runs. Measured with Numba 0.68: 33 processor seconds for the reader, 17 so.

    Args:
        last: Qualified name of the last function.
    """
    target = cpu_target.target_context.codegen()
    thresholds = gc.get_threshold()

    class Part(_Library):  # type: ignore[misc]
        def _optimize_final_module(self) -> None:
            if self.name == last:
                super()._optimize_final_module()

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            del name
            self._ensure_finalized()
            return 0  # it is nowhere in memory

    with global_compiler_lock:  # nobody else's functions are compiled meanwhile
        target._library_class = Part  # noqa: SLF001
        target.set_env = lambda *_: None  # each would be written into the machine code that is not there
        gc.set_threshold(_SELDOM, *thresholds[1:])
        try:
            yield
        finally:
            gc.set_threshold(*thresholds)
            del target._library_class, target.set_env  # noqa: SLF001


def loaded(builder: Any, address: Any, kind: Any) -> Any:
    """Code that loads a value from an address, aligned or not."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()), typ=kind)
    value.align = 1
    return value


def _structure_at(declared: Structure) -> Callable[[int], tuple[Any, ...]]:
    """A function `address -> named tuple`, compiled: what `link.ArgumentTable` wrote there."""
    found = _type_of(declared)

    def structure(typing_context: Any, address: Any) -> Any:
        del typing_context, address

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            del signature
            numbers = _Numbers(builder, values[0])
            return _structure(context, builder, declared, numbers)

        return found(types.int64), code

    made: Any = intrinsic(structure)
    return cast("Callable[[int], tuple[Any, ...]]", made)


def _type_of(field: Argument) -> Any:
    """Numba's type of a field of a declaration."""
    if field in _NUMBERS:
        return _NUMBERS[field]
    if isinstance(field, ArrayOf):
        return types.Array(getattr(types, field.dtype), field.dimensions, "C")
    return _tuple.from_types([_type_of(part) for part in fields_of(cast("Structure", field)).values()], field)


class _Numbers:
    """Loads one number of the table after the other."""

    def __init__(self, builder: Any, address: Any) -> None:
        self._builder = builder
        self._address = address
        self._taken = 0

    def next(self) -> Any:
        at = self._builder.add(self._address, ir.Constant(_I64, 8 * self._taken))
        self._taken += 1
        return loaded(self._builder, at, _I64)


def _structure(context: Any, builder: Any, field: Argument, numbers: _Numbers) -> Any:
    """Code that makes the value of a field of a declaration."""
    if field is int:
        return numbers.next()
    if field is float:
        return builder.bitcast(numbers.next(), ir.DoubleType())
    kind = _type_of(field)
    if not isinstance(field, ArrayOf):
        parts = [_structure(context, builder, part, numbers) for part in fields_of(cast("Structure", field)).values()]
        return context.make_tuple(builder, kind, parts)
    data, *shape = (numbers.next() for _ in range(1 + field.dimensions))
    size = ir.Constant(_I64, kind.dtype.bitwidth // 8)
    array: Any = _arrays.make_array(kind)(context, builder)
    _arrays.populate_array(
        array,
        data=builder.inttoptr(data, array.data.type),
        shape=shape,
        strides=[size] if field.dimensions == 1 else [builder.mul(shape[1], size), size],
        itemsize=size,
        meminfo=None,
    )
    return array._getvalue()  # noqa: SLF001
