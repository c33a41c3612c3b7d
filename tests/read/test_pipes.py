"""Pipes are emptied ahead of their reader: nothing is lost, nothing waits, memory is bounded."""

from __future__ import annotations

import io
import os
import threading
from time import monotonic, sleep

import pytest

from ztflow.read.sources import pipes
from ztflow.read.sources.pipes import PipeReader

PATIENCE = 10


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:  # the test closed it
            continue


def until(true) -> bool:
    end = monotonic() + PATIENCE
    while not true() and monotonic() < end:
        sleep(0.001)
    return true()


def test_all_bytes_come_in_order_and_then_the_end(pipe):
    reading, writing = pipe
    sent = os.urandom(3 << 20)

    def write():
        for at in range(0, len(sent), 70_001):
            left = sent[at : at + 70_001]
            while left:
                left = left[os.write(writing, left) :]
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    reader = PipeReader(reading)
    came = []
    while chunk := reader.take():
        came.append(chunk)
    writer.join()
    reader.close()
    assert b"".join(came) == sent
    assert reader.take() == b""


def test_a_lone_write_comes_at_once_and_the_next_ones_together(pipe, monkeypatch):
    monkeypatch.setattr(pipes, "_GATHER", 0.5)
    reading, writing = pipe
    reader = PipeReader(reading)
    os.write(writing, b"a")
    assert reader.take() == b"a"
    for part in (b"b", b"c", b"d"):
        os.write(writing, part)
        sleep(0.01)
    assert reader.take() == b"bcd"
    reader.close()


def test_a_pipe_that_never_falls_silent_is_given_in_portions(pipe, monkeypatch):
    """A hundred lines that come one after the other are not a hundred portions of work."""
    monkeypatch.setattr(pipes, "_GATHER", 0.5)
    reading, writing = pipe

    def trickle():
        for _ in range(100):
            os.write(writing, b"line\n")
            sleep(0.002)
        os.close(writing)

    reader = PipeReader(reading)
    writer = threading.Thread(target=trickle)
    since = monotonic()
    writer.start()
    portions = []
    while chunk := reader.take():
        portions.append(chunk)
    writer.join()
    reader.close()
    assert b"".join(portions) == b"line\n" * 100
    assert len(portions) <= 3 + (monotonic() - since) / 0.5


def test_the_beginning_of_a_line_waits_for_its_end_but_not_long(pipe):
    reading, writing = pipe
    reader = PipeReader(reading)
    os.write(writing, b"a\nb\nc")
    assert reader.take() == b"a\nb\n"
    assert reader.take() == b"c"
    os.write(writing, b"d\n")
    assert reader.take() == b"d\n"
    os.write(writing, b"e\nf")
    os.close(writing)
    assert until(lambda: reader._over)
    assert reader.take() == b"e\nf"
    assert reader.take() == b""
    reader.close()


@pytest.mark.parametrize("held", [None, 1 << 19])
def test_what_nobody_takes_is_not_heaped_up(pipe, monkeypatch, held):
    monkeypatch.setattr(pipes, "_HELD", 1 << 20)
    monkeypatch.setattr(pipes, "_PIPE", 1 << 16)
    reading, writing = pipe
    os.set_blocking(writing, False)
    reader = PipeReader(reading, held=held)
    written = 0

    def stuck() -> bool:
        nonlocal written
        try:
            written += os.write(writing, bytes(1 << 16))
        except BlockingIOError:
            sleep(0.05)
            try:
                written += os.write(writing, b"\0")
            except BlockingIOError:
                return True
        return False

    assert until(stuck)
    assert written < 3 << 20
    os.set_blocking(writing, True)
    came = len(reader.now())
    assert came <= (held or 1 << 20) + (1 << 16)
    os.close(writing)
    while chunk := reader.take():
        came += len(chunk)
    reader.close()
    assert came == written


@pytest.mark.parametrize("full", [False, True])
def test_closing_waits_for_no_byte_and_leaves_no_thread(pipe, monkeypatch, full):
    monkeypatch.setattr(pipes, "_HELD", 1)
    reading, writing = pipe
    before = threading.active_count()
    reader = PipeReader(reading)
    if full:
        os.write(writing, b"abc")
        assert until(lambda: reader.due() is not None)
    since = monotonic()
    reader.close()
    assert monotonic() - since < PATIENCE / 2
    assert threading.active_count() == before


def test_an_error_comes_after_what_came_before_it(pipe, monkeypatch):
    reading, writing = pipe

    class Broken(io.FileIO):
        calls = 0

        def readinto(self, room):
            self.calls += 1
            if self.calls > 1:
                raise OSError(5, "input/output error")
            return super().readinto(room)

    monkeypatch.setattr(pipes, "FileIO", Broken)
    os.write(writing, b"abc")
    reader = PipeReader(reading)
    assert reader.take() == b"abc"
    os.write(writing, b"def")
    with pytest.raises(OSError, match="input/output"):
        reader.take()
    reader.close()
