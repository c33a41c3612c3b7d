"""Connections that a dump shows open and the log has no line of."""

from __future__ import annotations

from pathlib import Path

import pytest
from places_by_hand import at, flow, flows, inventory, pod

import ztflow
from ztflow.model.provenance import ReadReport
from ztflow.place import Evidence, OpenConnection, Topology, place_flows
from ztflow.place.open_flows import OpenFlows
from ztflow.reports import render, summary

WEB = "shop/web-6f4dc97cb-swdlb"
DB = "data/db-0"
DUMP = Evidence("dump", "ztunnel dump", at(0), at(60))
DIALLING = OpenConnection(
    "shop", "web-6f4dc97cb-swdlb", "outbound", "10.0.1.1:50000", "10.0.2.2:5432", "10.0.2.2:15008", "HBONE", "a", DUMP
)
SERVING = OpenConnection("data", "db-0", "inbound", "10.0.1.1:41000", None, "10.0.2.2:5432", "HBONE", "b", DUMP)
PLAIN = DIALLING._replace(original_dst="10.9.9.9:80", actual_dst="10.9.9.9:80", protocol="TCP", src="10.0.1.1:50001")


def left(connections, *rows):
    known = inventory(pod(WEB, "a", "10.0.1.1"), pod(DB, "b", "10.0.2.2"))
    known.connections.extend(connections)
    topology = Topology(known)
    found = OpenFlows(known, topology.register)
    found.note(place_flows(flows(*rows), topology))
    table = place_flows(found.table(), topology)
    assert found.settled + table.num_rows >= min(len(connections), 1)
    return table.to_pylist()


def test_one_connection_is_one_flow_whoever_was_dumped():
    for connections in ([DIALLING], [DIALLING, SERVING], [SERVING, DIALLING], [SERVING]):
        [row] = left(connections)
        assert [row["verdict"]] == ["open"]
        assert row["paired"] is row["end"] is row["request_bytes"] is row["unpaired_reason"] is None
        assert (row["src_pod"], row["dst_pod"], row["hbone_host"], row["hbone_port"]) == (WEB, DB, "10.0.2.2", 5432)
        assert (row["src_node"], row["dst_node"], row["locality"]) == ("a", "b", "cross_node")
        assert (row["path"], row["mtls"], row["dst_port"]) == ("hbone", True, 15008)


def test_each_outbound_one_counts_and_streams_of_a_tunnel_are_one_entry():
    two = [DIALLING, DIALLING._replace(src="10.0.1.1:50002")]
    assert [row["src_port"] for row in left([*two, SERVING])] == [50000, 50002]
    assert len(left([SERVING, SERVING._replace(src="10.0.1.1:41001")])) == 2


def test_plaintext_and_what_no_release_told():
    [row] = left([PLAIN])
    assert (row["path"], row["mtls"], row["dst_ip"], row["dst_port"], row["dst_pod"]) == (
        "plaintext", False, "10.9.9.9", 80, None,
    )  # fmt: skip
    assert [row["path"] for row in left([PLAIN._replace(protocol=None), DIALLING._replace(protocol=None)])] == [
        "plaintext", "hbone",
    ]  # fmt: skip


def ended(second, port=50000):
    row = flow(second, WEB, "10.0.1.1", DB, "10.0.2.2", hbone_host="10.0.2.2", hbone_port=5432, paired="unique")
    return row | {"src_port": port, "unpaired_reason": None}


@pytest.mark.parametrize(
    ("row", "count"),
    [(ended(30), 0), (ended(-30), 1), (ended(30, port=50009), 1)],
    ids=["ended after the dump", "an earlier one with the same port", "another"],
)
def test_what_ended_in_the_log_is_open_no_more(row, count):
    assert len(left([DIALLING], row)) == count


def test_the_other_half_of_a_flow_is_no_flow_of_its_own():
    lone = flow(
        1, WEB, "10.0.1.1", DB, "10.0.2.2", out="-", hbone_host="10.0.2.2", hbone_port=5432,
        unpaired_reason="partner_missing",
    )  # fmt: skip
    assert left([SERVING], lone) == []


@pytest.mark.parametrize(
    ("captured", "modified", "count"),
    [(at(0), at(60), 1), (at(5000), at(5001), 0), (at(-900), at(-800), 0), (at(5001), at(5001), 1)],
    ids=["of the time of the log", "taken long after it", "taken before it", "a copy, whose file is newer"],
)
def test_a_dump_of_another_time_tells_nothing(captured, modified, count):
    connection = DIALLING._replace(evidence=Evidence("dump", "ztunnel dump", captured, modified))
    assert len(left([connection], ended(1, port=9))) == count


def test_real_dumps_beside_a_log_leave_all_counts_as_they_were():
    logs = sorted(Path("fixtures/captured/1.29.5-json").glob("*.log*"))
    dumps = sorted(Path("fixtures/inventory/config-dump-1.29.5").glob("ztunnel-*.json*"))
    report = ReadReport()
    made = list(ztflow.iter_flows(*logs, inventory=dumps, report=report))
    whole = ztflow.Flows.concat(made)
    opened = [row for row in whole if row.verdict == "open"]
    assert [(one.src_workload, one.dst_workload, one.path) for one in opened] == [
        ("web", None, "plaintext"), ("cart", "cart", "hbone"), ("web", "web", "hbone"), ("web", "web", "hbone"),
    ]  # fmt: skip
    assert (report.open_flows, report.open_settled) == (4, 0)
    assert report.stats.access - report.stats.duplicates == 2 * report.paired_flows + report.unpaired_halves
    assert len(whole) == report.paired_flows + report.unpaired_halves + 4
    assert "4 still open, without a line" in render(summary(whole), "text")
