#!/usr/bin/env python3
"""How well simulated delays fit real ones: both distributions side by side, per level of load.

    fit_delays.py RUN_DIR[=SCENARIO]… [--seeds N] [--markdown]

A run directory holds `ztunnel-*.log*` and `truth.tsv`, as captured or as `ztflow simulate --output` writes it. Without
a scenario it is compared with `storm`; bursts are few and differ, so several seeds are laid together. Columns, over
the pairs of the truth that ended cleanly:

    load     ends within 25 ms before and after, of all pairs
    end      outbound end minus inbound end, milliseconds: 5th, 50th and 95th percentile
    duration outbound duration minus inbound duration, milliseconds: the same
    alike    correlation of the end difference with that of the pair before (same two nodes, at most 5 ms before)
    crossed  share of such neighbours whose outbound ends come in the other order than their inbound ends
    order    share of pairs that are right when those of equal pods and kind, ended within 1 s, are matched by order of
             end
    blocks   of the pairs in bursts (equal pods and kind, four or more without a pause of 30 ms), the shares in order,
             last first, and in another order: the outbound order as a permutation of the inbound one, cut into the
             smallest blocks that map to themselves
    sizes    how many blocks with the last first hold two, three to five, and more pairs
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ztflow
from ztflow.simulate import simulate
from ztflow.simulate.model import BEGIN

LEVELS = ((1, 3), (3, 10), (10, 30), (30, 100), (100, 100_000))
CUT = frozenset({"drained", "pod-deleted"})
NEIGHBOUR = 0.005
APART = 1.0
PAUSE = 0.03
BURST = 4
SIZES = ((2, 2), (3, 5), (6, 100_000))
ALONE, LAST_FIRST, OTHER = range(3)


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


def simulated(scenario: str, seeds: int) -> list[Any]:
    """As `pairs_of`, of several simulated captures, each a million seconds after the one before."""
    found: list[Any] = []
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as directory:
            simulate(scenario, seed, begin=BEGIN + timedelta(seconds=1_000_000 * seed)).write(directory)
            found += pairs_of(Path(directory))
    return found


def by_order(pairs: list[Any]) -> npt.NDArray[np.bool_]:
    """Which pairs are right when each group's halves are matched by order of end."""
    right = np.zeros(len(pairs), dtype=bool)
    for some, outbound in bursts(pairs, APART):
        right[some] = np.argsort(outbound, kind="stable") == np.arange(len(some))
    return right


def bursts(pairs: list[Any], pause: float) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Places of pairs of one group whose inbound ends follow each other without such a pause; their outbound ends."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        groups[pair[5]].append(place)
    for places in groups.values():
        ends = np.array([pairs[place][0] for place in places])
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ends) > pause) + 1, [len(places)]])
        for begin, end in pairwise(starts):
            some = np.array(places[begin:end])
            yield some, np.array([pairs[place][1] for place in some])


def blocks(pairs: list[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Kind and size of the block each pair is in; -1 and 0 for those in no burst."""
    kind, size = np.full(len(pairs), -1), np.zeros(len(pairs), dtype=np.int64)
    for some, outbound in bursts(pairs, PAUSE):
        if len(some) < BURST:
            continue
        order = np.argsort(outbound, kind="stable")
        closed = np.flatnonzero(np.maximum.accumulate(order) == np.arange(len(some)))
        for begin, end in pairwise([0, *(closed + 1).tolist()]):
            inside = some[begin:end]
            size[inside] = end - begin
            rest = order[begin + 1 : end]
            in_order = order[begin] == end - 1 and (rest == np.arange(begin, end - 1)).all()
            kind[inside] = ALONE if end - begin == 1 else LAST_FIRST if in_order else OTHER
    return kind, size


def table(pairs: list[Any]) -> dict[str, dict[str, str]]:
    """Load level → column → text."""
    inbound = np.array([pair[0] for pair in pairs])
    outbound = np.array([pair[1] for pair in pairs])
    difference = (outbound - inbound) * 1000
    longer = np.array([pair[2] - pair[3] for pair in pairs])
    load = np.searchsorted(inbound, inbound + 0.025) - np.searchsorted(inbound, inbound - 0.025)
    right = by_order(pairs)
    kind, size = blocks(pairs)
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
            "blocks": shares(kind[where]),
            "sizes": sizes(size[where & (kind == LAST_FIRST)]),
        }
    return result


def shares(kind: npt.NDArray[np.int64]) -> str:
    """Of the pairs in bursts, the shares of each kind of block."""
    known = kind[kind >= 0]
    if len(known) < 15:
        return "-"
    return " ".join(f"{(known == one).mean():.2f}" for one in (ALONE, LAST_FIRST, OTHER))


def sizes(size: npt.NDArray[np.int64]) -> str:
    """How many blocks of some sizes there are, from the sizes of each pair's block."""
    return " ".join(f"{round((1 / size[(size >= low) & (size <= high)]).sum())}" for low, high in SIZES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR[=SCENARIO]")
    parser.add_argument("--seeds", type=int, default=6, help="simulated captures to lay together")
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args()
    columns = ("pairs", "end", "duration", "alike", "crossed", "order", "blocks", "sizes")
    for each in args.runs:
        name, _, scenario = each.partition("=")
        real = table(pairs_of(Path(name)))
        made = table(simulated(scenario or "storm", args.seeds))
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
