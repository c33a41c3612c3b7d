"""Names of the numpy array types in use, and the numbers that mean "no time", "before all" and "after all"."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

UIntArray: TypeAlias = npt.NDArray[np.uint64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Int32Array: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = npt.NDArray[np.intp]
Integers: TypeAlias = "npt.NDArray[np.signedinteger[Any]]"
"""Codes, groups or row numbers, of whatever width they came in."""
Codes: TypeAlias = npt.NDArray[np.int32]
"""Numbers of words in a dictionary, -1 (`dictionaries.NONE`) for null."""

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Microseconds: a missing time. What has none is never compared by time."""
BEFORE_ALL, AFTER_ALL = -(2**62), 2**62
"""Microseconds: earlier and later than any time, with room to add and subtract. Where rows are put in order of time, or
the first and last time is sought, a row without a time has `AFTER_ALL`."""
