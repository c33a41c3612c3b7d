"""Text columns by the codes of their dictionaries: work is done once per distinct word instead of once per row.

Batches of one reader bring the same dictionary again and again, each time with a few more words behind the old ones,
so what was computed of the old ones is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import Codes

NONE = -1
"""In an array of codes: null. In an array of rows: this half was not seen."""

Rated: TypeAlias = npt.NDArray[Any]
Rating: TypeAlias = Callable[[str], Any]


@lru_cache(maxsize=1 << 17)
def text_hash(text: str) -> int:
    """The 64-bit hash of a text (BLAKE2b); never 0, which stands for null."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A text or category column as one dictionary array; no copy where it is one already."""
    if column.num_chunks == 1:
        array = column.chunk(0)
    else:
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # older Arrow keeps no chunk as a chunked array
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()


def codes_of(column: pa.DictionaryArray) -> Codes:
    """Codes, `NONE` for null."""
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(NONE)
    codes: Codes = indices.to_numpy(zero_copy_only=False)
    return codes


def _rated(words: list[str | None], rate: Rating, dtype: type[np.generic]) -> Rated:
    return np.array([0 if word is None else rate(word) for word in words], dtype)


def per_word(column: pa.ChunkedArray, rate: Rating, dtype: type[np.generic]) -> Rated:
    """A function of each cell's text, computed once a distinct text; 0 for null.

    Cost: Python per distinct text, numpy per row.
    """
    if column.null_count == len(column):
        return np.zeros(len(column), dtype)
    array = encoded(column)
    codes = codes_of(array)
    if 4 * len(codes) < len(array.dictionary):  # a few rows of a big dictionary
        used, place = np.unique(codes, return_inverse=True)
        words = array.dictionary.take(pa.array(used, mask=used == NONE)).to_pylist()
        few: Rated = _rated(words, rate, dtype)[place]
        return few
    # The last entry is that of null, whose code is -1.
    result: Rated = np.append(_rated(array.dictionary.to_pylist(), rate, dtype), dtype(0))[codes]
    return result


class WordMemory:
    """`per_word` for columns whose dictionaries grow from batch to batch."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Rating], tuple[pa.Array, Rated]] = {}

    def by_word(self, name: str, words: pa.Array, rate: Rating, dtype: type[np.generic]) -> Rated:
        """What each word of a dictionary stands for, and behind them 0 for null.

        Args:
            name: The column.
            words: Its dictionary.
            rate: The function; always the same object.
            dtype: Type of its results.
        """
        nothing: Rated = np.zeros(1, dtype)
        before, known = self._known.get((name, rate), (words.slice(0, 0), nothing))
        count = min(len(before), len(words))
        if not words.slice(0, count).equals(before.slice(0, count)):
            count, known = 0, nothing
        if count == len(words):
            return known if len(known) == count + 1 else np.append(known[:count], nothing)
        more = _rated(words.slice(count).to_pylist(), rate, dtype)
        rated: Rated = np.concatenate([known[:-1], more, nothing])
        self._known[name, rate] = words, rated
        return rated

    def per_row(self, table: pa.Table, name: str, rate: Rating, dtype: type[np.generic]) -> Rated:
        """The same a row."""
        column = encoded(table.column(name))
        by_word = self.by_word(name, column.dictionary, rate, dtype)
        if len(by_word) == 2 and not column.indices.null_count:
            same: Rated = np.full(len(column), by_word[0], dtype)
            return same
        result: Rated = by_word[codes_of(column)]
        return result


Integers: TypeAlias = "npt.NDArray[np.signedinteger[Any]]"

_CACHED = 1 << 17
"""Keys of which a table stays in the processor's cache."""


def factorize(keys: Integers, space: int | None = None) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Number equal keys alike.

    Args:
        keys: Any integers; with `space` from 0 to less than this.
        space: How many different keys there may be.

    Returns:
        The number of each row, in order of first appearance, and the first row of each number.

    Cost: a few steps over a table where the space is small, about 5 ns a row; else one hash pass, 15 to 50 ns a row.
    """
    rows = len(keys)
    if space is not None and space <= max(2 * rows, min(8 * rows, _CACHED)):
        after = np.zeros(space, np.int64)
        after[keys[::-1]] = np.arange(rows, 0, -1)
        found = np.flatnonzero(after)
        first = after[found] - 1
        order = np.argsort(first)
        numbers = np.zeros(space, np.int32)
        numbers[found[order]] = np.arange(len(found), dtype=np.int32)
        return numbers[keys], first[order]
    encoded = pa.array(keys, type=pa.int64()).dictionary_encode()
    codes: npt.NDArray[np.int32] = encoded.indices.to_numpy()
    first = np.zeros(len(encoded.dictionary), np.int64)
    first[codes[::-1]] = np.arange(rows - 1, -1, -1)
    return codes, first


def used(array: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """The values of a dictionary array that occur, and which each row has; null is the number after the last.

    Dictionaries may hold a great many more values than the rows at hand use: those of a long run grow. One value may
    come twice. Cost: some nanoseconds a row; a byte a value of the dictionary.
    """
    indices = array.indices
    size = len(array.dictionary)
    codes = (indices.fill_null(size) if indices.null_count else indices).to_numpy()
    occurs = np.zeros(size + 1, np.bool_)
    occurs[codes] = True
    occurs[size] = False
    found = np.flatnonzero(occurs)
    numbers = np.full(size + 1, len(found), np.int32)
    numbers[found] = np.arange(len(found), dtype=np.int32)
    return numbers[codes], array.dictionary.take(pa.array(found))
