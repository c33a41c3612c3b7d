"""Rotation faster than it is looked at, in every way programs rotate: nothing is lost, or it is said."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.read.test_following import Live, append
from ztflow.read import growing, open_files

HEAD = "2024-06-16T12:48:{:02}.{:06}Z\tinfo\taccess\tconnection complete\t"
FIELDS = (
    'src.addr=10.244.1.9:{} src.workload="debug" src.namespace="shop" dst.addr=10.244.1.11:8000 '
    'direction="inbound" bytes_sent=84 bytes_recv=9832 duration="203ms"\n'
)


def lines(first, last):
    return "".join((HEAD + FIELDS).format(at // 1_000_000, at, 1024 + at) for at in range(first, last)).encode()


@pytest.fixture(autouse=True)
def closed():
    yield
    Live.close_all()


def ports(live):
    return [port - 1024 for halves in live.halves for port in halves.to_arrow()["src_port"].to_pylist()]


def shifted(path, most):
    """`path` is the first of the old ones, each of which moves on."""
    for number in range(most, 0, -1):
        older = Path(f"{path}.{number}")
        if older.exists():
            older.rename(f"{path}.{number + 1}") if number < most else older.unlink()


def renamed(path, number, most=25):
    shifted(path, most)
    path.rename(f"{path}.1")
    path.touch()


def dated(path, number):
    path.rename(f"{path}.20240616-1245{number:02}")
    path.touch()


def dated_inside(path, number):
    path.rename(path.with_name(f"{path.stem}-20240616-1245{number:02}.log"))
    path.touch()


def copied(path, number):
    shifted(path, 25)
    shutil.copyfile(path, f"{path}.1")
    os.truncate(path, 0)


def packed(path, number):
    older = path.with_name(f"{path.name}.20240616-1245{number:02}")
    path.rename(older)
    path.touch()
    Path(f"{older}.gz").write_bytes(gzip.compress(older.read_bytes()))
    older.unlink()


WAYS = [renamed, dated, dated_inside, copied, packed]


@pytest.mark.parametrize("rotate", WAYS)
@pytest.mark.parametrize("folder", [True, False])
def test_twenty_rotations_in_a_second_lose_nothing(tmp_path, rotate, folder):
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    errors = []
    live = Live(tmp_path if folder else path, on_error=errors.append).rows(5)

    def write():
        at = 5
        for number in range(20):
            append(path, lines(at, at + 7))
            at += 7
            time.sleep(0.04)
            rotate(path, number)
        append(path, lines(at, 150))

    writing = threading.Thread(target=write)
    writing.start()
    live.rows(150)
    writing.join()
    live.end()
    assert sorted(ports(live)) == list(range(150))
    stats = live.report.stats
    assert (stats.problems, stats.access - stats.duplicates, errors) == (0, 150, [])


@pytest.mark.parametrize("rotate", WAYS)
@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("most", [1000, 0])
def test_several_rotations_between_two_looks(tmp_path, monkeypatch, rotate, folder, most):
    monkeypatch.setattr(open_files, "_descriptors", lambda *, raised: most)
    path = tmp_path / "a.log"
    (tmp_path / "a.log.3").write_bytes(lines(900, 905))
    path.write_bytes(lines(0, 5))
    errors = []
    live = Live(tmp_path if folder else path, on_error=errors.append).rows(10 if folder else 5)
    for number in range(4):
        append(path, lines(5 + 10 * number, 15 + 10 * number))
        rotate(path, number)
    append(path, lines(45, 50))
    live.rows(55 if folder else 50).end()
    assert sorted(ports(live))[:50] == list(range(50))
    assert (live.report.stats.access, live.report.stats.duplicates, errors) == (55 if folder else 50, 0, [])


def test_rotated_files_that_are_gone_are_counted(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    errors = []
    live = Live(path, on_error=errors.append).rows(5)
    for number in range(4):
        renamed(path, number)
        append(path, lines(10 * number, 10 * number + 5) if number else lines(5, 6))
    (tmp_path / "a.log.2").unlink()
    live.rows(5 + 1 + 5 + 5).end()
    assert [error.detail for error in errors] == [
        "was rotated 4 times since the last look, and 1 of the files are gone unread"
    ]


def test_when_all_older_ones_are_gone_that_is_said(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    errors = []
    live = Live(path, on_error=errors.append).rows(5)
    for number in range(8):
        renamed(path, number, most=5)
        append(path, lines(10 * number + 10, 10 * number + 15))
    live.rows(5 + 6 * 5).end()
    assert [error.detail for error in errors] == [
        "was rotated 5 times or more since the last look; older files are gone unread, if any"
    ]


def test_what_a_writer_still_writes_to_the_renamed_file_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    with path.open("ab") as writer:
        live = Live(path).rows(5)
        path.rename(tmp_path / "a.log.1")
        path.write_bytes(lines(10, 12))
        live.rows(7).beats()
        writer.write(lines(5, 8))
        writer.flush()
        live.rows(10).beats()
        monkeypatch.setattr(growing, "STAYS", 0.0)
        live.beats()
    assert sorted(ports(live)) == [0, 1, 2, 3, 4, 5, 6, 7, 10, 11]
    held = [Path(f"/proc/self/fd/{one.name}") for one in Path("/proc/self/fd").iterdir()]
    assert sum(one.exists() and one.readlink().parent == tmp_path for one in held) == 1


def test_a_deleted_file_is_not_held_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    live = Live(path).rows(5)
    monkeypatch.setattr(growing, "STAYS", 0.0)
    path.unlink()
    live.beats(4)
    path.write_bytes(lines(5, 9))
    live.rows(9).end()


def test_a_new_file_that_was_rotated_before_it_was_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.following._RESCAN", 0.01)
    (tmp_path / "a.log").write_bytes(lines(0, 5))
    live = Live(tmp_path).rows(5)
    path = tmp_path / "b.log"
    path.write_bytes(lines(5, 9))
    renamed(path, 0)
    append(path, lines(9, 12))
    live.rows(12).end()
    assert live.report.stats.duplicates == 0


def test_a_file_that_vanishes_while_not_open_is_said_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(open_files, "_descriptors", lambda *, raised: 0)
    path = tmp_path / "a.log"
    path.write_bytes(lines(0, 5))
    errors = []
    live = Live(path, on_error=errors.append).rows(5)
    (tmp_path / "elsewhere").mkdir()
    path.rename(tmp_path / "elsewhere" / "a.log")
    live.beats()
    path.write_bytes(lines(5, 9))
    live.rows(9).end()
    assert len(errors) == 1
    assert errors[0].detail.startswith("was rotated while not open; what it got behind its first")


FOLLOWED = """
import resource, sys, time
from ztflow.read import ReadReport, follow
from ztflow.read import open_files
stop, rows, report = [], 0, ReadReport()
for batch in follow([sys.argv[1]], stop=lambda: bool(stop), report=report):
    rows += len(batch.halves)
    if rows == int(sys.argv[2]):
        print(rows, flush=True)
    if rows == int(sys.argv[3]):
        break
print(rows, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 4096), (64, 64)])
def test_more_files_than_descriptors(tmp_path, soft, hard):
    """The limit is raised where it may be; else what is not open is read by turns, and rotated files are found."""
    for number in range(100):
        (tmp_path / f"{number}.log").write_bytes(lines(10 * number, 10 * number + 2))
    child = subprocess.Popen(
        [sys.executable, "-c", FOLLOWED, str(tmp_path), "200", "500"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),  # noqa: PLW1509 - no threads yet
    )  # fmt: skip
    assert child.stdout.readline() == "200\n", child.stderr.read()
    for number in range(100):
        append(tmp_path / f"{number}.log", lines(10 * number + 2, 10 * number + 4))
        (tmp_path / f"{number}.log").rename(tmp_path / f"{number}.log.1")
        append(tmp_path / f"{number}.log", lines(10 * number + 4, 10 * number + 5))
    out, err = child.communicate(timeout=60)
    assert (out, err) == (f"500 {hard}\n", "")
