"""Reads big blocks: by the compiled kernel, and what it leaves by the slow path, in the order of the lines.

The kernel decides about each line alone. What a line means may also depend on the lines before it: a record that waits
for its end, a JSON document that is open, a section marker. So the lines are taken in stretches between those the slow
path reads, and a stretch only while the slow path could take its short cut, too; else its next line is read there.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, proxy

import pyarrow as pa

from ztflow.kernel import POLICY
from ztflow.read.limits import PREFIXES
from ztflow.read.slow_path import Prefixes, SlowPath
from ztflow.threads import processors

if TYPE_CHECKING:
    from ztflow.kernel.blocks import Block
    from ztflow.kernel.known_words import Vocabulary


_ACCESS: Final = b"connection "

LEAST: Final = 32 << 10
"""Smallest block that goes through the kernel: below it making the table costs more than the kernel saves."""
_THREADS: Final = 4
"""More threads bring nothing: the part done in Python is single-threaded."""
_PIECE: Final = 8 << 20
"""Bytes one thread reads at a time."""


def pays(data: bytes, size: int) -> bool:
    """Whether these bytes, of an input of that size, are for the kernel."""
    return len(data) >= LEAST and _ACCESS in data and POLICY.ready(size)


class Bulk:
    """The kernel at work on one stream.

    Args:
        slow: The line-by-line way.

    Attributes:
        useless: Whether prefixes differ from line to line, so that the kernel does not help.
    """

    def __init__(self, slow: SlowPath) -> None:
        from ztflow.kernel.blocks import BlockReader

        self._slow = slow
        self._readers = [BlockReader() for _ in range(min(_THREADS, processors()))]
        self._known: WeakKeyDictionary[Vocabulary, Prefixes] = WeakKeyDictionary()
        self.useless = False

    def _behind(self, vocabulary: Vocabulary) -> Prefixes:
        """Which ztunnel writes behind the prefixes of a vocabulary."""
        if vocabulary not in self._known:
            # Only a reader, and what it has just read, keep a vocabulary: one that is full is some 40 MB.
            self._known[vocabulary] = Prefixes(self._slow, proxy(vocabulary))
        return self._known[vocabulary]

    def read(self, blocks: list[memoryview], number: int) -> tuple[pa.Table, int]:
        """Read whole lines behind the line of this number; all rows, the builder's too, and the last line's number."""
        from ztflow.read.settling import Settling

        tables: list[pa.Table] = []
        for piece, block in self._blocks(blocks):
            for part in block.parts:
                tables += Settling(self._slow, self._behind(part.vocabulary), part, piece, number + 1).tables()
            number += block.lines
            self.useless |= len(block.parts[-1].vocabulary.prefixes) > PREFIXES
        if len(self._slow.builder) or not tables:
            tables.append(self._slow.builder.take(self._slow.source_file))
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries(), number

    def _blocks(self, blocks: list[memoryview]) -> Iterator[tuple[memoryview, Block]]:
        """The blocks in pieces cut at line ends, each as soon as it is read; the kernel is ahead on other threads."""
        pieces = [piece for block in blocks for piece in _pieces(block)]
        if len(pieces) < 2:
            yield from ((piece, self._readers[0].read(piece)) for piece in pieces)
            return
        count = len(self._readers)
        reading = [
            _threads()[place % count].submit(self._readers[place % count].read, piece)
            for place, piece in enumerate(pieces)
        ]
        try:
            for piece, block in zip(pieces, reading, strict=True):
                yield piece, block.result()
        finally:
            wait(reading)  # the buffer must outlive the kernel


@lru_cache(maxsize=1)
def _threads() -> list[ThreadPoolExecutor]:
    """A thread for each reader; they live as long as the process and only wait when there is nothing to do."""
    return [ThreadPoolExecutor(1, "ztflow-kernel") for _ in range(min(_THREADS, processors()))]


def _pieces(data: memoryview) -> Iterator[memoryview]:
    """Whole lines, about `_PIECE` bytes each."""
    from ztflow.read.settling import line_end

    start = 0
    while start < len(data):
        stop = len(data) if len(data) - start < 2 * _PIECE else line_end(data, start + _PIECE)
        yield data[start:stop]
        start = stop
