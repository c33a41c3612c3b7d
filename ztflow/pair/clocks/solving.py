"""The offsets in the graph of ztunnels, from what is between each two of them.

Least absolute deviations by reweighted least squares: one wrong edge of a cycle is outvoted. Each of the systems has a
row a ztunnel, and as many entries as pairs of ztunnels were seen. Of many ztunnels that is few, so they are solved by
conjugate gradients (Hestenes and Stiefel, 1952), each from the solution of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index

_DENSE: Final = 200
"""Ztunnels up to which a dense system is solved: 12 times in some 0.05 s."""
_CLOSE_ENOUGH: Final = 1e-14
"""How much smaller than at first the residual has to be: clocks a minute off are right to some microseconds."""
_MOST_STEPS: Final = 3
"""Steps for each ztunnel, after which a dense system is solved after all. A mesh of 5,000 takes 50 to 500 in all."""


def solve(
    size: int, a: Index, b: Index, difference: FloatArray, spread: FloatArray, *, rounds: int, faint: float
) -> FloatArray:
    """The offset of each ztunnel; the mean of those that hang together is 0.

    Args:
        size: How many there are.
        a: One of each two between which something is known.
        b: The other.
        difference: Offset of `a` less that of `b`.
        spread: How far that may be off.
        rounds: Of reweighting.
        faint: See `ClockParameters.faint`.
    """
    weight: FloatArray = 1 / spread**2
    solution: FloatArray = np.zeros(size)
    meshes = _meshes(size, a, b) if size > _DENSE else None
    for _ in range(rounds):
        system = System(size, a, b, weight, faint * float(weight.min()))
        right = system.at_ends(weight * difference)
        close = None if meshes is None else system.approached(right, solution, meshes)
        solution = system.solved(right) if close is None else close
        off = np.abs(solution[a] - solution[b] - difference)
        weight = 1 / (spread * np.maximum(off, spread))
    return solution


def _meshes(size: int, a: Index, b: Index) -> Index:
    import networkx as nx

    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(zip(a.tolist(), b.tolist(), strict=True))
    number: Index = np.zeros(size, np.intp)
    for one, joined in enumerate(nx.connected_components(graph)):
        number[list(joined)] = one
    return number


@dataclass(frozen=True, slots=True)
class System:
    """The normal equations of one round.

    Attributes:
        size: Rows.
        a: One end of each edge.
        b: The other.
        weight: Its weight.
        faint: Added to the diagonal: the wish that a clock is right.
    """

    size: int
    a: Index
    b: Index
    weight: FloatArray
    faint: float

    def at_ends(self, edges: FloatArray) -> FloatArray:
        """Sums of the values of edges: of those that begin at a ztunnel less those that end there."""
        begun, ended = (np.bincount(side, edges, self.size) for side in (self.a, self.b))
        return np.subtract(begun, ended, dtype=np.float64)

    def solved(self, right: FloatArray) -> FloatArray:
        """The solution, by elimination. Cost: the third power of the rows."""
        system = np.zeros((self.size, self.size))
        for i, j in ((self.a, self.b), (self.b, self.a)):
            np.add.at(system, (i, i), self.weight)
            np.add.at(system, (i, j), -self.weight)
        system[np.diag_indices(self.size)] += self.faint  # holds the mean of what hangs together at 0
        return np.linalg.solve(system, right).astype(np.float64)

    def approached(self, right: FloatArray, start: FloatArray, meshes: Index) -> FloatArray | None:
        """The solution, by conjugate gradients; None where that takes too many steps. Cost: the edges, a step.

        Args:
            right: The right side.
            start: Where to begin.
            meshes: A number for each ztunnel that is that of all it hangs together with; their mean is 0.
        """
        ends = np.bincount(self.a, self.weight, self.size) + np.bincount(self.b, self.weight, self.size)
        inverse = 1 / (ends + self.faint)  # Jacobi's: weights of edges differ by powers of ten
        enough = _CLOSE_ENOUGH * float(np.sqrt(right @ (inverse * right)))
        found = start.copy()
        rest = right - self._times(found)
        toward = inverse * rest
        direction, length = toward, float(rest @ toward)
        for _ in range(_MOST_STEPS * self.size):
            if length <= enough**2:
                means = np.bincount(meshes, found) / np.maximum(np.bincount(meshes), 1)
                return found - means[meshes]
            image = self._times(direction)
            step = length / float(direction @ image)
            found += step * direction
            rest -= step * image
            toward = inverse * rest
            before, length = length, float(rest @ toward)
            direction = toward + length / before * direction
        return None

    def _times(self, vector: FloatArray) -> FloatArray:
        return self.at_ends(self.weight * (vector[self.a] - vector[self.b])) + self.faint * vector
