"""How many distinct values there were, in bounded memory: HyperLogLog.

Method: P. Flajolet, É. Fusy, O. Gandouet and F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", AofA 2007, with hashes of 64 bits, which need no correction for large counts.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Self

import numpy as np

from ztflow.columns.dtypes import UIntArray

_BITS = 14
_REGISTERS = 1 << _BITS
STANDARD_ERROR = 1.04 / math.sqrt(_REGISTERS)
"""Standard error of the estimate, as a share of it: 0.8 %."""


def pair_hashes(left: UIntArray, right: UIntArray) -> UIntArray:
    """A hash of 64 bits of each pair of hashes; of (a, b) another than of (b, a). The finaliser is MurmurHash3's."""
    mixed = left * np.uint64(0x9E3779B97F4A7C15) + right
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(33))


class DistinctCount:
    """An estimate of how many distinct hashes were added. Memory: 16 KiB."""

    def __init__(self) -> None:
        self._registers = np.zeros(_REGISTERS, np.uint8)

    def fork(self) -> Self:
        """An independent copy."""
        return deepcopy(self)

    def add(self, hashes: UIntArray) -> None:
        """Take in hashes of 64 well-mixed bits."""
        rest = hashes >> np.uint64(_BITS)
        length = np.frexp(rest.astype(np.float64))[1]  # of so many bits a float holds all
        rank = (64 - _BITS + 1 - length).astype(np.uint8)
        np.maximum.at(self._registers, (hashes & np.uint64(_REGISTERS - 1)).astype(np.intp), rank)

    def estimate(self) -> int:
        """About how many distinct hashes there were."""
        raw = 0.7213 / (1 + 1.079 / _REGISTERS) * _REGISTERS**2 / float(np.sum(2.0 ** -self._registers.astype(float)))
        empty = int(np.count_nonzero(self._registers == 0))
        if raw <= 2.5 * _REGISTERS and empty:
            raw = _REGISTERS * math.log(_REGISTERS / empty)
        return round(raw)
