"""Denied: which policy or peer refused whom, and with which words."""

from __future__ import annotations

from flows_by_hand import PLAIN, flow, table

from ztflow.model.tables import Flows
from ztflow.reports import denied, render


def test_denials_name_policy_ends_identity_and_last_text():
    explicit = {
        "verdict": "denied", "error_class": "policy_denied", "policy": "data/no-web",
        "inbound_error": "connection closed due to policy rejection: explicitly denied by: data/no-web",
        "outbound_error": "http status: 401 Unauthorized",
    }  # fmt: skip
    some = Flows(
        table(
            flow(0, **explicit),
            flow(5, **explicit, src_node="node-c"),
            flow(3, verdict="denied", error_class="peer_denied", outbound_error="http status: 401 Unauthorized"),
            flow(verdict="failed", error_class="refused"),
        )
    )
    report = denied(some)
    assert report.findings == 3
    assert [(row.policy, row.error_class, row.flows, row.sources) for row in report.policies] == [
        ("data/no-web", "policy_denied", 2, 1), (None, "peer_denied", 1, 1),
    ]  # fmt: skip
    first = report.rows[0]
    assert (first.source, first.target, first.port, first.flows) == ("shop/web", "data/db", 5432, 2)
    assert first.source_identity == "spiffe://cluster.local/ns/shop/sa/web"
    assert first.source_nodes == ("node-a", "node-c")
    assert first.error == explicit["inbound_error"], "the server's text, not its echo"
    assert (first.last_seen - first.first_seen).total_seconds() == 5
    assert "The log names DENY policies only" in render(report, "text")


def test_the_text_is_that_of_the_last_connection_in_time_not_of_the_first_line():
    """A policy was renamed while the log was written: the words that hold now are shown."""
    said = [(5, "by the second"), (60, "by the one in force"), (0, "by the first"), (30, "by the third")]
    refused = [flow(at, verdict="denied", error_class="policy_denied", inbound_error=text) for at, text in said]
    (row,) = denied(Flows(table(*refused))).rows
    assert row.flows == 4
    assert row.error == "by the one in force"


def test_an_identity_that_differs_is_not_claimed():
    some = Flows(table(flow(verdict="denied"), flow(verdict="denied", src_identity="spiffe://x/ns/a/sa/b")))
    (row,) = denied(some).rows
    assert row.source_identity is None
    assert row.flows == 2


NONE_ALLOWED = {
    "verdict": "denied", "error_class": "policy_denied", "paired": "inbound_only",
    "inbound_error": "connection closed due to policy rejection: allow policies exist, but none allowed",
}  # fmt: skip


def test_what_the_client_is_stands_beside_its_address_and_identity():
    gateway = {
        "src_name": "public-ingressgateway-5c8f-x", "src_ip": "10.0.9.9", "unpaired_reason": "source_not_captured",
        "src_identity": "spiffe://cluster.local/ns/edge/sa/public",
    }  # fmt: skip
    some = Flows(
        table(
            flow(0, **NONE_ALLOWED | gateway),
            flow(1, **NONE_ALLOWED | {"src_name": "waypoint-7d9-q", "unpaired_reason": "waypoint_source"}),
            flow(2, **NONE_ALLOWED | {"src_name": "cart-7d9-q", "unpaired_reason": "source_not_captured"}),
            flow(3, **NONE_ALLOWED | {"src_name": "lone-7d9-q", "unpaired_reason": "partner_missing"}),
            flow(4, **NONE_ALLOWED | PLAIN | {"src_name": None, "src_identity": None, "src_ip": "10.42.2.0"}),
        )
    )
    report = denied(some)
    assert {row.source_address or "": row.caller for row in report.rows if row.source_address != "10.0.1.1"} == {
        "10.0.9.9": "gateway", "10.42.2.0": "outside_mesh",
    }  # fmt: skip
    callers = {row.source.partition("/")[2].partition("-")[0]: row.caller for row in report.rows}
    assert (callers["waypoint"], callers["cart"], callers["lone"]) == ("waypoint", "no_own_line", None)
    text = render(report, "text")
    assert "gateway: by its name the client is a gateway" in text
    assert "waypoint: the client is a waypoint: its address and identity are judged here" in text


def test_kinds_of_refusal_are_told_apart_and_explained():
    bare = NONE_ALLOWED | {"inbound_error": "connection closed due to policy rejection", "dst_name": "old-0"}
    report = denied(Flows(table(flow(0, **NONE_ALLOWED), flow(1, **NONE_ALLOWED), flow(2, **bare))))
    assert [(row.policy, row.what, row.flows) for row in report.policies] == [
        (None, "no ALLOW policy matched", 2), (None, "refused by a policy", 1),
    ]  # fmt: skip
    assert "a policy without rules allows nobody" in render(report, "text")
