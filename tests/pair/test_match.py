"""Equal connections: who belongs to whom, and how sure that is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues_by_hand import burst, true_partners

from ztflow.pair import delays, sampling
from ztflow.pair.habits import USUAL, Habits, adapted
from ztflow.pair.match import Segment, match_segments, nearest
from ztflow.pair.outline import NO_TIME
from ztflow.pair.sampling import EFFORTS, Candidates, Effort, effort_for, sample
from ztflow.pair.starts import WINDOW, fits, local_lags, start_order

T0 = 1_700_000_000_000_000
HARD = Effort(1000, 64, 300, 100, (1, 2, 1, 3), (2, 3))


def ints(*values):
    return np.array(values, np.int64)


def segment(out, inn, port=None):
    """Halves as (end in µs, duration in ms)."""
    out, inn = sorted(out), sorted(inn)
    return Segment(
        ints(*(T0 + t for t, _ in out)), ints(*(d for _, d in out)), ints(*(port or [0] * len(out))),
        ints(*(T0 + t for t, _ in inn)), ints(*(d for _, d in inn)),
    )  # fmt: skip


def pairs(match):
    return sorted(zip(match.outbound.tolist(), match.inbound.tolist(), strict=True))


# -- single decisions ------------------------------------------------------------------------------------------------


def test_one_pair_alone_is_sure():
    (match,) = match_segments([segment([(300, 6)], [(0, 5)])])
    assert pairs(match) == [(0, 0)]
    assert match.confidence[0] > 0.999
    assert match.alternatives.tolist() == [0]


@pytest.mark.parametrize(("out", "inn"), [([], []), ([(0, 1)], []), ([], [(0, 1)])])
def test_nobody_to_pair_with(out, inn):
    (match,) = match_segments([segment(out, inn)])
    assert pairs(match) == []


def test_nothing_to_match():
    assert match_segments([]) == []


def test_halves_far_apart_stay_alone():
    (match,) = match_segments([segment([(0, 5), (200_000, 5)], [(-150_000, 5), (199_700, 5)])])
    assert pairs(match) == [(1, 1)]


def test_durations_tell_apart_what_ended_together():
    (match,) = match_segments([segment([(300, 50), (320, 9)], [(0, 8), (15, 49)])])
    assert pairs(match) == [(0, 1), (1, 0)]
    assert match.confidence.min() > 0.9


def test_twins_cannot_be_told_apart_and_it_says_so():
    (match,) = match_segments([segment([(300, 5), (300, 5)], [(0, 5), (0, 5)])])
    assert len(match.outbound) == 2
    assert match.confidence == pytest.approx([0.5, 0.5], abs=0.05)
    assert match.alternatives.tolist() == [1, 1]


def test_the_half_without_a_partner_is_left_over():
    out = [(300 + 5_000 * k, 5 + k) for k in range(8)]
    inn = [(5_000 * k, 4 + k) for k in range(8)]
    for lost in (0, 3, 7):
        (match,) = match_segments([segment(out, inn[:lost] + inn[lost + 1 :])])
        assert pairs(match) == [(k, k - (k > lost)) for k in range(8) if k != lost]
        (match,) = match_segments([segment(out[:lost] + out[lost + 1 :], inn)])
        assert pairs(match) == [(k - (k > lost), k) for k in range(8) if k != lost]


# -- bursts ------------------------------------------------------------------------------------------------------------


def test_bursts_are_paired_better_than_by_least_squares_and_confidence_is_honest():
    sizes = [(count, seed) for seed, count in enumerate([12, 20, 40, 60, 80, 100, 60, 40, 30])]
    found = match_segments([burst(*size) for size in sizes])
    right, claimed, plain = [], [], 0
    for size, match in zip(sizes, found, strict=True):
        true = true_partners(*size)
        right += (true[match.outbound] == match.inbound).tolist()
        claimed += match.confidence.tolist()
        made = burst(*size)
        rows, columns = nearest(made.out_time, made.out_duration, made.in_time, made.in_duration)
        plain += int((true[rows] == columns).sum())
    right, claimed = np.array(right), np.array(claimed)
    total = sum(count for count, _ in sizes)
    assert len(right) == total
    assert right.sum() > plain + 0.03 * total
    cell = np.minimum(9, (claimed * 10).astype(int))
    off = sum(abs(claimed[cell == k].sum() - right[cell == k].sum()) for k in range(10)) / total
    assert off < 0.12
    assert right[claimed >= 0.97].mean() >= 0.98


def test_a_burst_of_a_thousand_uses_every_half_once():
    (match,) = match_segments([burst(500, 3, spread_us=60_000)])
    assert sorted(match.outbound.tolist()) == sorted(match.inbound.tolist()) == list(range(500))


segments = st.builds(
    segment,
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 30)), max_size=9),
    st.lists(st.tuples(st.integers(-3_000, 60_000), st.integers(0, 30)), max_size=9),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(segments, max_size=4))
def test_a_result_does_not_depend_on_what_stands_beside_it(several):
    together = match_segments(several)
    for one, match in zip(several, together, strict=True):
        (alone,) = match_segments([one])
        assert pairs(alone) == pairs(match)
        assert alone.confidence.tolist() == match.confidence.tolist()
        assert alone.alternatives.tolist() == match.alternatives.tolist()


@settings(max_examples=15, deadline=None)
@given(segments)
def test_one_to_one_and_as_many_as_fit(one):
    (match,) = match_segments([one])
    assert len(set(match.outbound.tolist())) == len(match.outbound)
    assert len(set(match.inbound.tolist())) == len(match.inbound)
    assert len(match.outbound) == min(len(one.out_time), len(one.in_time))  # all within 100 ms here
    assert ((match.confidence > 0) & (match.confidence < 1)).all()
    assert (match.alternatives >= 0).all()


# -- the sampler against all ways to pair -----------------------------------------------------------------------------


def usual(slots):
    return Habits.usual(np.array([USUAL])).of_slots(np.array([slots]))


def exact_shares(out, inn):
    """Shares by adding up all ways; durations say nothing here, so the starts' factors are the same for all."""
    count, slots = len(out), max(len(out), len(inn))
    outbound = np.concatenate([out, np.full(slots - count, delays.FAR)])
    inbound = np.concatenate([inn, np.full(slots - len(inn), -delays.FAR)])
    ends = delays.Ends.of(outbound, inbound, np.arange(slots), usual(slots))
    ways = np.array(list(permutations(range(slots))))
    alone = np.zeros((slots, slots))
    alone[:count, : len(inn)] = delays.not_too_early(np.subtract.outer(out, inn), delays.LEAST)
    chance = ends.likelihood(ways) * delays.TRUST_ENDS + alone[np.arange(slots), ways]
    weight = np.exp(chance.sum(axis=1, dtype=float))
    shares = np.zeros((count, slots))
    for row in range(count):
        np.add.at(shares[row], ways[:, row], weight)
    return shares[:, : len(inn)] / weight.sum()


@pytest.mark.parametrize(
    ("out", "inn"),
    [
        ([300.0, 340, 420], [0.0, 20, 90]),
        ([300.0, 340, 420, 1200], [0.0, 20, 90, 700]),
        ([300.0, 340, 420, 450, 900], [0.0, 20, 90, 130, 700]),
        ([300.0, 340, 420], [0.0, 20, 90, 100]),
        ([300.0, 340, 420, 500], [0.0, 20, 90]),
        ([300.0, 800], [0.0, 20, 90, 500]),
    ],
)
def test_sampled_shares_are_those_of_all_ways_to_pair(out, inn, monkeypatch):
    monkeypatch.setattr(sampling, "LEARN_AT", ())
    out, inn = np.array(out), np.array(inn)
    first = min(len(out), len(inn))
    guess = np.concatenate([np.arange(first), np.full(len(out) - first, -1)])
    # Everybody may have started at any instant that matters: the same window for all.
    halves = [
        Candidates(
            out,
            np.full(len(out), -5000.0),
            np.zeros(len(out), int),
            inn,
            np.full(len(inn), -4500.0),
            guess,
            seed,
            np.full(len(out), np.nan),
            USUAL,
        )
        for seed in range(12)
    ]
    sampled = np.mean(sample(halves, HARD), axis=0)
    assert np.abs(sampled - exact_shares(out, inn)).max() < 0.03


def test_every_size_has_its_effort():
    assert [effort_for(slots) for slots in (1, 6, 7, 24, 25, 200, 201, 100_000)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert all(effort.samples >= 256 for effort in EFFORTS)


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(12)), st.integers(0, 11), st.integers(0, 11))
def test_a_swap_changes_no_factor_further_than_two_slots_on(order, a, b):
    """What makes it right to try changes in stretches `distance + 3` long at the same time."""
    out = np.cumsum(np.linspace(10, 200, 12))
    ends = delays.Ends.of(out, out - 150, np.arange(12), usual(12))
    before = np.array(order)[None, :]
    after = before.copy()
    after[:, [a, b]] = before[:, [b, a]]
    changed = np.flatnonzero((ends.likelihood(before) != ends.likelihood(after))[0])
    assert set(changed.tolist()) <= {s + k for s in (a, b) for k in range(3)}


# -- habits ------------------------------------------------------------------------------------------------------------


def slow_burst(factor, count=400, seed=5):
    """Ends of a burst in one queue whose times are all so many times the usual ones; partners are in order."""
    rng = np.random.default_rng(seed)
    inbound = np.cumsum(rng.exponential(60.0 * factor, count))
    new_queue = rng.random(count) < 0.2
    drawn = np.where(new_queue, 300 * factor * rng.random(count) / (1 - rng.random(count)).clip(0.2), 0)
    delay = 100 * factor + drawn[np.maximum.accumulate(np.where(new_queue, np.arange(count), 0))]
    outbound = inbound + delay + rng.normal(0, 20 * factor, count)
    order = np.argsort(outbound)
    return outbound[order], inbound, order


@pytest.mark.parametrize("factor", [1, 6])
def test_habits_follow_the_machine(factor):
    outbound, inbound, partner = slow_burst(factor)
    start = now = Habits.usual(np.array([USUAL]))
    count = np.array([len(outbound)])
    for _ in range(10):
        ends = delays.Ends.of(outbound, inbound, np.arange(count[0]), now.of_slots(count))
        now = adapted(now, start, ends.seen(partner[None, :], np.array([0])))
    total = [float((h.same + h.other + h.nearly + h.new)[0]) for h in (start, now)]
    assert total[1] == pytest.approx(total[0], rel=0.01)
    if factor == 6:
        assert now.rough[0] > 1.3 * start.rough[0]
        assert now.delay[0] > 1.3 * start.delay[0]
    assert start.rough[0] / 10 <= now.rough[0] <= start.rough[0] * 10


def test_few_ends_prove_nothing():
    outbound, inbound, partner = slow_burst(6, count=3)
    start = Habits.usual(np.array([USUAL]))
    ends = delays.Ends.of(outbound, inbound, np.arange(3), start.of_slots(np.array([3])))
    now = adapted(start, start, ends.seen(partner[None, :], np.array([0])))
    assert now.new[0] == pytest.approx(start.new[0], rel=0.3)
    assert now.delay[0] == pytest.approx(start.delay[0], rel=0.6)


# -- starts --------------------------------------------------------------------------------------------------------------


def test_ports_order_starts_within_their_millisecond():
    true = np.arange(20) * 100.0
    latest = np.floor(true / 1000) * 1000 + 990  # all that the line says
    shuffled = np.random.default_rng(1).permutation(20)
    estimate, order = start_order(latest[shuffled], 40_000 + 2 * shuffled)
    assert shuffled[order].tolist() == list(range(20))
    assert ((latest[shuffled] - 1000 <= estimate) & (estimate <= latest[shuffled])).all()


def test_ports_go_round():
    latest = np.arange(10) * 1000.0
    port = np.array([60_990, 60_992, 60_994, 60_996, 60_998, 32_768, 32_770, 32_772, 32_774, 32_776])
    assert start_order(latest, port)[1].tolist() == list(range(10))


def test_a_port_out_of_turn_does_not_move_its_half():
    latest = np.arange(12) * 5000.0
    port = 40_000 + 2 * np.arange(12)
    port[3] = 10_000
    estimate, order = start_order(latest, port)
    assert order.tolist() == list(range(12))
    assert latest[3] - 1000 <= estimate[3] <= latest[3]


def test_without_ports_the_windows_order_starts():
    latest = np.array([3000.0, 1000, 2000])
    assert start_order(latest, np.zeros(3, np.int64))[1].tolist() == [1, 2, 0]


def test_a_start_fits_the_millisecond_its_line_leaves_open():
    lag = np.array([[-3000.0, -200.0, 100.0, 900.0, 2500.0, 60_000.0]])
    nothing = np.full((1, 6), np.nan)
    fit = np.exp(fits(lag, np.array([np.nan]), nothing))[0]
    assert fit[3] > fit[2] > fit[4] > fit[1] > fit[0]
    # Neighbours that lag by 2 ms make that the likeliest.
    fit = np.exp(fits(lag, np.array([2000.0]), nothing))[0]
    assert fit.argmax() == 4


def test_a_request_that_was_seen_settles_the_start():
    lag = np.array([[500.0, 600.0, 700.0]])
    fit = fits(lag, np.array([np.nan]), np.array([[WINDOW + 900.0, 400.0, -900.0]]))[0]
    assert fit[1] == pytest.approx(0, abs=1e-6)
    assert max(fit[0], fit[2]) < -15


def test_lags_are_like_those_of_their_neighbours_in_order_of_start():
    order = np.random.default_rng(3).permutation(40)
    lag = np.empty(40)
    lag[order] = np.where(np.arange(40) < 20, 300.0, 2300.0)
    noisy = lag.copy()
    noisy[order[[5, 30]]] += 50_000
    noisy[order[12]] = np.nan
    found = local_lags(noisy, order)
    assert found[order[:14]] == pytest.approx(300.0)
    assert found[order[26:]] == pytest.approx(2300.0)
    assert np.isnan(local_lags(np.full(5, np.nan), np.arange(5))).all()


# -- debug lines -------------------------------------------------------------------------------------------------------


def test_requests_that_were_seen_tell_equal_connections_apart():
    """Five ended together; durations leave any of five partners, the requests' times but one."""
    end = np.array([0, 20, 40, 60, 80])
    begun = np.array([-8_500, -7_500, -6_500, -5_500, -4_500])
    out = segment([(300 + int(e), int((e - b + 400) // 1000)) for e, b in zip(end, begun[::-1], strict=True)],
                  [(int(e), int((e - b) // 1000)) for e, b in zip(end, begun, strict=True)])  # fmt: skip
    noted = Segment(
        out.out_time, out.out_duration, out.out_port, out.in_time, out.in_duration, T0 + begun[::-1].astype(np.int64)
    )
    (match,) = match_segments([noted])
    assert pairs(match) == [(k, 4 - k) for k in range(5)]
    assert match.confidence.min() > 0.9
    unknown = Segment(out.out_time, out.out_duration, out.out_port, out.in_time, out.in_duration, np.full(5, NO_TIME))
    (match,), (plain,) = match_segments([unknown]), match_segments([out])
    assert match.confidence.tolist() == plain.confidence.tolist()
