"""Clock offsets from isolated pairs, from bursts laid on each other, and from crowds of possible partners."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.group_statistics import crowds, quantiles
from ztflow.pair.clocks.by_epoch import OffsetsByEpoch
from ztflow.pair.clocks.offsets import CLOCKS, Differences, estimate
from ztflow.pair.features.full import full_features
from ztflow.pair.reach import REACH

NODES = np.array([11, 22, 33, 44, 55], np.uint64)
NONE = Differences(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))


def differences(*told):
    """Each told as (outbound node, inbound node, differences)."""
    return Differences(
        np.concatenate([np.repeat(NODES[a], len(d)) for a, _, d in told]),
        np.concatenate([np.repeat(NODES[b], len(d)) for _, b, d in told]),
        np.concatenate([np.asarray(d, np.int64) for _, _, d in told]),
    )


def off(offsets, a, b):
    """How far node `a` is ahead of node `b`."""
    return int(offsets.of(NODES[[a]])[0] - offsets.of(NODES[[b]])[0])


def test_without_evidence_clocks_are_right():
    assert estimate(NONE, NONE, NONE).of(NODES).tolist() == [0, 0, 0, 0, 0]


def test_both_directions_cancel_the_delay_and_load_does_not_matter():
    idle, loaded = [300, 310, 320, 330], [300, 2_000, 5_000, 9_000, 310]
    found = estimate(differences((0, 1, np.add(idle, 40_000)), (1, 0, np.add(loaded, -40_000))), NONE, NONE)
    assert off(found, 0, 1) == pytest.approx(40_000, abs=15)


def test_one_direction_is_corrected_by_the_delay_on_one_clock():
    found = estimate(differences((0, 1, [90_100] * 5), (2, 2, [100] * 5)), NONE, NONE)
    assert off(found, 0, 1) == 90_000


def test_a_crowd_of_wrong_partners_does_not_outvote_a_few_isolated_pairs():
    """Two edges of the triangle are known by few isolated pairs; the third by thousands of differences that are wrong."""
    isolated = differences((0, 1, [500_100, 500_120, 500_090]), (1, 2, [-999_900, -999_890, -999_880]))
    rng = np.random.default_rng(1)
    crowd = differences((0, 2, rng.normal(-440_000, 700, 3000)))
    found = estimate(isolated, NONE, crowd)
    assert off(found, 0, 1) == pytest.approx(500_000, abs=300)
    assert off(found, 0, 2) == pytest.approx(-500_000, abs=300)


def test_a_crowd_serves_where_nothing_else_speaks():
    rng = np.random.default_rng(2)
    wrong, right = rng.uniform(-1e6, 1e6, 4000), rng.normal(-250_000, 300, 400)
    found = estimate(NONE, NONE, differences((0, 1, np.concatenate([wrong, right]))))
    assert off(found, 0, 1) == pytest.approx(-250_000, abs=2_000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1_000_000, 1_000_000), min_size=3, max_size=3), st.integers(3, 30))
def test_offsets_are_recovered_from_isolated_pairs_of_a_circle(true, count):
    rng = np.random.default_rng(count)
    pairs = [(a, b, true[a] - true[b] + 80 + rng.exponential(100, count)) for a, b in ((0, 1), (1, 2), (2, 0))]
    found = estimate(differences(*pairs), NONE, NONE)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert off(found, a, b) == pytest.approx(true[a] - true[b], abs=150)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-1_000_000, 1_000_000), min_size=5, max_size=5),
    st.sampled_from([-900_000, -200_000, 50_000, 400_000]),
    st.integers(0, 9),
)
def test_evidence_that_contradicts_all_the_rest_gives_way(true, wrong_by, wrong_one):
    """Five ztunnels, each measured against each; what two of them say is off, and the circles through others show it."""
    ways = [[a, b, true[a] - true[b] + np.array([90, 100, 110, 120, 130])] for a in range(5) for b in range(a + 1, 5)]
    ways[wrong_one][2] = ways[wrong_one][2] + wrong_by
    found = estimate(differences(*ways), NONE, NONE)
    for a, b, _ in ways:
        assert off(found, a, b) == pytest.approx(true[a] - true[b], abs=1_000)


def train(skew_us, seed):
    """A dense train of equal connections from node 1 to node 2, whose clock is off: three bursts of different size."""
    rng = np.random.default_rng(seed)
    rows = []
    for begin, count in ((5.0, 60), (5.3, 45), (5.6, 80)):
        for end in np.sort(rng.uniform(begin, begin + 0.05, count)):
            out, inn = connection(
                end=float(end), client=1, server=3, response=300, request=100, duration=5, delay_us=300, line=len(rows)
            )
            inn["time"] += skew_us
            rows += [out, inn]
    return rows


@settings(max_examples=10, deadline=None)
@given(st.integers(-500_000, 500_000), st.integers(0, 100))
def test_bursts_show_the_offset_without_a_single_isolated_pair(skew_us, seed):
    """Their partners are far beyond the next few of their kind, and the bursts of the train overlap when shifted."""
    features = full_features(table(train(skew_us, seed)))
    start = int(features.time[features.outbound].min())
    found = OffsetsByEpoch().offsets(start // REACH.epoch, features)
    out, inn = (features.ztunnel[features.outbound == side][0] for side in (True, False))
    assert out != inn
    ahead = int(found.of(np.array([inn]))[0] - found.of(np.array([out]))[0])
    assert ahead == pytest.approx(skew_us, abs=1_000)


ends = st.lists(st.tuples(st.integers(0, 39), st.integers(-900, 900)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(ends, min_size=1, max_size=6), st.integers(1, 9))
def test_what_is_forgotten_would_not_have_been_looked_at(batches, most):
    """Offsets are the same with and without `forget`, also for pairs that come late, and after a copy was changed."""
    nobody = full_features(table([]))
    keeping, forgetting = (OffsetsByEpoch(CLOCKS._replace(most_isolated=most)) for _ in range(2))
    for number, batch in enumerate(batches):
        start = (20 + 5 * number) * 1_000_000
        rows = [
            half
            for second, delay in batch
            for half in connection(end=5 * number + second / 2, client=1, server=3, delay_us=delay, line=1)
        ]
        features = full_features(table(rows))
        features = replace(features, time=features.time - features.time.min() + start)
        out, inn = np.flatnonzero(features.outbound), np.flatnonzero(~features.outbound)
        for clocks in (keeping, forgetting):
            clocks.remember(features, out, inn)
        deepcopy(forgetting).forget(start + 1_000_000_000)
        forgetting.forget(start)
        epoch = -(-start // REACH.epoch)
        told = [clocks.offsets(epoch, nobody) for clocks in (keeping, forgetting)]
        np.testing.assert_equal(*([one.ztunnel, one.offset, one.route] for one in told))
    assert len(forgetting._isolated_time) <= len(keeping._isolated_time)


groups = st.lists(st.tuples(st.integers(0, 4), st.integers(-50_000, 50_000)), max_size=60)


@given(groups, st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_quantiles_of_groups_are_those_of_each(drawn, shares):
    group, values = (np.array([pair[k] for pair in drawn], np.int64) for k in (0, 1))
    found = quantiles(values, group, np.array(shares))
    for one, share in enumerate(shares):
        here = values[group == one]
        if len(here):
            np.testing.assert_allclose(found[one], np.quantile(here, share), rtol=1e-12, atol=1e-9)
        else:
            assert np.isnan(found[one])


@given(groups)
def test_crowds_of_groups_do_not_mix(drawn):
    group, values = (np.array([pair[k] for pair in drawn], np.int64) for k in (0, 1))
    together = crowds(values, group, 5, width=2000, about=0.8)
    for one in range(5):
        here = values[group == one]
        alone = crowds(here, np.zeros(len(here), np.int64), 1, width=2000, about=0.8)
        np.testing.assert_equal(together[one], alone[0])
        if len(here):
            near = np.abs(here - alone[0]) <= 2000
            best = max(((here >= at) & (here < at + 2000)).sum() for at in here)
            assert near.sum() >= 0.8 * best / 2
