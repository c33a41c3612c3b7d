"""Flows of releases 1.18 to 1.21, which have no access log: their start and end messages share a trace id.

What such a flow knows: addresses, the client's identity, when it started and, on the client's side, how it ended. It
knows no bytes and no names. An inbound HBONE connection that ends well leaves no end line; the fast path (both pods on
one node) leaves no inbound line at all. Source: istio/ztunnel 1.18.0 … 1.21.0, see `ztflow.parse.trace_id_messages`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from ztflow.model.error_classes import verdict_of
from ztflow.model.provenance import Fact, time_from_micros
from ztflow.model.table import empty
from ztflow.model.tables import FLOWS_SCHEMA, Flows
from ztflow.model.vocabulary import Direction, FlowPath, NodeLocality, Paired, Unpaired, ZoneLocality
from ztflow.pair.reach import REACH

WAIT = timedelta(microseconds=REACH.trace_wait)
"""Log time to wait for the other messages of a connection when following."""
CONNECTIONS_KEPT = 200_000
"""Connections in progress kept at most; beyond it the oldest come out as they are."""

MESSAGE_KINDS = ("legacy_start", "legacy_end")

_AFTER_ALL_TIMES = datetime.max.replace(tzinfo=UTC)


class LegacyPairer:
    """Collects the facts of 1.18 to 1.21 by trace id and gives flows.

    Args:
        wait: After how much log a connection comes out as it is; None to wait for the end of the input.
    """

    def __init__(self, *, wait: timedelta | None = WAIT) -> None:
        self._wait = None if wait is None else wait // timedelta(microseconds=1)
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
        done: list[object] = []
        if self._wait is not None:
            old = self._newest - self._wait
            done = [key for key, parts in self._open.items() if max(part.time or 0 for part in parts) < old]
        done += [key for key in list(self._open)[: max(0, len(self._open) - CONNECTIONS_KEPT)] if key not in done]
        return _table([self._open.pop(key) for key in done])

    def so_far(self) -> pa.Table:
        """The flows of all connections so far, also incomplete ones."""
        return _table(list(self._open.values()))

    def finish(self) -> pa.Table:
        """The flows of everything that is still here."""
        flows, self._open = self.so_far(), {}
        return flows


def _table(connections: list[list[Fact]]) -> pa.Table:
    if not connections:
        return empty(Flows)
    rows = []
    for parts in connections:
        parts.sort(key=lambda part: part.time or 0)
        rows.append(_row(*([p for p in parts if p.values["direction"] == side] for side in Direction)))
    last = _AFTER_ALL_TIMES
    rows.sort(key=lambda row: (row["end"] or last, row["start"] or last, str(row["hbone_host"])))
    return pa.Table.from_pylist(rows, FLOWS_SCHEMA)


def _row(out: list[Fact], inn: list[Fact]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FLOWS_SCHEMA.names)
    said: dict[str, Any] = {}
    for part in (*out, *inn):
        said |= {key: value for key, value in part.values.items() if value is not None and key not in said}
    path = said.get("path")
    tunnelled = path in {FlowPath.HBONE, FlowPath.WAYPOINT}
    fast = path == Unpaired.FAST_PATH
    seen = Paired.EXACT if out and inn else Paired.OUTBOUND_ONLY if out else Paired.INBOUND_ONLY
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
        path=FlowPath.HBONE.value if fast else path,
        mtls=None if path is None or fast else tunnelled,
        paired=seen.value,
        alternatives=0 if out and inn else None,
        confidence=1.0 if out and inn else None,
        unpaired_reason=None if out and inn else _reason(path, outbound=bool(out)),
        locality=(NodeLocality.SAME_NODE if fast else NodeLocality.UNKNOWN).value,
        locality_evidence="fast path; fast path" if fast else None,
        zone_locality=ZoneLocality.UNKNOWN.value,
    )
    classes = [part.values.get("error_class") for part in (*inn, *out) if part.kind == "legacy_end"]
    row["verdict"] = verdict_of(*classes) if classes else verdict_of(ended=False)
    row["error_class"] = next((name for name in classes if name), None)
    for side, facts in ((Direction.OUTBOUND, out), (Direction.INBOUND, inn)):
        end = next((part for part in facts if part.kind == "legacy_end"), None)
        if end is not None:
            row[f"{side}_error"] = end.values.get("error")
            micros = end.values.get("duration_us")
            if micros is not None:
                row["duration_ms" if side is Direction.OUTBOUND else "inbound_duration_ms"] = micros // 1000
        if facts:
            row[f"{side}_ztunnel"] = facts[0].origin.pod
            row[f"{side}_file"], row[f"{side}_line"] = facts[0].source_file, facts[0].line_number
            row["src_node" if side is Direction.OUTBOUND else "dst_node"] = facts[0].origin.node
    return row


def _first(facts: list[Fact], kind: str) -> datetime | None:
    time = next((part.time for part in facts if part.kind == kind), None)
    return None if time is None else time_from_micros(time)


def _reason(path: str | None, *, outbound: bool) -> str:
    """Why the other side is not there."""
    if path in {Unpaired.PLAINTEXT, Unpaired.FAST_PATH}:
        return Unpaired(path)
    if path == FlowPath.WAYPOINT:
        return Unpaired.WAYPOINT_HOP
    return Unpaired.DESTINATION_NOT_CAPTURED if outbound else Unpaired.SOURCE_NOT_CAPTURED
