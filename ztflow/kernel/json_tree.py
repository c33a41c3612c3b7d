r"""Finds the lines inside the JSON of one physical line, and tells apart what is around each.

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
from ztflow.kernel.field_text import IN_STRING, OWN_JSON, OWN_JSON_IN_STRING
from ztflow.kernel.fields import NO
from ztflow.kernel.json_envelope import at_own, in_plain_layout
from ztflow.kernel.json_values import (
    LINE_INSIDE,
    LIST,
    LOOKED_AT,
    OBJECT,
    VARYING,
    hash_of_text,
    is_kept,
    keep_object,
    leaf,
    longer_slot,
    mixed,
    root_of,
    scalar,
    slot_of,
    string_end,
)
from ztflow.kernel.machine import (
    byte,
    bytes_equal,
    called,
    copy_chunk,
    i64,
    inlined,
    lowest,
    text_at,
    u64,
)
from ztflow.kernel.prefix_or_envelope import without_times
from ztflow.kernel.table_layout import (
    DEPTH,
    JSON_BYTES,
    KEPT_LENGTH,
    KEPT_VALUE,
    LEVEL_ARRAY,
    LEVEL_DIRECT,
    LEVEL_FIRST,
    LEVEL_INDEX,
    LEVEL_KEY,
    LEVEL_OPENED,
    LEVEL_SUM,
    LEVEL_THROUGH,
    LEVEL_VARIES,
    RECORD_BEGIN,
    RECORD_FRAME,
    RECORD_KIND,
    RECORD_STOP,
    RECORDS,
    TIME_LENGTH,
    LineScratch,
)

_IN_STRING, _OWN, _OWN_IN_STRING = (i64(ord(kind)) for kind in (IN_STRING, OWN_JSON, OWN_JSON_IN_STRING))
_QUOTE, _ESCAPE, _COMMA, _COLON, _OPEN, _CLOSE, _BLANK = (ord(char) for char in '"\\,:{} ')
_OPEN_ARRAY, _CLOSE_ARRAY, _N, _T, _ZED, _ZERO, _NINE = (ord(char) for char in "[]ntZ09")

_token_ends = bytes_equal(",", "}", "]", " ", "\n", '"', "\\", "{", "[", ":")
_at_spelled_tab = text_at("\\u0009")
_at_escaped_own = text_at('{\\"level\\":\\"')

_TAIL_BYTES = 64
"""Longest text behind the JSON."""
_ONE = u64(1)


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
def _opened(levels: Array, depth: int, key: int, count: int, is_array: int) -> int:
    """Enter an object or array."""
    levels[depth, LEVEL_KEY] = i64(key)
    levels[depth, LEVEL_SUM] = 0
    levels[depth, LEVEL_FIRST] = count
    levels[depth, LEVEL_ARRAY] = is_array
    levels[depth, LEVEL_INDEX] = 0
    levels[depth, LEVEL_DIRECT] = 0
    levels[depth, LEVEL_THROUGH] = 0
    levels[depth, LEVEL_VARIES] = 0
    return 0


@called
def lines_inside(start: int, end: int, texts: Texts, scratch: LineScratch) -> int:
    """How many lines are in the JSON of a physical line; `NO` when that cannot be told.

    What is known of each is in `LineScratch.records`: where it begins and stops, its kind, the hash of what is around.
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
                key = hash_of_text(begin, stop - begin, salt)
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
                records[count, RECORD_BEGIN], records[count, RECORD_STOP], records[count, RECORD_KIND] = (
                    begin,
                    stop,
                    kind,
                )
                value = mixed(LINE_INSIDE, u64(kind) + u64((at - stop) << 8), salt)
                records[count, RECORD_FRAME] = i64(value)
                count += 1
                levels[depth, LEVEL_DIRECT] += 1
            else:
                value = leaf(begin, stop - begin, salt, room)
                if value == u64(0):
                    value = VARYING
                    levels[depth, LEVEL_VARIES] = 1
        elif wants_key:
            return NO
        elif char == _OPEN or char == _OPEN_ARRAY:  # noqa: PLR1714, SIM109
            over, is_own = i64(NO), False
            if depth > 0 and at + LOOKED_AT < end:
                slot = slot_of(at)
                if not is_kept(scratch, slot, at, end):
                    slot = longer_slot(at, slot)
                if is_kept(scratch, slot, at, end):
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
                levels[depth, LEVEL_OPENED] = at
                at += 1 if byte(at + 1) != _BLANK else 2
                wants_key = char == _OPEN
                key = LIST
                if byte(at) != _CLOSE and byte(at) != _CLOSE_ARRAY:
                    continue
                key = u64(0)  # an empty one is closed below, and nothing is added to it
            elif is_own:
                if count == RECORDS:
                    return NO
                records[count, RECORD_BEGIN], records[count, RECORD_STOP], records[count, RECORD_KIND] = at, over, _OWN
                value = mixed(LINE_INSIDE, u64(_OWN), salt)
                records[count, RECORD_FRAME] = i64(value)
                count += 1
                levels[depth, LEVEL_DIRECT] += 1
                at = over
            else:
                at = over
                if levels[depth, LEVEL_ARRAY] != 0:
                    key = LIST
        else:
            ends = _token_ends(at)
            length = lowest(ends)
            if length == 0 or length == CHUNK_BYTES:  # noqa: PLR1714
                return NO
            value = scalar(at, length, salt, room)
            if value == u64(0):
                value = VARYING
                levels[depth, LEVEL_VARIES] = 1
            at += length
        if key != u64(0):
            levels[depth, LEVEL_SUM] = i64(u64(levels[depth, LEVEL_SUM]) + mixed(key, value, salt))
        # behind a value: the next one, or the end of what it is in
        while True:
            char = byte(at)
            if char == _BLANK:
                at += 1
                char = byte(at)
            is_array = levels[depth, LEVEL_ARRAY]
            if char == _COMMA:
                at += 1 if byte(at + 1) != _BLANK else 2
                levels[depth, LEVEL_INDEX] += 1
                key = u64(levels[depth, LEVEL_INDEX]) + LIST
                wants_key = is_array == 0
                break
            if char != (_CLOSE if is_array == 0 else _CLOSE_ARRAY):
                return NO
            at += 1
            wants_key = False
            value = mixed(LIST if is_array else OBJECT, u64(levels[depth, LEVEL_SUM]), salt)
            first, key = levels[depth, LEVEL_FIRST], u64(levels[depth, LEVEL_KEY])
            direct, through = levels[depth, LEVEL_DIRECT], levels[depth, LEVEL_THROUGH]
            if direct > 1 or (direct == 1 and through != 0):
                return NO
            depth -= 1
            if depth == 0:
                break
            if levels[depth + 1, LEVEL_VARIES] != 0:
                levels[depth, LEVEL_VARIES] = 1
            elif count == first:
                keep_object(scratch, levels[depth + 1, LEVEL_OPENED], at, end, value)
            if levels[depth, LEVEL_ARRAY] != 0:
                if count > first:
                    for record in range(first, count):
                        records[record, RECORD_FRAME] = i64(mixed(u64(records[record, RECORD_FRAME]), value, salt))
                    levels[depth, LEVEL_THROUGH] = 1
                    continue
                key = LIST  # objects in an array in any order: attributes have none
            levels[depth, LEVEL_DIRECT] += direct
            levels[depth, LEVEL_THROUGH] |= through
            levels[depth, LEVEL_SUM] = i64(u64(levels[depth, LEVEL_SUM]) + mixed(key, value, salt))
        if depth == 0:
            break
    if end - at > _TAIL_BYTES:
        return NO
    around = mixed(value, hash_of_text(at, end - at, salt), salt)
    if root > start:
        text = i64(scratch.prefix.ctypes.data)
        for done in range(0, root - start, CHUNK_BYTES):
            copy_chunk(text + done, start + done)
        without_times(text, root - start)
        around = mixed(around, hash_of_text(text, root - start, salt), salt)
    for record in range(count):
        records[record, RECORD_FRAME] = i64(mixed(u64(records[record, RECORD_FRAME]), around, salt))
    return count
