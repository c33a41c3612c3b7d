"""Statistics of many small groups of numbers at once, and of one."""

from __future__ import annotations

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index, IntArray


def quantiles(values: IntArray | FloatArray, group: Index, shares: FloatArray) -> FloatArray:
    """A quantile of each group, linear between neighbours; not a number for an empty one.

    Args:
        values: The numbers.
        group: The group of each, from 0.
        shares: Which quantile of each group, 0 to 1.
    """
    count = len(shares)
    size = np.bincount(group, minlength=count)
    ordered = _by_group(values, group, size)
    start = np.cumsum(size) - size
    place = shares * (size - 1)
    result = np.full(count, np.nan)
    filled = size > 0
    low = np.floor(place[filled]).astype(np.intp)
    part = place[filled] - low
    first = start[filled] + low
    above = np.minimum(first + 1, start[filled] + size[filled] - 1)
    result[filled] = ordered[first] * (1 - part) + ordered[above] * part
    return result


def _by_group(values: IntArray | FloatArray, group: Index, size: IntArray) -> FloatArray:
    """The numbers group after group, each group's rising; whole numbers are sorted with their group as one number."""
    if len(values) and np.issubdtype(values.dtype, np.integer):
        low = int(values.min())
        span = int(values.max()) - low + 1
        if span * len(size) < np.iinfo(np.int64).max:
            joined = np.sort(group.astype(np.int64) * span + (values - low))
            return (joined - np.repeat(np.arange(len(size)) * span - low, size)).astype(np.float64)
    return values[np.lexsort((values, group))].astype(np.float64)


def middle(values: FloatArray) -> float:
    """The median of at least one number. Cost: a tenth of NumPy's for a few."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2)


def quantile(values: FloatArray, share: float) -> float:
    """A quantile of at least one number, linear between neighbours. Cost: a tenth of NumPy's for a few."""
    ordered = np.sort(values)
    place = share * (len(values) - 1)
    at = int(place)
    below, above = float(ordered[at]), float(ordered[min(at + 1, len(values) - 1)])
    part = place - at
    return above - (above - below) * (1 - part) if part >= 0.5 else below + (above - below) * part


def crowds(values: IntArray, group: Index, count: int, *, width: int, about: float) -> FloatArray:
    """Where the values of each group crowd; of crowds about as large the one nearest 0; not a number where none are.

    Args:
        values: The numbers.
        group: The group of each, from 0.
        count: How many groups there are.
        width: Two neighbouring stretches of this width make a place to crowd.
        about: Share of the largest crowd that makes another one about as large.
    """
    result = np.full(count, np.nan)
    if not len(values):
        return result
    low = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(low, group, values)
    bins = (values - low[group]) // width
    span = int(bins.max()) + 2  # no bin of one group is next to one of another
    code, size = np.unique(group * span + bins, return_counts=True)
    size[:-1] += np.where(np.diff(code) == 1, size[1:], 0)
    of_group, of_bin = code // span, code % span
    largest = np.zeros(count)
    np.maximum.at(largest, of_group, size)
    middle = low[of_group] + (of_bin + 1.0) * width
    keep = size >= about * largest[of_group]
    of_group, middle = of_group[keep], middle[keep]
    order = np.lexsort((np.abs(middle), of_group))
    found, first = np.unique(of_group[order], return_index=True)
    result[found] = middle[order][first]
    return result
