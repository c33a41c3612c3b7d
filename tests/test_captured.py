"""Real ztunnels, known traffic: every pair found, none invented, every end on its node."""

from __future__ import annotations

import pytest
from truth import CAPTURED, half, judge, logs, true_rows

import ztflow

STALE = "../policy/1.31.0-head-strict-stale"
"""A run in which plaintext between meshed pods was refused."""
RUNS = ["1.22.0-json", "1.29.5-json", "1.29.5-multinetwork", "1.29.5-storm", "1.31.0-head-envoy-1.39", STALE]


@pytest.mark.parametrize("run", RUNS)
def test_every_pair_and_every_node(run):
    flows = ztflow.read_flows(*logs(run), inventory=CAPTURED / run / "pods.txt")
    count = judge(run, list(flows.rows()))
    assert count["right"] == count["pairs"]
    assert {name: count[name] for name in ("wrong", "reused", "lost", "misplaced")} == {
        "wrong": 0, "reused": 0, "lost": 0, "misplaced": 0,
    }  # fmt: skip
    assert count["placed"] >= 0.99 * count["placeable"] > 0
    stats = flows.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    assert stats.problems == 0
    paired = sum(row["unpaired_reason"] is None for row in flows.rows())
    assert stats.access - stats.duplicates == 2 * paired + len(flows) - paired


def test_refused_plaintext_between_meshed_pods_is_one_refused_flow():
    rows = list(ztflow.read_flows(*logs(STALE)).rows())
    refused = [r for r in rows if r["path"] == "plaintext" and r["verdict"] == "denied"]
    paired = [r for r in refused if r["unpaired_reason"] is None]
    assert len(paired) == 14
    assert {r["outbound_error"] for r in paired} == {None}, "the client's side ended well"
    assert len(refused) - len(paired) == 11, "of a client outside the mesh"


def test_hops_behind_a_waypoint_are_chained():
    flows = list(ztflow.read_flows(*logs("1.29.5-storm")).rows())
    chained = {half(f, "outbound"): half(f, "next_hop") for f in flows if f["next_hop_line"] is not None}
    true = {r["outbound"]: r["next_hop_inbound"] for r in true_rows("1.29.5-storm") if r["next_hop_inbound"] != "-"}
    assert chained == true


def test_an_envoy_that_closes_what_it_kept_open_has_not_failed():
    flows = ztflow.read_flows(*logs("1.31.0-head-envoy-1.39"))
    true = {row["outbound"]: row["kind"] for row in true_rows("1.31.0-head-envoy-1.39")}
    failed = [row for row in flows.rows() if row["verdict"] == "failed"]
    assert {true.get(half(row, "outbound")) for row in failed} == {"refused", "unknown-address", "no-endpoints"}
    closed = [row for row in flows.rows() if row["error_class"] == "waypoint_closed"]
    assert (len(closed), {row["verdict"] for row in closed}) == (30, {"forwarded"})
    assert {row["src_workload"] for row in closed} == {"way"}


def test_trace_ids_pair_exactly():
    flows = ztflow.read_flows(*logs("1.22.0-json"))
    kinds = [row["paired"] for row in flows.rows() if row["unpaired_reason"] is None]
    assert kinds == ["exact"] * 116


def test_without_an_inventory_the_logs_say_which_hops_cross():
    flows = ztflow.read_flows(*logs("1.29.5-json"))
    unknown = [row for row in flows.rows() if row["unpaired_reason"] is None and row["locality"] == "unknown"]
    assert unknown == []
