"""Queues, tunnels, and delays that look like those of real ztunnels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.simulate import PRESETS, Delays, Kind, Scenario, Shape, simulate
from ztflow.simulate.congestion import Congestion
from ztflow.simulate.tunnels import assign_tunnels, draw_ports, first_of_tunnel

moments = st.lists(st.floats(0, 1000, allow_nan=False), max_size=60)


QUIET = Delays(pauses=0.0, crowding=0.0, stirred=0.0, stolen=0.0, wake=0.00005, wake_spread=0.0)
"""No thread is away, nothing is put off or stolen; what comes within 50 µs is read in one go."""


def batches(size: int, count: int, delays: Delays, pool: np.ndarray | None = None) -> np.ndarray:
    """When each of some batches, of pieces that come a microsecond apart, is done; a row a batch, from its arrival."""
    arrival = np.repeat(np.arange(count) * 0.1, size)
    moment = arrival + np.tile(np.arange(size) * 1e-6, count)
    node = np.zeros(len(moment), dtype=np.int64)
    congestion = Congestion(1, node, moment, delays, np.random.default_rng(1))
    pools = None if pool is None else np.tile(pool, count)
    return (congestion.handled(node, moment, pools) - arrival).reshape(count, size)


@given(moments, st.integers(0, 2**32), st.booleans())
def test_nothing_is_done_before_it_comes_and_everything_is_done(times, seed, stolen):
    rng = np.random.default_rng(seed)
    moment = np.array(times, dtype=float)
    # Some come one by one, some in crowds; some are nowhere.
    moment = np.where(rng.random(len(moment)) < 0.5, moment, moment % 0.001)
    node, pool = rng.integers(-1, 3, len(moment)), rng.integers(-2, 2, len(moment))
    delays = Delays(stolen=float(stolen), pauses=1.0, crowding=1.0, calm=0.0)
    done = Congestion(3, node, moment, delays, rng).handled(node, moment, pool)
    assert done.shape == moment.shape
    assert np.isfinite(done).all()
    assert (done >= moment).all()
    assert (done[node >= 0] > moment[node >= 0]).all()


@given(moments, st.integers(0, 2**32))
def test_one_thread_without_a_slot_for_the_last_keeps_the_order(times, seed):
    rng = np.random.default_rng(seed)
    moment = np.array(times, dtype=float) % 0.01
    node = rng.integers(0, 3, len(moment))
    delays = Delays(last_first=0.0, stolen=0.0, stirred=0.0, pauses=50.0)
    done = Congestion(3, node, moment, delays, rng).handled(node, moment)
    for place in range(3):
        order = np.argsort(moment[node == place], kind="stable")
        assert (np.diff(done[node == place][order]) >= 0).all()


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_batches_come_last_first_with_the_given_probability(share):
    order = np.argsort(batches(5, 2000, replace(QUIET, last_first=share)), axis=1)
    last_first = (order == [4, 0, 1, 2, 3]).all(axis=1)
    assert (last_first | (order == np.arange(5)).all(axis=1)).all()
    assert last_first.mean() == pytest.approx(share, abs=0.04)


def test_gaps_are_those_of_tasks_and_the_first_is_longer():
    delays = replace(QUIET, last_first=1.0)
    gaps = np.diff(np.sort(batches(6, 2000, delays), axis=1), axis=1)
    assert np.median(gaps[:, 0]) == pytest.approx(delays.settle, rel=0.1)
    assert gaps[:, 1:].mean() == pytest.approx(delays.work, rel=0.05)
    assert np.percentile(gaps[:, 1:], [5, 95]) / delays.work == pytest.approx([0.62, 1.45], abs=0.1)


def test_each_tunnel_has_a_last_one():
    order = np.argsort(batches(5, 50, replace(QUIET, last_first=1.0), np.array([7, 8, 7, 8, 7])), axis=1)
    assert (order == [4, 3, 0, 2, 1]).all()


def test_a_second_thread_takes_the_older_half_and_both_go_on_at_once():
    delays = replace(QUIET, last_first=1.0, settle_spread=0.0)
    alone, shared = (batches(13, 400, replace(delays, stolen=share)) for share in (0.0, 1.0))
    # 12 has run; of the twelve that wait the thief takes 0 to 5 and begins with the last of them.
    order = np.argsort(shared, axis=1)
    assert (order[:, 0] == 12).all()
    rank = np.argsort(order, axis=1)
    assert (rank[:, 5] <= 3).all()
    assert (np.diff(rank[:, 6:11], axis=1) > 0).all()
    assert (np.diff(rank[:, :3], axis=1) > 0).all()
    between = (rank[:, 6:12] > rank[:, [5]]) & (rank[:, 6:12] < rank[:, [2]])
    assert between.any(axis=1).all()
    assert (np.ptp(shared, axis=1) < np.ptp(alone, axis=1).mean() * 0.75).all()


streams = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 100), st.floats(0, 20)), min_size=1, max_size=80
)  # fmt: skip


@given(streams, st.integers(1, 5), st.sampled_from([0.5, 10.0, 1000.0]))
@settings(max_examples=150)
def test_a_tunnel_never_carries_more_than_its_limit(some, limit, idle):
    pool, start, life = (np.array(values) for values in zip(*some, strict=True))
    start, end = start.astype(float), start + life
    tunnel = assign_tunnels(pool, start, end, limit, idle)
    for number in np.unique(tunnel):
        mine = tunnel == number
        assert len(np.unique(pool[mine])) == 1
        begins, ends = start[mine], end[mine]
        # A connection that lasts no time is not open beside anything.
        at_once = [int(((begins <= moment) & (ends > moment)).sum()) for moment in begins]
        assert max(at_once) <= limit
        order = np.argsort(begins)
        gaps = begins[order][1:] - np.maximum.accumulate(ends[order])[:-1]
        assert (gaps <= idle + 1e-9).all()


@given(streams, st.sampled_from([0.5, 10.0]))
def test_the_first_of_a_tunnel_opened_it(some, idle):
    pool, start, life = (np.array(values) for values in zip(*some, strict=True))
    start, end = start.astype(float), start + life
    opener = first_of_tunnel(pool, start, end, idle)
    assert (pool[opener] == pool).all()
    assert (start[opener] <= start).all()
    assert (opener[opener] == opener).all()
    alone = assign_tunnels(pool, start, end, 10_000, idle)
    assert len(np.unique(opener)) == len(np.unique(alone))


def test_ports_of_an_owner_differ():
    ports = draw_ports(np.repeat([0, 1], 5000), np.random.default_rng(1), 1)
    assert len(np.unique(ports[:5000])) == 5000
    assert (ports >= 32_768).all()
    assert (ports <= 60_999).all()
    assert (ports % 2 == 1).all()


def test_inbound_ports_are_those_of_tunnels_within_the_stream_limit():
    scenario = Scenario(
        mix=((Kind.STORM, 1.0),), connections=2000, duration=5, burst=(150, 200), stream_limit=20,
        shape=Shape(apps=1, replicas=2),
    )  # fmt: skip
    capture = simulate(scenario, 1)
    course = capture.course
    by_port = defaultdict(list)
    for row in np.flatnonzero(course.tunnel >= 0):
        key = (capture.connections.client[row], capture.connections.server[row], course.tunnel_port[row])
        by_port[key].append((course.inbound_start[row], course.inbound_end[row]))
    most = 0
    for spans in by_port.values():
        for begin, _ in spans:
            most = max(most, sum(start <= begin < end for start, end in spans))
    assert most == 20
    assert len(by_port) > 10


def measured(scenario: Scenario, seeds: range) -> dict[str, float]:
    """Figures of the clean pairs: end difference (ms), likeness of neighbours, order kept within equal ones."""
    difference, pairs, crossed = [], [], []
    for seed in seeds:
        capture = simulate(scenario, seed)
        course, made = capture.course, capture.connections
        clean = made.of(Kind.STORM) & (made.via < 0) & (made.client != made.server)
        rows = np.flatnonzero(clean)[np.argsort(course.inbound_end[clean])]
        delay = course.outbound_end[rows] - course.inbound_end[rows]
        difference.append(delay * 1000)
        nodes = np.array([pod.node for pod in capture.cluster.pods])
        way = nodes[made.client[rows]] * 100 + nodes[made.server[rows]]
        for one in np.unique(way):
            mine = way == one
            near = np.diff(course.inbound_end[rows][mine]) < 0.005
            pairs.append(np.stack([delay[mine][:-1], delay[mine][1:]])[:, near])
            crossed.append((np.diff(course.outbound_end[rows][mine]) < 0)[near])
    alike = np.concatenate(pairs, axis=1)
    values = np.concatenate(difference)
    return {
        "median": float(np.median(values)),
        "high": float(np.percentile(values, 95)),
        "alike": float(np.corrcoef(alike)[0, 1]),
        "crossed": float(np.concatenate(crossed).mean()),
    }


def test_a_storm_is_like_the_captured_one():
    # Captured (1.29.5, storm, from 30 ends within 25 ms on): median 0.4 ms, 95 % 2.2 ms, neighbours 0.9, crossed 0.14.
    figures = measured(PRESETS["storm"], range(3))
    assert 0.2 < figures["median"] < 0.8
    assert 1.5 < figures["high"] < 4.5
    assert figures["alike"] > 0.7
    assert 0.08 < figures["crossed"] < 0.22


def test_without_crowding_a_storm_is_as_quiet_as_idling():
    calm = replace(PRESETS["storm"], delays=Delays(crowding=0.0, application_crowding=0.0))
    assert measured(calm, range(1))["high"] < 1.0
