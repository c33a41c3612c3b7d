"""How long heads are: what a request or response moves beside the body that Envoy counts, learned from the capture.

What the line tells of the head's length (its path, the digits of the body's length, …) counts with a factor near one
unless the capture says otherwise; the rest is a constant for requests alike. Both are found by least squares over
chains of several lines. Lines alike in everything share what is learned of those alike in the main things, as far as
there is too little of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray

Kind = tuple[Hashable, Hashable]
"""What a line is alike in: the main things, and everything."""

ENOUGH: Final = 3
"""Chains with a kind of line from which on it is known how long its head is."""

_MOST_CHAINS: Final = 4000
"""Chains that are learned from, taken evenly from all: more teach no more."""

_STEADY: Final = (0.02, 0.3)
"""How hard a kind's constant is pulled towards that of the wider kind: of the main things, of everything."""

_ROUNDS: Final = 6
_ROUGH: Final = 3.0
"""Typical deviations from which on a chain counts less: some of those learned from are no chains of one connection."""


@dataclass(slots=True)
class Heads:
    """Lengths of heads in one direction.

    Attributes:
        usual: Of a kind nothing is known of.
        spread: How far single heads are from that.
        length: Kind → length.
        variance: Kind → its variance.
        factors: Of each thing the line tells.
    """

    usual: float = 0.0
    spread: float = 0.0
    length: dict[Hashable, float] = field(default_factory=dict)
    variance: dict[Hashable, float] = field(default_factory=dict)
    factors: FloatArray | None = None

    def of(self, kinds: Sequence[Kind], told: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected lengths and their variances.

        Args:
            kinds: Of each line.
            told: What each line tells, a row a line.
        """
        known = [self._known(kind) for kind in kinds]
        length = np.array([one[0] for one in known], float)
        length += told.sum(axis=1) if self.factors is None else told @ self.factors
        return length, np.array([one[1] for one in known], float)

    def _known(self, kind: Kind) -> tuple[float, float]:
        for one in reversed(kind):
            if one in self.variance:
                return self.length[one], self.variance[one]
        return self.usual, self.spread**2


def learned(chains: Sequence[Sequence[Kind]], told: FloatArray, rest: FloatArray) -> Heads:
    """Heads of each kind.

    Args:
        chains: The kinds of the lines of each chain.
        told: What the lines of each chain tell, summed; a row a chain.
        rest: Bytes of each connection that bodies do not explain.
    """
    if len(chains) > _MOST_CHAINS:
        some = np.linspace(0, len(chains) - 1, _MOST_CHAINS).astype(np.intp)
        chains, told, rest = [chains[at] for at in some], told[some], rest[some]
    rest = rest - told.sum(axis=1)
    often = Counter(one for chain in chains for kind in set(chain) for one in kind)
    numbers: dict[Hashable, int] = {}
    level: list[int] = []
    cells: Counter[tuple[int, int]] = Counter()
    for row, chain in enumerate(chains):
        for kind in chain:
            for wide, one in enumerate(kind):
                if often[one] < ENOUGH:
                    continue
                if one not in numbers:
                    numbers[one] = len(numbers)
                    level.append(wide)
                cells[row, numbers[one]] += 1
    many = np.array([len(chain) for chain in chains], float)
    matrix = np.zeros((len(chains), len(numbers)))
    for (row, column), count in cells.items():
        matrix[row, column] = count
    usual = float(np.median(rest / many))
    pull = np.array([*(_STEADY[one] for one in level), *[_STEADY_FACTOR] * told.shape[1]])
    constants, off, trusted = _robust(np.hstack([matrix, told]), rest - many * usual, many, pull)
    pooled = float(np.mean(off[trusted] ** 2)) if trusted.any() else 0.0
    heads = Heads(usual, float(np.std(rest / many)) + np.sqrt(pooled) + 2, factors=1 + constants[len(numbers) :])
    wide_of = _wider(chains)
    for one, column in numbers.items():
        with_it = matrix[:, column] > 0
        if (with_it & trusted).sum() >= _MOSTLY * with_it.sum():
            with_it &= trusted  # else it is the kind that is not steady, not some chains that are none
        if int(with_it.sum()) >= ENOUGH:
            share = matrix[with_it, column] / many[with_it]
            spread = (float(np.sum(off[with_it] ** 2 * share)) + 2 * pooled) / (float(share.sum()) + 2)
            heads.variance[one] = (np.sqrt(spread) + _LEAST_SPREAD) ** 2
            wider = wide_of.get(one)
            heads.length[one] = usual + constants[column] + (constants[numbers[wider]] if wider in numbers else 0.0)
    return heads


_MOSTLY: Final = 0.75
_STEADY_FACTOR: Final = 3.0
"""How hard the factor of what a line tells is pulled towards one."""

_LEAST_SPREAD: Final = 0.25
"""Bytes; added to what was seen, for few chains may agree by chance."""


def _wider(chains: Sequence[Sequence[Kind]]) -> Mapping[Hashable, Hashable]:
    return {kind[1]: kind[0] for chain in chains for kind in chain}


def _robust(
    matrix: FloatArray, wanted: FloatArray, many: FloatArray, steady: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Constants, how far each chain is off (in bytes a line of its length), and which chains are to be trusted."""
    weight = base = 1 / np.sqrt(many)
    constants, off, typical = np.zeros(matrix.shape[1]), np.zeros(len(wanted)), 1.0
    pull = np.diag(steady)
    for _ in range(_ROUNDS):
        system = np.vstack([matrix * weight[:, None], pull])
        constants = np.linalg.lstsq(system, np.concatenate([wanted * weight, np.zeros(len(steady))]), rcond=None)[0]
        off = np.abs(wanted - matrix @ constants) / np.sqrt(many)
        typical = 1.5 * float(np.median(off)) + 0.5
        weight = base * np.minimum(1, _ROUGH * typical / np.maximum(off, 1e-9))
    return constants, off, off < 10 * typical
