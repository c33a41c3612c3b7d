"""An access line in sentences: who, encrypted or not, refused by what, and how much from the client's view."""

from __future__ import annotations

import pytest

from ztflow.model.objects import AccessRecord
from ztflow.parse.meaning import in_words

CALL = {
    "message": "complete", "direction": "inbound", "src_ip": "10.0.1.1", "src_workload": "web-0",
    "src_namespace": "shop", "src_identity": "spiffe://c/ns/shop/sa/web", "dst_ip": "10.0.2.1", "dst_port": 15008,
    "hbone_host": "10.0.2.1", "hbone_port": 5432, "dst_workload": "db-0", "dst_namespace": "data",
    "dst_service": "db.data.svc", "bytes_sent": 9832, "bytes_recv": 84, "duration_ms": 61_000,
}  # fmt: skip
REFUSED = "connection closed due to policy rejection: "


def told(**values):
    return " ".join(in_words(AccessRecord(**CALL | values)))


def test_who_called_whom_and_what_the_counters_mean_on_each_side():
    assert told() == (
        "shop/web-0 (10.0.1.1) called data/db-0 (10.0.2.1), port 5432, as the service db.data.svc; written by the "
        "ztunnel on the server's node. Encrypted by the mesh, in an mTLS tunnel (HBONE): the client is "
        "spiffe://c/ns/shop/sa/web. It ended without an error. The client sent 84 B (bytes_recv) and got 9.8 kB (9,832 "
        "B) back (bytes_sent). It lived 1 min 1 s from opening to end, idle time included."
    )
    other = told(direction="outbound", bytes_sent=84, bytes_recv=9832)
    assert "on the client's node" in other
    assert "sent 84 B (bytes_sent) and got 9.8 kB (9,832 B) back (bytes_recv)" in other


def test_plaintext_is_said_to_be_plaintext():
    plain = told(hbone_host=None, hbone_port=None, dst_port=443, src_workload=None, src_identity=None)
    assert plain.startswith("10.0.1.1 called data/db-0 (10.0.2.1), port 443")
    assert "Not encrypted by the mesh" in plain
    assert "tunnel (HBONE)" not in plain


def test_a_waypoint_is_not_taken_for_the_server():
    hop = told(direction="outbound", dst_ip="10.0.9.9", dst_workload="way-0", hbone_host="10.96.0.7", dst_identity="w")
    assert "called 10.96.0.7:5432" in hop
    assert "not go there directly but to data/way-0 (10.0.9.9), a waypoint or gateway" in hop
    assert "the waypoint or gateway is w" in hop


@pytest.mark.parametrize(
    ("error", "error_class", "said"),
    [
        (f"{REFUSED}explicitly denied by: shop/no-web", "policy_denied", "Refused: The DENY policy shop/no-web matched this client."),
        (f"{REFUSED}explicitly denied by: istio-system/istio_converted_static_strict", "policy_denied",
         "is not a policy of yours: a PeerAuthentication of mode STRICT refused a client"),
        (f"{REFUSED}allow policies exist, but none allowed", "policy_denied", "Refused: ALLOW policies select the destination and none has a rule for this client"),
        (REFUSED.rstrip(": "), "policy_denied", "does not say which policy"),
        ("http status: 401 Unauthorized", "peer_denied", "its own line says which policy did"),
        ("connection failed: Connection refused", "refused", "It ended with an error: connection failed"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_what_refused(error, error_class, said):
    assert said in told(error=error, error_class=error_class)


def test_a_line_that_says_little():
    few = told(
        message="failed", direction="outbound", hbone_host=None, src_workload=None, dst_workload=None, dst_service=None,
        bytes_sent=None, bytes_recv=None, duration_ms=None, error="unknown source: 10.0.1.1",
        error_class="unknown_source", dst_port=80,
    )  # fmt: skip
    assert few.startswith(
        "10.0.1.1 called 10.0.2.1, port 80; written by the ztunnel on the client's node. It was refused"
    )
    assert "sent" not in few
    assert "It began" in told(message="opened", bytes_sent=None)
    assert in_words(AccessRecord(message="complete"))
