"""How long a connection waits before its first request and after its last, learned from the capture."""

from __future__ import annotations

from typing import Final

import numpy as np

from ztflow.columns.dtypes import FloatArray

_LEAST: Final = 3.0
"""Milliseconds added before logarithms are taken; delays may come out a little below zero."""
_EDGES: Final = np.linspace(0, 16, 81)
"""Logarithms up to some two hours; longer ones count as that."""
_SMOOTHING: Final = np.exp(-0.5 * (np.arange(-8, 9) / 2.0) ** 2)
_SURPRISES: Final = 2
"""So many delays more than were seen are taken to be anything."""


class Delays:
    """The probability density of a delay: a smoothed histogram of logarithms, and a share that may be anything.

    Args:
        seen: Delays in milliseconds.

    Attributes:
        most: Twice the longest that was seen.
    """

    def __init__(self, seen: FloatArray) -> None:
        self.most = 2 * float(seen.max()) + 5
        counts = np.histogram(np.clip(_logarithm(seen), 0, _EDGES[-1] - 1e-6), _EDGES)[0].astype(float)
        smooth = np.convolve(counts, _SMOOTHING / _SMOOTHING.sum(), "same") / len(seen)
        anything = _SURPRISES / (len(seen) + _SURPRISES)
        self._log = np.log(smooth * (1 - anything) + anything / len(smooth))

    def log_density(self, delay: FloatArray) -> FloatArray:
        """Its logarithm, at each delay."""
        place = _logarithm(delay)
        cell = np.clip(np.searchsorted(_EDGES, place) - 1, 0, len(self._log) - 1)
        density: FloatArray = self._log[cell] - place
        return density


def _logarithm(delay: FloatArray) -> FloatArray:
    result: FloatArray = np.log(np.maximum(delay, 1 - _LEAST) + _LEAST)
    return result
