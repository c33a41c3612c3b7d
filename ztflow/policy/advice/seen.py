"""What was seen: connections counted by who called whom on which port, how, and what became of them.

Counting is additive: what two parts of a capture hold is what the whole holds, so a week of logs is counted table by
table, and memory is bounded by the number of different connections, not by how many there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from ztflow.aggregate import View, vertices
from ztflow.aggregate.levels import Vertices
from ztflow.aggregate.measures import extremes, tally
from ztflow.columns.dictionaries import Coded
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import group
from ztflow.model.provenance import time_from_micros
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import BOTH_HALVES, NODES_KNOWN, FlowPath, Paired, Unpaired, Verdict

_PORTS = 65536
_HOUR = 3_600_000_000
"""Microseconds."""

BY_NATURE_ALONE = frozenset(
    {
        Unpaired.PLAINTEXT, Unpaired.EARLY_DENIAL, Unpaired.WAYPOINT_HOP, Unpaired.WAYPOINT_SOURCE,
        Unpaired.CONNECT_FAILED, Unpaired.STILL_OPEN, Unpaired.FAST_PATH, Unpaired.SOURCE_NOT_CAPTURED,
    }
)  # fmt: skip
"""Reasons for a missing half that tell of no loss: the other line is not written, or not yet, or the client that wrote
none is judged alone (`Reason.SOURCE_NOT_CAPTURED`)."""


class End(NamedTuple):
    """One end of connections.

    Attributes:
        id: `namespace/workload`, an address, or a name without a namespace.
        is_workload: Whether it is the first of these.
    """

    id: str
    is_workload: bool

    @property
    def namespace(self) -> str:
        """Its namespace; empty where it is no workload."""
        return self.id.partition("/")[0] if self.is_workload else ""

    @property
    def name(self) -> str:
        """Its name in that namespace, or its id."""
        return self.id.partition("/")[2] if self.is_workload else self.id


class Kind(NamedTuple):
    """One kind of connection: all that a decision about a rule can depend on; absent is None.

    Attributes:
        destination: Who was called.
        source: Who called.
        identity: SPIFFE id of the caller.
        port: The application's port where `host` is None, else the port of that authority.
        host: Host of the CONNECT authority, where it is not the pod's address: a service's VIP or name.
        address: Address of a caller without a tunnel.
        path: As `FlowPath`.
        verdict: As `Verdict`.
        error_class: As `ErrorClass`.
        paired: As `Paired`.
        unpaired_reason: As `Unpaired`.
        source_named: Whether evidence names the caller's pod.
        to_identity: SPIFFE id of who was called.
    """

    destination: End
    source: End
    identity: str | None
    port: int | None
    host: str | None
    address: str | None
    path: str | None
    verdict: str | None
    error_class: str | None
    paired: str | None
    unpaired_reason: str | None
    source_named: bool
    to_identity: str | None

    @property
    def both(self) -> bool:
        """Whether both halves were seen."""
        return self.paired in BOTH_HALVES

    @property
    def arrived(self) -> bool:
        """Whether the destination's ztunnel wrote a line."""
        return self.both or self.paired == Paired.INBOUND_ONLY

    @property
    def lost(self) -> bool:
        """Whether a half is missing that should have been there."""
        alone = not self.both and self.verdict != Verdict.OPEN  # an open one has no line yet
        return alone and self.unpaired_reason not in BY_NATURE_ALONE


@dataclass(frozen=True, slots=True)
class Tally:
    """Some connections.

    Attributes:
        connections: How many.
        paired: Of which both halves were seen.
        failed: Of which ended with an error: let in, and then refused by the application, reset, cut.
        first: When the first began; None where no line carries a time.
        last: When the last ended.
    """

    connections: int = 0
    paired: int = 0
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def __add__(self, more: Tally) -> Tally:
        firsts = [time for time in (self.first, more.first) if time is not None]
        lasts = [time for time in (self.last, more.last) if time is not None]
        return Tally(
            self.connections + more.connections,
            self.paired + more.paired,
            self.failed + more.failed,
            min(firsts, default=None),
            max(lasts, default=None),
        )


def total(tallies: Iterable[Tally]) -> Tally:
    """Several together."""
    return sum(tallies, Tally())


@dataclass(slots=True)
class Seen:
    """All connections of a capture, by kind.

    Attributes:
        kinds: Each kind with its count.
        hours: Hours since 1970 in which a connection ended.
        first_line: Time of the earliest line that was counted; None where none carries a time.
        last_line: Of the latest.
        ambiguous: Connections paired with more than one partner that would have fitted.
        unplaced: Connections of which at least one end's node is unknown.
        unsized: Connections whose payload size is unknown at least one way.
    """

    kinds: dict[Kind, Tally] = field(default_factory=dict)
    hours: set[int] = field(default_factory=set)
    first_line: datetime | None = None
    last_line: datetime | None = None
    ambiguous: int = 0
    unplaced: int = 0
    unsized: int = 0

    @classmethod
    def of(cls, *tables: Flows) -> Seen:
        """What some tables of flows hold together."""
        made = cls()
        for flows in tables:
            made.add(flows)
        return made

    @property
    def window(self) -> timedelta | None:
        """From the first line to the last. When a connection began is no line: it may be from before the log."""
        return None if self.first_line is None or self.last_line is None else self.last_line - self.first_line

    @property
    def silent_hours(self) -> int:
        """Hours of the window in which no connection ended."""
        return max(self.hours) - min(self.hours) + 1 - len(self.hours) if self.hours else 0

    def add(self, flows: Flows) -> None:
        """Count more connections. Cost: one grouping of the rows; Python runs once per different connection."""
        table = flows.to_arrow()
        if not table.num_rows:
            return
        view = View(table)
        ends = vertices(view, "workload", flows.owners, described=True)
        for kind, tally_ in _kinds(view, ends):
            self.kinds[kind] = self.kinds.get(kind, Tally()) + tally_
        self.ambiguous += int(view.equals("paired", Paired.AMBIGUOUS).sum())
        self.unplaced += int((~view.equals("locality", *NODES_KNOWN)).sum())
        self.unsized += int((~(view.known("request_bytes") & view.known("response_bytes"))).sum())
        ended, known = view.numbers("end")
        if known.any():
            times = ended[known].astype(np.int64)
            self.hours |= set(np.unique(times // _HOUR).tolist())
            first, last = time_from_micros(int(times.min())), time_from_micros(int(times.max()))
            self.first_line = first if self.first_line is None else min(first, self.first_line)
            self.last_line = last if self.last_line is None else max(last, self.last_line)


def _own(host: Coded, address: Coded) -> BoolArray:
    """Rows whose authority is the pod's own address."""
    of_address = np.array([*map(_codes(host).get, address.words, [-2] * len(address.words)), -2])
    result: BoolArray = (host.codes >= 0) & (of_address[address.codes] == host.codes)
    return result


def _codes(column: Coded) -> Mapping[str, int]:
    return {word: code for code, word in enumerate(column.words)}


def _kinds(view: View, ends: Vertices) -> Iterable[tuple[Kind, Tally]]:
    host, tunnel = view.labels("hbone_host"), view.known("hbone_host")
    foreign = host.where(tunnel & ~_own(host, view.labels("dst_ip")))
    caller = view.labels("src_ip").where(~tunnel)
    texts = [
        view.labels("src_identity"), foreign, caller, view.labels("path"), view.labels("verdict"),
        view.labels("error_class"), view.labels("paired"), view.labels("unpaired_reason"), view.labels("dst_identity"),
    ]  # fmt: skip
    port = _ports(view, tunnel)
    named = view.known("src_pod").astype(np.int64)
    parts = [(ends.target, len(ends.all)), (ends.source, len(ends.all)), (port, _PORTS), (named, 2)]
    groups = group([*parts, *(text.part for text in texts)], len(view))
    count = len(groups)
    connections = tally(groups.codes, count)
    paired = tally(groups.codes, count, view.equals("paired", *BOTH_HALVES))
    began, ended = view.seen()
    firsts = extremes(began, groups.codes, count, "min")
    lasts = extremes(ended, groups.codes, count, "max")
    all_ends = [
        End(vertex.id, "/" in vertex.id and bool(vertex.facts.get("namespace")) and "address" not in vertex.kinds)
        for vertex in ends.all
    ]
    rows = zip(*(text.texts(groups.first) for text in texts), strict=True)
    for number, (row, said) in enumerate(zip(groups.first.tolist(), rows, strict=True)):
        identity, authority, address, path, verdict, error_class, pairing, reason, to_identity = said
        yield (
            Kind(
                all_ends[ends.target[row]],
                all_ends[ends.source[row]],
                identity,
                int(port[row]) if port[row] >= 0 else None,
                authority,
                address,
                path,
                verdict,
                error_class,
                pairing,
                reason,
                bool(named[row]),
                to_identity if path == FlowPath.WAYPOINT else None,
            ),
            Tally(
                int(connections[number]),
                int(paired[number]),
                int(connections[number]) if verdict == Verdict.FAILED else 0,
                firsts[number],
                lasts[number],
            ),
        )


def _ports(view: View, tunnel: BoolArray) -> Integers:
    """Port of the authority, or without a tunnel the one dialled; -1 where unknown."""
    authority, authority_known = view.numbers("hbone_port")
    dialled, dialled_known = view.numbers("dst_port")
    port = np.where(
        tunnel,
        np.where(authority_known, authority.astype(np.int64), -1),
        np.where(dialled_known, dialled.astype(np.int64), -1),
    )
    return port.astype(np.int64)
