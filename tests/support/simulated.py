"""What tests ask of a simulated capture: its lines as read, its truth as positions."""

from __future__ import annotations

from pathlib import Path

import ztflow
from ztflow.parse import scan
from ztflow.simulate.capture import Capture

CLEAN = {"plain", "burst", "storm", "probe", "long", "big", "allowed", "server-closes", "half-close", "silent"}


def position(text: str) -> tuple[str, int] | None:
    """File and line of a truth cell."""
    if text == "-":
        return None
    name, _, line = text.rpartition(":")
    return name, int(line)


def texts(capture: Capture) -> dict[tuple[str, int], str]:
    """Every physical line by file and number."""
    return {
        (name, number): line
        for name, data in capture.logs.items()
        for number, line in enumerate(data.decode().split("\n"), 1)
    }


def rows(capture: Capture) -> dict[tuple[str, int], dict[str, object]]:
    """Every access line of bare logs by file and number."""
    from ztflow.model.provenance import RECORD_NAMES

    found = {}
    for place, line in texts(capture).items():
        row = scan(line)
        if row is not None:
            found[place] = dict(zip(RECORD_NAMES, row, strict=True))
    return found


def flows(capture: Capture, directory: Path) -> ztflow.Flows:
    """The capture written, read and paired."""
    capture.write(directory)
    logs = sorted(str(path) for path in directory.glob("ztunnel-*.log*"))
    return ztflow.read_flows(*logs, inventory=[str(directory / "pods.txt"), str(directory / "nodes.txt")])


def reported(found: ztflow.Flows) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of positions in some flows."""
    names = ("outbound_file", "outbound_line", "inbound_file", "inbound_line")
    rows_ = found.to_arrow().select(list(names)).to_pylist()
    return {
        ((Path(row["outbound_file"]).name, row["outbound_line"]), (Path(row["inbound_file"]).name, row["inbound_line"]))
        for row in rows_
        if row["outbound_file"] and row["inbound_file"]
    }


def true_pairs(capture: Capture) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of positions in the truth."""
    pairs = ((position(row["outbound"]), position(row["inbound"])) for row in capture.truth.to_pylist())
    return {(out, inn) for out, inn in pairs if out is not None and inn is not None}
