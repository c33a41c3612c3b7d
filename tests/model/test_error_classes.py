"""Error texts → class, verdict, policy."""

import pytest

from ztflow.model.error_classes import (
    CLASS_BY_NAME,
    ERROR_CLASSES,
    ERROR_TEXTS,
    IO_TEXTS,
    TLS_CAUSES,
    classify_error,
    closed_by_client,
    closed_by_envoy,
    policy_of,
    verdict_of,
)
from ztflow.model.vocabulary import Verdict


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("connection closed due to policy rejection", "policy_denied"),
        ("connection closed due to policy rejection: explicitly denied by: server/deny-sleep", "policy_denied"),
        ("connection closed due to policy rejection: allow policies exist, but none allowed", "policy_denied"),
        ("connection closed due to policy rejection: workload not found", "policy_denied"),
        ("connection closed due to policy change", "policy_changed"),
        ("http status: 401 Unauthorized", "peer_denied"),
        ("http status: 503 Service Unavailable", "peer_unavailable"),
        ("http status: 400 Bad Request", "peer_refused"),
        ("http status: 404 Not Found", "peer_refused"),
        ("http status: 500 Internal Server Error", "peer_status"),
        ("connection failed: Connection refused (os error 111)", "refused"),
        ("connection failed: No route to host (os error 113)", "unreachable"),
        ("connection failed: something new", "io_error"),
        ("Connection refused (os error 111)", "refused"),
        ("deadline has elapsed", "timeout"),
        ("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed", "network_policy"),
        ("io error: Connection refused (os error 111)", "refused"),
        ("io error: Network is unreachable (os error 101)", "unreachable"),
        ("io error: deadline has elapsed", "timeout"),
        ("io error: Connection timed out (os error 110)", "timeout"),
        ("io error: Connection reset by peer (os error 104)", "reset"),
        ("io error: stream closed because of a broken pipe", "reset"),
        ("io error: kould overflow buffer of with 5 remaining", "io_error"),
        ("io error: invalid peer certificate: Expired", "tls_error"),
        ("io error: invalid peer certificate: Revoked", "certificate_revoked"),
        ("io error: invalid peer certificate: Other(OtherError(identity verification error: peer did not present the expected SAN (x)))", "identity_mismatch"),
        ("io error: invalid peer certificate: Other(OtherError(ApplicationVerificationFailure))", "identity_mismatch"),
        ("io error: received fatal alert: HandshakeFailure", "tls_error"),
        ("io error: tls handshake eof", "tls_error"),
        ("tls handshake error: Custom { kind: InvalidData, error: NoCertificatesPresented }", "tls_no_client_certificate"),
        ("tls handshake error: Custom { kind: InvalidData, error: InvalidCertificate(Revoked) }", "certificate_revoked"),
        ('tls handshake error: Custom { kind: UnexpectedEof, error: "tls handshake eof" }', "tls_error"),
        ('tls handshake error: Os { code: 104, kind: ConnectionReset, message: "Connection reset by peer" }', "tls_error"),
        ("signing error: x", "no_certificate"),
        ("identity error: signing gRPC error (Unavailable): x", "no_certificate"),
        ("h2 failed: stream closed because of a broken pipe", "h2_error"),
        ("http2 handshake failed: x", "h2_error"),
        ("h2 failed: stream error received: refused stream before processing any application logic", "stream_reset"),
        ("send: io error: stream error received: unexpected internal error encountered", "stream_reset"),
        ("while closing connection: receive: io error: stream error received: stream no longer needed", "stream_reset"),
        ("io error: stream error received: unspecific protocol error detected", "stream_reset"),
        ("receive: io error: stream error detected: unspecific protocol error detected", "h2_error"),
        ("send: io error: connection error received: not a result of an error", "h2_error"),
        ("while closing connection: receive: io error: protocol error: unexpected internal error encountered", "h2_error"),
        ("no healthy upstream: 10.96.40.11:8000", "no_endpoint"),
        ("ip mismatch: 10.244.2.14 != 10.244.2.99", "bad_authority"),
        ("attempted recursive call to ourselves", "recursive"),
        ("attempted recursive call to ourselves and more", "other"),
        ("connection closed due to connection drain", "drained"),
        ("send: io error: Connection reset by peer (os error 104)", "reset"),
        ("receive: client disconnected before all data was written", "reset"),
        ("destination disconnected before all data was written", "reset"),
        ("while closing connection: receive: io error: broken pipe", "reset"),
        ("while closing connection: send: something new", "io_error"),
        ("connection closed: peer certificate revoked by CRL", "certificate_revoked"),
        ("a text from tomorrow", "other"),
    ],
)  # fmt: skip
def test_classify_error(text, name):
    assert classify_error(text) == name
    assert name in CLASS_BY_NAME


@pytest.mark.parametrize("text", ["", "   "])
def test_no_text_has_no_class(text):
    assert classify_error(text) is None


@pytest.mark.parametrize("known", ERROR_TEXTS, ids=lambda known: known.text)
def test_every_text_of_the_table_finds_its_own_row(known):
    assert classify_error(known.text + ("" if known.exact else "something")) == (known.error_class or known.otherwise)


def test_every_class_is_described_once_and_used():
    names = [known.name for known in ERROR_CLASSES]
    assert len(names) == len(set(names))
    used = {known.error_class or known.otherwise for known in ERROR_TEXTS} | {name for _, name in IO_TEXTS + TLS_CAUSES}
    assert set(names) == used | {"other", "waypoint_closed"}, "what no text alone tells"
    assert all(known.summary and known.cause.endswith(".") and known.advice.endswith(".") for known in ERROR_CLASSES)


@pytest.mark.parametrize(
    ("text", "by_client", "by_envoy"),
    [
        ("send: io error: stream error received: unexpected internal error encountered", True, True),
        ("while closing connection: receive: io error: protocol error: unexpected internal error encountered", True, True),
        ("send: io error: stream error received: refused stream before processing any application logic", True, False),
        ("receive: client disconnected before all data was written", True, False),
        ("while closing connection: receive: io error: broken pipe", True, False),
        ("send: io error: Broken pipe (os error 32)", False, False),  # the server's own socket
        ("send: destination disconnected before all data was written", False, False),
        ("client disconnected before all data was written", False, False),  # 1.22.1 to 1.22.3 say it of either side
        ("connection failed: Connection refused (os error 111)", False, False),
        ("connection closed due to policy rejection: explicitly denied by: a/b", False, False),
        ("io error: stream error received: unexpected internal error encountered", False, False),  # no copy, no stream
    ],
)  # fmt: skip
def test_what_the_clients_side_closed(text, by_client, by_envoy):
    assert (closed_by_client(text), closed_by_envoy(text)) == (by_client, by_envoy)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("connection closed due to policy rejection: explicitly denied by: server/deny-sleep", "server/deny-sleep"),
        ("connection closed due to policy rejection: explicitly denied by: ", None),
        ("connection closed due to policy rejection: allow policies exist, but none allowed", None),
        ("io error: explicitly denied by: a/b", None),
        (None, None),
    ],
)
def test_policy_of(text, policy):
    assert policy_of(text) == policy


@pytest.mark.parametrize(
    ("classes", "verdict"),
    [
        ((None,), Verdict.FORWARDED),
        ((None, None), Verdict.FORWARDED),
        (("peer_denied", "policy_denied"), Verdict.DENIED),
        (("peer_denied", None), Verdict.DENIED),
        ((None, "policy_changed"), Verdict.DENIED),
        (("reset", None), Verdict.FAILED),
        (("waypoint_closed", None), Verdict.FORWARDED),
        (("waypoint_closed", "reset"), Verdict.FAILED),
        (("peer_unavailable", "refused"), Verdict.FAILED),
        (("a class from tomorrow",), Verdict.FAILED),
        ((), Verdict.UNKNOWN),
    ],
)
def test_verdict_of(classes, verdict):
    assert verdict_of(*classes) is verdict


def test_an_open_connection_has_no_verdict():
    assert verdict_of(None, ended=False) is Verdict.UNKNOWN
