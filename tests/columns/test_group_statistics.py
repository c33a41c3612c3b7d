"""Statistics of groups of numbers, against NumPy's."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.group_statistics import middle, quantile, quantiles
from ztflow.columns.grouping import connected

NUMBERS = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=12)


@settings(max_examples=60)
@given(NUMBERS, st.floats(0, 1))
def test_of_one_group_they_are_numpys(values, share):
    numbers = np.array(values, np.float64)
    assert middle(numbers) == np.median(numbers)
    assert quantile(numbers, share) == pytest.approx(np.quantile(numbers, share), rel=1e-12)


@settings(max_examples=60)
@given(st.lists(NUMBERS, min_size=1, max_size=5), st.floats(0, 1), st.booleans(), st.randoms())
def test_of_many_groups_they_are_numpys_of_each(groups, share, whole, random):
    rows = [(value, number) for number, values in enumerate(groups) for value in values]
    random.shuffle(rows)
    values, group = np.array(rows).T
    found = quantiles(values if whole else values.astype(np.float64), group, np.full(len(groups) + 1, share))
    assert found[:-1] == pytest.approx([np.quantile(values, share) for values in groups], rel=1e-12)
    assert np.isnan(found[-1])


@settings(max_examples=60)
@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_what_hangs_together_has_its_least_number(count, pairs):
    pairs = [(a % count, b % count) for a, b in pairs]
    graph = nx.Graph(pairs)
    graph.add_nodes_from(range(count))
    a, b = np.array(pairs, np.intp).reshape(-1, 2).T
    found = connected(a, b, count)
    for group in nx.connected_components(graph):
        assert {*found[[*group]].tolist()} == {min(group)}


def test_a_long_chain_hangs_together_after_few_passes():
    order = np.random.default_rng(2).permutation(20_000)
    assert not connected(order[:-1], order[1:], len(order)).any()
