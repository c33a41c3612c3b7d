"""A table seen as columns of integer codes, so that grouping needs no text and no Python per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dictionaries import factorize
from ztflow.model.provenance import time_from_micros

Codes: TypeAlias = "npt.NDArray[np.signedinteger[Any]]"
Mask: TypeAlias = npt.NDArray[np.bool_]

_KEY_SPACE = 2**62
"""Largest key a combination of codes may reach before it is renumbered; int64 with room to spare."""

NO_TIME = np.iinfo(np.int64).min
"""A null time in an int64 array; never leaves this package as a time."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A text column as codes: `texts[codes[row]]`, -1 where the column is null."""

    codes: Codes
    texts: list[str]

    def code(self, text: str) -> int:
        """The code of `text`, or -2 when it does not occur (so that comparing with `codes` finds nothing)."""
        try:
            return self.texts.index(text)
        except ValueError:
            return -2


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows grouped by a key.

    Attributes:
        codes: Group of each row, 0 … `len(first) - 1`, numbered by first appearance unless put in another order.
        first: First row of each group.
    """

    codes: Codes
    first: Codes

    def __len__(self) -> int:
        return len(self.first)

    def in_order(self, order: Codes) -> Groups:
        """The same groups, numbered as `order` lists them."""
        numbers = np.empty(len(order), self.codes.dtype)
        numbers[order] = np.arange(len(order), dtype=self.codes.dtype)
        return Groups(numbers[self.codes], self.first[order])


def group(parts: Sequence[tuple[Codes, int]], rows: int) -> Groups:
    """Group rows by several code columns.

    Args:
        parts: Codes with the number of distinct codes; -1 (null) is a value of its own.
        rows: Number of rows.
    """
    key = np.zeros(rows, dtype=np.int64)
    space = 1
    for codes, size in parts:
        if not size:
            continue
        if space * (size + 1) > _KEY_SPACE:
            numbers, first = factorize(key)
            key, space = numbers.astype(np.int64), len(first)
        if space > 1:
            key *= size + 1
        key += codes
        key += 1
        space *= size + 1
    return Groups(*factorize(key, space))


def order_within(codes: Codes, values: Codes) -> Codes:
    """Row numbers sorted by group, then by value. Cost: one sort of a combined key where 64 bits hold it."""
    if len(codes):
        lowest, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if (int(codes.max()) + 1) * span < _KEY_SPACE:
            return np.argsort(codes.astype(np.int64) * span + (values - lowest), kind="stable")
    return np.lexsort((values, codes))


def members(groups: Groups, codes: Codes, size: int) -> list[list[int]]:
    """The distinct codes that occur in each group, null (-1) left out, in order of first appearance."""
    found: list[list[int]] = [[] for _ in range(len(groups))]
    distinct = group([(groups.codes, len(groups)), (codes, size)], len(codes)).first
    for place, code in zip(groups.codes[distinct].tolist(), codes[distinct].tolist(), strict=True):
        if code >= 0:
            found[place].append(code)
    return found


class View:
    """Rows of one table as numpy columns, made when first asked for and kept.

    Args:
        table: Any table of `schema.FLOWS` or `schema.HALVES` columns.

    Cost: a dictionary column is a unify and a copy of its indices; nothing is decoded row by row.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._rows: Codes | None = None
        self._whole: View = self
        self._labels: dict[str, Labels] = {}
        self._numbers: dict[str, tuple[npt.NDArray[Any], Mask]] = {}
        self._masks: dict[tuple[str, ...], Mask] = {}
        self._seen: tuple[Codes, Codes] | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows) if self._rows is None else len(self._rows)

    def has(self, name: str) -> bool:
        """Whether the table has such a column."""
        return name in self.table.column_names

    def labels(self, name: str) -> Labels:
        """A text column as codes."""
        found = self._labels.get(name)
        if found is None:
            if self._rows is None:
                found = _encode(self.table.column(name))
            else:
                whole = self._whole.labels(name)
                found = Labels(whole.codes[self._rows], whole.texts)
            self._labels[name] = found
        return found

    def numbers(self, name: str) -> tuple[npt.NDArray[Any], Mask]:
        """A numeric or time column as values (microseconds for times, 0 where null) and the mask of known rows."""
        found = self._numbers.get(name)
        if found is None:
            if self._rows is None:
                found = _decode(self.table.column(name))
            else:
                values, known = self._whole.numbers(name)
                found = values[self._rows], known[self._rows]
            self._numbers[name] = found
        return found

    def known(self, name: str) -> Mask:
        """Rows whose column is not null."""
        kind = self.table.schema.field(name).type
        if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
            return self.labels(name).codes >= 0
        return self.numbers(name)[1]

    def equals(self, name: str, *texts: str) -> Mask:
        """Rows whose text column has one of the values."""
        found = self._masks.get((name, *texts))
        if found is None:
            labels = self.labels(name)
            found = np.zeros(len(self), dtype=bool)
            for text in texts:
                found |= labels.codes == labels.code(text)
            found.flags.writeable = False
            self._masks[(name, *texts)] = found
        return found

    def group(self, *names: str) -> Groups:
        """Rows grouped by the values of text columns."""
        return group([self.part(name) for name in names], len(self))

    def part(self, name: str) -> tuple[Codes, int]:
        """A text column as a part of `group`."""
        labels = self.labels(name)
        return labels.codes, len(labels.texts)

    def where(self, mask: Mask) -> View:
        """The rows of a mask; columns are cut when asked for."""
        chosen = np.flatnonzero(mask)
        return self.take(chosen)

    def take(self, rows: Codes) -> View:
        """Some rows, by number."""
        part = View(self.table)
        part._whole = self._whole
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def rows(self, rows: Codes, *names: str) -> list[tuple[Any, ...]]:
        """Values of some rows as Python objects, one tuple a row."""
        whole = rows if self._rows is None else self._rows[rows]
        taken = self.table.select(list(names)).take(pa.array(whole))
        return list(zip(*(column.to_pylist() for column in taken.columns), strict=True))

    def seen(self) -> tuple[Codes, Codes]:
        """When each connection began and ended in microseconds, one for the other; `NO_TIME` where neither is known."""
        if self._seen is None:
            start, start_known = self.numbers("start")
            end, end_known = self.numbers("end")
            if start_known.all() and end_known.all():
                self._seen = start, end
            else:
                began = np.where(start_known, start, np.where(end_known, end, NO_TIME)).astype(np.int64)
                ended = np.where(end_known, end, np.where(start_known, start, NO_TIME)).astype(np.int64)
                self._seen = began, ended
        return self._seen

    def span(self) -> tuple[datetime | None, datetime | None]:
        """First `start` (or `end` where the start is unknown) and last `end` of a flows table."""
        began, ended = self.seen()
        # `NO_TIME` is less than any time, and a row has both times or neither.
        last = int(ended.max()) if len(ended) else NO_TIME
        if last == NO_TIME:
            return None, None
        return time_from_micros(int(began[began != NO_TIME].min())), time_from_micros(last)


def _decode(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], Mask]:
    array = _whole(column)
    if pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    if not array.null_count:
        return array.to_numpy(zero_copy_only=False), np.ones(len(array), bool)
    known = array.is_valid().to_numpy(zero_copy_only=False)
    filled = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return filled.to_numpy(zero_copy_only=False), known


def _encode(column: pa.ChunkedArray) -> Labels:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = _whole(column)
    indices = array.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy()
    distinct = array.dictionary.dictionary_encode()
    if array.dictionary.null_count or len(distinct.dictionary) != len(array.dictionary):
        # Arrow allows a dictionary to repeat a value or to hold a null; codes must not.
        renumber = np.append(np.asarray(distinct.indices.fill_null(-1)), np.int32(-1))
        codes = renumber[codes]
    return Labels(codes, distinct.dictionary.to_pylist())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; a copy only where it is in several."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array
