"""Connections that a ztunnel's dump shows open and of which the log has no line yet: flows with the verdict `open`.

An outbound entry of a dump is one connection, known by its client's address and port; when it ends, its line has both.
An inbound entry stands for all streams of one tunnel to one port, so it is a flow of its own only where no outbound
entry goes there: of streams whose client's ztunnel was not dumped it counts too few.

Source: istio/ztunnel `src/proxy/connection_manager.rs:249-268` at 1.31.0-rc.0, `src/state.rs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import coded
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL
from ztflow.columns.timestamps import micros_of
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.model.vocabulary import Direction, FlowPath, Unpaired, Verdict
from ztflow.place.inventory.facts import Inventory, OpenConnection, canonical_ip
from ztflow.place.names import port_of
from ztflow.place.open_connections import Key, key_of, missing_halves, services_of, split
from ztflow.place.register import Register

_NEAR = 3_600_000_000
"""Microseconds after the end of a log within which a dump still belongs to it: somebody looks into something."""

_TUNNEL_PORT = 15008
_PROTOCOL = {"HBONE": FlowPath.HBONE, "DOUBLEHBONE": FlowPath.DOUBLE_HBONE, "TCP": FlowPath.PLAINTEXT}


class OpenFlows:
    """Which connections of the dumps are left when all flows of a log are known.

    Args:
        inventory: With `connections`.
        register: Knows which pod has an address.

    Attributes:
        settled: Connections of the dumps that are in no flow of `table`: the other half of one, ended in the log, or of
            a dump that was not taken while the log was written.

    Cost: O(flows) numpy a portion of flows, Python once a connection of the dumps.
    """

    def __init__(self, inventory: Inventory, register: Register) -> None:
        self._register = register
        self._connections = inventory.connections
        self._services = services_of(inventory)
        self._sources = {split(one.src) for one in self._connections if one.direction == Direction.OUTBOUND}
        self._ended: dict[tuple[str | None, int | None], int] = {}
        self._explained = Counter[Key]()
        self._begin, self._end = AFTER_ALL, BEFORE_ALL
        self.settled = 0

    def note(self, flows: pa.Table) -> None:
        """Note what some placed flows say of the connections: they ended, or they are the other half of one."""
        if not flows.num_rows:
            return
        ends = micros_of(flows.column("end"), BEFORE_ALL)
        known = ends[ends != BEFORE_ALL]
        if len(known):
            self._begin, self._end = min(self._begin, int(known.min())), max(self._end, int(known.max()))
        ips = pa.array(sorted({ip for ip, _ in self._sources if ip is not None}), pa.string())
        rows = np.flatnonzero(pc.is_in(flows.column("src_ip").cast(pa.string()), value_set=ips).to_numpy())
        ports = flows.column("src_port").take(pa.array(rows)).to_pylist()
        for ip, port, end in zip(coded(flows, "src_ip").texts(rows), ports, ends[rows].tolist(), strict=True):
            if (ip, port) in self._sources:
                self._ended[ip, port] = max(end, self._ended.get((ip, port), BEFORE_ALL))
        explained = np.flatnonzero(coded(flows, "unpaired_reason").mask(Unpaired.STILL_OPEN))
        if len(explained):
            numbers, keys = missing_halves(flows, explained, self._register)
            counts = np.bincount(numbers, minlength=len(keys)).tolist()
            self._explained.update({key: count for key, count in zip(keys, counts, strict=True) if key is not None})

    def table(self) -> pa.Table:
        """The connections that are left, as flows, not placed."""
        rows = list(self._rows())
        self.settled = len(self._connections) - sum(row.pop("entries") for row in rows)
        return pa.Table.from_pylist(rows, FLOWS_SCHEMA)

    def _rows(self) -> Iterator[dict[str, Any]]:
        inbound: dict[Key | None, list[OpenConnection]] = {}
        outbound: list[tuple[Key | None, OpenConnection]] = []
        for connection in self._connections:
            if not self._is_of_the_log(connection):
                continue
            key = key_of(connection, self._register, self._services)
            if key is not None and self._explained[key] > 0:
                self._explained[key] -= 1
            elif connection.direction == Direction.OUTBOUND:
                if self._ended.get(split(connection.src), BEFORE_ALL) < self._taken(connection):
                    outbound.append((key, connection))
            else:
                inbound.setdefault(key and key._replace(missing=Direction.OUTBOUND), []).append(connection)
        for key, connection in outbound:
            seen = [other for other in inbound if other and key and _alike(key, other)]
            yield self._outbound(connection, key, 1 + sum(len(inbound.pop(other)) for other in seen))
        for key, several in inbound.items():
            for connection in several:
                yield self._inbound(connection, key)

    def _is_of_the_log(self, connection: OpenConnection) -> bool:
        """Whether its dump may be from the time of the log."""
        since, modified = _since(connection), connection.evidence.modified
        early = modified is not None and self._begin != AFTER_ALL and modified < self._begin
        late = since is not None and self._end != BEFORE_ALL and since > self._end + _NEAR
        return not (early or late)

    @staticmethod
    def _taken(connection: OpenConnection) -> int:
        """The earliest time its dump may be from: what ended before it was another connection with the same port."""
        since = _since(connection)
        return BEFORE_ALL + 1 if since is None else since

    def _outbound(self, one: OpenConnection, key: Key | None, entries: int) -> dict[str, Any]:
        ip, port = split(one.actual_dst)
        asked, _, asked_port = (one.original_dst or "").rpartition(":")
        asked_host = canonical_ip(asked.strip("[]")) or asked or None
        service = self._services.get(asked_host or "")
        path = self._path(one, ip, port)
        if path is FlowPath.HBONE and key is None and service is not None:
            path = FlowPath.WAYPOINT  # the tunnel ends at no pod of the service asked for
        row = self._row(one, path, entries) | {"dst_ip": ip, "dst_port": port}
        row |= _named("src", _pod(one))
        if service is not None:
            row["dst_service"] = service.hostname
        if path is FlowPath.PLAINTEXT or path is None:
            return row | _named("dst", key and key.target)
        if key is None:
            return row | {"hbone_host": asked_host, "hbone_port": port_of(asked_port)}
        return row | {"hbone_host": ip, "hbone_port": key.port} | _named("dst", key.target)

    def _inbound(self, one: OpenConnection, key: Key | None) -> dict[str, Any]:
        ip, port = split(one.actual_dst)
        path = _PROTOCOL.get(one.protocol or "")
        row = self._row(one, path, 1) | {"dst_ip": ip, "dst_port": port, "dst_service": one.original_dst}
        row |= _named("src", key and key.source) | _named("dst", _pod(one))
        if path is FlowPath.PLAINTEXT or path is None:
            return row
        return row | {"dst_port": _TUNNEL_PORT, "hbone_host": ip, "hbone_port": port}

    @staticmethod
    def _row(one: OpenConnection, path: FlowPath | None, entries: int) -> dict[str, Any]:
        ip, port = split(one.src)
        mtls = None if path is None else path is not FlowPath.PLAINTEXT
        return {
            "verdict": Verdict.OPEN.value, "path": path, "mtls": mtls, "src_ip": ip, "src_port": port,
            "entries": entries,
        }  # fmt: skip

    @staticmethod
    def _path(one: OpenConnection, ip: str | None, port: int | None) -> FlowPath | None:
        """How it travels; releases before 1.23 do not say, and the tunnel's port does."""
        told = _PROTOCOL.get(one.protocol or "")
        if told is None and ip is not None:
            return FlowPath.HBONE if port == _TUNNEL_PORT else FlowPath.PLAINTEXT
        return told


def _alike(key: Key, other: Key) -> bool:
    """Whether two connections go from one pod to the same port of one pod, as far as the ports are known."""
    return key._replace(port=other.port if key.port is None else key.port) == other


def _named(side: str, pod: str | None) -> dict[str, Any]:
    """The columns that name an end, where it is a pod."""
    namespace, slash, name = (pod or "").partition("/")
    if not slash:
        return {}
    return {f"{side}_pod": pod, f"{side}_name": name, f"{side}_namespace": namespace}


def _since(one: OpenConnection) -> int | None:
    """A time before which its dump cannot have been taken; the time of a file, which may be a copy, is none."""
    captured, modified = one.evidence.captured, one.evidence.modified
    return None if captured == modified else captured


def _pod(one: OpenConnection) -> str | None:
    return None if one.namespace is None else f"{one.namespace}/{one.pod}"
