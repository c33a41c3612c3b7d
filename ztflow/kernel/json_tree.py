r"""Finds the lines inside the JSON of one physical line, and tells what is around each apart from all other surroundings.

What is around a line is told by a salted hash of the tree it hangs in: keys, texts and nesting, but neither the order
of the members of an object (beats, the collector and all that write Go's maps have none), nor times and numbers of
three or more digits. An element of an array that holds a line is no part of what is around the other lines: so each
record of a batch has the same surroundings as if it had come alone. `read.unwrap.envelopes` proves, once per distinct
surroundings, that this is how they are read.

Nothing is looked at behind the line end: a string that is not closed before it is no string, and every other token is
left at the first byte that does not belong to it.
"""

from __future__ import annotations

from ztflow.jit.link import Array
from ztflow.kernel.buffers import CHUNK_BYTES, LINE, SALT, Texts
from ztflow.kernel.field_text import AROUND_BYTES_OF_KEY, IN_STRING, OWN_JSON, OWN_JSON_IN_STRING
from ztflow.kernel.dictionaries import NO_CODE, TOO_MANY_ALIKE, column_hash, find, number, same
from ztflow.kernel.fields import NO
from ztflow.kernel.json_envelope import at_own, in_plain_layout
from ztflow.kernel.json_envelope import copied as copied_to
from ztflow.kernel.machine import (
    byte,
    bytes_equal,
    called,
    copy_chunk,
    copy_digitless,
    flag,
    i64,
    inlined,
    lowest,
    put_word,
    string_stops,
    text_at,
    u64,
    word,
)
from ztflow.kernel.prefix_or_envelope import without_times
from ztflow.kernel.table_layout import (
    AROUND_BYTES,
    AROUND_TEXT,
    ARRAY,
    BEGIN,
    CODE,
    DEPTH,
    DIRECT,
    FIRST,
    FRAME,
    INDEX,
    JSON_BYTES,
    KEPT,
    KEPT_BITS,
    KEPT_BYTES,
    KEPT_LENGTH,
    KEPT_VALUE,
    KEY,
    KIND,
    OPENED,
    OUT,
    PENDING,
    PREFIX_BYTES,
    PREFIX_TEXT,
    RECORDS,
    STOP,
    SUM,
    THROUGH,
    TIME_LENGTH,
    VARIES,
    LineScratch,
)

_IN_STRING, _OWN, _OWN_IN_STRING = (i64(ord(kind)) for kind in (IN_STRING, OWN_JSON, OWN_JSON_IN_STRING))
_QUOTE, _ESCAPE, _COMMA, _COLON, _OPEN, _CLOSE, _BLANK = (ord(char) for char in '"\\,:{} ')
_OPEN_ARRAY, _CLOSE_ARRAY, _NEWLINE, _N, _T, _ZED, _ZERO, _NINE, _DASH = (ord(char) for char in "[]\nntZ09-")

_structure = bytes_equal('"', "{", "}", "[", "]", ",", "\n")
_quotes, _escapes = bytes_equal('"'), bytes_equal("\\")
_digits = bytes_equal("0")
_of_numbers = bytes_equal("0", ".")
_of_times = bytes_equal("0", ":", ".", ",", "+", "-", "T", "Z")
_token_ends = bytes_equal(",", "}", "]", " ", "\n")
_at_spelled_tab = text_at("\\u0009")
_at_escaped_own = text_at('{\\"level\\":\\"')

_LEAST_DIGITS = 3
"""Characters of a number that may be another in the next record: an offset, a clock, a size."""
_CLOCK_DIGITS = 10
"""Digits of a text that is a time since 1970: seconds from 2001 on, and all finer units."""
_TIME_BYTES = 40
"""No time is spelled longer."""
_TAIL_BYTES = 64
"""Longest text behind the JSON."""
_LOOKED_AT = 96
"""Bytes by which a longer object is looked up."""

_A, _B, _C, _D = (
    u64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)
_ONE, _LAST = u64(1), u64(63)
_TEXT, _NUMBER, _VARYING, _OBJECT, _LIST, _LINE = (u64(number) for number in range(1, 7))


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
def _hash(at: int, count: int, salt: int) -> int:
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


@inlined
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
def _kind(at: int) -> int:
    """What kind of line a JSON string holds that begins here, as far as its first bytes tell; 0 for none."""
    char = byte(at)
    if char == _OPEN:
        return _OWN_IN_STRING if _at_escaped_own(at) else i64(0)
    if char < _ZERO or char > _NINE or byte(at + TIME_LENGTH - 1) != _ZED or byte(at + TIME_LENGTH) != _ESCAPE:
        return i64(0)
    return _IN_STRING if byte(at + TIME_LENGTH + 1) == _T or _at_spelled_tab(at + TIME_LENGTH) else i64(0)


@inlined
def line_stop(begin: int, stop: int) -> int:
    r"""Where the line in a JSON string ends that is closed at `stop`: there, or at the `\n` before."""
    if stop - begin > 2 and byte(stop - 1) == _N and byte(stop - 2) == _ESCAPE and byte(stop - 3) != _ESCAPE:
        return stop - 2
    return stop


@called
def _leaf(at: int, count: int, salt: int, room: int) -> int:
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
            and byte(room + 10) == ord("T")
            and _of_times(room) << behind == (~u64(0)) << behind
        ):
            return u64(0)
    return mixed(_TEXT, _hash(at, count, salt), salt) | _ONE


@inlined
def _scalar(at: int, length: int, salt: int, room: int) -> int:
    """Hash of a number or a word; 0 for a number of three or more characters, which may be another in the next record."""
    char = byte(at)
    if _ZERO <= char <= _NINE and _LEAST_DIGITS <= length <= _TIME_BYTES:
        copy_digitless(room, at)
        behind = u64(CHUNK_BYTES - length)
        if _of_numbers(room) << behind == (~u64(0)) << behind:
            return u64(0)
    return mixed(_NUMBER, _hash(at, length, salt), salt) | _ONE


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
def _opened(levels: Array, depth: int, key: int, count: int, is_array: int) -> int:
    """Enter an object or array."""
    levels[depth, KEY] = i64(key)
    levels[depth, SUM] = 0
    levels[depth, FIRST] = count
    levels[depth, ARRAY] = is_array
    levels[depth, INDEX] = 0
    levels[depth, DIRECT] = 0
    levels[depth, THROUGH] = 0
    levels[depth, VARIES] = 0
    return 0


@inlined
def _slot(at: int) -> int:
    """Where an object with these first 32 bytes is kept."""
    found = word(at) * _A + word(at + 8) * _B + word(at + 16) * _C + word(at + 24) * _D
    found = (found ^ (found >> u64(31))) * _B
    return i64(found >> u64(64 - KEPT_BITS))


@inlined
def _longer_slot(at: int, slot: int) -> int:
    """Where one that is longer is kept, by its first 96 bytes."""
    found = u64(slot)
    for place in range(32, _LOOKED_AT, 16):
        found = (found ^ (found >> u64(29)) ^ word(at + place)) * _A + word(at + place + 8) * _B
    found = (found ^ (found >> u64(31))) * _B
    return i64(found >> u64(64 - KEPT_BITS))


@inlined
def _is_kept(scratch: LineScratch, slot: int, at: int, end: int) -> bool:
    """Whether the object or array that begins here is the one kept there."""
    length = scratch.kept[slot, KEPT_LENGTH]
    return flag(
        length > 0
        and at + length <= end
        and same(i64(scratch.kept_texts.ctypes.data) + slot * KEPT_BYTES, at, length)
    )


@called
def _keep(scratch: LineScratch, at: int, stop: int, end: int, value: int) -> None:
    """Keep an object or array without lines, times and numbers, so that it is known when it comes again."""
    length = stop - at
    if length > KEPT_BYTES or at + _LOOKED_AT >= end:
        return
    slot = _slot(at)
    if length >= _LOOKED_AT:
        slot = _longer_slot(at, slot)
    copied_to(at, stop, i64(scratch.kept_texts.ctypes.data) + slot * KEPT_BYTES)
    scratch.kept[slot, KEPT_LENGTH], scratch.kept[slot, KEPT_VALUE] = length, i64(value)


@called
def lines_inside(start: int, end: int, texts: Texts, scratch: LineScratch) -> int:
    """How many lines are in the JSON of a physical line; `NO` when that cannot be told.

    What is known of each is in `scratch.records`: where it begins and stops, its kind, and the hash of what is around.
    """
    levels, records, salt = scratch.levels, scratch.records, u64(texts.used[SALT])
    room = i64(scratch.inside.ctypes.data)
    root = at = root_of(start, end)
    if root == NO or end - start > (JSON_BYTES if root == start else LINE):
        return NO
    count, depth, key = i64(0), i64(0), u64(0)
    wants_key = False
    while True:
        char = byte(at)
        value = u64(0)
        if char == _QUOTE:
            begin = at + 1
            stop = string_end(begin)
            if stop == NO:
                return NO
            at = stop + 1
            if wants_key:
                key = _hash(begin, stop - begin, salt)
                if byte(at) != _COLON:
                    return NO
                at += 1 if byte(at + 1) != _BLANK else 2
                wants_key = False
                continue
            kind = _kind(begin)
            if kind != 0:
                if count == RECORDS or depth == 0:
                    return NO
                stop = line_stop(begin, stop)
                records[count, BEGIN], records[count, STOP], records[count, KIND] = begin, stop, kind
                value = mixed(_LINE, u64(kind) + u64((at - stop) << 8), salt)
                records[count, FRAME] = i64(value)
                count += 1
                levels[depth, DIRECT] += 1
            else:
                value = _leaf(begin, stop - begin, salt, room)
                if value == u64(0):
                    value = _VARYING
                    levels[depth, VARIES] = 1
        elif wants_key:
            return NO
        elif char == _OPEN or char == _OPEN_ARRAY:  # noqa: PLR1714
            over, is_own = i64(NO), False
            if depth > 0 and at + _LOOKED_AT < end:
                slot = _slot(at)
                if not _is_kept(scratch, slot, at, end):
                    slot = _longer_slot(at, slot)
                if _is_kept(scratch, slot, at, end):
                    value = u64(scratch.kept[slot, KEPT_VALUE])
                    over = at + scratch.kept[slot, KEPT_LENGTH]
            if over == NO and char == _OPEN and depth > 0 and at_own(at):
                length, over = in_plain_layout(at, end, i64(scratch.plain.ctypes.data))
                is_own = length != NO
                if not is_own:
                    over = i64(NO)
            if over == NO:
                depth += 1
                if depth == DEPTH:
                    return NO
                _opened(levels, depth, key, count, 1 if char == _OPEN_ARRAY else 0)
                levels[depth, OPENED] = at
                at += 1 if byte(at + 1) != _BLANK else 2
                wants_key = char == _OPEN
                key = _LIST
                if byte(at) != _CLOSE and byte(at) != _CLOSE_ARRAY:
                    continue
                key = u64(0)  # an empty one is closed below, and nothing is added to it
            elif is_own:
                if count == RECORDS:
                    return NO
                records[count, BEGIN], records[count, STOP], records[count, KIND] = at, over, _OWN
                value = mixed(_LINE, u64(_OWN), salt)
                records[count, FRAME] = i64(value)
                count += 1
                levels[depth, DIRECT] += 1
                at = over
            else:
                at = over
                if levels[depth, ARRAY] != 0:
                    key = _LIST
        else:
            ends = _token_ends(at)
            length = lowest(ends)
            if length == 0 or length == CHUNK_BYTES:  # noqa: PLR1714
                return NO
            value = _scalar(at, length, salt, room)
            if value == u64(0):
                value = _VARYING
                levels[depth, VARIES] = 1
            at += length
        if key != u64(0):
            levels[depth, SUM] = i64(u64(levels[depth, SUM]) + mixed(key, value, salt))
        # behind a value: the next one, or the end of what it is in
        while True:
            char = byte(at)
            if char == _BLANK:
                at += 1
                char = byte(at)
            is_array = levels[depth, ARRAY]
            if char == _COMMA:
                at += 1 if byte(at + 1) != _BLANK else 2
                levels[depth, INDEX] += 1
                key = u64(levels[depth, INDEX]) + _LIST
                wants_key = is_array == 0
                break
            if char != (_CLOSE if is_array == 0 else _CLOSE_ARRAY):
                return NO
            at += 1
            wants_key = False
            value = mixed(_LIST if is_array else _OBJECT, u64(levels[depth, SUM]), salt)
            first, key = levels[depth, FIRST], u64(levels[depth, KEY])
            direct, through = levels[depth, DIRECT], levels[depth, THROUGH]
            if direct > 1 or (direct == 1 and through != 0):
                return NO
            depth -= 1
            if depth == 0:
                break
            if levels[depth + 1, VARIES] != 0:
                levels[depth, VARIES] = 1
            elif count == first:
                _keep(scratch, levels[depth + 1, OPENED], at, end, value)
            if levels[depth, ARRAY] != 0:
                if count > first:
                    for record in range(first, count):
                        records[record, FRAME] = i64(mixed(u64(records[record, FRAME]), value, salt))
                    levels[depth, THROUGH] = 1
                    continue
                key = _LIST  # objects in an array in any order: attributes have none
            levels[depth, DIRECT] += direct
            levels[depth, THROUGH] |= through
            levels[depth, SUM] = i64(u64(levels[depth, SUM]) + mixed(key, value, salt))
        if depth == 0:
            break
    if end - at > _TAIL_BYTES:
        return NO
    around = mixed(value, _hash(at, end - at, salt), salt)
    if root > start:
        text = i64(scratch.prefix.ctypes.data)
        for done in range(0, root - start, CHUNK_BYTES):
            copy_chunk(text + done, start + done)
        without_times(text, root - start)
        around = mixed(around, _hash(text, root - start, salt), salt)
    for record in range(count):
        records[record, FRAME] = i64(mixed(u64(records[record, FRAME]), around, salt))
    return count


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
    levels[0, ARRAY] = 0
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
        own = seen < count and records[seen, BEGIN] == at
        if own or (char == _QUOTE and seen < count and records[seen, BEGIN] == at + 1):
            if seen == wanted:
                target = copied_to(copied, records[seen, BEGIN], target)
                put_word(target, u64(_NEWLINE) | (u64(records[seen, KIND]) << u64(8)))
                target += 2
                copied = records[seen, STOP]
            else:
                copied = records[seen, STOP]
            at = records[seen, STOP] if own else string_end(at + 1) + 1
            seen += 1
        elif char == _QUOTE:
            at = string_end(at + 1) + 1
        elif char == _OPEN or char == _OPEN_ARRAY:  # noqa: PLR1714
            target = copied_to(copied, at, target)
            copied = at
            depth += 1
            levels[depth, OUT] = target
            levels[depth, FIRST] = seen
            levels[depth, ARRAY] = 1 if char == _OPEN_ARRAY else 0
            levels[depth, KEPT] = 0
            levels[depth, PENDING] = 0
            if levels[depth - 1, ARRAY] and levels[depth - 1, PENDING]:
                if levels[depth - 1, KEPT]:
                    put_word(target, u64(_COMMA))
                    target += 1
                levels[depth - 1, PENDING] = 0
            at += 1
        elif char == _COMMA:
            after = at + 1 if byte(at + 1) != _BLANK else at + 2
            if levels[depth, ARRAY] and (byte(after) == _OPEN or byte(after) == _OPEN_ARRAY):
                target = copied_to(copied, at, target)
                copied = after
                levels[depth, PENDING] = 1
            at += 1
        else:
            first = levels[depth, FIRST]
            at += 1
            if depth > 1 and levels[depth - 1, ARRAY]:
                if seen > first and not first <= wanted < seen:
                    target, copied = levels[depth, OUT], at
                else:
                    levels[depth - 1, KEPT] = 1
            depth -= 1
            if depth <= 0:
                break
    if target - room + end - copied > AROUND_BYTES - 2:
        return NO
    return copied_to(copied, end, target) - room


@called
def _number(texts: Texts, start: int, end: int, record: int, count: int, scratch: LineScratch) -> int:
    """Number of what is around a line; its text is kept when it is new. `TOO_MANY_ALIKE` also for one refused before."""
    room = i64(scratch.prefix.ctypes.data)
    kind, frame = u64(scratch.records[record, KIND]), u64(scratch.records[record, FRAME])
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
    """Number what is around each of the lines; false when one of them was refused, so that all must be left."""
    records = scratch.records
    for record in range(count):
        if record > 0 and records[record, FRAME] == records[record - 1, FRAME]:
            records[record, CODE] = records[record - 1, CODE]
            continue
        code = _number(texts, start, end, record, count, scratch)
        if code == TOO_MANY_ALIKE:
            return False
        records[record, CODE] = code
    return True
