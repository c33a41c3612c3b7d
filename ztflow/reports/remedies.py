"""What would keep cross-zone traffic in its zone: the real switches, and only where they can work.

Source: Kubernetes KEP-3015 (`PreferSameZone` and `PreferSameNode`, beta in 1.34, stable in 1.35; `PreferClose` is the
older name of the former) and istio.io, ambient/usage/traffic-distribution (ztunnel obeys `spec.trafficDistribution` and
the annotation `networking.istio.io/traffic-distribution`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.grouping import group
from ztflow.model.vocabulary import FlowPath, Paired, ZoneLocality

Kind = Literal[
    "prefer_zone", "spread", "waypoint_prefer_zone", "waypoint_spread", "from_waypoint", "direct", "client_unseen"
]

SHORT: dict[Kind, str] = {
    "prefer_zone": "PreferSameZone on the Service",
    "spread": "spread its pods over zones, then PreferSameZone",
    "waypoint_prefer_zone": "PreferSameZone on the waypoint's Service",
    "waypoint_spread": "a waypoint pod in each zone",
    "from_waypoint": "PreferSameZone on the Service behind the waypoint",
    "direct": "none for a Service: dialled by pod address",
    "client_unseen": "not told: the client's side was not logged",
}
"""A remedy in a few words."""

ADVICE: dict[Kind, str] = {
    "prefer_zone": (
        "set spec.trafficDistribution: PreferSameZone on the Service (PreferClose before Kubernetes 1.34), "
        "or annotate it networking.istio.io/traffic-distribution: PreferSameZone"
    ),
    "spread": (
        "no pod of it was seen in this zone: spread the pods with topologySpreadConstraints on "
        "topology.kubernetes.io/zone, then set spec.trafficDistribution: PreferSameZone"
    ),
    "waypoint_prefer_zone": (
        "the hop to the waypoint crosses although a waypoint pod is here: annotate the waypoint's Service "
        "networking.istio.io/traffic-distribution: PreferSameZone"
    ),
    "waypoint_spread": (
        "the hop to the waypoint crosses and no waypoint pod was seen in this zone: run one in each zone "
        "(topologySpreadConstraints on topology.kubernetes.io/zone)"
    ),
    "direct": (
        "the client dials pod addresses, not a service, so trafficDistribution cannot help: use a Service, "
        "or place client and server in one zone"
    ),
    "from_waypoint": (
        "the waypoint chooses the pod: set spec.trafficDistribution: PreferSameZone on the Service it serves, "
        "which waypoints obey since Istio 1.25, and spread that Service's pods over zones"
    ),
    "client_unseen": (
        "only the server's side was logged, which does not tell whether the client dialled a Service; for a gateway, "
        "PreferSameZone on the Service it routes to"
    ),
}
"""What to do, by kind of remedy."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Cross-zone traffic that could stay in its zone.

    Attributes:
        kind: Which switch helps.
        source: Client's workload.
        source_zone: Zone of the client.
        target: Service addressed; the server's workload where the log names no service, the waypoint on a waypoint hop.
        flows: Cross-zone connections.
        bytes: Their payload, where known.
        local_endpoints: Pods of the target's workload seen in the client's zone, as client or server of anything.
        advice: What to do.
    """

    kind: Kind
    source: str
    source_zone: str
    target: str
    flows: int
    bytes: int
    local_endpoints: int
    advice: str


def remedies(view: View, ends: Vertices, zones: Vertices) -> tuple[Remedy, ...]:
    """Remedies for all cross-zone traffic, most payload first.

    Args:
        view: Flows.
        ends: Their workloads.
        zones: Their zones.
    """
    crossing = view.equals("zone_locality", ZoneLocality.CROSS_ZONE)
    if not crossing.any():
        return ()
    here = _pods_by_zone(view, ends, zones)
    hop = view.equals("path", FlowPath.WAYPOINT)
    waypoints = set(ends.target[hop].tolist())
    unseen = view.equals("paired", Paired.INBOUND_ONLY)
    service = view.labels("dst_service")
    rows = crossing.nonzero()[0]
    part, count = view.take(rows), len(ends.all)
    groups = group(
        [
            (hop[rows].astype(np.int8), 2),
            (unseen[rows].astype(np.int8), 2),
            (service.codes[rows], len(service.words)),
            (ends.source[rows], count),
            (ends.target[rows], count),
            (zones.source[rows], len(zones.all)),
        ],
        len(part),
    )
    flows = tally(groups.codes, len(groups), weights=part.weights).tolist()
    request, response = (sums(part, f"{way}_bytes", groups.codes, len(groups)) for way in ("request", "response"))
    merged: dict[tuple[str, str, str, bool, bool], _Crossing] = {}
    for number, row in enumerate(rows[groups.first].tolist()):
        zone, workload = zones.id(int(zones.source[row])), int(ends.target[row])
        if zone == UNKNOWN:
            continue
        named = service.codes[row] >= 0 and not hop[row]
        target = service.words[service.codes[row]] if named else ends.id(workload)
        key = (ends.id(int(ends.source[row])), zone, target, bool(hop[row]), bool(unseen[row]))
        found = merged.setdefault(key, _Crossing(named, int(ends.source[row]) in waypoints))
        found.flows += flows[number]
        found.bytes += request[number] + response[number]
        found.pods |= here.get((workload, zone), set())
    made = []
    for (source, zone, target, is_hop, is_unseen), found in merged.items():
        kind = _kind(found, is_hop, is_unseen)
        made.append(Remedy(kind, source, zone, target, found.flows, found.bytes, len(found.pods), ADVICE[kind]))
    return tuple(sorted(made, key=lambda row: (-row.bytes, -row.flows, row.source, row.source_zone, row.target)))


@dataclass(slots=True)
class _Crossing:
    """Cross-zone connections of one source in one zone to one target, while they are being counted."""

    has_service: bool
    from_waypoint: bool
    flows: int = 0
    bytes: int = 0
    pods: set[int] = field(default_factory=set)


def _kind(crossing: _Crossing, is_hop: bool, is_unseen: bool) -> Kind:
    if is_hop:
        return "waypoint_prefer_zone" if crossing.pods else "waypoint_spread"
    if crossing.from_waypoint:
        return "from_waypoint"
    if crossing.has_service:
        return "prefer_zone" if crossing.pods else "spread"
    return "client_unseen" if is_unseen else "direct"


def _pods_by_zone(view: View, ends: Vertices, zones: Vertices) -> dict[tuple[int, str], set[int]]:
    """Pods of each workload seen in each zone, as client or as server of anything."""
    pods = vertices(view, "pod")
    found: dict[tuple[int, str], set[int]] = {}
    for workload, zone, pod in (
        (ends.source, zones.source, pods.source),
        (ends.target, zones.target, pods.target),
    ):
        seats = group([(workload, len(ends.all)), (zone, len(zones.all)), (pod, len(pods.all))], len(view)).first
        for row in seats.tolist():
            if zones.id(int(zone[row])) != UNKNOWN:
                found.setdefault((int(workload[row]), zones.id(int(zone[row]))), set()).add(int(pod[row]))
    return found
