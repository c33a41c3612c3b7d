"""Ends runs at random moments in every way and looks whether a promise of docs/reliability.md broke.

    python benchmarks/chaos.py --runs 200 --seed 1

Every run reads the same simulated log and writes over an old file; half of them have so little memory that they go by
way of the disk. Each is ended by a signal after a random part of the time an undisturbed run takes, or by a limit on
the size of files, which stands for a full disk. Broken is: an output that is neither the old file nor, byte for byte,
the new one; an exit code that is not the one for that end; a traceback; an end that takes long; anything left behind,
after SIGKILL once there was a further run.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

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
FULL = 0
"""In place of a signal: no room."""

OLD = b"what the user had\n"

LITTLE_MEMORY = """
import sys
from dataclasses import replace
from ztflow import memory
memory.DEFAULT = replace(memory.DEFAULT, halves=400_000, flows=400_000)
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


def started(case: Case, folder: Path, limit: int | None = None) -> subprocess.Popen[bytes]:
    (folder / "temp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [*case.words, "-o", case.form, "--output", str(folder / "out")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(folder / "temp")},
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # noqa: PLW1509 - no threads here
    )  # fmt: skip


def broken(case: Case, how: int, rng: random.Random, folder: Path) -> tuple[bool, list[str]]:
    """Whether one ended run left the new output, and what it broke."""
    (folder / "out").write_bytes(OLD)
    process = started(case, folder, rng.randrange(len(case.whole)) if how == FULL else None)
    if how != FULL:
        time.sleep(rng.uniform(0.1, 1.1) * case.seconds)
        process.send_signal(how)
    began = time.monotonic()
    _, talk = process.communicate()
    spent = time.monotonic() - began
    found = []
    is_new = (folder / "out").read_bytes() == case.whole
    if not is_new and (folder / "out").read_bytes() != OLD:
        found.append("neither the old output nor the new one")
    early = {-how, 1} if b"KeyboardInterrupt" in talk or not talk else set()  # Python itself had hardly begun
    allowed = {2} if how == FULL else {CODES[how]} | early | ({0, -how} if is_new else set())
    if process.returncode not in allowed:
        found.append(f"exit code {process.returncode}")
    if b"Traceback" in talk and not early:
        found.append("a traceback")
    if spent > 5 and how != FULL:
        found.append(f"took {spent:.1f} s to end")
    if how == signal.SIGKILL:
        started(case, folder).communicate()
    left = [path.name for path in folder.rglob("*") if path.name not in {"out", "temp"}]
    if left:
        found.append(f"left {', '.join(left)}")
    end = "full" if how == FULL else signal.Signals(how).name
    where = f"{' '.join(case.words[-3:])} -o {case.form}, {end}"
    return is_new, [f"{text}: {where}\n{talk.decode()}" for text in found]


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
            if not case.whole:
                began = time.monotonic()
                started(case, folder).communicate()
                case.seconds = time.monotonic() - began
                case.whole = (folder / "out").read_bytes()
            how = rng.choice([*CODES, FULL])
            new, found = broken(case, how, rng, folder)
            failures += found
            print(*found, sep="\n", end="\n" if found else "", flush=True)
            ends[f"{'full disk' if how == FULL else signal.Signals(how).name}: {'new' if new else 'old'} output"] += 1
    for end, count in sorted(ends.items()):
        print(f"{count:6} {end}")
    print(f"{options.runs} runs, {len(failures)} broken promises")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
