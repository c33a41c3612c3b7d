"""The compiled loop over whole lines: bytes in, columns out, without the GIL.

For each physical line it decides whether it can prove that it reads it exactly as the scanner and the unwrapper would:
a `connection complete` or `connection failed` line in ztunnel's plain layout, bare or behind a fixed prefix, or the
same inside JSON (`json_tree`). What it cannot prove it leaves, as spans, in order. Lines of other scopes that surely
carry no fact it only counts.

Why no load leaves the buffer: a line is looked at only when `CHUNK_BYTES` readable bytes follow its line end, every
text it is compared with is free of line ends, and no position moves past a byte that was not compared or classified. So
every position is at or before the line end, and every load covers at most `CHUNK_BYTES` bytes from one.
"""

from __future__ import annotations

from ztflow.columns.dtypes import NO_TIME
from ztflow.jit.link import Array
from ztflow.kernel import field_text
from ztflow.kernel.buffers import CHUNK_BYTES, LINE, EndGroups, Texts
from ztflow.kernel.dictionaries import (
    NO_CODE,
    TOO_MANY_ALIKE,
    column_hash,
    find,
    guess_slot,
    has_room,
    is_group,
    number,
)
from ztflow.kernel.endpoint_fields import dst_fields, new_dst, new_src, src_fields
from ztflow.kernel.field_text import KEY
from ztflow.kernel.fields import NO, address_end, integer, is_ip, minute_at, port, quoted_end, seconds
from ztflow.kernel.json_around import number_all
from ztflow.kernel.json_envelope import at_own, envelope_number, own_json, taken_out
from ztflow.kernel.json_tree import lines_inside
from ztflow.kernel.json_values import root_of
from ztflow.kernel.machine import byte, bytes_equal, constant, i64, inlined, lowest, text_at, u64, word
from ztflow.kernel.outcomes import leave, leave_line, word_code
from ztflow.kernel.prefix_or_envelope import is_silent, prefix_number
from ztflow.kernel.table_layout import (
    DIRECTION_ROW,
    DONE,
    DST_IP,
    DST_TEXT,
    DURATION_ROW,
    ERROR,
    ERROR_TEXT,
    FULL,
    HBONE_HOST,
    INFO,
    LEVEL_ROW,
    LINE_ROW,
    LINES,
    MESSAGE_ROW,
    NO_ROOM,
    OTHERS,
    POSITION,
    PREFIX_BYTES,
    PREFIX_TEXT,
    RECEIVED_ROW,
    RECORD_BEGIN,
    RECORD_CODE,
    RECORD_KIND,
    RECORD_STOP,
    ROWS,
    SENT_ROW,
    SPANS,
    SRC_IP,
    SRC_TEXT,
    START_ROW,
    STATE,
    TAIL,
    TEXTS,
    TIME_LENGTH,
    TIME_ROW,
    WARN,
    Columns,
    LineScratch,
)
from ztflow.model.vocabulary import LogLevel
from ztflow.parse.values import LONGEST_MS

_ACCESS_LENGTH = len(field_text.ACCESS)
_at_access = text_at(field_text.ACCESS)
_at_complete, _COMPLETE_LENGTH = text_at(field_text.COMPLETE), len(field_text.COMPLETE)
_at_failed, _FAILED_LENGTH = text_at(field_text.FAILED), len(field_text.FAILED)

_OUTBOUND, _INBOUND = (f'{word}"' for word in field_text.COLUMN_WORDS[2])
_at_outbound, _OUTBOUND_LENGTH = text_at(_OUTBOUND), len(_OUTBOUND)
_at_inbound, _INBOUND_LENGTH = text_at(_INBOUND), len(_INBOUND)
_SENT = f" {KEY['bytes_sent']}"
_at_sent, _SENT_LENGTH = text_at(_SENT), len(_SENT)
_RECEIVED = f" {KEY['bytes_recv']}"
_at_received, _RECEIVED_LENGTH = text_at(_RECEIVED), len(_RECEIVED)
_DURATION = f' {KEY["duration_ms"]}"'
_at_duration, _DURATION_LENGTH = text_at(_DURATION), len(_DURATION)
_at_millis, _MILLIS_LENGTH = text_at('ms"'), 3
_LONGEST = u64(LONGEST_MS)
_ERROR = f' {KEY["error"]}"'
_at_error, _ERROR_LENGTH = text_at(_ERROR), len(_ERROR)

_INFO, _WARN = (u64(constant(f"Z\t{level}")) for level in (LogLevel.INFO, LogLevel.WARN))
_ERRO = u64(constant("Z\terro"))
_SIX_BYTES = u64(16)

_newlines = bytes_equal("\n")
_tabs = bytes_equal("\t")

_LEFT, _ROW, _OTHER = range(3)


@inlined
def _around_number(texts: Texts, start: int, before: int, around: int, scratch: LineScratch) -> int:
    """Number of what is around a line."""
    if around == 0:
        return prefix_number(texts, start, before, scratch)
    if around < 0:
        return -around - 1
    return envelope_number(texts, around, scratch)


@inlined
def _line(
    start: int,
    end: int,
    around: int,
    row: int,
    texts: Texts,
    src: EndGroups,
    dst: EndGroups,
    columns: Columns,
    scratch: LineScratch,
) -> int:
    """One line from `start` up to its line end at `end`: a row, another line, or left alone.

    `around` is the length of its envelope when it is ztunnel's own JSON; for a line inside JSON -1 - the number of what
    is around it; else 0.
    """
    clock = scratch.clock
    at = start
    tabs = _tabs(at)
    while tabs == u64(0):
        at += CHUNK_BYTES
        if at > end:
            return _LEFT
        tabs = _tabs(at)
    at += lowest(tabs) - TIME_LENGTH
    before = at - start
    if before < 0 or before > (PREFIX_BYTES if around == 0 else 0) or at + TIME_LENGTH + 32 > end:
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
        level = INFO
    elif head == _ERRO and byte(at) == ord("r"):
        level = ERROR
        at += 1
    elif head == _WARN:
        level = WARN
    else:
        return _LEFT
    if not _at_access(at):
        return _OTHER if is_silent(at, end) else _LEFT
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
    src_entry = find(texts, SRC_IP, src_at, src_length, column_hash(texts, SRC_IP, src_at, src_length))
    if src_entry < 0 and (src_entry == TOO_MANY_ALIKE or not is_ip(src_at, src_length)):
        return _LEFT
    src_group_at = at = blank + 1
    src_group = i64(texts.guesses[src_entry]) if src_entry >= 0 else NO_CODE
    if src_group >= 0 and is_group(texts, src, src_group, at):
        at += src.lengths[src_group]
    else:
        src_group = NO_CODE
        at = src_fields(at, scratch.spots)
        if at == NO:
            return _LEFT
        # Needed now: the spots are used again for the destination.
        src_group = new_src(texts, src, src_group_at, at - src_group_at, scratch.spots)
        if src_group < 0:
            return _LEFT

    # the destination
    dst_at = at
    slot = guess_slot(at)
    dst_group = i64(dst.guesses[slot])
    if dst_group >= 0 and is_group(texts, dst, dst_group, at):
        at += dst.lengths[dst_group]
    else:
        at = dst_fields(at, scratch.spots)
        if at == NO:
            return _LEFT
        dst_group = NO_CODE
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
        if at == NO or not _at_millis(at) or millis > _LONGEST:
            return _LEFT
        duration = i64(millis)
        at += _MILLIS_LENGTH
    error = i64(NO_CODE)
    if at != end:
        if not _at_error(at):
            return _LEFT
        error_at = at + _ERROR_LENGTH
        at = quoted_end(error_at)
        if at == NO or at == error_at or at + 1 != end:  # noqa: PLR1714, SIM109
            return _LEFT
        entry = number(texts, ERROR_TEXT, error_at, at - error_at)
        if entry < 0 or texts.refused[entry]:
            return _LEFT
        error = i64(texts.codes[entry])
    elif failed or level == ERROR:
        return _LEFT

    # proved: what is new gets its number
    if dst_group < 0:
        dst_group = new_dst(texts, dst, dst_at, dst_end - dst_at, scratch.spots)
        if dst_group < 0:
            return _LEFT
        dst.guesses[slot] = dst_group
    if src_entry < 0:
        src_entry = number(texts, SRC_IP, src_at, src_length)
        if src_entry < 0:
            return _LEFT
    texts.guesses[src_entry] = src_group
    prefix = _around_number(texts, start, before, around, scratch)
    if prefix == TOO_MANY_ALIKE:
        return _LEFT

    codes, ports, numbers = columns.codes, columns.ports, columns.numbers
    codes[LEVEL_ROW, row] = word_code(texts, LEVEL_ROW, level)
    codes[MESSAGE_ROW, row] = word_code(texts, MESSAGE_ROW, failed)
    codes[DIRECTION_ROW, row] = word_code(texts, DIRECTION_ROW, inbound)
    codes[TEXTS + SRC_IP, row] = texts.codes[src_entry]
    for field in range(4):
        codes[TEXTS + SRC_TEXT + field, row] = src.codes[src_group, field]
    codes[TEXTS + DST_IP, row] = dst.codes[dst_group, 0]
    codes[TEXTS + HBONE_HOST, row] = dst.codes[dst_group, 2]
    for field in range(5):
        codes[TEXTS + DST_TEXT + field, row] = dst.codes[dst_group, 4 + field]
    codes[TEXTS + ERROR_TEXT, row] = error
    codes[TEXTS + PREFIX_TEXT, row] = prefix
    ports[0, row] = src_port
    ports[1, row] = dst.codes[dst_group, 1]
    ports[2, row] = max(dst.codes[dst_group, 3], 0)
    numbers[TIME_ROW, row] = micros
    numbers[SENT_ROW, row] = i64(sent)
    numbers[RECEIVED_ROW, row] = i64(received)
    numbers[DURATION_ROW, row] = duration
    return _ROW


@inlined
def read_lines(
    base: int,
    stop: int,
    limit: int,
    texts: Texts,
    src: EndGroups,
    dst: EndGroups,
    columns: Columns,
    scratch: LineScratch,
    progress: Array,
) -> None:
    """Read the lines between `progress[POSITION]` and `stop` of a buffer at `base`, of which `limit` bytes may be read.

    Stops early for one of the reasons in `progress[STATE]`; everything before `progress[POSITION]` is then done.
    """
    position, line = progress[POSITION], progress[LINES]
    row, span, other = progress[ROWS], progress[SPANS], progress[OTHERS]
    rows, spans, others = columns.numbers.shape[1], columns.slow.shape[1], columns.other.shape[1]
    state, began, records = DONE, position, scratch.records
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
        while found + 2 * CHUNK_BYTES <= base + limit:
            newlines = _newlines(found)
            if newlines != u64(0):
                break
            found += CHUNK_BYTES
        if newlines == u64(0):
            state = TAIL
            break
        end = found + lowest(newlines)
        text, text_end, around, count, is_tree = start, end, i64(0), i64(1), False
        if start < end and (byte(end - 1) == ord("}") or byte(end - 1) == ord("]")):
            root = root_of(start, end)
            if root != NO and at_own(root):
                if end <= start + LINE:
                    text, text_end, around = own_json(start, root, end, scratch)
                if around == NO:
                    text, text_end, around = start, end, i64(0)
            elif root != NO:
                count = lines_inside(start, end, texts, scratch)
                is_tree = count > 0 and number_all(texts, start, end, count, scratch)
                if not is_tree:
                    count = i64(1)
        if row + count > rows or span + count > spans or other + count > others:
            if position > began:
                state = FULL
                break
            count, is_tree = i64(1), False  # it fits into no columns that there will be
        row_before, span_before, other_before = row, span, other
        record, is_full = i64(0), False
        while record < count and not is_full:
            at, stop_at, what = start, end, _LEFT
            if is_tree:
                at, stop_at = records[record, RECORD_BEGIN], records[record, RECORD_STOP]
                around = -1 - records[record, RECORD_CODE]
                text, text_end = taken_out(at, stop_at, records[record, RECORD_KIND], end, scratch)
            if start < end and text != NO and (is_tree or end <= start + LINE):
                what = _line(text, text_end, around, row, texts, src, dst, columns, scratch)
            if what == _OTHER:
                tab = text
                while byte(tab) != ord("\t"):
                    tab += 1
                prefix = _around_number(texts, text, tab - TIME_LENGTH - text, around, scratch)
                if prefix == TOO_MANY_ALIKE:
                    what = _LEFT
                else:
                    columns.other[0, other] = line
                    columns.other[1, other] = prefix
                    columns.other[2, other] = at - base
                    columns.other[3, other] = stop_at - base
                    other += 1
            if what == _ROW:
                columns.numbers[LINE_ROW, row] = line
                columns.numbers[START_ROW, row] = at - base
                row += 1
            elif what == _LEFT and is_tree:
                leave(columns.slow, span, line, i64(0), at - base, stop_at - base, records[record, RECORD_CODE])
                span += 1
            elif what == _LEFT:
                span = leave_line(columns.slow, span, line, position, end + 1 - base)
            record += 1
            is_full = is_tree and record < count and not has_room(texts, src, dst)
        if is_full:
            row, span, other = row_before, span_before, other_before
            if position > began:
                state = NO_ROOM
                break
            span = leave_line(columns.slow, span, line, position, end + 1 - base)
        position = end + 1 - base
        line += 1
    progress[POSITION], progress[LINES], progress[ROWS] = position, line, row
    progress[SPANS], progress[OTHERS], progress[STATE] = span, other, state
