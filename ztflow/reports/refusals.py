"""Connections that were denied or failed, grouped by cause, client and server; shared by three reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from ztflow.aggregate import Vertices, View
from ztflow.aggregate.measures import extremes, tally
from ztflow.columns.dictionaries import Coded
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import Groups, Members, group, ranks
from ztflow.model.denials import Denial, denial_of, strict_of
from ztflow.model.vocabulary import Paired, Unpaired
from ztflow.place.names import says_gateway
from ztflow.reports.lazy_rows import Rows

Caller = Literal["waypoint", "gateway", "no_own_line", "node", "outside_mesh"]

CALLERS: dict[Caller, str] = {
    "waypoint": "the client is a waypoint: its address and identity are judged here, its own client's at the waypoint",
    "gateway": "by its name the client is a gateway, and it writes no ztunnel line: its address and identity are "
    "judged, not those of whoever calls it",
    "no_own_line": "the client wrote no ztunnel line here: a gateway, which speaks HBONE itself, or the log of its "
    "node is missing",
    "node": "the client has an address of a node and no identity of the mesh: its API server, its kubelet, or another "
    "process of the node; one that ends in .0 is flannel's own, of the node whose pods have that range",
    "outside_mesh": "the client came without a tunnel, so without an identity of the mesh",
}
"""What a client may be besides a pod of the mesh."""
NODE_ADDRESS = "inventory node address"
"""How the evidence of an end reads that is a node's by an inventory."""
_CALLERS: tuple[Caller | None, ...] = (None, *CALLERS)


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
        source_address: Its address, likewise.
        caller: What the client is besides a pod of the mesh, likewise; see `CALLERS`.
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
    source_address: str | None
    caller: Caller | None
    source_nodes: tuple[str, ...]
    target_nodes: tuple[str, ...]
    flows: int
    first_seen: datetime | None
    last_seen: datetime | None
    error: str | None

    @property
    def meaning(self) -> Denial | None:
        """What it means; None for a class ztflow does not know."""
        return denial_of(self.error_class, self.error, self.policy)

    @property
    def summary(self) -> str | None:
        """What happened, in a few words."""
        return self.error_class if (meaning := self.meaning) is None else meaning.summary

    @property
    def why(self) -> str:
        """The policy that refused it, where it is one of the user's own; else what happened."""
        return why_of(self.error_class, self.policy, self.error)


@lru_cache(maxsize=1 << 12)
def why_of(error_class: str | None, policy: str | None, error: str | None) -> str:
    """`Refusal.why`."""
    own = policy if strict_of(policy) is None else None
    known = denial_of(error_class, error, policy)
    return own or (error_class if known is None else known.summary) or "reason unknown"


@dataclass(slots=True)
class Cause:
    """A `Refusal` that may still grow.

    Attributes:
        key: Error class, policy, source, target and port.
        services: Services addressed, two at most: it only matters whether there is one.
        identities: SPIFFE identities of the client, likewise.
        addresses: Addresses of the client, likewise.
        callers: What the client is, likewise; None is a pod of the mesh.
        ended: When the last one ended, microseconds.
    """

    key: tuple[str | None, str | None, str, str, int | None]
    services: set[str]
    identities: set[str]
    addresses: set[str]
    callers: set[Caller | None]
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
            (self.addresses, later.addresses, 2),
            (self.source_nodes, later.source_nodes, NODES_KEPT),
            (self.target_nodes, later.target_nodes, NODES_KEPT),
        ):
            mine.update(sorted(others - mine)[: max(0, most - len(mine))])
        self.callers |= later.callers
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
            _only(self.addresses),
            next(iter(self.callers)) if len(self.callers) == 1 else None,
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


class Brief(NamedTuple):
    """What a screen shows of a `Refusal`."""

    source: str
    target: str
    port: int | None
    why: str
    flows: int


_LOOKED_AT = (
    "error_class", "policy", "hbone_port", "dst_port", "start", "end", "inbound_error", "outbound_error",
    "src_identity", "dst_service", "src_ip", "paired", "mtls", "unpaired_reason", "src_name", "src_service_account",
    "locality_evidence", "src_pod",
)  # fmt: skip
"""Columns of `schema.FLOWS` a `Refusal` is made of."""


class Refusals(Rows[Refusal]):
    """Some rows by reason, ends and port, most frequent first. The arguments are those of `causes`.

    Memory: the columns of these rows.
    """

    def __init__(self, view: View, ends: Vertices, nodes: Vertices, rows: Integers) -> None:
        self._part = part = view.copy(rows, _LOOKED_AT)
        self._ends, self._nodes = (Vertices(one.source[rows], one.target[rows], one.all) for one in (ends, nodes))
        self._groups = groups = group_refused(part, self._ends.source, self._ends.target, len(ends.all))
        self._flows = tally(groups.codes, len(groups), weights=part.weights)
        first, names = groups.first, ranks([vertex.id for vertex in ends.all])
        keys = [wanted_port(part)[first].clip(0), names[self._ends.target[first]], names[self._ends.source[first]]]
        for column in ("error_class", "policy"):
            texts = ["" if text is None else text for text in part.labels(column).texts(first)]
            ranked = {text: rank for rank, text in enumerate(sorted(set(texts)))}
            keys.append(np.array([ranked[text] for text in texts], np.int64))
        self._order = np.lexsort((*keys, -self._flows))
        super().__init__(len(groups), self._made)

    def _made(self, places: range) -> Iterator[Refusal]:
        numbers = self._order[places]
        wanted = np.zeros(len(self), np.bool_)
        wanted[numbers] = True
        found = causes(self._part, self._ends, self._nodes, np.flatnonzero(wanted[self._groups.codes]))
        each = dict(zip(np.flatnonzero(wanted).tolist(), found, strict=True))  # both in order of appearance
        return (each[number].refusal() for number in numbers.tolist())

    def briefs(self) -> Iterator[Brief]:
        """All of them, in short. Cost: some 3 µs each."""
        part, ends, groups = self._part, self._ends, self._groups
        port = wanted_port(part)
        last = latest(part, groups.codes, len(groups))[self._order]
        texts = part.rows(last, "error_class", "policy", "inbound_error", "outbound_error")
        for row, flows, (error_class, policy, inbound, outbound) in zip(
            last.tolist(), self._flows[self._order].tolist(), texts, strict=True
        ):
            why = why_of(error_class, policy, inbound if inbound is not None else outbound)
            told = int(port[row]) if port[row] >= 0 else None
            yield Brief(ends.id(ends.source[row]), ends.id(ends.target[row]), told, why, flows)


def briefs(rows: Sequence[Refusal]) -> Iterator[Brief]:
    """Rows in short, of which none is made that need not be."""
    if isinstance(rows, Refusals):
        return rows.briefs()
    return (Brief(row.source, row.target, row.port, row.why, row.flows) for row in rows)


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
    flows = tally(groups.codes, len(groups), weights=part.weights).tolist()
    began, ended = part.seen()
    first = extremes(began, groups.codes, len(groups), "min")
    last = extremes(ended, groups.codes, len(groups), "max")
    last_rows = latest(part, groups.codes, len(groups))
    texts = part.rows(last_rows, "error_class", "policy", "inbound_error", "outbound_error")
    identities, services, addresses = (
        _values(part, groups, name) for name in ("src_identity", "dst_service", "src_ip")
    )
    callers = [{_CALLERS[code] for code in codes} for codes in Members(groups, _callers(part), len(_CALLERS))]
    source_nodes, target_nodes = (
        Members(groups, codes[rows], len(nodes.all)) for codes in (nodes.source, nodes.target)
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
            addresses[number],
            callers[number],
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


def _callers(part: View) -> Integers:
    """What each row's client is, as a place in `_CALLERS`."""
    alone, (mtls, told) = part.equals("paired", Paired.INBOUND_ONLY), part.numbers("mtls")
    plain = alone & told & ~mtls.astype(bool)
    tunnel = part.equals("unpaired_reason", Unpaired.SOURCE_NOT_CAPTURED) & part.known("src_identity") & ~plain
    named = _says_gateway(part.labels("src_name")) | _says_gateway(part.labels("src_service_account"))
    waypoint = part.equals("unpaired_reason", Unpaired.WAYPOINT_SOURCE)
    found = np.select([waypoint, tunnel & named, tunnel, plain & _of_node(part), plain], range(1, len(_CALLERS)), 0)
    return found.astype(np.int64)


def _of_node(part: View) -> BoolArray:
    """Rows whose client has no name, and by an inventory or by flannel's way of numbering an address of a node."""
    address, evidence = part.labels("src_ip"), part.labels("locality_evidence")
    last = np.array([*(word.endswith(".0") for word in address.words), False], np.bool_)
    told = np.array([*(word.startswith(NODE_ADDRESS) for word in evidence.words), False], np.bool_)
    named = part.known("src_pod") | part.known("src_name")
    result: BoolArray = (last[address.codes] | told[evidence.codes]) & ~named
    return result


def _says_gateway(labels: Coded) -> BoolArray:
    hits = np.array([*map(says_gateway, labels.words), False], np.bool_)
    result: BoolArray = hits[labels.codes]
    return result


def explained(rows: Sequence[Refusal]) -> list[str]:
    """What each kind of refusal among these means and what to try, each once; and what the clients are."""
    meanings = dict.fromkeys(meaning for row in rows if (meaning := row.meaning) is not None)
    callers = dict.fromkeys(row.caller for row in rows if row.caller is not None)
    said = [f"{one.summary}: {one.cause} {one.advice}" for one in meanings]
    return said + [f"{caller.replace('_', ' ')}: {CALLERS[caller]}." for caller in callers]


def same(view: View, groups: Groups, name: str) -> list[str | None]:
    """The value of a text column in each group, where all rows that have one agree."""
    return [_only(values) for values in _values(view, groups, name)]


def _values(view: View, groups: Groups, name: str) -> list[set[str]]:
    """Two values of a text column at most in each group."""
    labels = view.labels(name)
    found = Members(groups, labels.codes, len(labels.words))
    return [{labels.words[code] for code in codes[:2]} for codes in found]


def latest(view: View, codes: Integers, count: int) -> Integers:
    """The row of each group that ended last; of equal ones the last in order."""
    order = np.lexsort((view.order(), view.seen()[1]))
    rows = np.zeros(count, dtype=np.int64)
    rows[codes[order]] = order
    return rows
