"""Quantiles of durations in bounded memory: counts in buckets whose width grows with the value.

Any quantile is then known within a share of its value, and counts of several batches just add up: C. Masson, J. E. Rim
and H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12 (2019).
The buckets are those of HdrHistogram, equally wide within a power of two, because whole milliseconds then need no
logarithm and small ones are exact.
"""

from __future__ import annotations

import numpy as np

from ztflow.columns.dtypes import IntArray, Integers

_LARGEST = 1 << 62
"""Milliseconds; longer ones count as this."""


class Buckets:
    """Numbers the buckets.

    Args:
        bits: Values below `2**bits` have a bucket each; above, a power of two has `2**(bits - 1)`.

    Attributes:
        error: By which share of the true value `value` may be off.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._half = 1 << (bits - 1)
        self.error = 1 / (2 * self._half)
        self.count = int(self.of(np.array([_LARGEST]))[0]) + 1

    def of(self, values: IntArray) -> IntArray:
        """The bucket of each value."""
        values = np.clip(values, 0, _LARGEST)
        # A float may be rounded up to the next power of two; the bucket then is the same, counted from there.
        shift = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - self._bits, 0)
        numbers: IntArray = shift * self._half + (values >> shift)
        return numbers

    def value(self, buckets: Integers) -> IntArray:
        """The middle of each bucket."""
        shift = np.maximum(buckets // self._half - 1, 0)
        low = (buckets - shift * self._half) << shift
        middle: IntArray = low + ((np.int64(1) << shift) >> 1)
        return middle

    def quantile(self, counts: IntArray, percent: int) -> IntArray:
        """The value of nearest rank in each row of counts; -1 for a row without any."""
        reached = np.cumsum(counts, axis=1)
        rank = (percent * reached[:, -1] + 99) // 100
        values = self.value(np.argmax(reached >= rank[:, np.newaxis], axis=1))
        return np.where(reached[:, -1] > 0, values, -1)
