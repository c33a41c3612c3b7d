#!/usr/bin/env python3
"""How well simulated delays fit real ones: both distributions side by side, per level of load.

    fit_delays.py RUN_DIR[=SCENARIO]… [--seed N] [--markdown]

A run directory holds `ztunnel-*.log*` and `truth.tsv`, as captured or as `ztflow simulate --output` writes it. Without
a scenario it is compared with `storm`. Columns, over the pairs of the truth that ended cleanly:

    load     ends within 25 ms before and after, of all pairs
    end      outbound end minus inbound end, milliseconds: 5th, 50th and 95th percentile
    duration outbound duration minus inbound duration, milliseconds: the same
    alike    correlation of the end difference with that of the pair before (same two nodes, at most 5 ms before)
    crossed  share of such neighbours whose outbound ends come in the other order than their inbound ends
    order    share of pairs that are right when those of equal pods and kind, ended within 1 s, are matched by order of
             end
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import tempfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ztflow
from ztflow.simulate import simulate

LEVELS = ((1, 3), (3, 10), (10, 30), (30, 100), (100, 100_000))
CUT = frozenset({"drained", "pod-deleted"})
NEIGHBOUR = 0.005
APART = 1.0


def pairs_of(run: Path) -> list[tuple[float, float, int, int, tuple[str, str], tuple[str, ...]]]:
    """Inbound end, outbound end (seconds), both durations (ms), nodes and group of every clean pair, by inbound end."""
    files = sorted(run.glob("ztunnel-*.log*"))
    records = ztflow.read_records(*map(str, files)).to_arrow()
    names = ["source_file", "line_number", "time", "duration_ms"]
    known = {
        (Path(row["source_file"]).name.removesuffix(".gz"), row["line_number"]): row
        for row in records.select(names).to_pylist()
    }

    def half(place: str) -> dict[str, Any] | None:
        name, _, line = place.rpartition(":")
        return known.get((name, int(line))) if name else None

    truth = next(run.glob("truth.tsv*"))
    raw = truth.read_bytes()
    text = (gzip.decompress(raw) if truth.suffix == ".gz" else raw).decode()
    found = []
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        out, inn = half(row["outbound"]), half(row["inbound"])
        if out is None or inn is None or row["kind"] in CUT:
            continue
        if out["duration_ms"] is None or inn["duration_ms"] is None:
            continue
        group = (row["src_pod"], row["dst_pod"], row["kind"])
        ends = (inn["time"].timestamp(), out["time"].timestamp())
        nodes = (row["src_node"], row["dst_node"])
        found.append((*ends, out["duration_ms"], inn["duration_ms"], nodes, group))
    return sorted(found)


def by_order(pairs: list[Any]) -> npt.NDArray[np.bool_]:
    """Which pairs are right when each group's halves are matched by order of end."""
    right = np.zeros(len(pairs), dtype=bool)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        groups[pair[5]].append(place)
    for places in groups.values():
        ends = np.array([pairs[place][0] for place in places])
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ends) > APART) + 1, [len(places)]])
        for begin, end in pairwise(starts):
            some = np.array(places[begin:end])
            outbound = np.array([pairs[place][1] for place in some])
            right[some] = np.argsort(outbound, kind="stable") == np.arange(len(some))
    return right


def table(pairs: list[Any]) -> dict[str, dict[str, str]]:
    """Load level → column → text."""
    inbound = np.array([pair[0] for pair in pairs])
    outbound = np.array([pair[1] for pair in pairs])
    difference = (outbound - inbound) * 1000
    longer = np.array([pair[2] - pair[3] for pair in pairs])
    load = np.searchsorted(inbound, inbound + 0.025) - np.searchsorted(inbound, inbound - 0.025)
    right = by_order(pairs)
    result = {}
    for low, high in (*LEVELS, (0, 1_000_000)):
        where = (load >= low) & (load < high)
        if where.sum() < 15:
            continue
        last: dict[tuple[str, str], int] = {}
        before, after, crossed = [], [], []
        for place in np.flatnonzero(where):
            nodes = pairs[place][4]
            if nodes in last and inbound[place] - inbound[last[nodes]] < NEIGHBOUR:
                before.append(difference[last[nodes]])
                after.append(difference[place])
                crossed.append(outbound[place] < outbound[last[nodes]])
            last[nodes] = int(place)
        alike = f"{np.corrcoef(before, after)[0, 1]:.2f}" if len(before) >= 15 else "-"
        name = "all" if low == 0 else f"{low}-{high - 1}" if high < 100_000 else f"≥{low}"
        result[name] = {
            "pairs": f"{where.sum()}",
            "end": " ".join(f"{value:.2f}" for value in np.percentile(difference[where], [5, 50, 95])),
            "duration": " ".join(f"{value:.0f}" for value in np.percentile(longer[where], [5, 50, 95])),
            "alike": alike,
            "crossed": f"{np.mean(crossed):.2f}" if len(crossed) >= 15 else "-",
            "order": f"{right[where].mean():.2f}",
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR[=SCENARIO]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args()
    columns = ("pairs", "end", "duration", "alike", "crossed", "order")
    for each in args.runs:
        name, _, scenario = each.partition("=")
        real = table(pairs_of(Path(name)))
        with tempfile.TemporaryDirectory() as directory:
            simulate(scenario or "storm", args.seed).write(directory)
            made = table(pairs_of(Path(directory)))
        heads = ["load", *(f"{column} {side}" for column in columns for side in ("real", "simulated"))]
        rows = [
            [level, *(side.get(level, {}).get(column, "-") for column in columns for side in (real, made))]
            for level in dict.fromkeys([*real, *made])
        ]
        print(f"\n{Path(name).name} beside {scenario or 'storm'}")
        if args.markdown:
            print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
            print("\n".join("| " + " | ".join(row) + " |" for row in rows))
            continue
        widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main()
