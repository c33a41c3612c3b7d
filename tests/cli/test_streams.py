"""Standard streams that are closed, full or not read, temporary files without room, and Ctrl-C while all of that."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stalled

from ztflow.cli.run import OK, UNREADABLE, USAGE

SEED = Path(__file__).parents[2] / "fixtures" / "seed"
LOGS = [str(SEED / "same-node.log"), str(SEED / "cross-node.log")]
WAIT = 40.0
"""Seconds until a test gives up on a process; several start at once."""

ZTFLOW = [sys.executable, "-m", "ztflow"]
FULL = "/dev/full"
"""A device that has no room, ever: full(4)."""

SOON = 3.0
"""Seconds within which Ctrl-C ends everything on a machine that is busy with other things; alone it takes one at most."""

INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL


def run(words: str, shell: str = "", **rest) -> subprocess.CompletedProcess[bytes]:
    """Run with the redirections a shell understands."""
    command = f'exec "$0" -m ztflow {words} {shell}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, check=False, timeout=WAIT, cwd=SEED, **rest
    )


@pytest.mark.parametrize("words", [f"flows same-node.log -o {form}" for form in ("table", "jsonl", "csv", "parquet")]
                         + ["same-node.log", "graph same-node.log -o svg", "report traffic same-node.log", "explain - < same-node.log", "simulate --list", "--help", "flows --help", "--version"])  # fmt: skip
def test_a_full_stdout_is_said_in_one_line(words):
    done = run(words, f"> {FULL}")
    assert done.stderr == b"ztflow: cannot write standard output: No space left on device\n"
    assert done.returncode == USAGE


def test_closed_streams_are_said_or_do_not_matter(tmp_path):
    done = run("flows same-node.log", ">&-")
    assert (done.returncode, done.stderr) == (USAGE, b"ztflow: cannot write standard output: it is closed\n")
    output = tmp_path / "x.csv"
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        assert run(f"flows same-node.log --output {output}", closed).returncode == OK
        assert output.read_bytes().count(b"\n") == 2
    for words in ("flows -", "explain -"):
        done = run(words, "<&-")
        assert (done.returncode, done.stderr) == (UNREADABLE, b"ztflow: -: standard input is closed\n")
    assert run("flows - same-node.log -o jsonl", "<&-").stdout.count(b"\n") == 1, "the others are read"
    assert run("flows", "<&-").returncode == USAGE


@pytest.mark.parametrize("nowhere", ["2>&-", f"2> {FULL}"])
def test_messages_that_reach_nobody_change_no_exit_code(nowhere):
    assert run("flows same-node.log --stats -o jsonl", nowhere).returncode == OK
    assert run("flows no-such.log --stats", nowhere).returncode == UNREADABLE
    assert run("flows --no-such-option", nowhere).returncode == USAGE
    assert run("flows same-node.log --stats", f"> {FULL} {nowhere}").returncode == USAGE


NOISY = """
import os, sys
from ztflow.files.placing import NamedFile
init = NamedFile.__init__
def noisy(self, file, *rest, **named):
    os.write(1, b"noise"), os.write(2, b"noise")
    init(self, file, *rest, **named)
NamedFile.__init__ = noisy
from ztflow.cli import main
sys.exit(main())
"""


def test_nothing_a_library_prints_ends_up_in_the_output(tmp_path):
    """With stdout and stderr closed, the next files opened would be numbers 1 and 2."""
    output = tmp_path / "x.csv"
    words = f'exec "$0" -c "$1" flows same-node.log --output {output} <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", words, sys.executable, NOISY], check=False, cwd=SEED, timeout=WAIT)
    assert done.returncode == OK
    assert output.read_bytes().startswith(b"start,")
    assert b"noise" not in output.read_bytes()


@pytest.mark.parametrize("words", ["flows same-node.log -o jsonl", "same-node.log", "--help", "simulate --list"])
def test_a_reader_that_has_gone_is_no_complaint(words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run([*ZTFLOW, *words.split()], stdout=nobody, stderr=subprocess.PIPE, check=False, cwd=SEED)
    assert (done.returncode, done.stderr) == (OK, b"")


def spilling(*words: str, **rest) -> subprocess.CompletedProcess[bytes]:
    """A run whose memory is so small that everything goes by way of the disk."""
    command = [sys.executable, stalled.__file__, "never", "unused", *words]
    return subprocess.run(command, capture_output=True, check=False, timeout=WAIT, cwd=SEED, **rest)


def with_temp(place: Path | str) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(place)}


def test_temporary_files_leave_nothing(tmp_path):
    done = spilling("flows", *LOGS, "-o", "jsonl", env=with_temp(tmp_path))
    assert (done.returncode, done.stdout.count(b"\n")) == (OK, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["flows", "records", "graph", "summary"])
def test_temporary_files_without_a_place_are_said_in_one_line(tmp_path, words):
    (tmp_path / "file").touch()
    old = tmp_path / "old.csv"
    old.write_bytes(b"old\n")
    for place, why in ((tmp_path / "missing", "No such file or directory"), (tmp_path / "file", "Not a directory")):
        done = spilling(words, *LOGS, "--output", str(old), env=with_temp(place))
        said = f"ztflow: cannot write {place}: {why}; what does not fit in memory waits there; set TMPDIR"
        assert done.returncode == USAGE
        assert done.stderr.decode().startswith(said)
        assert done.stderr.count(b"\n") == 1
        assert old.read_bytes() == b"old\n"


def test_temporary_files_without_room_are_said_in_one_line(tmp_path):
    done = spilling(
        "flows", *LOGS, env=with_temp(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
    )  # fmt: skip
    assert done.returncode == USAGE
    assert done.stderr.startswith(f"ztflow: cannot write {tmp_path}: File too large; ".encode())
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_for_temporary_files_that_is_not_needed_need_not_be():
    assert run("flows same-node.log", env=with_temp("/no/such/folder")).returncode == OK


@pytest.fixture
def start(tmp_path):
    """Start ztflow in an empty folder; whatever still runs at the end is ended."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, **rest) -> subprocess.Popen[bytes]:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | rest
        running.append(subprocess.Popen([*ZTFLOW, *words], cwd=tmp_path, **streams))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def handling(process: subprocess.Popen[bytes]) -> bool:
    """Whether it heeds SIGTERM by now: proc(5), `SigCgt`."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (TERM - 1) & 1)


def wait_until(condition) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def asleep(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has started and then sleeps, but for heartbeats: it waits for somebody else. A busy one would run."""
    if not handling(process):
        return False
    states = []
    for _ in range(10):
        time.sleep(0.05)
        states.append(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0])
    return states.count("S") >= 9


def waiting_bytes(process: subprocess.Popen[bytes]) -> int:
    """What it has written to stdout and nobody has read."""
    return struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"...."))[0]


def ends_soon(process: subprocess.Popen[bytes], times: int = 1) -> int:
    """The exit code, after Ctrl-C."""
    began = time.monotonic()
    for _ in range(times):
        process.send_signal(INT)
        time.sleep(0.05)
    code = process.wait(WAIT)
    assert time.monotonic() - began < SOON + 0.05 * times
    return code


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("words", "code"), [
    (["flows", "fifo"], 130), (["flows", "-f", "fifo"], OK), (["-f", "fifo"], OK), (["report", "loss", "-f", "fifo"], OK),
    (["flows", "-f", "-o", "jsonl", "--output", "fifo"], 130), (["flows", "-f", "-"], OK), (["records", "-"], 130),
])  # fmt: skip
def test_ctrl_c_ends_a_wait_for_a_fifo_or_a_pipe(start, tmp_path, words, code, times):
    os.mkfifo(tmp_path / "fifo")
    process = start(*words)
    wait_until(lambda: asleep(process))
    assert ends_soon(process, times) in {code, 130 if times == 2 else code}
    assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("words", [
    "flows -f -o jsonl", "flows -f -o csv", "records -f -o table", "flows -o jsonl", "records -o csv",
])  # fmt: skip
def test_ctrl_c_ends_a_wait_for_a_reader_who_does_not_read(start, tmp_path, words):
    lines = (SEED / "same-node.log").read_bytes()
    many = b"".join(
        lines.replace(b"2024-06-16T12:", b"2024-06-%02dT%02d:" % (1 + n % 28, n // 28 % 24)) for n in range(600)
    )
    (tmp_path / "many.log").write_bytes(many)
    process = start(*words.split(), "many.log")
    wait_until(lambda: waiting_bytes(process) > 50_000)
    time.sleep(0.2)
    assert ends_soon(process) == 130, "the answer is not whole, with -f neither"
    assert b"Traceback" not in process.stderr.read()


def test_half_a_parquet_file_on_stdout_does_not_look_like_a_whole_one(tmp_path):
    mark = tmp_path / "mark"
    command = [sys.executable, stalled.__file__, "writing", str(mark), "flows", *LOGS, "-o", "parquet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(mark.exists)
    process.send_signal(INT)
    data, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    assert data.startswith(b"PAR1")
    assert not data.endswith(b"PAR1")


def rows_in(path: Path) -> int:
    """Rows of a file that is whole."""
    if path.suffix == ".parquet":
        return pq.read_metadata(path).num_rows
    lines = path.read_text().splitlines(keepends=True)
    assert all(line.endswith("\n") for line in lines)
    if path.suffix == ".jsonl":
        return sum(json.loads(line)["paired"] == "unique" for line in lines)
    return len(lines) - 1


def connections(count: int) -> bytes:
    """So many connections, each a second after the one before."""
    lines = (SEED / "same-node.log").read_bytes()
    assert b"12:40:48" in lines
    return b"".join(lines.replace(b"12:40:48", b"12:%02d:%02d" % divmod(n, 60)) for n in range(count))


@pytest.mark.parametrize(("number", "code"), [(INT, OK), (TERM, 143), (HUP, 129), (KILL, -9)])
def test_what_is_followed_is_written_in_whole_files(start, tmp_path, number, code):
    forms = ("parquet", "jsonl", "csv")
    processes = [start("flows", "-f", "--output", f"x.{form}") for form in forms]
    for process in processes:
        process.stdin.write(connections(50))
        process.stdin.flush()
    folders = [tmp_path / f"x.{form}" for form in forms]
    for folder in folders:
        wait_until(lambda folder=folder: list(folder.glob("x-00001.*")))
    for process in processes:
        process.stdin.write(connections(100)[len(connections(50)) :])
        process.stdin.flush()
    time.sleep(0.5)
    for process, folder, form in zip(processes, folders, forms, strict=True):
        process.send_signal(number)
        assert process.wait(WAIT) == code
        files = sorted(path.name for path in folder.iterdir())
        assert files == [f"x-{n + 1:05}.{form}" for n in range(len(files))]
        rows = [rows_in(folder / name) for name in files]
        assert sum(rows) == 100 or (number == KILL and sum(rows) >= 49), "the last may still be undecided"
        talk = process.stderr.read().decode()
        assert number == KILL or f"x.{form}: {len(files)} whole file" in talk
    if number == KILL:
        assert len(list(tmp_path.glob(".ztflow-*"))) == 3
        subprocess.run([*ZTFLOW, "flows", *LOGS, "--output", "y.csv"], check=True, timeout=WAIT, cwd=tmp_path)
    assert list(tmp_path.rglob(".*")) == []


def test_a_series_goes_on_where_it_ended_and_leaves_a_file_of_its_name_alone(cli, tmp_path):
    series, old = tmp_path / "x.csv", tmp_path / "old.csv"
    old.write_bytes(b"old\n")
    log = (SEED / "same-node.log").read_bytes()
    for count in (1, 2):
        result = cli("flows", "-f", "--output", series, stdin=log)
        assert result.code == OK
        assert f"{series}: 1 whole file, {series}/x-0000{count}.csv" in result.talk
        assert cli("flows", "-f", "--output", old, stdin=log).code == OK
    assert old.read_bytes() == b"old\n"
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv") if path.is_file())
    assert names == ["old-00001.csv", "old-00002.csv", "old.csv", "x.csv/x-00001.csv", "x.csv/x-00002.csv"]


def test_a_series_of_nothing_is_one_file_without_rows_unless_nothing_could_be_read(cli, tmp_path):
    assert cli("flows", "-f", "--output", tmp_path / "x.csv", stdin=b"").code == OK
    assert rows_in(tmp_path / "x.csv" / "x-00001.csv") == 0
    result = cli("flows", "-f", tmp_path / "missing", "--output", tmp_path / "y.csv")
    assert result.code == UNREADABLE
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
