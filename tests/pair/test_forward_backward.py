"""Forward-backward over all pairing paths, against adding them up one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues_by_hand import burst as queued
from ways_by_hand import burst_of, one_by_one, one_way

from ztflow.errors import CompilerError, SlowPathWarning
from ztflow.jit import cache
from ztflow.pair.assignment.matching import match_segments
from ztflow.pair.hmm import forward_backward, jit, rooms
from ztflow.pair.hmm.forward_backward import Beam, sum_paths
from ztflow.pair.hmm.rooms import KEPT_UP_TO, for_burst
from ztflow.pair.hmm.segment_matching import work
from ztflow.pair.hmm.transitions import ELSEWHERE, OTHER_THREAD, log_at_most
from ztflow.pair.hmm.trellis import SPAN

ALL = Beam(20_000, 1e6)
"""No state is left away."""
EARLY = [0.0, 20, 90, 130, 140]
LATE = [300.0, 340, 360, 450, 470]


@pytest.mark.parametrize(
    ("late", "early"),
    [
        (LATE, EARLY),
        (LATE, EARLY[:4]),
        (LATE, EARLY[:2]),
        (LATE[:3], EARLY[:3]),
        ([300.0, 320, 480, 500, 540, 600], [0.0, 20, 250, 260, 300, 310]),
    ],
)
def test_all_paths_together_give_what_adding_them_up_gives(late, early):
    burst = burst_of(late, early, seed=4)
    total, shares = one_by_one(burst)
    found = sum_paths(burst, ALL)
    assert found.total == pytest.approx(total)
    assert found.posterior == pytest.approx(shares)


def test_a_step_is_left_out_only_where_its_logarithm_is_certainly_too_small():
    values = np.concatenate([10.0 ** np.linspace(-9, 0, 2001), 10.0 ** np.arange(-9.0, 1.0)])
    bounds = np.array([log_at_most(value) for value in values])
    assert (bounds >= np.log(values)).all()
    near = (values > 1e-5) & (values < 0.3)
    assert (bounds - np.log(values))[near].max() < 1.5


def test_what_ended_long_after_is_hardly_looked_at():
    """An early end 0.9 ms after the late one is beyond all reason: nothing is lost by not looking."""
    burst = burst_of([10.0, 20, 30, 40], [0.0, 25, 35, 900], seed=4)
    total, shares = one_by_one(burst)
    found = sum_paths(burst, ALL)
    assert found.total == pytest.approx(total, abs=0.03)
    assert found.posterior == pytest.approx(shares, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 2))
def test_so_it_does_whatever_comes_when(seed, slots, lost):
    rng = np.random.default_rng(seed)
    early = np.cumsum(rng.exponential(40, slots))
    late = np.sort(early + rng.exponential(200, slots) + 20)
    burst = burst_of(late, early[: max(1, slots - lost)], seed)
    total, shares = one_by_one(burst)
    found = sum_paths(burst, ALL)
    assert found.total == pytest.approx(total, abs=0.001)
    assert found.posterior == pytest.approx(shares, abs=0.001)


def test_few_states_say_nearly_the_same_as_all():
    rng = np.random.default_rng(3)
    early = np.cumsum(rng.exponential(40, 12))
    burst = burst_of(np.sort(early + rng.exponential(200, 12) + 20), early, 3)
    everything, some = sum_paths(burst, ALL), sum_paths(burst, Beam(400, 12.0))
    assert some.total < everything.total
    assert some.total == pytest.approx(everything.total, abs=0.05)
    assert np.abs(some.posterior - everything.posterior).max() < 0.02


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 50]))
def test_each_end_has_one_partner_at_most(seed, late, early, states):
    rng = np.random.default_rng(seed)
    burst = burst_of(np.cumsum(rng.exponential(30, late)) + 100, np.cumsum(rng.exponential(30, early)), seed)
    shares = sum_paths(burst, Beam(states, 9.0)).posterior
    assert (shares > -1e-9).all()
    assert (shares.sum(axis=0) < 1 + 1e-6).all()
    assert (shares.sum(axis=1) < 1 + 1e-6).all()
    assert shares.sum() == pytest.approx(min(late, early))


@pytest.mark.parametrize("lost", [[3], [0], [11], [2, 3, 4, 8]])
def test_early_ends_that_nothing_follows_are_left_out(lost):
    early = 200.0 * np.arange(12)
    late = np.delete(early, lost) + 150
    burst = burst_of(late, early)
    fit = burst._replace(emission=-0.001 * (late[:, None] - early - 150) ** 2)
    shares = sum_paths(fit, Beam(50, 9.0)).posterior
    assert shares.argmax(axis=1).tolist() == np.delete(np.arange(12), lost).tolist()
    assert shares[:, lost].max() < 0.01


def test_what_only_later_ends_tell_is_not_given_up_early():
    """For long the wrong half of two alike batches looks better; that it leaves out what fits nothing else tells."""
    early = np.concatenate([10.0 * np.arange(6), 10.0 * np.arange(6) + 5]).cumsum() / 6
    late = early + 400
    burst = burst_of(late, early)
    fit = np.where(np.arange(12)[:, None] == np.arange(12)[::-1], 0.0, -9.0)
    shares = sum_paths(burst._replace(emission=fit), Beam(5, 30.0)).posterior
    assert shares.argmax(axis=1).tolist() == list(range(12))[::-1]


def test_an_end_out_of_reach_is_not_taken():
    count = SPAN + 40
    early = 20.0 * np.arange(count)
    burst = burst_of(early + 300, early)
    fit = np.full((count, count), -2.0)
    fit[0, count - 1] = 0.0
    shares = sum_paths(burst._replace(emission=fit), Beam(4, 9.0)).posterior
    assert shares.sum() == pytest.approx(count)
    assert shares[0, SPAN:].max() == 0


# -- counts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 0, 1, 2, 3], [2, 0, 3, 1, 4], [4, 2, 0, 3, 1]])
def test_steps_are_counted_by_what_they_are(order):
    burst = burst_of(LATE, EARLY)
    fit = np.full((5, 5), -1e9)
    fit[np.arange(5), order] = 0
    counts = sum_paths(burst._replace(emission=fit), ALL).counts
    kinds, _ = one_way(burst, order)
    finished = [max(order[:k], default=-1) < min(order[k:]) for k in range(5)]
    inside = [kind for kind, over in zip(kinds, finished, strict=True) if not over]
    assert counts.follows.sum(axis=0) == pytest.approx([inside.count(kind) for kind in range(4)])
    assert counts.gaps.sum(axis=1) == pytest.approx([inside.count(kind) for kind in range(4)])
    assert counts.own[1].sum() == pytest.approx(inside.count(OTHER_THREAD))
    assert counts.batch[1].sum() == pytest.approx(sum(burst.later[k, min(order[k:])] for k in range(5) if finished[k]))
    began = [k for k in range(5) if finished[k] and kinds[k] == ELSEWHERE]
    assert counts.batch[0].sum() == pytest.approx(sum(burst.later[k, min(order[k:])] for k in began))


# -- compiled or not ---------------------------------------------------------------------------------------------------


def plainly():
    return lambda arguments: work(*arguments)


@pytest.mark.parametrize("size", [(14, 14), (14, 11), (11, 14)])
def test_compiled_or_not_the_sum_is_the_same(size, monkeypatch):
    rng = np.random.default_rng(7)
    late, early = (np.cumsum(rng.exponential(40, count)) for count in size)
    burst = burst_of(late + 150, early, 7)
    compiled = sum_paths(burst, Beam(30, 9.0))
    monkeypatch.setattr(forward_backward, "runner", plainly)
    plain = sum_paths(burst, Beam(30, 9.0))
    assert plain.total == pytest.approx(compiled.total)
    assert plain.posterior == pytest.approx(compiled.posterior)
    for one, other in zip(plain.counts, compiled.counts, strict=True):
        assert one == pytest.approx(other)


@pytest.fixture
def cold(empty_cache, monkeypatch):
    """A process that has not loaded or compiled anything, and need not compile for real."""
    monkeypatch.setattr(jit, "object_code", lambda: ("symbol", b"code"))
    monkeypatch.setattr(forward_backward, "linked", lambda symbol, code: lambda table: None)
    forward_backward.runner.cache_clear()
    yield empty_cache
    forward_backward.runner.cache_clear()


def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(issubclass(each.category, SlowPathWarning) for each in caught)
    return [str(each.message) for each in caught]


def unlinked(*_):
    raise CompilerError("LLVM cannot link it: No module named 'llvmlite'")


def test_without_a_compiler_it_adds_up_all_the_same_and_says_so_once_it_is_much(cold, monkeypatch):
    monkeypatch.setattr(forward_backward, "linked", unlinked)
    matches = []
    assert said(lambda: matches.extend(match_segments([queued(6, 1)]))) == []
    assert len(matches[0].outbound) == 6

    def much():
        for seed in range(20):
            burst = burst_of(LATE, EARLY, seed)
            sum_paths(burst, Beam(3, 9.0))

    (line,) = said(much)
    assert line == (
        "compiled pairing is not used: LLVM cannot link it: No module named 'llvmlite'; pairing equal connections "
        "takes about 100 times as long"
    )
    assert said(much) == []


def test_a_missing_numba_is_said(cold, monkeypatch):
    def fail():
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(jit, "object_code", fail)
    monkeypatch.setattr(forward_backward, "SLOW_FROM", 1)
    (line,) = said(lambda: sum_paths(burst_of(LATE, EARLY, 1), Beam(3, 9.0)))
    assert line.startswith("compiled pairing is not used: No module named 'numba'; ")


def test_a_bug_is_not_taken_for_a_machine_that_cannot(cold, monkeypatch):
    monkeypatch.setattr(forward_backward, "linked", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sum_paths(burst_of(LATE, EARLY, 1), Beam(3, 9.0))


def test_compiling_once_is_not_worth_a_warning(cold):
    assert said(forward_backward.warmup) == []
    assert forward_backward.TRELLIS_CODE.kept() == ("symbol", b"code")
    assert said(forward_backward.runner) == []


def test_a_cache_that_cannot_be_written_is_said(cold, monkeypatch):
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    (line,) = said(forward_backward.runner)
    assert line.startswith("compiled pairing has no private folder it could be kept in: every run compiles it anew")


def test_a_damaged_cache_is_said_and_made_anew(cold):
    forward_backward.warmup()
    path = forward_backward.TRELLIS_CODE.folder() / "code.o"
    path.write_bytes(path.read_bytes()[:-1])
    assert said(forward_backward.runner) == [
        f"compiled pairing in {path.parent} is damaged: it is compiled anew, which takes about 20 s"
    ]
    assert forward_backward.TRELLIS_CODE.kept() == ("symbol", b"code")


def test_a_burst_says_the_same_whatever_was_worked_on_in_its_room_before():
    """The arrays of a burst are kept for the next one, up to `KEPT_UP_TO` slots."""
    rng = np.random.default_rng(1)
    bursts = []
    for slots in (12, 3, KEPT_UP_TO + 1, 30, 2):
        early = np.cumsum(rng.exponential(40, slots))
        bursts.append(burst_of(np.sort(early + rng.exponential(200, slots) + 20), early, slots))
    beam = Beam(100, 9.0)
    rooms._ROOMS.of_burst.clear()
    first = [sum_paths(burst, beam) for burst in bursts]
    for burst, before in reversed([*zip(bursts, first, strict=True)]):
        again = sum_paths(burst, beam)
        assert again.total == before.total
        assert np.array_equal(again.posterior, before.posterior)
    assert len(rooms._ROOMS.of_burst) == 3


def test_a_burst_has_room_for_the_states_its_beam_keeps():
    """A room that was made for a narrow beam was too small for a wide one, and what lay behind it was written over."""
    narrow, wide = for_burst(5, 10), for_burst(5, 400)
    assert [room.transitions.before.shape[1] for room in (narrow, wide)] == [10, 400]
    assert for_burst(5, 400) is wide, "kept"
