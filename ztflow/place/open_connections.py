"""Unpaired halves that a ztunnel's dump explains: the other side's connection was still open when it was taken."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import NONE, coded
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL, Index, Integers
from ztflow.columns.grouping import group
from ztflow.columns.timestamps import micros_of
from ztflow.model.vocabulary import Direction, Paired, Unpaired
from ztflow.place.inventory.facts import Inventory, OpenConnection, ServiceFact, canonical_ip
from ztflow.place.names import port_of
from ztflow.place.register import Register

_UNEXPLAINED = frozenset((Unpaired.PARTNER_MISSING, Unpaired.DESTINATION_NOT_CAPTURED, Unpaired.SOURCE_NOT_CAPTURED))
"""Reasons that leave room for this one; a null reason of an unpaired half does, too."""

_PORTS = 65_536
"""How many port numbers there are."""


class Key(NamedTuple):
    """What a missing half and an open connection share; an end is `namespace/name` where known, else its address."""

    missing: Direction
    source: str
    target: str
    port: int | None


def explain_open(flows: pa.Table, inventory: Inventory, register: Register) -> pa.Table:
    """Set `unpaired_reason` to `still_open` where a dump shows the missing side's connection open.

    Of several alike, none is explained unless there are as many open connections as halves: which of them is open
    cannot be told. Only halves that ended before the file was written can be: what was open then may have closed since.

    Args:
        flows: Columns `schema.FLOWS`.
        inventory: With `connections`, from a ztunnel's dump or `istioctl ztunnel-config connections`.
        register: Knows which pod has an address.
    """
    services = services_of(inventory)
    keys_now = (key_of(connection, register, services) for connection in inventory.connections)
    open_now = Counter(key for key in keys_now if key is not None)
    times = [connection.evidence.modified for connection in inventory.connections]
    written = min((time for time in times if time is not None), default=AFTER_ALL)
    reason = coded(flows, "unpaired_reason")
    paired = coded(flows, "paired")
    lone = paired.mask(Paired.OUTBOUND_ONLY) | paired.mask(Paired.INBOUND_ONLY)
    room = np.array([*(word in _UNEXPLAINED for word in reason.words), True], np.bool_)
    rows = np.flatnonzero(lone & room[reason.codes] & (micros_of(flows.column("end"), BEFORE_ALL) <= written))
    if not len(rows):
        return flows
    numbers, keys = missing_halves(flows, rows, register)
    counts = np.bincount(numbers, minlength=len(keys))
    asked = Counter[Key]()
    for key, count in zip(keys, counts.tolist(), strict=True):
        if key is not None:
            asked[key] += count
            asked[key._replace(port=None)] += count
    explained = np.array([key is not None and _enough(key, asked, open_now) for key in keys], np.bool_)
    chosen = rows[explained[numbers]]
    codes = reason.codes.copy()
    codes[chosen] = reason.size
    indices = pa.array(codes, mask=codes == NONE)
    column = pa.DictionaryArray.from_arrays(indices, pa.array([*reason.words, Unpaired.STILL_OPEN.value], pa.string()))
    field = flows.schema.field("unpaired_reason")
    return flows.set_column(flows.schema.get_field_index("unpaired_reason"), field, column)


def services_of(inventory: Inventory) -> dict[str, ServiceFact]:
    """Services by their addresses and host names."""
    return {name: service for service in inventory.services for name in (*service.vips, service.hostname) if name}


def missing_halves(flows: pa.Table, rows: Index, register: Register) -> tuple[Integers, list[Key | None]]:
    """Which connection each unpaired half lacks, once per distinct one."""
    names = ("src_ip", "dst_ip", "hbone_host", "src_pod", "dst_pod", "paired")
    parts = [coded(flows, name).take(rows) for name in names]
    ports = flows.column("hbone_port").combine_chunks().cast(pa.int32()).fill_null(NONE).to_numpy()
    groups = group([*(part.part for part in parts), (ports[rows], _PORTS)], len(rows))
    keys: list[Key | None] = []
    for src_ip, dst_ip, host, src_pod, dst_pod, seen, port in zip(
        *(part.texts(groups.first) for part in parts), ports[rows][groups.first].tolist(), strict=True
    ):
        target_ip = canonical_ip(host) or dst_ip
        if src_ip is None or target_ip is None or port == NONE:
            keys.append(None)
            continue
        missing = Direction.INBOUND if seen == Paired.OUTBOUND_ONLY else Direction.OUTBOUND
        source = src_pod or _owner(register, src_ip)
        target = (dst_pod if target_ip == dst_ip else None) or _owner(register, target_ip)
        keys.append(Key(missing, source, target, port))
    return groups.codes, keys


def _enough(key: Key, asked: Counter[Key], open_now: Counter[Key]) -> bool:
    """Whether every half that lacks such a partner can have one of the open connections."""
    if asked[key] <= open_now[key]:
        return True
    anyhow = key._replace(port=None)
    exact = sum(count for other, count in open_now.items() if other._replace(port=None) == anyhow)
    return bool(open_now[anyhow]) and asked[anyhow] <= exact


def key_of(connection: OpenConnection, register: Register, services: dict[str, ServiceFact]) -> Key | None:
    """What half an open connection may be the missing side of; port None where the dump does not tell it."""
    source, _ = _end(connection.src, register)
    target, port = _end(connection.actual_dst, register)
    if source is None or target is None:
        return None
    if connection.direction == Direction.INBOUND:
        return Key(Direction.INBOUND, source, target, port)
    # `actual_dst` is the tunnel's; the application's port is the one asked for, as its service maps it.
    asked = connection.original_dst or ""
    host, _, text = asked.rpartition(":")
    service = services.get(canonical_ip(host) or host)
    wanted = port_of(text)
    if service is None:
        return Key(Direction.OUTBOUND, source, target, wanted if _end(asked, register)[0] == target else None)
    if service.pods and target not in service.pods:
        return None
    targets = {pods for own, pods in service.ports if own == wanted}
    return Key(Direction.OUTBOUND, source, target, targets.pop() if len(targets) == 1 else None)


def _end(address: str, register: Register) -> tuple[str | None, int | None]:
    """The end at `ip:port` or at istioctl's `pod.namespace:port`."""
    ip, port = split(address)
    if ip is not None:
        return _owner(register, ip), port
    name, _, text = address.rpartition(":")
    pod, _, namespace = name.partition(".")
    known = bool(namespace) and (namespace, pod) in register.pods
    return (f"{namespace}/{pod}" if known else None), port_of(text)


def split(address: str) -> tuple[str | None, int | None]:
    """The parts of `ip:port`; None for what is none."""
    host, _, port = address.rpartition(":")
    return canonical_ip(host), port_of(port)


def _owner(register: Register, ip: str) -> str:
    """The pod that has an address, if that is one pod; else the address."""
    pods = {f"{pod.namespace}/{pod.name}" for pod in register.by_ip.get(ip, ()) if pod.namespace is not None}
    return pods.pop() if len(pods) == 1 else ip
