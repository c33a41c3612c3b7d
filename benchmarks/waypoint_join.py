"""How much of a waypoint's log is joined to connections, and how much of that wrongly, by the truth of a run.

    python benchmarks/waypoint_join.py RUN…

A run is a folder with `ztunnel-*.log`, a waypoint's `way-*.log` (gzip or not) and `truth.tsv`, whose columns `outbound`
(`file:line`) and `waypoint_line` (`file:line,…`) say which lines are of which connection.
"""

from __future__ import annotations

import csv
import gzip
import sys
import time
from pathlib import Path

import ztflow


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        truth = {
            row["outbound"]: {int(place.rpartition(":")[2]) for place in row["waypoint_line"].split(",")}
            for row in csv.DictReader(text_of(next(run.glob("truth.tsv*"))).splitlines(), delimiter="\t")
            if "-" not in (row["outbound"], row["waypoint_line"])
        }
        began = time.process_time()
        flows = ztflow.read_flows(*sorted(run.glob("ztunnel-*.log*")), waypoint=[*run.glob("way-*.log*")])
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
        total = sum(map(len, truth.values()))
        print(f"{run.name}: {total} lines, {decided / total:.1%} decided, {wrong} wrong, {lost} not among the "
              f"candidates, {took:.1f} s of processor time with reading")  # fmt: skip


if __name__ == "__main__":
    main()
