"""Reads big blocks: by the compiled kernel, and what it leaves by the slow path, in the order of the lines.

The kernel decides about each line alone. What a line means may also depend on the lines before it: a record that waits
for its end, a JSON document that is open, a section marker. So the lines are taken in stretches between those the slow
path reads, and a stretch only while the slow path could take its short cut, too; else its next line is read there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, proxy

import pyarrow as pa

from ztflow.kernel import POLICY
from ztflow.read.limits import PREFIXES
from ztflow.read.slow_path import Prefixes, SlowPath
from ztflow.threads import beside, processors

if TYPE_CHECKING:
    from ztflow.kernel.blocks import Block, BlockReader
    from ztflow.kernel.known_words import Vocabulary


_ACCESS: Final = b"connection "

LEAST: Final = 32 << 10
"""Smallest block that goes through the kernel: below it making the table costs more than the kernel saves."""
_PIECE: Final = 8 << 20
"""Bytes read at a time."""


def pays(data: bytes, size: int) -> bool:
    """Whether these bytes, of an input of that size, are for the kernel."""
    return len(data) >= LEAST and _ACCESS in data and POLICY.ready(size)


class Begun:
    """Whole lines the kernel reads, piece after piece, on a thread of its own where that pays.

    Args:
        reader: Reads them.
        blocks: The lines.
        early: Whether others are read before these, or after, so that there is something else to do meanwhile.
    """

    def __init__(self, reader: BlockReader, blocks: list[memoryview], *, early: bool) -> None:
        self._reader = reader
        self._pieces = [piece for block in blocks for piece in _pieces(block)]
        apart = processors() > 1 and (early or len(self._pieces) > 1)
        self._reading = [beside().submit(reader.scan, piece) for piece in self._pieces] if apart else []

    def __iter__(self) -> Iterator[tuple[memoryview, Block]]:
        """The pieces, each as soon as it is read."""
        for piece in self._pieces:
            block = self._reading.pop(0).result() if self._reading else self._reader.scan(piece)
            yield piece, block.learned()


class Bulk:
    """The kernel at work on one stream.

    The kernel is ahead on a thread of its own, which does nothing that takes Python's lock for long. With one for all
    of reading the two took it from each other: a third more processor time for nothing by the clock (1 M lines on two
    processors: 2.8 s and 2.0 s, against 2.0 and 1.9 all on one).

    Args:
        slow: The line-by-line way.

    Attributes:
        useless: Whether prefixes differ from line to line, so that the kernel does not help.
    """

    def __init__(self, slow: SlowPath) -> None:
        from ztflow.kernel.blocks import BlockReader

        self._slow = slow
        self._reader = BlockReader()
        self._known: WeakKeyDictionary[Vocabulary, Prefixes] = WeakKeyDictionary()
        self.useless = False

    def _behind(self, vocabulary: Vocabulary) -> Prefixes:
        """Which ztunnel writes behind the prefixes of a vocabulary."""
        if vocabulary not in self._known:
            # Only a reader, and what it has just read, keep a vocabulary: one that is full is some 40 MB.
            self._known[vocabulary] = Prefixes(self._slow, proxy(vocabulary))
        return self._known[vocabulary]

    def begin(self, blocks: list[memoryview], *, early: bool) -> Begun:
        """Have whole lines read, in the order of the stream; see `Begun`."""
        return Begun(self._reader, blocks, early=early)

    def read(self, begun: Begun, number: int) -> tuple[pa.Table, int]:
        """Whole lines behind the line of this number; all rows, the builder's too, and the last line's number."""
        from ztflow.read.settling import Settling

        tables: list[pa.Table] = []
        for piece, block in begun:
            for part in block.parts:
                tables += Settling(self._slow, self._behind(part.vocabulary), part, piece, number + 1).tables()
            number += block.lines
            self.useless |= len(block.parts[-1].vocabulary.prefixes) > PREFIXES
        if len(self._slow.builder) or not tables:
            tables.append(self._slow.builder.take(self._slow.source_file))
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries(), number


def _pieces(data: memoryview) -> Iterator[memoryview]:
    """Whole lines, about `_PIECE` bytes each."""
    from ztflow.read.settling import line_end

    start = 0
    while start < len(data):
        stop = len(data) if len(data) - start < 2 * _PIECE else line_end(data, start + _PIECE)
        yield data[start:stop]
        start = stop
