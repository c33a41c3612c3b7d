"""The captures ztflow began with, read as they are."""

from __future__ import annotations

from pathlib import Path

import ztflow

SEED = Path(__file__).parents[1] / "fixtures" / "seed"
LOGS = sorted(SEED.glob("*.log"))
TABLES = sorted(SEED.glob("*.txt"))


def said(flows):
    return [
        (f.src_name, f.dst_name, f.request_bytes, f.response_bytes, f.duration_ms, f.inbound_duration_ms,
         f.paired, f.locality)
        for f in flows
    ]  # fmt: skip


def test_same_node():
    assert said(ztflow.read_flows(SEED / "same-node.log")) == [
        ("doks-debug-rdhgq", "httpbin-6f4dc97cb-swdlb", 84, 9832, 203, 178, "unique", "same_node")
    ]


def test_cross_node():
    (flow,) = ztflow.read_flows(SEED / "cross-node.log")
    assert said([flow]) == [("doks-debug-rdhgq", "httpbin-6f4dc97cb-5dpz9", 84, 9832, 61, 60, "unique", "cross_node")]
    assert (flow.outbound_ztunnel, flow.inbound_ztunnel) == ("ztunnel-fv5f8", "ztunnel-62hp8")
    assert (flow.src_node, flow.dst_node) == (None, None), "nothing in the log names a node"


def test_ingress_is_placed_only_by_the_pod_tables():
    alone = list(ztflow.read_flows(SEED / "ingress-wrapped.log"))
    assert [(f.paired, f.locality, f.unpaired_reason) for f in alone] == [
        ("inbound_only", "unknown", "source_not_captured")
    ] * 2
    placed = list(ztflow.read_flows(SEED / "ingress-wrapped.log", inventory=TABLES))
    assert [(f.src_node, f.dst_node, f.locality) for f in placed] == [
        ("ambient-worker", "ambient-worker", "same_node"),
        ("ambient-worker", "ambient-worker2", "cross_node"),
    ]


def test_all_of_it_together_with_every_line_accounted_for():
    flows = ztflow.read_flows(*LOGS, inventory=TABLES)
    assert len(flows) == 4
    stats = flows.stats
    assert (stats.access, stats.problems) == (6, 0)
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems


def test_one_concatenated_pipe_gives_the_same(tmp_path):
    together = tmp_path / "all.log"
    together.write_bytes(b"".join(path.read_bytes() for path in LOGS))
    assert said(ztflow.read_flows(together)) == said(ztflow.read_flows(*LOGS))
