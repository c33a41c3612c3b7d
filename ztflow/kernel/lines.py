"""The kernel: whole lines in, columns out, compiled, without the GIL.

For each physical line it decides whether it can prove that it reads it exactly as the scanner and the unwrapper would:
a `connection complete` or `connection failed` line in ztunnel's plain layout, bare or behind a fixed prefix. What it
cannot prove it leaves, as spans, in order. Lines of other scopes that surely carry no fact it only counts.

Why no load leaves the buffer: a line is looked at only when `WIDTH` readable bytes follow its line end, every text it
is compared with is free of line ends, and no position moves past a byte that was not compared or classified. So every
position is at or before the line end, and every load covers at most `WIDTH` bytes from one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ztflow.kernel import spelling
from ztflow.kernel.dictionaries import (
    CROWDED,
    LINE,
    NONE,
    Array,
    Groups,
    Texts,
    add_group,
    column_hash,
    find,
    find_group,
    group_hash,
    guess_slot,
    has_room,
    is_group,
    number,
)
from ztflow.kernel.fields import (
    NO,
    NO_TIME,
    address_end,
    integer,
    is_host,
    is_ip,
    minute_at,
    port,
    quoted_end,
    seconds,
    text,
)
from ztflow.kernel.machine import (
    WIDTH,
    byte,
    bytes_equal,
    cached,
    called,
    constant,
    flag,
    i64,
    inlined,
    lowest,
    put_word,
    text_at,
    u64,
    word,
)
from ztflow.kernel.spelling import KEY

# ---- what stands in a line ------------------------------------------------------------------------------------------

_KEY = {name: (text_at(key), len(key)) for name, key in KEY.items()}
_at_src_1, _SRC_1 = _KEY["src_workload"]
_at_src_2, _SRC_2 = _KEY["src_namespace"]
_at_src_3, _SRC_3 = _KEY["src_identity"]
_at_src_4, _SRC_4 = _KEY["src_cluster"]
_at_dst, _DST = _KEY["dst_ip"]
_at_hbone, _HBONE = _KEY["hbone_host"]
_at_dst_1, _DST_1 = _KEY["dst_service"]
_at_dst_2, _DST_2 = _KEY["dst_workload"]
_at_dst_3, _DST_3 = _KEY["dst_namespace"]
_at_dst_4, _DST_4 = _KEY["dst_identity"]
_at_dst_5, _DST_5 = _KEY["dst_cluster"]
_DIRECTION = f'{KEY["direction"]}"'
_at_direction, _DIRECTION_LENGTH = text_at(_DIRECTION), len(_DIRECTION)

_ACCESS_LENGTH = len(spelling.ACCESS)
_at_access = text_at(spelling.ACCESS)
_at_complete, _COMPLETE_LENGTH = text_at(spelling.COMPLETE), len(spelling.COMPLETE)
_at_failed, _FAILED_LENGTH = text_at(spelling.FAILED), len(spelling.FAILED)

_OUTBOUND, _INBOUND = (f'{word}"' for word in spelling.WORDS[2])
_at_outbound, _OUTBOUND_LENGTH = text_at(_OUTBOUND), len(_OUTBOUND)
_at_inbound, _INBOUND_LENGTH = text_at(_INBOUND), len(_INBOUND)
_SENT = f" {KEY['bytes_sent']}"
_at_sent, _SENT_LENGTH = text_at(_SENT), len(_SENT)
_RECEIVED = f" {KEY['bytes_recv']}"
_at_received, _RECEIVED_LENGTH = text_at(_RECEIVED), len(_RECEIVED)
_DURATION = f' {KEY["duration_ms"]}"'
_at_duration, _DURATION_LENGTH = text_at(_DURATION), len(_DURATION)
_at_millis, _MILLIS_LENGTH = text_at('ms"'), 3
_ERROR = f' {KEY["error"]}"'
_at_error, _ERROR_LENGTH = text_at(_ERROR), len(_ERROR)

_INFO, _WARN = (u64(constant(f"Z\t{level}")) for level in ("info", "warn"))
_ERRO = u64(constant("Z\terro"))
_SIX_BYTES = u64(16)

_at_http, _HTTP_LENGTH = text_at("\thttp access\t"), len("\thttp access\t")
_at_xds, _XDS_LENGTH = text_at("\txds\t"), len("\txds\t")
_XDS_CLIENT = "\txds::client:xds{id="
_at_xds_client, _XDS_CLIENT_LENGTH = text_at(_XDS_CLIENT), len(_XDS_CLIENT)
_at_span_end = text_at("}\t")
_CONNECTI, _RUNNING, _SRC_ADDR, _DIRECTIO = (
    u64(constant(word)) for word in ("connecti", "running ", "src.addr", "directio")
)
_ACCESS_WORD, _ACCESS_MASK = u64(constant("access")), u64((1 << 48) - 1)

_newlines = bytes_equal("\n")
_tabs = bytes_equal("\t")
_tees = bytes_equal("T")
_DASH, _COLON, _BLANK, _ZERO, _NINE = (ord(char) for char in "-: 09")
_BUT_FIRST = u64(0xFFFFFFFFFFFFFF00)

_TIME_LENGTH = len("2024-11-05T12:00:01.013201Z")
_PREFIX = 256
"""Longest prefix looked at."""

# ---- numbers of things ----------------------------------------------------------------------------------------------

_COLUMN = {name: i64(at) for at, name in enumerate(spelling.TEXT_COLUMNS)}  # typed: a literal would be compiled anew
_SRC_IP, _SRC_TEXT, _DST_IP, _HBONE_HOST, _DST_TEXT, _ERROR_TEXT, _PREFIX_TEXT = (
    _COLUMN[name] for name in ("src_ip", "src_workload", "dst_ip", "hbone_host", "dst_service", "error", "prefix")
)
_LEVEL, _MESSAGE, _DIRECTION_WORD = (i64(at) for at in range(3))
_INFO_WORD, _ERROR_WORD, _WARN_WORD = (i64(at) for at in range(3))
_QUOTED, _QUOTED_OR_BARE = flag(False), flag(True)

CODES: Final = (*spelling.WORD_COLUMNS, *spelling.TEXT_COLUMNS)
"""Rows of `Columns.codes`."""
_TEXTS = len(spelling.WORD_COLUMNS)
PORTS: Final = ("src_port", "dst_port", "hbone_port")
NUMBERS: Final = ("time", "bytes_sent", "bytes_recv", "duration_ms", "line", "start")
"""Rows of `Columns.numbers`; the last two are the line's index and its first byte."""
_TIME_ROW, _SENT_ROW, _RECEIVED_ROW, _DURATION_ROW, _LINE_ROW, _START_ROW = range(len(NUMBERS))

SLOW: Final = ("line", "lines", "start", "stop")
"""Rows of `Columns.slow`: neighbouring lines for the slow path, as one span."""
OTHER: Final = ("line", "prefix", "start")
"""Rows of `Columns.other`: lines of ztunnel that only count."""

POSITION, LINES, ROWS, SPANS, OTHERS, STATE = range(6)
"""Places in `progress`: next byte, next line, and how much of the columns is filled; why the kernel stopped."""
DONE, TAIL, FULL, NO_ROOM = range(4)
"""Reasons to stop: all read; the next line is too near the end of the buffer; a column is full; a dictionary is."""

_LEFT, _ROW, _OTHER = range(3)


class Columns(NamedTuple):
    """Where rows go. Shapes: (what, capacity)."""

    codes: Array
    ports: Array
    numbers: Array
    slow: Array
    other: Array


class Scratch(NamedTuple):
    """What is carried from line to line.

    Attributes:
        clock: The minute seen last, as two words of text and as microseconds.
        spots: Fields of a stretch just taken apart: where each begins and how long it is.
        prefix: Room for a prefix.
    """

    clock: Array
    spots: Array
    prefix: Array


def new_scratch() -> Scratch:
    """Nothing seen yet."""
    return Scratch(np.zeros(3, np.int64), np.zeros((10, 2), np.int64), np.zeros(_PREFIX + 2 * WIDTH, np.uint8))


def new_columns(rows: int, spans: int, others: int) -> Columns:
    """Room for so many rows; pages are only taken when they are written."""
    return Columns(
        codes=np.empty((len(CODES), rows), np.int32),
        ports=np.empty((len(PORTS), rows), np.uint16),
        numbers=np.empty((len(NUMBERS), rows), np.int64),
        slow=np.empty((len(SLOW), spans), np.int64),
        other=np.empty((len(OTHER), others), np.int64),
    )


# ---- one end --------------------------------------------------------------------------------------------------------


@called
def _src_fields(at: int, spots: Array) -> int:
    """The source's fields, which begin here: to `spots`; where `dst.addr=` is over, or `NO`."""
    spots[0:4, 1] = 0
    if _at_src_1(at):
        spots[0, 0], spots[0, 1], at = text(at + _SRC_1, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_src_2(at):
        spots[1, 0], spots[1, 1], at = text(at + _SRC_2, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_src_3(at):
        spots[2, 0], spots[2, 1], at = text(at + _SRC_3, _QUOTED)
        if at == NO:
            return NO
    if _at_src_4(at):
        spots[3, 0], spots[3, 1], at = text(at + _SRC_4, _QUOTED)
        if at == NO:
            return NO
    return at + _DST if _at_dst(at) else NO


@called
def _dst_fields(at: int, spots: Array) -> int:
    """The destination's fields, which begin here with its address: to `spots`; where `direction="` is over, or `NO`.

    Spots: address, port, authority, its port, service, workload, namespace, identity, cluster. A port's length is 0,
    its number stands in the place of where it begins.
    """
    spots[0:9, 1] = 0
    spots[3, 0] = NO
    colon, blank = address_end(at)
    if colon == NO or not is_ip(at, colon - at):
        return NO
    spots[0, 0], spots[0, 1] = at, colon - at
    spots[1, 0] = port(colon + 1, blank)
    if spots[1, 0] == NO:
        return NO
    at = blank + 1
    if _at_hbone(at):
        at += _HBONE
        colon, blank = address_end(at)
        if colon == NO or not (is_ip(at, colon - at) or is_host(at, colon - at)):
            return NO
        spots[2, 0], spots[2, 1] = at, colon - at
        spots[3, 0] = port(colon + 1, blank)
        if spots[3, 0] == NO:
            return NO
        at = blank + 1
    if _at_dst_1(at):
        spots[4, 0], spots[4, 1], at = text(at + _DST_1, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_2(at):
        spots[5, 0], spots[5, 1], at = text(at + _DST_2, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_3(at):
        spots[6, 0], spots[6, 1], at = text(at + _DST_3, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_4(at):
        spots[7, 0], spots[7, 1], at = text(at + _DST_4, _QUOTED)
        if at == NO:
            return NO
    if _at_dst_5(at):
        spots[8, 0], spots[8, 1], at = text(at + _DST_5, _QUOTED)
        if at == NO:
            return NO
    return at + _DIRECTION_LENGTH if _at_direction(at) else NO


@inlined
def _code(texts: Texts, column: int, spots: Array, field: int) -> int:
    if spots[field, 1] == 0:
        return NONE
    entry = number(texts, column, spots[field, 0], spots[field, 1])
    return CROWDED if entry < 0 else i64(texts.codes[entry])


@called
def _new_src(texts: Texts, src: Groups, at: int, count: int, spots: Array) -> int:
    """The group of a source; `CROWDED`."""
    hashed = group_hash(texts, at, count)
    group = find_group(texts, src, at, count, hashed)
    if group != NONE:
        return group
    for field in range(4):
        code = _code(texts, _SRC_TEXT + field, spots, field)
        if code == CROWDED:
            return CROWDED
        spots[field, 0] = code
    group = add_group(texts, src, at, count, hashed)
    for field in range(4):
        src.codes[group, field] = spots[field, 0]
    return group


@called
def _new_dst(texts: Texts, dst: Groups, at: int, count: int, spots: Array) -> int:
    """The group of a destination; `CROWDED`."""
    hashed = group_hash(texts, at, count)
    group = find_group(texts, dst, at, count, hashed)
    if group != NONE:
        return group
    for field in range(9):
        if field not in (1, 3):  # the ports stand there as they are
            code = _code(texts, _DST_IP + (0 if field == 0 else 1 if field == 2 else field - 2), spots, field)
            if code == CROWDED:
                return CROWDED
            spots[field, 0] = code
    group = add_group(texts, dst, at, count, hashed)
    for field in range(9):
        dst.codes[group, field] = spots[field, 0]
    return group


# ---- one line -------------------------------------------------------------------------------------------------------


@inlined
def _word_code(texts: Texts, column: int, which: int) -> int:
    """Number of a word of a closed vocabulary, in the order the words were met."""
    code = i64(texts.words[column, which])
    if code == NONE:
        last = texts.words.shape[1] - 1
        code = i64(texts.words[column, last]) + 1
        texts.words[column, last] = code
        texts.words[column, which] = code
    return code


@inlined
def _time_within(at: int, count: int) -> int:
    """Where a shipper's time begins among these bytes: `YYYY-MM-DDTHH:`; `NO` when none does."""
    passed = 0
    while passed < count:
        marks = _tees(at + passed)
        while marks != u64(0):
            place = passed + lowest(marks) - 10
            marks &= marks - u64(1)
            if place + 13 >= count:
                return NO
            if (
                place >= 0
                and byte(at + place + 4) == _DASH
                and byte(at + place + 7) == _DASH
                and byte(at + place + 13) == _COLON
            ):
                return place
        passed += WIDTH
    return NO


@called
def _without_time(at: int, count: int, place: int, room: int) -> None:
    """Copy a prefix to `room`, the digits of the time in it as zeros: so it is the same before every line."""
    done = 0
    while done < count:
        put_word(room + done, word(at + done))
        done += 8
    while place < count and byte(at + place) != _BLANK:
        char = byte(at + place)
        if _ZERO <= char <= _NINE:
            put_word(room + place, (word(room + place) & _BUT_FIRST) | u64(_ZERO))
        place += 1


@called
def _prefix(texts: Texts, at: int, count: int, scratch: Scratch) -> int:
    """Number of what stands before a line; `NONE` for nothing, `CROWDED` also for a prefix refused before."""
    if count == 0:
        return NONE
    place = _time_within(at, count)
    if place != NO:
        _without_time(at, count, place, scratch.prefix.ctypes.data)
        at = scratch.prefix.ctypes.data
    entry = number(texts, _PREFIX_TEXT, at, count)
    if entry < 0 or texts.refused[entry]:
        return CROWDED
    return i64(texts.codes[entry])


@called
def _is_silent(at: int, end: int) -> bool:
    """Whether a line of another scope, from the tab before its scope on, surely says nothing but that it is there."""
    http = _at_http(at)
    if http:
        at += _HTTP_LENGTH
    elif _at_xds(at):
        at += _XDS_LENGTH
    elif _at_xds_client(at):
        _, at = integer(at + _XDS_CLIENT_LENGTH)
        if at == NO or not _at_span_end(at):
            return False
        at += 2
    else:
        return False
    while at < end:
        chars = word(at)
        char = i64(chars & u64(0xFF))
        if (char < 0x20 and char != 9) or char >= 0x7F or chars == _CONNECTI or chars == _RUNNING:  # noqa: PLR1714, SIM109
            return False
        if not http and (chars == _SRC_ADDR or chars == _DIRECTIO or (chars & _ACCESS_MASK) == _ACCESS_WORD):  # noqa: PLR1714, SIM109
            return False
        at += 1
    return byte(end - 1) != ord(")") and byte(end - 1) != ord("=")


@inlined
def _line(
    start: int, end: int, row: int, texts: Texts, src: Groups, dst: Groups, columns: Columns, scratch: Scratch
) -> int:
    """One line from `start` up to its line end at `end`: a row, another line, or left alone."""
    clock = scratch.clock
    at = start
    tabs = _tabs(at)
    while tabs == u64(0):
        at += WIDTH
        if at > end:
            return _LEFT
        tabs = _tabs(at)
    at += lowest(tabs) - _TIME_LENGTH
    before = at - start
    if before < 0 or before > _PREFIX or at + _TIME_LENGTH + 32 > end:
        return _LEFT
    first, second = word(at), word(at + 8)
    if i64(first) != clock[0] or i64(second) != clock[1]:
        minute = minute_at(at)
        if minute == NO_TIME:
            return _LEFT
        clock[0], clock[1], clock[2] = i64(first), i64(second), minute
    head = word(at + 24)
    micros = seconds(word(at + 16), head)
    if micros == NO:
        return _LEFT
    micros += clock[2]
    head = head >> _SIX_BYTES
    at += 32
    if head == _INFO:
        level = _INFO_WORD
    elif head == _ERRO and byte(at) == ord("r"):
        level = _ERROR_WORD
        at += 1
    elif head == _WARN:
        level = _WARN_WORD
    else:
        return _LEFT
    if not _at_access(at):
        return _OTHER if _is_silent(at, end) else _LEFT
    at += _ACCESS_LENGTH
    if _at_complete(at):
        failed = i64(0)
        at += _COMPLETE_LENGTH
    elif _at_failed(at):
        failed = i64(1)
        at += _FAILED_LENGTH
    else:
        return _LEFT

    # the source
    src_at = at
    colon, blank = address_end(at)
    if colon == NO:
        return _LEFT
    src_port = port(colon + 1, blank)
    if src_port == NO:
        return _LEFT
    src_length = colon - src_at
    src_entry = find(texts, _SRC_IP, src_at, src_length, column_hash(texts, _SRC_IP, src_at, src_length))
    if src_entry < 0 and (src_entry == CROWDED or not is_ip(src_at, src_length)):
        return _LEFT
    src_group_at = at = blank + 1
    src_group = i64(texts.guesses[src_entry]) if src_entry >= 0 else NONE
    if src_group >= 0 and is_group(texts, src, src_group, at):
        at += src.lengths[src_group]
    else:
        src_group = NONE
        at = _src_fields(at, scratch.spots)
        if at == NO:
            return _LEFT
        # Needed now: the spots are used again for the destination.
        src_group = _new_src(texts, src, src_group_at, at - src_group_at, scratch.spots)
        if src_group < 0:
            return _LEFT

    # the destination
    dst_at = at
    slot = guess_slot(at)
    dst_group = i64(dst.guesses[slot])
    if dst_group >= 0 and is_group(texts, dst, dst_group, at):
        at += dst.lengths[dst_group]
    else:
        at = _dst_fields(at, scratch.spots)
        if at == NO:
            return _LEFT
        dst_group = NONE
    dst_end = at

    # the rest
    if _at_outbound(at):
        inbound = i64(0)
        at += _OUTBOUND_LENGTH
    elif _at_inbound(at):
        inbound = i64(1)
        at += _INBOUND_LENGTH
    else:
        return _LEFT
    sent, received, duration = u64(0), u64(0), i64(NO)
    if not failed:
        if not _at_sent(at):
            return _LEFT
        sent, at = integer(at + _SENT_LENGTH)
        if at == NO or not _at_received(at):
            return _LEFT
        received, at = integer(at + _RECEIVED_LENGTH)
        if at == NO or not _at_duration(at):
            return _LEFT
        millis, at = integer(at + _DURATION_LENGTH)
        if at == NO or not _at_millis(at):
            return _LEFT
        duration = i64(millis)
        at += _MILLIS_LENGTH
    error = i64(NONE)
    if at != end:
        if not _at_error(at):
            return _LEFT
        error_at = at + _ERROR_LENGTH
        at = quoted_end(error_at)
        if at == NO or at == error_at or at + 1 != end:  # noqa: PLR1714, SIM109
            return _LEFT
        entry = number(texts, _ERROR_TEXT, error_at, at - error_at)
        if entry < 0 or texts.refused[entry]:
            return _LEFT
        error = i64(texts.codes[entry])
    elif failed or level == _ERROR_WORD:
        return _LEFT

    # proved: what is new gets its number
    if dst_group < 0:
        dst_group = _new_dst(texts, dst, dst_at, dst_end - dst_at, scratch.spots)
        if dst_group < 0:
            return _LEFT
        dst.guesses[slot] = dst_group
    if src_entry < 0:
        src_entry = number(texts, _SRC_IP, src_at, src_length)
        if src_entry < 0:
            return _LEFT
    texts.guesses[src_entry] = src_group
    prefix = _prefix(texts, start, before, scratch)
    if prefix == CROWDED:
        return _LEFT

    codes, ports, numbers = columns.codes, columns.ports, columns.numbers
    codes[_LEVEL, row] = _word_code(texts, _LEVEL, level)
    codes[_MESSAGE, row] = _word_code(texts, _MESSAGE, failed)
    codes[_DIRECTION_WORD, row] = _word_code(texts, _DIRECTION_WORD, inbound)
    codes[_TEXTS + _SRC_IP, row] = texts.codes[src_entry]
    for field in range(4):
        codes[_TEXTS + _SRC_TEXT + field, row] = src.codes[src_group, field]
    codes[_TEXTS + _DST_IP, row] = dst.codes[dst_group, 0]
    codes[_TEXTS + _HBONE_HOST, row] = dst.codes[dst_group, 2]
    for field in range(5):
        codes[_TEXTS + _DST_TEXT + field, row] = dst.codes[dst_group, 4 + field]
    codes[_TEXTS + _ERROR_TEXT, row] = error
    codes[_TEXTS + _PREFIX_TEXT, row] = prefix
    ports[0, row] = src_port
    ports[1, row] = dst.codes[dst_group, 1]
    ports[2, row] = max(dst.codes[dst_group, 3], 0)
    numbers[_TIME_ROW, row] = micros
    numbers[_SENT_ROW, row] = i64(sent)
    numbers[_RECEIVED_ROW, row] = i64(received)
    numbers[_DURATION_ROW, row] = duration
    return _ROW


@cached
def read_lines(
    base: int,
    stop: int,
    limit: int,
    texts: Texts,
    src: Groups,
    dst: Groups,
    columns: Columns,
    scratch: Scratch,
    progress: Array,
) -> None:
    """Read the lines between `progress[POSITION]` and `stop` of a buffer at `base`, of which `limit` bytes may be read.

    Stops early for one of the reasons in `progress[STATE]`; everything before `progress[POSITION]` is then done.
    """
    position, line = progress[POSITION], progress[LINES]
    row, span, other = progress[ROWS], progress[SPANS], progress[OTHERS]
    rows, spans, others = columns.numbers.shape[1], columns.slow.shape[1], columns.other.shape[1]
    state = DONE
    while position < stop:
        if row >= rows or span >= spans or other >= others:
            state = FULL
            break
        if not has_room(texts, src, dst):
            state = NO_ROOM
            break
        start = base + position
        found = start
        newlines = u64(0)
        while found + 2 * WIDTH <= base + limit:
            newlines = _newlines(found)
            if newlines != u64(0):
                break
            found += WIDTH
        if newlines == u64(0):
            state = TAIL
            break
        end = found + lowest(newlines)
        what = _LEFT
        if end - start <= LINE:
            what = _line(start, end, row, texts, src, dst, columns, scratch)
            if what == _OTHER:
                colon = start
                while byte(colon) != ord("\t"):
                    colon += 1
                prefix = _prefix(texts, start, colon - _TIME_LENGTH - start, scratch)
                if prefix == CROWDED:
                    what = _LEFT
                else:
                    columns.other[0, other] = line
                    columns.other[1, other] = prefix
                    columns.other[2, other] = position
                    other += 1
        if what == _ROW:
            columns.numbers[_LINE_ROW, row] = line
            columns.numbers[_START_ROW, row] = position
            row += 1
        elif what == _LEFT:
            # A span goes on where the previous one stopped.
            if span > 0 and columns.slow[3, span - 1] == position:
                columns.slow[1, span - 1] += 1
                columns.slow[3, span - 1] = end + 1 - base
            else:
                columns.slow[0, span] = line
                columns.slow[1, span] = 1
                columns.slow[2, span] = position
                columns.slow[3, span] = end + 1 - base
                span += 1
        position = end + 1 - base
        line += 1
    progress[POSITION], progress[LINES], progress[ROWS] = position, line, row
    progress[SPANS], progress[OTHERS], progress[STATE] = span, other, state
