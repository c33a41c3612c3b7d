"""Halves made by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ztflow.model.tables import HALVES_SCHEMA

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def connection(
    end: float = 0.0,
    *,
    client: int = 1,
    server: int = 2,
    request: int = 100,
    response: int = 300,
    duration: int = 5,
    delay_us: int = 200,
    line: int = 1,
    out: dict[str, Any] | None = None,
    inn: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The two halves of one connection; `end` in seconds, on the inbound side; pods are on the node of their number."""
    shared = {
        "level": "info",
        "message": "complete",
        "src_ip": f"10.0.{client}.1",
        "src_workload": f"client-{client}",
        "src_namespace": "a",
        "src_identity": f"spiffe://cluster.local/ns/a/sa/client-{client}",
        "dst_ip": f"10.0.{server}.1",
        "dst_port": 15008,
        "hbone_host": f"10.0.{server}.1",
        "hbone_port": 8080,
        "dst_workload": f"server-{server}",
        "dst_namespace": "b",
    }
    time = START + round(end * SECOND)
    inbound = shared | {
        "direction": "inbound", "time": time, "bytes_sent": response, "bytes_recv": request, "duration_ms": duration,
        "src_port": 40000, "ztunnel_pod": f"ztunnel-{server}", "source_file": f"{server}.log", "line_number": line,
    } | (inn or {})  # fmt: skip
    outbound = shared | {
        "direction": "outbound", "time": time + delay_us, "bytes_sent": request, "bytes_recv": response,
        "duration_ms": duration + 1, "src_port": 50000, "ztunnel_pod": f"ztunnel-{client}",
        "source_file": f"{client}.log", "line_number": line,
    } | (out or {})  # fmt: skip
    return [outbound, inbound]


def refusal(
    end: float = 0.0,
    *,
    asked: str = "10.9.9.9",
    out: dict[str, Any] | None = None,
    inn: dict[str, Any] | None = None,
    **others: Any,
) -> list[dict[str, Any]]:
    """The two halves of one request for an address that is not there; the others as for `connection`."""
    answered, refused = connection(end, request=0, response=0, **({"duration": 0} | others))
    answered |= {
        "level": "error", "hbone_host": asked, "error": "http status: 400 Bad Request", "error_class": "peer_refused",
    } | (out or {})  # fmt: skip
    kept = "direction time src_ip src_port dst_ip dst_port ztunnel_pod source_file line_number"
    refused = {name: refused[name] for name in kept.split()} | {
        "level": "warn", "message": "failed", "error": f"ip mismatch: {refused['dst_ip']} != {asked}",
        "error_class": "bad_authority",
    } | (inn or {})  # fmt: skip
    return [answered, refused]


STRICT = "connection closed due to policy rejection: explicitly denied by: istio-system/istio_converted_static_strict"


def plaintext(
    end: float = 0.0,
    *,
    refused: bool = False,
    port: int = 8080,
    out: dict[str, Any] | None = None,
    inn: dict[str, Any] | None = None,
    **others: Any,
) -> list[dict[str, Any]]:
    """The two halves of one connection in plaintext between captured pods; the others as for `connection`.

    Of a refused one the server's side ends as it starts and counts nothing; the client's ends well, some time later.
    """
    client, server = connection(end, **others)
    plain = {"hbone_host": None, "hbone_port": None, "src_identity": None, "dst_port": port}
    if refused:
        began = client["time"] - 1000 * client["duration_ms"]
        server |= {"time": began + 300, "duration_ms": 0, "level": "error", "error": STRICT,
                   "error_class": "policy_denied"}  # fmt: skip
        server |= {"bytes_sent": 0, "bytes_recv": 0}
        client |= {"bytes_recv": 0}
    return [client | plain | (out or {}), server | plain | (inn or {})]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """A halves table of these rows."""
    return pa.Table.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in HALVES_SCHEMA], schema=HALVES_SCHEMA
    )
