"""Which halves belong together, told by cases a person can check."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from halves_by_hand import connection, table

from ztflow.errors import UsageError
from ztflow.model.provenance import NOBODY, Fact
from ztflow.pair import Pairer


def pair(table):
    pairer = Pairer()
    flows = [pairer.push(table), pairer.finish()]
    return [row for part in flows for row in part.rows()]


def places(rows):
    return {(row["outbound_line"], row["inbound_line"]) for row in rows}


def test_two_halves_become_one_flow_with_both_clocks_and_the_clients_port():
    (flow,) = pair(table(connection(request=84, response=9832, duration=178)))
    assert flow["paired"] == "unique"
    assert (flow["request_bytes"], flow["response_bytes"]) == (84, 9832)
    assert (flow["duration_ms"], flow["inbound_duration_ms"]) == (179, 178)
    assert flow["src_port"] == 50000, "the inbound port is the tunnel's"
    assert flow["end"] - flow["start"] == timedelta(milliseconds=179)
    assert (flow["path"], flow["mtls"], flow["verdict"]) == ("hbone", True, "forwarded")
    assert (flow["outbound_ztunnel"], flow["inbound_ztunnel"]) == ("ztunnel-1", "ztunnel-2")
    assert (flow["alternatives"], flow["unpaired_reason"]) == (0, None)
    assert flow["confidence"] > 0.99


def test_sizes_tell_connections_apart_that_end_together():
    rows = [half for n in range(20) for half in connection(n * 0.0001, response=1000 + n, line=n + 1)]
    assert places(pair(table(rows))) == {(n + 1, n + 1) for n in range(20)}


@pytest.mark.parametrize("skew", [-0.7, -0.5, 0.3, 0.5, 0.7])
def test_a_clock_that_is_off_costs_nothing(skew):
    rows = []
    for n in range(120):  # one probe a second in each direction, all of one size
        rows += connection(n, client=1, server=2, line=n + 1, inn={"time": None})
        rows[-1]["time"] = rows[-2]["time"] - 200 + round(skew * 1e6)
        rows += connection(n + n * 0.377 % 0.6, client=2, server=1, line=n + 1, response=301)
        rows[-2]["time"] += round(skew * 1e6)
    flows = pair(table(rows))
    right = [f for f in flows if f["outbound_line"] == f["inbound_line"] is not None]
    assert len(right) == 240


def test_a_cut_connection_pairs_by_its_start():
    cut = connection(100.0, duration=30_000, response=5_000)
    cut[0]["time"] -= 7_000_000  # the client's side was shut down 7 s before the server's noticed
    cut[0]["duration_ms"] -= 7_000
    cut[0]["error"] = "connection closed due to connection drain"
    cut[0]["error_class"] = "drained"
    (flow,) = pair(table(cut))
    assert flow["paired"] == "unique"
    assert flow["outbound_error"] == "connection closed due to connection drain"


def test_bytes_lost_in_a_cut_are_relaxed_but_bytes_gained_are_never_a_pair():
    lost = connection(inn={"bytes_sent": 5_000, "error": "send: io error: broken pipe"}, response=300, duration=2_000)
    assert [f["paired"] for f in pair(table(lost))] == ["relaxed"]
    gained = connection(inn={"bytes_sent": 200, "error": "send: io error: broken pipe"}, response=300, duration=2_000)
    assert {f["paired"] for f in pair(table(gained))} == {"outbound_only", "inbound_only"}


def test_unequal_sizes_without_an_error_are_a_reset_or_two_connections():
    lost = connection(inn={"bytes_sent": 301})
    assert [(f["paired"], f["confidence"]) for f in pair(table(lost))] == [("relaxed", 0.8)]
    gained = connection(inn={"bytes_sent": 299})
    assert {f["paired"] for f in pair(table(gained))} == {"outbound_only", "inbound_only"}


def test_another_identity_is_another_client():
    rows = connection(inn={"src_identity": "spiffe://cluster.local/ns/x/sa/waypoint"})
    assert {f["paired"] for f in pair(table(rows))} == {"outbound_only", "inbound_only"}


def test_a_trace_id_pairs_exactly_whatever_the_sizes():
    rows = connection(out={"trace_id": "ab"}, inn={"trace_id": "ab", "bytes_sent": 7})
    assert [f["paired"] for f in pair(table(rows))] == ["exact"]


def test_across_networks_the_authority_and_the_identity_pair():
    rows = connection(
        out={"hbone_host": "remote.b.svc.cluster.local", "dst_ip": "10.9.9.9", "dst_workload": "gateway"},
        inn={"hbone_host": "remote.b.svc.cluster.local", "src_ip": "10.9.9.9", "src_workload": "sleep"},
    )
    (flow,) = pair(table(rows))
    assert (flow["paired"], flow["path"]) == ("unique", "double_hbone")
    assert (flow["dst_name"], flow["dst_pod"]) == ("gateway", "b/server-2")


def test_equal_twins_are_ambiguous_and_say_so():
    rows = [half for n in range(6) for half in connection(n * 0.00001, line=n + 1, delay_us=150 + n)]
    flows = pair(table(rows))
    assert len(flows) == 6
    assert {f["paired"] for f in flows} == {"ambiguous"}
    assert all(f["alternatives"] >= 1 and f["confidence"] < 0.9 for f in flows)


def test_a_lost_half_leaves_its_partner_alone_and_no_other_pair_wrong():
    rows = [half for n in range(30) for half in connection(n * 1.0, line=n + 1)]
    del rows[21]
    flows = pair(table(rows))
    assert {(f["outbound_line"], f["inbound_line"]) for f in flows} == {
        (n + 1, None if n == 10 else n + 1) for n in range(30)
    }


@pytest.mark.parametrize(
    ("change", "keep", "reason"),
    [
        ({"hbone_host": None, "hbone_port": None}, "outbound", "plaintext"),
        ({"hbone_host": None, "hbone_port": None}, "inbound", "plaintext"),
        ({"message": "failed", "hbone_host": None, "error": "unknown source: 1.2.3.4"}, "outbound", "early_denial"),
        ({"dst_ip": "10.0.7.7"}, "outbound", "waypoint_hop"),
        ({}, "inbound", "source_not_captured"),
        ({}, "outbound", "destination_not_captured"),
        ({"error": "io error: deadline has elapsed", "bytes_sent": 0, "bytes_recv": 0}, "outbound", "connect_failed"),
        ({"time": None}, "outbound", "no_time"),
    ],
)
def test_why_a_half_stands_alone(change, keep, reason):
    rows = [half | change for half in connection() if half["direction"] == keep]
    (flow,) = pair(table(rows))
    assert (flow["paired"], flow["unpaired_reason"]) == (f"{keep}_only", reason)
    assert flow["confidence"] is None
    assert flow["alternatives"] is None


def test_the_source_of_a_waypoints_hop_is_known_from_the_clients_that_dial_it():
    to_waypoint = connection(out={"dst_ip": "10.0.7.7"})[:1]
    from_waypoint = connection(0.01, client=7, inn={"src_ip": "10.0.7.7"})[1:]
    flows = pair(table(to_waypoint + from_waypoint))
    assert {f["unpaired_reason"] for f in flows} == {"waypoint_hop", "waypoint_source"}


def test_when_its_neighbours_are_there_a_missing_line_is_just_missing():
    rows = connection(0, line=1) + connection(5, response=999, line=2)[:1]
    alone = [f for f in pair(table(rows)) if f["unpaired_reason"]]
    assert [f["unpaired_reason"] for f in alone] == ["partner_missing"]


def test_flows_come_out_as_soon_as_nothing_later_can_change_them():
    pairer = Pairer(window=timedelta(seconds=1))
    assert len(pairer.push(table(connection(0)))) == 0
    assert pairer.pending == 2
    first = pairer.push(table(connection(3.1, response=5)))
    assert places(first.rows()) == {(1, 1)}
    assert len(pairer.advance(past=timedelta(seconds=3.1))) == 1
    assert len(pairer.finish()) == 0


def test_memory_is_bounded_and_what_was_given_up_is_counted():
    pairer = Pairer(capacity=100)
    rows = [half for n in range(500) for half in connection(n * 0.001, response=n)][1::2]
    given_up = pairer.push(table(rows))
    assert pairer.pending <= 100
    assert pairer.evicted == len(given_up)
    assert {f["unpaired_reason"] for f in given_up.rows()} == {"evicted"}
    assert len(given_up) + len(pairer.finish()) == 500


def test_what_was_given_up_still_keeps_others_from_being_called_alone():
    """The partner of an inbound line is given up; a later connection of the same kind must not take its place."""
    pairer = Pairer(capacity=10)
    own, later = connection(0.4, server=1, delay_us=-200), connection(1.0, server=1, duration=500, line=2)
    crowd = [connection(0.001 * n, client=5 + n, line=10 + n)[0] for n in range(6)]
    crowd += [connection(0.3999 + 0.00001 * n, client=20 + n, line=20 + n)[0] for n in range(5)]
    given_up = pairer.push(table([*crowd, own[0]])).rows()
    assert 1 in {row["outbound_line"] for row in given_up}
    flows = [*pairer.push(table([own[1], later[0]])).rows(), *pairer.finish().rows()]
    assert [row for row in flows if row["outbound_line"] and row["inbound_line"]] == []


def test_memory_does_not_grow_with_the_names_a_stream_has_seen():
    """In a cluster whose pods come and go, names of the past are let go while some lone half always waits."""
    pairer = Pairer(window=timedelta(seconds=1))
    held, flows = [], 0
    for step in range(45):
        rows = connection(step * 3, request=77)[:1]
        for n in range(200):
            name = {"src_workload": f"client-{step}-{'x' * 100}-{n}"}
            rows += connection(step * 3 + n * 0.01, out=name, inn=name, request=1000 * step + n)
        flows += len(pairer.push(table(rows)))
        held.append(pa.total_allocated_bytes())
    assert flows > 40 * 200, "what is paired is gone"
    assert max(held[30:]) < 1.3 * max(held[:30])


def test_ten_thousand_equal_connections_in_a_second_all_come_out():
    rows = [half for n in range(10_000) for half in connection(n * 0.0001, line=n + 1)]
    flows = pair(table(rows))
    assert sum(f["unpaired_reason"] is None for f in flows) >= 9_990
    for side in ("outbound_line", "inbound_line"):
        assert sorted(f[side] for f in flows if f[side] is not None) == list(range(1, 10_001))


def test_nonsense_arguments_are_refused():
    with pytest.raises(UsageError, match="window"):
        Pairer(window=timedelta(seconds=-1))
    with pytest.raises(UsageError, match="capacity"):
        Pairer(capacity=1)


def test_the_request_a_server_printed_proves_the_pair():
    asked = {
        "client_ip": "10.0.1.1", "client_port": 50000, "hbone_host": "10.0.2.1", "hbone_port": 8080,
        "peer_ip": "10.0.1.1", "peer_port": 40000,
    }  # fmt: skip
    for tunnel, paired in ((40000, "exact"), (40001, "unique")):
        pairer = Pairer()
        pairer.learn([Fact("connect_request", None, NOBODY, "2.log", 1, asked | {"peer_port": tunnel})])
        pairer.push(table(connection()))
        assert [row["paired"] for row in pairer.finish().rows()] == [paired]
