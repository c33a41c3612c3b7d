"""The memory compiled code works in: dictionaries of texts, of stretches with several fields, and what it carries.

Arrays of fixed capacity whose pages the operating system hands out when touched. Numba is not needed here.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

import numpy as np

from ztflow.jit.link import ByteRow, Int32Row, Int32Table, IntRow, UIntRow
from ztflow.kernel.field_text import COLUMN_WORDS, DST_FIELDS, SRC_FIELDS, TEXT_COLUMNS, WORD_COLUMNS

CHUNK_BYTES: Final = 64
"""Bytes a mask covers, and so how far a load reaches past its address."""

ENTRIES: Final = 1 << 17
"""Texts of all columns a dictionary holds."""
GROUPS: Final = 1 << 16
"""Distinct stretches held of each end."""
ARENA: Final = 48 << 20
"""Bytes of all texts and stretches."""
LINE: Final = 1 << 15
"""Longest line the kernel looks at, and so about the most one line can add to the arena."""

GUESSES: Final = 1 << 14
"""Places for the group seen last behind certain first bytes."""

USED_ENTRIES, USED_ARENA, SALT = 0, 1, 2
"""Places in `Texts.used`."""


class Texts(NamedTuple):
    """Every text of every column.

    Attributes:
        arena: The bytes.
        slots: Hash table: entry + 1, 0 for a free slot.
        hashes: Of each entry.
        starts: Where each entry's bytes begin in the arena.
        lengths: How many bytes.
        columns: Which of `TEXT_COLUMNS` it belongs to.
        codes: Its number in that column.
        refused: Whether the caller looked at it and refused it; its lines go the slow way.
        guesses: Of a source address: the source group seen last with it, else `NO_CODE`.
        used: Entries, arena bytes, salt of the hashes.
        counts: Entries of each column.
        words: Number of each word of a closed vocabulary in the order it was met, else `NO_CODE`.
    """

    arena: ByteRow
    slots: Int32Row
    hashes: UIntRow
    starts: IntRow
    lengths: IntRow
    columns: Int32Row
    codes: Int32Row
    refused: ByteRow
    guesses: Int32Row
    used: IntRow
    counts: Int32Row
    words: Int32Table


class EndGroups(NamedTuple):
    """Stretches of one end.

    Attributes:
        slots: Hash table: group + 1, 0 for a free slot.
        hashes: Of each group.
        starts: Where its bytes begin in the arena of `Texts`.
        lengths: How many bytes.
        codes: Numbers of its fields, `NO_CODE` for a field that is not there. Shape: groups, fields.
        guesses: Group seen last behind the same first bytes, else `NO_CODE`.
        used: How many groups.
    """

    slots: Int32Row
    hashes: UIntRow
    starts: IntRow
    lengths: IntRow
    codes: Int32Table
    guesses: Int32Row
    used: IntRow


SRC_WIDTH: Final = len(SRC_FIELDS)
DST_WIDTH: Final = len(DST_FIELDS) + 4
"""Address, port, authority, its port, then the text fields."""


def new_texts() -> Texts:
    """An empty dictionary."""
    used = np.zeros(3, np.uint64)
    used[SALT] = secrets.randbits(64)
    return Texts(
        arena=np.empty(ARENA + CHUNK_BYTES, np.uint8),
        slots=np.zeros(2 * ENTRIES, np.int32),
        hashes=np.empty(ENTRIES, np.uint64),
        starts=np.empty(ENTRIES, np.int64),
        lengths=np.empty(ENTRIES, np.int64),
        columns=np.empty(ENTRIES, np.int32),
        codes=np.empty(ENTRIES, np.int32),
        refused=np.zeros(ENTRIES, np.uint8),
        guesses=np.empty(ENTRIES, np.int32),
        used=used.view(np.int64),
        counts=np.zeros(len(TEXT_COLUMNS), np.int32),
        words=np.full((len(WORD_COLUMNS), max(map(len, COLUMN_WORDS)) + 1), -1, np.int32),
    )


def new_groups(width: int) -> EndGroups:
    """No groups; `width` fields each."""
    return EndGroups(
        slots=np.zeros(2 * GROUPS, np.int32),
        hashes=np.empty(GROUPS, np.uint64),
        starts=np.empty(GROUPS, np.int64),
        lengths=np.empty(GROUPS, np.int64),
        codes=np.empty((GROUPS, width), np.int32),
        guesses=np.full(GUESSES, -1, np.int32),
        used=np.zeros(1, np.int64),
    )
