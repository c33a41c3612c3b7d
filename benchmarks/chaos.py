"""Ends runs at random moments in every way and looks whether a promise of docs/reliability.md broke.

    python benchmarks/chaos.py --runs 200 --seed 1

Most runs read the same simulated log and write over an old file; half of them have so little memory that they go by
way of the disk. Each is ended by a signal after a random part of the time an undisturbed run takes, by a limit on the
size of files, by a small disk that is full (root only; else the limit again), or not at all, with damaged machine code
in the cache. The others follow a folder whose log is rotated many times a second and are ended while it grows or when
it is silent. Broken is: an output that is neither the old file nor, byte for byte, the new one; a line that is lost, or
there twice; an exit code that is not the one for that end; a traceback; an end that takes long; anything left behind,
after SIGKILL once there was a further run.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

ANSWERS = [
    *(["flows", form] for form in ("table", "wide", "jsonl", "csv", "parquet")),
    *(["records", form] for form in ("jsonl", "parquet")),
    *(["summary", form] for form in ("table", "json", "markdown", "html")),
    *(["report traffic", form] for form in ("json", "html")),
    *(
        ["graph", form]
        for form in ("table", "json", "dot", "mermaid", "graphml", "gexf", "cytoscape", "html", "svg", "csv")
    ),
]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
LIMIT, FULL, DAMAGED = -1, -2, -3
"""In place of a signal: files may not grow, the disk is full, the cache is damaged."""
ENDS = {**{number: number.name for number in CODES}, LIMIT: "file limit", FULL: "full disk", DAMAGED: "damaged cache"}

OLD = b"what the user had\n"

LITTLE_MEMORY = """
import sys
from dataclasses import replace
from ztflow import memory
memory.DEFAULT = memory.DEFAULT._replace(halves=400_000, flows=400_000)
from ztflow.cli import main
sys.exit(main())
"""


@dataclass
class Case:
    """One answer with and without little memory, what it gives and how long it takes."""

    words: list[str]
    form: str
    whole: bytes = b""
    seconds: float = 0.0


def started(case: Case, folder: Path, limit: int | None = None, cache: Path | None = None) -> subprocess.Popen[bytes]:
    (folder / "temp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [*case.words, "-o", case.form, "--output", str(folder / "out")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(folder / "temp")} | ({} if cache is None else {"XDG_CACHE_HOME": str(cache)}),
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # noqa: PLW1509 - no threads here
    )  # fmt: skip


@contextmanager
def full_disk(folder: Path, size: int) -> Iterator[bool]:
    """While it is open, there is a disk of about that size on the folder; says whether there is."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 8192)}", "tmpfs", str(folder)]
    mounted = (
        shutil.which("mount") is not None and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def damaged_cache(rng: random.Random, folder: Path) -> Path:
    """A copy of the cache in which one of the compiled objects is not as it was written."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ztflow"
    copy = folder / "cache" / "ztflow"
    copy.mkdir(parents=True, mode=0o700)
    for place in usual.iterdir():
        if (place / "ready").exists():
            shutil.copytree(place, copy / place.name)
            (copy / place.name / "compiling").touch()  # else each run has it compiled anew beside itself
    code = rng.choice(sorted(copy.glob("kernel-*/code.o")))
    data = bytearray(code.read_bytes())
    how = rng.choice(["head", "body", "cut", "emptied", "link", "mode"])
    if how in {"head", "body"}:
        data[rng.randrange(200 if how == "head" else len(data))] ^= 1 << rng.randrange(8)
    code.write_bytes(data if how in {"head", "body"} else data[: rng.randrange(len(data))] if how == "cut" else data)
    if how == "emptied":
        code.write_bytes(b"")
    if how == "link":
        code.rename(code.with_name("elsewhere"))
        code.symlink_to("elsewhere")
    if how == "mode":
        code.chmod(0o666)
    return folder / "cache"


def broken(case: Case, how: int, rng: random.Random, folder: Path) -> tuple[str, list[str]]:
    """What became of the output of one disturbed run, and what it broke."""
    with full_disk(folder, rng.randrange(len(case.whole))) if how == FULL else nullcontext(enter_result=False) as disk:
        (folder / "out").write_bytes(OLD)
        limit = rng.randrange(len(case.whole)) if how == LIMIT or (how == FULL and not disk) else None
        process = started(case, folder, limit, damaged_cache(rng, folder) if how == DAMAGED else None)
        if how > 0:
            time.sleep(rng.uniform(0.1, 1.1) * case.seconds)
            process.send_signal(how)
        began = time.monotonic()
        _, talk = process.communicate()
        spent = time.monotonic() - began
        found = []
        is_new = (folder / "out").read_bytes() == case.whole
        if not is_new and ((folder / "out").read_bytes() != OLD or how == DAMAGED):
            found.append("not the new output" if how == DAMAGED else "neither the old output nor the new one")
        early = {-how, 1} if b"KeyboardInterrupt" in talk or not talk else set()  # Python itself had hardly begun
        allowed = {LIMIT: {2}, FULL: {0, 2} if is_new else {2}, DAMAGED: {0}}.get(how) or (
            {CODES[signal.Signals(how)]} | early | ({0, -how} if is_new else set())
        )
        if process.returncode not in allowed:
            found.append(f"exit code {process.returncode}")
        if b"Traceback" in talk and not early:
            found.append("a traceback")
        if spent > 5 and how > 0:
            found.append(f"took {spent:.1f} s to end")
        if how == signal.SIGKILL:
            started(case, folder).communicate()
        shutil.rmtree(folder / "cache", ignore_errors=True)
        left = [path.name for path in folder.rglob("*") if path.name not in {"out", "temp"}]
        if left:
            found.append(f"left {', '.join(left)}")
    where = f"{' '.join(case.words[-3:])} -o {case.form}, {ENDS[how]}"
    return "new output" if is_new else "old output", [f"{text}: {where}\n{talk.decode()}" for text in found]


def rotated(path: Path, number: int, way: str) -> None:
    """Rotate a log, as logrotate, a container runtime or a program itself does."""
    older = path.with_name(f"{path.name}.20240616-{number:06}")
    if way == "copy":
        shutil.copyfile(path, older)
        os.truncate(path, 0)
        return
    path.rename(older)
    path.touch()
    if way == "pack":
        Path(f"{older}.gz").write_bytes(gzip.compress(older.read_bytes()))
        older.unlink()


def line(number: int) -> bytes:
    when = f"2024-06-16T12:{number // 60_000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}000Z"
    return (
        f"{when}\tinfo\taccess\tconnection complete\t"
        f"src.addr=10.1.{number >> 14}.1:{1 + number % 16384} dst.addr=10.2.0.2:80 "
        f'direction="inbound" bytes_sent={number} bytes_recv=1 duration="1ms"\n'
    ).encode()


def followed(rng: random.Random, folder: Path) -> tuple[str, list[str]]:
    """What became of one run that follows a log while it is rotated, and what it broke."""
    logs, out = folder / "logs", folder / "out.parquet"
    logs.mkdir()
    path = logs / "a.log"
    path.write_bytes(line(0))
    stop, written = threading.Event(), [1]

    def write() -> None:
        rotations = 0
        while not stop.is_set():
            with path.open("ab") as log:
                for _ in range(rng.randrange(1, 40)):
                    log.write(line(written[0]))
                    written[0] += 1
            time.sleep(rng.uniform(0, 0.04))
            if rng.random() < 0.6:
                rotations += 1
                rotated(path, rotations, rng.choice(["rename", "copy", "pack"]))

    words = [sys.executable, "-m", "ztflow", "records", "-f", str(logs), "--output", str(out)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer = threading.Thread(target=write)
    writer.start()
    holds = Path("/proc", str(process.pid), "fd")
    began = time.monotonic()
    while not any(one.exists() and one.readlink() == path for one in holds.iterdir()):  # it has begun to read
        time.sleep(0.01)
        assert time.monotonic() - began < 120, "it does not begin"
    time.sleep(rng.uniform(0, 5))
    how = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    silent = rng.random() < 0.5
    if silent:
        stop.set()
        writer.join()
        time.sleep(5)
    process.send_signal(how)
    _, talk = process.communicate()
    stop.set()
    writer.join()
    found = []
    numbers = [
        number for part in sorted(out.glob("*.parquet")) for number in pq.read_table(part)["bytes_sent"].to_pylist()
    ]
    if len(set(numbers)) < len(numbers):
        found.append(f"{len(numbers) - len(set(numbers))} lines are there twice")
    lost = written[0] - len(set(numbers))
    if silent and how != signal.SIGKILL and lost and b"gone unread" not in talk:
        found.append(f"{lost} of {written[0]} lines are lost")
    allowed = {0 if how == signal.SIGINT else CODES[how]} | ({3} if b"gone unread" in talk else set())
    if process.returncode not in allowed:
        found.append(f"exit code {process.returncode}")
    if b"Traceback" in talk:
        found.append("a traceback")
    end = f"following, {how.name}{' when silent' if silent else ''}"
    return "whole files", [f"{text}: {end}\n{talk.decode()}" for text in found]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=20_000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    ends: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        log = Path(name, "log")
        program = [sys.executable, "-m", "ztflow"]
        subprocess.run([*program, "warmup"], check=True)
        with log.open("wb") as out:
            words = [*program, "simulate", "--connections", str(options.connections)]
            subprocess.run(words, stdout=out, check=True)
        programs = [program, [sys.executable, "-c", LITTLE_MEMORY]]
        cases = [Case([*start, *words.split(), str(log)], form) for start in programs for words, form in ANSWERS]
        rng.shuffle(cases)
        for number in range(options.runs):
            case = cases[number % len(cases)]
            folder = Path(name, str(number))
            folder.mkdir()
            if number % 5 == 4:
                end, (became, found) = "following", followed(rng, folder)
            else:
                if not case.whole:
                    began = time.monotonic()
                    started(case, folder).communicate()
                    case.seconds = time.monotonic() - began
                    case.whole = (folder / "out").read_bytes()
                how = rng.choice([*ENDS])
                end, (became, found) = ENDS[how], broken(case, how, rng, folder)
            failures += found
            print(*found, sep="\n", end="\n" if found else "", flush=True)
            ends[f"{end}: {became}"] += 1
            shutil.rmtree(folder)
    for end, count in sorted(ends.items()):
        print(f"{count:6} {end}")
    print(f"{options.runs} runs, {len(failures)} broken promises")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
