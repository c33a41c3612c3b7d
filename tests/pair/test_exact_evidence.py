"""Requests that servers printed: who asked through which tunnel, found again when the connection ends."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from halves_by_hand import START, connection, table

from ztflow.model.provenance import NOBODY, Fact
from ztflow.pair import exact_evidence
from ztflow.pair.exact_evidence import ConnectRequests

NO_TIME = np.iinfo(np.int64).min


def asked(port, *, tunnel=40000, time=START, **more):
    """The fact that the client's connection from this port came through that tunnel."""
    values = {
        "client_ip": "10.0.1.1", "client_port": port, "hbone_host": "10.0.2.1", "hbone_port": 8080,
        "peer_ip": "10.0.1.1", "peer_port": tunnel,
    }  # fmt: skip
    return Fact(more.pop("kind", "connect_request"), time, NOBODY, "2.log", 1, values | more)


def known(memory, *ports):
    """Which of these client ports' connections a memory knows the time of."""
    rows = [connection(out={"src_port": port})[0] for port in ports]
    _, time = memory.look_up(table(rows), np.ones(len(rows), bool))
    return [port for port, when in zip(ports, time.tolist(), strict=True) if when != NO_TIME]


def test_both_halves_of_a_connection_are_told_the_same_tunnel():
    memory = ConnectRequests()
    memory.learn([asked(50000, tunnel=40000, time=START + 7)])
    halves = table([*connection(), *connection(inn={"src_port": 40001}), *connection(out={"src_port": 50001})])
    tunnel, time = memory.look_up(halves, np.array([True, False] * 3))
    assert tunnel[0] == tunnel[1] != 0
    assert tunnel[3] not in {0, tunnel[0]}, "another port is another tunnel"
    assert tunnel[4] == 0, "nothing was printed of this one"
    assert time.tolist() == [START + 7, NO_TIME, START + 7, NO_TIME, NO_TIME, NO_TIME]


def test_without_debug_lines_no_tunnel_is_told():
    tunnel, time = ConnectRequests().look_up(table(connection()), np.array([True, False]))
    assert tunnel.tolist() == [0, 0]
    assert time.tolist() == [NO_TIME, NO_TIME]


@pytest.mark.parametrize(
    "change",
    [{"kind": "of tomorrow"}, {"client_ip": None}, {"client_port": None}, {"hbone_host": None}, {"peer_port": None}],
)
def test_what_names_no_connection_is_not_remembered(change):
    memory = ConnectRequests()
    memory.learn([asked(50000, **change)])
    assert known(memory, 50000) == []


def test_a_port_that_is_used_again_has_its_latest_request():
    memory = ConnectRequests()
    memory.learn([asked(50000, time=START), asked(50000, time=START + 9)])
    _, time = memory.look_up(table(connection()[:1]), np.array([True]))
    assert time.tolist() == [START + 9]


def test_of_too_many_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(exact_evidence, "REQUESTS_KEPT", 20)
    memory = ConnectRequests()
    memory.learn([asked(port) for port in range(10)])
    memory.learn([asked(3)])  # asked again: no longer among the oldest
    memory.learn([asked(port) for port in range(100, 117)])
    assert known(memory, *range(10), *range(100, 117)) == [3, 8, 9, *range(100, 117)]
    memory.learn([asked(port) for port in range(1000, 1500)])
    assert known(memory, 3, 100, 116, *range(1000, 1500)) == list(range(1480, 1500))


def test_a_full_memory_fits_beside_everything_else():
    memory = ConnectRequests()
    facts = [asked(port) for port in range(1, 5001)]
    tracemalloc.start()
    try:
        memory.learn(facts)
        each = tracemalloc.get_traced_memory()[0] / len(facts)
    finally:
        tracemalloc.stop()
    assert each * exact_evidence.REQUESTS_KEPT < 512 << 20
