"""Joins a waypoint's log to flows: which of its lines are of which connection.

First what can be told by time alone teaches how long heads are; then, connection by connection, what leaves one choice
of lines; then, with what all of these teach, what is likely enough. What is not decided keeps its candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.model.provenance import WaypointJoin
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.waypoint.beliefs import Evidence
from ztflow.waypoint.chains import candidates
from ztflow.waypoint.decide import Decider
from ztflow.waypoint.delays import Delays
from ztflow.waypoint.groups import Group, Grouped, grouped
from ztflow.waypoint.heads import Heads, Kind, learned
from ztflow.waypoint.lines import Connection, Lines

FEWEST_TO_LEARN: Final = 5
"""Connections that must be clear by time alone for anything to be learned, and so for anything to be decided."""

MOST_CANDIDATES: Final = 4096
"""Candidates that are listed for a connection; with more there is no list."""

UNDECIDED: Final = -1
"""Instead of the row of a line's flow: it may be of several."""

IN_NONE: Final = -2
"""Likewise: it is in no connection that is left for it."""

FEWEST_GAPS: Final = 3
MOST_GAPS: Final = 0.005
"""From so many connections, and so large a share of them, that no lines explain, the waypoint's log has gaps: then
lines that fit by chance are no longer rare among those that fit, and only what is clear by time as well is decided."""

_LEAST_STRAY: Final = 0.002


class _Table:
    """The table of requests as arrays."""

    def __init__(self, requests: pa.Table) -> None:
        def words(name: str) -> list[str | None]:
            found: list[str | None] = requests[name].to_pylist()
            return found

        def numbers(name: str) -> IntArray:
            found: IntArray = pc.fill_null(requests[name], 0).to_numpy()
            return found

        self.start = numbers("start") / 1000.0
        self.end = self.start + numbers("duration_ms")
        received, sent, method = numbers("received"), numbers("sent"), words("method")
        self.alone = np.array([one is None for one in method], np.bool_)
        self.open_ended = ~requests["upstream"].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
        body = received > 0
        flags, code = words("flags"), requests["code"].to_pylist()
        authority, agent, cluster = words("authority"), words("agent"), words("cluster")
        protocol = words("protocol")
        self.shares = np.array([one is not None and one >= "HTTP/2" for one in protocol], np.bool_)
        several = self.shares.tolist()
        self.up_kinds: list[Kind] = [
            ((a, b, c, s), (d, e, s), (a, b, c, d, e, s))
            for a, b, c, d, e, s in zip(method, body.tolist(), flags, authority, agent, several, strict=True)
        ]
        # An answer of the waypoint's own (without a server's time) does not depend on the server.
        service_ms = words("service_ms")
        own = any(ms is not None for ms in service_ms)
        ends = [None if own and ms is None else one for one, ms in zip(cluster, service_ms, strict=True)]
        self.down_kinds: list[Kind] = [
            ((a, b, c, d, s), (e, s), (a, b, c, d, e, s))
            for a, b, c, d, e, s in zip(code, flags, self.open_ended.tolist(), method, ends, several, strict=True)
        ]
        service = np.array([len(one or "") for one in service_ms])
        self.up, self.down = received.astype(float), sent.astype(float)
        frames = [np.where(self.shares, _FRAME_HEAD * -(-one // _FRAME), 0) for one in (received, sent)]
        self.up_told = np.column_stack([numbers("target_bytes"), _digits(received), frames[0]]).astype(float)
        self.down_told = np.column_stack([service, _digits(sent), frames[1]]).astype(float)
        self.up_begins = _begins(zip(protocol, authority, agent, strict=True))
        self.down_begins = _begins(zip(protocol, cluster, strict=True))
        lanes: dict[tuple[str | None, int], int] = {}
        pairs = zip(protocol, numbers("remote_port").tolist(), strict=True)
        self.lane = np.array([lanes.setdefault(pair, len(lanes)) for pair in pairs], np.int64)

    def lines(self, rows: IntArray, up: Heads, down: Heads) -> Lines:
        """Some rows as lines, with the heads to expect."""
        head_up, up_variance = up.of([self.up_kinds[row] for row in rows.tolist()], self.up_told[rows])
        head_down, down_variance = down.of([self.down_kinds[row] for row in rows.tolist()], self.down_told[rows])
        alone = self.alone[rows]
        several = np.where(self.shares[rows], 1.0, 0.0)
        nothing = np.zeros_like(self.up_told[rows])
        begin_up, begin_up_variance = up.of([self.up_begins[row] for row in rows.tolist()], nothing)
        begin_down, begin_down_variance = down.of([self.down_begins[row] for row in rows.tolist()], nothing)
        return Lines(
            self.start[rows], self.end[rows],
            self.up[rows] + np.where(alone, 0.0, head_up), np.where(alone, 0.01, up_variance),
            self.down[rows] + np.where(alone, 0.0, head_down), np.where(alone, 0.01, down_variance),
            self.open_ended[rows], self.lane[rows], self.shares[rows], alone,
            (begin_up * several, begin_up_variance * several, begin_down * several, begin_down_variance * several),
        )  # fmt: skip


_FRAME_HEAD, _FRAME = 9, 16_384
"""HTTP/2: bytes before each frame of a body, and how much of it a frame holds unless told otherwise (RFC 9113, 4)."""


def _begins(ends: Iterable[tuple[str | None, ...]]) -> list[Kind]:
    """What the beginnings of connections are alike in that could begin with each line."""
    return [(("begin", one[0]), ("begin", *one[1:]), ("begin", *one)) for one in ends]


def _digits(numbers: IntArray) -> IntArray:
    """Digits of each number, 0 for 0."""
    return np.where(numbers > 0, np.floor(np.log10(np.maximum(numbers, 1))).astype(np.int64) + 1, 0)


_Known = list[tuple[Connection, IntArray]]
"""Connections with the rows of their lines."""


def join(flows: pa.Table, requests: pa.Table) -> tuple[pa.Table, IntArray, WaypointJoin]:
    """Fill in the columns of a waypoint's log.

    Args:
        flows: Columns `schema.FLOWS`; all of a capture.
        requests: Columns `requests.REQUESTS_SCHEMA`.

    Returns:
        The flows; for each line the row of its flow, or `UNDECIDED`, or `IN_NONE`; and what became of the lines.

    Cost: some 10 ms a group of a few lines; a connection among hundreds of others takes up to 0.1 s. Memory: the
        flows, and up to `MOST_CANDIDATES` numbers a connection.
    """
    found = grouped(flows, requests)
    joined = WaypointJoin(requests.num_rows, strays=found.strays, clocks=found.clocks, unclear=found.unclear)
    joined.unplaced = sorted({file for (file, _), waypoint in found.waypoints.items() if waypoint is None})
    table = _Table(requests)
    all_candidates = [_candidates(group, table) for group in found.groups]
    known = _clear_by_time(found, all_candidates)
    joined.connections = sum(bool(len(rows)) for group in all_candidates for rows in group)
    joined.strays += _outside(found, all_candidates)
    decided: _Known = []
    if sum(not table.alone[rows].all() for _, rows in known) >= FEWEST_TO_LEARN or table.alone.all():
        stray = max(_LEAST_STRAY, joined.strays / max(len(requests), 1))
        decided, joined.unexplained = _decided(found, table, known, stray, None)
        if decided:
            evidence = _evidence(decided, table)
            decided, joined.unexplained = _decided(found, table, decided, stray, evidence)
        joined.gaps = joined.unexplained >= max(FEWEST_GAPS, MOST_GAPS * joined.connections)
        if joined.gaps:
            clear = {one.row: len(rows) for one, rows in known}
            decided = [(one, rows) for one, rows in decided if clear.get(one.row) == len(rows)]
        up, down = _heads(decided or known, table)
        joined.heads = up.usual, down.usual
    joined.decided = sum(len(rows) for _, rows in decided)
    joined.decided_connections = len(decided)
    undecided = {one.row for one, _ in decided}
    open_ = [
        (connection, rows)
        for group, of_group in zip(found.groups, all_candidates, strict=True)
        for connection, rows in zip(group.connections, of_group, strict=True)
        if connection.row not in undecided and len(rows)
    ]
    flow_of: IntArray = np.full(requests.num_rows, IN_NONE, np.int64)
    for _, rows in open_:
        flow_of[rows] = UNDECIDED
    for one, rows in decided:
        flow_of[rows] = one.row
    return _filled(flows, requests, decided, open_), flow_of, joined


def _candidates(group: Group, table: _Table) -> list[IntArray]:
    """The rows of the lines inside each connection of a group."""
    start, end = table.start[group.lines], table.end[group.lines]
    nothing = np.zeros(len(start))
    no = np.zeros(len(start), np.bool_)
    lines = Lines(
        start, end, nothing, nothing, nothing, nothing, no, table.lane[group.lines], no, no, (nothing,) * 4
    )  # fmt: skip
    return [group.lines[candidates(one, lines)] for one in group.connections]


def _clear_by_time(found: Grouped, all_candidates: Sequence[Sequence[IntArray]]) -> _Known:
    """Connections that have their candidates for themselves."""
    known: _Known = []
    for group, of_group in zip(found.groups, all_candidates, strict=True):
        rows, counts = np.unique(np.concatenate(of_group), return_counts=True)
        single = set(rows[counts == 1].tolist())
        known += [
            (one, mine)
            for one, mine in zip(group.connections, of_group, strict=True)
            if one.clear and len(mine) and single.issuperset(mine.tolist())
        ]
    return known


def _outside(found: Grouped, all_candidates: Sequence[Sequence[IntArray]]) -> int:
    """Lines of groups that lie in no connection."""
    return sum(
        len(group.lines) - len(np.unique(np.concatenate(of_group)))
        for group, of_group in zip(found.groups, all_candidates, strict=True)
    )


def _heads(known: _Known, table: _Table) -> tuple[Heads, Heads]:
    """The heads these connections teach: of requests where the waypoint counted all that was sent."""
    http = [(one, rows) for one, rows in known if not table.alone[rows].any()]
    whole = [(one, rows) for one, rows in http if not table.open_ended[rows].any()]
    return (
        _learned([(one.up, rows) for one, rows in whole], _kinds(whole, table.up_kinds, table.up_begins, table),
                 table.up_told, table.up),
        _learned([(one.down, rows) for one, rows in http], _kinds(http, table.down_kinds, table.down_begins, table),
                 table.down_told, table.down),
    )  # fmt: skip


def _learned(
    known: Sequence[tuple[float, IntArray]], kinds: Sequence[Sequence[Kind]], told: FloatArray, bodies: FloatArray
) -> Heads:
    if not known:
        return Heads(spread=np.inf)
    rest: FloatArray = np.array([total - float(bodies[rows].sum()) for total, rows in known])
    sums = np.array([told[rows].sum(axis=0) for _, rows in known])
    return learned(kinds, sums, rest)


def _kinds(known: _Known, kinds: Sequence[Kind], begins: Sequence[Kind], table: _Table) -> list[list[Kind]]:
    """The kinds of each connection's lines, and of its beginning where that moves something."""
    found = []
    for _, rows in known:
        found.append([kinds[row] for row in rows.tolist()])
        if table.shares[rows[0]]:
            found[-1].append(begins[rows[0]])
    return found


def _evidence(decided: _Known, table: _Table) -> Evidence:
    first = np.array([table.start[rows].min() - one.start for one, rows in decided])
    last = np.array([one.end - table.end[rows].max() for one, rows in decided])
    return Evidence(Delays(first), Delays(last))


def _decided(
    found: Grouped, table: _Table, known: _Known, stray: float, evidence: Evidence | None
) -> tuple[_Known, int]:
    """One round over all groups with what is known by now; how many connections nothing explains."""
    unexplained = 0
    up, down = _heads(known, table)
    decided: _Known = []
    for group in found.groups:
        decider = Decider(group.connections, table.lines(group.lines, up, down), stray)
        if evidence is None:
            decider.only_choices()
        else:
            decider.likely_choices(evidence)
        unexplained += decider.unexplained
        decided += [(group.connections[number], group.lines[chain.lines]) for number, chain in decider.decided.items()]
    return decided, unexplained


def _filled(flows: pa.Table, requests: pa.Table, decided: _Known, undecided: _Known) -> pa.Table:
    """The flows with the four columns."""
    files, numbers = requests["file"].to_pylist(), requests["line"].to_numpy()
    count: list[int | None] = [None] * flows.num_rows
    file: list[str | None] = [None] * flows.num_rows
    lines: list[list[int] | None] = [None] * flows.num_rows
    maybe: list[list[int] | None] = [None] * flows.num_rows
    for some, is_decided in ((decided, True), (undecided, False)):
        for connection, rows in some:
            row = connection.row
            count[row] = len(rows) if is_decided else None
            if len({files[one] for one in rows.tolist()}) > 1 or len(rows) > MOST_CANDIDATES:
                continue  # numbers of lines in more than one file
            file[row] = files[rows[0]]
            (lines if is_decided else maybe)[row] = sorted(numbers[rows].tolist())
    values = {"requests": count, "waypoint_file": file, "waypoint_lines": lines, "waypoint_candidates": maybe}
    for name, column in values.items():
        place = flows.schema.get_field_index(name)
        flows = flows.set_column(place, FLOWS_SCHEMA.field(name), pa.array(column, FLOWS_SCHEMA.field(name).type))
    return flows
