"""The two sides of flows, a column at a time: what the outbound and the inbound halves of a list of pairs say."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dictionaries import NONE, codes_of, encoded
from ztflow.columns.dtypes import BoolArray, Codes, IntArray

Numbers: TypeAlias = tuple[IntArray, BoolArray]
"""Numbers, and where they are known."""


class HalfColumns:
    """Columns of a table of halves as plain arrays, each made once; their last entry is that of `NONE`: null.

    Args:
        halves: The table.
    """

    def __init__(self, halves: pa.Table) -> None:
        self.halves = halves
        self._codes: dict[str, Codes] = {}
        self._numbers: dict[str, Numbers] = {}

    def words(self, name: str) -> pa.Array:
        """The dictionary of a category column."""
        return encoded(self.halves.column(name)).dictionary

    def codes(self, name: str) -> Codes:
        """Codes of a category column."""
        if name not in self._codes:
            self._codes[name] = np.append(codes_of(encoded(self.halves.column(name))), np.int32(NONE))
        return self._codes[name]

    def numbers(self, name: str) -> Numbers:
        """Values of a column of numbers or times (microseconds), and where they are known."""
        if name not in self._numbers:
            column = self.halves.column(name)
            values = column.cast(pa.int64())
            known: BoolArray = np.ones(len(column), np.bool_)
            if column.null_count:
                values, known = values.fill_null(0), column.is_valid().to_numpy()
            self._numbers[name] = np.append(values.to_numpy(), 0), np.append(known, False)
        return self._numbers[name]


class Side:
    """The halves of one side.

    Args:
        columns: Of the table they are in.
        rows: Their rows, `NONE` where this side was not seen.

    Cost: one gather a column, a few ns a row.
    """

    def __init__(self, columns: HalfColumns, rows: IntArray) -> None:
        self._columns = columns
        self._rows = rows
        self._codes: dict[str, Codes] = {}

    def codes(self, name: str) -> Codes:
        """Codes of a category column, `NONE` for null."""
        if name not in self._codes:
            self._codes[name] = self._columns.codes(name)[self._rows]
        return self._codes[name]

    def category(self, name: str) -> pa.DictionaryArray:
        """A category column."""
        return category(self.codes(name), self._columns.words(name))

    def numbers(self, name: str) -> Numbers:
        """Values of a column of numbers or times, and where they are known."""
        values, known = self._columns.numbers(name)
        return values[self._rows], known[self._rows]

    def texts(self, name: str) -> pa.ChunkedArray:
        """A text column."""
        missing = self._rows == NONE
        return self._columns.halves.column(name).take(pa.array(self._rows, mask=missing if missing.any() else None))


def category(codes: npt.NDArray[np.signedinteger], words: pa.Array | tuple[str, ...]) -> pa.DictionaryArray:
    """A category column of codes, `NONE` as null."""
    nothing = codes == NONE
    indices = pa.array(codes.astype(np.int32, copy=False), mask=nothing if nothing.any() else None)
    dictionary = pa.array(words, pa.string()) if isinstance(words, tuple) else words
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def known_numbers(values: IntArray, known: BoolArray) -> pa.Array:
    """A column of numbers, null where they are not known."""
    return pa.array(values, mask=None if known.all() else ~known)
