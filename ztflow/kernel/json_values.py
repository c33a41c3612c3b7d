r"""What a JSON value is known by: hashes of texts, numbers and words, and whole objects that came before.

Hashes are salted, so that no one who writes logs can make two values alike. Every load is at most `CHUNK_BYTES` bytes
from a byte of the line, as `lines` demands.
"""

from __future__ import annotations

from ztflow.kernel.buffers import CHUNK_BYTES
from ztflow.kernel.dictionaries import same
from ztflow.kernel.fields import NO
from ztflow.kernel.json_envelope import copied
from ztflow.kernel.machine import (
    byte,
    bytes_equal,
    called,
    copy_digitless,
    flag,
    i64,
    inlined,
    lowest,
    string_stops,
    u64,
    word,
)
from ztflow.kernel.table_layout import KEPT_BITS, KEPT_BYTES, KEPT_LENGTH, KEPT_VALUE, PREFIX_BYTES, LineScratch

_QUOTE, _ESCAPE, _OPEN, _OPEN_ARRAY, _NEWLINE, _ZERO, _NINE, _DASH, _T = (ord(char) for char in '"\\{[\n09-T')

_quotes, _escapes = bytes_equal('"'), bytes_equal("\\")
_digits = bytes_equal("0")
_of_numbers = bytes_equal("0", ".")
_of_times = bytes_equal("0", ":", ".", ",", "+", "-", "T", "Z")

_LEAST_DIGITS = 3
"""Characters of a number that may be another in the next record: an offset, a clock, a size."""
_CLOCK_DIGITS = 10
"""Digits of a text that is a time since 1970: seconds from 2001 on, and all finer units."""
_TIME_BYTES = 40
"""No time is spelled longer."""
LOOKED_AT = 96
"""Bytes by which a longer object is looked up."""

_A, _B, _C, _D = (
    u64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)
_ONE, _LAST = u64(1), u64(63)
TEXT, NUMBER, VARYING, OBJECT, LIST, LINE_INSIDE = (u64(number) for number in range(1, 7))
"""What a value is."""


@inlined
def mixed(a: int, b: int, salt: int) -> int:
    """Two numbers as one. No use to anyone who does not know the salt: it is in both factors."""
    found = ((a ^ salt) * _A) ^ (b + (salt << u64(1)))
    found ^= found >> u64(29)
    found *= ((a + salt) * _B) | _ONE
    found ^= found >> u64(32)
    found *= _D
    return found ^ (found >> u64(31))


@inlined
def _few(value: int, count: int) -> int:
    """The first `count` bytes of a word, all from 8 on."""
    return value if count >= 8 else value & ((_ONE << u64(8 * count)) - _ONE)


@called
def hash_of_text(at: int, count: int, salt: int) -> int:
    """Hash of some bytes. Loads up to 15 bytes past them."""
    found = salt + u64(count) * _C
    while count > 0:
        first = _few(word(at), count) ^ salt
        second = u64(0) if count <= 8 else _few(word(at + 8), count - 8)
        found = (found ^ (found >> u64(29)) ^ first) * ((second + (salt >> u64(7))) | _ONE)
        found = (found ^ (found >> u64(31)) ^ second) * _D
        at += 16
        count -= 16
    return found ^ (found >> u64(30))


@called
def string_end(at: int) -> int:
    """Where the JSON string is closed that was opened before `at`; `NO` for anything but printable ASCII in it."""
    while True:
        marks = string_stops(at)
        if marks == u64(0):
            at += CHUNK_BYTES
            continue
        escapes, quotes = _escapes(at), _quotes(at)
        if escapes & (escapes << _ONE) == u64(0):
            closing = lowest(quotes & ~(escapes << _ONE))
            if lowest(marks & ~escapes & ~quotes) < closing:
                return NO
            if closing < CHUNK_BYTES:
                return at + closing
            at += CHUNK_BYTES - i64(escapes >> _LAST)
            continue
        at += lowest(marks)
        char = byte(at)
        if char == _QUOTE:
            return at
        if char != _ESCAPE or byte(at + 1) == _NEWLINE:
            return NO
        at += 2


@inlined
def root_of(start: int, end: int) -> int:
    """Where the JSON of a physical line begins; `NO` when it has none."""
    char = byte(start)
    if char == _OPEN or (char == _OPEN_ARRAY and (byte(start + 1) == _OPEN or byte(start + 1) == _OPEN_ARRAY)):
        return start
    at = start
    while at < end and byte(at) != _OPEN:
        at += 1
    return at if at < end and at - start <= PREFIX_BYTES else i64(NO)


@called
def leaf(at: int, count: int, salt: int, room: int) -> int:
    """Hash of a text that is no line; 0 for a time or a clock, which may be another in the next record."""
    char = byte(at)
    if _ZERO <= char <= _NINE and _CLOCK_DIGITS <= count <= _TIME_BYTES:
        copy_digitless(room, at)
        behind = u64(CHUNK_BYTES - count)
        if _digits(room) << behind == (~u64(0)) << behind:
            return u64(0)
        if (
            byte(room + 4) == _DASH
            and byte(room + 7) == _DASH
            and byte(room + 10) == _T
            and _of_times(room) << behind == (~u64(0)) << behind
        ):
            return u64(0)
    return mixed(TEXT, hash_of_text(at, count, salt), salt) | _ONE


@inlined
def scalar(at: int, length: int, salt: int, room: int) -> int:
    """Hash of a number or a word; 0 for a number of three or more characters: it varies."""
    char = byte(at)
    if _ZERO <= char <= _NINE and _LEAST_DIGITS <= length <= _TIME_BYTES:
        copy_digitless(room, at)
        behind = u64(CHUNK_BYTES - length)
        if _of_numbers(room) << behind == (~u64(0)) << behind:
            return u64(0)
    return mixed(NUMBER, hash_of_text(at, length, salt), salt) | _ONE


@inlined
def slot_of(at: int) -> int:
    """Where an object with these first 32 bytes is kept."""
    found = word(at) * _A + word(at + 8) * _B + word(at + 16) * _C + word(at + 24) * _D
    found = (found ^ (found >> u64(31))) * _B
    return i64(found >> u64(64 - KEPT_BITS))


@inlined
def longer_slot(at: int, slot: int) -> int:
    """Where one that is longer is kept, by its first 96 bytes."""
    found = u64(slot)
    for place in range(32, LOOKED_AT, 16):
        found = (found ^ (found >> u64(29)) ^ word(at + place)) * _A + word(at + place + 8) * _B
    found = (found ^ (found >> u64(31))) * _B
    return i64(found >> u64(64 - KEPT_BITS))


@inlined
def is_kept(scratch: LineScratch, slot: int, at: int, end: int) -> bool:
    """Whether the object or array that begins here is the one kept there."""
    length = scratch.kept[slot, KEPT_LENGTH]
    return flag(
        length > 0 and at + length <= end and same(i64(scratch.kept_texts.ctypes.data) + slot * KEPT_BYTES, at, length)
    )


@called
def keep_object(scratch: LineScratch, at: int, stop: int, end: int, value: int) -> None:
    """Keep an object or array without lines, times and numbers, so that it is known when it comes again."""
    length = stop - at
    if length > KEPT_BYTES or at + LOOKED_AT >= end:
        return
    slot = slot_of(at)
    if length >= LOOKED_AT:
        slot = longer_slot(at, slot)
    copied(at, stop, i64(scratch.kept_texts.ctypes.data) + slot * KEPT_BYTES)
    scratch.kept[slot, KEPT_LENGTH], scratch.kept[slot, KEPT_VALUE] = length, i64(value)
