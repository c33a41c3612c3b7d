"""Work on other threads: errors, the end, forks; and the same answers for any number of processors."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from ztflow import threads
from ztflow.columns.gc_pause import gc_paused
from ztflow.kernel import POLICY, warmup
from ztflow.memory import MIB, budget
from ztflow.read import ReadReport, bulk, inputs, read_inputs
from ztflow.read.sources import files
from ztflow.read.stream import StreamParser
from ztflow.session import Session
from ztflow.simulate import preset, simulate
from ztflow.threads import at_once, beside, processors


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
    assert beside().submit(int, 3).result() == 3
    child = os.fork()
    if not child:
        at_once(lambda _: None, [1, 2])
        beside().submit(int, 3).result()
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


def test_bytes_told_before_they_are_given_are_read_as_any(monkeypatch):
    """Some are, some are not; cut anywhere; the kernel in pieces on its thread, or at once."""
    capture = simulate(replace(preset("mixed"), connections=800, duration=60, wrapper="stern"), 6)
    data = b"".join(line for _, _, line in capture.arriving())
    warmup()
    assert POLICY.ready(1 << 40)
    monkeypatch.setattr(bulk, "LEAST", 2_000)
    monkeypatch.setattr(bulk, "_PIECE", 7_000)
    chance = random.Random(3)
    found = []
    for told, count in ((0.0, 1), (0.0, 2), (0.5, 2), (1.0, 2)):
        monkeypatch.setattr(bulk, "processors", lambda count=count: count)
        cuts = sorted(chance.sample(range(len(data)), 12))
        chunks = [data[start:stop] for start, stop in pairwise([0, *cuts, len(data)])]
        parser = StreamParser("x.log")
        parser.expected = len(data)
        given = [
            parser.feed(chunk, after if chance.random() < told else b"") for chunk, after in pairwise([*chunks, b""])
        ]
        assert parser.fast
        given.append(parser.finish())
        rows = [row for halves in given for row in halves.to_arrow().to_pylist()]
        found.append((rows, replace(parser.stats, slow_lines=0), [fact.values for fact in parser.take_facts()]))
    assert len(found[0][0]) > 1000
    assert found[0] == found[1] == found[2] == found[3]


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
        monkeypatch.setattr(inputs, "processors", lambda count=count: count)
        report = ReadReport()
        with Session(report=report, memory=budget(600 * MIB)) as session:
            for batch in read_inputs([str(log)], report=report):
                session.feed(batch)
            session._order._portion = 1
            tables = [flows.to_arrow() for flows in session.finish()]
        assert len(tables) > 3
        rows = [row for table in tables for row in table.to_pylist()]
        found.append((rows, report.stats, report.paired_flows, report.unpaired_halves))
    assert found[0][2] > 1000
    assert found[0] == found[1] == found[2]
