"""Object code from Python functions. Importing this module imports Numba (about 250 ms)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

_njit: Any = njit
_arrays: Any = arrayobj
HOW = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""No GIL, no Python errors, no counting of references: an array's reference count would cost more than a look-up."""

_I64 = ir.IntType(64)


def built(function: Callable[..., Any], *arguments: Any) -> tuple[str, bytes]:
    """Compile a function without what Python needs to call it: its symbol, and the object code for this processor."""
    dispatcher = _njit(**HOW, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    dispatcher.compile(arguments)
    overload = dispatcher.overloads[arguments]
    library = overload.library
    return overload.fndesc.llvm_func_name, library.codegen._tm.emit_object(library._final_module)  # noqa: SLF001


def loaded(builder: Any, address: Any, kind: Any) -> Any:
    """Code that loads a value from an address, aligned or not."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()), typ=kind)
    value.align = 1
    return value


def array_at(kind: Any, dimensions: int) -> Callable[[int], Any]:
    """A function `address -> array`: the array whose address, rows and columns stand there as three numbers."""
    found = types.Array(kind, dimensions, "C")
    size = kind.bitwidth // 8

    def one(typing_context: Any, at: Any) -> Any:
        del typing_context, at

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            del signature
            numbers = [
                loaded(builder, builder.add(values[0], ir.Constant(_I64, 8 * place)), _I64) for place in range(3)
            ]
            array: Any = _arrays.make_array(found)(context, builder)
            item = ir.Constant(_I64, size)
            _arrays.populate_array(
                array,
                data=builder.inttoptr(numbers[0], array.data.type),
                shape=numbers[1 : 1 + dimensions],
                strides=[item] if dimensions == 1 else [builder.mul(numbers[2], item), item],
                itemsize=item,
                meminfo=None,
            )
            return array._getvalue()  # noqa: SLF001

        return found(types.int64), code

    made: Any = intrinsic(one)
    return cast("Callable[[int], Any]", made)
