"""Delivery of simulated lines to the reader: their files and order, and which are lost, late or duplicated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.simulate.cluster import Cluster
from ztflow.simulate.lines import Lines
from ztflow.simulate.scenario import Faults, Scenario
from ztflow.simulate.templates import Hole, Template, file_name, fill

BLOCK = 32_768
"""Lines put into text at once."""

MISSING = 0
"""Line number of a line that did not arrive."""

_CRI_LATE = 85
"""Microseconds until the container runtime has the line."""


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Attributes:
        name: Its name.
        order: Lines in it, by their place in `Lines`; a line can be there twice.
        arrival: True seconds at which each arrives; never falls.
    """

    name: str
    order: IntArray
    arrival: FloatArray


def deliver(scenario: Scenario, cluster: Cluster, lines: Lines, rng: np.random.Generator) -> tuple[File, ...]:
    """The files of a scenario, with all that goes wrong on the way."""
    faults = scenario.faults
    streams = [
        _stream(np.flatnonzero(lines.node == node), node, lines, faults, rng) for node in range(len(cluster.nodes))
    ]
    kept = [node for node in range(len(cluster.nodes)) if node not in faults.lost_nodes]
    if scenario.wrapper in {"files", "cri"}:
        return tuple(File(file_name(cluster.nodes[node], scenario.wrapper), *streams[node]) for node in kept)
    if not kept:
        return ()
    order = np.concatenate([streams[node][0] for node in kept])
    arrival = np.concatenate([streams[node][1] for node in kept])
    merged = np.argsort(arrival, kind="stable")
    return (File(file_name(cluster.nodes[0], scenario.wrapper), order[merged], arrival[merged]),)


def _stream(
    rows: IntArray, node: int, lines: Lines, faults: Faults, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """One ztunnel's lines in the order they are written, and when they arrive."""
    moment = lines.moment[rows]
    # Threads take the time first and queue the line then: the file is a little out of order.
    order = rows[np.argsort(moment + rng.exponential(faults.disorder, len(rows)), kind="stable")]
    order = order[_arrives(len(order), faults, rng)]
    order = _replayed(order, lines, faults, rng)
    late = faults.late[node] if node < len(faults.late) else 0.0
    return order, np.maximum.accumulate(lines.moment[order]) + late


def _arrives(count: int, faults: Faults, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which lines of a stream are not lost; they are lost in runs."""
    lost = rng.random(count) < faults.lost / faults.lost_run
    runs = np.convolve(lost, np.ones(faults.lost_run, dtype=np.int64))[:count] if count else lost
    return np.asarray(runs == 0)


def _replayed(order: IntArray, lines: Lines, faults: Faults, rng: np.random.Generator) -> IntArray:
    """A stream that starts again a little before where it was, as a reader does that reconnects by time."""
    if not faults.replays or not len(order):
        return order
    times = np.maximum.accumulate(lines.moment[order])
    at = np.sort(rng.integers(1, len(order) + 1, faults.replays))
    parts, last = [], 0
    for place in at.tolist():
        back = int(np.searchsorted(times, times[place - 1] - faults.replayed))
        parts += [order[last:place], order[back:place]]
        last = place
    return np.concatenate([*parts, order[last:]])


def positions(file: File, lines: Lines) -> IntArray:
    """Physical line number of every line in a file, from 1: of its first copy, `MISSING` where it is not there."""
    height = np.array([template.lines for template in lines.templates], dtype=np.int64)[lines.template[file.order]]
    number = np.cumsum(height) - height + 1
    found = np.full(lines.count, MISSING)
    found[file.order[::-1]] = number[::-1]
    return found


def texts(lines: Lines, order: IntArray) -> Iterator[list[str]]:
    """The lines in an order as text, in blocks; each with its line end. Cost: about 2 µs a line."""
    for begin in range(0, len(order), BLOCK):
        yield _block(lines, order[begin : begin + BLOCK])


def _block(lines: Lines, rows: IntArray) -> list[str]:
    templates = [lines.templates[place] for place in lines.template[rows].tolist()]
    by_holes: dict[tuple[Hole, ...], list[int]] = {}
    for place, template in enumerate(templates):
        by_holes.setdefault(template.holes, []).append(place)
    result = [""] * len(rows)
    for holes, places in by_holes.items():
        filled = _filled(lines, rows[places], [templates[place] for place in places], holes)
        for place, text in zip(places, filled, strict=True):
            result[place] = text
    return result


def _filled(lines: Lines, rows: IntArray, templates: list[Template], holes: tuple[Hole, ...]) -> list[str]:
    made: dict[Hole, list[object]] = {}
    for hole in set(holes):
        if hole is Hole.TIME:
            made[hole] = _times(lines.time[rows], "Z")
        elif hole is Hole.SHIPPED:
            made[hole] = _times(lines.time[rows] + _CRI_LATE, "402Z")
        elif hole is Hole.TRACE:
            made[hole] = [trace_id(number) for number in lines.connection[rows].tolist()]
        else:
            made[hole] = _NUMBERS[hole](lines)[rows].tolist()
    values = zip(*(made[hole] for hole in holes), strict=True)
    return fill(templates, values)


_NUMBERS = {
    Hole.PORT: lambda lines: lines.port,
    Hole.SENT: lambda lines: lines.sent,
    Hole.RECEIVED: lambda lines: lines.received,
    Hole.DURATION: lambda lines: lines.duration,
}


def _times(micros: IntArray, end: str) -> list[object]:
    texts_ = np.datetime_as_string(micros.astype("datetime64[us]"), unit="us").tolist()
    return [text + end for text in texts_]


def trace_id(connection: int) -> str:
    """A trace id that looks random and is never the same for two connections."""
    return f"{(connection * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 0xA5A5) % (1 << 128):032x}"
