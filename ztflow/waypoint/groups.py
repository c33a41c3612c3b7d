"""Which lines and connections may belong together at all: same client, same authority, same waypoint."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import IntArray
from ztflow.parse.values import ip_of
from ztflow.waypoint.clocks import LEAST_MS, ahead_by
from ztflow.waypoint.lines import SLACK_MS, Connection

_CLEARLY: Final = 2
"""How many times more of a log's lines must lie in connections to one waypoint than to any other for it to be its."""


@dataclass(slots=True)
class Group:
    """The connections of one client to one authority through one waypoint, and the lines that may be of them.

    Attributes:
        connections: In order of their start.
        lines: Rows of the table of requests, in order of their start.
    """

    connections: list[Connection]
    lines: IntArray


@dataclass(frozen=True, slots=True)
class Grouped:
    """What was found.

    Attributes:
        groups: All that have lines and connections.
        waypoints: Log (file and pod) → address of the waypoint that wrote it; None where that is not clear.
        strays: Lines that lie in no connection.
        clocks: Milliseconds a ztunnel's clock is ahead of a waypoint's, where they differ.
    """

    groups: list[Group]
    waypoints: dict[tuple[str, str | None], str | None]
    strays: int
    clocks: dict[str, float]


def grouped(flows: pa.Table, requests: pa.Table) -> Grouped:
    """Sort connections and lines into groups.

    Args:
        flows: Columns `schema.FLOWS`.
        requests: Columns `requests.REQUESTS_SCHEMA`.
    """
    connections = _connections(flows)
    starts, ends = _times(requests)
    by_log: dict[tuple[str, str | None], dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    columns = (requests[name].to_pylist() for name in ("file", "pod", "remote_ip", "local"))
    for row, (file, pod, remote, local) in enumerate(zip(*columns, strict=True)):
        by_log[file, pod][_bare(remote), local].append(row)
    connections, clocks = _corrected(connections, by_log.values(), (starts, ends))
    waypoints = {log: _waypoint(log[1], lines, connections, (starts, ends)) for log, lines in by_log.items()}
    together: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    strays = 0
    for log, lines in by_log.items():
        waypoint = waypoints[log]
        for (remote, local), rows in lines.items():
            if waypoint is not None and (waypoint, remote, local) in connections:
                together[waypoint, remote, local] += rows
            else:
                strays += len(rows)
    groups = []
    for key, rows in together.items():
        order = np.array(rows)[np.lexsort((np.array(rows), starts[rows]))]
        groups.append(Group(sorted((one.connection for one in connections[key]), key=lambda one: one.start), order))
    return Grouped(groups, waypoints, strays, clocks)


def _bare(ip: str) -> str:
    return ip_of(f"[{ip}]") or ip if ":" in ip else ip


def _times(requests: pa.Table) -> tuple[Any, Any]:
    starts = requests["start"].to_numpy() / 1000.0
    return starts, starts + requests["duration_ms"].to_numpy()


class _Seen(NamedTuple):
    """A connection, with what ztunnel calls the waypoint, and whose clock its times are of."""

    connection: Connection
    name: str | None
    clock: str


_Connections = Mapping[tuple[str, str, str], list[_Seen]]
_Lines = Mapping[tuple[str, str], list[int]]


def _corrected(
    connections: _Connections, logs: Iterable[_Lines], times: tuple[Any, Any]
) -> tuple[_Connections, dict[str, float]]:
    """Connections with their times by the waypoint's clock, and the clocks that differ."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for log in logs:
        for key, rows in log.items():
            lines[key] += rows
    of_clock: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for to, some in connections.items():
        for clock in sorted({one.clock for one in some}):
            if (to[1], to[2]) in lines:
                of_clock[clock, to[0]].append(to)
    starts, ends = times
    ahead: dict[tuple[str, str], float] = {}
    for (clock, waypoint), keys in of_clock.items():
        mine = [[one.connection for one in connections[key] if one.clock == clock] for key in keys]
        there = [np.array(lines[key[1], key[2]]) for key in keys]
        ahead[clock, waypoint] = ahead_by(
            [np.array([one.start for one in some]) for some in mine],
            [np.array([one.end for one in some]) for some in mine],
            [starts[one] for one in there], [ends[one] for one in there],
        )  # fmt: skip
    found = {
        key: [one._replace(connection=_shifted(one.connection, ahead.get((one.clock, key[0]), 0.0))) for one in some]
        for key, some in connections.items()
    }
    return found, {clock: ms for (clock, _), ms in ahead.items() if ms}


def _shifted(one: Connection, ahead: float) -> Connection:
    """With the times of the waypoint's clock, and room for what is not known of the difference."""
    room = LEAST_MS / 2 if ahead else 0.0
    return replace(one, start=one.start - ahead - room, end=one.end - ahead + room)


def _connections(flows: pa.Table) -> _Connections:
    """By waypoint, client and authority."""
    used = pc.and_(pc.is_valid(flows["outbound_line"]), pc.is_valid(flows["hbone_host"]))
    for name in ("start", "end", "src_ip", "dst_ip", "hbone_port", "request_bytes", "response_bytes"):
        used = pc.and_(used, pc.is_valid(flows[name]))
    rows = np.flatnonzero(used.to_numpy())
    names = ("start", "end", "src_ip", "dst_ip", "hbone_host", "hbone_port", "request_bytes", "response_bytes")
    table = flows.select([*names, "dst_name", "outbound_ztunnel", "outbound_file"]).take(pa.array(rows))
    columns = [table[name].cast(pa.int64()) if name in {"start", "end"} else table[name] for name in table.column_names]
    found: dict[tuple[str, str, str], list[_Seen]] = defaultdict(list)
    values = zip(rows.tolist(), *(column.to_pylist() for column in columns), strict=True)
    for row, start, end, src, dst, host, port, up, down, name, ztunnel, file in values:
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        found[dst, src, authority].append(
            _Seen(Connection(row, start / 1000, end / 1000, up, down), name, ztunnel or file or "-")
        )
    return found


def _waypoint(
    pod: str | None, lines: Mapping[tuple[str, str], list[int]], connections: _Connections, times: tuple[Any, Any]
) -> str | None:
    """The address of the waypoint that wrote a log: that of its pod, or the one whose connections hold its lines."""
    held: Counter[str] = Counter()
    named: Counter[str] = Counter()
    starts, ends = times
    for (waypoint, client, authority), some in connections.items():
        rows = lines.get((client, authority))
        if rows:
            named[waypoint] += sum(pod is not None and one.name == pod for one in some)
            inside = np.zeros(len(rows), np.bool_)
            for one in (seen.connection for seen in some):
                inside |= (starts[rows] >= one.start - SLACK_MS) & (ends[rows] <= one.end + SLACK_MS)
            held[waypoint] += int(inside.sum())
    if any(named.values()):
        return named.most_common(1)[0][0]
    best = held.most_common(2)
    if not best or not best[0][1] or (len(best) > 1 and best[0][1] < _CLEARLY * best[1][1]):
        return None
    return best[0][0]
