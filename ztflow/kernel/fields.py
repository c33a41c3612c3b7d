"""Reads single values and proves them byte by byte: numbers, times, addresses, texts.

Every function takes addresses inside a line that ends with a line end and has `CHUNK_BYTES` readable bytes after it,
and accepts only what the scanner reads to the same value; everything else it declines.
"""

from __future__ import annotations

from typing import Final

from ztflow.columns.dtypes import NO_TIME
from ztflow.kernel.buffers import CHUNK_BYTES
from ztflow.kernel.machine import (
    byte,
    bytes_equal,
    called,
    constant,
    highest,
    i64,
    inlined,
    lowest,
    stops,
    text_at,
    u64,
    word,
)
from ztflow.parse.values import FIRST_YEAR, LAST_YEAR

QUOTE: Final = ord('"')
BLANK: Final = ord(" ")
_COLON, _DOT, _OPEN, _CLOSE = ord(":"), ord("."), ord("["), ord("]")
_ZERO, _NINE, _A, _F, _Z, _X = (ord(char) for char in "09afzx")
_NEWLINE = ord("\n")

NO: Final = -1
"""What a function gives for a value it does not accept."""

_blanks = bytes_equal(" ")
_blanks_or_quotes = bytes_equal(" ", '"')
_colons = bytes_equal(":")
_quote_marks = bytes_equal('"', "\\", "\n")
_is_redacted = text_at("redacted")

_ZEROS = u64(0x3030303030303030)
_HIGH = u64(0x8080808080808080)
_TO_HIGH = u64(0x4646464646464646)  # lifts every byte past `9` over 0x7f
_NIBBLES = u64(0xF0F0F0F0F0F0F0F0)
_SIXES = u64(0x0606060606060606)
_PAIRS = u64(0x000000FF000000FF)
_TEN_1 = u64(0x000F424000000064)  # 100 and 1000000, for pairs of digits
_TEN_2 = u64(0x0000271000000001)  # 1 and 10000


@inlined
def eight_digits(digits: int) -> int:
    """The number of eight digit values 0 to 9, the first lowest."""
    digits = digits * u64(10) + (digits >> u64(8))
    return ((digits & _PAIRS) * _TEN_1 + ((digits >> u64(16)) & _PAIRS) * _TEN_2) >> u64(32)


@inlined
def are_digits(chars: int) -> bool:
    """Whether all eight bytes are digits."""
    return (chars & _NIBBLES) | (((chars + _SIXES) & _NIBBLES) >> u64(4)) == u64(0x3333333333333333)


@inlined
def digits_at(at: int) -> int:
    """How many of the eight bytes from here on are digits, up to the first that is none."""
    chars = word(at)
    return lowest(((chars - _ZEROS) | (chars + _TO_HIGH)) & _HIGH) >> 3


@inlined
def some_digits(at: int, count: int) -> int:
    """The number made of the 1 to 8 digits here."""
    return eight_digits((word(at) - _ZEROS) << u64(8 * (8 - count)))


@inlined
def integer(at: int) -> tuple[int, int]:
    """An unsigned number of 1 to 18 digits, and where it ends; `NO` as the end when there is none such."""
    count = digits_at(at)
    if count == 0:
        return u64(0), NO
    value = some_digits(at, count)
    if count < 8:
        return value, at + count
    return _long_integer(at + 8, value)


@called
def _long_integer(at: int, value: int) -> tuple[int, int]:
    total = 8
    while True:
        digit = byte(at) - _ZERO
        if digit < 0 or digit > 9:
            return value, at
        total += 1
        if total > 18:
            return u64(0), NO
        value = value * u64(10) + u64(digit)
        at += 1


@inlined
def port(at: int, end: int) -> int:
    """A port that fills the bytes up to `end`: 1 to 5 digits, at most 65535; `NO`."""
    count = end - at
    if count < 1 or count > 5 or digits_at(at) != count:
        return NO
    value = i64(some_digits(at, count))
    return value if value <= 65535 else NO


# ---- times ----------------------------------------------------------------------------------------------------------


@inlined
def _two(at: int) -> int:
    """Two digits; a large negative number when they are none."""
    tens, ones = byte(at) - _ZERO, byte(at + 1) - _ZERO
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -100000
    return tens * 10 + ones


@called
def minute_at(at: int) -> int:
    """Microseconds since 1970 of `YYYY-MM-DDTHH:MM`; `NO_TIME` when no such minute is here."""
    year, month, day = _two(at) * 100 + _two(at + 2), _two(at + 5), _two(at + 8)
    hour, minute = _two(at + 11), _two(at + 14)
    signs = byte(at + 4) == ord("-") and byte(at + 7) == ord("-") and byte(at + 10) == ord("T")
    if not signs or byte(at + 13) != _COLON:
        return NO_TIME
    if (
        year < FIRST_YEAR
        or year > LAST_YEAR
        or month < 1
        or month > 12
        or day < 1
        or hour < 0
        or hour > 23
        or minute < 0
        or minute > 59
    ):
        return NO_TIME
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    short = 30 if month in (4, 6, 9, 11) else 31
    if day > (short if month != 2 else 29 if leap else 28):
        return NO_TIME
    # Days since 1970-01-01 with years that begin in March, so that the leap day is the last of its year.
    shifted = year - 1 if month <= 2 else year
    era_year = shifted % 400
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = (shifted // 400) * 146097 + era_year * 365 + era_year // 4 - era_year // 100 + day_of_year - 719468
    return (days * 1440 + hour * 60 + minute) * 60_000_000


_POINTS = u64(constant(":\0\0.") | 0)
_POINT_BYTES = u64(0x00000000FF0000FF)


@inlined
def seconds(second: int, fraction: int) -> int:
    """Microseconds of `:SS.ffffff` in the words `:SS.ffff` and `ff……`; `NO`."""
    if second & _POINT_BYTES != _POINTS:
        return NO
    chars = (
        (second >> u64(32)) | ((fraction & u64(0xFFFF)) << u64(32)) | ((second << u64(40)) & u64(0xFFFF000000000000))
    )
    if not are_digits(chars):
        return NO
    value = eight_digits(chars - _ZEROS)
    micros, whole = value // u64(100), value % u64(100)
    if whole > u64(59):
        return NO
    return i64(whole * u64(1_000_000) + micros)


# ---- addresses ------------------------------------------------------------------------------------------------------


@inlined
def address_end(at: int) -> tuple[int, int]:
    """Where a bare `HOST:PORT ` splits: its last colon and the blank after it; `NO` when it is not one."""
    blanks = _blanks(at)
    length = lowest(blanks)
    if length == CHUNK_BYTES:
        return _long_address_end(at)
    colon = highest(_colons(at) & ((u64(1) << u64(length)) - u64(1)))
    return at + colon if colon > 0 else NO, at + length


@called
def _long_address_end(at: int) -> tuple[int, int]:
    end, colon = at, NO
    while byte(end) != BLANK:
        if byte(end) == _NEWLINE:
            return NO, end
        if byte(end) == _COLON:
            colon = end
        end += 1
    return colon if colon > at else NO, end


@called
def is_ip(at: int, count: int) -> bool:
    """Whether these bytes are an address as ztunnel prints it: dotted IPv4, or IPv6 in brackets, lower case.

    Stricter than the scanner where real logs never go (no IPv4 inside IPv6, no scope): declining is always right.
    """
    end = at + count
    if byte(at) != _OPEN:
        return _is_ipv4(at, end)
    return byte(end - 1) == _CLOSE and _is_ipv6(at + 1, end - 1)


@called
def _is_ipv4(at: int, end: int) -> bool:
    for part in range(4):
        begin, value = at, 0
        while at < end and _ZERO <= byte(at) <= _NINE and at - begin < 3:
            value = value * 10 + byte(at) - _ZERO
            at += 1
        if at == begin or value > 255 or (byte(begin) == _ZERO and at - begin > 1):
            return False
        if part < 3:
            if at >= end or byte(at) != _DOT:
                return False
            at += 1
    return at == end


@called
def _is_ipv6(at: int, end: int) -> bool:
    groups, gaps = 0, 0
    if at + 1 < end and byte(at) == _COLON and byte(at + 1) == _COLON:
        gaps = 1
        at += 2
    while at < end:
        begin = at
        while at < end and (_ZERO <= byte(at) <= _NINE or _A <= byte(at) <= _F):
            at += 1
        if at == begin or at - begin > 4:
            return False
        groups += 1
        if at == end:
            break
        if byte(at) != _COLON:
            return False
        at += 1
        if at == end:
            return False
        if byte(at) == _COLON:
            gaps += 1
            at += 1
    return (gaps == 0 and groups == 8) or (gaps == 1 and groups <= 6)


@called
def is_host(at: int, count: int) -> bool:
    """Whether these bytes are a host name that cannot be taken for an address or a masked one."""
    if byte(at) < _A or byte(at) > _Z or (count == 8 and _is_redacted(at)):
        return False
    told = False
    for place in range(at, at + count):
        char = byte(place)
        lower = _A <= char <= _Z
        if not lower and not (_ZERO <= char <= _NINE) and char != _DOT and char != ord("-"):
            return False
        told |= lower and char != _X
    return told


# ---- texts ----------------------------------------------------------------------------------------------------------


@called
def text(at: int, bare: bool) -> tuple[int, int, int]:
    """A text value and the blank behind it: where it begins, how long it is, where the next field begins.

    Accepts one or more characters of printable ASCII without backslash and `[`, in quotes, or bare if `bare`. The next
    field is `NO` when the value is not of that kind.
    """
    if byte(at) == QUOTE:
        begin = at + 1
        end = begin
        while True:
            marks = stops(end)
            if marks != u64(0):
                break
            end += CHUNK_BYTES
        end += lowest(marks)
        if end == begin or byte(end) != QUOTE or byte(end + 1) != BLANK:
            return 0, 0, NO
        return begin, end - begin, end + 2
    if not bare:
        return 0, 0, NO
    end = at
    while True:
        marks = stops(end) | _blanks_or_quotes(end)
        if marks != u64(0):
            break
        end += CHUNK_BYTES
    end += lowest(marks)
    if end == at or byte(end) != BLANK:
        return 0, 0, NO
    return at, end - at, end + 1


@called
def quoted_end(at: int) -> int:
    """Where the quote closes that was opened before `at`; escapes are stepped over. `NO` when the line ends first."""
    while True:
        marks = _quote_marks(at)
        if marks == u64(0):
            at += CHUNK_BYTES
            continue
        at += lowest(marks)
        if byte(at) == QUOTE:
            return at
        if byte(at) == _NEWLINE:
            return NO
        if byte(at + 1) == _NEWLINE:
            return NO
        at += 2
