"""Tables as they go from one worker to another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pickle import PickleBuffer
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Sent:
    """A table that is sent with its own rows only, copied once; other tables are pickled with all they are a part of.

    Dask serialises bare tables in a stream that grows, and takes all that a slice is a part of for its size, by which
    it decides where tasks run and what goes to the disk.
    """

    table: pa.Table

    def __reduce__(self) -> tuple[Callable[[Any], Sent], tuple[PickleBuffer]]:
        schema, sink = self.table.schema, pa.MockOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(self.table)
        buffer = pa.allocate_buffer(sink.size())
        with pa.ipc.new_stream(pa.FixedSizeBufferWriter(buffer), schema) as writer:
            writer.write_table(self.table)
        return _received, (PickleBuffer(memoryview(buffer).toreadonly()),)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + int(self.table.nbytes)


def _received(data: Any) -> Sent:
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        return Sent(reader.read_all())


def size_of(*things: Any) -> int:
    """Bytes of tables, arrays, and what says its own size; None is nothing."""
    return sum(int(one.nbytes) if hasattr(one, "nbytes") else sys.getsizeof(one) for one in things if one is not None)
