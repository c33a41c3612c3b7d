"""Which lines and connections may belong together at all: same client, same authority, same waypoint."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import IntArray
from ztflow.parse.values import ip_of
from ztflow.waypoint.clocks import Ahead, Side, ahead_of
from ztflow.waypoint.lines import Connection

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
        unclear: Ztunnels whose clock cannot be compared.
    """

    groups: list[Group]
    waypoints: dict[tuple[str, str | None], str | None]
    strays: int
    clocks: dict[str, float]
    unclear: list[str]


def grouped(flows: pa.Table, requests: pa.Table) -> Grouped:
    """Sort connections and lines into groups.

    Args:
        flows: Columns `schema.FLOWS`.
        requests: Columns `requests.REQUESTS_SCHEMA`.
    """
    connections = _connections(flows)
    by_log: dict[tuple[str, str | None], dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    columns = (requests[name].to_pylist() for name in ("file", "pod", "remote_ip", "local"))
    for row, (file, pod, remote, local) in enumerate(zip(*columns, strict=True)):
        by_log[file, pod][_bare(remote), local].append(row)
    sides = _Sides(connections, requests)
    waypoints = {log: _waypoint(log[1], lines, sides) for log, lines in by_log.items()}
    together: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    strays = 0
    for log, lines in by_log.items():
        waypoint = waypoints[log]
        for (remote, local), rows in lines.items():
            if waypoint is not None and (waypoint, remote, local) in connections:
                together[waypoint, remote, local] += rows
            else:
                strays += len(rows)
    ahead = {
        (clock, waypoint): sides.ahead(clock, {key: rows for key, rows in together.items() if key[0] == waypoint})
        for waypoint in sorted({key[0] for key in together})
        for clock in sorted({one.clock for key in together if key[0] == waypoint for one in connections[key]})
    }
    groups = []
    for key, rows in together.items():
        moved = [_moved(one.connection, ahead[one.clock, key[0]]) for one in connections[key]]
        groups.append(Group(sorted(moved, key=lambda one: one.start), sides.in_order(rows)))
    differ = {clock: one.middle(one.at) for (clock, _), one in ahead.items() if one.differ}
    unclear = sorted({clock for (clock, _), one in ahead.items() if not one.clear})
    return Grouped(groups, waypoints, strays, differ, unclear)


def _bare(ip: str) -> str:
    return ip_of(f"[{ip}]") or ip if ":" in ip else ip


class _Seen(NamedTuple):
    """A connection, with what ztunnel calls the waypoint, and whose clock its times are of."""

    connection: Connection
    name: str | None
    clock: str


_Connections = Mapping[tuple[str, str, str], list[_Seen]]
_Lines = Mapping[tuple[str, str], list[int]]


class _Sides:
    """Connections and lines as arrays, for what is asked of clocks."""

    def __init__(self, connections: _Connections, requests: pa.Table) -> None:
        self.connections = connections
        starts = requests["start"].to_numpy() / 1000.0
        received, sent = (requests[name].to_numpy() for name in ("received", "sent"))
        self._lines = Side(starts, starts + requests["duration_ms"].to_numpy(), received, sent)

    def in_order(self, rows: Sequence[int]) -> IntArray:
        """Rows of requests, in order of their start."""
        some = np.array(rows)
        return some[np.lexsort((some, self._lines.start[some]))]

    def ahead(self, clock: str, lines: Mapping[tuple[str, str, str], list[int]]) -> Ahead:
        """How far a clock is ahead of that of a waypoint's lines (by waypoint, client and authority)."""
        groups = []
        for key, rows in lines.items():
            some = [seen.connection for seen in self.connections[key] if seen.clock == clock]
            if some:
                values = np.array([(one.start, one.end, one.up, one.down) for one in some], float)
                groups.append((Side(*values.T), self._lines.take(self.in_order(rows))))
        return ahead_of(groups)


def _moved(one: Connection, ahead: Ahead) -> Connection:
    """With the times of the waypoint's clock, and room for what is not known of the difference."""
    start, end = (moment - ahead.middle(moment) for moment in (one.start, one.end))
    return replace(one, start=start, end=end, room=(ahead.most - ahead.least) / 2, clear=ahead.clear)


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


def _waypoint(pod: str | None, lines: _Lines, sides: _Sides) -> str | None:
    """The address of the waypoint that wrote a log: that of its pod, or the one whose connections hold its lines."""
    there: dict[str, dict[tuple[str, str, str], list[int]]] = defaultdict(dict)
    named: Counter[str] = Counter()
    for key, some in sides.connections.items():
        if key[1:] in lines:
            there[key[0]][key] = lines[key[1:]]
            named[key[0]] += sum(pod is not None and one.name == pod for one in some)
    if any(named.values()):
        return named.most_common(1)[0][0]
    held: Counter[str] = Counter()
    for waypoint, of_it in there.items():
        for clock in {one.clock for key in of_it for one in sides.connections[key]}:
            held[waypoint] += sides.ahead(clock, of_it).held
    best = held.most_common(2)
    if not best or not best[0][1] or (len(best) > 1 and best[0][1] < _CLEARLY * best[1][1]):
        return None
    return best[0][0]
