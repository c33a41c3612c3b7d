"""Category columns by their codes, and what each distinct word stands for, computed once a word.

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

NONE = -1
"""In an array of codes: null. In an array of rows: this half was not seen."""

Codes: TypeAlias = npt.NDArray[np.int32]
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
