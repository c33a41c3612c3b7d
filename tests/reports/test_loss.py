"""Loss: which halves are missing, at whose node, and which of them were surely lost."""

from __future__ import annotations

from pathlib import Path

from flows_by_hand import flow, table
from truth import logs

import ztflow
from ztflow.aggregate import UNKNOWN
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import Unpaired
from ztflow.reports import loss, render
from ztflow.reports.loss import LOSS

CAPTURED = Path(__file__).parents[2] / "fixtures" / "captured"


def lone(side, reason, **values):
    return flow(paired=f"{side}_only", unpaired_reason=reason, **values)


def test_every_reason_pairing_gives_has_a_meaning():
    assert set(LOSS) == {str(reason) for reason in Unpaired}


def test_a_missing_half_belongs_to_the_other_ends_node():
    some = Flows(
        table(
            flow(),
            lone("outbound", "partner_missing"),
            lone("outbound", "destination_not_captured", dst_node="node-z"),
            lone("inbound", "partner_missing", src_node=None),
            lone("outbound", "plaintext"),
            lone("inbound", "source_not_captured"),
        )
    )
    report = loss(some)
    nodes = {row.node: (row.seen, row.missing, row.maybe, row.verdict) for row in report.nodes}
    assert nodes == {
        "node-a": (4, 0, 1, "nothing missing for sure"),
        "node-b": (3, 1, 0, "lines missing"),
        "node-z": (0, 1, 0, "log seems missing altogether"),
        UNKNOWN: (0, 1, 0, "node unknown"),
    }
    assert report.findings == 3
    lost = {(row.reason, row.missing): row.loss for row in report.reasons}
    assert lost[("plaintext", "inbound")] == "no"
    assert lost[("source_not_captured", "outbound")] == "maybe"


def test_minutes_name_the_node_that_lost_most():
    some = Flows(
        table(
            flow(),
            lone("outbound", "partner_missing"),
            lone("outbound", "partner_missing"),
            lone("inbound", "partner_missing"),
            lone("outbound", "partner_missing", seconds=70),
            lone("outbound", "late", start=None, end=None),
            flow(200),
        )
    )
    report = loss(some)
    assert [(f"{row.start:%H:%M}", row.flows, row.missing, row.node) for row in report.minutes] == [
        ("12:48", 4, 3, "node-b"), ("12:50", 1, 1, "node-b"),
    ]  # fmt: skip
    assert report.timeless == 1
    assert "1 missing half without a time" in render(report, "text")


def test_a_reason_of_a_newer_release_is_not_called_lost():
    report = loss(Flows(table(lone("outbound", "of tomorrow"), lone("outbound", None))))
    assert {(row.reason, row.loss) for row in report.reasons} == {("of tomorrow", "maybe"), (None, "maybe")}
    assert report.findings == 0


def test_a_node_whose_log_is_left_out_is_found():
    run = "1.29.5-json"
    places = [CAPTURED / run / name for name in ("pods.txt", "nodes.txt")]
    kept = [path for path in logs(run) if "9xw2d" not in path.name]
    report = loss(ztflow.read_flows(*kept, inventory=places))
    worst = report.nodes[0]
    assert worst.node == "node-b"
    assert worst.seen == 0
    assert worst.missing > 0
    whole = loss(ztflow.read_flows(*logs(run), inventory=places))
    assert whole.findings < report.findings / 5
