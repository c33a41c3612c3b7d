"""The offsets in the graph of ztunnels: the sparse solver finds what elimination finds, also of a large mesh."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair.clocks import offsets, sparse
from ztflow.pair.clocks.offsets import CLOCKS


def mesh(seed, size, edges, *, apart=1, largest=1e6):
    """The true clocks of some ztunnels, and what is known between each two; in so many meshes without a connection."""
    random = np.random.default_rng(seed)
    clocks = random.normal(0, largest, size)
    a, b = random.integers(0, size, (2, edges))
    b -= (b - a) % apart  # equal remainders, so both are of one mesh
    keep = (a != b) & (b >= 0)
    a, b = a[keep], b[keep]
    spread = 10 ** random.uniform(1, 4.3, len(a))
    return clocks, a, b, clocks[a] - clocks[b] + random.normal(0, spread), spread


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9_999), st.integers(2, 60), st.integers(1, 300), st.integers(1, 3), st.sampled_from([1e3, 1e8]))
def test_conjugate_gradients_find_what_elimination_finds(seed, size, edges, apart, largest):
    _, a, b, difference, spread = mesh(seed, size, edges, apart=apart, largest=largest)
    if not len(a):
        return
    weight = 1 / spread**2
    faint = CLOCKS.faint * weight.min()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "_MOST_STEPS", 100)  # few ztunnels can take more than some for each
        found = sparse.Graph(size, a, b).solved(weight, faint, difference, np.zeros(size))
    assert found is not None
    exact = offsets._eliminated(size, a, b, weight, faint, difference)
    off = found - exact  # elimination loses the mean of what hangs together, by which nothing is meant
    assert np.abs(off[a] - off[b]).max() <= 0.01 + 1e-7 * largest
    assert abs(found.sum()) <= 1e-9 * largest


@pytest.mark.parametrize("largest", [1e3, 1e6])
def test_all_rounds_give_the_same_offsets_either_way(monkeypatch, largest):
    _, a, b, difference, spread = mesh(7, 150, 1_500, largest=largest)
    difference[:200] += 50 * largest  # wrong ones, to be outvoted
    made = []
    for dense in (0, 1_000):
        monkeypatch.setattr(offsets, "_DENSE", dense)
        made.append(offsets._solve(150, a, b, difference, spread, CLOCKS))
    off = made[0] - made[1]
    assert np.abs(off - off.mean()).max() < 0.5


def test_five_thousand_ztunnels_take_no_minute():
    clocks, a, b, difference, spread = mesh(3, 5_000, 60_000)
    start = time.process_time()
    found = offsets._solve(5_000, a, b, difference, spread, CLOCKS)
    assert time.process_time() - start < 15, "dense systems of that size take most of a minute"
    off = np.abs(found - (clocks - clocks.mean()))
    assert np.median(off) < 1_000


def test_what_takes_too_many_steps_is_solved_by_elimination(monkeypatch):
    monkeypatch.setattr(sparse, "_MOST_STEPS", 0)
    monkeypatch.setattr(offsets, "_DENSE", 0)
    a = np.arange(99)
    found = offsets._solve(100, a, a + 1, np.full(99, -10.0), np.full(99, 100.0), CLOCKS._replace(rounds=2))
    assert np.diff(found) == pytest.approx(np.full(99, 10.0), abs=0.1)
