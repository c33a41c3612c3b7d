"""Kubernetes objects, as `kubectl get … -o json|yaml` prints them: pods, nodes, endpoint slices, services.

Sources: kubernetes api core/v1/types.go, core/v1/well_known_labels.go, discovery/v1/types.go. Objects come decoded;
whatever has an unexpected type is treated as absent, never raised. Cost: a few microseconds an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ztflow.place.inventory.facts import (
    AddressFact,
    Evidence,
    Inventory,
    NodeFact,
    PodFact,
    ServiceFact,
    canonical_ip,
    canonical_ips,
    canonical_ranges,
    evidence_of,
    micros,
    sorted_labels,
)
from ztflow.place.names import ZONE_LABELS, cron_job_of_job, deployment_of_replica_set


def text(value: object) -> str | None:
    """A non-empty string, or None."""
    return value if isinstance(value, str) and value else None


def mapping(value: object) -> dict[str, Any]:
    """A dictionary, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def taken_at(document: dict[str, Any]) -> int | None:
    """The latest time a Kubernetes object or list names: a lower bound on when it was taken."""
    latest = ""
    for _, item in _objects(document):
        meta, status = mapping(item.get("metadata")), mapping(item.get("status"))
        times = [meta.get("creationTimestamp"), status.get("startTime")]
        for condition in items(status.get("conditions")):
            times += [mapping(condition).get("lastTransitionTime"), mapping(condition).get("lastHeartbeatTime")]
        for container in items(status.get("containerStatuses")):
            for state in mapping(mapping(container).get("state")).values():
                times += [mapping(state).get("startedAt"), mapping(state).get("finishedAt")]
        # RFC 3339 times in UTC and of one width sort like the times they are.
        latest = max([latest, *(str(time) for time in times if time)])
    return micros(latest.replace(" ", "T"))


def read_object(document: dict[str, Any], file: str, modified: int | None, inventory: Inventory) -> bool:
    """Add what a Kubernetes object or list of objects states; False when it is no Kubernetes object.

    Understands `List`, `PodList` and their like, single objects, and watch events (`{"type": …, "object": …}`).
    Later objects of the same uid (`kubectl get -w -o json`) are kept beside earlier ones; `Topology` prefers them.
    """
    found = False
    evidence = evidence_of(file, "kubernetes object", taken_at(document), modified)
    for kind, item in _objects(document):
        found = True
        take = _READERS.get(kind)
        if take is None:
            inventory.unused[f"{kind} object"] += 1
        else:
            take(item, evidence, inventory)
    return found


def _objects(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = text(document.get("kind")) or _kind_of(document)
    if kind is None:
        watched = document.get("object")
        if isinstance(watched, dict) and "type" in document:
            yield from _objects(watched)
        return
    listed = document.get("items")
    if isinstance(listed, list) and kind.endswith("List"):
        for item in listed:
            if isinstance(item, dict):
                # Items of a PodList carry no kind of their own.
                item_kind = text(item.get("kind")) or kind.removesuffix("List")
                if item_kind:
                    yield item_kind, item
        if not listed:
            yield "empty List", {}
        return
    yield kind, document


def _kind_of(document: dict[str, Any]) -> str | None:
    """The kind of an object that lost it: the raw API's lists give it once, so `jq .items[]` leaves it behind."""
    meta, spec, status = (mapping(document.get(key)) for key in ("metadata", "spec", "status"))
    if "name" not in meta:
        return None
    if "nodeInfo" in status:
        return "Node"
    return "Pod" if "containers" in spec or "podIP" in status else None


def _pod(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    meta, spec, status = (mapping(item.get(key)) for key in ("metadata", "spec", "status"))
    name = text(meta.get("name"))
    if name is None:
        inventory.unused["pod without a name"] += 1
        return
    listed = [mapping(entry).get("ip") for entry in items(status.get("podIPs"))]
    ips = canonical_ips([status.get("podIP"), *listed])
    labels = mapping(meta.get("labels"))
    owner_kind, owner = _owner(meta, labels)
    host = spec.get("hostNetwork")
    # A pod says `hostNetwork` only when it is true.
    inventory.pods.append(
        PodFact(
            text(meta.get("namespace")),
            name,
            ips,
            inventory.node_of(text(spec.get("nodeName")), evidence.file),
            host_network=host is True,
            host_ip=canonical_ip(status.get("hostIP")),
            phase=text(status.get("phase")),
            owner_kind=owner_kind,
            owner=owner,
            service_account=text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")),
            zone=_label(labels, "zone"),
            region=_label(labels, "region"),
            start=micros(status.get("startTime")) or micros(meta.get("creationTimestamp")),
            end=_end(status, meta),
            uid=text(meta.get("uid")),
            evidence=evidence,
            # A whole object that lists none has none; what somebody cut out of one says nothing.
            labels=sorted_labels(labels) if labels or "uid" in meta else None,
        )
    )


def _owner(meta: dict[str, Any], labels: dict[str, Any]) -> tuple[str, str]:
    """(kind, name) of the workload a pod belongs to; the pod itself where nothing owns it."""
    owners = [mapping(reference) for reference in items(meta.get("ownerReferences"))]
    owners.sort(key=lambda reference: reference.get("controller") is not True)
    for reference in owners:
        kind, name = text(reference.get("kind")), text(reference.get("name"))
        if kind is None or name is None or kind == "Node":
            continue
        if kind == "ReplicaSet":
            return deployment_of_replica_set(name, text(labels.get("pod-template-hash")))
        if kind == "Job":
            return cron_job_of_job(name)
        return kind, name
    return "Pod", str(meta["name"])


def _end(status: dict[str, Any], meta: dict[str, Any]) -> int | None:
    """When a pod stopped: its last container's end, for a pod that is over."""
    if status.get("phase") not in {"Succeeded", "Failed"}:
        return None
    ends = [
        micros(mapping(mapping(mapping(container).get("state")).get("terminated")).get("finishedAt"))
        for container in items(status.get("containerStatuses"))
    ]
    known = [end for end in ends if end is not None]
    return max(known) if known else micros(meta.get("deletionTimestamp"))


def _label(labels: dict[str, Any], what: str) -> str | None:
    return next((found for key in ZONE_LABELS[what] if (found := text(labels.get(key)))), None)


def _node(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    meta, status = mapping(item.get("metadata")), mapping(item.get("status"))
    name = text(meta.get("name"))
    if name is None:
        inventory.unused["node without a name"] += 1
        return
    labels = mapping(meta.get("labels"))
    addresses = canonical_ips([mapping(address).get("address") for address in items(status.get("addresses"))])
    spec = mapping(item.get("spec"))
    ranges = canonical_ranges([spec.get("podCIDR"), *items(spec.get("podCIDRs"))])
    zone, region = _label(labels, "zone"), _label(labels, "region")
    inventory.nodes.append(NodeFact(name, addresses, zone, region, None, evidence, ranges))


def _cilium_node(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    """What Cilium gave a node: `spec.ipam.podCIDRs`, which may be other ranges than the node's own."""
    name = text(mapping(item.get("metadata")).get("name"))
    ranges = canonical_ranges(mapping(mapping(item.get("spec")).get("ipam")).get("podCIDRs"))
    if name is None or not ranges:
        inventory.unused["CiliumNode without ranges"] += 1
    else:
        inventory.nodes.append(NodeFact(name, evidence=evidence, pod_ranges=ranges))


def _endpoint_slice(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    """Endpoints with their node and zone; `hints.forZones` says which zones should use them, not where they are."""
    meta = mapping(item.get("metadata"))
    evidence = evidence._replace(kind="endpoint slice")
    pods = []
    for entry in items(item.get("endpoints")):
        endpoint = mapping(entry)
        ips = canonical_ips(endpoint.get("addresses"))
        older = mapping(endpoint.get("deprecatedTopology")) or mapping(endpoint.get("topology"))
        node = inventory.node_of(text(endpoint.get("nodeName")), evidence.file)
        node = node or text(older.get("kubernetes.io/hostname"))
        zone = text(endpoint.get("zone")) or _label(older, "zone")
        target = mapping(endpoint.get("targetRef"))
        name = text(target.get("name"))
        if node is not None and zone is not None:
            inventory.nodes.append(NodeFact(node, zone=zone, region=_label(older, "region"), evidence=evidence))
        if target.get("kind") == "Pod" and name is not None:
            namespace = text(target.get("namespace")) or text(meta.get("namespace"))
            inventory.pods.append(
                PodFact(namespace, name, ips, node, zone=zone, uid=text(target.get("uid")), evidence=evidence)
            )
            pods.append(f"{namespace}/{name}")
        elif ips and (node is not None or zone is not None):
            inventory.addresses.extend(AddressFact(ip, node, zone, evidence) for ip in ips)
        else:
            inventory.unused["endpoint without a node"] += 1
    service = text(mapping(meta.get("labels")).get("kubernetes.io/service-name"))
    if service is not None:
        fact = ServiceFact(text(meta.get("namespace")), service, pods=tuple(pods), evidence=evidence)
        inventory.services.append(fact)


def _endpoints(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    """The older `Endpoints` object: `subsets[].addresses[]` with `nodeName` and `targetRef`."""
    for subset in items(item.get("subsets")):
        entries = [mapping(entry) for entry in items(mapping(subset).get("addresses"))]
        endpoints = [{**entry, "addresses": [entry.get("ip")]} for entry in entries]
        slice_like = {"metadata": {"namespace": mapping(item.get("metadata")).get("namespace")}, "endpoints": endpoints}
        _endpoint_slice(slice_like, evidence, inventory)


def _service(item: dict[str, Any], evidence: Evidence, inventory: Inventory) -> None:
    meta, spec = mapping(item.get("metadata")), mapping(item.get("spec"))
    name = text(meta.get("name"))
    if name is None:
        inventory.unused["service without a name"] += 1
        return
    vips = canonical_ips([*items(spec.get("clusterIPs")), spec.get("clusterIP")])
    inventory.services.append(ServiceFact(text(meta.get("namespace")), name, vips=vips, evidence=evidence))


_READERS = {
    "Pod": _pod,
    "Node": _node,
    "CiliumNode": _cilium_node,
    "EndpointSlice": _endpoint_slice,
    "Endpoints": _endpoints,
    "Service": _service,
}

READ_KINDS = frozenset(_READERS)
"""Kinds of objects that state something of use."""
