"""Whatever ends a run and whenever: the old file stands or the new one is whole, and nothing else is left behind."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import stalled

from ztflow.cli.run import OK, UNREADABLE, USAGE
from ztflow.errors import OutputError
from ztflow.files.placing import NewFile
from ztflow.files.scratch import Scratch

SEED = Path(__file__).parents[2] / "fixtures" / "seed"
LOGS = [str(SEED / "same-node.log"), str(SEED / "cross-node.log")]
WAIT = 40.0
"""Seconds until a test gives up on a process; many start at once."""

ZTFLOW = [sys.executable, "-m", "ztflow"]
OLD = b"what the user had\n"

INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL
CODES = {INT: 130, TERM: 143, HUP: 129, KILL: -9}

MOMENTS = ("starting", "reading", "pairing", "spilled", "writing", "flushed", "placed")
ANSWERS = (
    ("flows", "parquet"), ("flows", "jsonl"), ("flows", "csv"), ("summary", "html"), ("graph", "dot"), ("graph", "svg"),
)  # fmt: skip
SIGNALS = (INT, TERM, HUP, KILL)
MATRIX = [
    (moment, *answer, SIGNALS[(row + column) % len(SIGNALS)])
    for row, moment in enumerate(MOMENTS)
    for column, answer in enumerate(ANSWERS)
]
"""Every moment with every kind of answer, and with every signal; `benchmarks/chaos.py` has all combinations."""


@dataclass
class Stalled:
    """A run that stands still at its moment, in a folder of its own."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> Path:
        return next(self.folder.glob("out.*"))

    def reached(self) -> bool:
        return (self.folder / "mark").exists()


def begin(folder: Path, moment: str, command: str, form: str) -> Stalled:
    """Start a run with an old file in the place of its output."""
    folder.mkdir()
    (folder / "temp").mkdir()
    output = folder / f"out.{form}"
    output.write_bytes(OLD)
    words = [command, *LOGS, "-o", form, "--output", str(output)]
    process = subprocess.Popen(
        [sys.executable, stalled.__file__, moment, str(folder / "mark"), *words],
        env=os.environ | {"TMPDIR": str(folder / "temp")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    return Stalled(folder, process)


def wait_until(condition) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def left_in(folder: Path) -> list[str]:
    """What a run left, besides its output and the mark of the test."""
    return sorted(p.name for p in folder.rglob("*") if p.name not in {"temp", "mark"} and not p.name.startswith("out."))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_leaves_the_old_file_or_the_whole_new_one(moment, tmp_path):
    cases = [(command, form, number) for at, command, form, number in MATRIX if at == moment]
    runs = [begin(tmp_path / f"{n}", moment, command, form) for n, (command, form, _) in enumerate(cases)]
    try:
        for run, (_, form, number) in zip(runs, cases, strict=True):
            wait_until(run.reached)
            run.process.send_signal(number)
            began = time.monotonic()
            _, talk = run.process.communicate(timeout=WAIT)
            assert run.process.returncode == CODES[number], (form, talk)
            assert number == KILL or time.monotonic() - began < 5, "a busy machine included"
            assert b"Traceback" not in talk
            if moment == "placed":
                assert_whole(run.output, form)
                assert b"left as it was" not in talk
            else:
                assert run.output.read_bytes() == OLD
            if number == KILL:
                clear_by_the_next(run)
            elif moment != "starting":
                assert f"ended by {number.name}".encode() in talk
            assert left_in(run.folder) == []
    finally:
        for run in runs:
            run.process.kill()
            run.process.communicate()


def assert_whole(path: Path, form: str) -> None:
    if form == "parquet":
        assert pq.read_table(path).num_rows == 2
    elif form == "jsonl":
        assert [json.loads(line)["paired"] for line in path.read_text().splitlines()] == ["unique", "unique"]
    elif form == "csv":
        assert path.read_bytes().count(b"\n") == 3
    else:
        end = {"html": b"</html>\n", "svg": b"</svg>\n", "dot": b"}\n"}[form]
        assert path.read_bytes().endswith(end)


def clear_by_the_next(run: Stalled) -> None:
    """What was killed could tidy nothing; the next run there does."""
    other = run.folder / "out.other.csv"
    environment = os.environ | {"TMPDIR": str(run.folder / "temp")}
    subprocess.run([*ZTFLOW, "flows", LOGS[0], "--output", other], check=True, env=environment, timeout=WAIT)
    other.unlink()


def test_the_next_run_touches_no_folder_that_lives_or_is_not_ours(cli, tmp_path, monkeypatch):
    run = begin(tmp_path / "alive", "spilled", "flows", "csv")
    unknown = run.folder / "temp" / ".ztflow-0123456789abcdef"
    unknown.mkdir()
    (unknown / "lock").write_text("mine\n")
    (unknown / "diary").write_text("dear diary\n")
    try:
        wait_until(run.reached)
        living = [*(run.folder / "temp").iterdir(), *run.folder.glob(".ztflow-*")]
        assert len(living) == 3
        monkeypatch.setenv("TMPDIR", str(run.folder / "temp"))
        assert cli("flows", *LOGS, "--output", run.folder / "out.json", "-o", "jsonl").code == OK
        assert all((folder / "lock").exists() for folder in living)
    finally:
        run.process.kill()
        run.process.communicate()
    assert (unknown / "diary").exists()


def flows_as(cli, tmp_path, form: str) -> bytes:
    assert cli("flows", *LOGS, "--output", tmp_path / f"fresh.{form}").code == OK
    return (tmp_path / f"fresh.{form}").read_bytes()


def test_mode_and_links_are_kept(cli, tmp_path):
    new = flows_as(cli, tmp_path, "csv")
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.csv", tmp_path / "link.csv"
    real.write_bytes(OLD)
    real.chmod(0o640)
    link.symlink_to(real)
    assert cli("flows", *LOGS, "--output", link).code == OK
    assert link.is_symlink()
    assert real.read_bytes() == new
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["far", "fresh.csv", "link.csv", "real.csv"]


def test_a_new_file_has_the_mode_every_program_gives(cli, tmp_path):
    before = os.umask(0o027)
    try:
        flows_as(cli, tmp_path, "csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "fresh.csv").stat().st_mode) == 0o640


class Theirs(type(Path())):
    """A file that belongs to somebody else, as far as its `stat` says."""

    def stat(self):
        return SimpleNamespace(st_uid=1234, st_gid=4321)


def test_the_owner_is_kept(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))
    with Scratch(tmp_path) as folder:
        file = NewFile(folder, "x.csv")
        file.like(Theirs(tmp_path))
        file.drop()
    assert given == [(1234, 4321)]


def test_a_file_whose_owner_cannot_be_kept_is_left_alone(cli, tmp_path, monkeypatch):
    def refused(*_args):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", refused)
    with Scratch(tmp_path) as folder:
        file = NewFile(folder, "x.csv")
        with pytest.raises(OutputError, match=r"cannot write x\.csv: .*; it belongs to another user or group"):
            file.like(Theirs(tmp_path))
        file.drop()


def test_what_is_write_protected_is_not_replaced_either(cli, tmp_path, monkeypatch):
    file = tmp_path / "safe.csv"
    file.write_bytes(OLD)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(file) and access(path, mode))  # root may do all
    result = cli("flows", *LOGS, "--output", file)
    assert (result.code, result.talk) == (USAGE, f"ztflow: cannot write {file}: Permission denied\n")


def named_in(tmp_path: Path) -> dict[str, tuple[list[str], Path]]:
    """Ways to name inputs, and a file that is read because of it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    log, pods = logs / "ztunnel-a.log", tmp_path / "pods.txt"
    log.write_bytes(Path(LOGS[0]).read_bytes())
    pods.write_bytes((SEED / "pods-wide-1.txt").read_bytes())
    prices = tmp_path / "prices.csv"
    prices.write_text("from_zone,to_zone,egress_per_gb\na,b,0.01\n")
    report = ["report", "locality", "-o", "table", str(log)]
    return {
        "file": (["flows", str(log)], log),
        "folder": (["flows", str(logs)], log),
        "glob": (["records", str(logs / "*.log")], log),
        "inventory": (["flows", str(log), "--inventory", str(pods)], pods),
        "inventory of a graph": (["graph", str(log), "--inventory", str(pods)], pods),
        "price": ([*report, "--price", str(prices)], prices),
        "diff": (["diff", LOGS[1], str(logs)], log),
        "summary": ([str(logs)], log),
        "followed": (["flows", "-f", str(logs)], log),
    }


@pytest.mark.parametrize("way", ["file", "folder", "glob", "inventory", "inventory of a graph", "price", "diff", "summary", "followed"])  # fmt: skip
@pytest.mark.parametrize("alias", ["itself", "symlink", "hard link"])
def test_nothing_that_is_read_is_written_over(cli, tmp_path, way, alias):
    words, file = named_in(tmp_path)[way]
    before = file.read_bytes()
    output = file if alias == "itself" else tmp_path / "other-name"
    if alias == "symlink":
        output.symlink_to(file)
    elif alias == "hard link":
        output.hardlink_to(file)
    result = cli(*words, "--output", output)
    assert result.code == USAGE
    assert result.talk == f"ztflow: --output {output} is one of the inputs and would be overwritten\n"
    assert file.read_bytes() == before


def test_what_a_folder_holds_and_is_passed_over_may_be_written_again(cli, tmp_path):
    (tmp_path / "a.log").write_bytes(Path(LOGS[0]).read_bytes())
    for _ in range(2):
        assert cli("flows", tmp_path, "--output", tmp_path / "flows.csv").code == OK
    assert (tmp_path / "flows.csv").read_bytes().count(b"\n") == 2


def test_standard_input_and_output_are_files_too(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(Path(LOGS[0]).read_bytes())
    with log.open("rb") as given:
        done = subprocess.run(
            [*ZTFLOW, "flows", "--output", str(log)], check=False, stdin=given, capture_output=True, timeout=WAIT
        )
    assert done.returncode == USAGE
    with log.open("ab") as more:
        done = subprocess.run([*ZTFLOW, "records", log], check=False, stdout=more, stderr=subprocess.PIPE, timeout=WAIT)
    assert (done.returncode, done.stderr) == (
        USAGE, b"ztflow: standard output is one of the inputs and would be overwritten\n",
    )  # fmt: skip
    assert log.read_bytes() == Path(LOGS[0]).read_bytes()


@pytest.mark.parametrize("place", ["out.log", "out.jsonl"])
@pytest.mark.parametrize("named", ["", "*"])
def test_what_is_followed_does_not_eat_its_own_output(cli, tmp_path, place, named):
    result = cli("flows", "-f", tmp_path / named, "--output", tmp_path / place)
    assert result.code == USAGE
    assert "would be read as an input" in result.talk
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["flows"], ["records"], ["summary", "-o", "json"], ["graph"], ["report", "traffic", "-o", "table"]]
)
def test_a_missing_input_never_empties_an_old_output(cli, tmp_path, words):
    old = tmp_path / "old.csv"
    old.write_bytes(OLD)
    result = cli(*words, tmp_path / "missing.log", "--output", old)
    assert result.code == UNREADABLE
    assert f"{old}: left as it was" in result.talk
    assert old.read_bytes() == OLD
    assert cli(*words, tmp_path / "missing.log", "--output", tmp_path / "new.csv").code == UNREADABLE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.csv"]


def test_what_the_other_inputs_gave_is_written(cli, tmp_path):
    old = tmp_path / "old.csv"
    old.write_bytes(OLD)
    assert cli("flows", tmp_path / "missing.log", *LOGS, "--output", old).code == UNREADABLE
    assert old.read_bytes() == flows_as(cli, tmp_path, "csv")


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_a_full_disk_leaves_the_old_file(tmp_path, form):
    """A limit on the size of files stands for the disk: the error is another, the way to it the same."""
    old = tmp_path / f"out.{form}"
    old.write_bytes(OLD)
    done = subprocess.run(
        [*ZTFLOW, "flows", *LOGS, "--output", old], check=False, capture_output=True, timeout=WAIT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
    )  # fmt: skip
    assert done.returncode == USAGE
    assert done.stderr == f"ztflow: cannot write {old}: File too large\n".encode()
    assert old.read_bytes() == OLD
    assert [p.name for p in tmp_path.iterdir()] == [old.name]


def test_what_cannot_be_written_is_refused_before_anything_is_read(cli, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(OLD)
    for output, why in [
        (tmp_path, "Is a directory"),
        (file / "x", "Not a directory"),
        (tmp_path / "no" / "x", "No such"),
    ]:
        result = cli("graph", "no-such-input.log", "--output", output)
        assert result.code == USAGE
        (line,) = result.talk.splitlines()
        assert line.startswith(f"ztflow: cannot write {output}: {why}")


def test_devices_and_fifos_are_written_as_they_come(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen([*ZTFLOW, "flows", *LOGS, "-o", "jsonl", "--output", fifo])
    assert fifo.read_bytes().count(b"\n") == 2
    assert process.wait(WAIT) == OK
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert subprocess.run([*ZTFLOW, "flows", *LOGS, "--output", "/dev/null"], check=True, timeout=WAIT).returncode == OK
    log = tmp_path / "appended.jsonl"
    log.write_bytes(OLD)
    with log.open("ab") as out:
        words = [*ZTFLOW, "flows", *LOGS, "-o", "jsonl", "--output", "/dev/stdout"]
        subprocess.run(words, stdout=out, check=True, timeout=WAIT)
    assert log.read_bytes().startswith(OLD)
    assert log.read_bytes().count(b"\n") == 3
