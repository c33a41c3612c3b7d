"""Converts the kernel's texts for Python and Arrow: decoded, checked and taken apart once per distinct text.

What the kernel cannot prove by bytes alone is settled here with the slow path's own functions: escapes in an error, its
class, the parts of an identity. A text that fails the test is refused, and its lines take the slow path.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import Codes, IntArray
from ztflow.kernel.buffers import Texts
from ztflow.kernel.field_text import AROUND, AROUND_BYTES_OF_KEY, COLUMN_WORDS, TEXT_COLUMNS, WORD_COLUMNS
from ztflow.model.error_classes import classify_error
from ztflow.parse.names import PLAIN_NAME, stamp_in_error, wrong_name
from ztflow.parse.values import identity_parts
from ztflow.text.escapes import BadEscapeError, decode

_ADDRESSES: Final = frozenset({"src_ip", "dst_ip", "hbone_host"})
_SPECIAL: Final = np.array(
    [column in {"error", "prefix", "around", "src_identity", "dst_identity"} for column in TEXT_COLUMNS], np.bool_
)
"""Which of the columns hold more than names."""
_PLAIN: Final = np.array([byte < 128 and bool(re.fullmatch(PLAIN_NAME, chr(byte))) for byte in range(256)])
_DOT: Final = ord(".")


def _odd_places(arena: npt.NDArray[np.uint8]) -> IntArray:
    """Where bytes are that a plain name does not have, rising: it is not wrong without one.

    Only the places, which are few: a count for each byte takes eight or sixteen times what the texts take.
    """
    odd = ~_PLAIN[arena]
    odd[1:] |= (arena[1:] == _DOT) & (arena[:-1] == _DOT)
    return np.flatnonzero(odd)


class Distinct:
    """The distinct values of one column in the order of their numbers."""

    def __init__(self) -> None:
        self.values: list[str | None] = []
        self._array: pa.Array = pa.array([], pa.string())

    def array(self) -> pa.Array:
        """As an Arrow dictionary; the same object until a value is added. Cost: that of the new values, and a copy."""
        count = len(self._array)
        if count != len(self.values):
            self._array = pa.concat_arrays([self._array, pa.array(self.values[count:], pa.string())])
        return self._array


class Derived:
    """A column made of another: its distinct values, and which of them each value of the other has."""

    def __init__(self) -> None:
        self.distinct = Distinct()
        self._codes: dict[str, int] = {}
        self._of: list[int] = []
        self._count = 0
        self._lookup: Codes = np.full(64, -1, np.int32)

    def add(self, value: str | None) -> None:
        """What the other column's next value gives."""
        code = -1
        if value is not None:
            code = self._codes.setdefault(value, len(self._codes))
            if code == len(self.distinct.values):
                self.distinct.values.append(value)
        self._of.append(code)

    def codes(self, other: Codes) -> Codes:
        """This column's numbers from the other's; -1 stays -1."""
        count = len(self._of)
        if count >= len(self._lookup):
            self._lookup = np.concatenate([self._lookup, np.full(count, -1, np.int32)])
        self._lookup[self._count : count] = self._of[self._count :]
        self._count = count
        return self._lookup[other]  # the last place is never used, so it is the one of -1


class Vocabulary:
    """The texts of one dictionary.

    Attributes:
        columns: Distinct values by column name.
        derived: Trust domains, service accounts and error classes by column name.
        prefixes: Text around lines, by number: a prefix, or an envelope, which has a line end. None for one that holds
            more than printable ASCII (a CR, a NUL or a stray byte there changes how its line is read), or is too long.
        inside: Which of them are around a line inside JSON, maybe one of many on its physical line.
        refused: By column name, numbers of texts that are not what they seem: no name, an error to look at.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._seen = 0
        self.columns = {name: Distinct() for name in (*WORD_COLUMNS, *TEXT_COLUMNS)}
        self.derived = {
            name: Derived()
            for name in (
                *(f"{side}_{part}" for side in ("src", "dst") for part in ("trust_domain", "service_account")),
                "error_class",
            )
        }
        self.prefixes: list[str | None] = []
        self.inside: list[bool] = []
        self._prefix_entries: list[int] = []
        self.refused: dict[str, list[int]] = {}

    def waiting(self) -> int:
        """How many texts the kernel has found by now, learned or not."""
        return int(self._texts.used[0])

    def learn(self, count: int) -> None:
        """Take over what the kernel found up to this text; it may be adding further ones meanwhile."""
        texts = self._texts
        self._learn_words()
        if count <= self._seen:
            return
        new = slice(self._seen, count)
        starts, ends = texts.starts[new].astype(np.int64), (texts.starts[new] + texts.lengths[new]).astype(np.int64)
        columns, arena = texts.columns[new], texts.arena
        special = np.flatnonzero(_SPECIAL[columns])
        for place in special.tolist():
            column = TEXT_COLUMNS[columns[place]]
            self._add(self._seen + place, column, arena.data[starts[place] : ends[place]].tobytes())
        if len(special) < len(columns):
            low, high = int(starts.min()), int(ends.max())
            text, odd = arena[low:high].tobytes().decode("latin-1"), _odd_places(arena[low:high])
            for number in np.unique(columns[~_SPECIAL[columns]]).tolist():
                places = columns == number
                self._add_names(TEXT_COLUMNS[number], text, odd, starts[places] - low, ends[places] - low)
        self._seen = count

    def _add_names(self, column: str, text: str, odd: IntArray, starts: IntArray, ends: IntArray) -> None:
        """Add names that lie in a text; only those with an odd character are looked at one by one."""
        values = self.columns[column].values
        before = len(values)
        values += [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        for place in (before + np.flatnonzero(np.searchsorted(odd, ends) > np.searchsorted(odd, starts))).tolist():
            name = str(values[place])
            if column in _ADDRESSES:
                name = values[place] = name.strip("[]")
            if wrong_name(name) is not None:
                self.refused.setdefault(column, []).append(place)

    def _learn_words(self) -> None:
        for place, (column, words) in enumerate(zip(WORD_COLUMNS, COLUMN_WORDS, strict=True)):
            values = self.columns[column].values
            codes = self._texts.words[place].tolist()
            if codes[-1] + 1 != len(values):
                met = sorted((code, word) for code, word in zip(codes, words, strict=False) if code >= 0)
                values[:] = [word for _, word in met]

    def _add(self, entry: int, column: str, raw: bytes) -> None:
        """Add a text that is more than a name."""
        if column == "error":
            self._add_error(entry, raw)
            return
        if column == "prefix":
            self.inside.append(raw.startswith(AROUND))
            self.prefixes.append(None)
            self._prefix_entries.append(entry)
            if not self.inside[-1]:
                self._set_prefix(len(self.prefixes) - 1, raw)
            return
        if column == "around":
            # it follows the prefix that stands for it, but for other texts
            self._set_prefix(len(self.prefixes) - 1, raw[AROUND_BYTES_OF_KEY:])
            return
        text = raw.decode("ascii")
        if wrong_name(text) is not None:
            self.refused.setdefault(column, []).append(len(self.columns[column].values))
        self.columns[column].values.append(text)
        trust_domain, account = identity_parts(text)
        side = column[:3]
        self.derived[f"{side}_trust_domain"].add(trust_domain)
        self.derived[f"{side}_service_account"].add(account)

    def _set_prefix(self, code: int, raw: bytes) -> None:
        text = raw.decode("ascii", "replace")
        if text.isascii() and all(map(str.isprintable, text.split("\n"))):
            self.prefixes[code] = text
        else:
            self.refuse_prefix(code)

    def _add_error(self, entry: int, raw: bytes) -> None:
        values = self.columns["error"].values
        text = _error_text(raw)
        if text is None:
            self._texts.refused[entry] = 1
            self.refused.setdefault("error", []).append(len(values))
        values.append(text)
        self.derived["error_class"].add(None if text is None else classify_error(text))

    def refuse_prefix(self, code: int) -> None:
        """Lines behind this prefix take the slow path from the next block on."""
        self._texts.refused[self._prefix_entries[code]] = 1


def _error_text(raw: bytes) -> str | None:
    """The text of an error between its quotes; None when the reader would look at its line more closely."""
    body = raw.decode("ascii", "replace")
    if not body.isascii() or not body.isprintable() or "[" in body:
        return None
    try:
        text = decode(body)
    except BadEscapeError:
        return None
    return text if stamp_in_error(text) is None else None
