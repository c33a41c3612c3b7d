"""Reported pairs against the truth of a run."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Pair:
    """A reported pair: `file:line` of both halves."""

    outbound: str
    inbound: str
    sure: bool
    confidence: float


def text(path: Path):
    """A log or table, compressed or not."""
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def position(name: str, line: int) -> str:
    return f"{PurePath(name).name.removesuffix('.gz')}:{line}"


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
        said, was = [], []
        for pair in pairs:
            right = (pair.outbound, pair.inbound) in self.pairs
            count["all"] += 1
            count["right"] += right
            count["sure"] += pair.sure
            count["sure_right"] += pair.sure and right
            said.append(pair.confidence)
            was.append(right)
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
            "calibration": calibration(np.array(said), np.array(was)) if said else None,
            "chance": by_chance(np.array(said)) if said else None,
            "foreign": count["foreign"],
            "invented": count["invented"],
        }


def calibration(said: np.ndarray, was: np.ndarray) -> float:
    """Mean distance of confidence from truth, in ten bins."""
    bins = np.minimum(9, (said * 10).astype(int))
    return float(np.abs(np.bincount(bins, said) - np.bincount(bins, was)).sum() / len(said))


def by_chance(said: np.ndarray, times: int = 500) -> float:
    """The calibration these confidences have on average when every one of them is the true probability."""
    dice = np.random.default_rng(1)
    return float(np.mean([calibration(said, dice.random(len(said)) < said) for _ in range(times)]))


def same_group(a: dict[str, str], b: dict[str, str]) -> bool:
    """Same pods and application port (service port 80 is 8080 in these runs; rows found in logs alone name none)."""
    ports = {{"80": "8080"}.get(row["asked"].rsplit(":", 1)[-1], row["asked"].rsplit(":", 1)[-1]) for row in (a, b)}
    return (a["src_pod"], a["dst_pod"]) == (b["src_pod"], b["dst_pod"]) and len(ports - {"-"}) <= 1


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


# -- sums and hops ---------------------------------------------------------------------------------------


def place_of(row: dict[str, Any], side: str) -> str | None:
    """File and line of one half of a flow."""
    name, line = row[f"{side}_file"], row[f"{side}_line"]
    return None if name is None or line is None else position(name, line)


def wrong_edges(truth: Truth, flows: list[dict[str, Any]], records: dict[str, dict[str, Any]]) -> tuple[int, int]:
    """Edges (source, address dialled, authority) whose connections or bytes do not add up, of all edges."""

    def sums(connections: Iterable[tuple[str | None, str | None]]) -> dict[tuple, tuple[int, int, int]]:
        edges: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
        for out, inn in connections:
            half = records.get(out or inn or "")
            if half is None or half["hbone_host"] is None:
                continue
            sent, received = half["bytes_sent"] or 0, half["bytes_recv"] or 0
            edge = edges[half["src_ip"], half["dst_ip"], half["hbone_host"], half["hbone_port"]]
            for place, amount in enumerate((1, *((sent, received) if out else (received, sent)))):
                edge[place] += amount
        return {key: (edge[0], edge[1], edge[2]) for key, edge in edges.items()}

    paired = {half for pair in truth.pairs for half in pair}
    alone = [half for half in records if half not in paired]
    outbound = {half for half in alone if records[half]["direction"] == "outbound"}
    right = sums([*truth.pairs, *((half, None) if half in outbound else (None, half) for half in alone)])
    found = sums((place_of(flow, "outbound"), place_of(flow, "inbound")) for flow in flows)
    return sum(right.get(edge) != found.get(edge) for edge in right.keys() | found.keys()), len(right)


def hops(truth: Truth, flows: list[dict[str, Any]]) -> tuple[float | None, float | None]:
    """Precision and recall of what is believed to follow behind a waypoint or gateway."""
    present = {half.split(":")[0] for half in truth.row}
    right = {
        (row["outbound"], row["next_hop_inbound"])
        for row in truth.row.values()
        if "-" not in (row["outbound"], row["next_hop_inbound"]) and row["next_hop_inbound"].split(":")[0] in present
    }
    found = {(place_of(flow, "outbound"), place_of(flow, "next_hop")) for flow in flows if flow["next_hop_line"]}
    return share(len(found & right), len(found)), share(len(found & right), len(right))
