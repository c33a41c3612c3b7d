"""mTLS: what is encrypted, what is not, and which end of the plaintext is outside the mesh."""

from __future__ import annotations

import pytest
from flows_by_hand import PLAIN, flow, table

from ztflow.model.tables import Flows
from ztflow.reports import mtls, render


def test_coverage_counts_the_unknown_apart():
    some = Flows(table(flow(), flow(**PLAIN, paired="outbound_only"), flow(mtls=None), flow()))
    report = mtls(some)
    assert {name: part.flows for name, part in report.parts.items()} == {"mtls": 2, "plaintext": 1, "unknown": 1}
    (pair,) = report.pairs
    assert pair.mtls_share == pytest.approx(2 / 3)
    assert (pair.measures.plaintext, pair.measures.mtls_unknown) == (1, 1)
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
    assert "from outside: the client is not in the mesh; the server accepts plaintext." in text
    assert "PeerAuthentication of mode STRICT" in text


def test_a_fully_encrypted_mesh_has_no_findings():
    report = mtls(Flows(table(flow(), flow())))
    assert report.findings == 0
    assert report.plaintext == ()
    assert report.parts["mtls"].flows_share == 1
