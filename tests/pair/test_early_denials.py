"""Requests that the server's ztunnel refused with a `connection failed` line."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
import simulated
from halves_by_hand import connection, refusal, table

import ztflow
from ztflow.model.provenance import NOBODY, Fact
from ztflow.pair import Pairer
from ztflow.simulate import PRESETS, Kind, Shape, simulate

# What ztunnel 1.24.0 writes (docs/reference/ztunnel-log.md#one-error-two-texts), and what the same would be in other releases.
CLIENT = (
    '{time}\terror\taccess\tconnection complete\tsrc.addr=10.244.1.9:52366 src.workload="sleep-7656cf8794-5kx2p" '
    'src.namespace="client" src.identity="spiffe://cluster.local/ns/client/sa/sleep" dst.addr=10.244.2.14:15008 '
    'dst.hbone_addr={asked} dst.workload="httpbin-65975d4c6f-q8w7z" dst.namespace="server" '
    'dst.identity="spiffe://cluster.local/ns/server/sa/httpbin" direction="outbound" bytes_sent=0 bytes_recv=0 '
    'duration="3ms" error="{error}"\n'
)
SERVER = (
    "{time}\twarn\taccess\tconnection failed\tsrc.addr=10.244.1.9:41873 dst.addr=10.244.2.14:{port} "
    'direction="inbound" error={error}\n'
)
CLIENT_JSON = (
    '{{"level":"error","time":"{time}","scope":"access","message":"connection complete","src.addr":"10.244.1.9:52366",'
    '"src.identity":"spiffe://cluster.local/ns/client/sa/sleep","dst.addr":"10.244.2.14:15008",'
    '"dst.hbone_addr":"{asked}","direction":"outbound","bytes_sent":0,"bytes_recv":0,"duration":"3ms",'
    '"error":"{error}"}}\n'
)
SERVER_JSON = (
    '{{"level":"warn","time":"{time}","scope":"access","message":"connection failed","src.addr":"10.244.1.9:41873",'
    '"dst.addr":"10.244.2.14:{port}","direction":"inbound","error":{error}}}\n'
)
BAD, UNAVAILABLE = "http status: 400 Bad Request", "http status: 503 Service Unavailable"
OWN_PORT = "attempted recursive call to ourselves"


def read(asked, error, *, answer=BAD, port=15008, form=(SERVER, CLIENT)):
    server, client = form
    log = server.format(time="2024-11-05T12:00:01.833201Z", port=port, error=error)
    log += client.format(time="2024-11-05T12:00:01.834201Z", asked=asked, error=answer)
    return list(ztflow.read_flows(io.BytesIO(log.encode())))


@pytest.mark.parametrize(
    ("release", "asked", "error", "rest"),
    [
        ("1.22.0", "10.244.2.99:8080", "ip mismatch: 10.244.2.14 != 10.244.2.99", {}),
        ("1.24.0", "10.244.2.99:8080", '"ip mismatch: 10.244.2.14 != 10.244.2.99"', {}),
        (
            "json", "10.244.2.99:8080", '"ip mismatch: 10.244.2.14 != 10.244.2.99"',
            {"form": (SERVER_JSON, CLIENT_JSON)},
        ),
        ("1.24.0", "[fd00::99]:8080", '"ip mismatch: 10.244.2.14 != fd00::99"', {}),
        ("1.23.6", "10.244.2.14:8080", '"unknown destination: 10.244.2.14"', {}),
        ("1.25.5", "httpbin.server.svc:8000", '"invalid CONNECT address httpbin.server.svc:8000"', {}),
        ("1.26.0", "httpbin.server.svc:8000", '"no valid authority pseudo header: httpbin.server.svc:8000"', {}),
        ("1.22.1", "10.244.2.14:15006", OWN_PORT, {"port": 15006}),
        ("1.25.0", "10.244.2.14:15006", f'"{OWN_PORT}"', {}),
        ("1.26.0", "10.244.2.14:15008", f'"{OWN_PORT}"', {"answer": UNAVAILABLE}),
    ],
)  # fmt: skip
def test_the_refusal_and_the_answer_are_one_flow_in_the_words_of_every_release(release, asked, error, rest):
    (flow,) = read(asked, error, **rest)
    assert (flow.paired, flow.verdict, flow.alternatives) == ("unique", "failed", 0), release
    assert (flow.outbound_line, flow.inbound_line) == (2, 1)
    assert (flow.inbound_error, flow.outbound_error) == (error.strip('"'), rest.get("answer", BAD))
    assert (flow.duration_ms, flow.inbound_duration_ms, flow.request_bytes) == (3, None, 0)
    assert flow.hbone_addr == asked
    assert flow.path != "waypoint", "whoever refuses the authority is no waypoint"


@pytest.mark.parametrize(
    ("asked", "error", "rest"),
    [
        ("10.244.2.98:8080", '"ip mismatch: 10.244.2.14 != 10.244.2.99"', {}),
        ("10.244.2.99:8080", '"ip mismatch: 10.244.2.15 != 10.244.2.99"', {}),
        ("10.244.2.99:8080", '"ip mismatch: 10.244.2.14 != 10.244.2.99"', {"answer": UNAVAILABLE}),
        ("10.244.2.99:8080", '"ip mismatch: 10.244.2.14 != 10.244.2.99"', {"answer": "http status: 404 Not Found"}),
        ("10.244.2.14:8080", '"unknown destination: 10.244.2.14"', {"port": 8080}),  # refused as plaintext
        ("10.244.2.14:8080", f'"{OWN_PORT}"', {}),
        ("10.244.2.14:8080", '"expected method CONNECT, got GET"', {}),
        ("10.244.2.14:8080", '"tls handshake error: Custom { kind: UnexpectedEof, error: \\"tls handshake eof\\" }"', {}),
    ],
)  # fmt: skip
def test_what_does_not_fit_stays_alone_with_its_reason(asked, error, rest):
    server, client = sorted(read(asked, error, **rest), key=lambda flow: flow.paired)
    assert (server.paired, server.unpaired_reason) == ("inbound_only", "early_denial")
    assert client.paired == "outbound_only"


def flows_of(rows, **options):
    pairer = Pairer(**options)
    return [row for part in (pairer.push(table(rows)), pairer.finish()) for row in part.rows()]


def test_another_client_or_another_server_is_another_connection():
    rows = refusal(client=1)[:1] + refusal(client=3)[1:]
    rows += refusal(9, server=2)[:1] + refusal(9, server=4)[1:]
    assert {flow["paired"] for flow in flows_of(rows)} == {"outbound_only", "inbound_only"}


def test_whole_lines_of_the_same_pods_stay_with_each_other():
    rows = refusal(line=1) + connection(0.0001, request=0, response=0, line=2)
    flows = flows_of(rows)
    assert {(flow["outbound_line"], flow["inbound_line"]) for flow in flows} == {(1, 1), (2, 2)}


def test_refusals_at_once_are_ambiguous_and_say_so():
    rows = [half for n in range(6) for half in refusal(n * 0.00001, line=n + 1, delay_us=150 + n)]
    flows = flows_of(rows)
    assert [flow["paired"] for flow in flows] == ["ambiguous"] * 6
    assert all(flow["alternatives"] >= 1 and flow["confidence"] < 0.9 for flow in flows)


def test_clocks_that_are_off_are_taken_off():
    rows = [half for n in range(40) for half in connection(n, response=1000 + n, line=n + 1)]
    rows += [half for n in range(5) for half in refusal(3.5 + 7 * n, line=100 + n)]
    for row in rows:
        row["time"] += 400_000 * (row["direction"] == "inbound")
    flows = flows_of(rows)
    assert len(flows) == 45
    assert {flow["paired"] for flow in flows} == {"unique"}


def test_a_trace_id_or_a_debug_line_proves_it():
    (flow,) = flows_of(refusal(out={"trace_id": "ab"}, inn={"trace_id": "ab"}))
    assert flow["paired"] == "exact"
    said = {"client_ip": "10.0.1.1", "client_port": 50000, "hbone_host": "10.9.9.9", "hbone_port": 8080}
    pairer = Pairer()
    pairer.learn(
        [Fact("connect_request", None, NOBODY, "2.log", 1, said | {"peer_ip": "10.0.1.1", "peer_port": 40000})]
    )
    pairer.push(table(refusal()))
    assert [row["paired"] for row in pairer.finish().rows()] == ["exact"]


def test_live_a_pair_comes_with_the_others_and_what_has_no_partner_at_once():
    pairer = Pairer(window=timedelta(seconds=1))
    same_node = {"ztunnel_pod": "ztunnel-2"}
    alone = refusal(0.1, inn={"error": "tls handshake error: x", "error_class": "tls_error"})[1:]
    pairer.push(table(refusal(0, out=same_node) + alone))
    first = pairer.push(table(connection(1.2, line=2))).rows()
    assert [row["unpaired_reason"] for row in first] == ["early_denial"]
    then = pairer.push(table(connection(1.7, line=3))).rows()
    assert [(row["outbound_line"], row["inbound_line"]) for row in then] == [(1, 1)]


@pytest.mark.parametrize("release", ["1.22.1", "1.23.6", "1.30.3"])
def test_every_simulated_refusal_is_paired(release, tmp_path):
    scenario = replace(
        PRESETS["denials"], mix=((Kind.PLAIN, 1), (Kind.DENIED, 1), (Kind.REFUSED, 1), (Kind.WRONG_AUTHORITY, 2)),
        connections=200, shape=Shape(ipv6=0.5), release=release,
    )  # fmt: skip
    capture = simulate(scenario, 1)
    true = {
        (simulated.position(row["outbound"]), simulated.position(row["inbound"]))
        for row in capture.truth.to_pylist()
        if row["outbound"] != "-" != row["inbound"]
    }
    assert simulated.reported(simulated.flows(capture, tmp_path)) == true
