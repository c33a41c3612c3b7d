"""Hypothesis strategies for flows tables, and hostile names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from ztflow.model.tables import FLOWS_SCHEMA, Flows

quick = settings(max_examples=40, deadline=None)
"""Tables are slow to make, and a busy machine must not fail a test."""

HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", "<!--", "--> x", "]]>", 'a"b', '"];', "a'b",
    "new\nline", "tab\tand\rreturn", "\x1b[31mred", "nul\x00", "\u202egnp.exe", "zero\u200bwidth", "\u2028", "\ufffe",
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "back\\slash\\", "\\u{1b}[31mred", "`tick`", "#quot;", "&quot;", "&#60;",
    "${x}", "|pipe|", "[a](javascript:alert(3))", "end", "subgraph", "(unknown)", "", " ", "한국어", "😀", "é", "a;b,c",
    "\x85next", "__proto__",
]  # fmt: skip
"""Whatever a log line can carry once its quotes are undone."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_NAMES = st.one_of(st.sampled_from(["web", "cart", "db", "web-6f4dc97cb-swdlb", "db-0"]), st.sampled_from(HOSTILE))
_NODES = st.sampled_from(["node-a", "node-b", "node-c"])
_IPS = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "93.184.216.34", "169.254.169.254", "not an address"])
_SIZES = st.one_of(st.integers(0, 10_000), st.sampled_from([2**62, 2**63 - 1]))


_TIMES = st.integers(0, 600_000_000).map(lambda micros: _EPOCH + timedelta(microseconds=micros))


def _one_of(*values):
    return st.sampled_from(values)


_COLUMNS = {
    "start": _TIMES, "end": _TIMES, "src_ip": _IPS, "src_port": st.integers(0, 65535), "src_name": _NAMES, "src_workload": _NAMES,
    "src_namespace": _one_of("shop", "data", *HOSTILE[:3]),
    "src_identity": _one_of("spiffe://cluster.local/ns/shop/sa/web", *HOSTILE[:2]),
    "src_cluster": _one_of("east", "west"), "dst_ip": _IPS, "dst_port": st.integers(0, 65535), "hbone_host": _IPS,
    "hbone_port": st.integers(0, 65535), "dst_service": _one_of("db.data.svc.cluster.local", *HOSTILE[:4]),
    "dst_name": _NAMES, "dst_workload": _NAMES, "dst_namespace": _one_of("shop", "data"),
    "dst_identity": _one_of("spiffe://cluster.local/ns/data/sa/db"), "dst_cluster": _one_of("east", "west"),
    "request_bytes": _SIZES, "response_bytes": _SIZES, "duration_ms": st.one_of(st.integers(0, 5000), st.just(2**62)),
    "path": _one_of("hbone", "plaintext", "waypoint", "double_hbone"),
    "verdict": _one_of("forwarded", "denied", "failed", "unknown"),
    "error_class": _one_of("policy_denied", "refused", "timeout", "of tomorrow"),
    "policy": _one_of("shop/only-web", *HOSTILE[:3]), "mtls": st.booleans(), "src_node": _NODES, "dst_node": _NODES,
    "src_zone": _one_of("z1", "z2"), "dst_zone": _one_of("z1", "z2"), "src_pod": _one_of("shop/web-6f4dc97cb-swdlb"),
    "dst_pod": _one_of("data/db-0"), "locality": _one_of("same_node", "cross_node", "unknown"),
    "zone_locality": _one_of("same_zone", "cross_zone", "unknown"),
    "paired": _one_of("exact", "unique", "ambiguous", "relaxed", "outbound_only", "inbound_only"),
    "unpaired_reason": _one_of("plaintext", "partner_missing", "of tomorrow"), "inbound_error": _one_of(*HOSTILE),
    "outbound_ztunnel": _one_of("ztunnel-a", "ztunnel-b", HOSTILE[0]),
    "inbound_ztunnel": _one_of("ztunnel-a", "ztunnel-b"), "outbound_file": _one_of("a.log", "b.log"),
    "outbound_line": st.integers(1, 9), "inbound_file": _one_of("a.log", "b.log"), "inbound_line": st.integers(1, 9),
    "next_hop_file": _one_of("a.log", "b.log"), "next_hop_line": st.integers(1, 9),
}  # fmt: skip


@st.composite
def flows(draw, max_rows: int = 12):
    """Flows with everything a column may hold, absent included: some distinct rows, repeated, in one or two chunks."""
    distinct = draw(st.lists(st.fixed_dictionaries({}, optional=_COLUMNS), max_size=4))
    if not distinct:
        return Flows()
    picked = draw(st.lists(st.sampled_from(distinct), max_size=max_rows))
    cut = draw(st.integers(0, len(picked)))
    tables = [pa.Table.from_pylist(part, schema=FLOWS_SCHEMA) for part in (picked[:cut], picked[cut:])]
    return Flows(pa.concat_tables(tables))
