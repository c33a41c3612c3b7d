"""Live reading: pipes and files, at once, through rotation, truncation and recreation."""

import contextlib
import gzip
import os
import threading
from time import monotonic, sleep
from typing import ClassVar

import pytest

from tests.read.support import FIXTURES, column
from ztflow.errors import SourceError
from ztflow.read import ReadReport, follow

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "stern-default.log").read_bytes().splitlines(keepends=True)
    if b"connection complete" in line
]
WRAPPED = (FIXTURES / "seed" / "ingress-wrapped.log").read_bytes().splitlines(keepends=True)
PATIENCE = 10


class Live:
    """A `follow` that is pulled step by step.

    Each has to be closed before what it reads is: else its thread would read from whatever gets the same number next.
    """

    every: ClassVar[list["Live"]] = []

    def __init__(self, *inputs, **options):
        self.every.append(self)
        self.report = ReadReport()
        self.stopped = False
        self.batches = follow(inputs, report=self.report, stop=lambda: self.stopped, heartbeat=0.02, **options)
        self.halves = []

    def rows(self, count):
        """Pull until that many rows came in all."""
        end = monotonic() + PATIENCE
        while sum(map(len, self.halves)) < count and monotonic() < end:
            self.halves.append(next(self.batches).halves)
        assert sum(map(len, self.halves)) == count
        return self

    def beats(self, count=3):
        for _ in range(count):
            assert len(next(self.batches).halves) == 0
        return self

    def end(self):
        self.stopped = True
        self.halves += [batch.halves for batch in self.batches]
        return [value for halves in self.halves for value in column(halves, "source_file")]

    @classmethod
    def close_all(cls):
        while cls.every:
            cls.every.pop().batches.close()


@pytest.fixture(autouse=True)
def _all_closed():
    yield
    Live.close_all()


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        yield source, sink
        Live.close_all()


def test_a_pipe_gives_each_line_at_once_and_beats_between(pipe):
    source, sink = pipe
    live = Live(source)
    for number, line in enumerate(LINES[:3], 1):
        sink.write(line)
        since = monotonic()
        live.rows(number)
        assert monotonic() - since < 1
        live.beats()
    sink.close()
    live.rows(3)
    assert list(live.batches) == []


def test_a_pipe_that_ends_releases_what_is_held(pipe):
    source, sink = pipe
    live = Live(source)
    sink.write(LINES[0].rstrip(b"\n"))
    live.beats()
    sink.close()
    live.rows(1)


def test_a_record_in_two_writes(pipe):
    source, sink = pipe
    live = Live(source)
    sink.write(LINES[0][:200])
    live.beats()
    sink.write(LINES[0][200:])
    live.rows(1)


def test_a_wrapped_record_waits_and_a_pause_releases_what_goes_on_no_more(pipe):
    source, sink = pipe
    live = Live(source)
    sink.write(b"".join(WRAPPED[2:11]))
    live.rows(1)
    sink.write(b"".join(WRAPPED[12:15]))
    end = monotonic() + PATIENCE
    while not live.report.stats.problems and monotonic() < end:
        next(live.batches)
    assert live.report.stats.problems == 1


def test_two_pipes_and_one_ends(pipe):
    source, sink = pipe
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as other:
        os.write(writing, LINES[1])
        os.close(writing)
        live = Live(source, other)
        live.rows(1).beats()
        sink.write(LINES[0])
        live.rows(2)
        sink.close()
        assert list(live.batches) == []


def test_a_fast_pipe_loses_nothing(pipe):
    source, sink = pipe
    count = 20_000

    def produce():
        with contextlib.suppress(BrokenPipeError):
            sink.write(LINES[0] * count)
            sink.close()

    producer = threading.Thread(target=produce)
    producer.start()
    report = ReadReport()
    rows = sum(len(batch.halves) for batch in follow([source], report=report))
    producer.join()
    assert report.stats.access == count
    assert rows == report.stats.access - report.stats.duplicates


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def test_a_file_that_grows(tmp_path):
    path = tmp_path / "ztunnel-4k7rb.log"
    path.write_bytes(LINES[0])
    live = Live(path)
    live.rows(1).beats()
    append(path, LINES[1][:50])
    live.beats()
    append(path, LINES[1][50:])
    live.rows(2)
    assert live.end() == [str(path)] * 2


@pytest.mark.parametrize("pause", [0, 3])
def test_rotation(tmp_path, pause):
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0])
    live = Live(path).rows(1)
    append(path, LINES[1])
    path.rename(tmp_path / "a.log.1")
    live.beats(0) if not pause else live.rows(2).beats(pause)
    path.write_bytes(LINES[2])
    live.rows(3)
    append(path, LINES[3])
    live.rows(4)
    assert live.end() == [str(path)] * 4
    assert live.report.stats.problems == 0


def test_the_last_line_of_a_rotated_file_needs_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.growing.STAYS", 0.1)
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0] + LINES[1].rstrip(b"\n"))
    live = Live(path).rows(1)
    path.rename(tmp_path / "a.log.1")
    path.write_bytes(LINES[2])
    live.rows(3)


def test_truncation(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0] + LINES[1])
    live = Live(path).rows(2)
    path.write_bytes(LINES[2])
    live.rows(3)
    append(path, LINES[3])
    live.rows(4)


def test_truncation_written_past_the_old_end_between_two_looks(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0])
    live = Live(path).rows(1)
    path.write_bytes(b"".join(LINES[1:4]))
    live.rows(4)


def test_recreation(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0])
    live = Live(path).rows(1)
    path.unlink()
    live.beats()
    path.write_bytes(LINES[1])
    live.rows(2)


def test_a_reconnect_is_left_out(pipe):
    source, sink = pipe
    live = Live(source)
    sink.write(b"".join(LINES))
    live.rows(len(LINES))
    sink.write(b"".join(LINES[1:]))
    sink.close()
    list(live.batches)
    assert live.report.stats.duplicates == len(LINES) - 1


def test_new_files_in_a_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.following._RESCAN", 0.01)
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(LINES[0]))
    (tmp_path / "0.log").write_bytes(LINES[1])
    live = Live(tmp_path).rows(2).beats()
    sleep(0.02)
    (tmp_path / "0.log").rename(tmp_path / "0.log.20240616-124500")
    (tmp_path / "0.log").write_bytes(LINES[2])
    (tmp_path / "1.log").write_bytes(LINES[3])
    live.rows(4)
    assert sorted(name.rsplit("/", 1)[1] for name in live.end()) == ["0.log", "0.log", "1.log", "old.log.gz"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        next(follow([tmp_path / "none.log"]))
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0])
    errors = []
    Live(tmp_path / "none.log", path, on_error=errors.append).rows(1).end()
    assert len(errors) == 1


def test_an_idle_reader_hardly_works(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(LINES[0])
    live = Live(path).rows(1)
    spent = os.times().user + os.times().system
    live.beats(40)
    assert os.times().user + os.times().system - spent < 0.3
    live.end()
