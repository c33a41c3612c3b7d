"""Measure ztflow beside its peers in one run: `python benchmarks/bench.py [--lines 1000000] [--repeat 5]`.

Prints, with median and spread: parsing alone, the whole job (file to paired flows to graph) with the answers compared,
pairing alone, writing, growth, start-up, live. `--growth` goes on to 20 million lines (17 GB of disk), `--only TEXT`
picks sections or contenders. Needs the extra `bench`; mawk, Miller and lnav take part where they are installed.

`--beside PYTHON` measures whole commands of this build and of another one in turn. PYTHON is the interpreter of an
environment with the other one: `pip install "ztflow @ git+file:///PATH/TO/CLONE@COMMIT"`, then its `ztflow warmup`.

Every measurement is a fresh process; contenders take turns, so that a noisy machine is noisy for all. Files are read
once before, so that they come from memory. Wall seconds say what a user waits, processor seconds what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contenders import BARE_LINES, COMMANDS, OTHERS, PARSE, SLOW, WHOLE, head

HERE = Path(__file__).parent
ROOT = HERE.parent
ZTFLOW = [sys.executable, "-m", "ztflow"]


def corpus(folder: Path, lines: int, mix: str, wrapper: str = "stern") -> str:
    """A log of that kind, made when it is not there."""
    path = folder / f"{mix}-{lines}{'' if wrapper == 'stern' else f'-{wrapper}'}.log"
    if not path.exists():
        made = path.with_suffix(".part")
        command = [sys.executable, str(HERE / "make_log.py"), str(lines), str(made), "--mix", mix, "--wrapper", wrapper]
        subprocess.run(command, check=True)
        made.rename(path)
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    return str(path)


def run(name: str, path: str, other: str | None = None) -> dict[str, Any]:
    """One measurement in a process of its own, which takes its memory as the command line does (`cli.one_heap`).

    Args:
        name: The contender.
        path: What it reads.
        other: Interpreter of another build that is measured; this one unless given.
    """
    places = [str(HERE)] if other else [str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [other or sys.executable, str(HERE / "contenders.py"), name, path], capture_output=True, text=True, check=False,
        env={
            "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
        },
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["?"]
        return {"failed": last[0]}
    return dict(json.loads(done.stdout))


def turns(names: list[str], path: str, repeat: int) -> dict[str, list[dict[str, Any]]]:
    """All contenders, one after the other, again and again."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            found[name].append(run(name, head(path, SLOW[name]) if name in SLOW else path))
    return found


def show(title: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """A table of medians."""
    print(f"\n{title}")
    print(f"{'':36} {'MB/s':>7} {'spread':>13} {'lines/s':>11} {'MB/cpu s':>9} {'peak MB':>8}")
    for name, runs in found.items():
        good = [one for one in runs if "failed" not in one]
        if not good:
            print(f"{name:36} failed: {runs[0]['failed']}")
            continue
        rates = [one["size"] / one["wall"] / 1e6 for one in good]
        rate = statistics.median(rates)
        lines = rate * 1e6 * good[0]["lines"] / good[0]["size"]
        cpu = statistics.median(one["size"] / max(one["cpu"], 1e-9) / 1e6 for one in good)
        peak = statistics.median(one["peak"] for one in good) / 1e6
        spread = f"{min(rates):.0f}..{max(rates):.0f}" if rate >= 10 else f"{min(rates):.2g}..{max(rates):.2g}"
        shown = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
        print(f"{name:36} {shown:>7} {spread:>13} {lines:>11,.0f} {cpu:>9.0f} {peak:>8.0f}")


def seconds(runs: list[dict[str, Any]], key: str = "wall") -> float:
    """Median seconds; not a number when nothing worked."""
    return statistics.median([one[key] for one in runs if key in one] or [float("nan")])


def parse_only(path: str, title: str, repeat: int, only: str, *, without: tuple[str, ...] = ()) -> None:
    names = [name for name in PARSE if (only in name or only in "parse") and name not in without]
    found = turns(names, path, repeat)
    show(f"Parsing alone: {title}", found)
    rate = {name: runs[0].get("size", 0) / seconds(runs) for name, runs in found.items()}
    one, two = "ztflow kernel in memory, 1 thread", "ztflow kernel in memory, 2 threads"
    if {one, two} <= rate.keys():
        print(f"two threads / one: {rate[two] / rate[one]:.2f}  (bar 1.6)")
    for peer, bar in (("wc -l", "1/4 = 0.25"), ("duckdb regexp_extract", "10")):
        if one in rate and peer in rate:
            print(f"{one} / {peer}: {rate[one] / rate[peer]:.2f}  (bar {bar})")
    slow = found.get("ztflow records", [{}])[0]
    if "slow_lines" in slow:
        print(f"lines that took the slow path: {slow['slow_lines'] / slow['lines']:.2%}")


def whole_job(path: str, repeat: int) -> None:
    found = turns([f"whole: {name}" for name in WHOLE], path, repeat)
    show("Whole job: file -> paired flows -> graph (plain mix)", found)
    for by in ("workloads", "pods"):
        ours, duckdb, chdb = (found[f"whole: {name} to {by}"] for name in ("ztflow", "duckdb", "chdb"))
        for name, theirs in (("duckdb", duckdb), ("chdb", chdb)):
            a, b = seconds(ours), seconds(theirs)
            print(f"graph of {by}: ztflow {a:.2f} s, {name} {b:.2f} s, ratio {b / a:.1f}; ", end="")
            print(f"processor seconds {seconds(ours, 'cpu'):.2f} and {seconds(theirs, 'cpu'):.2f}")
        for runs in (ours, duckdb, chdb):
            print(
                "  answer: "
                + ", ".join(f"{key} {runs[0].get(key)}" for key in ("pairs", "edges", "bytes", "same_node"))
            )


def beside(paths: dict[str, str], other: str, repeat: int) -> None:
    """Whole commands of this build and of another one, in turn; ratios are the other's by ours, run by run."""
    print(f"\nCommands, this build and that of {other}: medians, and the other's by ours (spread)")
    for title, path in paths.items():
        for name in COMMANDS:
            runs = [(run(f"command: {name}", path), run(f"command: {name}", path, other)) for _ in range(repeat)]
            good = [pair for pair in runs if not any("failed" in one for one in pair)]
            if not good:
                print(f"{title}, {name}: failed: {runs[0]}")
                continue
            told = []
            for key, unit, scale in (("wall", "s", 1.0), ("cpu", "processor s", 1.0), ("peak", "MB", 1e6)):
                ours, theirs = (statistics.median(one[key] for one in side) / scale for side in zip(*good, strict=True))
                ratios = [b[key] / a[key] for a, b in good]
                told.append(
                    f"{ours:.2f} and {theirs:.2f} {unit}: {statistics.median(ratios):.2f} "
                    f"({min(ratios):.2f}..{max(ratios):.2f})"
                )
            print(f"{title}, {name}: " + "; ".join(told))


def pairing_alone(path: str, repeat: int) -> None:
    runs = turns(["pairing alone"], path, repeat)["pairing alone"]
    wall, cpu = seconds(runs), seconds(runs, "cpu")
    halves = runs[0].get("lines", 0)
    print(f"\nPairing alone: {halves / wall:,.0f} halves/s, {halves / cpu:,.0f} a processor second  (bar 2,000,000)")


def writing(path: str, repeat: int) -> None:
    """How many flows a processor second every form takes."""
    names = [name for name in OTHERS if name.startswith("writing ")]
    print("\nWriting flows that are in memory")
    for name, runs in turns(names, path, repeat).items():
        flows, cpu = runs[0].get("lines", 0), seconds(runs, "cpu")
        print(f"{name:20} {flows / cpu:>11,.0f} flows a processor second")


def growth(folder: Path, millions: list[int]) -> None:
    """Time a line and peak of the whole process from log to Parquet."""
    print("\nGrowth: the production mix to flows in a Parquet file  (bars: flat within 15 %; 1,074 MB at 20 M lines)")
    for count in millions:
        path = corpus(folder, count * 1_000_000, "production")
        one = run("flows to parquet", path)
        wall, cpu, peak = one["wall"] / count, one["cpu"] / count, one["peak"] / 1e6
        print(f"{count:>3} M lines: {wall:.2f} s and {cpu:.2f} processor seconds a million, peak {peak:,.0f} MB")


def start_up(path: str, repeat: int) -> None:
    print("\nStart-up (wall seconds, median of runs)")
    small = head(path, 1000)
    with tempfile.TemporaryDirectory() as empty:
        cases = {
            "ztflow --help": (["--help"], {}),
            "flows of 1000 lines, cold compile cache": (["flows", small], {"XDG_CACHE_HOME": empty, "TMPDIR": empty}),
        }
        for name, (arguments, extra) in cases.items():
            walls = []
            for _ in range(repeat):
                started = time.perf_counter()
                subprocess.run(
                    [*ZTFLOW, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    check=False, env={**os.environ, "PYTHONPATH": str(ROOT), **extra},
                )  # fmt: skip
                walls.append(time.perf_counter() - started)
            print(f"{name:42} {statistics.median(walls):.3f}  ({min(walls):.3f}..{max(walls):.3f})")


def live(path: str, lines: int) -> None:
    """How many lines a second go through `ztflow flows -f` from a pipe, and how late a flow shows."""
    print("\nLive: `cat` into a pipe, through `ztflow flows -f -o jsonl`, to a file")
    few = max(lines // 5, 1)
    part = {count: _piped(head(path, count) if count < lines else path) for count in (few, lines)}
    for count, wall in part.items():
        print(f"{count:>9,} lines in {wall:.2f} s with start and end: {count / wall:,.0f} lines/s")
    sustained = (lines - few) / (part[lines] - part[few])
    print(f"sustained (what the lines between the two took): {sustained:,.0f} lines/s  (bar 300,000)")
    late = sorted(_lateness())
    print(
        f"a flow shows {statistics.median(late) * 1e3:.0f} ms after the window has passed its second half "
        f"({late[0] * 1e3:.0f}..{late[-1] * 1e3:.0f})  (bar 200)"
    )


def _piped(path: str) -> float:
    """Wall seconds of `cat path | ztflow flows -f`."""
    with Path(path).open("rb") as source, tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        with subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE) as cat:
            assert cat.stdout is not None
            subprocess.run(
                [*ZTFLOW, "flows", "-f", "-o", "jsonl", "-"], stdin=cat.stdout, stdout=out,
                stderr=subprocess.DEVNULL, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            cat.stdout.close()
        return time.perf_counter() - started


def _lateness(connections: int = 12, window: float = 1.0) -> list[float]:
    """Seconds between the moment the window has passed a connection's second half and its flow in the output."""
    late = []
    with subprocess.Popen(
        [*ZTFLOW, "flows", "-f", "-o", "jsonl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(connections):
            for direction, sizes in (("inbound", (22, number + 1)), ("outbound", (number + 1, 22))):
                now = datetime.now(UTC).isoformat(timespec="microseconds")[:-6]
                process.stdin.write(
                    f"{now}Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:{40000 + number} "
                    f'dst.addr=10.0.0.2:15008 dst.hbone_addr=10.0.0.2:80 direction="{direction}" '
                    f'bytes_sent={sizes[0]} bytes_recv={sizes[1]} duration="1ms"\n'.encode()
                )
                process.stdin.flush()
            written = time.perf_counter()
            assert process.stdout.readline(), "no flow came"
            late.append(time.perf_counter() - written - window)
        process.stdin.close()
        process.stdout.read()
    return late[1:]  # the first waited for the program to start


def live_reading(paths: dict[str, str], repeat: int) -> None:
    """How many lines a second the reading half of `-f` takes from a pipe."""
    print("\nLive reading alone: `cat` into a pipe, to batches of halves")
    for title, path in paths.items():
        runs = turns(["reading a live pipe"], path, repeat)["reading a live pipe"]
        wall, cpu, lines = seconds(runs), seconds(runs, "cpu"), runs[0].get("lines", 0)
        print(
            f"{title:24} {lines / wall:11,.0f} lines/s, {lines / cpu:,.0f} a processor second (that of `cat` among it)"
        )


def about() -> None:
    """Machine, commit, versions."""
    with Path("/proc/cpuinfo").open() as file:
        model = next(
            (line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.processor()
        )
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    packages = []
    for name in ("numba", "numpy", "pyarrow", "duckdb", "polars", "pandas"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} -")
    print(f"{model}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    print(f"commit {commit.stdout.strip()}; {', '.join(packages)}")


def main() -> None:
    """Everything, or what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--only", default="", help="parse, whole, pairing, writing, growth, start, live, or part of a contender's name"
    )
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--beside", metavar="PYTHON", help="interpreter of an environment with another build")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ztflow-bench")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    sections = {"parse", "whole", "pairing", "writing", "growth", "start", "live"}
    wanted = {chosen.only} & sections or ({"parse"} if chosen.only else sections)
    only = "" if chosen.only in sections else chosen.only
    about()
    plain = corpus(chosen.folder, chosen.lines, "plain")
    if chosen.beside:
        mixes = {"plain": plain, "production": corpus(chosen.folder, chosen.lines, "production")}
        beside(mixes, chosen.beside, chosen.repeat)
        return
    if "parse" in wanted:
        parse_only(plain, f"plain mix, {chosen.lines:,} lines", chosen.repeat, only)
        production = corpus(chosen.folder, chosen.lines, "production")
        parse_only(production, f"production mix, {chosen.lines:,} lines", chosen.repeat, only or "ztflow")
        for wrapper in ("stern-json", "docker", "own-json"):
            wrapped = corpus(chosen.folder, chosen.lines // 4, "production", wrapper)
            title = f"production mix as {wrapper}, {chosen.lines // 4:,} lines"
            parse_only(wrapped, title, chosen.repeat, only or "ztflow", without=BARE_LINES)
    if "whole" in wanted:
        whole_job(plain, chosen.repeat)
    if "pairing" in wanted:
        pairing_alone(plain, chosen.repeat)
    if "writing" in wanted:
        writing(plain, chosen.repeat)
    if "growth" in wanted:
        growth(chosen.folder, [1, 2, 4, 10, 20] if chosen.growth else [1, 2, 4])
    if "start" in wanted:
        start_up(plain, chosen.repeat)
    if "live" in wanted:
        live(plain, chosen.lines)
        as_json = corpus(chosen.folder, chosen.lines // 4, "production", "stern-json")
        live_reading({"plain mix": plain, "production, stern-json": as_json}, chosen.repeat)


if __name__ == "__main__":
    main()
