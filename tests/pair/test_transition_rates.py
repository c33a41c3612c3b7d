"""How the ends of bursts behave: what is counted on them, and how fast they are."""

from __future__ import annotations

import numpy as np
import pytest
from queues_by_hand import in_batches
from ways_by_hand import burst_of, one_way

from ztflow.pair.hmm.forward_backward import Beam, sum_paths
from ztflow.pair.hmm.rooms import no_counts
from ztflow.pair.hmm.transition_rates import TRANSITION_RATES, Pace, TransitionRates, default_rates
from ztflow.pair.hmm.transitions import GAP_CLASSES
from ztflow.pair.reach import REACH

EARLY = np.arange(8) * 15.0


def likely(late, early, order, pace):
    """The logarithm of the likelihood of ends in this order."""
    return one_way(burst_of(late, early, pace=pace), order)[1]


def test_a_batch_that_was_there_is_taken_last_first():
    """Nothing but the order of ends tells: it is likelier than in turn, and than any other one that came first."""
    late, pace = 200 + np.concatenate([[0], 40 + 18 * np.arange(7)]), Pace(18, 30, 24)
    last_first = likely(late, EARLY, [7, 0, 1, 2, 3, 4, 5, 6], pace)
    assert last_first > likely(late, EARLY, range(8), pace)
    for first in range(1, 7):
        assert last_first > likely(late, EARLY, [first, *(k for k in range(8) if k != first)], pace) + 1


def test_two_threads_take_turns():
    """A batch of twelve; from the second on, one thread works off 0 to 4 and another 5 to 10."""
    early = np.arange(12) * 15.0
    one = 300 + 30 + 20 * np.arange(5)
    two = 300 + 40 + 20 * np.arange(6)
    late = np.concatenate([[300], one, two])
    order = np.argsort(late)
    true = np.concatenate([[11], np.arange(5), np.arange(5, 11)])[order]
    pace = Pace(20, 30, 27)
    for a in range(1, 11):  # better than any exchange of two that ended next to each other
        other = true.copy()
        other[[a, a + 1]] = true[[a + 1, a]]
        assert likely(late[order], early, other, pace) < likely(late[order], early, true, pace)


def test_next_after_anything_is_a_share():
    """Over all ends that could come next, the weights within an unfinished batch add up to about one."""
    early = np.arange(6) * 15.0
    late = 200 + np.arange(6) * 18.0
    pace = Pace.of(late, late - early, REACH.usual_delay)
    before = likely(late[:2], early, [5, 0], pace)
    total = sum(np.exp(likely(late[:3], early, [5, 0, third], pace) - before) for third in range(1, 5))
    assert 0.9 < total <= 1.001


def counted(early, late, partner):
    """The steps of one path."""
    fit = np.full((len(late), len(early)), -1e9)
    fit[np.arange(len(late)), partner] = 0
    pace = Pace.of(late, late - np.sort(early), REACH.usual_delay)
    return sum_paths(burst_of(late, early, pace=pace)._replace(emission=fit), Beam(50, 9.0)).counts


@pytest.mark.parametrize("last_first", [0.0, 1.0])
def test_rates_follow_the_burst(last_first):
    rng = np.random.default_rng(5)
    early = np.cumsum(rng.exponential(60.0, 400))
    done = in_batches(early, rng, last_first=last_first)
    order = np.argsort(done)
    counts = counted(early, done[order], order)
    moved = default_rates().moved(counts)
    new = counts.batch[1] > 8
    assert new.any()
    assert (moved.batch[new] > default_rates().batch[new]).any() == (last_first == 1.0)
    assert (moved.batch[new] < default_rates().batch[new]).all() == (last_first == 0.0)
    for shares in (moved.follows, moved.gaps, moved.own):
        assert shares.sum(axis=-1) == pytest.approx(np.ones(len(shares)))


def test_few_ends_prove_nothing():
    early = np.array([0.0, 20, 40])
    moved = default_rates().moved(counted(early, early + 300, [2, 0, 1]))
    assert np.abs(moved.follows - default_rates().follows).max() < 0.05
    assert np.abs(moved.batch - default_rates().batch).max() < 0.05


def test_shares_of_nothing_are_even():
    rates = TransitionRates.counted(no_counts())
    assert rates.gaps == pytest.approx(np.full((4, GAP_CLASSES), 1 / GAP_CLASSES))


@pytest.mark.parametrize("scale", [1, 2.5])
def test_the_pace_is_that_of_the_burst(scale):
    rng = np.random.default_rng(8)
    early = np.cumsum(rng.exponential(40.0 * scale, 300))
    done = in_batches(early, rng, scale=scale)
    pace = Pace.of(np.sort(done), done - early, REACH.usual_delay)
    assert pace.service == pytest.approx(18 * scale, rel=0.2)


def test_the_least_delay_is_no_more_than_the_delays_allow():
    late = np.arange(5) * 1000.0
    assert Pace.of(late, np.full(5, 100.0), REACH.usual_delay).least == TRANSITION_RATES.least
    assert Pace.of(late, np.full(5, 400.0), REACH.usual_delay + 200).least == TRANSITION_RATES.least + 200
    assert Pace.of(late, np.full(5, -50.0), REACH.usual_delay).least < -50
    assert Pace.of(late[:1], np.zeros(0), REACH.usual_delay).service == pytest.approx(TRANSITION_RATES.service, rel=0.1)
