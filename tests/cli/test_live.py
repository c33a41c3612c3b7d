"""A live pipe, a real terminal, Ctrl-C and a reader that leaves, with real processes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

WAIT = 20.0
"""Seconds until a test gives up; a busy machine starts a process in two."""

ZTFLOW = [sys.executable, "-m", "ztflow"]


def half(second: int, direction: str, *, size: int = 84) -> bytes:
    """One line of a connection, as stern prints it."""
    micros = 792527 if direction == "inbound" else 793112
    sent, received = (size, 9832) if direction == "outbound" else (9832, size)
    pod = "ztunnel-62hp8" if direction == "inbound" else "ztunnel-fv5f8"
    port = 53265 if direction == "inbound" else 60162
    return (
        f"{pod} istio-proxy 2024-06-16T12:48:{second:02d}.{micros}Z\tinfo\taccess\tconnection complete\t"
        f'src.addr=192.168.184.73:{port} src.workload="debug" src.namespace="demo" '
        'src.identity="spiffe://cluster.local/ns/demo/sa/default" dst.addr=192.168.246.6:15008 '
        'dst.hbone_addr=192.168.246.6:80 dst.service="httpbin.demo.svc.cluster.local" dst.workload="httpbin" '
        f'dst.namespace="demo" dst.identity="spiffe://cluster.local/ns/demo/sa/httpbin" direction="{direction}" '
        f'bytes_sent={sent} bytes_recv={received} duration="60ms"\n'
    ).encode()


def connection(second: int, *, size: int = 84) -> bytes:
    return half(second, "inbound", size=size) + half(second, "outbound", size=size)


@pytest.fixture
def start():
    """Start ztflow with a pipe to write to; whatever still runs at the end is ended."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, stdin: int = subprocess.PIPE, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*ZTFLOW, *words], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
            env=os.environ | {"COLUMNS": "", "LINES": "", "TERM": "xterm", "NO_COLOR": "1"},
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(fd: int, wanted: bytes) -> bytes:
    """What comes out of a descriptor until `wanted` is in it, or the end."""
    seen = b""
    end = time.monotonic() + WAIT
    while wanted not in seen and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:  # a terminal whose other side closed
                break
            if not part:
                break
            seen += part
    return seen


def give(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def test_a_flow_comes_out_while_the_pipe_is_open(start):
    process = start("flows", "-f", "-o", "jsonl")
    give(process, connection(1) + connection(30, size=99))
    assert b'"paired":"unique"' in read_until(process.stdout.fileno(), b"\n")
    assert process.poll() is None, "it goes on reading"
    assert b'"request_bytes":99' in read_until(process.stdout.fileno(), b"\n"), "a quiet pipe does not hold it back"
    process.stdin.close()
    assert process.wait(WAIT) == 0


def test_a_record_comes_out_at_once(start):
    process = start("records", "-f", "-o", "jsonl")
    give(process, half(1, "inbound"))
    assert b'"direction":"inbound"' in read_until(process.stdout.fileno(), b"\n")


def test_the_first_n_end_the_reading(start):
    process = start("records", "-f", "--first", "1", "-o", "jsonl")
    give(process, connection(1))
    assert process.wait(WAIT) == 0
    assert process.stdout.read().count(b"\n") == 1


def test_ctrl_c_prints_what_is_pending_and_the_counts_and_is_no_failure(start):
    process = start("flows", "-f", "-o", "jsonl", "--stats=json", "--window", "15s")
    give(process, connection(1) + connection(40, size=99))
    assert b'"request_bytes":84' in read_until(process.stdout.fileno(), b"\n"), "15 s of log time went by"
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) == 0
    assert b'"request_bytes":99' in process.stdout.read()
    assert b'"paired_flows":2' in process.stderr.read()


def test_a_reader_that_leaves_is_no_complaint(start, tmp_path):
    log = tmp_path / "big.log"
    log.write_bytes(b"".join(connection(n % 60, size=n) for n in range(3000)))
    process = start("flows", "-o", "jsonl", str(log))
    assert process.stdout.read(100).startswith(b"{")
    process.stdout.close()
    assert process.wait(WAIT) == 0
    assert process.stderr.read() == b""


def test_a_followed_file_is_read_as_it_grows(start, tmp_path):
    log = tmp_path / "ztunnel-62hp8.log"
    log.write_bytes(half(1, "inbound"))
    process = start("records", "-f", "-o", "jsonl", str(log))
    assert b'"line_number":1' in read_until(process.stdout.fileno(), b"\n")
    with log.open("ab") as more:
        more.write(half(2, "inbound"))
    assert b'"line_number":2' in read_until(process.stdout.fileno(), b"\n")
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) == 0


def plain(painted: bytes) -> str:
    """Terminal output without its escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", painted.decode(errors="replace")).replace("\r", "")


def test_the_summary_is_alive_on_a_terminal_until_ctrl_c(start):
    ours, theirs = pty.openpty()
    try:
        process = start("summary", stdout=theirs)
        give(process, connection(1))
        screen = plain(read_until(ours, b"still reading"))
        give(process, connection(9))
        screen += plain(read_until(ours, b"of 4 halves"))
        assert "100.0 % of 4 halves" in screen
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 0
        os.close(theirs)
        theirs = -1
        last = plain(read_until(ours, b"never"))
        assert "still reading" not in last[last.rindex("window") :]
        assert "httpbin" in last
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


class OnTerminal:
    """ztflow reading a pipe on a terminal of its own, which has keys."""

    def __init__(self, *words: str) -> None:
        reading, self.pipe = os.pipe()
        self.process, self.terminal = pty.fork()
        if not self.process:
            os.dup2(reading, 0)
            os.environ |= {"COLUMNS": "", "LINES": "", "TERM": "xterm", "NO_COLOR": "1"}
            os.execv(sys.executable, [*ZTFLOW, *words])
        os.close(reading)
        self.resize(80, 24)
        self.ended: int | None = None
        self.rest = ""
        """What was written from the call of `end` on."""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def until(self, wanted: str) -> str:
        """What is painted until it has this text."""
        found = plain(read_until(self.terminal, wanted.encode()))
        assert wanted in found, found
        return found

    def modes(self) -> list[int]:
        """Its modes: whether keys come line by line and are shown."""
        return termios.tcgetattr(self.terminal)[:4]

    def end(self) -> int:
        """The exit code. What is still written is read, for it may fill the terminal."""
        deadline = time.monotonic() + WAIT
        while self.ended is None and time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.05)[0]:
                try:
                    self.rest += plain(os.read(self.terminal, 65536))
                except OSError:
                    deadline = min(deadline, time.monotonic() + 5)
            done, status = os.waitpid(self.process, os.WNOHANG)
            self.ended = os.waitstatus_to_exitcode(status) if done else None
        assert self.ended is not None, "it goes on"
        return self.ended

    def close(self) -> None:
        if self.ended is None:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self.pipe)
        os.close(self.terminal)


@pytest.fixture
def terminal():
    made = OnTerminal("summary")
    yield made
    made.close()


def test_keys_work_beside_a_pipe_and_the_size_is_asked_at_each_picture(terminal):
    before = terminal.modes()
    os.write(terminal.pipe, connection(1) + connection(30))
    terminal.until("q quit")
    assert terminal.modes() != before, "keys come one by one and are not shown"
    terminal.press("w")
    terminal.until("window: 1 min")
    terminal.resize(60, 15)
    assert all(len(line) <= 60 for line in terminal.until("  q quit").rpartition("window  ")[2].splitlines())
    terminal.press("\r")
    assert "LAST LINES" in terminal.until("Esc back")
    terminal.press("\x1b")
    terminal.until("Enter open")
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.modes() == before
    assert "100.0 % of 4 halves" in terminal.rest[terminal.rest.rindex("window") :]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM), (None, 0)])
def test_the_terminal_is_given_back_however_it_ends(terminal, number, code):
    before = terminal.modes()
    os.write(terminal.pipe, connection(1))
    terminal.until("q quit")
    if number is None:
        os.close(terminal.pipe)  # the pipe ends
        terminal.pipe = os.open(os.devnull, os.O_WRONLY)
    else:
        os.kill(terminal.process, number)
    assert terminal.end() == code
    assert terminal.modes() == before


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal):
    before = terminal.modes()
    os.write(terminal.pipe, connection(1))
    terminal.until("q quit")
    os.kill(terminal.process, signal.SIGTSTP)
    assert os.WIFSTOPPED(os.waitpid(terminal.process, os.WUNTRACED)[1])
    assert terminal.modes() == before
    os.kill(terminal.process, signal.SIGCONT)
    os.write(terminal.pipe, connection(9))
    terminal.until("q quit")
    terminal.press("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("words", [["-f"], ["flows", "-f"], ["flows", "-"]])
def test_a_terminal_that_closes_ends_all_that_runs_on_it(words):
    """SIGHUP, and from then on no stream can be written to."""
    reading, writing = os.pipe()
    process, terminal = pty.fork()
    if not process:
        os.dup2(reading, 0)
        os.set_inheritable(writing, True)  # so that the pipe does not end
        os.execv(sys.executable, [*ZTFLOW, *words])
    os.write(writing, connection(1))
    if "-" not in words:
        assert b"httpbin" in read_until(terminal, b"httpbin")
    else:
        assert b"standard input" in read_until(terminal, b"standard input")
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + signal.SIGHUP
    os.close(reading)
    os.close(writing)


def test_a_pipe_without_follow_that_does_not_end_is_spoken_of_once(start):
    process = start("flows", "-o", "jsonl")
    give(process, connection(1))
    said = read_until(process.stderr.fileno(), b"\n")
    assert said == b"ztflow: reading standard input to its end; use -f to see flows as they come\n"
    process.stdin.close()
    assert process.wait(WAIT) == 0
    assert process.stdout.read().count(b"\n") == 1
    assert process.stderr.read() == b"", "once is enough"


def test_a_pipe_that_has_ended_is_not_spoken_of(start, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    process = start("flows", "-o", "jsonl", "-", str(tmp_path / "fifo"))
    process.stdin.close()
    assert not select.select([process.stderr], [], [], 2.5)[0], "what is waited for is the other input"
    with (tmp_path / "fifo").open("wb") as other:
        other.write(connection(1))
    assert process.wait(WAIT) == 0


def test_a_command_that_answers_once_says_how_to_have_its_answer(start):
    process = start("report", "traffic")
    give(process, connection(1))
    said = read_until(process.stderr.fileno(), b"\n")
    assert b"with -f, Ctrl-C ends it and gives the answer" in said


def test_nothing_is_said_of_a_pipe_that_is_followed(start):
    process = start("flows", "-f", "-o", "jsonl")
    give(process, connection(1))
    assert b'"paired":"unique"' in read_until(process.stdout.fileno(), b"\n")
    assert not select.select([process.stderr], [], [], 3)[0]


def test_a_finite_pipe_gives_on_a_terminal_what_the_file_gives(start, seed):
    logs = [seed / "cross-node.log", seed / "same-node.log"]
    ours, theirs = pty.openpty()
    try:
        process = start(stdout=theirs)
        give(process, b"".join(log.read_bytes() for log in logs))
        process.stdin.close()
        assert process.wait(WAIT) == 0
        os.close(theirs)
        theirs = -1
        assert "100.0 % of 4 halves paired" in plain(read_until(ours, b"never"))
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def test_no_words_on_a_real_terminal_is_a_hint(start):
    ours, theirs = pty.openpty()
    try:
        process = start(stdin=theirs)
        assert process.wait(WAIT) == 2
        assert b"Nothing to read" in process.stderr.read()
    finally:
        os.close(ours)
        os.close(theirs)
