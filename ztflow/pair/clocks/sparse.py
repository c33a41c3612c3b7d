"""Offsets in a graph of many ztunnels: a system with a row each, and as many entries as pairs of ztunnels were seen.

Of many ztunnels that is few of all, so it is solved by conjugate gradients (Hestenes and Stiefel, 1952).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index

_CLOSE_ENOUGH: Final = 1e-14
"""How much smaller than at first the residual has to be: clocks a minute off are right to some microseconds."""
_MOST_STEPS: Final = 3
"""Steps for each ztunnel, after which it is given up. A mesh of 5,000 takes 50 to 500 in all."""


class Graph:
    """Which ztunnels something is known between.

    Args:
        size: How many there are.
        a: One of each two.
        b: The other.
    """

    def __init__(self, size: int, a: Index, b: Index) -> None:
        self._size, self._a, self._b = size, a, b
        self._meshes = _meshes(size, a, b)

    def solved(self, weight: FloatArray, faint: float, difference: FloatArray, start: FloatArray) -> FloatArray | None:
        """The offsets that make the weighted squares least, the mean of those that hang together 0.

        None where that takes too many steps. Cost: a pass over the pairs, a step.

        Args:
            weight: Of each two.
            faint: Added to the diagonal: the wish that a clock is right.
            difference: Offset of `a` less that of `b`.
            start: Where to begin.
        """
        ends = np.bincount(self._a, weight, self._size) + np.bincount(self._b, weight, self._size)
        inverse = 1 / (ends + faint)  # Jacobi's: weights differ by powers of ten
        right = self._at_ends(weight * difference)
        enough = _CLOSE_ENOUGH * float(np.sqrt(right @ (inverse * right)))
        found = start.copy()
        rest = right - self._times(weight, faint, found)
        toward = inverse * rest
        direction, length = toward, float(rest @ toward)
        for _ in range(_MOST_STEPS * self._size):
            if length <= enough**2:
                means = np.bincount(self._meshes, found) / np.maximum(np.bincount(self._meshes), 1)
                return found - means[self._meshes]
            image = self._times(weight, faint, direction)
            step = length / float(direction @ image)
            found += step * direction
            rest -= step * image
            toward = inverse * rest
            before, length = length, float(rest @ toward)
            direction = toward + length / before * direction
        return None

    def _times(self, weight: FloatArray, faint: float, vector: FloatArray) -> FloatArray:
        return self._at_ends(weight * (vector[self._a] - vector[self._b])) + faint * vector

    def _at_ends(self, values: FloatArray) -> FloatArray:
        """Sums of the values of pairs: of those that begin at a ztunnel less those that end there."""
        begun, ended = (np.bincount(side, values, self._size) for side in (self._a, self._b))
        return np.subtract(begun, ended, dtype=np.float64)


def _meshes(size: int, a: Index, b: Index) -> Index:
    """A number for each ztunnel, the same of all that hang together."""
    import networkx as nx

    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(zip(a.tolist(), b.tolist(), strict=True))
    number: Index = np.zeros(size, np.intp)
    for one, joined in enumerate(nx.connected_components(graph)):
        number[list(joined)] = one
    return number
