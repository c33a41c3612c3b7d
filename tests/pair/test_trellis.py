"""Ways put together from those that walks came to."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair import ends, trellis
from ztflow.pair.habits import USUAL, Pace, gap_classes
from ztflow.pair.shipped import SHIPPED
from ztflow.pair.walker import Ways


def weighed(late, early, visited, seed=0):
    """Ways as `walk` notes them down, and the logarithm of each one's likelihood."""
    late, early = np.asarray(late, float), np.asarray(early, float)
    slots = max(len(late), len(early))
    gap, gap2 = gap_classes(late, 18.0, 1), gap_classes(late, 18.0, 2)
    pace = Pace.of(late, np.array([200.0]), USUAL)
    burst = ends.Burst(
        np.array([len(late), len(early)]), np.array([pace.service, pace.least, pace.spread, 1.0, 1.0]),
        np.append(late, [1e12] * (slots - len(late))), np.append(early, [-1e12] * (slots - len(early))),
        -np.random.default_rng(seed).exponential(1, (slots, slots)), *SHIPPED.weights(gap), gap, gap2,
    )  # fmt: skip
    ways = Ways.blank(len(visited), len(late))
    total = []
    for row, partner in enumerate(visited):
        way = ends.way(slots)
        way.partner[:] = partner
        ends.set_all(burst, way)
        for k in range(len(late)):
            ways.partner[row, k] = partner[k]
            ways.situation[row, k] = ends.situation(burst, way, k)
            ways.weight[row, k] = way.factor[k] + burst.fit[k, partner[k]]
        total.append(ways.weight[row].sum())
    return ways, np.array(total)


def mixed(ways, total, early):
    """Shares of the ways themselves."""
    result = np.zeros((ways.partner.shape[1], early + 1))
    for partner, chance in zip(ways.partner, np.exp(total - total.max()), strict=True):
        np.add.at(result, (np.arange(len(partner)), np.minimum(partner, early)), chance)
    return result[:, :early] / np.exp(total - total.max()).sum()


EARLY = [0.0, 20, 90, 130, 140]
LATE = [300.0, 340, 360, 450, 470]


def test_all_ways_together_give_what_adding_them_up_gives():
    ways, total = weighed(LATE, EARLY, list(permutations(range(5))))
    assert trellis.shares(ways, 5) == pytest.approx(mixed(ways, total, 5))


@pytest.mark.parametrize(
    ("late", "early"), [(LATE, EARLY[:4]), (LATE[:4], EARLY), (LATE, EARLY[:2]), (LATE[:1], EARLY)]
)
def test_so_it_does_where_some_have_nobody(late, early):
    """Nobody's places are interchangeable, so each way is there once only."""
    late_first = {tuple(min(p, len(early)) for p in w[: len(late)]): w for w in permutations(range(5))}
    ways, total = weighed(late, early, [w[: max(len(late), len(early))] for w in late_first.values()])
    assert trellis.shares(ways, len(early)) == pytest.approx(mixed(ways, total, len(early)), abs=0.02)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.permutations(range(5)).map(tuple), min_size=1, max_size=12), st.integers(0, 1000))
def test_few_ways_give_each_late_end_one_partner_among_those_seen(visited, seed):
    ways, _ = weighed(LATE, EARLY, sorted(visited), seed)
    shares = trellis.shares(ways, 5)
    assert shares.sum(axis=0) == pytest.approx(1)
    assert shares.sum(axis=1) == pytest.approx(1)
    seen = np.zeros((5, 5), bool)
    for partner in visited:
        seen[range(5), partner] = True
    assert not shares[~seen].any()


def test_two_ways_that_differ_in_two_places_stand_for_four():
    early = [0.0, 20, 2000, 2020]
    late = [300.0, 320, 2300, 2320]
    seen, total = weighed(late, early, [(0, 1, 2, 3), (1, 0, 3, 2)])
    every, all_total = weighed(late, early, [(0, 1, 2, 3), (1, 0, 3, 2), (0, 1, 3, 2), (1, 0, 2, 3)])
    assert trellis.shares(seen, 4) == pytest.approx(mixed(every, all_total, 4))
    assert trellis.shares(seen, 4) != pytest.approx(mixed(seen, total, 4), abs=0.01)


def test_how_often_a_way_was_visited_does_not_matter():
    ways, _ = weighed(LATE, EARLY, [(0, 1, 2, 3, 4), (1, 0, 2, 4, 3)])
    often, _ = weighed(LATE, EARLY, [(0, 1, 2, 3, 4)] * 7 + [(1, 0, 2, 4, 3)])
    assert trellis.shares(often, 5) == pytest.approx(trellis.shares(ways, 5))


def test_halves_that_saw_the_same_agree():
    ways, _ = weighed(LATE, EARLY, [(0, 1, 2, 3, 4), (1, 0, 2, 3, 4)])
    one, two = (trellis.shares(ways.part(number, 1), 5) for number in range(2))
    assert trellis.disagreement(np.stack([one, two, one, two])) == pytest.approx(0)
    assert trellis.disagreement(np.stack([one, one, two, two])) == pytest.approx(2 / 5)
