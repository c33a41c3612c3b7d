"""Tests written in Python on Arrow columns: run once per distinct combination of values, spread to the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]
"""One boolean a row."""


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """One code a row, and the value of each code; null has a code of its own."""
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = [*array.dictionary.to_pylist(), None]
    indices = pc.fill_null(array.indices, len(values) - 1).to_numpy(zero_copy_only=False)
    return indices.astype(np.int64), values


def distinct(columns: Sequence[pa.ChunkedArray]) -> tuple[list[tuple[Any, ...]], NDArray[np.int64]]:
    """The distinct combinations of the columns' values, and which of them each row is."""
    which, values = _codes(columns[0])
    combinations: list[tuple[Any, ...]] = [(value,) for value in values]
    for column in columns[1:]:
        codes, more = _codes(column)
        used, which = np.unique(which * len(more) + codes, return_inverse=True)
        combinations = [(*combinations[code // len(more)], more[code % len(more)]) for code in used.tolist()]
    return combinations, which


def judge(columns: Sequence[pa.ChunkedArray], test: Callable[..., bool]) -> Mask:
    """What the test says of each row's values."""
    combinations, which = distinct(columns)
    verdicts = np.fromiter((test(*combination) for combination in combinations), np.bool_, len(combinations))
    mask: Mask = verdicts[which]
    return mask
