"""The run with a real Envoy, and how a join is judged."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

RUN = Path(__file__).parents[2] / "fixtures" / "waypoint"
ZTUNNEL, ENVOY = RUN / "ztunnel.log.gz", RUN / "way-7d9c8b6f5-t4t4t.log.gz"


def truth():
    """Line of ztunnel's log → lines of the waypoint's."""
    with (RUN / "truth.tsv").open(encoding="utf-8") as source:
        rows = csv.DictReader(source, delimiter="\t")
        return {int(row["line"]): {int(line) for line in row["waypoint_lines"].split(",")} for row in rows}


def envoy_lines():
    """What Envoy wrote, line by line."""
    with gzip.open(ENVOY, "rt", encoding="utf-8") as source:
        return source.read().splitlines()


def judged(flows, expected):
    """Lines decided, wrong, and undecided without being among the candidates."""
    decided = wrong = lost = 0
    columns = ("outbound_line", "requests", "waypoint_lines", "waypoint_candidates")
    for row in flows.to_arrow().select(columns).to_pylist():
        true, lines = expected.get(row["outbound_line"], set()), row["waypoint_lines"]
        if lines is None:
            assert row["requests"] is None
            lost += len(true - set(row["waypoint_candidates"] or ()))
            continue
        assert (row["requests"], row["waypoint_candidates"]) == (len(lines), None)
        decided += len(lines)
        wrong += len(true ^ set(lines))
    return decided, wrong, lost
