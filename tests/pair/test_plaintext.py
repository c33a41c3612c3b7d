"""Plaintext between two captured pods: one flow, also where the server refused it; what has no partner waits for none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from halves_by_hand import connection, plaintext, table

from ztflow.pair import Pairer


def pair(rows):
    pairer = Pairer()
    return [row for part in (pairer.push(table(rows)), pairer.finish()) for row in part.rows()]


def places(flows):
    return {(flow["outbound_line"], flow["inbound_line"]) for flow in flows}


def test_an_accepted_connection_is_one_flow():
    (flow,) = pair(plaintext(request=84, response=9832))
    assert (flow["paired"], flow["path"], flow["mtls"], flow["verdict"]) == ("unique", "plaintext", False, "forwarded")
    assert (flow["request_bytes"], flow["response_bytes"], flow["src_port"]) == (84, 9832, 50000)


def test_a_refused_connection_is_one_refused_flow_though_the_client_ended_well():
    (flow,) = pair(plaintext(request=84, duration=2_000, refused=True))
    assert (flow["paired"], flow["path"], flow["verdict"]) == ("relaxed", "plaintext", "denied")
    assert (flow["outbound_error"], flow["policy"]) == (None, "istio-system/istio_converted_static_strict")
    assert (flow["request_bytes"], flow["response_bytes"]) == (84, 0)


@pytest.mark.parametrize("held", [1, 40, 5_000])
def test_many_refused_at_once_are_as_many_flows(held):
    rows = connection(-60)  # both pods are captured
    for n in range(60):
        holds = held * (n % 5 + 1)
        rows += plaintext(n * 0.0002 + holds / 1000, refused=True, request=40, duration=holds, line=n + 2)
    assert len(pair(rows)) == 61
    apart = connection(-60)
    for n in range(9):
        apart += plaintext(n * 0.005, refused=True, request=40, duration=held, line=n + 2)
    assert places(pair(apart)) == {(n + 1, n + 1) for n in range(10)}


def test_refusals_that_go_on_without_a_pause_are_paired_too():
    rows = [half for n in range(300) for half in plaintext(n * 0.03, refused=True, request=40, line=n + 1)]
    assert places(pair(rows)) == {(n + 1, n + 1) for n in range(300)}


def test_ports_and_clients_are_not_mixed_up():
    rows = [
        half
        for n in range(8)
        for half in plaintext(0.0001 * n, refused=True, port=8000 + n % 2, client=n % 4 // 2 + 1, server=3, line=n + 1)
    ]
    port = {n + 1: (8000 + n % 2, n % 4 // 2 + 1) for n in range(8)}
    flows = pair(rows)
    assert len(flows) == 8
    assert all(port[flow["outbound_line"]] == port[flow["inbound_line"]] for flow in flows)


@pytest.mark.parametrize(
    "other",
    [
        {"inn": {"dst_port": 8081}},
        {"inn": {"src_ip": "10.0.1.9"}},
        {"out": {"bytes_recv": 1}},  # the server refused it and sent nothing
        {"out": {"bytes_sent": 0}, "inn": {"bytes_recv": 1}},
        {"out": {"duration_ms": 500}},  # it began half a second before what was refused
        {"out": {"error": "io error: Connection refused (os error 111)", "error_class": "refused", "bytes_sent": 0}},
    ],
)
def test_two_lines_that_contradict_each_other_are_no_pair(other):
    flows = pair(plaintext(refused=True, **other))
    assert {flow["paired"] for flow in flows} == {"outbound_only", "inbound_only"}
    assert {flow["unpaired_reason"] for flow in flows} == {"plaintext"}


def test_a_tunnel_and_plaintext_are_no_pair():
    plain, tunnel = plaintext()[0], connection()[1]
    assert {flow["paired"] for flow in pair([plain, tunnel])} == {"outbound_only", "inbound_only"}


def test_one_too_many_is_left_over():
    rows = [half for n in range(3) for half in plaintext(n * 0.01, refused=True, line=n + 1)]
    flows = pair(rows[:-1])
    assert places(flows) == {(1, 1), (2, 2), (3, None)}


def test_plaintext_to_and_from_outside_the_mesh_waits_for_no_partner():
    pairer = Pairer(window=timedelta(0))
    outside = [plaintext(0, server=9)[0], plaintext(0.5, client=8, server=1)[1], plaintext(1, client=1, server=2)[0]]
    later = connection(5)  # of a client and to a server that are captured
    told = [*pairer.push(table(outside)).rows(), *pairer.push(table(later)).rows()]
    assert [(row["paired"], row["dst_ip"]) for row in told] == [
        ("outbound_only", "10.0.9.1"), ("inbound_only", "10.0.1.1"), ("outbound_only", "10.0.2.1"),
    ], "5 s later nobody at these addresses had written a line"  # fmt: skip
    known = [*connection(20), plaintext(20, client=1, server=2, line=7)[0]]
    held = [*pairer.push(table(known)).rows(), *pairer.push(table(connection(30))).rows()]
    assert 7 not in {row["outbound_line"] for row in held}, "both ends are captured: the partner may still come"
    assert 7 in {row["outbound_line"] for row in pairer.push(table(connection(120))).rows()}
