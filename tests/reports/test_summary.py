"""The first answer: every number in it can be counted by hand."""

from __future__ import annotations

from pathlib import Path

from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given

import ztflow
from ztflow.model.tables import Flows
from ztflow.reports import render, summary

SEED = Path(__file__).parents[2] / "fixtures" / "seed"


def test_what_a_person_wants_first():
    some = Flows(
        table(
            flow(src_pod="shop/web-6f4dc97cb-swdlb"),
            flow(1, src_pod="shop/web-6f4dc97cb-zzzzz", src_node="node-b", locality="same_node"),
            flow(2, verdict="denied", error_class="policy_denied", policy="data/only-web", request_bytes=0,
                 response_bytes=0, src_name="cart-6f4dc97cb-swdlb"),
            flow(3, verdict="failed", error_class="refused", hbone_port=9999),
            flow(4, paired="outbound_only", unpaired_reason="plaintext", mtls=False, path="plaintext", dst_node=None,
                 locality="unknown", dst_service=None, dst_name=None, dst_namespace=None, dst_ip="93.184.216.34"),
        )
    )  # fmt: skip
    report = summary(some)
    assert {name: (part.flows, part.bytes) for name, part in report.nodes.items()} == {
        "same_node": (1, 9916), "cross_node": (3, 19832), "unknown": (1, 9916),
    }  # fmt: skip
    assert report.nodes["unknown"].flows_share == 0.2
    assert report.zones is None, "no zone is known at all"
    assert report.mtls["left_mesh"].flows == 1
    assert [(row.source, row.target, row.source_nodes, row.measures.flows) for row in report.pairs] == [
        ("shop/web", "data/db", ("node-a", "node-b"), 3),
        ("shop/web", "93.184.216.34", ("node-a",), 1),
        ("shop/cart", "data/db", ("node-a",), 1),
    ]
    (denied,) = report.denied
    assert (denied.policy, denied.source, denied.target, denied.port, denied.flows) == (
        "data/only-web", "shop/cart", "data/db", 5432, 1,
    )  # fmt: skip
    assert denied.summary == "refused by an authorization policy"
    (failed,) = report.failed
    assert (failed.error_class, failed.port, failed.target_nodes) == ("refused", 9999, ("node-b",))
    assert [(count.value, count.flows) for count in report.unpaired] == [("plaintext", 1)]
    assert {gap.what: gap.flows for gap in report.gaps} == {
        "a destination name": 1, "both nodes known": 1, "both zones known": 5,
    }  # fmt: skip
    assert report.findings == 2


def test_zones_are_shown_once_one_is_known():
    report = summary(Flows(table(flow(), flow(zone_locality="cross_zone"))))
    assert report.zones is not None
    assert (report.zones["cross_zone"].flows, report.zones["unknown"].flows) == (1, 1)


def test_pairs_of_unknown_size_show_no_size():
    text = render(summary(Flows(table(flow(request_bytes=None, response_bytes=None)))), "text")
    (row,) = [line for line in text.splitlines() if "shop/web" in line]
    assert " 0 B" not in row
    assert "1 without a size" in text


@quick
@given(flows())
def test_shares_cover_everything(some):
    report = summary(some)
    parts = [report.nodes, report.mtls, *([report.zones] if report.zones else [])]
    for kinds in parts:
        assert sum(part.flows for part in kinds.values()) == len(some)
        if len(some):
            assert abs(sum(part.flows_share for part in kinds.values()) - 1) < 1e-9
    assert sum(row.measures.flows for row in report.pairs) == len(some)
    assert sum(count.flows for count in report.paths) == len(some)
    assert sum(row.flows for row in report.denied) == sum(row.measures.denied for row in report.pairs)
    assert sum(row.flows for row in report.failed) == sum(row.measures.failed for row in report.pairs)


def test_the_seed_captures():
    logs = sorted(SEED.glob("*.log"))
    report = summary(ztflow.read_flows(*logs, inventory=sorted(SEED.glob("*.txt"))))
    assert (report.basis.halves, report.basis.paired_flows, report.basis.unpaired_halves) == (6, 2, 2)
    assert report.basis.read["access"] == 6
    assert (report.nodes["same_node"].flows, report.nodes["cross_node"].flows) == (2, 2)
    assert {(row.source, row.target) for row in report.pairs if row.measures.paired} == {
        ("ambient-demo/doks-debug", "ambient-demo/httpbin")
    }
    text = render(report, "text")
    assert "4 from 6 halves, 66.7 % of them paired, 2 halves alone" in text
