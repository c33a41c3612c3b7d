"""The join of a simulated waypoint's log: other traffic, sizes, pools and clocks than those it was made with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ztflow
from ztflow.simulate import Clocks, Http, preset, simulate
from ztflow.waypoint.clocks import Ahead, Side, ahead_of

BASE = preset("requests")
COLUMNS = ["outbound_file", "outbound_line", "requests", "waypoint_lines", "waypoint_candidates"]

traffic = st.builds(
    lambda connections, rate, sizes, clocks, http: replace(
        BASE, connections=connections, duration=connections / rate, sizes=sizes, clocks=clocks, http=http
    ),
    st.integers(5, 60), st.sampled_from([2.0, 10.0, 30.0]), st.sampled_from(["unique", "mixed"]),
    st.builds(
        Clocks, waypoint=st.sampled_from([0.0, 0.002, 0.005, -0.04, 0.3, -2.0]), offset=st.sampled_from([0.0, 0.001, 0.1])
    ),
    st.builds(
        Http, tcp_services=st.integers(0, 2), most=st.integers(1, 8), kept=st.sampled_from([0.2, 0.6]),
        idles=st.sampled_from([0.0, 0.3]), unseen=st.sampled_from([0.0, 0.01]), retried=st.sampled_from([0.0, 0.1]),
        pool_idle=st.sampled_from([0.3, 10.0, 3600.0]), aborted=st.sampled_from([0.0, 0.1]), http2=st.sampled_from([0.0, 0.5]),
    ),
)  # fmt: skip


def joined(capture):
    """The flows, written and read as a user does."""
    with TemporaryDirectory() as folder:
        capture.write(folder)
        logs = sorted(Path(folder).glob("ztunnel-*.log"))
        return ztflow.read_flows(*logs, waypoint=Path(folder) / capture.request_log.name)


def truth_of(capture):
    """Line of a client's connection → lines of its requests."""
    return {
        row["outbound"]: {int(place.rpartition(":")[2]) for place in row["waypoint_line"].split(",")}
        for row in capture.truth.to_pylist()
        if row["waypoint_line"] != "-"
    }


def judge(capture, flows):
    """Requests, those decided, and those decided wrongly; the rest holds whatever happens."""
    truth = truth_of(capture)
    total = sum(map(len, truth.values()))
    owners: Counter[int] = Counter()
    decided = wrong = 0
    for row in flows.to_arrow().select(COLUMNS).to_pylist():
        place = f"{Path(row['outbound_file'] or '').name}:{row['outbound_line']}"
        true, lines = truth.pop(place, set()), row["waypoint_lines"]
        if lines is None:
            assert true <= set(row["waypoint_candidates"] or ()), "the true lines are among the candidates"
            continue
        assert row["requests"] == len(lines) == len(set(lines))
        owners.update(lines)
        decided += len(lines)
        wrong += len(true ^ set(lines))
    assert not truth, "every connection is a flow"
    assert max(owners.values(), default=1) == 1, "a request is in one flow at most"
    assert flows.stats.waypoint == len(capture.request_log.lines), "every line is counted"
    return total, decided, wrong


def carried(capture, flows):
    """Bytes of the waypoint's connections to each server: as simulated, and as read."""
    way = capture.waypoint
    pods = capture.cluster.pods
    true: Counter[tuple[str, str]] = Counter()
    for server, up, down in zip(way.hops.server.tolist(), way.hop_up.tolist(), way.hop_down.tolist(), strict=True):
        true[pods[server].name, "up"] += up
        true[pods[server].name, "down"] += down
    read: Counter[tuple[str, str]] = Counter()
    for row in flows.to_arrow().select(["src_name", "dst_name", "request_bytes", "response_bytes"]).to_pylist():
        if row["src_name"] == pods[way.pod].name:
            read[row["dst_name"], "up"] += row["request_bytes"]
            read[row["dst_name"], "down"] += row["response_bytes"]
    return true, read


@given(traffic, st.integers(0, 2**32))
@settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])  # to shrink would take minutes
def test_whatever_the_traffic(scenario, seed):
    capture = simulate(scenario, seed)
    if capture.request_log is None:
        return
    flows = joined(capture)
    total, decided, wrong = judge(capture, flows)
    assert wrong == 0
    assert decided <= total
    true, read = carried(capture, flows)
    assert read == true


@pytest.mark.parametrize("waypoint", [0.005, -2.0])
def test_most_is_decided_however_the_clocks_are_set(waypoint):
    capture = simulate(replace(BASE.scaled(70), clocks=Clocks(waypoint=waypoint, offset=0.001)), 4)
    total, decided, wrong = judge(capture, joined(capture))
    assert wrong == 0
    assert decided >= 0.75 * total


def side(starts, ends, up=1000.0, down=1000.0):
    starts = np.asarray(starts, float)
    return Side(starts, np.asarray(ends, float), np.full(len(starts), up), np.full(len(starts), down))


@pytest.mark.parametrize("ahead", [0.0, 7.0, -300.0, 4000.0, 60_000.0])
def test_a_difference_is_found_where_it_explains_all(ahead):
    starts = np.cumsum(np.random.default_rng(1).exponential(80, 60))
    connections = side(starts + ahead, starts + ahead + 30, 1500.0, 1600.0)
    found = ahead_of([(connections, side(starts + 2, starts + 27))])
    assert found.clear
    assert found.least <= ahead <= found.most
    assert found.most - found.least < 12
    assert found.differ == (ahead != 0)
    assert found.held == 120


@pytest.mark.parametrize("rate", [3e-5, -1e-4])
def test_a_clock_that_drifts_is_followed(rate):
    starts = np.cumsum(np.random.default_rng(2).exponential(9000, 200))
    by_its_clock = [moment + 40 + rate * (moment - starts[100]) for moment in (starts, starts + 30)]
    found = ahead_of([(side(*by_its_clock, 1500.0, 1600.0), side(starts + 2, starts + 27))])
    assert found.clear
    assert found.differ
    for moment in (starts[0], starts[100], starts[-1]):
        assert abs(found.middle(moment) - 40 - rate * (moment - starts[100])) < 4
    assert found.most - found.least < 8


def test_little_evidence_leaves_it_open():
    connections = side([0, 7000], [6000, 13_000])
    found = ahead_of([(connections, side([2500, 9500], [3000, 10_000]))])
    assert not found.clear
    assert found.least <= -2000
    assert found.most >= 2000
    assert not found.differ
    assert ahead_of([(connections, side([], []))]) == Ahead()
    assert ahead_of([]) == Ahead()


def test_idle_connections_are_told_by_how_they_begin():
    starts = np.arange(12) * 20_000.0
    lines = np.sort(np.concatenate([starts + 2, *(starts + off for off in (1700, 4100, 7300))]))
    found = ahead_of([(side(starts, starts + 15_000), side(lines, lines + 5, 100, 100))])
    assert found.clear
    assert not found.differ
    assert found.least <= 0 <= found.most <= 20
