"""Denied: which policy or peer refused whom, and with which words."""

from __future__ import annotations

from flows_by_hand import flow, table

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
