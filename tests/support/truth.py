"""Flows against the truth of a captured run (`fixtures/captured`): what was connected, and which lines tell of it."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path, PurePath
from typing import Any

CAPTURED = Path(__file__).parents[2] / "fixtures" / "captured"


def logs(run: str) -> list[Path]:
    return sorted((CAPTURED / run).glob("ztunnel-*.log*"))


def true_rows(run: str) -> list[dict[str, str]]:
    path = next((CAPTURED / run).glob("truth.tsv*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as source:
        return list(csv.DictReader(source, delimiter="\t"))


def half(flow: dict[str, Any], side: str) -> str | None:
    name, line = flow[f"{side}_file"], flow[f"{side}_line"]
    return None if name is None else f"{PurePath(name).name.removesuffix('.gz')}:{line}"


def judge(run: str, flows: list[dict[str, Any]]) -> Counter[str]:
    """Counts of what is right and what is wrong."""
    rows = true_rows(run)
    pairs = {(r["outbound"], r["inbound"]) for r in rows if "-" not in (r["outbound"], r["inbound"])}
    lines = {r[c] for r in rows for c in ("outbound", "inbound", "next_hop_inbound")} - {"-"}
    by_half = {r[c]: r for r in rows for c in ("outbound", "inbound") if r[c] != "-"}
    count: Counter[str] = Counter(pairs=len(pairs))
    seen: Counter[str] = Counter()
    for flow in flows:
        out, inn = half(flow, "outbound"), half(flow, "inbound")
        seen.update(filter(None, (out, inn)))
        if out and inn:
            count["right" if (out, inn) in pairs else "wrong"] += 1
        row = by_half.get(out or inn or "")
        if row and row["kind"] not in ("waypoint", "unlisted") and row["dst_node"] != "-":
            same = row["src_node"] == row["dst_node"]
            placed = flow["src_node"] is not None and flow["dst_node"] is not None
            count["placeable"] += 1
            count["placed"] += placed
            count["misplaced"] += placed and (
                (flow["src_node"], flow["dst_node"]) != (row["src_node"], row["dst_node"])
                or flow["locality"] != ("same_node" if same else "cross_node")
            )
    count["reused"] = sum(n - 1 for n in seen.values())
    count["lost"] = len(lines - set(seen))
    return count
