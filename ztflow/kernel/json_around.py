"""Writes down what is around a line inside JSON, once for all that have the same around them, and numbers it."""

from __future__ import annotations

from ztflow.kernel.buffers import ARENA, CHUNK_BYTES, ENTRIES, LINE, USED_ARENA, USED_ENTRIES, Texts
from ztflow.kernel.dictionaries import NO_CODE, TOO_MANY_ALIKE, column_hash, find, number
from ztflow.kernel.field_text import AROUND_BYTES_OF_KEY
from ztflow.kernel.fields import NO
from ztflow.kernel.json_envelope import copied as copied_to
from ztflow.kernel.json_values import root_of, string_end
from ztflow.kernel.machine import byte, bytes_equal, called, i64, lowest, put_word, u64
from ztflow.kernel.table_layout import (
    AROUND_BYTES,
    AROUND_TEXT,
    DEPTH,
    LEVEL_ARRAY,
    LEVEL_FIRST,
    LEVEL_KEPT,
    LEVEL_OUT,
    LEVEL_PENDING,
    PREFIX_TEXT,
    RECORD_BEGIN,
    RECORD_CODE,
    RECORD_FRAME,
    RECORD_KIND,
    RECORD_STOP,
    LineScratch,
)

_QUOTE, _COMMA, _OPEN, _OPEN_ARRAY, _BLANK, _NEWLINE = (ord(char) for char in '",{[ \n')
_structure = bytes_equal('"', "{", "}", "[", "]", ",", "\n")

_NEW_AT_ONCE = 128
"""Texts that one physical line may add before it is left; two for each new envelope."""


@called
def surroundings(start: int, end: int, wanted: int, count: int, scratch: LineScratch) -> int:
    """Write down what is around one of the lines `lines_inside` found; its length, `NO` when it is too long.

    As the text before, a line end, the kind of the line, and the text behind; without the elements of arrays in which
    the other lines are.
    """
    levels, records = scratch.levels, scratch.records
    room = i64(scratch.prefix.ctypes.data) + AROUND_BYTES_OF_KEY
    target, copied = room, start
    at = root_of(start, end)
    depth, seen = i64(0), i64(0)
    levels[0, LEVEL_ARRAY] = 0
    while True:
        marks = _structure(at)
        if marks == u64(0):
            at += CHUNK_BYTES
            continue
        at += lowest(marks)
        if at >= end:
            break
        if target - room + at - copied > AROUND_BYTES - 2:
            return NO
        char = byte(at)
        own = seen < count and records[seen, RECORD_BEGIN] == at
        if own or (char == _QUOTE and seen < count and records[seen, RECORD_BEGIN] == at + 1):
            if seen == wanted:
                target = copied_to(copied, records[seen, RECORD_BEGIN], target)
                put_word(target, u64(_NEWLINE) | (u64(records[seen, RECORD_KIND]) << u64(8)))
                target += 2
                copied = records[seen, RECORD_STOP]
            else:
                copied = records[seen, RECORD_STOP]
            stop = records[seen, RECORD_STOP] - 1 if own else string_end(at + 1)
            seen += 1
            if stop == NO:
                return NO
            at = stop + 1
        elif char == _QUOTE:
            stop = string_end(at + 1)
            if stop == NO:
                return NO
            at = stop + 1
        elif char == _OPEN or char == _OPEN_ARRAY:  # noqa: PLR1714, SIM109
            target = copied_to(copied, at, target)
            copied = at
            depth += 1
            if depth == DEPTH:  # what was known by its text was not looked into
                return NO
            levels[depth, LEVEL_OUT] = target
            levels[depth, LEVEL_FIRST] = seen
            levels[depth, LEVEL_ARRAY] = 1 if char == _OPEN_ARRAY else 0
            levels[depth, LEVEL_KEPT] = 0
            levels[depth, LEVEL_PENDING] = 0
            if levels[depth - 1, LEVEL_ARRAY] and levels[depth - 1, LEVEL_PENDING]:
                if levels[depth - 1, LEVEL_KEPT]:
                    put_word(target, u64(_COMMA))
                    target += 1
                levels[depth - 1, LEVEL_PENDING] = 0
            at += 1
        elif char == _COMMA:
            after = at + 1 if byte(at + 1) != _BLANK else at + 2
            if levels[depth, LEVEL_ARRAY] and (byte(after) == _OPEN or byte(after) == _OPEN_ARRAY):
                target = copied_to(copied, at, target)
                copied = after
                levels[depth, LEVEL_PENDING] = 1
            at += 1
        else:
            first = levels[depth, LEVEL_FIRST]
            at += 1
            if depth > 1 and levels[depth - 1, LEVEL_ARRAY]:
                if seen > first and not first <= wanted < seen:
                    target, copied = levels[depth, LEVEL_OUT], at
                else:
                    levels[depth - 1, LEVEL_KEPT] = 1
            depth -= 1
            if depth <= 0:
                break
    if target - room + end - copied > AROUND_BYTES - 2:
        return NO
    return copied_to(copied, end, target) - room


@called
def _number_of(texts: Texts, start: int, end: int, record: int, count: int, scratch: LineScratch) -> int:
    """Number of what is around a line, its text kept when it is new; `TOO_MANY_ALIKE` also for one refused before."""
    room = i64(scratch.prefix.ctypes.data)
    kind, frame = u64(scratch.records[record, RECORD_KIND]), u64(scratch.records[record, RECORD_FRAME])
    put_word(room, u64(_NEWLINE) | (u64(_NEWLINE) << u64(8)) | (kind << u64(16)))
    put_word(room + 3, frame)
    entry = find(
        texts, PREFIX_TEXT, room, AROUND_BYTES_OF_KEY, column_hash(texts, PREFIX_TEXT, room, AROUND_BYTES_OF_KEY)
    )
    if entry == NO_CODE:
        entry = number(texts, PREFIX_TEXT, room, AROUND_BYTES_OF_KEY)
        length = surroundings(start, end, record, count, scratch)
        if length == NO:
            texts.refused[entry] = 1
        else:
            # the key is still before it
            number(texts, AROUND_TEXT, room, AROUND_BYTES_OF_KEY + length)
    if entry < 0 or texts.refused[entry]:
        return TOO_MANY_ALIKE
    return i64(texts.codes[entry])


@called
def number_all(texts: Texts, start: int, end: int, count: int, scratch: LineScratch) -> bool:
    """Number what is around each of the lines; false when one of them was refused, so that all must be left.

    Also when too many are new at once: each is found by going through the whole physical line. They are known the next
    time.
    """
    records = scratch.records
    known = texts.used[USED_ENTRIES]
    for record in range(count):
        if record > 0 and records[record, RECORD_FRAME] == records[record - 1, RECORD_FRAME]:
            records[record, RECORD_CODE] = records[record - 1, RECORD_CODE]
            continue
        used = texts.used[USED_ENTRIES]
        if used - known > _NEW_AT_ONCE or used + 2 >= ENTRIES or texts.used[USED_ARENA] + LINE >= ARENA:
            return False
        code = _number_of(texts, start, end, record, count, scratch)
        if code == TOO_MANY_ALIKE:
            return False
        records[record, RECORD_CODE] = code
    return True
