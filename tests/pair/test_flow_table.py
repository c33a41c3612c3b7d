"""Halves into flows: each column by its rule in the field reference, one flow at a time, against the bulk way."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from halves_by_hand import connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.dictionaries import WordMemory
from ztflow.model.denials import policy_of
from ztflow.model.error_classes import verdict_of
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.pair.flow_table import PAIRED, Decisions, build_flows

MAYBE = {
    "src_workload": st.sampled_from([None, "web-0", "web-1"]),
    "src_namespace": st.sampled_from([None, "shop"]),
    "dst_workload": st.sampled_from([None, "db-0"]),
    "dst_namespace": st.sampled_from([None, "data", "shop"]),
    "dst_service": st.sampled_from([None, "db.data.svc.cluster.local"]),
    "dst_ip": st.sampled_from(["10.0.2.1", "10.0.7.7"]),
    "hbone_host": st.sampled_from([None, "10.0.2.1", "db.data.svc.cluster.local"]),
    "bytes_sent": st.sampled_from([None, 0, 17]),
    "bytes_recv": st.sampled_from([None, 0, 23]),
    "duration_ms": st.sampled_from([None, 5]),
    "message": st.sampled_from(["complete", "failed"]),
    "error": st.sampled_from([None, "http status: 401 Unauthorized", "policy rejection: explicitly denied by: a/no"]),
    "error_class": st.sampled_from([None, "policy_denied", "peer_denied", "refused"]),
    "ztunnel_node": st.sampled_from([None, "node-a", "node-b"]),
}
pairs = st.lists(
    st.tuples(
        st.sampled_from(["both", "outbound", "inbound"]), st.fixed_dictionaries(MAYBE), st.fixed_dictionaries(MAYBE)
    ),
    min_size=1,
    max_size=8,
)


def first(*values):
    return next((value for value in values if value is not None), None)


def pod(half, end):
    both = half.get(f"{end}_namespace"), half.get(f"{end}_workload")
    return None if None in both else "/".join(both)


def by_the_rules(out, inn):
    """A flow of an outbound and an inbound half, either of which may be missing."""
    out, inn = out or {}, inn or {}
    host = first(out.get("hbone_host"), inn.get("hbone_host"))
    tracked = "complete" in {out.get("message"), inn.get("message")}
    elsewhere = None not in {out.get("hbone_host"), out.get("dst_ip")} and out["hbone_host"] != out["dst_ip"]
    elsewhere = elsewhere and inn.get("message") != "failed"
    path = "waypoint" if elsewhere else "hbone"
    path = "plaintext" if host is None else "double_hbone" if not host[0].isdigit() else path
    return {
        "request_bytes": first(out.get("bytes_sent"), inn.get("bytes_recv")),
        "response_bytes": first(out.get("bytes_recv"), inn.get("bytes_sent")),
        "duration_ms": first(out.get("duration_ms"), inn.get("duration_ms")),
        "inbound_duration_ms": inn.get("duration_ms"),
        "src_name": first(out.get("src_workload"), inn.get("src_workload")),
        "dst_service": first(out.get("dst_service"), inn.get("dst_service")),
        "src_pod": pod(out, "src"),
        "dst_pod": pod(inn, "dst"),
        "src_node": out.get("ztunnel_node"),
        "dst_node": inn.get("ztunnel_node"),
        "path": path if tracked else None,
        "mtls": host is not None if tracked else None,
        "verdict": str(verdict_of(inn.get("error_class"), out.get("error_class"))),
        "error_class": first(inn.get("error_class"), out.get("error_class")),
        "dialled": ("service" if out.get("dst_service") else "address") if out and tracked else None,
        "policy": first(*(policy_of(side["error"]) for side in (inn, out) if side.get("error") is not None)),
        "outbound_error": out.get("error"),
        "inbound_line": inn.get("line_number"),
    }


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_bulk_gives_what_the_rules_give_one_by_one(drawn):
    rows, wanted, out_rows, in_rows = [], [], [], []
    for number, (sides, of_out, of_in) in enumerate(drawn):
        halves = connection(number, line=number + 1, out=of_out, inn=of_in)
        places = [len(rows), len(rows) + 1]
        rows += halves
        if sides != "both":
            missing = 1 if sides == "outbound" else 0
            halves[missing], places[missing] = None, -1
        out_rows.append(places[0])
        in_rows.append(places[1])
        wanted.append(by_the_rules(*halves))
    count = len(drawn)
    nothing = np.full(count, -1)
    decisions = Decisions(
        np.array(out_rows), np.array(in_rows), np.full(count, PAIRED.index("unique")), nothing, np.full(count, np.nan),
        nothing, nothing,
    )  # fmt: skip
    flows = build_flows(table(rows), decisions, WordMemory())
    assert flows.schema.equals(FLOWS_SCHEMA)
    made = flows.to_pylist()
    assert [{name: flow[name] for name in wanted[0]} for flow in made] == wanted
    for flow in made:
        assert (flow["alternatives"], flow["confidence"], flow["unpaired_reason"]) == (None, None, None)
        lasted = flow["duration_ms"]
        assert flow["start"] == (None if lasted is None else flow["end"] - timedelta(milliseconds=lasted))
