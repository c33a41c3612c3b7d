"""Groups of equal rows: combinations of codes numbered in one pass, and rows sorted within their groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import Index, Int32Array, IntArray, Integers

_TABLE, _PLACES = 1 << 17, 16
"""Keys that a table is made for however few rows there are, and places of one for each row; 4 bytes a place."""

_SAMPLE = 1 << 10
"""Keys that are looked at to tell how many differ."""

_KEY_SPACE = 2**62
"""Largest key a combination of codes may reach before it is renumbered; int64 with room to spare."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows grouped by a key.

    Attributes:
        codes: Group of each row, 0 … `len(first) - 1`, numbered by first appearance unless put in another order.
        first: First row of each group.
    """

    codes: Integers
    first: Integers

    def __len__(self) -> int:
        return len(self.first)

    def in_order(self, order: Integers) -> Groups:
        """These groups, numbered as `order` lists them."""
        numbers = np.empty(len(order), self.codes.dtype)
        numbers[order] = np.arange(len(order), dtype=self.codes.dtype)
        return Groups(numbers[self.codes], self.first[order])


def factorize(keys: Integers, space: int | None = None) -> tuple[Int32Array, IntArray]:
    """Number equal keys alike.

    Args:
        keys: Any integers; with `space` from 0 to less than this.
        space: How many different keys there may be.

    Returns:
        The number of each row, in order of first appearance, and the first row of each number.

    Cost: a few steps over a table where the space is small, about 10 ns a row; else one hash pass, 15 ns where most
    keys are there often; else a sort of keys with their rows where 64 bits hold both, 35 ns, or the pass at 40 to 90.
    """
    rows = len(keys)
    if space is not None and space <= max(_TABLE, _PLACES * rows):
        first_of = np.empty(space, np.int32)  # only what was written is read
        first_of[keys[::-1]] = np.arange(rows - 1, -1, -1, dtype=np.int32)
        return _numbered(first_of[keys])
    digits = rows.bit_length()
    if space is not None and space < _KEY_SPACE >> digits and _mostly_different(keys):
        ordered = np.sort((keys.astype(np.int64, copy=False) << digits) | np.arange(rows))
        places = ordered & ((1 << digits) - 1)
        ordered >>= digits
        fresh = np.append(True, ordered[1:] != ordered[:-1])
        firsts = np.empty(rows, np.int32)
        firsts[places] = places[fresh].astype(np.int32)[np.cumsum(fresh) - 1]
        return _numbered(firsts)
    encoded = pa.array(keys, type=pa.int64()).dictionary_encode()
    codes: Int32Array = encoded.indices.to_numpy()
    first = np.zeros(len(encoded.dictionary), np.int64)
    first[codes[::-1]] = np.arange(rows - 1, -1, -1)
    return codes, first


def _mostly_different(keys: Integers) -> bool:
    """Whether so many keys differ that a sort takes less time than a hash table, by a sample."""
    some = keys[:: len(keys) // _SAMPLE + 1]
    return len(np.unique(some)) * 2 > len(some)


def _numbered(firsts: Int32Array) -> tuple[Int32Array, IntArray]:
    """Numbers in order of appearance, from the first row that is equal to each row; and those first rows."""
    fresh = firsts == np.arange(len(firsts), dtype=np.int32)
    numbers: Int32Array = (np.cumsum(fresh, dtype=np.int32) - np.int32(1))[firsts]
    return numbers, np.flatnonzero(fresh)


def group(parts: Iterable[tuple[Integers, int]], rows: int) -> Groups:
    """Group rows by several code columns.

    Args:
        parts: Codes with the number of distinct codes; -1 (null) is a value of its own.
        rows: Number of rows.
    """
    key = np.zeros(rows, np.int64)
    space, nulls = 1, 0  # `nulls` is the least key so far, that of a row of nothing but nulls, negated
    for codes, size in parts:
        if not size:
            continue
        if space * (size + 1) > _KEY_SPACE:
            numbers, first = factorize(key + nulls, space)
            key, space, nulls = numbers.astype(np.int64), len(first), 0
        if space > 1:
            key *= size + 1
        key += codes
        nulls = nulls * (size + 1) + 1
        space *= size + 1
    key += nulls
    return Groups(*factorize(key, space))


def ranks(texts: Sequence[str]) -> Int32Array:
    """Rank of each text in sorted order."""
    found = np.zeros(len(texts), np.int32)
    found[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts), dtype=np.int32)
    return found


def falling(numbers: Sequence[int]) -> IntArray:
    """Numbers of any size as keys to sort by, the largest first."""
    try:
        return -np.array(numbers, np.int64)
    except OverflowError:
        place = {number: rank for rank, number in enumerate(sorted(set(numbers), reverse=True))}
        return np.array([place[number] for number in numbers], np.int64)


def order_within(codes: Integers, values: Integers) -> Integers:
    """Row numbers sorted by group, then by value. Cost: one sort of a combined key where 64 bits hold it."""
    if len(codes):
        lowest, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if (int(codes.max()) + 1) * span < _KEY_SPACE:
            return np.argsort(codes.astype(np.int64) * span + (values - lowest), kind="stable")
    return np.lexsort((values, codes))


class Members(Sequence[list[int]]):
    """The distinct codes that occur in each group, null (-1) left out, in order of first appearance.

    Args:
        groups: The groups.
        codes: One a row.
        size: How many different ones there may be.
    """

    def __init__(self, groups: Groups, codes: Integers, size: int) -> None:
        distinct = group([(groups.codes, len(groups)), (codes, size)], len(codes)).first
        distinct = distinct[codes[distinct] >= 0]
        place = groups.codes[distinct]
        self._codes = codes[distinct][np.argsort(place, kind="stable")]
        self._ends = np.append(0, np.cumsum(np.bincount(place, minlength=len(groups))))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> list[int]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[int]]: ...

    def __getitem__(self, place: int | slice) -> list[int] | list[list[int]]:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        found: list[int] = self._codes[self._ends[place] : self._ends[place + 1]].tolist()
        return found

    def __iter__(self) -> Iterator[list[int]]:
        codes, ends = self._codes.tolist(), self._ends.tolist()
        return (codes[start:end] for start, end in pairwise(ends))


def connected(a: Index, b: Index, count: int) -> IntArray:
    """The least number that each of the numbers below `count` hangs together with, by pairs of them, directly or not.

    Cost: some passes over the pairs, as many as the logarithm of how many hang together in a chain.
    """
    least = np.arange(count)
    while True:
        low = np.minimum(least[a], least[b])
        before = least.copy()
        for end in (a, b):
            np.minimum.at(least, before[end], low)  # where that leads to leads there, too
            np.minimum.at(least, end, low)
        least = least[least]
        if np.array_equal(least, before):
            return least
