"""Decisions of a step become flows: in order of their end, whichever stage decided first, and exact only by proof."""

from __future__ import annotations

import numpy as np
import pytest
from halves_by_hand import connection, table

from ztflow.columns.dictionaries import WordMemory
from ztflow.pair.buffers import Unmatched
from ztflow.pair.features.full import full_features
from ztflow.pair.flow_table import UNIQUE
from ztflow.pair.output import DecisionRecorder
from ztflow.pair.stages.isolated import ISOLATED, graded

NONE = np.zeros(0, np.uint64)


def waiting_for(rows):
    waiting = Unmatched()
    new = waiting.join([table(rows)])
    nothing = np.zeros(len(rows), np.uint64)
    waiting.add(np.arange(len(rows)), full_features(new), nothing == 1, nothing, np.zeros(len(rows), np.int64))
    return waiting


def made(rows, *, order):
    """Pairs of rows (2k, 2k + 1), decided in this order one after the other."""
    waiting = waiting_for(rows)
    decided = DecisionRecorder(waiting)
    for number in order:
        out, inn = np.array([2 * number]), np.array([2 * number + 1])
        decided.pairs(out, inn, UNIQUE, 0.9)
    assert waiting.count == len(rows) - 2 * len(order)
    return decided.flows(WordMemory()).to_pylist()


def test_flows_come_in_order_of_their_end_whoever_was_decided_first():
    rows = [half for n in range(5) for half in connection((n * 3) % 5, line=n + 1)]
    first = made(rows, order=[0, 1, 2, 3, 4])
    assert [flow["end"] for flow in first] == sorted(flow["end"] for flow in first)
    assert made(rows, order=[4, 2, 0, 1, 3]) == first


def test_flows_that_end_together_are_in_the_same_order_whoever_was_decided_first():
    rows = [half for n in range(5) for half in connection(0, request=n, line=n + 1)]
    assert made(rows, order=[3, 1, 4, 0, 2]) == made(rows, order=[0, 1, 2, 3, 4])


def test_halves_without_a_time_come_last():
    rows = [*connection(0, line=1, out={"time": None}, inn={"time": None}), *connection(9, line=2)]
    assert [flow["outbound_line"] for flow in made(rows, order=[0, 1])] == [2, 1]


def test_what_stays_alone_says_why_and_what_follows_it():
    waiting = waiting_for([*connection(0, line=1), connection(1, line=2)[1]])
    decided = DecisionRecorder(waiting)
    decided.unpaired(np.array([0]), "waypoint_hop", next_hop=np.array([2]))
    decided.unpaired(np.array([1, 2]), ["late", "waypoint_source"])
    told = [
        (flow["paired"], flow["outbound_line"], flow["inbound_line"], flow["unpaired_reason"], flow["next_hop_line"])
        for flow in decided.flows(WordMemory()).to_pylist()
    ]
    assert sorted(told, key=str) == [
        ("inbound_only", None, 1, "late", None),
        ("inbound_only", None, 2, "waypoint_source", None),
        ("outbound_only", 1, None, "waypoint_hop", 2),
    ]
    assert waiting.count == 0


def test_nothing_decided_is_no_flow():
    assert DecisionRecorder(waiting_for(connection())).flows(WordMemory()).num_rows == 0


@pytest.mark.parametrize(
    ("tunnel", "other", "proved"), [(7, 7, True), (7, 8, False), (0, 7, False), (7, 0, False), (0, 0, False)]
)
def test_only_one_tunnel_seen_on_both_sides_proves_a_pair(tunnel, other, proved):
    paired, confidence = graded(
        np.array([True, False]), np.array([tunnel] * 2, np.uint64), np.array([other] * 2, np.uint64), ISOLATED
    )
    assert (paired == UNIQUE).tolist() == [not proved] * 2
    assert (confidence == 1.0).tolist() == [proved] * 2
    assert confidence[0] >= confidence[1] > 0.99, "one that moved bytes looks like fewer others"


RESET = "send: io error: stream error received: unexpected internal error encountered"
LEFT = "receive: client disconnected before all data was written"
REFUSED = "connection failed: Connection refused (os error 111)"


@pytest.mark.parametrize(
    ("reason", "error", "told"),
    [
        ("waypoint_source", RESET, ("forwarded", "waypoint_closed")),
        ("waypoint_source", LEFT, ("forwarded", "waypoint_closed")),
        ("waypoint_source", REFUSED, ("failed", "of its text")),
        ("source_not_captured", RESET, ("forwarded", "waypoint_closed")),  # a gateway, or a waypoint whose clients' logs are missing
        ("source_not_captured", LEFT, ("failed", "of its text")),  # may be a ztunnel whose log is missing
        ("partner_missing", RESET, ("failed", "of its text")),
    ],
)  # fmt: skip
def test_a_waypoint_that_closes_what_it_kept_open_is_no_failure(reason, error, told):
    waiting = waiting_for(connection(0, inn={"error": error, "error_class": "of its text", "level": "error"}))
    decided = DecisionRecorder(waiting)
    decided.unpaired(np.array([0]), "waypoint_hop")
    decided.unpaired(np.array([1]), reason)
    out, inn = sorted(decided.flows(WordMemory()).to_pylist(), key=lambda flow: flow["paired"], reverse=True)
    assert (inn["verdict"], inn["error_class"], inn["inbound_error"]) == (*told, error)
    assert (out["verdict"], out["error_class"]) == ("forwarded", None)
