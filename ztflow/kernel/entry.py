"""The one function of the compiled code that is called from outside: all it works with stands in a table of numbers.

The table (`engine.Table`) holds the address of a buffer, its `stop` and `limit`, then three numbers for each array:
address, rows, columns; in the order in which they are taken here.
"""

from __future__ import annotations

from numba import types

from ztflow.jit.build import array_at, built
from ztflow.kernel.buffers import Groups, Texts
from ztflow.kernel.lines import read_lines
from ztflow.kernel.machine import i64, word
from ztflow.kernel.table_layout import Columns, Scratch

_bytes, _small, _long, _hashes = (array_at(kind, 1) for kind in (types.uint8, types.int32, types.int64, types.uint64))
_ports, _small_table, _long_table = (array_at(kind, 2) for kind in (types.uint16, types.int32, types.int64))


def _entry(table: int) -> None:
    at = table + 24
    texts = Texts(
        _bytes(at), _small(at + 24), _hashes(at + 48), _long(at + 72), _long(at + 96), _small(at + 120),
        _small(at + 144), _bytes(at + 168), _small(at + 192), _long(at + 216), _small(at + 240), _small_table(at + 264),
    )  # fmt: skip
    at += 288
    src = Groups(
        _small(at), _hashes(at + 24), _long(at + 48), _long(at + 72), _small_table(at + 96), _small(at + 120),
        _long(at + 144),
    )  # fmt: skip
    at += 168
    dst = Groups(
        _small(at), _hashes(at + 24), _long(at + 48), _long(at + 72), _small_table(at + 96), _small(at + 120),
        _long(at + 144),
    )  # fmt: skip
    at += 168
    scratch = Scratch(_long(at), _long_table(at + 24), _bytes(at + 48), _bytes(at + 72), _bytes(at + 96))
    at += 120
    columns = Columns(
        _small_table(at), _ports(at + 24), _long_table(at + 48), _long_table(at + 72), _long_table(at + 96)
    )
    base, stop, limit = i64(word(table)), i64(word(table + 8)), i64(word(table + 16))
    read_lines(base, stop, limit, texts, src, dst, columns, scratch, _long(at + 120))


def object_code() -> tuple[str, bytes]:
    """Compile everything: the symbol of the function that takes the address of a table, and its object code.

    Cost: about 10 s.
    """
    return built(_entry, types.int64)
