r"""Takes a line out of a JSON string, or turns ztunnel's own JSON into a plain line.

`{"message":"TIME\tinfo\taccess\t…","nodeName":…}` is an envelope around a plain line. The kernel proves only that the
middle is a JSON string (or ztunnel's own object) and undoes its escapes. `read.unwrap` is asked once per distinct
envelope whether that string really is a log line, and which ztunnel wrote it. What is around a line is told apart in
`json_tree`; before ztunnel's own JSON there can only be a prefix, whose times have zeros for digits.

Nothing is loaded past `CHUNK_BYTES` bytes behind the line end, for the reasons in `lines`. What is written stays within
the rooms of `LineScratch`: they are `4 * CHUNK_BYTES` longer than what is allowed in them.
"""

from __future__ import annotations

from ztflow.kernel.buffers import CHUNK_BYTES, Texts
from ztflow.kernel.dictionaries import TOO_MANY_ALIKE, number
from ztflow.kernel.field_text import IN_STRING, OWN_JSON
from ztflow.kernel.fields import NO
from ztflow.kernel.machine import (
    byte,
    called,
    copy_chunk,
    flag,
    i64,
    inlined,
    lowest,
    put_text,
    put_word,
    string_stops,
    text_at,
    u64,
    word,
)
from ztflow.kernel.prefix_or_envelope import without_times
from ztflow.kernel.table_layout import INSIDE_BYTES, PREFIX_TEXT, TIME_LENGTH, LineScratch
from ztflow.model.schema import ACCESS_SCOPE
from ztflow.model.vocabulary import LogLevel

_IN_STRING, _OWN = (i64(ord(kind)) for kind in (IN_STRING, OWN_JSON))


_QUOTE, _ESCAPE, _SLASH, _COMMA, _COLON, _OPEN, _CLOSE = (ord(char) for char in '"\\/,:{}')
_T, _N, _U, _B, _A, _F, _Z, _ZERO, _NINE, _DOT, _LOW_LINE = (ord(char) for char in "tnubafz09._")

_BEGIN = '{"level":"'
at_own, _BEGIN_LENGTH = text_at(_BEGIN), len(_BEGIN)
_at_info, _at_warn, _at_error = text_at('info"'), text_at('warn"'), text_at('error"')
_TIME_KEY = ',"time":"'
_at_time, _TIME_KEY_LENGTH = text_at(_TIME_KEY), len(_TIME_KEY)
_MESSAGE_KEYS = f'","scope":"{ACCESS_SCOPE}","message":"connection '
_at_message, _MESSAGE_KEYS_LENGTH = text_at(_MESSAGE_KEYS), len(_MESSAGE_KEYS)
_at_complete, _at_failed = text_at('complete"'), text_at('failed"')
_put_info, _put_warn, _put_error = (
    put_text(f"\t{level}\t{ACCESS_SCOPE}\t") for level in (LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)
)
_put_complete, _put_failed = put_text("connection complete\t"), put_text("connection failed\t")
_ends_address = text_at("addr")
_is_error = text_at('error"')
_BLANK, _NEWLINE = ord(" "), ord("\n")
_NO_ESCAPES = flag(False)
_KEY_BYTES = 24
"""No key of an access line is longer."""


@inlined
def _hex(char: int) -> int:
    """The value of a hexadecimal digit; a large negative number when it is none."""
    if _ZERO <= char <= _NINE:
        return char - _ZERO
    char |= 0x20
    return char - _A + 10 if _A <= char <= _F else -1000


@called
def _unescaped(at: int, room: int) -> tuple[int, int]:
    """A JSON string from behind its opening quote on, its escapes undone: its length in `room`, and where it stops.

    It stops at the closing quote, or at the escaped line end before it. `NO` for anything but printable ASCII and tabs.
    """
    target = room
    while True:
        marks = string_stops(at)
        copy_chunk(target, at)
        count = lowest(marks)
        at += count
        target += count
        if target - room > INSIDE_BYTES:
            return NO, at
        if count == CHUNK_BYTES:
            continue
        char = byte(at)
        if char == _QUOTE:
            return target - room, at
        if char != _ESCAPE:
            return NO, at
        char = byte(at + 1)
        if char == _T:
            char = 9
        elif char == _N:
            return (target - room, at) if byte(at + 2) == _QUOTE else (NO, at)
        elif char == _U:
            char = _hex(byte(at + 4)) * 16 + _hex(byte(at + 5))
            if byte(at + 2) != _ZERO or byte(at + 3) != _ZERO or (char != 9 and (char < 0x20 or char > 0x7E)):
                return NO, at
            at += 4
        elif char != _QUOTE and char != _ESCAPE and char != _SLASH:  # noqa: PLR1714
            return NO, at
        put_word(target, u64(char))
        target += 1
        at += 2


@called
def _string(at: int, target: int, limit: int, escapes: bool) -> tuple[int, int]:
    r"""Copy a JSON string as it is, from behind its opening quote on: where its closing quote is, and the copy's end.

    `NO` for anything but printable ASCII, for escapes that are not allowed, and (if they are) but `\"` and `\\`.
    """
    while True:
        marks = string_stops(at)
        copy_chunk(target, at)
        count = lowest(marks)
        at += count
        target += count
        if target > limit:
            return NO, target
        if count == CHUNK_BYTES:
            continue
        if byte(at) == _QUOTE:
            return at, target
        if not escapes or byte(at) != _ESCAPE or (byte(at + 1) != _QUOTE and byte(at + 1) != _ESCAPE):
            return NO, target
        put_word(target, word(at))
        target += 2
        at += 2


@called
def in_plain_layout(at: int, end: int, room: int) -> tuple[int, int]:
    """Ztunnel's own JSON access line, from here on, as its plain line: its length in `room`, and where the object ends.

    Says nothing about keys and values that the reader of plain lines does not see by itself; only what that could not
    tell is proved here: that a value is of the JSON type it must be, and ends where it seems to.
    """
    limit = room + INSIDE_BYTES
    at += _BEGIN_LENGTH
    level = at
    at += 6 if _at_error(at) else 5 if _at_info(at) or _at_warn(at) else 0
    if not _at_time(at):
        return NO, at
    at += _TIME_KEY_LENGTH
    if at + TIME_LENGTH > end:
        return NO, at
    copy_chunk(room, at)
    target = room + TIME_LENGTH
    at += TIME_LENGTH
    if not _at_message(at):
        return NO, at
    at += _MESSAGE_KEYS_LENGTH
    if _at_info(level):
        target = _put_info(target)
    elif _at_warn(level):
        target = _put_warn(target)
    else:
        target = _put_error(target)
    if _at_complete(at):
        target = _put_complete(target)
        at += 9
    elif _at_failed(at):
        target = _put_failed(target)
        at += 7
    else:
        return NO, at
    while byte(at) == _COMMA:
        key = at + 2
        if byte(at + 1) != _QUOTE or target > limit:
            return NO, at
        copy_chunk(target, key)
        at = key
        while _A <= byte(at) <= _Z or byte(at) == _DOT or byte(at) == _LOW_LINE:
            at += 1
        if at == key or at - key > _KEY_BYTES or byte(at) != _QUOTE or byte(at + 1) != _COLON:
            return NO, at
        target += at - key
        put_word(target, u64(0x223D))  # `="`
        at += 2
        if byte(at) == _QUOTE:
            if at - key > 6 and _ends_address(at - 6):
                begin = at + 1
                at, target = _string(begin, target + 1, limit, _NO_ESCAPES)
                blank = begin
                while blank < at:
                    if byte(blank) == _BLANK:
                        return NO, at
                    blank += 1
            else:
                at, target = _string(at + 1, target + 2, limit, _is_error(key))
                put_word(target, u64(_QUOTE))
                target += 1
            if at == NO:
                return NO, at
            at += 1
        else:
            begin = at
            target += 1
            copy_chunk(target, at)
            while _ZERO <= byte(at) <= _NINE:
                at += 1
            count = at - begin
            if byte(key) != _B or count < 1 or count > 20 or (byte(begin) == _ZERO and count > 1):
                return NO, at
            target += count
        put_word(target, u64(0x20))
        target += 1
    if byte(at) != _CLOSE:
        return NO, at
    return target - 1 - room, at + 1


@called
def copied(at: int, end: int, target: int) -> int:
    """Copy some bytes; where the copy ends."""
    while at < end:
        count = min(end - at, i64(CHUNK_BYTES))
        copy_chunk(target, at)
        at += count
        target += count
    return target


@called
def own_json(start: int, root: int, end: int, scratch: LineScratch) -> tuple[int, int, int]:
    """Ztunnel's own JSON line, from `root` on behind some prefix, as its plain line.

    Where that begins and ends, in a buffer of `scratch` and followed by a line end, and the length of its envelope in
    another: the prefix, a line end, the kind. `NO` when it is something else.
    """
    room, around = i64(scratch.plain.ctypes.data), i64(scratch.prefix.ctypes.data)
    length, stop = in_plain_layout(root, end, room)
    if length == NO or stop != end:
        return NO, NO, NO
    put_word(room + length, u64(_NEWLINE))
    behind = copied(start, root, around)
    without_times(around, root - start)
    put_word(behind, u64(_NEWLINE) | (u64(_OWN) << u64(8)))
    return room, room + length, behind + 2 - around


@called
def taken_out(begin: int, stop: int, kind: int, end: int, scratch: LineScratch) -> tuple[int, int]:
    """A line inside JSON as its plain line, in a buffer of `scratch` and followed by a line end; where it ends.

    `NO` for what is not just that.
    """
    room = i64(scratch.plain.ctypes.data)
    if kind == _OWN:
        length, over = in_plain_layout(begin, end, room)
        if over != stop:
            return NO, NO
    else:
        text = i64(scratch.inside.ctypes.data)
        length, over = _unescaped(begin, text)
        if length == NO or over != stop:
            return NO, NO
        if kind == _IN_STRING:
            room = text
        else:
            inner = text + length
            put_word(inner, u64(_NEWLINE))
            if not at_own(text):
                return NO, NO
            length, over = in_plain_layout(text, inner, room)
            if over != inner:
                return NO, NO
    if length == NO:
        return NO, NO
    put_word(room + length, u64(_NEWLINE))
    return room, room + length


@inlined
def envelope_number(texts: Texts, count: int, scratch: LineScratch) -> int:
    """Number of the envelope `own_json` wrote down last; `TOO_MANY_ALIKE` also for one refused before."""
    entry = number(texts, PREFIX_TEXT, i64(scratch.prefix.ctypes.data), count)
    if entry < 0 or texts.refused[entry]:
        return TOO_MANY_ALIKE
    return i64(texts.codes[entry])
