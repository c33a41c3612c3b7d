"""Low-level operations that Numba lacks: unaligned loads, masks of 64 bytes, comparison with fixed texts.

Everything here works on addresses (`int64`) and makes no bounds check; `lines` proves for every load that the 64 bytes
from its address on belong to the buffer. Only little-endian machines are served (`ztflow.kernel.policy` refuses
others). The masks are LLVM vectors of 64 bytes, which every target lowers to what it has (two AVX2 or one AVX-512
register, four of NEON).

Cost: importing this module imports Numba (about 250 ms).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from ztflow.jit.build import HOW, loaded
from ztflow.kernel.buffers import CHUNK_BYTES

_njit: Any = njit

F = TypeVar("F", bound=Callable[..., Any])

u64 = cast("Callable[..., int]", np.uint64)
i64 = cast("Callable[..., int]", np.int64)
flag = cast("Callable[..., bool]", np.bool_)
"""Machine types; to the type checker plain numbers. A constant of such a type is not compiled anew for each value."""

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_CHUNK = ir.VectorType(_I8, CHUNK_BYTES)


def inlined(function: F) -> F:
    """Compile a helper into its callers, without the GIL and without Python's errors."""
    compiled: F = _njit(**HOW, forceinline=True)(function)
    return compiled


def called(function: F) -> F:
    """Compile a helper as a function of its own, without the GIL and without Python's errors."""
    compiled: F = _njit(**HOW)(function)
    return compiled


def _intrinsic(build: Callable[..., Any], result: Any, *arguments: Any) -> Any:
    """A function of machine code: `build(builder, arguments)` gives its value."""
    if len(arguments) == 1:

        def one(typing_context: Any, a: Any) -> Any:
            del typing_context, a

            def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                del context, signature
                return build(builder, values)

            return result(*arguments), code

        return intrinsic(one)

    def two(typing_context: Any, a: Any, b: Any) -> Any:
        del typing_context, a, b

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            del context, signature
            return build(builder, values)

        return result(*arguments), code

    return intrinsic(two)


def _bits(builder: Any, flags: Any) -> Any:
    return builder.bitcast(flags, _I64)


def _all(byte: int) -> Any:
    return ir.Constant(_CHUNK, [ir.Constant(_I8, byte)] * CHUNK_BYTES)


def _word(builder: Any, values: Any) -> Any:
    return loaded(builder, values[0], _I64)


def _byte(builder: Any, values: Any) -> Any:
    return builder.zext(loaded(builder, values[0], _I8), _I64)


def _put_word(builder: Any, values: Any) -> Any:
    stored = builder.store(values[1], builder.inttoptr(values[0], _I64.as_pointer()))
    stored.align = 1
    return ir.Constant(_I64, 0)


def _lowest(builder: Any, values: Any) -> Any:
    return builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))


def _highest(builder: Any, values: Any) -> Any:
    return builder.sub(ir.Constant(_I64, 63), builder.ctlz(values[0], ir.Constant(ir.IntType(1), 0)))


def _same(builder: Any, values: Any) -> Any:
    first, second = (loaded(builder, address, _CHUNK) for address in values)
    return _bits(builder, builder.icmp_unsigned("==", first, second))


def _copy_chunk(builder: Any, values: Any) -> Any:
    stored = builder.store(loaded(builder, values[1], _CHUNK), builder.inttoptr(values[0], _CHUNK.as_pointer()))
    stored.align = 1
    return ir.Constant(_I64, 0)


def _copy_digitless(builder: Any, values: Any) -> Any:
    chunk = loaded(builder, values[1], _CHUNK)
    above = builder.icmp_unsigned(">=", chunk, _all(ord("0")))
    digits = builder.and_(above, builder.icmp_unsigned("<=", chunk, _all(ord("9"))))
    zeros = builder.select(digits, _all(ord("0")), chunk)
    builder.store(zeros, builder.inttoptr(values[0], _CHUNK.as_pointer())).align = 1
    return ir.Constant(_I64, 0)


def _unplain(*more: str) -> Callable[..., Any]:
    """Which of 64 bytes are one of these characters or no printable ASCII."""

    def build(builder: Any, values: Any) -> Any:
        chunk = loaded(builder, values[0], _CHUNK)
        flags = builder.icmp_signed("<", chunk, _all(0x20))  # signed: also every byte from 0x80 on
        for byte in (0x7F, *map(ord, more)):
            flags = builder.or_(flags, builder.icmp_unsigned("==", chunk, _all(byte)))
        return _bits(builder, flags)

    return build


word: Callable[[int], int] = _intrinsic(_word, types.uint64, types.int64)
"""`word(address)`: eight bytes, the first lowest."""

byte: Callable[[int], int] = _intrinsic(_byte, types.int64, types.int64)
"""`byte(address)`: one byte."""

put_word: Callable[[int, int], int] = _intrinsic(_put_word, types.int64, types.int64, types.uint64)
"""`put_word(address, word)`: write eight bytes."""

lowest: Callable[[int], int] = _intrinsic(_lowest, types.int64, types.uint64)
"""`lowest(mask)`: position of the lowest bit set, 64 when none is."""

highest: Callable[[int], int] = _intrinsic(_highest, types.int64, types.uint64)
"""`highest(mask)`: position of the highest bit set, -1 when none is."""

same_bytes: Callable[[int, int], int] = _intrinsic(_same, types.uint64, types.int64, types.int64)
"""`same_bytes(a, b)`: which of the 64 bytes at two addresses are equal."""

copy_chunk: Callable[[int, int], int] = _intrinsic(_copy_chunk, types.int64, types.int64, types.int64)
"""`copy_chunk(to, from)`: copy 64 bytes."""

copy_digitless: Callable[[int, int], int] = _intrinsic(_copy_digitless, types.int64, types.int64, types.int64)
"""`copy_digitless(to, from)`: copy 64 bytes, every digit as a zero."""

stops: Callable[[int], int] = _intrinsic(_unplain('"', "\\", "["), types.uint64, types.int64)
"""`stops(address)`: which of 64 bytes may end a plain value: quote, backslash, `[`, and all but printable ASCII."""

string_stops: Callable[[int], int] = _intrinsic(_unplain('"', "\\"), types.uint64, types.int64)
"""`string_stops(address)`: which of 64 bytes may end a piece of a JSON string: quote, backslash, no printable ASCII."""


def bytes_equal(*wanted: str) -> Callable[[int], int]:
    """A function `address -> mask`: which of 64 bytes are one of these characters."""

    def build(builder: Any, values: Any) -> Any:
        chunk = loaded(builder, values[0], _CHUNK)
        flags = builder.icmp_unsigned("==", chunk, _all(ord(wanted[0])))
        for other in wanted[1:]:
            flags = builder.or_(flags, builder.icmp_unsigned("==", chunk, _all(ord(other))))
        return _bits(builder, flags)

    found: Callable[[int], int] = _intrinsic(build, types.uint64, types.int64)
    return found


def _pieces(count: int) -> list[tuple[int, int]]:
    """So many bytes as few words that may overlap: where each begins and its size."""
    pieces: list[tuple[int, int]] = []
    at = 0
    while at < count:
        size = next(size for size in (8, 4, 2, 1) if size <= count)
        start = min(at, count - size)
        pieces.append((start, size))
        at = start + size
    return pieces


def text_at(text: str) -> Callable[[int], bool]:
    """A function `address -> bool`: whether exactly these bytes are there. Loads no byte past the text."""
    encoded = text.encode()

    def build(builder: Any, values: Any) -> Any:
        differs = None
        for start, size in _pieces(len(encoded)):
            kind = ir.IntType(8 * size)
            address = builder.add(values[0], ir.Constant(_I64, start))
            wanted = int.from_bytes(encoded[start : start + size], "little")
            piece = builder.xor(loaded(builder, address, kind), ir.Constant(kind, wanted))
            piece = piece if size == 8 else builder.zext(piece, _I64)
            differs = piece if differs is None else builder.or_(differs, piece)
        return builder.icmp_unsigned("==", differs, ir.Constant(_I64, 0))

    found: Callable[[int], bool] = _intrinsic(build, types.boolean, types.int64)
    return found


def put_text(text: str) -> Callable[[int], int]:
    """A function `address -> address`: write just these bytes there; gives where they end."""
    encoded = text.encode()

    def build(builder: Any, values: Any) -> Any:
        for start, size in _pieces(len(encoded)):
            kind = ir.IntType(8 * size)
            address = builder.add(values[0], ir.Constant(_I64, start))
            piece = ir.Constant(kind, int.from_bytes(encoded[start : start + size], "little"))
            builder.store(piece, builder.inttoptr(address, kind.as_pointer())).align = 1
        return builder.add(values[0], ir.Constant(_I64, len(encoded)))

    found: Callable[[int], int] = _intrinsic(build, types.int64, types.int64)
    return found


def constant(text: str) -> int:
    """The word whose first bytes are this text (at most eight characters)."""
    return int.from_bytes(text.encode(), "little")
