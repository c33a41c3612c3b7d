"""Runs the compiled reader over blocks of whole lines; handles buffer ends and full dictionaries.

A reader keeps its dictionaries from block to block, so that equal texts have equal numbers in all of them. It belongs
to one thread at a time; the GIL is free while the kernel works. What it found may be looked at by another thread while
it reads on: it only adds to its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import Codes
from ztflow.jit.link import ArgumentTable
from ztflow.kernel.buffers import CHUNK_BYTES, DST_WIDTH, SRC_WIDTH, new_groups, new_texts
from ztflow.kernel.columns import BlockPart, LineSpan
from ztflow.kernel.engine import compiled
from ztflow.kernel.known_words import Vocabulary
from ztflow.kernel.table_layout import (
    LINES,
    NO_ROOM,
    OTHERS,
    POSITION,
    ROWS,
    SPANS,
    STATE,
    TAIL,
    Call,
    filled,
    new_columns,
    new_scratch,
)
from ztflow.model.provenance import NOBODY, Origin
from ztflow.model.table import empty
from ztflow.model.tables import Halves

Buffer: TypeAlias = bytes | bytearray | memoryview

_ROW_BYTES: Final = 200
"""Bytes assumed for a line when room is made; with shorter lines the kernel stops and goes on in a new part."""
_LEAST: Final = 64
_PAD: Final = 2 * CHUNK_BYTES


@dataclass(slots=True)
class Block:
    """What a block of lines gave.

    Attributes:
        lines: Physical lines.
        parts: What became of them, in order; more than one when a dictionary or the room for rows was full on the way.
    """

    lines: int = 0
    parts: list[BlockPart] = field(default_factory=list)

    def learned(self) -> Block:
        """The block with its texts taken over; has to come before anything is asked, in the order of the blocks."""
        for part in self.parts:
            part.vocabulary.learn(part.texts)
        return self

    @property
    def rows(self) -> int:
        """Proved rows."""
        return sum(part.rows for part in self.parts)

    @property
    def slow(self) -> list[LineSpan]:
        """Lines left to the slow path, in order, neighbours together."""
        return merged(span for part in self.parts for span in part.slow if span.lines)


class BlockReader:
    """Reads blocks of whole lines with one set of dictionaries."""

    def __init__(self) -> None:
        self._read_lines = compiled()
        self._renew()

    def _renew(self) -> None:
        texts = new_texts()
        self._table = ArgumentTable(Call)
        self._table.put(texts=texts, src=new_groups(SRC_WIDTH), dst=new_groups(DST_WIDTH), scratch=new_scratch())
        self.vocabulary = Vocabulary(texts)

    def read(self, data: Buffer) -> Block:
        """Read a block; its last byte is a line end.

        The buffer is read where it is, but for its last line or lines, which are copied so that no load leaves it.
        """
        return self.scan(data).learned()

    def scan(self, data: Buffer) -> Block:
        """Read a block, but leave the new texts to `Block.learned`, which another thread may call."""
        view = np.frombuffer(data, np.uint8)
        return self._read(view, len(view))

    def _read(self, view: npt.NDArray[np.uint8], stop: int) -> Block:
        """Read the lines of a buffer before `stop`; the bytes behind may be looked at."""
        block = Block()
        base, limit, copied = view.ctypes.data, len(view), False
        position = 0
        while position < stop:
            room = (stop - position) // _ROW_BYTES + _LEAST
            columns = new_columns(room, room, room)
            progress = np.zeros(STATE + 1, np.int64)
            progress[POSITION], progress[LINES] = position, block.lines
            self._table.put(base=base, stop=stop, limit=limit, columns=columns, progress=progress)
            self._read_lines(self._table)
            if progress[STATE] == TAIL and not copied:
                position = int(progress[POSITION])
                rest = np.zeros(stop - position + _PAD, np.uint8)
                rest[:-_PAD] = view[position:stop]
                base, limit, copied = rest.ctypes.data - position, position + len(rest), True
                self._table.put(base=base, limit=limit)
                self._read_lines(self._table)
            lines = int(progress[LINES]) - block.lines
            position, block.lines = int(progress[POSITION]), int(progress[LINES])
            texts = self.vocabulary.waiting()
            spans = [LineSpan(*span) for span in columns.slow[:, : int(progress[SPANS])].T.tolist()]
            rows, columns = int(progress[ROWS]), filled(columns, int(progress[ROWS]), int(progress[OTHERS]))
            block.parts.append(BlockPart(rows, columns, self.vocabulary, texts, spans, columns.other, lines))
            if progress[STATE] == NO_ROOM:
                self._renew()
        return block


def merged(spans: Iterable[LineSpan]) -> list[LineSpan]:
    """Spans in order, those that touch made one."""
    found: list[LineSpan] = []
    for span in spans:
        if found and found[-1].stop == span.start:
            last = found.pop()
            span = LineSpan(last.line, last.lines + span.lines, last.start, span.stop)  # noqa: PLW2901
        found.append(span)
    return found


def read_block(
    data: Buffer,
    origin_of: Callable[[str], Origin | None] = lambda prefix: None if prefix else NOBODY,
    *,
    source_file: str = "-",
    first_line: int = 1,
) -> tuple[pa.Table, list[LineSpan], int]:
    """The halves the kernel can prove in a block of whole lines, and what it leaves.

    Args:
        data: Lines; the last byte is a line end.
        origin_of: Who a prefix names, asked once for each; None for one it does not know. The empty prefix is that of
            bare lines.
        source_file: The input.
        first_line: Number of the first line.

    Returns:
        The table of proved rows; the spans left to the slow path, in order; how many lines of ztunnel only count.

    For a single block; `BlockReader` is for streams.
    """
    block = BlockReader().read(data)
    left = list(block.slow)
    tables = [empty(Halves)]
    counted = 0
    raw = bytes(data)

    for part in block.parts:
        prefixes = ("", *part.vocabulary.prefixes)
        found = [None if prefix is None else origin_of(prefix) for prefix in prefixes]
        origins = [origin for origin in found if origin is not None]
        places = iter(range(len(origins)))
        lookup: Codes = np.array([-1 if origin is None else next(places) for origin in found], np.int32)
        writers = lookup[part.codes("prefix") + 1]
        writers[part.refused()] = -1
        unknown = np.flatnonzero(writers < 0)
        # a physical line of which a part is left is left as a whole
        unsure = dict(zip(part.number("line")[unknown].tolist(), part.number("start")[unknown].tolist(), strict=True))
        unsure |= {line: start for line, prefix, start, _ in part.others.T.tolist() if lookup[prefix + 1] < 0}
        unsure |= {span.line: span.start for span in part.slow if not span.lines}
        left += [
            LineSpan(line, 1, raw.rfind(b"\n", 0, start) + 1, raw.index(b"\n", start) + 1)
            for line, start in unsure.items()
        ]
        writers[np.isin(part.number("line"), [*unsure])] = -1
        counted += sum(line not in unsure for line in part.others[0].tolist())
        tables.append(part.table(origins, writers, source_file, first_line))
    return pa.concat_tables(tables).unify_dictionaries(), merged(sorted(left)), counted
