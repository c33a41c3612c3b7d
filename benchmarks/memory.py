"""Peak memory on the logs that ask for most of it: `python benchmarks/memory.py [--memory 1GiB] [--only names …]`.

Makes logs of real lines with a seed, runs `ztflow` on each in a process of its own and prints the most memory that was
resident (`getrusage`), beside the bar it has to keep. Exits with 1 if one is broken.

- `names`: every name, address, service and identity occurs in one connection only, both of whose halves are there.
- `halves`: the same, but every line is of another connection.
- `ztunnels`: the same, and every line was written by another ztunnel.
- `equal`: one line again and again, in a gzip of a few megabytes.
- `instant`: different connections between the same pods that all ended in one microsecond.
- `production`: the mix of `make_log.py`.

    python benchmarks/memory.py --make names --lines 2000000 --to names.log     # one log, and nothing else
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from make_log import stamp, write

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
NODES = 20
MIB = 1 << 20


def address(number: int, net: int) -> str:
    """An address of a pod; different for 16 million numbers."""
    return f"{net}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def suffix(number: int) -> str:
    """The end of a pod's name, as Kubernetes draws it."""
    found = ""
    for _ in range(5):
        number, digit = divmod(number * 7 + 11, len(LETTERS))
        found += LETTERS[digit]
    return found


def half(number: int, direction: str, at: int, ztunnel: str, numbers: tuple[int, int, int]) -> str:
    """One line of a connection whose names nobody else has; `numbers`: bytes sent and received, milliseconds."""
    source, target = address(number, 10), address(number, 11)
    sent, received, millis = numbers
    return (
        f"{ztunnel} istio-proxy {stamp(at)}\tinfo\taccess\tconnection complete\t"
        f"src.addr={source}:{32768 + number % 28000} "
        f'src.workload="client-{number}-7d9f8c6b5-{suffix(number)}" src.namespace="team-{number}" '
        f'src.identity="spiffe://cluster.local/ns/team-{number}/sa/client-{number}" dst.addr={target}:15008 '
        f'dst.hbone_addr={target}:8080 dst.service="shop-{number}.trade-{number}.svc.cluster.local" '
        f'dst.workload="shop-{number}-5c6d7f8b9-{suffix(number + 7)}" dst.namespace="trade-{number}" '
        f'dst.identity="spiffe://cluster.local/ns/trade-{number}/sa/shop-{number}" '
        f'direction="{direction}" bytes_sent={sent} bytes_recv={received} duration="{millis}ms"\n'
    )


def names(chance: random.Random, *, both: bool = True, own: bool = False) -> Iterator[str]:
    """Lines of connections that share no name.

    Args:
        chance: Draws the numbers.
        both: Whether both halves of a connection are there.
        own: Whether every line is of another ztunnel.
    """
    number = 0
    while True:
        at = number * 100
        sent, received, millis = chance.randrange(50, 5000), chance.randrange(100, 90000), chance.randrange(1, 3000)
        ztunnels = [f"ztunnel-{number}{kind}" if own else f"ztunnel-{chance.randrange(NODES)}" for kind in "ab"]
        yield half(number, "outbound", at, ztunnels[0], (sent, received, millis))
        if both:
            yield half(number, "inbound", at - 40, ztunnels[1], (received, sent, millis))
        number += 1


def equal() -> Iterator[str]:
    """One line without end."""
    line = (
        "2026-01-01T00:00:00.000400Z\tinfo\taccess\tconnection complete\tsrc.addr=10.1.0.7:41002 "
        'src.workload="client-7d9f8c6b5-x2k4p" src.namespace="team" dst.addr=10.2.0.9:8080 '
        'direction="outbound" bytes_sent=84 bytes_recv=9832 duration="12ms"\n'
    )
    while True:
        yield line


def instant(chance: random.Random) -> Iterator[str]:
    """Both halves of connections of 600 pods that ended in one microsecond."""
    while True:
        number, ztunnel = chance.randrange(600), f"ztunnel-{chance.randrange(NODES)}"
        numbers = chance.randrange(50, 5000), chance.randrange(100, 90000), chance.randrange(1, 3000)
        yield half(number, "outbound", 400, ztunnel, numbers)
        yield half(number, "inbound", 400, f"ztunnel-{number % NODES}", (numbers[1], numbers[0], numbers[2]))


KINDS = ("names", "halves", "ztunnels", "equal", "instant", "production")


def make(kind: str, count: int, path: Path, seed: int = 7) -> None:
    """Write a log."""
    chance = random.Random(seed)
    if kind == "production":
        write(count, path, seed=seed, plain=False)
        return
    lines = {
        "names": lambda: names(chance),
        "halves": lambda: names(chance, both=False),
        "ztunnels": lambda: names(chance, both=False, own=True),
        "equal": equal,
        "instant": lambda: instant(chance),
    }[kind]()
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.writelines(line.encode() for line in islice(lines, count))


@dataclass(frozen=True)
class Case:
    """A command on a log. `live` reads it from a pipe; the bar is in MiB, 0 for none that is promised."""

    words: str
    kind: str
    lines: int
    bar: int = 800
    live: bool = False

    @property
    def log(self) -> str:
        """Name of the log's file."""
        return f"{self.kind}-{self.lines}.log" + (".gz" if self.kind == "equal" else "")


M = 1_000_000
CASES = (
    *(
        Case(words, kind, lines, live=" -f" in words)
        for kind in ("names", "halves", "ztunnels")
        for words in ("flows -o parquet", "records -o parquet", "flows -f -o parquet", "records -f -o parquet")
        for lines in (1 * M, 2 * M)
    ),
    Case("flows -o parquet", "equal", 6 * M),
    Case("records -o parquet", "equal", 6 * M),
    Case("flows -o parquet", "instant", 2 * M),
    Case("records -o parquet", "instant", 2 * M),
    *(Case(words, "production", 1 * M) for words in ("flows -o parquet", "records -o parquet")),
    *(
        Case(words, kind, lines, bar=0)
        for kind, lines in (("names", 1 * M), ("production", 1 * M))
        for words in ("summary", "graph -o json", "report traffic")
        if kind == "names"  # nothing can be added up: every pair is there once
    ),
    *(
        Case(words, "production", 1 * M, bar=600)
        for words in ("summary", "graph --by workload -o json", "report traffic")
    ),
    Case("graph -o json", "production", 1 * M, bar=0),
)


def run(case: Case, folder: Path, memory: str | None) -> tuple[int, int, float]:
    """Exit code, peak in MiB and processor seconds of a case."""
    log = folder / case.log
    with tempfile.TemporaryDirectory(dir=folder) as answers:  # what is followed is a folder of files
        answer = "answer.parquet" if "parquet" in case.words else "answer.txt"
        return _run(case, log, Path(answers) / answer, memory)


def _run(case: Case, log: Path, answer: Path, memory: str | None) -> tuple[int, int, float]:
    words = [sys.executable, "-m", "ztflow", *case.words.split(), "--output", str(answer)]
    words += ["--memory", memory] if memory else []
    words += ["-"] if case.live else [str(log)]
    source = None
    if case.live:
        source = subprocess.Popen(["cat", str(log)], stdout=subprocess.PIPE)
    child = subprocess.Popen(
        words, stdin=source.stdout if source else subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if source is not None and source.stdout is not None:
        source.stdout.close()
    assert child.stderr is not None
    said = child.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if source is not None:
        source.wait()
    if child.returncode:
        print(said, file=sys.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return child.returncode, used.ru_maxrss * unit // MIB, used.ru_utime + used.ru_stime


def main() -> int:
    """Run the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="kinds of logs or commands; all by default")
    parser.add_argument("--memory", help="handed on; then it is the bar of all cases")
    parser.add_argument("--folder", type=Path, help="where logs are kept for the next run")
    parser.add_argument("--make", choices=KINDS, help="only write a log")
    parser.add_argument("--lines", type=int, default=M)
    parser.add_argument("--to", type=Path)
    chosen = parser.parse_args()
    if chosen.make:
        make(chosen.make, chosen.lines, chosen.to)
        return 0
    bar = None
    if chosen.memory:
        from ztflow.filters.quantities import parse_size

        bar = parse_size(chosen.memory) // MIB
    broken = 0
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.folder or Path(made)
        folder.mkdir(exist_ok=True)
        print(f"{'command':<24} {'log':<12} {'lines':>10} {'peak MiB':>9} {'bar':>6} {'cpu s':>7}")
        for case in CASES:
            if chosen.only and not {case.kind, case.words} & set(chosen.only):
                continue
            if not (folder / case.log).exists():
                make(case.kind, case.lines, folder / case.log)
            started = time.monotonic()
            code, peak, seconds = run(case, folder, chosen.memory)
            most = bar or case.bar
            bad = code != 0 or 0 < most < peak
            broken += bad
            print(
                f"{case.words:<24} {case.kind:<12} {case.lines:>10,} {peak:>9,} {most or '-':>6} {seconds:>7.1f}"
                + (f"  BROKEN (exit {code})" if bad else "")
                + (f"  {time.monotonic() - started:.0f} s" if not bad else ""),
                flush=True,
            )
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
