"""mTLS, denials, failures, egress: what somebody answers for."""

from __future__ import annotations

import pytest
from flows_by_hand import flow, table

from ztflow.model.error_classes import CLASS_BY_NAME
from ztflow.model.tables import Flows
from ztflow.reports import denied, egress, failures, mtls, render
from ztflow.reports.egress import scope_of

PLAIN = {"mtls": False, "path": "plaintext", "hbone_host": None, "hbone_port": None, "dst_identity": None}
NAMELESS = {"dst_service": None, "dst_workload": None, "dst_namespace": None, "dst_pod": None}


def test_coverage_counts_the_unknown_apart():
    some = Flows(table(flow(), flow(**PLAIN, paired="outbound_only"), flow(mtls=None), flow()))
    report = mtls(some)
    assert {name: part.flows for name, part in report.parts.items()} == {"mtls": 2, "plaintext": 1, "unknown": 1}
    (pair,) = report.pairs
    assert pair.mtls_share == pytest.approx(2 / 3)
    assert (pair.measures.plaintext, pair.measures.mtls_unknown) == (1, 1)
    assert report.findings == 1


def test_plaintext_says_which_end_is_outside():
    some = Flows(
        table(
            flow(**PLAIN, paired="outbound_only", dst_port=8080),
            flow(**PLAIN, paired="inbound_only", dst_port=8080),
        )
    )
    report = mtls(some)
    assert {(row.side, row.port, row.flows) for row in report.plaintext} == {
        ("to_outside", 8080, 1), ("from_outside", 8080, 1),
    }  # fmt: skip
    text = render(report, "text")
    assert "from outside: the client is not in the mesh; the server accepts plaintext." in text
    assert "PeerAuthentication of mode STRICT" in text


def test_a_fully_encrypted_mesh_has_no_findings():
    report = mtls(Flows(table(flow(), flow())))
    assert report.findings == 0
    assert report.plaintext == ()
    assert report.parts["mtls"].flows_share == 1


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


def test_an_identity_that_differs_is_not_claimed():
    some = Flows(table(flow(verdict="denied"), flow(verdict="denied", src_identity="spiffe://x/ns/a/sa/b")))
    (row,) = denied(some).rows
    assert row.source_identity is None
    assert row.flows == 2


def test_failures_come_with_cause_and_advice():
    refused = {"verdict": "failed", "error_class": "refused", "hbone_port": 9999}
    some = Flows(
        table(flow(**refused), flow(**refused, src_pod="shop/cart-0"), flow(verdict="failed", error_class="timeout"))
    )
    report = failures(some)
    assert report.findings == 3
    first = report.classes[0]
    assert (first.error_class, first.flows, first.pairs) == ("refused", 2, 2)
    assert first.cause == CLASS_BY_NAME["refused"].cause
    assert first.advice == CLASS_BY_NAME["refused"].advice
    assert first.flows_share == pytest.approx(2 / 3)


def test_a_class_nobody_knows_has_no_invented_cause():
    (row,) = failures(Flows(table(flow(verdict="failed", error_class="of tomorrow")))).classes
    assert (row.error_class, row.summary, row.cause, row.advice) == ("of tomorrow", None, None, None)
    (row,) = failures(Flows(table(flow(verdict="failed", error_class=None)))).classes
    assert row.error_class is None


def test_egress_without_a_service_is_a_finding():
    out = {**PLAIN, "paired": "outbound_only"}
    some = Flows(
        table(
            flow(**{**out, **NAMELESS}, dst_ip="93.184.216.34", dst_port=443),
            flow(**{**out, **NAMELESS}, dst_ip="93.184.216.34", dst_port=443, verdict="failed"),
            flow(**{**out, **NAMELESS}, dst_ip="169.254.169.254", dst_port=80),
            flow(**{**out, **NAMELESS, "dst_service": "api.example.com"}, dst_ip="203.0.113.7", dst_port=443),
            flow(**{**out, **NAMELESS, "dst_pod": "legacy/old-0"}, dst_ip="10.0.0.9", dst_port=80),
            flow(**{**PLAIN, **NAMELESS, "paired": "inbound_only"}),
            flow(),
            flow(**{**NAMELESS, "mtls": None, "path": None}, dst_ip="10.96.0.1", verdict="failed"),
        )
    )
    report = egress(some)
    ways = [(way.kind, way.target, way.port, way.scope, way.flows, way.refused) for way in report.ways]
    assert sorted(ways, key=str) == sorted(
        [
            ("no_service", "93.184.216.34", 443, "public", 2, 1),
            ("no_service", "169.254.169.254", 80, "link_local", 1, 0),
            ("outside_mesh", "api.example.com", 443, "private", 1, 0),
            ("outside_mesh", "legacy/old", 80, "private", 1, 0),
        ],
        key=str,
    )
    assert report.findings == 2
    assert "ServiceEntry" in render(report, "text")


@pytest.mark.parametrize(
    ("ip", "scope"),
    [(None, None), ("not an address", None), ("8.8.8.8", "public"), ("10.1.2.3", "private"), ("127.0.0.1", "loopback"),
     ("::1", "loopback"), ("fe80::1%3", "link_local"), ("fd00::1", "private"), ("2606:4700::1", "public"),
     ("224.0.0.251", "other")],
)  # fmt: skip
def test_scopes(ip, scope):
    assert scope_of(ip) == scope
