"""Builds rows of text from fragments, most of them made once per distinct value instead of once per row.

A table of flows repeats itself: all columns of one pod come together, and most of the rest has a handful of values.
Fragments side by side are joined for each distinct combination of their values, as long as there are few;
what is left to do for every row is to join some ten texts, most of them long and ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import used
from ztflow.columns.dtypes import BoolArray, Codes, IntArray
from ztflow.columns.grouping import factorize
from ztflow.writers.cells import finite, time_texts

_FEW = 24
"""Different values among `_LOOK` sampled ones, at most, for which numbers are counted as coming back."""
_LOOK = 64


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of every row's text; one that is the same in all rows is a plain `str` instead.

    Attributes:
        texts: The distinct texts, none of them null; one text a row where `codes` is None.
        codes: Which of the texts each row has.
    """

    texts: pa.StringArray
    codes: Codes | None = None


@dataclass(frozen=True, slots=True)
class Escape:
    """How a text is made safe.

    Attributes:
        change: What it becomes; called once per distinct text that is not plain.
        special: Bytes (indexed by value) with which a text is not plain; plain texts stay as they are.
        starts: Bytes with which a text is not plain when it begins with them.
    """

    change: Callable[[str], str]
    special: BoolArray
    starts: BoolArray | None = None

    def __call__(self, texts: pa.StringArray) -> pa.StringArray:
        """All texts made safe. Cost: about a nanosecond a character, and Python only for what is not plain."""
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        data = texts.buffers()[2]
        if data is None or offsets[0] == offsets[-1]:
            return texts
        characters = np.frombuffer(data, np.uint8)[: offsets[-1]]
        places = np.flatnonzero(self.special[characters[offsets[0] :]]) + offsets[0]
        unsafe = np.zeros(len(texts), np.bool_)
        unsafe[np.searchsorted(offsets, places, side="right") - 1] = True
        if self.starts is not None:
            filled = np.flatnonzero(offsets[1:] > offsets[:-1])
            unsafe[filled] |= self.starts[characters[offsets[filled]]]
        if not unsafe.any():
            return texts
        changed = pa.array([self.change(text) for text in texts.filter(pa.array(unsafe)).to_pylist()], pa.string())
        return pc.replace_with_mask(texts, pa.array(unsafe), changed)


def specials(plain: str) -> BoolArray:
    """Every byte but those of some ASCII characters."""
    table = np.ones(256, np.bool_)
    table[list(plain.encode("ascii"))] = False
    return table


RowText: TypeAlias = Fragment | str


def column(array: pa.Array, before: str, after: str, escape: Escape, null: str = "") -> list[RowText]:
    """`before value after` for every row, `null` where there is no value."""
    kind = array.type
    if array.null_count == len(array):
        return [null] if null else []
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        codes, texts = used(array if pa.types.is_dictionary(kind) else array.dictionary_encode())
        return _coded(codes, escape(texts), before, after, null=null if array.null_count else None)
    if pa.types.is_timestamp(kind):
        return _each(time_texts(array), before, after, null)
    if pa.types.is_floating(kind):
        array = finite(array)
        if array.null_count == len(array):
            return [null] if null else []
    if pa.types.is_boolean(kind) or _comes_back(array):
        codes, values = used(array.dictionary_encode())
        return _coded(codes, values.cast(pa.string()), before, after, null=null if array.null_count else None)
    return _each(array.cast(pa.string()), before, after, null)


def where(known: pa.Array, text: str) -> list[RowText]:
    """The text in rows where `known` is true."""
    if not known.false_count:
        return [text]
    return [Fragment(pa.array(["", text]), known.cast(pa.int32()).to_numpy())]


def _coded(codes: Codes, texts: pa.StringArray, before: str, after: str, *, null: str | None) -> list[RowText]:
    """By number of the text; `null` is what stands for the code -1, None where none has it."""
    if null is not None:
        texts = pc.binary_join_element_wise(before, texts, after, "") if before or after else texts
        return [Fragment(pa.concat_arrays([pa.array([null]), texts]), codes + 1)]
    return [before, texts[0].as_py() if len(texts) == 1 else Fragment(texts, codes), after]


def _each(texts: pa.StringArray, before: str, after: str, null: str) -> list[RowText]:
    """Texts of their own in every row; what is around them joins the parts beside them where none is null."""
    if texts.null_count:
        return [Fragment(pc.fill_null(pc.binary_join_element_wise(before, texts, after, ""), null))]
    return [before, Fragment(texts), after]


def _comes_back(array: pa.Array) -> bool:
    """Whether a column of numbers looks as if it has few values."""
    step = max(1, len(array) // _LOOK)
    return len(array[::step].unique()) <= _FEW if step > 1 else True


def rows_of(parts: Iterable[RowText], rows: int) -> memoryview:
    """The rows, one after the other, as UTF-8.

    Args:
        parts: The parts of every row, in order.
        rows: How many rows there are.
    """
    runs: list[_Combined] = []
    for part in _together(parts):
        if not (runs and runs[-1].take(part)):
            runs.append(_Combined(part, rows))
    texts = [run.texts() for run in runs]
    if len(texts) < 2 and all(isinstance(text, str) for text in texts):
        return memoryview("".join(texts).encode() * rows)
    lines: pa.StringArray = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "")
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + rows + 1]
    return memoryview(data)[ends[0] : ends[-1]] if data is not None else memoryview(b"")


def _together(parts: Iterable[RowText]) -> Iterator[RowText]:
    """Parts that are the same in all rows put together where they are side by side."""
    same = ""
    for part in parts:
        if isinstance(part, str):
            same += part
            continue
        if same:
            yield same
            same = ""
        yield part
    if same:
        yield same


class _Combined:
    """Parts side by side that are joined once per distinct combination."""

    def __init__(self, part: RowText, rows: int) -> None:
        self._rows = rows
        self._parts = [part]
        self._same = isinstance(part, str)
        self._codes = None if isinstance(part, str) else part.codes
        self._size = 1 if isinstance(part, str) else len(part.texts)
        self._first: IntArray | None = None
        """A row of each combination; None while the codes are those of the one fragment that has any."""

    def take(self, part: RowText) -> bool:
        """Take in the next part; false where it has to begin a run of its own."""
        if not self._same and self._codes is None:
            return False
        if isinstance(part, Fragment):
            if part.codes is None:
                return False
            if self._same:
                self._same, self._codes, self._size = False, part.codes, len(part.texts)
            elif not self._combine(part.texts, part.codes):
                return False
        self._parts.append(part)
        return True

    def _combine(self, texts: pa.StringArray, codes: Codes) -> bool:
        """Number the combinations with one more fragment; false where they are too many."""
        assert self._codes is not None
        space = self._size * len(texts)
        if space > max(1024, 8 * self._rows):
            return False
        numbers, first = factorize(self._codes.astype(np.int64) * len(texts) + codes, space)
        if len(first) > self._rows // 2 and self._rows > _FEW:
            return False
        self._codes, self._size, self._first = numbers, len(first), first
        return True

    def texts(self) -> pa.StringArray | str:
        """The text of every row; a string where it is the same in all."""
        if self._same:
            return "".join(part for part in self._parts if isinstance(part, str))
        parts = [part if isinstance(part, str) else self._of_combination(part) for part in self._parts]
        joined: pa.StringArray = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")
        return joined if self._codes is None else joined.take(pa.array(self._codes))

    def _of_combination(self, fragment: Fragment) -> pa.StringArray:
        """The texts of a fragment for each combination."""
        if self._first is None or fragment.codes is None:
            return fragment.texts
        return fragment.texts.take(pa.array(fragment.codes[self._first]))
