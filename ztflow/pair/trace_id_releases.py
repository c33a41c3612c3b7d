"""Flows of releases 1.18 to 1.21, which have no access log: their start and end messages share a trace id.

What such a flow knows: addresses, the client's identity, when it started and, on the client's side, how it ended. It
knows no bytes and no names. An inbound HBONE connection that ends well leaves no end line; the fast path (both pods on
one node) leaves no inbound line at all. Source: istio/ztunnel 1.18.0 … 1.21.0, see `ztflow.parse.trace_id_messages`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ztflow.model.error_classes import verdict_of
from ztflow.model.provenance import Fact, time_from_micros
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.pair.reach import REACH
from ztflow.pair.stages.unpaired_reasons import Unpaired

CONNECTIONS_KEPT = 200_000
"""Connections in progress kept at most; beyond it the oldest come out as they are."""

MESSAGE_KINDS = ("legacy_start", "legacy_end")

_AFTER_ALL_TIMES = datetime.max.replace(tzinfo=UTC)


class LegacyPairer:
    """Collects the facts of 1.18 to 1.21 by trace id and gives flows."""

    def __init__(self) -> None:
        self._open: dict[object, list[Fact]] = {}
        self._newest = 0

    def push(self, facts: Iterable[Fact]) -> pa.Table:
        """Take in facts of any kind; the flows of connections that are complete or waited long enough."""
        for fact in facts:
            if fact.kind in MESSAGE_KINDS:
                self._newest = max(self._newest, fact.time or 0)
                trace = fact.values.get("trace_id")
                # Plaintext inbound messages carry no id, but name both ends of the socket.
                key = trace or ("plaintext", fact.origin, fact.values.get("src_ip"), fact.values.get("src_port"))
                self._open.setdefault(key, []).append(fact)
        old = self._newest - REACH.trace_wait
        done = [key for key, parts in self._open.items() if max(part.time or 0 for part in parts) < old]
        done += [key for key in list(self._open)[: max(0, len(self._open) - CONNECTIONS_KEPT)] if key not in done]
        return _table([self._open.pop(key) for key in done])

    def finish(self) -> pa.Table:
        """The flows of everything that is still here."""
        parts, self._open = list(self._open.values()), {}
        return _table(parts)


def _table(connections: list[list[Fact]]) -> pa.Table:
    if not connections:
        return FLOWS_SCHEMA.empty_table()
    rows = []
    for parts in connections:
        parts.sort(key=lambda part: part.time or 0)
        rows.append(_row(*([p for p in parts if p.values["direction"] == side] for side in ("outbound", "inbound"))))
    rows.sort(
        key=lambda row: (row["end"] or _AFTER_ALL_TIMES, row["start"] or _AFTER_ALL_TIMES, str(row["hbone_host"]))
    )
    return pa.Table.from_pylist(rows, FLOWS_SCHEMA)


def _row(out: list[Fact], inn: list[Fact]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FLOWS_SCHEMA.names)
    said: dict[str, Any] = {}
    for part in (*out, *inn):
        said |= {key: value for key, value in part.values.items() if value is not None and key not in said}
    path = said.get("path")
    tunnelled = path in {"hbone", "waypoint"}
    row.update(
        start=_first(out or inn, "legacy_start"),
        end=_first(out, "legacy_end") or _first(inn, "legacy_end"),
        src_ip=said.get("src_ip"),
        src_port=said.get("src_port"),
        src_identity=said.get("src_identity"),
        dst_ip=said.get("via_ip", said.get("dst_ip")),
        dst_port=said.get("via_port", said.get("dst_port")),
        hbone_host=said.get("dst_ip") if tunnelled else None,
        hbone_port=said.get("dst_port") if tunnelled else None,
        path="hbone" if path == "fast_path" else path,
        mtls=None if path in {None, "fast_path"} else tunnelled,
        paired="exact" if out and inn else "outbound_only" if out else "inbound_only",
        alternatives=0 if out and inn else None,
        confidence=1.0 if out and inn else None,
        unpaired_reason=None if out and inn else _reason(path, outbound=bool(out)),
        locality="same_node" if path == "fast_path" else "unknown",
        locality_evidence="fast path; fast path" if path == "fast_path" else None,
        zone_locality="unknown",
    )
    classes = [part.values.get("error_class") for part in (*inn, *out) if part.kind == "legacy_end"]
    row["verdict"] = verdict_of(*classes) if classes else verdict_of(ended=False)
    row["error_class"] = next((name for name in classes if name), None)
    for side, facts in (("outbound", out), ("inbound", inn)):
        end = next((part for part in facts if part.kind == "legacy_end"), None)
        if end is not None:
            row[f"{side}_error"] = end.values.get("error")
            micros = end.values.get("duration_us")
            if micros is not None:
                row["duration_ms" if side == "outbound" else "inbound_duration_ms"] = micros // 1000
        if facts:
            row[f"{side}_ztunnel"] = facts[0].origin.pod
            row[f"{side}_file"], row[f"{side}_line"] = facts[0].source_file, facts[0].line_number
            row["src_node" if side == "outbound" else "dst_node"] = facts[0].origin.node
    return row


def _first(facts: list[Fact], kind: str) -> datetime | None:
    time = next((part.time for part in facts if part.kind == kind), None)
    return None if time is None else time_from_micros(time)


def _reason(path: str | None, *, outbound: bool) -> str:
    """Why the other side is not there."""
    if path in {"plaintext", "fast_path"}:
        return Unpaired(path)
    if path == "waypoint":
        return Unpaired.WAYPOINT_HOP
    return Unpaired.DESTINATION_NOT_CAPTURED if outbound else Unpaired.SOURCE_NOT_CAPTURED
