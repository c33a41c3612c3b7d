"""Hops behind a waypoint: the connection that carries on a client's moves the same bytes and ends with it."""

from __future__ import annotations

import numpy as np
import pytest
from halves_by_hand import SECOND, START, connection, table

from ztflow.pair.features.full import full_features
from ztflow.pair.stages.waypoint_hops import chain_hops


def hops(second=0.0, *, line=1, lag_us=300, sizes=(100, 300), out=None, inn=None):
    """A client's hop to the waypoint 10.0.7.1 as its ztunnel saw it, and the waypoint's as the server's did."""
    to, _ = connection(
        second, client=1, line=line, request=sizes[0], response=sizes[1], delay_us=lag_us,
        out={"dst_ip": "10.0.7.1", "hbone_host": "10.96.0.1"} | (out or {}),
    )  # fmt: skip
    _, back = connection(second, client=7, line=line, request=sizes[0], response=sizes[1], inn=inn)
    return [to, back]


def chained(rows, settled=START + 100 * SECOND):
    """Lines of hops and of those that follow them."""
    evidence = full_features(table(rows))
    order = np.argsort(evidence.time, kind="stable")
    outbound = evidence.outbound[order]
    to, back = chain_hops(evidence, evidence.time, order[outbound], order[~outbound], settled)
    lines = [row["line_number"] for row in rows]
    return sorted((lines[a], lines[b]) for a, b in zip(to.tolist(), back.tolist(), strict=True))


def test_what_ends_together_and_moved_the_same_is_one_way():
    assert chained([*hops(0, line=1), *hops(5, line=2)]) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"inn": {"bytes_sent": 301}},  # the waypoint added something
        {"inn": {"src_ip": "10.0.8.1"}},  # another waypoint's
        {"lag_us": 3 * SECOND},  # much later
    ],
)
def test_what_differs_is_not_chained(change):
    assert chained(hops(**change)) == []


def test_services_must_not_contradict_each_other():
    cart, web = {"dst_service": "cart.shop"}, {"dst_service": "web.shop"}
    assert chained(hops(out=cart, inn=web)) == []
    assert chained(hops(out=cart, inn=cart)) == chained(hops(out=cart)) == chained(hops(inn=web)) == [(1, 1)]


def test_of_several_that_would_do_each_has_its_nearest():
    rows = [row for n in range(6) for row in hops(n * 0.004, line=n + 1)]
    assert chained(rows) == [(n + 1, n + 1) for n in range(6)]
    del rows[3]
    assert chained(rows) == [(n + 1, n + 1) for n in range(6) if n != 1]


def test_nothing_is_chained_before_all_rivals_can_be_there():
    rows = hops(10)
    assert chained(rows, settled=START + 10 * SECOND) == []
    assert chained(rows, settled=START + 12 * SECOND) == [(1, 1)]


def test_clocks_are_corrected_before_ends_are_compared():
    evidence = full_features(table(hops(lag_us=900_000)))
    ahead = np.where(evidence.outbound, 900_000, 0)
    index = np.array([0]), np.array([1])
    late = chain_hops(evidence, evidence.time, *index, START + 100 * SECOND)
    right = chain_hops(evidence, evidence.time - ahead, *index, START + 100 * SECOND)
    assert [len(late[0]), len(right[0])] == [0, 1]
