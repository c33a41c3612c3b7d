"""Work that is done ahead on another thread: the order, errors, the end; and the same answers for any number of them."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from ztflow import threads
from ztflow.columns.gc_pause import gc_paused
from ztflow.kernel import POLICY, warmup
from ztflow.memory import MIB, budget
from ztflow.read import ReadReport, bulk, inputs, read_inputs
from ztflow.read.sources import files
from ztflow.session import Session
from ztflow.simulate import preset, simulate
from ztflow.threads import at_once, one_ahead, processors


@pytest.fixture(params=[1, 2])
def count(request, monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: request.param)
    return request.param


@pytest.fixture(autouse=True)
def _plenty(monkeypatch):
    """Memory is not short, whatever ran in this process before."""
    monkeypatch.setattr(threads, "plenty", lambda: True)


def test_parts_come_in_order_made_on_another_thread_where_there_are_two_processors(count):
    made_on = []

    def parts():
        for number in range(5):
            made_on.append(threading.get_ident())
            yield number

    assert list(one_ahead(parts(), "test")) == list(range(5))
    assert (set(made_on) == {threading.get_ident()}) == (count == 1)


def test_nothing_is_made_ahead_while_memory_is_short(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 2)
    short = iter([False, True, True, False, False])
    monkeypatch.setattr(threads, "plenty", lambda: not next(short))
    made = []

    def parts():
        for number in range(5):
            made.append(number)
            yield number

    at_hand = []
    for number in one_ahead(parts(), "test"):
        wait_until = time.monotonic() + 5
        while number == 0 and len(made) < 2 and time.monotonic() < wait_until:
            time.sleep(0.001)
        at_hand.append(len(made) - 1 - number)
    assert at_hand[:3] == [1, 0, 0], "while the second and the third are worked on, no further one is made"
    assert made == list(range(5))


def test_an_error_comes_in_its_place(count):
    def parts():
        yield 1
        raise ValueError(count)

    ahead = one_ahead(parts(), "test")
    assert next(ahead) == 1
    with pytest.raises(ValueError, match=str(count)):
        next(ahead)


def test_whoever_stops_early_leaves_nothing_running(count):
    state = []

    def parts():
        try:
            for number in range(10):
                state.append(number)
                yield number
        finally:
            state.append("closed")

    ahead = one_ahead(parts(), "test")
    assert next(ahead) == 0
    ahead.close()
    assert state in ([0, "closed"], [*range(count), "closed"]), "the next part may have begun"


def test_a_part_that_takes_long_is_not_waited_for_when_nobody_wants_it(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 2)
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def parts():
        try:
            yield 0
            begun.set()
            go_on.wait(20)
            yield 1
        finally:
            closed.set()

    ahead = one_ahead(parts(), "test")
    assert next(ahead) == 0
    assert begun.wait(20)
    start = time.monotonic()
    ahead.close()
    assert time.monotonic() - start < 10
    assert not closed.is_set(), "it is still at work"
    go_on.set()


def test_parts_are_worked_on_at_the_same_time_the_first_of_them_here():
    meet, where = threading.Barrier(2, timeout=20), {}

    def work(part):
        meet.wait()
        where[part] = threading.get_ident()

    at_once(work, ["a", "b"])
    assert where["a"] == threading.get_ident() != where["b"]
    at_once(work, [])


@pytest.mark.parametrize("failing", [0, 1])
def test_where_a_part_fails_nothing_is_at_work_any_more(failing):
    begun, done = threading.Event(), []

    def work(part):
        if part == failing:
            assert begun.wait(20)
            raise ValueError(part)
        begun.set()
        time.sleep(0.05)
        done.append(part)

    with pytest.raises(ValueError, match=str(failing)):
        at_once(work, [0, 1])
    assert done == [1 - failing]


def test_a_fork_has_threads_of_its_own():
    at_once(lambda _: None, [1, 2])
    child = os.fork()
    if not child:
        at_once(lambda _: None, [1, 2])
        os._exit(7)
    limit = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < limit:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 7


def test_a_quota_of_processors_counts(monkeypatch, tmp_path):
    for said, most in (("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)):
        (tmp_path / "cpu.max").write_text(said)
        monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
        monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
        processors.cache_clear()
        assert processors() == (8 if most is None else most)
    processors.cache_clear()


def test_the_collector_rests_until_the_last_of_overlapping_pauses_is_over():
    first, second = gc_paused(), gc_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_flows_and_counts_are_the_same_for_any_number_of_threads(monkeypatch, tmp_path):
    """In blocks of a few lines, so that every thread has work, and in many portions."""
    capture = simulate(replace(preset("mixed"), connections=2000, duration=200, wrapper="stern"), 5)
    log = tmp_path / "stern.log"
    log.write_bytes(b"".join(line for _, _, line in capture.arriving()))
    warmup()  # or another process is still compiling
    assert POLICY.ready(1 << 40)
    monkeypatch.setattr(bulk, "_PIECE", 20_000)
    monkeypatch.setattr(inputs, "BIG", 0)
    monkeypatch.setattr(files, "CHUNK", 100_000)
    monkeypatch.setattr(files, "BIG_CHUNK", 100_000)
    found = []
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "processors", lambda count=count: count)
        monkeypatch.setattr(bulk, "processors", lambda count=count: count)
        bulk._threads.cache_clear()
        report = ReadReport()
        with Session(report=report, memory=budget(600 * MIB)) as session:
            for batch in read_inputs([str(log)], report=report):
                session.feed(batch)
            session._order._portion = 1
            tables = [flows.to_arrow() for flows in session.finish()]
        assert len(tables) > 3
        rows = [row for table in tables for row in table.to_pylist()]
        found.append((rows, report.stats, report.paired_flows, report.unpaired_halves))
    bulk._threads.cache_clear()
    assert found[0][2] > 1000
    assert found[0] == found[1] == found[2]
