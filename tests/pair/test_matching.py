"""Equal connections: which half belongs to which, and how likely that is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues_by_hand import burst, in_batches, true_partners

from ztflow.columns.dtypes import NO_TIME
from ztflow.pair.assignment import batches
from ztflow.pair.assignment.batches import Segment
from ztflow.pair.assignment.matching import _assign, _matched, match_segments, nearest
from ztflow.pair.assignment.matching_parameters import MATCHING
from ztflow.pair.hmm import posterior, solver
from ztflow.pair.hmm.forward_backward import Beam, InPython, PathSums, runner
from ztflow.pair.hmm.rooms import no_counts
from ztflow.pair.hmm.transition_rates import TRANSITION_RATES, TransitionRates, default_rates
from ztflow.pair.reach import REACH
from ztflow.threads import at_once

T0 = 1_700_000_000_000_000


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


def test_one_pair_with_no_other_near_is_certain():
    (match,) = match_segments([segment([(300, 6)], [(0, 5)])])
    assert pairs(match) == [(0, 0)]
    assert match.confidence[0] > 0.999
    assert match.alternatives.tolist() == [0]


@pytest.mark.parametrize(("out", "inn"), [([], []), ([(0, 1)], []), ([], [(0, 1)])])
def test_no_half_to_pair_with(out, inn):
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


@pytest.mark.parametrize("likeness", [0, 2])
def test_neighbours_may_have_overtaken_each_other_whatever_the_order_of_their_ends_says(likeness):
    """In tunnels a half a millisecond decides nothing for sure; twenty do."""

    def confidence(apart):
        out, inn = ([(lag + apart * k, 10 + likeness * k) for k in (0, 1)] for lag in (300, 0))
        (match,) = match_segments([segment(out, inn)])
        assert pairs(match) == [(0, 0), (1, 1)]
        return match.confidence.min()

    assert 0.95 < confidence(500) < 0.995
    assert confidence(20_000) > 0.999


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
def test_a_result_does_not_depend_on_what_comes_with_it(several):
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


def test_what_had_not_come_is_in_no_batch():
    """Durations say nothing; each late end comes before the next early one: no batch of two."""
    early = np.arange(8) * 600
    out, inn = [(int(t) + 100, 100) for t in early], [(int(t), 100) for t in early]
    (match,) = match_segments([segment(out, inn)])
    assert pairs(match) == [(k, k) for k in range(8)]


def test_where_a_third_is_lost_the_others_are_paired_better_than_by_least_squares():
    right, plain, claimed = 0, 0, 0.0
    kept = np.flatnonzero(np.arange(60) % 3 != 0)
    for seed in range(12):
        whole, true = burst(60, seed), true_partners(60, seed)
        out = whole.out_time[kept], whole.out_duration[kept]
        (match,) = match_segments([Segment(*out, whole.out_port[kept], whole.in_time, whole.in_duration)])
        assert len(match.outbound) == len(kept)
        right += int((true[kept[match.outbound]] == match.inbound).sum())
        claimed += match.confidence.sum()
        rows, columns = nearest(*out, whole.in_time, whole.in_duration)
        plain += int((true[kept[rows]] == columns).sum())
    assert right > plain
    assert claimed == pytest.approx(right, rel=0.15)


@pytest.mark.parametrize(("likeliest", "sharp", "found"), [(30, 5, 30), (-70, 5, -70), (30, 1e9, 0), (0, 5, 0)])
def test_the_least_delay_moves_to_where_all_paths_are_likeliest(likeliest, sharp, found, monkeypatch):
    tried = []

    def sum_paths(burst, beam):
        del beam
        tried.append(burst.numbers[0])
        off = (burst.numbers[0] - TRANSITION_RATES.least - likeliest) / sharp
        return PathSums(np.eye(80), no_counts(), -(off**2))

    monkeypatch.setattr(posterior, "sum_paths", sum_paths)
    ends = np.arange(80) * 20.0
    nothing = np.full(80, np.nan)
    one = posterior.Candidates(
        ends + 400, ends - 5000, np.zeros(80, int), ends, ends - 4500, np.arange(80), nothing, REACH.usual_delay
    )
    posterior.partner_posterior(one, known=default_rates())
    assert len(tried) == 1 + 3 * 3 + 1
    assert tried[-1] - TRANSITION_RATES.least == pytest.approx(found, abs=5)


@pytest.mark.parametrize(("slots", "rounds", "worked_out"), [
    (8, [1.0], 1), (8, [0.6, 0.6], 2), (8, [0.6, 0.7, 0.8, 0.9], 4), (8, [0.6, 0.7, 0.7], 3), (4, [], 0),
])  # fmt: skip
def test_learning_of_a_small_burst_ends_when_nothing_changes(slots, rounds, worked_out, monkeypatch):
    asked = []

    def sum_paths(burst, beam):
        del burst
        asked.append(beam)
        sure = [*rounds, 1.0][len(asked) - 1] if beam == posterior.POSTERIOR.learning else 1.0
        return PathSums(np.eye(slots) * sure, no_counts(), 0.0)

    monkeypatch.setattr(posterior, "sum_paths", sum_paths)
    ends = np.arange(slots) * 20.0
    nothing = np.full(slots, np.nan)
    one = posterior.Candidates(
        ends + 400, ends - 5000, np.zeros(slots, int), ends, ends - 4500, np.arange(slots), nothing, REACH.usual_delay
    )
    posterior.partner_posterior(one)
    assert asked == [posterior.POSTERIOR.learning] * worked_out + [posterior.POSTERIOR.beam]


# -- compiled or not ---------------------------------------------------------------------------------------------------


def shapes():
    """Segments of every kind of piece: small and large, either side early, either side with too many, debug lines."""
    whole = [burst(count, seed) for seed, count in enumerate([1, 2, 3, 5, 8, 20, 70, 210])]
    turned = [Segment(s.in_time, s.in_duration, s.out_port, s.out_time, s.out_duration) for s in whole[2:7]]
    fewer = [Segment(s.out_time[2:], s.out_duration[2:], s.out_port[2:], s.in_time, s.in_duration) for s in whole[3:7]]
    more = [Segment(s.out_time, s.out_duration, s.out_port, s.in_time[3:], s.in_duration[3:]) for s in whole[3:7]]
    noted = [
        Segment(s.out_time, s.out_duration, s.out_port, s.in_time, s.in_duration,
                np.where(np.arange(len(s.out_time)) % 3 == 0, NO_TIME, s.out_time - 1000 * s.out_duration - 400), 300.0)
        for s in whole[2:6]
    ]  # fmt: skip
    twins = segment([(300, 5), (300, 5), (320, 5), (90_000, 7)], [(0, 5), (0, 5), (15, 5), (400_000, 2)])
    return [*whole, *turned, *fewer, *more, *noted, twins]


def test_compiled_code_finds_what_python_finds():
    """Where nothing can be compiled, `_matched` takes its place."""
    every = shapes()
    assert not isinstance(runner(), InPython)
    for one, match in zip(every, match_segments(every), strict=True):
        plain = _matched(one, MATCHING, REACH, None)
        order = np.argsort(plain.outbound)
        assert plain.outbound[order].tolist() == match.outbound.tolist()
        assert match.confidence == pytest.approx(plain.confidence[order], abs=1e-9)
        if one is not every[-1]:  # of twins either may be the partner
            assert plain.inbound[order].tolist() == match.inbound.tolist()
            assert plain.alternatives[order].tolist() == match.alternatives.tolist()


def test_so_it_does_on_several_threads(monkeypatch):
    monkeypatch.setattr(batches, "plenty", lambda: True)
    monkeypatch.setattr(batches, "SHARED_FROM", 1)
    found, parts = [], []
    monkeypatch.setattr(batches, "at_once", lambda work, some: (parts.append(len(some)), at_once(work, some)))
    for count in (1, 3):
        monkeypatch.setattr(batches, "processors", lambda count=count: count)
        found.append(match_segments(shapes()))
    assert parts == [1, 1, 3, 3], "small segments and large ones"
    for one, other in zip(*found, strict=True):
        for name in ("outbound", "inbound", "confidence", "alternatives"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_so_it_does_with_known_rates_and_other_figures():
    rates = TransitionRates.counted(no_counts())
    figures = MATCHING._replace(posterior=posterior.POSTERIOR._replace(shifts=(0.0, 30.0), beam=Beam(60, 9.0), few=2))
    for one, match in zip(shapes()[:7], match_segments(shapes()[:7], figures, rates=rates), strict=True):
        plain = _matched(one, figures, REACH, rates)
        order = np.argsort(plain.outbound)
        assert plain.inbound[order].tolist() == match.inbound.tolist()
        assert match.confidence == pytest.approx(plain.confidence[order], abs=1e-9)


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


def solved(cost):
    """Rows and columns as compiled code assigns them."""
    rows, columns = cost.shape
    few, many = (np.empty(max(cost.shape), np.int64) for _ in range(2))
    numbers, places = ([np.empty(max(cost.shape), kind) for _ in range(3)] for kind in (float, np.int64))
    found = solver.Assigned(few, many, *numbers, *places)
    turned = solver.assign(cost, rows, columns, found)
    partner = np.array([solver.partner_in(found, turned, row) for row in range(rows)])
    return np.flatnonzero(partner >= 0), partner[partner >= 0]


@pytest.mark.parametrize("assign", [_assign, solved])
@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000), st.booleans())
def test_an_assignment_costs_the_least_there_is(assign, outs, ins, seed, coarse):
    """Against all there are, with many equal costs or none."""
    cost = np.random.default_rng(seed).normal(size=(outs, ins))
    cost = np.round(cost) if coarse else cost
    rows, columns = assign(cost)
    assert len({*rows.tolist()}) == len({*columns.tolist()}) == min(outs, ins)
    wide = cost if outs <= ins else cost.T
    ways = permutations(range(wide.shape[1]), len(wide))
    assert cost[rows, columns].sum() == pytest.approx(min(wide[range(len(wide)), way].sum() for way in ways))
