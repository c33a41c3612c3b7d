"""Flows made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.place.names import workload_of_pod

PLAIN = {"mtls": False, "path": "plaintext", "hbone_host": None, "hbone_port": None, "dst_identity": None}
"""What a flow of plaintext has in place of `flow`'s."""
END = datetime(2024, 6, 16, 12, 48, 51, 792527, tzinfo=UTC)


def flow(seconds: float = 0.0, **values: Any) -> dict[str, Any]:
    """One paired flow of a client in `shop` to a server in `data`; keywords replace or add columns."""
    row: dict[str, Any] = {
        "end": END + timedelta(seconds=seconds), "src_ip": "10.0.1.1", "src_port": 50000, "src_name": "web-0",
        "src_namespace": "shop", "src_identity": "spiffe://cluster.local/ns/shop/sa/web", "dst_ip": "10.0.2.1",
        "dst_port": 15008, "hbone_host": "10.0.2.1", "hbone_port": 5432,
        "dst_service": "db.data.svc.cluster.local", "dst_name": "db-6f4dc97cb-swdlb", "dst_namespace": "data",
        "request_bytes": 84, "response_bytes": 9832, "duration_ms": 203, "path": "hbone", "verdict": "forwarded",
        "mtls": True, "src_node": "node-a", "dst_node": "node-b", "locality": "cross_node", "paired": "unique",
        "alternatives": 0, "confidence": 0.9995, "outbound_file": "a.log", "outbound_line": 1, "inbound_file": "b.log",
        "inbound_line": 2,
    }  # fmt: skip
    row |= values
    for side in ("src", "dst"):
        end = row.get(f"{side}_pod") or row[f"{side}_name"]
        row.setdefault(f"{side}_workload", workload_of_pod(end, {})[0] if end else None)
    return row


def table(*rows: dict[str, Any]) -> pa.Table:
    """A flows table of these rows."""
    return pa.Table.from_pylist(list(rows), schema=FLOWS_SCHEMA)


def unencrypted(row: dict[str, Any]) -> str | None:
    """What a connection without the mesh's encryption was; None for one with it, or of which that is not known."""
    if row["mtls"] is not False:
        return None
    if row["verdict"] == "denied":
        return "plaintext_refused"
    nameless = row["dst_pod"] is None and row["dst_name"] is None
    return "left_mesh" if nameless and row["paired"] == "outbound_only" else "plaintext"
