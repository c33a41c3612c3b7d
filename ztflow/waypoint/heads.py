"""How long heads are: what a request or response moves beside the body that Envoy counts, learned from the capture.

What the line tells of the head's length (its path, the digits of the body's length, …) counts with a factor near one
unless the capture says otherwise; the rest is a constant for requests alike. Both are found by least squares over
chains of several lines. A line's constant is the sum of what is learned of lines like it (its method and code), of its
ends (who asks, who answers), and of both together, each as far as there is enough to learn from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray

Kind = tuple[Hashable, Hashable, Hashable]
"""What a line is alike in: what it is, who its ends are, and both."""

ENOUGH: Final = 3
"""Chains with a kind of line from which on it is known how long its head is."""

_MOST_CHAINS: Final = 4000
"""Chains that are learned from, taken evenly from all: more teach no more."""

_STEADY: Final = (0.02, 0.02, 0.3)
"""How hard each part of a line's constant is pulled towards nothing."""

_ROUNDS: Final = 6
_ROUGH: Final = 3.0
"""Typical deviations from which on a chain counts less: some of those learned from are no chains of one connection."""


@dataclass(slots=True)
class Heads:
    """Lengths of heads in one direction.

    Attributes:
        usual: Of a kind nothing is known of.
        spread: How far single heads are from that.
        length: Part of a kind → what it adds.
        variance: Whole kind → variance of its heads.
        apart: Variance of what a part adds, for those of which nothing is known.
        factors: Of each thing the line tells.
    """

    usual: float = 0.0
    spread: float = 0.0
    length: dict[Hashable, float] = field(default_factory=dict)
    variance: dict[Hashable, float] = field(default_factory=dict)
    apart: tuple[float, ...] = ()
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
        length = self.usual + sum(self.length.get(part, 0.0) for part in kind)
        variance = self.variance.get(kind[-1])
        if variance is not None:
            return length, variance
        if not any(part in self.length for part in kind):
            return length, self.spread**2
        known = self.variance.get(kind[0], 0.0)
        return length, known + sum(one for part, one in zip(kind, self.apart, strict=True) if part not in self.length)


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
    levels = np.array(level, np.intp)
    heads.apart = tuple(_apart(constants[: len(numbers)][levels == one], heads.spread) for one in range(len(_STEADY)))
    for one, column in numbers.items():
        with_it = matrix[:, column] > 0
        if (with_it & trusted).sum() >= _MOSTLY * with_it.sum():
            with_it &= trusted  # else it is the kind that is not steady, not some chains that are none
        if int(with_it.sum()) >= ENOUGH:
            share = matrix[with_it, column] / many[with_it]
            spread = (float(np.sum(off[with_it] ** 2 * share)) + 2 * pooled) / (float(share.sum()) + 2)
            heads.variance[one] = (np.sqrt(spread) + _LEAST_SPREAD) ** 2
            heads.length[one] = float(constants[column])
    return heads


def _apart(constants: FloatArray, spread: float) -> float:
    """Variance of what parts add; as large as all heads' where there are too few to tell."""
    return float(np.mean(constants**2)) if len(constants) >= ENOUGH else spread**2


_MOSTLY: Final = 0.75
_STEADY_FACTOR: Final = 3.0
"""How hard the factor of what a line tells is pulled towards one."""

_LEAST_SPREAD: Final = 0.25
"""Bytes; added to what was seen, for few chains may agree by chance."""


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
