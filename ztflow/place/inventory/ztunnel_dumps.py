"""Inventories from a ztunnel itself: its `/config_dump` and the JSON or YAML of `istioctl ztunnel-config`.

Shapes: `workloads` a list (1.23+) or a map by `NETWORK/IP` (1.22), maps `by_addr`/`by_uid` at top level before that;
istioctl prints one of the lists alone. Sources: ztunnel src/admin.rs, src/state.rs, src/state/workload.rs,
src/inpod/admin.rs; istio istioctl/pkg/writer/ztunnel/configdump/api.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from ztflow.model.vocabulary import Direction
from ztflow.place.inventory.facts import (
    Evidence,
    Inventory,
    NodeFact,
    OpenConnection,
    PodFact,
    ServiceFact,
    ZtunnelFact,
    canonical_ip,
    canonical_ips,
    evidence_of,
    micros,
)
from ztflow.place.inventory.kubernetes_objects import items, mapping, text
from ztflow.place.names import port_of
from ztflow.text.patterns import lazy_pattern

_KIND = "ztunnel dump"
_STORES = ("workloads", "by_addr", "byAddr", "by_uid", "byUid", "by_hostname", "byHostname", "addresses")
_ZTUNNEL_IN_NAME = lazy_pattern(r"(?:^|[^a-z0-9-])((?:[a-z0-9-]*-)?ztunnel(?:-[a-z0-9-]+)?-[a-z0-9]{5})(?![a-z0-9-])")
_TYPES = {
    "deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "job": "Job",
    "cronjob": "CronJob", "replicaset": "ReplicaSet", "pod": "Pod",
}  # fmt: skip


def is_dump(document: dict[str, Any]) -> bool:
    """Whether a decoded object is a ztunnel dump."""
    return any(isinstance(document.get(key), (dict, list)) for key in (*_STORES, "workloadState"))


def is_listing(document: list[Any]) -> bool:
    """Whether a decoded array is one of istioctl's lists: workloads, services, policies, certificates, connections."""
    first = mapping(document[0]) if document else {}
    keys = first.keys()
    return bool(
        keys & {"workloadIps", "workload_ips", "workloadIp", "workload_ip"}
        or {"uid", "name"} <= keys
        or {"vips", "hostname"} <= keys
        or {"scope", "action"} <= keys
        or keys & {"certChain", "cert_chain"}
        or {"info", "connections"} <= keys
    )


def _taken_at(document: dict[str, Any]) -> int | None:
    """When the newest certificate began to hold: a lower bound on when a dump was taken."""
    times = [
        micros(_get(certificate, "validFrom"))
        for entry in _values(document.get("certificates"))
        for certificate in _values(_get(entry, "certChain"))
    ]
    return max((time for time in times if time is not None), default=None)


def read_dump(document: dict[str, Any], file: str, modified: int | None, inventory: Inventory) -> None:
    """Add what a whole dump states: workloads, services, the dumping ztunnel's node, its pods, open connections."""
    evidence = evidence_of(file, _KIND, _taken_at(document), modified)
    seen: set[object] = set()
    for store in _STORES:
        for entry in _values(document.get(store)):
            workload = mapping(entry.get("Workload")) or entry
            if _is_workload(workload):
                names = (text(workload.get(key)) for key in ("namespace", "name", "node", "network"))
                addresses = canonical_ips(_get(workload, "workloadIps")), canonical_ip(_get(workload, "workloadIp"))
                identity = text(workload.get("uid")) or (*names, *addresses)
                if identity not in seen:
                    seen.add(identity)
                    _workload(workload, evidence, inventory)
            elif "vips" in entry:
                _service(entry, evidence, inventory)
    for entry in _values(document.get("services")):
        _service(entry, evidence, inventory)
    config = mapping(document.get("config"))
    node = inventory.node_of(text(config.get("localNode")) or text(config.get("local_node")), evidence.file)
    listed = document.get("workloadState") or document.get("workload_state")
    states = {uid: state for uid, state in mapping(listed).items() if isinstance(state, dict)}
    for state in states.values():
        _connections(state, node, evidence, inventory)
    if node is not None:
        local = {uid: pod for uid, state in states.items() if (pod := _pod_of(state)) is not None}
        named = _ZTUNNEL_IN_NAME.search(PurePath(file).name)
        inventory.ztunnels.append(ZtunnelFact(named[1] if named else None, node, evidence))
        inventory.pods.extend(
            PodFact(namespace, name, node=node, uid=uid, evidence=evidence) for uid, (namespace, name) in local.items()
        )


def read_listing(document: list[Any], file: str, modified: int | None, inventory: Inventory) -> None:
    """Add what one of istioctl's lists states."""
    evidence = Evidence(file, _KIND, modified, modified)
    for entry in _values(document):
        if "connections" in entry:
            _connections(entry, None, evidence, inventory)
        elif _is_workload(entry):
            _workload(entry, evidence, inventory)
        elif "vips" in entry:
            _service(entry, evidence, inventory)
        else:
            inventory.unused["policy or certificate"] += 1


def _values(store: object) -> Iterator[dict[str, Any]]:
    """The entries of a list or of a map."""
    for value in store.values() if isinstance(store, dict) else items(store):
        if isinstance(value, dict):
            yield value


def _is_workload(entry: dict[str, Any]) -> bool:
    return (
        bool(entry.keys() & {"workloadIps", "workload_ips", "workloadIp", "workload_ip"})
        or {
            "uid",
            "namespace",
            "node",
        }
        <= entry.keys()
    )


def _get(entry: dict[str, Any], camel: str) -> Any:
    """A value by its camelCase key, or by the snake_case one of the first releases."""
    if camel in entry:
        return entry[camel]
    return entry.get(re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", camel))


def _workload(entry: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    name = text(entry.get("name"))
    listed = _get(entry, "workloadIps")
    ips = canonical_ips(listed if isinstance(listed, list) else [_get(entry, "workloadIp")])
    node = inventory.node_of(text(entry.get("node")), evidence.file)
    locality = mapping(entry.get("locality"))
    zone, region = text(locality.get("zone")), text(locality.get("region"))
    if name is None:
        inventory.unused["workload without a name"] += 1
        return
    if not ips and node is None:
        inventory.unused["workload without address and node"] += 1
        return
    owner = text(_get(entry, "workloadName"))
    type_ = text(_get(entry, "workloadType"))
    mode = text(_get(entry, "networkMode"))
    cluster = text(_get(entry, "clusterId"))
    inventory.pods.append(
        PodFact(
            text(entry.get("namespace")),
            name,
            ips,
            node,
            host_network=None if mode is None else mode == "HostNetwork",
            owner_kind=_TYPES.get(type_.lower(), type_) if owner and type_ else None,
            owner=owner,
            service_account=text(_get(entry, "serviceAccount")),
            zone=zone,
            region=region,
            cluster=cluster,
            network=text(entry.get("network")),
            evidence=evidence,
            # A dump leaves the list out where it is empty.
            policies=tuple(key for key in items(_get(entry, "authorizationPolicies")) if isinstance(key, str)),
        )
    )
    if node is not None and zone is not None:
        inventory.nodes.append(NodeFact(node, (), zone, region, cluster, evidence))


def _service(entry: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    name = text(entry.get("name"))
    if name is None:
        inventory.unused["service without a name"] += 1
        return
    vips = canonical_ips([vip.rpartition("/")[2] for vip in items(entry.get("vips")) if isinstance(vip, str)])
    uids = [text(_get(endpoint, "workloadUid")) for endpoint in _values(entry.get("endpoints"))]
    pods = tuple(dict.fromkeys("/".join(uid.split("/")[-2:]) for uid in uids if uid and "/Pod/" in uid))
    hostname = text(entry.get("hostname"))
    maps = [entry.get("ports"), *(endpoint.get("port") for endpoint in _values(entry.get("endpoints")))]
    ports = {
        (own, target)
        for ports in map(mapping, maps)
        for own, target in ((port_of(one), port_of(other)) for one, other in ports.items())
        if own is not None and target
    }
    namespace = text(entry.get("namespace"))
    inventory.services.append(ServiceFact(namespace, name, hostname, vips, pods, tuple(sorted(ports)), evidence))


def _pod_of(state: dict[str, Any]) -> tuple[str, str] | None:
    info = mapping(state.get("info"))
    namespace, name = text(info.get("namespace")), text(info.get("name"))
    return None if namespace is None or name is None else (namespace, name)


def _connections(state: dict[str, Any], node: str | None, evidence: Evidence, inventory: Inventory) -> None:
    pod = _pod_of(state)
    if pod is None:
        inventory.unused["open connections of an unnamed pod"] += 1
        return
    connections = mapping(state.get("connections"))
    for direction in (Direction.INBOUND.value, Direction.OUTBOUND.value):
        for entry in _values(connections.get(direction)):
            src, actual = _socket(_get(entry, "src")), _socket(_get(entry, "actualDst"))
            if src is None or actual is None:
                inventory.unused["open connection without addresses"] += 1
                continue
            asked = text(_get(entry, "originalDst"))
            protocol = text(entry.get("protocol"))
            asked = _socket(asked) or asked
            inventory.connections.append(
                OpenConnection(pod[0], pod[1], direction, src, asked, actual, protocol, node, evidence)
            )


def _socket(address: object) -> str | None:
    """`ip:port` in the log's spelling, or None."""
    host, _, port = (address if isinstance(address, str) else "").rpartition(":")
    ip = canonical_ip(host.strip("[]"))
    if ip is None or port_of(port) is None:
        return None
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
