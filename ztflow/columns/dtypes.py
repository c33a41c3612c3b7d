"""The array types that columns are worked on with, and the numbers that stand for "no time"."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

UIntArray: TypeAlias = npt.NDArray[np.uint64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Int32Array: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = npt.NDArray[np.intp]
Codes: TypeAlias = npt.NDArray[np.int32]
"""Numbers of words in a dictionary, -1 (`dictionaries.NONE`) for null."""

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Microseconds: a missing time. What has none is never compared by time."""
BEFORE_ALL, AFTER_ALL = -(2**62), 2**62
"""Microseconds: earlier and later than any time, with room to add and subtract."""
