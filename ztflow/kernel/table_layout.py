"""Declares what the compiled reader is called with and what it writes: columns, their rows, why it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, cast

import numpy as np

from ztflow.jit.link import ByteRow, Int32Table, IntRow, IntTable
from ztflow.kernel import field_text
from ztflow.kernel.buffers import CHUNK_BYTES, EndGroups, Texts

i64 = cast("Callable[..., int]", np.int64)
_COLUMN = {name: i64(at) for at, name in enumerate(field_text.TEXT_COLUMNS)}  # typed: a literal would be compiled anew
SRC_IP, SRC_TEXT, DST_IP, HBONE_HOST, DST_TEXT, ERROR_TEXT, PREFIX_TEXT, AROUND_TEXT = (
    _COLUMN[name]
    for name in ("src_ip", "src_workload", "dst_ip", "hbone_host", "dst_service", "error", "prefix", "around")
)
LEVEL_ROW, MESSAGE_ROW, DIRECTION_ROW = (i64(at) for at in range(3))
INFO, ERROR, WARN = (i64(at) for at in range(3))

CODE_ROWS: Final = (*field_text.WORD_COLUMNS, *field_text.TEXT_COLUMNS)
"""Rows of `Columns.codes`."""
TEXTS = len(field_text.WORD_COLUMNS)
PORT_ROWS: Final = ("src_port", "dst_port", "hbone_port")
NUMBER_ROWS: Final = ("time", "bytes_sent", "bytes_recv", "duration_ms", "line", "start")
"""Rows of `Columns.numbers`; the last two are the line's index and its first byte."""
TIME_ROW, SENT_ROW, RECEIVED_ROW, DURATION_ROW, LINE_ROW, START_ROW = range(len(NUMBER_ROWS))

SLOW_ROWS: Final = ("line", "lines", "start", "stop", "prefix")
"""Rows of `Columns.slow`: neighbouring lines for the slow path, as one span; or a line inside JSON with others, where
`lines` is 0 and `prefix` tells what is around it."""
OTHER_ROWS: Final = ("line", "prefix", "start", "stop")
"""Rows of `Columns.other`: lines of ztunnel that are only counted."""

POSITION, LINES, ROWS, SPANS, OTHERS, STATE = range(6)
"""Places in `progress`: next byte, next line, and how much of the columns is filled; why the kernel stopped."""
DONE, TAIL, FULL, NO_ROOM = range(4)
"""Reasons to stop: all read; the next line is too near the end of the buffer; a column is full; a dictionary is."""

TIME_LENGTH: Final = len("2024-11-05T12:00:01.013201Z")
PREFIX_BYTES: Final = 256
"""Longest prefix looked at."""
AROUND_BYTES: Final = 8192
"""Longest envelope looked at: the text before and behind a line inside JSON."""
RECORDS: Final = 1 << 15
"""Most lines inside one physical line; an answer of Loki has 5000, of Elasticsearch 10 000."""
JSON_BYTES: Final = 32 << 20
"""Longest physical line that is taken apart; below what the careful way holds of a document."""
DEPTH: Final = 32
"""Objects and arrays inside each other; the deepest known envelope has ten."""
RECORD_BEGIN, RECORD_STOP, RECORD_KIND, RECORD_FRAME, RECORD_CODE = range(5)
"""Columns of `LineScratch.records`: where a line inside JSON begins and stops, its kind, what is around it, as a hash
and as the number of that text."""
(
    LEVEL_KEY,
    LEVEL_SUM,
    LEVEL_FIRST,
    LEVEL_ARRAY,
    LEVEL_INDEX,
    LEVEL_DIRECT,
    LEVEL_THROUGH,
    LEVEL_OPENED,
    LEVEL_VARIES,
    LEVEL_OUT,
    LEVEL_KEPT,
    LEVEL_PENDING,
) = range(12)
"""Columns of `LineScratch.levels`, an open object or array: its key; sum of its members; lines before it; whether it is
an array; its current element; lines in it, but for those in elements of arrays; whether there are such; its beginning;
whether it holds what may be another in the next record; where what is copied of it begins; whether an element of it was
kept; whether a comma is to be written before the next."""
KEPT_BITS: Final = 11
"""So many objects are kept, as a power of two: a pod's labels and the like come again with every record."""
KEPT_BYTES: Final = 640
"""Longest one that is kept."""
KEPT_LENGTH, KEPT_VALUE = range(2)
"""Columns of `LineScratch.kept`."""
INSIDE_BYTES: Final = 4000
"""Longest line taken out of JSON; from four kilobytes on Docker's chunks need a closer look."""


class Columns(NamedTuple):
    """Where rows go. Shapes: (what, capacity)."""

    codes: Int32Table
    ports: Int32Table
    numbers: IntTable
    slow: IntTable
    other: IntTable


class LineScratch(NamedTuple):
    """What is carried from line to line.

    Attributes:
        clock: The minute seen last, as two words of text and as microseconds.
        spots: Fields of a stretch just taken apart: where each begins and how long it is.
        prefix: Room for a prefix or an envelope.
        inside: Room for a line taken out of a JSON string.
        plain: Room for ztunnel's own JSON line in the plain layout.
        levels: Objects and arrays that are open, by depth.
        records: Lines inside the JSON of the physical line.
        kept: Objects seen before: how long, and the hash of each.
        kept_texts: Their texts.
    """

    clock: IntRow
    spots: IntTable
    prefix: ByteRow
    inside: ByteRow
    plain: ByteRow
    levels: IntTable
    records: IntTable
    kept: IntTable
    kept_texts: ByteRow


class Call(NamedTuple):
    """The arguments of `lines.read_lines`, in its order; both sides of the call are made from this declaration.

    Attributes:
        base: Address of the buffer.
        stop: Bytes of it to read.
        limit: Bytes of it that may be looked at.
        texts: Every text of every column.
        src: Stretches of the source.
        dst: Stretches of the destination.
        columns: Where rows go.
        scratch: What is carried from line to line.
        progress: See `POSITION`.
    """

    base: int
    stop: int
    limit: int
    texts: Texts
    src: EndGroups
    dst: EndGroups
    columns: Columns
    scratch: LineScratch
    progress: IntRow


def new_scratch() -> LineScratch:
    """Nothing seen yet."""
    clock = np.zeros(3, np.int64)
    prefix, inside, plain = (
        np.zeros(size + 4 * CHUNK_BYTES, np.uint8) for size in (AROUND_BYTES, INSIDE_BYTES, INSIDE_BYTES)
    )
    shapes = ((10, 2), (DEPTH, LEVEL_PENDING + 1), (RECORDS, RECORD_CODE + 1), (1 << KEPT_BITS, KEPT_VALUE + 1))
    spots, levels, records, kept = (np.zeros(shape, np.int64) for shape in shapes)
    texts = np.zeros((KEPT_BYTES << KEPT_BITS) + CHUNK_BYTES, np.uint8)
    return LineScratch(clock, spots, prefix, inside, plain, levels, records, kept, texts)


def new_columns(rows: int, spans: int, others: int) -> Columns:
    """Room for so many rows; pages are only taken when they are written."""
    return Columns(
        codes=np.empty((len(CODE_ROWS), rows), np.int32),
        ports=np.empty((len(PORT_ROWS), rows), np.int32),
        numbers=np.empty((len(NUMBER_ROWS), rows), np.int64),
        slow=np.empty((len(SLOW_ROWS), spans), np.int64),
        other=np.empty((len(OTHER_ROWS), others), np.int64),
    )


def filled(columns: Columns, rows: int, others: int) -> Columns:
    """Columns without the room that was not needed: tables made of them would keep all of it. Cost: a copy."""
    return Columns(
        codes=columns.codes[:, :rows].copy(),
        ports=columns.ports[:, :rows].copy(),
        numbers=columns.numbers[:, :rows].copy(),
        slow=columns.slow[:, :0].copy(),
        other=columns.other[:, :others].copy(),
    )
