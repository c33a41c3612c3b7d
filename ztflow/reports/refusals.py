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


PORT_NUMBERS = 65536


def wanted_port(view: View) -> Integers:
    """Port each connection was meant for; -1 where unknown."""
    hbone, hbone_known = view.numbers("hbone_port")
    dialled, dialled_known = view.numbers("dst_port")
    wanted = np.where(hbone_known, hbone.astype(np.int64), np.where(dialled_known, dialled.astype(np.int64), -1))
    return wanted.astype(np.int64)


def refusals(view: View, ends: Vertices, nodes: Vertices, rows: Integers) -> list[Refusal]:
    """Group some rows by reason, ends and port; most frequent first.

    Args:
        view: All flows.
        ends: Their ends at the level wanted.
        nodes: Their ends as nodes.
        rows: Numbers of the rows to group.
    """
    part = view.take(rows)
    count = len(ends.all)
    source, target, port = ends.source[rows], ends.target[rows], wanted_port(part)
    groups = group(
        [
            part.part("error_class"),
            part.part("policy"),
            (source, count),
            (target, count),
            (port, PORT_NUMBERS),
        ],
        len(part),
    )
    flows = tally(groups.codes, len(groups)).tolist()
    began, ended = part.seen()
    first = extremes(began, groups.codes, len(groups), "min")
    last = extremes(ended, groups.codes, len(groups), "max")
    last_rows = latest(ended, groups.codes, len(groups))
    texts = part.rows(last_rows, "error_class", "policy", "inbound_error", "outbound_error")
    identity, service = same(part, groups, "src_identity"), same(part, groups, "dst_service")
    source_nodes, target_nodes = (
        members(groups, codes[rows], len(nodes.all)) for codes in (nodes.source, nodes.target)
    )
    found = [
        Refusal(
            error_class,
            policy,
            ends.id(int(source[row])),
            ends.id(int(target[row])),
            int(port[row]) if port[row] >= 0 else None,
            service[number],
            identity[number],
            nodes.known(source_nodes[number]),
            nodes.known(target_nodes[number]),
            flows[number],
            first[number],
            last[number],
            inbound_error if inbound_error is not None else outbound_error,
        )
        for number, (row, (error_class, policy, inbound_error, outbound_error)) in enumerate(
            zip(last_rows.tolist(), texts, strict=True)
        )
    ]
    return sorted(
        found,
        key=lambda row: (
            -row.flows,
            row.policy or "",
            row.error_class or "",
            row.source,
            row.target,
            row.port or 0,
        ),
    )


def same(view: View, groups: Groups, name: str) -> list[str | None]:
    """The value of a text column in each group, where all rows that have one agree."""
    labels = view.labels(name)
    found = members(groups, labels.codes, len(labels.words))
    return [labels.words[codes[0]] if len(codes) == 1 else None for codes in found]


def latest(ended: Integers, codes: Integers, count: int) -> Integers:
    """The row of each group that ended last; of equal ones the last in order."""
    order = np.lexsort((np.arange(len(codes)), ended))
    rows = np.zeros(count, dtype=np.int64)
    rows[codes[order]] = order
    return rows
