"""What would keep cross-zone traffic in its zone: the real switches, and only where they can work.

Source: Kubernetes KEP-3015 (`PreferSameZone` and `PreferSameNode`, beta in 1.34, stable in 1.35; `PreferClose` is the
older name of the former) and istio.io, ambient/usage/traffic-distribution (ztunnel obeys `spec.trafficDistribution` and
the annotation `networking.istio.io/traffic-distribution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.measures import sums, tally
from ztflow.aggregate.view import group

Kind = Literal["prefer_zone", "spread", "waypoint_prefer_zone", "waypoint_spread", "direct"]

SHORT: dict[Kind, str] = {
    "prefer_zone": "PreferSameZone on the Service",
    "spread": "spread its pods over zones, then PreferSameZone",
    "waypoint_prefer_zone": "PreferSameZone on the waypoint's Service",
    "waypoint_spread": "a waypoint pod in each zone",
    "direct": "none for a Service: dialled by pod address",
}
"""The same in a few words."""

ADVICE: dict[Kind, str] = {
    "prefer_zone": (
        "set spec.trafficDistribution: PreferSameZone on the Service (PreferClose before Kubernetes 1.34), "
        "or annotate it networking.istio.io/traffic-distribution: PreferSameZone"
    ),
    "spread": (
        "no endpoint was seen in this zone: spread the pods with topologySpreadConstraints on "
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
        local_endpoints: Endpoints of the target seen in the client's zone, by anybody's connections.
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
    crossing = view.equals("zone_locality", "cross_zone")
    if not crossing.any():
        return ()
    hop = view.equals("path", "waypoint").astype("int64")
    service = view.labels("dst_service")
    count, zone_count = len(ends.all), len(zones.all)

    pods = vertices(view, "pod")
    seats = group(
        [(hop, 2), (service.codes, len(service.texts)), (ends.target, count), (zones.target, zone_count),
         (pods.target, len(pods.all))],
        len(view),
    ).first  # fmt: skip
    local: dict[tuple[bool, str, str], set[int]] = {}
    for row in seats.tolist():
        if zones.id(zones.target[row]) != UNKNOWN:
            is_hop, name, _ = _target(bool(hop[row]), service.codes[row], service.texts, ends, row)
            local.setdefault((is_hop, name, zones.id(zones.target[row])), set()).add(int(pods.target[row]))

    part = view.where(crossing)
    source, target, zone = ends.source[crossing], ends.target[crossing], zones.source[crossing]
    groups = group(
        [(hop[crossing], 2), (service.codes[crossing], len(service.texts)), (source, count), (target, count),
         (zone, zone_count)],
        len(part),
    )  # fmt: skip
    flows = tally(groups.codes, len(groups)).tolist()
    request, response = (sums(part, f"{way}_bytes", groups.codes, len(groups)) for way in ("request", "response"))
    rows = crossing.nonzero()[0][groups.first].tolist()
    merged: dict[tuple[Kind, str, str, str], tuple[int, int, int]] = {}
    for number, row in enumerate(rows):
        here = zones.id(zones.source[row])
        if here == UNKNOWN:
            continue
        is_hop, name, has_service = _target(bool(hop[row]), service.codes[row], service.texts, ends, row)
        seen = len(local.get((is_hop, name, here), ()))
        kind: Kind
        if is_hop:
            kind = "waypoint_prefer_zone" if seen else "waypoint_spread"
        elif not has_service:
            kind = "direct"
        else:
            kind = "prefer_zone" if seen else "spread"
        key = (kind, ends.id(ends.source[row]), here, name)
        before = merged.get(key, (0, 0, 0))
        moved = request[number] + response[number]
        merged[key] = (before[0] + flows[number], before[1] + moved, seen)
    found = [
        Remedy(kind, name, here, target_name, *numbers, advice=ADVICE[kind])
        for (kind, name, here, target_name), numbers in merged.items()
    ]
    return tuple(sorted(found, key=lambda row: (-row.bytes, -row.flows, row.source, row.source_zone, row.target)))


def _target(is_hop: bool, code: int, texts: list[str], ends: Vertices, row: int) -> tuple[bool, str, bool]:
    """What the client meant to reach: whether it is a waypoint hop, its name, whether a service is known."""
    if is_hop or code < 0:
        return is_hop, ends.id(int(ends.target[row])), False
    return False, texts[code], True
