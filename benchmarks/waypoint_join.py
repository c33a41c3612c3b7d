"""How much of a waypoint's log is joined to connections, and how much of that wrongly, by the truth of a run.

    python benchmarks/waypoint_join.py [--shift MS]… RUN…

A run is a folder with `ztunnel-*.log`, a waypoint's `way*.log` (gzip or not) and `truth.tsv`, whose columns `outbound`
(`file:line`) and `waypoint_line` (`file:line,…`) say which lines are of which connection. With `--shift` it is judged
once more as if the waypoint's clock were so many milliseconds ahead.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import ztflow


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def shifted(text: str, ms: float) -> str:
    """A waypoint's log in Istio's text format, by a clock that is so much ahead."""

    def later(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(match[1]) + timedelta(milliseconds=ms)
        return f"[{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z]"

    return re.sub(r"^\[(\d{4}-[-\d]+T[:.\d]+Z)\]", later, text, flags=re.MULTILINE)


@dataclass(frozen=True)
class Judged:
    """Lines; those decided; of these the wrong ones; those not decided that are no candidate; and processor time."""

    lines: int
    decided: int
    wrong: int
    lost: int
    seconds: float


def judge(run: Path, ms: float) -> Judged:
    """What became of a run whose waypoint's clock is made so much ahead."""
    truth = {
        row["outbound"]: {int(place.rpartition(":")[2]) for place in row["waypoint_line"].split(",")}
        for row in csv.DictReader(text_of(next(run.glob("truth.tsv*"))).splitlines(), delimiter="\t")
        if "-" not in (row["outbound"], row["waypoint_line"])
    }
    with tempfile.TemporaryDirectory() as folder:
        logs = []
        for log in run.glob("way*.log*"):
            logs.append(Path(folder) / log.name.removesuffix(".gz"))
            logs[-1].write_text(shifted(text_of(log), ms))
        began = time.process_time()
        flows = ztflow.read_flows(*sorted(run.glob("ztunnel-*.log*")), waypoint=logs)
        took = time.process_time() - began
    decided = wrong = lost = 0
    columns = ("outbound_file", "outbound_line", "waypoint_lines", "waypoint_candidates")
    for row in flows.to_arrow().select(columns).to_pylist():
        place = f"{Path(row['outbound_file'] or '').name.removesuffix('.gz')}:{row['outbound_line']}"
        true, lines = truth.get(place, set()), row["waypoint_lines"]
        if lines is None:
            lost += len(true - set(row["waypoint_candidates"] or ()))
        else:
            decided += len(lines)
            wrong += len(set(lines) - true)
    return Judged(sum(map(len, truth.values())), decided, wrong, lost, took)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", nargs="+", type=Path)
    options.add_argument("--shift", action="append", type=float, default=[], metavar="MS")
    given = options.parse_args()
    for run in given.run:
        for ms in (0.0, *given.shift):
            found = judge(run, ms)
            shift = f" {ms:+g} ms" if ms else ""
            print(f"{run.name}{shift}: {found.lines} lines, {found.decided / found.lines:.1%} decided, "
                  f"{found.wrong} wrong, {found.lost} not among the candidates, "
                  f"{found.seconds:.1f} s of processor time with reading", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
