"""How well halves are paired, on captured runs whose truth is known.

    python benchmarks/accuracy.py RUN_DIR... [--scenario NAME]... [--markdown]

A RUN_DIR holds `ztunnel-*.log[.gz]` and `truth.tsv[.gz]` (columns `kind, src_pod, dst_pod, asked, outbound, inbound,
next_hop_inbound`, halves as `file:line`); `pods.txt`, where it is there, is the inventory. Each run is scored as it is,
with clocks set off by half a second, with one node's log missing, with sizes masked (equal within a class of
connections, as in much real traffic), and masked with each of the others. Beside ztflow stand two baselines that get
the same halves and the same candidates (equal addresses, identity and sizes): the nearest end first (greedy), and the
assignment with the least squared differences of ends (weight 1) and durations (¼), within a second.

Columns: precision and recall of pairs; of the pairs called `exact` or `unique`, the share that is right (sure) and
their share of all (sure_share); calibration, the mean distance of confidence from truth in ten bins; pairs of
halves from different clients or servers (foreign), and with a half whose partner was never written (invented);
precision and recall of both baselines; seconds ztflow took, reading included.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath

import numpy as np

import ztflow
from ztflow.pair.evidence import gather
from ztflow.pair.match import nearest

SKEW = (timedelta(seconds=0.5), timedelta(seconds=-0.5))
SIZE = re.compile(r'("?bytes_(sent|recv)"?[=:])(\d+)')
INBOUND = re.compile(r'direction"?[=:]"inbound"')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TEN_NEAREST = 10
SEARCH = 1_000_000
"""Microseconds within which the baselines look for a partner."""


@dataclass(frozen=True)
class Scenario:
    """What is done to a run before it is paired."""

    name: str
    masked: bool = False
    skewed: bool = False
    dropped: bool = False


SCENARIOS = (
    Scenario("as it is"),
    Scenario("skew", skewed=True),
    Scenario("drop", dropped=True),
    Scenario("masked", masked=True),
    Scenario("masked, skew", masked=True, skewed=True),
    Scenario("masked, drop", masked=True, dropped=True),
)


@dataclass(frozen=True)
class Pair:
    """A reported pair: `file:line` of both halves."""

    outbound: str
    inbound: str
    sure: bool
    confidence: float


# -- making a run harder ---------------------------------------------------------------------------------


def degraded(run: Path, target: Path, scenario: Scenario) -> list[Path]:
    """The run's logs changed as the scenario says, line numbers as they were."""
    logs = sorted(run.glob("ztunnel-*.log*"))
    kept = logs[:-1] if scenario.dropped else logs
    result = []
    for number, path in enumerate(kept):
        skew = SKEW[number] if scenario.skewed and number < len(SKEW) else None
        target_path = target / path.name.removesuffix(".gz")
        with text(path) as source, target_path.open("w", newline="") as out:
            for line in source:
                changed = mask_sizes(line) if scenario.masked and "connection complete" in line else line
                out.write(shift_time(changed, skew) if skew else changed)
        result.append(target_path)
    return result


def text(path: Path):
    """A log or table, compressed or not."""
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def mask_sizes(line: str) -> str:
    """Take away the running number that makes each connection's sizes unique; empty stays empty."""
    request = "recv" if INBOUND.search(line) else "sent"

    def mask(match: re.Match[str]) -> str:
        size = int(match[3])
        return f"{match[1]}{size and size // 100_000 * 100_000 + (100 if match[2] == request else 300)}"

    return SIZE.sub(mask, line)


def shift_time(line: str, by: timedelta) -> str:
    """The line with its first time set off."""

    def shift(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match[0]) + by
        return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return TIME.sub(shift, line, count=1)


# -- methods ---------------------------------------------------------------------------------------------


def by_ztflow(logs: list[Path], inventory: list[Path]) -> Iterator[Pair]:
    columns = ["outbound_file", "outbound_line", "inbound_file", "inbound_line", "paired", "confidence"]
    flows = ztflow.read_flows(*logs, inventory=inventory)
    for flow in flows.to_arrow().select(columns).to_pylist():
        if flow["outbound_line"] is not None and flow["inbound_line"] is not None:
            confidence = 1.0 if flow["confidence"] is None else flow["confidence"]
            yield Pair(
                position(flow["outbound_file"], flow["outbound_line"]),
                position(flow["inbound_file"], flow["inbound_line"]),
                flow["paired"] in {"exact", "unique"},
                confidence,
            )


def greedy(out_time, out_duration, in_time, in_duration):
    """The nearest ends first, each half once."""
    del out_duration, in_duration
    place = np.searchsorted(in_time, out_time)
    near = place[:, None] + np.arange(-TEN_NEAREST * 8, TEN_NEAREST * 8)[None, :]
    distance = np.abs(in_time[near.clip(0, len(in_time) - 1)] - out_time[:, None])
    possible = (near >= 0) & (near < len(in_time)) & (distance <= SEARCH)
    rows, columns = np.nonzero(possible)
    partners = near[rows, columns]
    free_out, free_in = np.ones(len(out_time), bool), np.ones(len(in_time), bool)
    chosen = []
    for at in np.argsort(distance[rows, columns], kind="stable").tolist():
        row, partner = rows[at], partners[at]
        if free_out[row] and free_in[partner]:
            free_out[row] = free_in[partner] = False
            chosen.append((row, partner))
    return tuple(np.array(side, int) for side in zip(*chosen, strict=True)) if chosen else (np.zeros(0, int),) * 2


def by_classes(method: Callable) -> Callable[[list[Path]], Iterator[Pair]]:
    """A baseline: the method on each class of candidates, cut at pauses of a second."""

    def pairs(logs: list[Path]) -> Iterator[Pair]:
        halves = ztflow.read_records(*logs).to_arrow()
        evidence = gather(halves)
        names = [
            position(file, line)
            for file, line in zip(
                halves.column("source_file").to_pylist(), halves.column("line_number").to_pylist(), strict=True
            )
        ]
        index = np.flatnonzero(evidence.pairable)
        classes = evidence.classes[index]
        index = index[np.lexsort((evidence.time[index], classes))]
        classes, times = evidence.classes[index], evidence.time[index]
        for part in np.split(index, np.flatnonzero((np.diff(classes) != 0) | (np.diff(times) > SEARCH)) + 1):
            out, inn = part[evidence.outbound[part]], part[~evidence.outbound[part]]
            if len(out) and len(inn):
                arrays = (evidence.time[out], evidence.duration[out], evidence.time[inn], evidence.duration[inn])
                for a, b in zip(*method(*arrays), strict=True):
                    yield Pair(names[out[a]], names[inn[b]], sure=True, confidence=1.0)

    return pairs


BASELINES: dict[str, Callable[[list[Path]], Iterable[Pair]]] = {
    "nearest end": by_classes(greedy),
    "least squares": by_classes(nearest),
}


def position(name: str, line: int) -> str:
    return f"{PurePath(name).name.removesuffix('.gz')}:{line}"


# -- scoring ---------------------------------------------------------------------------------------------


class Truth:
    """Which halves belong together, of the files that are there."""

    def __init__(self, run: Path, logs: list[Path]) -> None:
        present = {path.name for path in logs}
        self.row: dict[str, dict[str, str]] = {}
        self.pairs: set[tuple[str, str]] = set()
        self.single: set[str] = set()
        with text(next(run.glob("truth.tsv*"))) as source:
            for row in csv.DictReader(source, delimiter="\t"):
                ends = [row[c] for c in ("outbound", "inbound") if row[c] != "-" and row[c].split(":")[0] in present]
                self.row.update(dict.fromkeys(ends, row))
                if len(ends) == 2:
                    self.pairs.add((ends[0], ends[1]))
                else:
                    self.single.update(ends)
                self.single.add(row["next_hop_inbound"])

    def score(self, pairs: Iterable[Pair]) -> dict[str, float | None]:
        """All columns of the table."""
        count: Counter[str] = Counter()
        bins: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for pair in pairs:
            right = (pair.outbound, pair.inbound) in self.pairs
            count["all"] += 1
            count["right"] += right
            count["sure"] += pair.sure
            count["sure_right"] += pair.sure and right
            cell = bins[min(9, int(pair.confidence * 10))]
            cell[0] += pair.confidence
            cell[1] += right
            rows = self.row.get(pair.outbound), self.row.get(pair.inbound)
            if None in rows or not same_group(*rows):
                count["foreign"] += 1
            elif not right and {pair.outbound, pair.inbound} & self.single:
                count["invented"] += 1
        return {
            "pairs": len(self.pairs),
            "precision": share(count["right"], count["all"]),
            "recall": share(count["right"], len(self.pairs)),
            "sure": share(count["sure_right"], count["sure"]),
            "sure_share": share(count["sure"], count["all"]),
            "calibration": share(sum(abs(said - was) for said, was in bins.values()), count["all"]),
            "foreign": count["foreign"],
            "invented": count["invented"],
        }


def same_group(a: dict[str, str], b: dict[str, str]) -> bool:
    """Same pods and application port (service port 80 is 8080 in these runs; rows found in logs alone name none)."""
    ports = {{"80": "8080"}.get(row["asked"].rsplit(":", 1)[-1], row["asked"].rsplit(":", 1)[-1]) for row in (a, b)}
    return (a["src_pod"], a["dst_pod"]) == (b["src_pod"], b["dst_pod"]) and len(ports - {"-"}) <= 1


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


# -- the table -------------------------------------------------------------------------------------------

COLUMNS = ("pairs", "precision", "recall", "sure", "sure_share", "calibration", "foreign", "invented")
WIDTHS = (24, 14, 7, 11, 8, 8, 12, 13, 9, 10, 15, 15, 8)


def cell(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plain_row(cells: Iterable[str]) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(cells, WIDTHS, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", type=Path)
    parser.add_argument("--scenario", action="append", choices=[s.name for s in SCENARIOS])
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    args = parser.parse_args()
    head = ("run", "scenario", *COLUMNS, *BASELINES, "seconds")
    line = markdown_row if args.markdown else plain_row
    print(line(head))
    if args.markdown:
        print(line(["---"] * len(head)))
    for run in args.run:
        inventory = [path for path in [run / "pods.txt"] if path.exists()]
        for scenario in SCENARIOS:
            if args.scenario and scenario.name not in args.scenario:
                continue
            with tempfile.TemporaryDirectory() as folder:
                logs = degraded(run, Path(folder), scenario)
                truth = Truth(run, logs)
                began = time.perf_counter()
                score = truth.score(by_ztflow(logs, inventory))
                took = time.perf_counter() - began
                baselines = [truth.score(method(logs)) for method in BASELINES.values()]
                others = (f"{cell(other['precision'])} / {cell(other['recall'])}" for other in baselines)
                cells = (run.name, scenario.name, *(cell(score[name]) for name in COLUMNS), *others, f"{took:.1f}")
                print(line(cells), flush=True)


if __name__ == "__main__":
    main()
