"""mTLS: what is encrypted, what is not, and which end of the plaintext is outside the mesh."""

from __future__ import annotations

import pytest
from flows_by_hand import PLAIN, flow, table

from ztflow.model.tables import Flows
from ztflow.reports import mtls, render


def test_coverage_counts_the_unknown_apart():
    some = Flows(table(flow(), flow(**PLAIN, paired="outbound_only"), flow(mtls=None), flow()))
    report = mtls(some)
    assert {name: part.flows for name, part in report.parts.items()} == {
        "mtls": 2, "plaintext": 1, "plaintext_refused": 0, "left_mesh": 0, "unknown": 1,
    }  # fmt: skip
    (pair,) = report.pairs
    assert pair.mtls_share == pytest.approx(2 / 3)
    assert (pair.plaintext, pair.measures.mtls_unknown) == (1, 1)
    assert report.findings == 1


def test_where_nothing_is_known_no_share_is_claimed():
    """A pair whose lines never say whether they were encrypted is not 0 % encrypted."""
    (pair,) = mtls(Flows(table(flow(mtls=None), flow(mtls=None)))).pairs
    assert pair.measures.mtls_unknown == 2
    assert pair.mtls_share is None
    assert mtls(Flows()).parts["mtls"].flows_share is None


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
    assert "the server accepts plaintext." in text
    assert "PeerAuthentication of mode STRICT" in text


STRICT = {
    "verdict": "denied", "error_class": "policy_denied", "policy": "istio-system/istio_converted_static_strict",
    "inbound_error": "connection closed due to policy rejection: explicitly denied by: "
    "istio-system/istio_converted_static_strict",
}  # fmt: skip


def test_what_a_server_refused_in_plaintext_is_a_row_of_its_own_and_no_finding():
    refused = flow(**PLAIN, **STRICT, paired="inbound_only", dst_port=8443, src_identity=None, src_ip="10.42.2.0")
    report = mtls(Flows(table(flow(), refused, refused)))
    assert (report.parts["plaintext_refused"].flows, report.parts["plaintext"].flows) == (2, 0)
    assert (report.findings, report.plaintext) == (0, ())
    (row,) = report.refused
    assert (row.source_address, row.port, row.flows, row.caller) == ("10.42.2.0", 8443, 2, "outside_mesh")
    assert {pair.mtls_share for pair in report.pairs} == {1}
    text = render(report, "text")
    assert "accepts plaintext" not in text
    assert "not a policy of yours: a PeerAuthentication of mode STRICT refused a client" in text


def test_plaintext_between_two_meshed_pods_is_told_from_clients_outside():
    report = mtls(Flows(table(flow(**PLAIN, dst_port=8080))))
    assert [(row.side, row.flows) for row in report.plaintext] == [("between", 1)]
    assert report.findings == 1


def test_what_leaves_the_mesh_is_no_plaintext_of_the_mesh():
    web = {"dst_name": None, "dst_pod": None, "dst_ip": "93.184.215.14", "dst_port": 443, "paired": "outbound_only"}
    report = mtls(Flows(table(flow(), flow(**PLAIN | web, dst_service=None), flow(**PLAIN | web))))
    assert (report.parts["left_mesh"].flows, report.parts["plaintext"].flows, report.findings) == (2, 0, 0)
    assert {pair.mtls_share for pair in report.pairs} == {1, None}
    named = mtls(Flows(table(flow(**PLAIN | web | {"dst_name": "legacy-0"}))))
    assert (named.parts["left_mesh"].flows, named.findings) == (0, 1)


def test_a_fully_encrypted_mesh_has_no_findings():
    report = mtls(Flows(table(flow(), flow())))
    assert report.findings == 0
    assert report.plaintext == ()
    assert report.parts["mtls"].flows_share == 1
