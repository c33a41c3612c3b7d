"""What ztunnel's own lines say of dry-run policies, by client and server.

ztunnel writes a line for every dry-run policy that matches a connection (`dry-run: deny policy match`), and one where
there are dry-run ALLOW policies and none matches (`dry-run: no allow policies match`, without a name). Such a line
names the server's pod and the peer of the tunnel, which is `src.addr` of the inbound access lines of that tunnel; a
connection without a tunnel has no peer in it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow.compute as pc

from ztflow.columns.dictionaries import combinations
from ztflow.errors import UsageError
from ztflow.model.vocabulary import Direction
from ztflow.policy.releases import Release
from ztflow.read import ReadBatch

Tunnel: TypeAlias = tuple[str, str | None, int | None]
"""The server's pod (`namespace/name`), and address and port of the peer; None without a tunnel."""

REFUSING = ("deny", "no_match")
"""Decisions of dry-run lines that would refuse the connection."""

_RECENT = 4096
"""Connections remembered, so that several lines of one are counted once. Its lines are written within microseconds."""


@dataclass(frozen=True, slots=True)
class DryRefusals:
    """Connections of one client to one pod that dry-run policies would refuse, by the log.

    Attributes:
        client: Pod of the client (`namespace/name`); None where no line names it.
        tunnel: Whether they came in a tunnel.
        server: Pod of the server.
        flows: Connections.
        policies: Keys of the DENY policies named, with the lines of each; the key None is that no ALLOW matched.
    """

    client: str | None
    tunnel: bool
    server: str
    flows: int
    policies: tuple[tuple[str | None, int], ...]


class PolicyLines:
    """Collects the lines of policies from what is read, and the tunnels they are about.

    Memory: a few hundred bytes a tunnel.

    Attributes:
        dry_run: Dry-run lines.
        releases: Releases of the ztunnels that say theirs.
    """

    def __init__(self) -> None:
        self.dry_run = 0
        self.releases: set[Release] = set()
        self._refused: Counter[Tunnel] = Counter()
        self._named: Counter[tuple[Tunnel, str | None]] = Counter()
        self._clients: dict[Tunnel, str] = {}
        self._recent: OrderedDict[tuple[str, str], None] = OrderedDict()

    def learn(self, batch: ReadBatch) -> None:
        """Take in a batch. Cost: Python per policy line and per tunnel of the batch."""
        for fact in batch.facts:
            values = fact.values
            if fact.kind == "version":
                self._release(values.get("version") or values.get("git_tag") or "")
            if fact.kind != "policy" or not values["dry_run"] or values["pod"] is None:
                continue
            self.dry_run += 1
            if values["decision"] not in REFUSING:
                continue
            tunnel = values["pod"], values["peer_ip"], values["peer_port"]
            self._named[tunnel, values["policy"]] += 1
            if self._first_line_of(values["pod"], values["trace_id"]):
                self._refused[tunnel] += 1
        self._learn_tunnels(batch)

    def _release(self, text: str) -> None:
        with suppress(UsageError):  # a build of one's own may call itself anything
            self.releases.add(Release.parse(text))

    def _first_line_of(self, pod: str, connection: str | None) -> bool:
        if connection is None:
            return True
        key = pod, connection
        known = key in self._recent
        self._recent[key] = None
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return not known

    def _learn_tunnels(self, batch: ReadBatch) -> None:
        table = batch.halves.to_arrow()
        is_inbound = pc.equal(table["direction"].cast("string"), Direction.INBOUND.value)
        inbound = pc.and_(is_inbound, table["hbone_port"].is_valid())
        names = ("dst_namespace", "dst_workload", "src_ip", "src_port", "src_namespace", "src_workload")
        chosen = table.select(names).filter(inbound)
        if not chosen.num_rows:
            return
        distinct, _ = combinations(chosen.columns)
        for namespace, pod, ip, port, client_namespace, client in distinct:
            if None not in {namespace, pod, client_namespace, client}:
                self._clients[f"{namespace}/{pod}", ip, port] = f"{client_namespace}/{client}"

    def refusals(self) -> list[DryRefusals]:
        """What dry-run policies would have refused, by client and server."""
        flows: Counter[tuple[str | None, bool, str]] = Counter()
        named: dict[tuple[str | None, bool, str], Counter[str | None]] = {}
        for tunnel, count in self._refused.items():
            flows[self._pair(tunnel)] += count
        for (tunnel, policy), count in self._named.items():
            named.setdefault(self._pair(tunnel), Counter())[policy] += count
        return [
            DryRefusals(*pair, count, tuple(sorted(named[pair].items(), key=lambda one: (-one[1], one[0] or ""))))
            for pair, count in flows.items()
        ]

    def _pair(self, tunnel: Tunnel) -> tuple[str | None, bool, str]:
        return self._clients.get(tunnel), tunnel[1] is not None, tunnel[0]
