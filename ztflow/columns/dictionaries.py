"""Text columns as codes into a dictionary of words: work is done once per distinct word, not once per row.

Null has the code -1 (`NONE`) everywhere. Batches of one reader bring the same dictionary again and again, each time
with a few more words behind the old ones, so `WordMemory` keeps what was computed of the old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL, BoolArray, Codes, IntArray, Integers
from ztflow.columns.grouping import group

NONE = -1
"""In an array of codes: null. In an array of rows: this half was not seen."""

Rated: TypeAlias = npt.NDArray[Any]
Rating: TypeAlias = Callable[[str], Any]


@lru_cache(maxsize=1 << 15)
def text_hash(text: str) -> int:
    """The 64-bit hash of a text (BLAKE2b); never 0, which means null."""
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


def category(codes: Integers, words: pa.Array | tuple[str, ...]) -> pa.DictionaryArray:
    """A category column of codes, `NONE` as null."""
    nothing = codes == NONE
    indices = pa.array(codes.astype(np.int32, copy=False), mask=nothing if nothing.any() else None)
    dictionary = pa.array(words, pa.string()) if isinstance(words, tuple) else words
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def _rated(words: pa.Array, rate: Rating, dtype: type[np.generic]) -> Rated:
    if rate is text_hash and pa.types.is_string(words.type):
        return text_hashes(words)
    return np.array([0 if word is None else rate(word) for word in words.to_pylist()], dtype)


def text_hashes(words: pa.StringArray) -> npt.NDArray[np.uint64]:
    """`text_hash` of each word, 0 for null. Cost: 1.2 µs a word, half of what one after the other takes."""
    if not len(words):
        return np.zeros(0, np.uint64)
    _, offsets, data = words.buffers()
    ends = np.frombuffer(offsets, np.int32)[words.offset : words.offset + len(words) + 1].tolist()
    text = memoryview(data) if data is not None else memoryview(b"")
    digests = [blake2b(text[start:end], digest_size=8).digest() for start, end in pairwise(ends)]
    hashes: npt.NDArray[np.uint64] = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
    hashes[hashes == 0] = 1
    if words.null_count:
        hashes[words.is_null().to_numpy(zero_copy_only=False)] = 0
    return hashes


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
        words = array.dictionary.take(pa.array(used, mask=used == NONE))
        few: Rated = _rated(words, rate, dtype)[place]
        return few
    # The last entry is that of null, whose code is -1.
    result: Rated = np.append(_rated(array.dictionary, rate, dtype), dtype(0))[codes]
    return result


def _in_common(before: pa.Array, words: pa.Array) -> int:
    """How many words two dictionaries begin with in common. What waited brings words of its own behind the others."""
    count = min(len(before), len(words))
    before, words = before.slice(0, count), words.slice(0, count)
    if words.equals(before):
        return count
    other = pc.index(pc.fill_null(pc.equal(before, words), fill_value=False), value=False).as_py()
    return count if other < 0 else int(other)


class WordMemory:
    """`per_word` for columns whose dictionaries grow from batch to batch."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Rating], tuple[pa.Array, Rated]] = {}

    def by_word(self, name: str, words: pa.Array, rate: Rating, dtype: type[np.generic]) -> Rated:
        """The value of each word of a dictionary, and behind them 0 for null.

        Args:
            name: The column.
            words: Its dictionary.
            rate: The function; always the same object.
            dtype: Type of its results.
        """
        nothing: Rated = np.zeros(1, dtype)
        before, known = self._known.get((name, rate), (words.slice(0, 0), nothing))
        count = _in_common(before, words)
        if count == len(words):
            return known if len(known) == count + 1 else np.append(known[:count], nothing)
        rest, others = words.slice(count), before.slice(count)
        places = pc.fill_null(pc.index_in(rest, value_set=others), NONE).to_numpy()
        more: Rated = known[count:][places]  # the last of these is that of null
        new = np.flatnonzero(places == NONE)
        more[new] = _rated(rest.take(pa.array(new)), rate, dtype)
        rated: Rated = np.concatenate([known[:count], more, nothing])
        self._known[name, rate] = words, rated
        return rated

    def per_row(self, table: pa.Table, name: str, rate: Rating, dtype: type[np.generic]) -> Rated:
        """The value of each row's word; 0 for null."""
        column = encoded(table.column(name))
        by_word = self.by_word(name, column.dictionary, rate, dtype)
        if len(by_word) == 2 and not column.indices.null_count:
            same: Rated = np.full(len(column), by_word[0], dtype)
            return same
        result: Rated = by_word[codes_of(column)]
        return result


def used(array: pa.DictionaryArray) -> tuple[Codes, pa.Array]:
    """The values of a dictionary array that occur, and which each row has; `NONE` for null.

    Dictionaries may hold a great many more values than the rows at hand use: those of a long run grow. One value may
    come twice. Cost: some nanoseconds a row; a byte a value of the dictionary.
    """
    return _used(codes_of(array), array.dictionary)


def _used(codes: Codes, dictionary: pa.Array) -> tuple[Codes, pa.Array]:
    size = len(dictionary)
    occurs = np.zeros(size + 1, np.bool_)
    occurs[codes] = True
    occurs[size] = False  # the code of null is -1, so its place is the last
    found = np.flatnonzero(occurs)
    numbers = np.full(size + 1, NONE, np.int32)
    numbers[found] = np.arange(len(found), dtype=np.int32)
    return numbers[codes], dictionary.take(pa.array(found))


def without_unused(table: pa.Table) -> pa.Table:
    """A table of one chunk, without the words no row has where these are more than its rows.

    A batch of a reader has all words that came before it. Cost: as `used`.
    """
    table = table.combine_chunks()
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        if pa.types.is_dictionary(field.type) and column.num_chunks and len(column.chunk(0).dictionary) > len(column):
            codes, words = used(column.chunk(0))
            array = category(codes, words)
            table = table.set_column(place, field, array.cast(field.type))
    return table


class _Words:
    """A dictionary, and its words as Python texts once they are asked for."""

    def __init__(self, array: pa.Array) -> None:
        self.array = array

    @cached_property
    def texts(self) -> list[str]:
        return list(self.array.to_pylist())


_NO_WORDS = _Words(pa.array([], pa.string()))


class Coded:
    """A text column as codes into its words, `NONE` for null.

    Args:
        codes: One code a row.
        dictionary: The words; none where every row is null. A word may be there twice, see `distinct`.
    """

    def __init__(self, codes: Codes, dictionary: pa.Array | _Words | None = None) -> None:
        self.codes = codes
        if dictionary is None:
            dictionary = _NO_WORDS
        self._words = dictionary if isinstance(dictionary, _Words) else _Words(dictionary)

    @classmethod
    def nulls(cls, rows: int) -> Coded:
        """A column of nothing but nulls."""
        return cls(np.full(rows, NONE, np.int32))

    @property
    def size(self) -> int:
        """How many words there are, in use or not."""
        return len(self._words.array)

    @property
    def dictionary(self) -> pa.Array:
        """The words as Arrow has them."""
        return self._words.array

    @property
    def words(self) -> list[str]:
        """The word of each code."""
        return self._words.texts

    @property
    def part(self) -> tuple[Codes, int]:
        """What `grouping.group` groups by."""
        return self.codes, self.size

    def distinct(self) -> Coded:
        """The column with every word once: only then have equal texts equal codes."""
        once = self._words.array.dictionary_encode()
        if len(once.dictionary) == self.size:
            return self
        renumbered = np.append(once.indices.to_numpy(), NONE).astype(np.int32)
        return Coded(renumbered[self.codes], once.dictionary)

    def code(self, word: str) -> int:
        """The code of a word, or -2 when there is no such word (so that comparing with `codes` finds nothing)."""
        try:
            return self.words.index(word)
        except ValueError:
            return -2

    def mask(self, word: str) -> BoolArray:
        """Rows that hold a word, however often the dictionary has it."""
        hits: BoolArray = np.array([*(known == word for known in self.words), False], np.bool_)
        return hits[self.codes] if hits.any() else np.zeros(len(self.codes), np.bool_)

    def known(self) -> BoolArray:
        """Rows that are not null."""
        result: BoolArray = self.codes >= 0
        return result

    def take(self, rows: Integers) -> Coded:
        """Some rows, by number."""
        return Coded(self.codes[rows], self._words)

    def where(self, mask: BoolArray) -> Coded:
        """The column with null wherever a mask is false."""
        return Coded(np.where(mask, self.codes, np.int32(NONE)), self._words) if mask.any() else Coded.nulls(len(mask))

    def with_words(self, more: Sequence[str]) -> tuple[pa.Array, list[int]]:
        """The column's words and more, and the codes of these."""
        new = pa.array(more, pa.string())
        if not self.size:
            return new, list(range(len(more)))
        places = pc.index_in(new, value_set=self._words.array)
        missing = new.filter(places.is_null())
        fresh = iter(range(self.size, self.size + len(missing)))
        codes = [next(fresh) if place is None else place for place in places.to_pylist()]
        return pa.concat_arrays([self._words.array, missing]), codes

    def array(self) -> pa.DictionaryArray:
        """The column as Arrow has it, without the words no row has."""
        return category(*_used(self.codes, self._words.array))

    def texts(self, rows: Integers | None = None) -> list[str | None]:
        """The words of (some) rows."""
        words: list[str | None] = [*self.words, None]
        return [words[code] for code in (self.codes if rows is None else self.codes[rows]).tolist()]


def coded(table: pa.Table, name: str) -> Coded:
    """A text column of a table as codes. Cost: one pass over the codes, and over the words of several chunks."""
    return coded_of(table.column(name))


def coded_of(column: pa.ChunkedArray) -> Coded:
    """A column by itself as codes; what is said of words holds for the values of any type."""
    if column.null_count == len(column):
        return Coded.nulls(len(column))
    array = encoded(column)
    if array.dictionary.null_count:
        array = array.dictionary_decode().dictionary_encode()
    return Coded(codes_of(array).astype(np.int32, copy=False), array.dictionary)


def combinations(columns: Sequence[pa.ChunkedArray]) -> tuple[list[tuple[Any, ...]], Integers]:
    """The distinct combinations of the columns' values, null being None, and which of them each row has."""
    parts = [coded_of(column) for column in columns]
    groups = group([part.part for part in parts], len(columns[0]))
    return list(zip(*(part.texts(groups.first) for part in parts), strict=True)), groups.codes


def per_combination(columns: Sequence[pa.ChunkedArray], test: Callable[..., bool]) -> BoolArray:
    """A test of each row's values, run once per distinct combination of them."""
    distinct, which = combinations(columns)
    verdicts = np.fromiter((test(*values) for values in distinct), np.bool_, len(distinct))
    mask: BoolArray = verdicts[which]
    return mask


class Spans(NamedTuple):
    """Distinct combinations of columns, with first and last time; (`AFTER_ALL`, `BEFORE_ALL`) where none has a time."""

    columns: list[Coded]
    first: IntArray
    last: IntArray


def spans_of(columns: Sequence[Coded], micros: IntArray) -> Spans:
    """The distinct combinations of columns.

    Args:
        columns: Of one length.
        micros: Time of each row; `AFTER_ALL` for none.

    Cost: about 60 ns a row.
    """
    groups = group([column.part for column in columns], len(columns[0].codes))
    numbers, first = groups.codes, groups.first
    start = np.full(len(first), AFTER_ALL)
    end = np.full(len(first), BEFORE_ALL)
    if bool(np.all(micros[:-1] <= micros[1:])) and (not len(micros) or micros[-1] != AFTER_ALL):
        start = micros[first]
        end[numbers] = micros
    else:
        np.minimum.at(start, numbers, micros)
        np.maximum.at(end, numbers, np.where(micros == AFTER_ALL, BEFORE_ALL, micros))
    return Spans([column.take(first) for column in columns], start, end)


def joined(batches: Sequence[Spans]) -> Spans:
    """The distinct combinations of several, each with its whole span. Cost: about 0.2 µs a row."""
    columns = [coded_of(pa.chunked_array([column.array() for column in parts])) for parts in _columns(batches)]
    groups = group([column.part for column in columns], len(columns[0].codes))
    numbers, first = groups.codes, groups.first
    start, end = np.full(len(first), AFTER_ALL), np.full(len(first), BEFORE_ALL)
    np.minimum.at(start, numbers, np.concatenate([batch.first for batch in batches]))
    np.maximum.at(end, numbers, np.concatenate([batch.last for batch in batches]))
    return Spans([column.take(first) for column in columns], start, end)


def _columns(batches: Sequence[Spans]) -> Iterator[tuple[Coded, ...]]:
    return zip(*(batch.columns for batch in batches), strict=True)
