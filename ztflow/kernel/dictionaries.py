"""Numbers texts and whole stretches of a line: hash tables of those seen so far, filled by compiled code.

A text is found by hash and then compared byte by byte; two texts never share a number. A group is a stretch of a line
with several fields (all that a line says about one end): found as one text, it gives the numbers of all its fields,
so a line whose ends were seen before costs two comparisons instead of a dozen look-ups.

When one is nearly full the kernel stops and the caller starts afresh (`has_room`), so memory is bounded whatever the
log says.
"""

from __future__ import annotations

from typing import Final

from ztflow.kernel.buffers import (
    ARENA,
    CHUNK_BYTES,
    ENTRIES,
    GROUPS,
    GUESSES,
    LINE,
    SALT,
    USED_ARENA,
    USED_ENTRIES,
    EndGroups,
    Texts,
)
from ztflow.kernel.machine import called, flag, i64, inlined, put_word, same_bytes, u64, word

NO_CODE: Final = -1
TOO_MANY_ALIKE: Final = -2
"""Too many texts of nearly one hash, as in an attack on the table. The line takes the slow path."""

_PROBES = 64
_NEW_A_LINE = 16
"""More texts than one line can add."""

_A = u64(0x9E3779B97F4A7C15)
_B = u64(0xC2B2AE3D27D4EB4F)
_C = u64(0x165667B19E3779F9)
_D = u64(0xD6E8FEB86659FD93)
_E = u64(0xA0761D6478BD642F)
_ALL = u64(0xFFFFFFFFFFFFFFFF)


@inlined
def has_room(texts: Texts, src: EndGroups, dst: EndGroups) -> bool:
    """Whether one more line surely fits."""
    return flag(
        texts.used[USED_ENTRIES] + _NEW_A_LINE < ENTRIES
        and texts.used[USED_ARENA] + 3 * LINE < ARENA
        and src.used[0] + 1 < GROUPS
        and dst.used[0] + 1 < GROUPS
    )


@inlined
def same(a: int, b: int, count: int) -> bool:
    """Whether `count` ≥ 1 bytes at two addresses are equal. Loads up to `CHUNK_BYTES` bytes from each."""
    while count > CHUNK_BYTES:
        if same_bytes(a, b) != _ALL:
            return False
        a += CHUNK_BYTES
        b += CHUNK_BYTES
        count -= CHUNK_BYTES
    return (~same_bytes(a, b)) << u64(CHUNK_BYTES - count) == u64(0)


@inlined
def _first(value: int, count: int) -> int:
    """The first `count` bytes of a word; all for 8 and more, none for 0 and less."""
    if count >= 8:
        return value
    if count <= 0:
        return u64(0)
    return value & ((u64(1) << u64(8 * count)) - u64(1))


@inlined
def hash_of(at: int, count: int, salt: int) -> int:
    """Hash of `count` bytes. Loads up to 31 bytes past them."""
    found = salt + u64(count) * _E
    while count > 32:
        found = (found ^ (found >> u64(29))) * _E + (
            word(at) * _A + word(at + 8) * _B + word(at + 16) * _C + word(at + 24) * _D
        )
        at += 32
        count -= 32
    found = (found ^ (found >> u64(29))) * _E + (
        _first(word(at), count) * _A
        + _first(word(at + 8), count - 8) * _B
        + _first(word(at + 16), count - 16) * _C
        + _first(word(at + 24), count - 24) * _D
    )
    found ^= found >> u64(32)
    found *= _A
    return found ^ (found >> u64(29))


@inlined
def column_hash(texts: Texts, column: int, at: int, count: int) -> int:
    """Hash of a text of a column."""
    return hash_of(at, count, u64(texts.used[SALT]) ^ (u64(column + 1) * _C))


@inlined
def find(texts: Texts, column: int, at: int, count: int, hashed: int) -> int:
    """Entry of a text of a column; `NO_CODE` when it is new, `TOO_MANY_ALIKE`."""
    mask = u64(2 * ENTRIES - 1)
    slot = hashed & mask
    arena = i64(texts.arena.ctypes.data)
    for _ in range(_PROBES):
        entry = i64(texts.slots[slot]) - 1
        if entry < 0:
            return NO_CODE
        if (
            texts.hashes[entry] == hashed
            and texts.lengths[entry] == count
            and texts.columns[entry] == column
            and same(arena + texts.starts[entry], at, count)
        ):
            return entry
        slot = (slot + u64(1)) & mask
    return TOO_MANY_ALIKE


@inlined
def keep(texts: Texts, at: int, count: int) -> int:
    """Copy bytes into the arena; where they begin."""
    start = texts.used[USED_ARENA]
    target = i64(texts.arena.ctypes.data) + start
    done = 0
    while done < count:
        put_word(target + done, word(at + done))
        done += 8
    texts.used[USED_ARENA] = start + count
    return i64(start)


@called
def number(texts: Texts, column: int, at: int, count: int) -> int:
    """Entry of a text of a column, made when it is new; `TOO_MANY_ALIKE`."""
    hashed = column_hash(texts, column, at, count)
    entry = find(texts, column, at, count, hashed)
    if entry != NO_CODE:
        return entry
    mask = u64(2 * ENTRIES - 1)
    slot = hashed & mask
    while texts.slots[slot] != 0:
        slot = (slot + u64(1)) & mask
    entry = texts.used[USED_ENTRIES]
    texts.used[USED_ENTRIES] = entry + 1
    texts.slots[slot] = entry + 1
    texts.hashes[entry] = hashed
    texts.starts[entry] = keep(texts, at, count)
    texts.lengths[entry] = count
    texts.columns[entry] = column
    texts.codes[entry] = texts.counts[column]
    texts.counts[column] += 1
    texts.guesses[entry] = NO_CODE
    return i64(entry)


@inlined
def is_group(texts: Texts, groups: EndGroups, group: int, at: int) -> bool:
    """Whether exactly this group's bytes are at `at`."""
    return same(i64(texts.arena.ctypes.data) + groups.starts[group], at, groups.lengths[group])


@called
def find_group(texts: Texts, groups: EndGroups, at: int, count: int, hashed: int) -> int:
    """The group with these bytes; `NO_CODE` when it is new, `TOO_MANY_ALIKE`."""
    mask = u64(2 * GROUPS - 1)
    slot = hashed & mask
    for _ in range(_PROBES):
        group = i64(groups.slots[slot]) - 1
        if group < 0:
            return NO_CODE
        if groups.hashes[group] == hashed and groups.lengths[group] == count and is_group(texts, groups, group, at):
            return group
        slot = (slot + u64(1)) & mask
    return TOO_MANY_ALIKE


@called
def add_group(texts: Texts, groups: EndGroups, at: int, count: int, hashed: int) -> int:
    """A new group for bytes that `find_group` did not find; its codes are still to be filled in."""
    mask = u64(2 * GROUPS - 1)
    slot = hashed & mask
    while groups.slots[slot] != 0:
        slot = (slot + u64(1)) & mask
    group = groups.used[0]
    groups.used[0] = group + 1
    groups.slots[slot] = group + 1
    groups.hashes[group] = hashed
    groups.starts[group] = keep(texts, at, count)
    groups.lengths[group] = count
    return i64(group)


@inlined
def group_hash(texts: Texts, at: int, count: int) -> int:
    """Hash of a group's bytes."""
    return hash_of(at, count, u64(texts.used[SALT]))


@inlined
def guess_slot(at: int) -> int:
    """Slot of the guess for a stretch with these first bytes. Loads 56 bytes."""
    found = word(at) * _A + word(at + 8) * _B + word(at + 16) * _C + word(at + 24) * _D
    found = (found ^ (found >> u64(31))) * _E + word(at + 40) * _A + word(at + 48) * _B
    found ^= found >> u64(32)
    found *= _C
    return (found >> u64(40)) & u64(GUESSES - 1)
