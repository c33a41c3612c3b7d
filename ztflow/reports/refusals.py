"""Connections that were denied or failed, grouped by cause, client and server; shared by three reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ztflow.aggregate import Vertices, View
from ztflow.aggregate.measures import extremes, tally
from ztflow.columns.dtypes import Integers
from ztflow.columns.grouping import Groups, group, members
from ztflow.model.error_classes import CLASS_BY_NAME


@dataclass(frozen=True, slots=True)
class Refusal:
    """Connections of one source to one destination that ended for one reason.

    Attributes:
        error_class: Class of the error text; None where the log gives none.
        policy: `namespace/name` of the policy, where the log names it.
        source: Client.
        target: Server.
        port: Port the client wanted: that of the CONNECT authority, else the one dialled.
        service: Service addressed, where it is the same throughout.
        source_identity: SPIFFE identity of the client, where it is the same throughout.
        source_nodes: Known nodes of the client.
        target_nodes: Known nodes of the server.
        flows: Connections.
        first_seen: First.
        last_seen: Last.
        error: The error text of the last one, the server's where both sides have one.
    """

    error_class: str | None
    policy: str | None
    source: str
    target: str
    port: int | None
    service: str | None
    source_identity: str | None
    source_nodes: tuple[str, ...]
    target_nodes: tuple[str, ...]
    flows: int
    first_seen: datetime | None
    last_seen: datetime | None
    error: str | None

    @property
    def summary(self) -> str | None:
        """What happened, in a few words."""
        known = CLASS_BY_NAME.get(self.error_class or "")
        return known.summary if known else self.error_class


@dataclass(slots=True)
class Cause:
    """A `Refusal` that may still grow.

    Attributes:
        key: Error class, policy, source, target and port.
        services: Services addressed, two at most: it only matters whether there is one.
        identities: SPIFFE identities of the client, likewise.
        ended: When the last one ended, microseconds.
    """

    key: tuple[str | None, str | None, str, str, int | None]
    services: set[str]
    identities: set[str]
    source_nodes: set[str]
    target_nodes: set[str]
    flows: int
    first_seen: datetime | None
    last_seen: datetime | None
    ended: int
    error: str | None

    def add(self, later: Cause) -> None:
        """Take in what came later of the same cause."""
        self.flows += later.flows
        for mine, others, most in (
            (self.services, later.services, 2),
            (self.identities, later.identities, 2),
            (self.source_nodes, later.source_nodes, NODES_KEPT),
            (self.target_nodes, later.target_nodes, NODES_KEPT),
        ):
            mine.update(sorted(others - mine)[: max(0, most - len(mine))])
        firsts = [time for time in (self.first_seen, later.first_seen) if time is not None]
        lasts = [time for time in (self.last_seen, later.last_seen) if time is not None]
        self.first_seen, self.last_seen = min(firsts, default=None), max(lasts, default=None)
        if later.ended >= self.ended:
            self.ended, self.error = later.ended, later.error

    def refusal(self) -> Refusal:
        """The finished row."""
        error_class, policy, source, target, port = self.key
        return Refusal(
            error_class,
            policy,
            source,
            target,
            port,
            _only(self.services),
            _only(self.identities),
            tuple(sorted(self.source_nodes)),
            tuple(sorted(self.target_nodes)),
            self.flows,
            self.first_seen,
            self.last_seen,
            self.error,
        )


def _only(values: set[str]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None


PORT_NUMBERS = 65536
NODES_KEPT = 100
"""Nodes by name of one end of one row, where rows grow without end."""


def wanted_port(view: View) -> Integers:
    """Port each connection was meant for; -1 where unknown."""
    hbone, hbone_known = view.numbers("hbone_port")
    dialled, dialled_known = view.numbers("dst_port")
    wanted = np.where(hbone_known, hbone.astype(np.int64), np.where(dialled_known, dialled.astype(np.int64), -1))
    return wanted.astype(np.int64)


def refusals(view: View, ends: Vertices, nodes: Vertices, rows: Integers) -> list[Refusal]:
    """Group some rows by reason, ends and port; most frequent first. The arguments are those of `causes`."""
    return sorted((cause.refusal() for cause in causes(view, ends, nodes, rows)), key=most_frequent)


def most_frequent(row: Refusal) -> tuple[int, str, str, str, str, int]:
    """Sort key: most connections first, then by reason and name."""
    return -row.flows, row.policy or "", row.error_class or "", row.source, row.target, row.port or 0


def group_refused(part: View, source: Integers, target: Integers, count: int) -> Groups:
    """Rows by what makes a `Cause.key`.

    Args:
        part: The rows.
        source: Vertex of each row's client.
        target: Vertex of each row's server.
        count: Vertices.
    """
    parts = [part.part("error_class"), part.part("policy"), (source, count), (target, count)]
    return group([*parts, (wanted_port(part), PORT_NUMBERS)], len(part))


def causes(view: View, ends: Vertices, nodes: Vertices, rows: Integers) -> list[Cause]:
    """Group some rows by reason, ends and port.

    Args:
        view: All flows.
        ends: Their ends at the level wanted.
        nodes: Their ends as nodes.
        rows: Numbers of the rows to group.
    """
    part = view.take(rows)
    source, target, port = ends.source[rows], ends.target[rows], wanted_port(part)
    groups = group_refused(part, source, target, len(ends.all))
    flows = tally(groups.codes, len(groups)).tolist()
    began, ended = part.seen()
    first = extremes(began, groups.codes, len(groups), "min")
    last = extremes(ended, groups.codes, len(groups), "max")
    last_rows = latest(ended, groups.codes, len(groups))
    texts = part.rows(last_rows, "error_class", "policy", "inbound_error", "outbound_error")
    identities, services = _values(part, groups, "src_identity"), _values(part, groups, "dst_service")
    source_nodes, target_nodes = (
        members(groups, codes[rows], len(nodes.all)) for codes in (nodes.source, nodes.target)
    )
    return [
        Cause(
            (
                error_class,
                policy,
                ends.id(int(source[row])),
                ends.id(int(target[row])),
                int(port[row]) if port[row] >= 0 else None,
            ),
            services[number],
            identities[number],
            set(nodes.known(source_nodes[number])),
            set(nodes.known(target_nodes[number])),
            flows[number],
            first[number],
            last[number],
            int(ended[row]),
            inbound_error if inbound_error is not None else outbound_error,
        )
        for number, (row, (error_class, policy, inbound_error, outbound_error)) in enumerate(
            zip(last_rows.tolist(), texts, strict=True)
        )
    ]


def same(view: View, groups: Groups, name: str) -> list[str | None]:
    """The value of a text column in each group, where all rows that have one agree."""
    return [_only(values) for values in _values(view, groups, name)]


def _values(view: View, groups: Groups, name: str) -> list[set[str]]:
    """Two values of a text column at most in each group."""
    labels = view.labels(name)
    found = members(groups, labels.codes, len(labels.words))
    return [{labels.words[code] for code in codes[:2]} for codes in found]


def latest(ended: Integers, codes: Integers, count: int) -> Integers:
    """The row of each group that ended last; of equal ones the last in order."""
    order = np.lexsort((np.arange(len(codes)), ended))
    rows = np.zeros(count, dtype=np.int64)
    rows[codes[order]] = order
    return rows
