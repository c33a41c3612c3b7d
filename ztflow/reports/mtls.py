"""mTLS coverage: how much of the traffic the mesh encrypted, what went in plaintext, and what plaintext was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import numpy as np

from ztflow.aggregate import Measures, Vertices, View, measure, vertices
from ztflow.aggregate.encryption import mtls_kinds
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import tally
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Paired
from ztflow.reports.model import Basis, Count, Portion, Report, share
from ztflow.reports.pairs import nodes_text
from ztflow.reports.refusals import PORT_NUMBERS, Refusal, Refusals, explained, wanted_port
from ztflow.reports.summary import counts_of, parts_of
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit

Side = Literal["to_outside", "from_outside", "between"]

SIDES: dict[Side, str] = {
    "to_outside": "the destination is not in the mesh, or not captured by it",
    "from_outside": "the client is not in the mesh, or its ztunnel's line is not here; the server accepts plaintext",
    "between": "both are in the mesh, and the server accepts plaintext; the client's ztunnel did not know yet that the "
    "server has joined",
}
"""Why a connection was in plaintext, as far as the side that logged it tells."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """mTLS of one pair of workloads.

    Attributes:
        source: Client.
        target: Server.
        measures: Sums; `mtls_unknown` among them.
        plaintext: Connections in plaintext that were let in.
        refused: Attempts in plaintext that were refused.
        left_mesh: Connections to an address no workload is known for.
        mtls_share: `mtls` of `mtls` and `plaintext`; None when there is neither.
    """

    source: str
    target: str
    measures: Measures
    plaintext: int
    refused: int
    left_mesh: int
    mtls_share: float | None


@dataclass(frozen=True, slots=True)
class Plaintext:
    """Connections the mesh did not encrypt.

    Attributes:
        source: Client.
        target: Server.
        port: Port dialled.
        side: Which side of the mesh's edge the other end is on.
        service: Service addressed, where the log names one.
        flows: Connections.
        bytes: Payload both ways.
        first_seen: First.
        last_seen: Last.
    """

    source: str
    target: str
    port: int | None
    side: Side
    service: str | None
    flows: int
    bytes: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True)
class Mtls(Report):
    """Whether it is really mTLS.

    Attributes:
        parts: Shares of the kinds in `encryption.ENCRYPTION`, and `unknown`.
        paths: Connections by path.
        pairs: Every pair of workloads, least covered first.
        plaintext: Every plaintext connection of the cluster, grouped; busiest first.
        refused: Attempts in plaintext that the server's ztunnel refused; most frequent first.
    """

    name: ClassVar[str] = "mtls"
    title: ClassVar[str] = "mTLS coverage"

    parts: Mapping[str, Portion]
    paths: tuple[Count, ...]
    pairs: tuple[Coverage, ...]
    plaintext: tuple[Plaintext, ...]
    refused: tuple[Refusal, ...]

    @property
    def findings(self) -> int:
        """Connections in plaintext that were let in; what was refused, or left the cluster, is none."""
        return self.parts["plaintext"].flows

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Shares, paths, plaintext connections, refused ones, coverage by pair."""
        limit = self.cap(limit)
        shares = [
            (name.replace("_", " "), p.flows, p.flows_share, p.bytes, p.bytes_share) for name, p in self.parts.items()
        ]
        plaintext = [
            (
                row.source,
                row.target,
                row.port,
                row.service,
                row.flows,
                row.bytes,
                row.side.replace("_", " "),
                row.last_seen,
            )
            for row in self.plaintext
        ]
        pairs = [
            (row.source, row.target, row.measures.flows, row.mtls_share, row.plaintext, row.refused, row.left_mesh,
             row.measures.mtls_unknown)
            for row in self.pairs
        ]  # fmt: skip
        refused = [
            (
                row.source,
                row.source_address,
                nodes_text(row.source_nodes),
                row.target,
                row.port,
                row.summary,
                row.policy,
                row.flows,
                row.last_seen,
            )
            for row in self.refused
        ]
        sides = dict.fromkeys(row.side for row in self.plaintext)
        legend = [f"{side.replace('_', ' ')}: {SIDES[side]}." for side in sides]
        return [
            titled("Encrypted by the mesh", _SHARES, shares),
            titled("By path", (("path", Unit.TEXT), ("conns", Unit.COUNT)), [(c.value, c.flows) for c in self.paths]),
            titled("In plaintext", _PLAINTEXT, plaintext, limit, legend),
            titled("Plaintext refused by the server", _REFUSED_COLUMNS, refused, limit, explained(self.refused)),
            titled("By pair of workloads", _PAIRS, pairs, limit),
        ]

    def notes(self) -> list[str]:
        """What plaintext means here."""
        notes = ["Plaintext is what the mesh did not encrypt; an application may still use TLS of its own inside."]
        if any(row.side == "from_outside" for row in self.plaintext):
            notes.append("A PeerAuthentication of mode STRICT makes a server refuse clients outside the mesh.")
        if self.refused:
            notes.append(
                "What a server refused in plaintext counts as neither plaintext nor coverage, nor as a finding."
            )
        if self.parts["left_mesh"].flows:
            notes.append("What left the mesh went to addresses no workload is known for: ztflow report egress.")
        return notes


_SHARES = (
    ("", Unit.TEXT), ("conns", Unit.COUNT), ("share", Unit.SHARE), ("bytes", Unit.BYTES), ("share", Unit.SHARE),
)  # fmt: skip
_PLAINTEXT = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER), ("service", Unit.TEXT),
    ("conns", Unit.COUNT), ("bytes", Unit.BYTES), ("side", Unit.TEXT), ("last", Unit.TIME),
)  # fmt: skip
_REFUSED_COLUMNS = (
    ("source", Unit.TEXT), ("address", Unit.TEXT), ("on", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER),
    ("what", Unit.TEXT), ("policy", Unit.TEXT), ("conns", Unit.COUNT), ("last", Unit.TIME),
)  # fmt: skip
_PAIRS = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("conns", Unit.COUNT), ("mTLS", Unit.SHARE),
    ("plaintext", Unit.COUNT), ("refused", Unit.COUNT), ("left mesh", Unit.COUNT), ("unknown", Unit.COUNT),
)  # fmt: skip


def mtls(flows: Flows) -> Mtls:
    """How much of the traffic the mesh encrypted.

    Args:
        flows: Connections.

    Cost: about 0.4 s for 1 M flows.
    """
    view = view_of(flows)
    ends, kinds = vertices(view, "workload"), mtls_kinds(view)
    return Mtls(
        basis=Basis.of(flows, view),
        parts=parts_of(view, kinds),
        paths=counts_of(view, "path"),
        pairs=_pairs(view, ends, kinds),
        plaintext=_plaintext(view, ends, kinds["plaintext"]),
        refused=tuple(Refusals(view, ends, vertices(view, "node"), np.flatnonzero(kinds["plaintext_refused"]))),
    )


def _pairs(view: View, ends: Vertices, kinds: Mapping[str, BoolArray]) -> tuple[Coverage, ...]:
    count = len(ends.all)
    groups = group([(ends.source, count), (ends.target, count)], len(view))
    found = []
    encrypted, plaintext, refused, left = (
        tally(groups.codes, len(groups), mask, view.weights).tolist() for mask in kinds.values()
    )
    for number, (row, sums) in enumerate(zip(groups.first.tolist(), measure(view, groups), strict=True)):
        covered = share(encrypted[number], encrypted[number] + plaintext[number])
        source, target = ends.id(int(ends.source[row])), ends.id(int(ends.target[row]))
        found.append(Coverage(source, target, sums, plaintext[number], refused[number], left[number], covered))

    def order(row: Coverage) -> tuple[float, int, str, str]:
        return (2.0 if row.mtls_share is None else row.mtls_share), -row.measures.flows, row.source, row.target

    return tuple(sorted(found, key=order))


def _plaintext(view: View, ends: Vertices, mask: BoolArray) -> tuple[Plaintext, ...]:
    part, source, target = view.where(mask), ends.source[mask], ends.target[mask]
    names: tuple[Side, ...] = ("to_outside", "from_outside", "between")
    inbound, outbound = (part.equals("paired", half) for half in (Paired.INBOUND_ONLY, Paired.OUTBOUND_ONLY))
    side: Integers = np.where(inbound, 1, np.where(outbound, 0, 2)).astype(np.int64)
    port = wanted_port(part)
    count = len(ends.all)
    groups = group(
        [(source, count), (target, count), (port, PORT_NUMBERS), (side, 3), part.part("dst_service")], len(part)
    )
    service = part.labels("dst_service")
    found = []
    for row, sums in zip(groups.first.tolist(), measure(part, groups), strict=True):
        code = int(service.codes[row])
        found.append(
            Plaintext(
                ends.id(int(source[row])),
                ends.id(int(target[row])),
                int(port[row]) if port[row] >= 0 else None,
                names[int(side[row])],
                service.words[code] if code >= 0 else None,
                sums.flows,
                sums.bytes,
                sums.first_seen,
                sums.last_seen,
            )
        )
    return tuple(sorted(found, key=lambda row: (-row.flows, -row.bytes, row.source, row.target, row.port or 0)))
