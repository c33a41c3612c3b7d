"""Percentiles of groups by nearest rank: values that were observed, exact however many connections there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from ztflow.aggregate.view import View
from ztflow.columns.dtypes import BoolArray, IntArray, Integers

Number: TypeAlias = Callable[[Mapping[str, IntArray]], IntArray]
"""A number of each connection, made of its columns."""

AT_ONCE = 1 << 20
"""Values sorted together where they need not be in memory."""
_DIGIT = 16
"""Bits by which the values of one large group are told apart in one pass over them."""


def quantiles(
    values: IntArray, codes: Integers, count: int
) -> tuple[list[int | None], list[int | None], list[int | None]]:
    """Median, 95th percentile and maximum of each group by nearest rank; None for a group without values."""
    median, high, longest = percentiles(values, codes, count, (50, 95, 100))
    return median, high, longest


def percentiles(values: IntArray, codes: Integers, count: int, percents: Sequence[int]) -> tuple[list[int | None], ...]:
    """Percentiles of each group by nearest rank, one list a percentile; None for a group without values."""
    empty: list[int | None] = [None] * count
    if not len(values):
        return tuple(list(empty) for _ in percents)
    ordered: Integers
    lowest, span = int(values.min()), int(values.max()) - int(values.min()) + 1
    if count * span < 2**62:
        # One sort of a combined key is some ten times faster than sorting by two keys, of a short one twice that.
        keys = codes.astype(np.int64) * span + (values - lowest)
        ordered = np.sort(keys.astype(np.int32)) if count * span < 2**31 else np.sort(keys)
    else:
        ordered, lowest, span = values[np.lexsort((values, codes))], 0, 0
    sizes = np.bincount(codes, minlength=count)
    starts = np.cumsum(sizes) - sizes
    filled = sizes > 0

    def pick(percent: int) -> list[int | None]:
        rank = (percent * sizes[filled] + 99) // 100 - 1
        values = ordered[starts[filled] + rank].astype(np.int64)
        picked: list[int] = (values % span + lowest if span else values).tolist()
        if len(picked) == count:
            return list(picked)
        found: list[int | None] = [None] * count
        for place, value in zip(np.flatnonzero(filled).tolist(), picked, strict=True):
            found[place] = value
        return found

    return tuple(map(pick, percents))


def percentiles_of(
    view: View,
    names: Sequence[str],
    codes: Integers,
    count: int,
    percents: Sequence[int],
    mask: BoolArray,
    number: Number | None = None,
) -> tuple[list[int | None], ...]:
    """`percentiles` of a number of the connections of some rows, also where rows stand for several.

    Args:
        view: Rows of `schema.FLOWS`.
        names: The columns the number is made of.
        codes: Group of each row.
        count: Groups.
        percents: Which.
        mask: The rows.
        number: Makes it of the columns; the first of them unless given.

    Cost: one sort. Memory: that of all values; where they were put away, of `AT_ONCE`, with a pass over all for each so
    many.
    """
    made: Number = (lambda values: values[names[0]]) if number is None else number
    weights = view.weights
    if weights is None:
        return percentiles(*_values(view, names, codes, mask, made), count, percents)
    sizes = np.bincount(codes[mask], weights[mask], count).astype(np.int64)
    found: tuple[list[int | None], ...] = tuple([] for _ in percents)
    for first, last in _shares(sizes):
        chosen = mask & (codes >= first) & (codes < last)
        if sizes[first:last].sum() <= AT_ONCE:
            values, groups = _values(view, names, codes, chosen, made)
            some = percentiles(values, groups - first, last - first, percents)
        else:
            some = _of_one(partial(_chunks, view, names, chosen, made), int(sizes[first]), percents)
        for whole, part in zip(found, some, strict=True):
            whole.extend(part)
    return found


def _shares(sizes: IntArray) -> Iterator[tuple[int, int]]:
    """Runs of groups with at most `AT_ONCE` values together; a larger group is alone."""
    first = total = 0
    for number, size in enumerate(sizes.tolist()):
        if total + size > AT_ONCE and number > first:
            yield first, number
            first, total = number, 0
        total += size
    if first < len(sizes):
        yield first, len(sizes)


def _chunks(
    view: View, names: Sequence[str], mask: BoolArray, number: Number, codes: Integers | None = None
) -> Iterator[tuple[IntArray, Integers]]:
    """The numbers of connections of some rows, and their groups, piece by piece."""
    for rows, values in view.pieces(*names):
        chosen = mask[rows]
        found = number(values)[chosen].astype(np.int64, copy=False)
        yield found, found if codes is None else codes[rows][chosen]


def _values(
    view: View, names: Sequence[str], codes: Integers, mask: BoolArray, number: Number
) -> tuple[IntArray, Integers]:
    parts = list(_chunks(view, names, mask, number, codes))
    if len(parts) == 1:
        return parts[0]
    nothing = np.zeros(0, np.int64)
    values, groups = zip(*parts, strict=True) if parts else ((nothing,), (nothing,))
    return np.concatenate(values), np.concatenate(groups)


def _of_one(
    chunks: Callable[[], Iterator[tuple[IntArray, Integers]]], size: int, percents: Sequence[int]
) -> tuple[list[int | None], ...]:
    """Percentiles of one group of any size: its values are counted by their first bits, then by those that follow.

    Cost: some two passes a percentile for numbers of 32 bits. Memory: that of a chunk.
    """
    ends = [(int(values.min()), int(values.max())) for values, _ in chunks() if len(values)]
    lowest, highest = min(low for low, _ in ends), max(high for _, high in ends)
    found = []
    for percent in percents:
        rank, prefix = (percent * size + 99) // 100 - 1, 0
        shift = max(0, (highest - lowest).bit_length() - 1) // _DIGIT * _DIGIT
        for place in range(shift, -1, -_DIGIT):
            counts = np.zeros(1 << _DIGIT, np.int64)
            for values, _ in chunks():
                above = (values - lowest) >> place
                here = above[above >> _DIGIT == prefix]
                counts += np.bincount(here & ((1 << _DIGIT) - 1), minlength=1 << _DIGIT)
            passed = np.cumsum(counts)
            digit = int(np.searchsorted(passed, rank, "right"))
            rank -= int(passed[digit - 1]) if digit else 0
            prefix = (prefix << _DIGIT) | digit
        found.append([prefix + lowest])
    return tuple(list[int | None](one) for one in found)
