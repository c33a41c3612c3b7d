"""When equal connections started: by their ports, their milliseconds, their neighbours, and debug lines."""

from __future__ import annotations

import numpy as np
import pytest

from ztflow.pair.hmm.emissions import StartEmissions, start_order
from ztflow.pair.hmm.start_lags import MILLISECOND, START_LAGS, _at, grid_of, usual_below, within_millisecond


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


def test_without_ports_the_milliseconds_order_starts():
    latest = np.array([3000.0, 1000, 2000])
    assert start_order(latest, np.zeros(3, np.int64))[1].tolist() == [1, 2, 0]


def test_a_start_fits_the_millisecond_its_line_leaves_open():
    lag = np.array([[-3000.0, -200.0, 100.0, 900.0, 2500.0, 60_000.0]])
    fit = StartEmissions(lag, np.full((1, 6), np.nan)).given()[0]
    assert fit[3] > fit[2] > fit[4] > fit[1] > fit[0]
    assert fit[4] > fit[5]


def test_a_request_that_was_seen_settles_the_start():
    lag = np.array([[500.0, 600.0, 700.0]])
    fit = StartEmissions(lag, np.array([[MILLISECOND + 900.0, 400.0, -900.0]])).given()[0]
    assert fit[1] == pytest.approx(0, abs=0.01)
    assert max(fit[0], fit[2]) < -5
    # It follows the line by some microseconds: the end of the millisecond is sharp on one side and soft on the other.
    late = StartEmissions(lag, np.array([[0.0, MILLISECOND + 10.0, MILLISECOND + 60.0]])).given()[0]
    assert late[0] < late[2] < late[1] < -0.1


# -- lags --------------------------------------------------------------------------------------------------------------


def test_half_of_all_lags_are_usual_ones():
    assert usual_below(np.array([START_LAGS.half_below])) == pytest.approx(0.5, abs=0.05)
    shares = usual_below(np.linspace(-5000, 50_000, 500))
    assert (np.diff(shares) > 0).all()
    assert 0 < shares[0] < 0.01
    assert 0.98 < shares[-1] < 1


def lagging(true, order):
    """Latest inbound starts less outbound ones, a row a half, where connections start 5 ms apart."""
    start = np.empty(len(order))
    start[order] = 5000.0 * np.arange(len(order))
    return (start + true + MILLISECOND / 2)[None, :] - start[:, None]


def test_lags_are_like_those_of_their_neighbours_in_order_of_start():
    order = np.random.default_rng(3).permutation(40)
    true = np.empty(40)
    true[order] = np.where(np.arange(40) < 20, 300.0, 12_300.0)
    inside = within_millisecond(lagging(true, order), np.eye(40), order)
    own = np.diagonal(inside)
    assert own.mean() > 0.6
    assert (np.delete(own[order], [19, 20]) > 0.4).all()  # those at the change cannot know


def test_what_is_believed_of_a_half_does_not_come_from_its_own_guess():
    """One of forty is thought to be another's partner: the others say that its lag is theirs."""
    order = np.arange(40)
    lag = lagging(np.full(40, 300.0), order)
    shares = np.eye(40)
    shares[[20, 22]] = shares[[22, 20]]
    inside = within_millisecond(lag, shares, order)
    assert inside[20, 20] > 0.5
    assert inside[20, 22] < 0.1


def test_halves_without_a_likely_partner_say_nothing():
    order = np.arange(10)
    lag = lagging(np.full(10, 300.0), order)
    nothing = within_millisecond(lag, np.zeros((10, 10)), order)
    assert nothing[0] == pytest.approx(within_millisecond(lag)[0], abs=0.01)
    assert within_millisecond(lag, np.eye(10), order)[5, 5] > nothing[5, 5] + 0.1


def test_lags_between_the_edges_of_the_grid_are_interpolated_as_numpy_does():
    rng = np.random.default_rng(4)
    edge = grid_of(START_LAGS).edge
    shares = np.sort(rng.random((5, len(edge))))
    below = np.concatenate([np.zeros((5, 1)), shares, shares[:, -1:]], axis=1)
    lag = rng.uniform(edge[0] - 500, edge[-1] + 500, (5, 40))
    lag[:, :3] = edge[0], edge[7], edge[-1]
    for row, found in enumerate(_at(lag, below, START_LAGS)):
        assert found == pytest.approx(np.interp(lag[row], edge, shares[row], left=0.0))
