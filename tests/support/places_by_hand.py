"""Pods, halves and flows made by hand, for placement."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ztflow.model.provenance import Fact, Origin
from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA
from ztflow.place import Evidence, Inventory, NodeFact, PodFact

SECOND = 1_000_000
T0 = 1_700_000_000 * SECOND


def at(seconds: float) -> int:
    """Microseconds of a moment `seconds` after the start of the story."""
    return T0 + round(seconds * SECOND)


def pod(name: str, node: str | None, *ips: str, **more: Any) -> PodFact:
    """A pod (`namespace/name`) of an inventory; `file` and `captured` (seconds) make its evidence."""
    namespace, _, short = name.rpartition("/")
    captured = more.pop("captured", None)
    evidence = Evidence(more.pop("file", "pods.txt"), "kubectl table", None if captured is None else at(captured))
    for moment in ("start", "end"):
        if more.get(moment) is not None:
            more[moment] = at(more[moment])
    return PodFact(namespace or None, short, ips, node, evidence=evidence, **more)


def node(name: str, *ips: str, zone: str | None = None, pods: tuple[str, ...] = ()) -> NodeFact:
    return NodeFact(name, ips, zone, evidence=Evidence("nodes.txt", "kubectl table"), pod_ranges=pods)


def inventory(*facts: PodFact | NodeFact) -> Inventory:
    return Inventory(
        pods=[fact for fact in facts if isinstance(fact, PodFact)],
        nodes=[fact for fact in facts if isinstance(fact, NodeFact)],
    )


def fact(kind: str, seconds: float | None, ztunnel: str | None, *, file: str = "log", **values: Any) -> Fact:
    return Fact(kind, None if seconds is None else at(seconds), Origin(pod=ztunnel), file, 1, values)


def _end(side: str, name: str | None, ip: str | None) -> dict[str, Any]:
    namespace, _, short = (name or "").rpartition("/")
    return {f"{side}_namespace": namespace or None, f"{side}_workload": short or None, f"{side}_ip": ip}


def seen(
    side: str, name: str | None, ip: str | None, ztunnel: str | None, *seconds: float, **more: Any
) -> list[dict[str, Any]]:
    """Halves in which a ztunnel wrote of a pod as its own: outbound ones of a source, inbound ones of a destination."""
    base = {"direction": "outbound" if side == "src" else "inbound", "ztunnel_pod": ztunnel, "message": "complete",
            "source_file": "log"} | _end(side, name, ip) | more  # fmt: skip
    return [base | {"time": at(moment)} for moment in seconds]


def halves(*groups: list[dict[str, Any]]) -> pa.Table:
    rows = [row for group in groups for row in group]
    return pa.Table.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in HALVES_SCHEMA], schema=HALVES_SCHEMA
    )


def flow(
    seconds: float | None,
    src: str | None = None,
    src_ip: str | None = None,
    dst: str | None = None,
    dst_ip: str | None = None,
    *,
    out: str | None = None,
    inn: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A flow; `out` and `inn` are the ztunnel pods that wrote its halves (`-` for one without a name)."""
    row: dict[str, Any] = {"end": None if seconds is None else at(seconds), "path": "hbone"}
    for side, name, ip in (("src", src, src_ip), ("dst", dst, dst_ip)):
        row |= _end(side, name, ip)
        row[f"{side}_name"] = row.pop(f"{side}_workload")
    for half, ztunnel in (("outbound", out), ("inbound", inn)):
        if ztunnel is not None:
            row |= {f"{half}_ztunnel": None if ztunnel == "-" else ztunnel, f"{half}_file": "log", f"{half}_line": 1}
    row["paired"] = "unique" if out and inn else "outbound_only" if out else "inbound_only"
    return row | more


def flows(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in FLOWS_SCHEMA], schema=FLOWS_SCHEMA
    )
