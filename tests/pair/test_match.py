"""Equal connections: who belongs to whom, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues_by_hand import burst, in_batches, true_partners

from ztflow.pair import ends, sampling, trellis, walk, walker
from ztflow.pair.ends import GAP_CLASSES
from ztflow.pair.habits import LEAST, SERVICE, USUAL, Habits, Pace, gap_classes
from ztflow.pair.match import Segment, match_segments, nearest
from ztflow.pair.outline import NO_TIME
from ztflow.pair.sampling import EFFORTS, Candidates, Effort, effort_for, sample
from ztflow.pair.shipped import SHIPPED
from ztflow.pair.starts import WINDOW, Fits, local_lags, start_order

T0 = 1_700_000_000_000_000
HARD = Effort(1000, 16, 20, 3000)
QUICK = (Effort(np.inf, 2, 2, 4),)


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
    assert off < 0.06
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


def test_what_the_server_closes_first_is_paired_as_well():
    """All ends come first at the client's side: the batches are the server's."""
    rng = np.random.default_rng(4)
    ended = np.cumsum(rng.exponential(90, 60))
    life = rng.integers(4, 40, 60) * 1000 + 500
    done = in_batches(ended, rng)
    order = np.argsort(done)
    mirrored = segment(
        [(int(e), int(d // 1000)) for e, d in zip(ended, life, strict=True)],
        [(int(e), int(d // 1000)) for e, d in zip(done[order], (life + done - ended)[order], strict=True)],
    )
    (match,) = match_segments([mirrored])
    true = np.argsort(order)
    assert (true[match.outbound] == match.inbound).mean() > 0.85


# -- the order of ends -------------------------------------------------------------------------------------------------


def order_found(late, early):
    """Which early end goes with each late one when durations say nothing."""
    out = [(int(t), 100) for t in late]
    inn = [(int(t), 100) for t in early]
    (match,) = match_segments([segment(out, inn)])
    return match.inbound[np.argsort(match.outbound)].tolist()


EARLY = np.arange(8) * 15.0


def test_a_batch_that_was_there_is_taken_last_first():
    """Nothing but the order of ends tells: it is likelier than in turn, and than any other one that came first."""
    late = 200 + np.concatenate([[0], 40 + 18 * np.arange(7)])

    def likely(order):
        way, made = walked_by_hand(late, EARLY, order, Pace(18, 30, 24))
        return ends.set_all(made, way)

    last_first = likely([7, 0, 1, 2, 3, 4, 5, 6])
    assert last_first > likely(range(8))
    for first in range(1, 7):
        assert last_first > likely([first, *(k for k in range(8) if k != first)]) + 1


def test_what_had_not_come_is_in_no_batch():
    """Each late end comes before the next early one: no batch of two."""
    assert order_found(EARLY * 40 + 100, EARLY * 40) == list(range(8))


def test_two_threads_take_turns():
    """A batch of twelve; from the second on, one thread works off 0 to 4 and another 5 to 10."""
    early = np.arange(12) * 15.0
    one = 300 + 30 + 20 * np.arange(5)
    two = 300 + 40 + 20 * np.arange(6)
    late = np.concatenate([[300], one, two])
    order = np.argsort(late)
    true = np.concatenate([[11], np.arange(5), np.arange(5, 11)])[order]
    way, burst_ = walked_by_hand(late[order], early, true, Pace(20, 30, 27))
    likely = ends.set_all(burst_, way)
    for a in range(1, 11):  # better than any exchange of two that ended next to each other
        other = true.copy()
        other[[a, a + 1]] = true[[a + 1, a]]
        way, burst_ = walked_by_hand(late[order], early, other, Pace(20, 30, 27))
        assert ends.set_all(burst_, way) < likely


def walked_by_hand(late, early, partner, pace=None):
    """A way and a burst without starts."""
    pace = pace or Pace.of(late, late - np.sort(early), USUAL)
    gap, gap2 = gap_classes(late, pace.service, 1), gap_classes(late, pace.service, 2)
    numbers = np.array([pace.service, pace.least, pace.spread, 1.0, 1.0])
    sizes = np.array([len(late), len(early)])
    made = ends.Burst(sizes, numbers, late, early, np.zeros((len(late),) * 2), *SHIPPED.weights(gap), gap, gap2)
    way = ends.way(len(late))
    way.partner[:] = partner
    return way, made


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(9)), st.integers(0, 2**32))
def test_what_a_step_changes_is_weighed_as_if_everything_were(order, seed):
    rng = np.random.default_rng(seed)
    early = np.cumsum(rng.exponential(60, 9))
    late = np.sort(early + rng.exponential(300, 9) + 20)
    way, made = walked_by_hand(late, early, order)
    made.fit[:] = -rng.exponential(2, (9, 9))
    ends.set_all(made, way)
    trial = ends.way(9)._replace(partner=way.partner, holder=way.holder)
    kept, random = way.partner.copy(), np.array([seed % 1000 + 1, 77])
    way.fit[:] = made.fit[np.arange(9), kept]
    for _ in range(40):
        walk.try_step(made, way, trial, kept, random, np.arange(9), np.arange(9))
    again, _ = walked_by_hand(late, early, way.partner)
    ends.set_all(made, again)
    assert sorted(way.partner.tolist()) == list(range(9))
    assert kept.tolist() == way.partner.tolist()
    assert way.fit.tolist() == made.fit[np.arange(9), kept].tolist()
    for name in ("holder", "kind", "factor"):
        assert getattr(way, name)[:9].tolist() == getattr(again, name)[:9].tolist(), name
    for name in ("lowest", "highest"):
        assert getattr(way, name)[:9].tolist() == getattr(again, name)[:9].tolist(), name


def test_next_after_anything_is_a_share():
    """Over all ends that could come next, the weights within an unfinished batch add up to about one."""
    early = np.arange(6) * 15.0
    late = 200 + np.arange(6) * 18.0
    total = 0.0
    for third in range(6):
        if third not in {5, 0}:
            rest = [k for k in range(6) if k not in {5, 0, third}]
            way, made = walked_by_hand(late, early, [5, 0, third, *rest])
            ends.set_all(made, way)
            total += np.exp(way.factor[2])
    assert 0.9 < total <= 1.001


# -- the sampler against all ways to pair -----------------------------------------------------------------------------


def candidates(out, inn, seed):
    """Everybody may have started at any instant that matters."""
    out, inn = np.array(out), np.array(inn)
    first = min(len(out), len(inn))
    guess = np.concatenate([np.arange(first), np.full(len(out) - first, -1)])
    none = np.zeros(len(out), int)
    return Candidates(
        out, np.full(len(out), -5000.0), none, inn, np.full(len(inn), -4500.0), guess, seed, np.full(len(out), np.nan),
        USUAL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("out", "inn"),
    [
        ([300.0, 340, 420, 450, 900], [0.0, 20, 90, 130, 700]),
        ([300.0, 340, 360, 450, 470, 900], [0.0, 20, 90, 130, 140, 700]),
        ([300.0, 340, 420, 440], [0.0, 20, 90, 100, 170]),
        ([300.0, 340, 420, 500, 520], [0.0, 20, 90]),
    ],
)
def test_sampled_shares_are_those_of_all_ways_to_pair(out, inn, monkeypatch):
    monkeypatch.setattr(sampling, "LAGS_FROM", 99)
    monkeypatch.setattr(sampling, "FEW", 0)
    sampled = sample(candidates(out, inn, 5), HARD, SHIPPED)
    monkeypatch.setattr(sampling, "FEW", 99)
    assert np.abs(sampled - sample(candidates(out, inn, 5), HARD, SHIPPED)).max() < 0.02


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_compiled_or_not_a_walk_is_the_same(seed, monkeypatch):
    halves = burst(14, seed)
    (compiled,) = match_segments([halves], efforts=QUICK)
    monkeypatch.setattr(walker, "_runner", lambda: lambda arrays: walker.walk_and_count(*arrays))
    (plain,) = match_segments([halves], efforts=QUICK)
    assert pairs(plain) == pairs(compiled)
    assert plain.confidence.tolist() == compiled.confidence.tolist()


def test_without_a_compiler_it_walks_all_the_same(monkeypatch):
    def fail(*_):
        raise ImportError("No module named 'llvmlite'")

    monkeypatch.setattr(walker, "linked", fail)
    walker._runner.cache_clear()
    try:
        (match,) = match_segments([burst(6, 1)], efforts=QUICK)
    finally:
        walker._runner.cache_clear()
    assert len(match.outbound) == 6


def test_many_lost_lines_cost_no_more_than_a_few_looks_at_everything(monkeypatch):
    whole = burst(60, 3)
    kept = np.arange(60) % 3 == 0
    halves = Segment(
        whole.out_time[kept], whole.out_duration[kept], whole.out_port[kept], whole.in_time, whole.in_duration
    )
    looks = []
    everything = walk.set_all
    monkeypatch.setattr(walk, "set_all", lambda *given: looks.append(1) or everything(*given))
    monkeypatch.setattr(walker, "_runner", lambda: lambda arrays: walker.walk_and_count(*arrays))
    monkeypatch.setattr(sampling, "STAGES", (0.5,))
    (match,) = match_segments([halves], efforts=(Effort(np.inf, 1, 1, 1),))
    assert len(match.outbound) == 20
    walks, sweeps = 2, 3
    assert len(looks) <= walks + walk.MOST_SPARE_STEPS * sweeps


def test_every_size_has_its_effort():
    assert [EFFORTS.index(effort_for(slots)) for slots in (1, 200, 201, 100_000)] == [0, 0, 1, 1]
    assert all(effort.walkers * effort.samples >= 180 for effort in EFFORTS)


@pytest.mark.parametrize(("apart", "again"), [(0.5, True), (0.01, False)])
def test_where_walkers_disagree_they_settle_once_more_and_longer(apart, again, monkeypatch):
    settled = []
    monkeypatch.setattr(walker, "run", lambda one: settled.append(one.settling))
    monkeypatch.setattr(trellis, "disagreement", lambda *_: apart)
    sample(candidates(range(100, 700, 100), range(0, 600, 100), 1), Effort(1000, 2, 3, 1, patience=4), SHIPPED)
    walks = 2 * (len(sampling.STAGES) + 1)
    assert settled == [3] * walks + [12] * walks * again


# -- habits ------------------------------------------------------------------------------------------------------------


def counted(early, late, partner):
    way, made = walked_by_hand(late, early, partner)
    ends.set_all(made, way)
    counts = walker.Counts.none()
    ends.count_steps(made, way, counts.follows, counts.gaps, counts.own, counts.batch)
    return counts


@pytest.mark.parametrize("last_first", [0.0, 1.0])
def test_habits_follow_the_burst(last_first):
    rng = np.random.default_rng(5)
    early = np.cumsum(rng.exponential(60.0, 400))
    done = in_batches(early, rng, last_first=last_first)
    order = np.argsort(done)
    counts = counted(early, done[order], order)
    moved = SHIPPED.moved(counts)
    new = counts.batch[1] > 8
    assert new.any()
    assert (moved.batch[new] > SHIPPED.batch[new]).any() == (last_first == 1.0)
    assert (moved.batch[new] < SHIPPED.batch[new]).all() == (last_first == 0.0)
    for shares in (moved.follows, moved.gaps, moved.own):
        assert shares.sum(axis=-1) == pytest.approx(np.ones(len(shares)))


def test_few_ends_prove_nothing():
    early = np.array([0.0, 20, 40])
    moved = SHIPPED.moved(counted(early, early + 300, [2, 0, 1]))
    assert np.abs(moved.follows - SHIPPED.follows).max() < 0.05
    assert np.abs(moved.batch - SHIPPED.batch).max() < 0.05


def test_shares_of_nothing_are_even():
    habits = Habits.counted(walker.Counts.none())
    assert habits.gaps == pytest.approx(np.full((4, GAP_CLASSES), 1 / GAP_CLASSES))


@pytest.mark.parametrize("scale", [1, 2.5])
def test_the_pace_is_that_of_the_burst(scale):
    rng = np.random.default_rng(8)
    early = np.cumsum(rng.exponential(40.0 * scale, 300))
    done = in_batches(early, rng, scale=scale)
    pace = Pace.of(np.sort(done), done - early, USUAL)
    assert pace.service == pytest.approx(18 * scale, rel=0.2)


def test_the_least_delay_is_no_more_than_the_delays_allow():
    late = np.arange(5) * 1000.0
    assert Pace.of(late, np.full(5, 100.0), USUAL).least == LEAST
    assert Pace.of(late, np.full(5, 400.0), USUAL + 200).least == LEAST + 200
    assert Pace.of(late, np.full(5, -50.0), USUAL).least < -50
    assert Pace.of(late[:1], np.zeros(0), USUAL).service == pytest.approx(SERVICE, rel=0.1)


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
    fit = np.exp(Fits(lag, nothing).around(np.array([np.nan])))[0]
    assert fit[3] > fit[2] > fit[4] > fit[1] > fit[0]
    # Neighbours that lag by 2 ms make that the likeliest.
    fit = np.exp(Fits(lag, nothing).around(np.array([2000.0])))[0]
    assert fit.argmax() == 4


def test_a_request_that_was_seen_settles_the_start():
    lag = np.array([[500.0, 600.0, 700.0]])
    fit = Fits(lag, np.array([[WINDOW + 900.0, 400.0, -900.0]])).around(np.array([np.nan]))[0]
    assert fit[1] == pytest.approx(0, abs=0.01)
    assert max(fit[0], fit[2]) < -5
    # It follows the line by some microseconds: the end of the window is sharp on one side and soft on the other.
    late = Fits(lag, np.array([[0.0, WINDOW + 10.0, WINDOW + 60.0]])).around(np.array([np.nan]))[0]
    assert late[0] < late[2] < late[1] < -0.1


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
