"""Numbers the prefix before a line, and recognises lines of other scopes that need only be counted."""

from __future__ import annotations

from ztflow.kernel.buffers import CHUNK_BYTES, Texts
from ztflow.kernel.dictionaries import NO_CODE, TOO_MANY_ALIKE, number
from ztflow.kernel.fields import NO, integer
from ztflow.kernel.machine import (
    byte,
    bytes_equal,
    called,
    constant,
    copy_chunk,
    i64,
    inlined,
    lowest,
    put_word,
    text_at,
    u64,
    word,
)
from ztflow.kernel.table_layout import PREFIX_TEXT, LineScratch

_at_http, _HTTP_LENGTH = text_at("\thttp access\t"), len("\thttp access\t")
_at_xds, _XDS_LENGTH = text_at("\txds\t"), len("\txds\t")
_XDS_CLIENT = "\txds::client:xds{id="
_at_xds_client, _XDS_CLIENT_LENGTH = text_at(_XDS_CLIENT), len(_XDS_CLIENT)
_at_span_end = text_at("}\t")
_CONNECTI, _RUNNING, _SRC_ADDR, _DIRECTIO = (
    u64(constant(word)) for word in ("connecti", "running ", "src.addr", "directio")
)
_ACCESS_WORD, _ACCESS_MASK = u64(constant("access")), u64((1 << 48) - 1)

_tees = bytes_equal("T")
_colons = bytes_equal(":")
_DASH, _COLON, _BLANK, _QUOTE, _ZERO, _NINE = (ord(char) for char in '-: "09')
_OPEN = ord("[")
_BUT_FIRST = u64(0xFFFFFFFFFFFFFF00)


@called
def without_times(at: int, count: int) -> None:
    """Turn the digits of every time that begins `YYYY-MM-DDTHH:` into zeros, up to a blank or a quote.

    So the text around a line is the same for every line. Loads up to `CHUNK_BYTES` bytes past the text.
    """
    passed = 0
    while passed < count:
        marks = _tees(at + passed)
        while marks != u64(0):
            place = passed + lowest(marks) - 10
            marks &= marks - u64(1)
            if place + 13 >= count:
                return
            if (
                place >= 0
                and byte(at + place + 4) == _DASH
                and byte(at + place + 7) == _DASH
                and byte(at + place + 13) == _COLON
            ):
                while place < count and byte(at + place) != _BLANK and byte(at + place) != _QUOTE:
                    char = byte(at + place)
                    if _ZERO <= char <= _NINE:
                        put_word(at + place, (word(at + place) & _BUT_FIRST) | u64(_ZERO))
                    place += 1
        passed += CHUNK_BYTES


@inlined
def _may_hold_time(at: int, count: int) -> bool:
    """Whether a prefix has a colon: most have none, and are looked up in place."""
    passed = 0
    while passed < count:
        if lowest(_colons(at + passed)) < count - passed:
            return True
        passed += CHUNK_BYTES
    return False


@called
def prefix_number(texts: Texts, at: int, count: int, scratch: LineScratch) -> int:
    """Number of the prefix of a line; `NO_CODE` for none, `TOO_MANY_ALIKE` also for one refused before."""
    if count == 0:
        return NO_CODE
    if _may_hold_time(at, count):
        room = i64(scratch.prefix.ctypes.data)
        done = 0
        while done < count:
            copy_chunk(room + done, at + done)
            done += CHUNK_BYTES
        without_times(room, count)
        at = room
    entry = number(texts, PREFIX_TEXT, at, count)
    if entry < 0 or texts.refused[entry]:
        return TOO_MANY_ALIKE
    return i64(texts.codes[entry])


@called
def is_silent(at: int, end: int) -> bool:
    """Whether a line of another scope, from the tab before its scope on, surely only needs to be counted."""
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
        if (char < 0x20 and char != 9) or char >= 0x7F or char == _OPEN or chars == _CONNECTI or chars == _RUNNING:  # noqa: PLR1714, SIM109
            return False
        if not http and (chars == _SRC_ADDR or chars == _DIRECTIO or (chars & _ACCESS_MASK) == _ACCESS_WORD):  # noqa: PLR1714, SIM109
            return False
        at += 1
    return byte(end - 1) != ord(")") and byte(end - 1) != ord("=")
