"""Rows of text put together from fragments, most of them made once per distinct value rather than once per row.

A table of flows repeats itself: all columns of one pod come together, and most of the rest has a handful of values.
Fragments that stand side by side are joined for each distinct combination of their values, as long as there are few;
what is left to do for every row is to join some ten texts, most of them long and ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.distinct import factorize, used
from ztflow.writers.cells import finite, time_text

Codes: TypeAlias = npt.NDArray[np.int32]

_FEW = 24
"""Different values among `_LOOK` sampled ones, at most, for which numbers are counted as coming back."""
_LOOK = 64


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of every row's text.

    Attributes:
        texts: The distinct texts, none of them null; one text a row where `codes` is None. One text alone is the same
            in every row.
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
        starts: Bytes with which a text is not plain where they stand first.
    """

    change: Callable[[str], str]
    special: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.bool_] | None = None

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


def specials(plain: str) -> npt.NDArray[np.bool_]:
    """Every byte but those of some ASCII characters."""
    table = np.ones(256, np.bool_)
    table[list(plain.encode("ascii"))] = False
    return table


def column(array: pa.Array, before: str, after: str, escape: Escape) -> list[Fragment]:
    """`before value after` for every row, nothing where the value is null."""
    kind = array.type
    if array.null_count == len(array):
        return []
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        codes, texts = used(array if pa.types.is_dictionary(kind) else array.dictionary_encode())
        return [_coded(codes, escape(texts), before, after, nulls=bool(array.null_count))]
    if pa.types.is_timestamp(kind):
        return _each(time_text(array), before, after)
    if pa.types.is_floating(kind):
        array = finite(array)
        if array.null_count == len(array):
            return []
    if pa.types.is_boolean(kind) or _comes_back(array):
        codes, values = used(array.dictionary_encode())
        return [_coded(codes, values.cast(pa.string()), before, after, nulls=bool(array.null_count))]
    return _each(array.cast(pa.string()), before, after)


def constant(text: str) -> Fragment:
    """The same text in every row."""
    return Fragment(pa.array([text]))


def where(known: pa.Array, text: str) -> list[Fragment]:
    """The text in rows where `known` is true."""
    if not known.false_count:
        return [constant(text)]
    return [Fragment(pa.array(["", text]), known.cast(pa.int32()).to_numpy())]


def _coded(codes: Codes, texts: pa.StringArray, before: str, after: str, *, nulls: bool) -> Fragment:
    texts = pc.binary_join_element_wise(before, texts, after, "") if before or after else texts
    if nulls:
        texts = pa.concat_arrays([texts, pa.array([""])])
    return Fragment(texts, codes)


def _each(texts: pa.StringArray, before: str, after: str) -> list[Fragment]:
    """Texts of their own in every row; what stands around them joins the fragments beside them where none is null."""
    if texts.null_count:
        return [Fragment(pc.fill_null(pc.binary_join_element_wise(before, texts, after, ""), ""))]
    around = [constant(text) if text else None for text in (before, after)]
    return [part for part in (around[0], Fragment(texts), around[1]) if part is not None]


def _comes_back(array: pa.Array) -> bool:
    """Whether a column of numbers looks as if it has few values."""
    step = max(1, len(array) // _LOOK)
    return len(array[::step].unique()) <= _FEW if step > 1 else True


def rows_of(fragments: Sequence[Fragment], rows: int) -> memoryview:
    """The rows, one after the other, as UTF-8.

    Args:
        fragments: What stands in every row, in order.
        rows: How many rows there are.
    """
    runs: list[_Run] = []
    for fragment in fragments:
        if not (runs and runs[-1].take(fragment)):
            runs.append(_Run(fragment, rows))
    parts = [run.texts() for run in runs]
    if all(isinstance(part, pa.Scalar) for part in parts):
        return memoryview("".join(part.as_py() for part in parts).encode() * rows)
    lines = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + rows + 1]
    return memoryview(data)[ends[0] : ends[-1]] if data is not None else memoryview(b"")


class _Run:
    """Fragments side by side that are joined once per distinct combination."""

    def __init__(self, fragment: Fragment, rows: int) -> None:
        self._rows = rows
        self._fragments = [fragment]
        self._codes = fragment.codes if len(fragment.texts) > 1 else None
        self._size = len(fragment.texts)
        self._first: npt.NDArray[np.int64] | None = None
        """A row of each combination; None while the codes are those of the one fragment that has any."""

    def take(self, fragment: Fragment) -> bool:
        """Take in the next fragment; false where it has to begin a run of its own."""
        single, alone = len(fragment.texts) == 1, self._codes is None
        if (alone and self._size > 1) or (fragment.codes is None and not single):
            return False
        if not single:
            if alone:
                self._codes, self._size = fragment.codes, len(fragment.texts)
            else:
                assert self._codes is not None
                assert fragment.codes is not None
                space = self._size * len(fragment.texts)
                if space > max(1024, 8 * self._rows):
                    return False
                keys = self._codes.astype(np.int64) * len(fragment.texts) + fragment.codes
                codes, first = factorize(keys, space)
                if len(first) > self._rows // 2 and self._rows > _FEW:
                    return False
                self._codes, self._size, self._first = codes, len(first), first
        self._fragments.append(fragment)
        return True

    def texts(self) -> pa.StringArray | pa.Scalar:
        """The text of every row; a scalar where it is the same in all."""
        parts = [self._of_combination(fragment) for fragment in self._fragments]
        joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")
        return joined if self._codes is None else joined.take(pa.array(self._codes))

    def _of_combination(self, fragment: Fragment) -> pa.StringArray | pa.Scalar:
        """The texts of a fragment for each combination."""
        if len(fragment.texts) == 1:
            return fragment.texts[0]
        if self._first is None or fragment.codes is None:
            return fragment.texts
        return fragment.texts.take(pa.array(fragment.codes[self._first]))
