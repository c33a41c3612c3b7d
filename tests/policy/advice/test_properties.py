"""Advice held against the evaluator: it lets in what was seen and nothing else, however the capture was cut."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from flow_strategies import flows as any_flows
from flow_strategies import quick
from flows_by_hand import PLAIN, flow, table
from hypothesis import given
from hypothesis import strategies as st
from kinds_by_hand import CART, DB, WEB, identity, inventory, pod

import ztflow
from ztflow.model.tables import Flows
from ztflow.place import read_inventory
from ztflow.policy import Outcome, Workloads, convert, evaluate
from ztflow.policy.advice import BREAKABLE, WRITABLE, Asked, Reason, Seen, Wanted, advise, manifest
from ztflow.policy.advice.seen import End
from ztflow.reports import check

FIXTURES = Path(__file__).parents[3] / "fixtures"
API = End("shop/api", is_workload=True)
ENDS = (WEB, CART, API, DB)
PODS = {(end, number): pod(end, number) for end in ENDS for number in (1, 2)}
INVENTORY = inventory(*PODS.values())
PORTS = (5432, 8080, 9000)
LOOSE = Wanted(asked=Asked(with_=frozenset(WRITABLE), without=frozenset(BREAKABLE)))


def connection(source, destination, port, *, number=1, account=None, **values):
    here = PODS[destination, number]
    address = f"10.{ENDS.index(destination)}.0.{number}"
    row = {
        "src_pod": f"{source.namespace}/{PODS[source, 1].name}", "src_workload": PODS[source, 1].name,
        "src_namespace": source.namespace, "src_identity": identity(source, account),
        "src_ip": f"10.{ENDS.index(source)}.0.1", "dst_pod": f"{here.namespace}/{here.name}",
        "dst_workload": here.name, "dst_namespace": here.namespace, "dst_identity": identity(destination),
        "dst_ip": address, "hbone_host": address, "hbone_port": port,
    }  # fmt: skip
    return flow(**(row | values))


KINDS = st.sampled_from(
    [
        {}, {}, {}, {"verdict": "failed", "error_class": "refused"}, {"verdict": "denied", "error_class": "policy_denied"},
        {"paired": "inbound_only", "unpaired_reason": "source_not_captured"},
        {"paired": "outbound_only", "unpaired_reason": "partner_missing"}, {"account": "default"}, {"number": 2},
        PLAIN | {"src_identity": None, "paired": "inbound_only", "unpaired_reason": "plaintext"},
    ]
)  # fmt: skip
CONNECTIONS = st.builds(
    lambda source, destination, port, kind, times: [connection(source, destination, port, **kind)] * times,
    st.sampled_from(ENDS), st.sampled_from(ENDS), st.sampled_from(PORTS), KINDS, st.integers(1, 3),
)  # fmt: skip
CAPTURES = st.lists(CONNECTIONS, min_size=1, max_size=12).map(lambda parts: [row for part in parts for row in part])


def outcomes(advice, rows):
    """What the advised policies make of some connections."""
    policies = convert([document.content for document in advice.documents])
    assert policies.notes == ()
    judged = evaluate(policies, Flows(table(*rows)), Workloads(INVENTORY))
    return [judged.decisions[code].outcome for code in judged.codes.tolist()]


def pair(row):
    return row["dst_pod"].rpartition("-")[0], row["src_identity"], row["hbone_port"]


@quick
@given(CAPTURES)
def test_nothing_that_worked_is_refused(rows):
    advice = advise(Flows(table(*rows)), INVENTORY)
    for row, outcome in zip(rows, outcomes(advice, rows), strict=True):
        assert outcome is Outcome.ALLOWED or row["verdict"] == "denied"


@quick
@given(CAPTURES, st.booleans())
def test_every_pair_that_was_not_seen_is_refused(rows, loose):
    advice = advise(Flows(table(*rows)), INVENTORY, LOOSE if loose else None)
    let_in = {pair(row) for row in rows if row["verdict"] != "denied"}
    covered = {draft.workload for draft in advice.decided.drafts}
    every = [
        connection(source, destination, port, number=number, account=account)
        for source, destination, port, number, account in product(ENDS, covered, (*PORTS, 1), (1, 2), (None, "default"))
    ]
    for row, outcome in zip(every, outcomes(advice, every), strict=True):
        assert (outcome is Outcome.ALLOWED) is (pair(row) in let_in)
    unnamed = [row | PLAIN | {"src_identity": None, "paired": "inbound_only", "dst_port": 5432} for row in every]
    assert set(outcomes(advice, unnamed)) <= {Outcome.REFUSED}


@quick
@given(CAPTURES, st.data())
def test_a_capture_and_its_parts_joined_are_advised_alike(rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    parts = Seen.of(Flows(table(*rows[:cut])), Flows(table(*rows[cut:])))
    whole = advise(Flows(table(*rows)), INVENTORY)
    joined = advise(parts, INVENTORY)
    assert [*map(manifest, joined.documents)] == [*map(manifest, whole.documents)]
    assert (joined.decided.refused, joined.decided.held_back) == (whole.decided.refused, whole.decided.held_back)


@quick
@given(any_flows(), st.booleans(), st.booleans())
def test_every_connection_is_in_a_rule_or_listed_whatever_a_log_says(flows, network, loose):
    asked = LOOSE.asked if loose else Asked()
    advice = advise(flows, INVENTORY, Wanted(asked=Asked(with_=asked.with_, without=asked.without, network=network)))
    listed = sum(one.seen.connections for one in advice.decided.refused)
    assert advice.decided.allowed + listed == len(flows)
    for document in advice.documents:
        manifest(document)


LABELS = FIXTURES / "inventory" / "captured" / "pods.json"


@pytest.mark.parametrize(
    "run",
    [
        "policy/1.31.0-head-strict",
        "captured/1.29.5-json",
        "captured/1.29.5-multinetwork",
        "captured/1.22.0-json",
    ],
)
def test_real_ztunnels_traffic_is_let_in_as_it_was(run):
    known = read_inventory(LABELS)
    flows = ztflow.read_flows(FIXTURES / run, inventory=known)
    for wanted in (Wanted(), Wanted(asked=Asked(with_=frozenset(WRITABLE)))):
        advice = advise(flows, known, wanted)
        policies = convert([document.content for document in advice.documents])
        judged = evaluate(policies, flows, Workloads(known))
        rows = flows.to_arrow().select(["verdict", "error_class"]).to_pylist()
        for row, code in zip(rows, judged.codes.tolist(), strict=True):
            assert judged.decisions[code].outcome is not Outcome.REFUSED or row["verdict"] == "denied"
        listed = sum(one.seen.connections for one in advice.decided.refused)
        assert advice.decided.allowed + listed == len(flows)


def test_a_strict_mesh_of_real_ztunnels_is_advised_whole_and_nothing_changes():
    known = read_inventory(LABELS)
    flows = ztflow.read_flows(FIXTURES / "policy" / "1.31.0-head-strict", inventory=known)
    advice = advise(flows, known)
    assert {draft.workload.id: {(one.port, one.source.rpartition("/")[2]) for one in draft.allowed}
            for draft in advice.decided.drafts} == {
        "closed/shut": set(),
        "data/db": {(5432, "cart"), (5432, "prober"), (5432, "web"), (9999, "cart"), (9999, "prober"), (9999, "web")},
        "secure/vault": {(8200, "web")},
        "shop/cart": {(8080, "cart"), (8080, "prober"), (8080, "web")},
        "shop/web": {(8080, "cart"), (8080, "prober"), (8080, "web"), (9999, "cart"), (9999, "prober"), (9999, "web")},
    }  # fmt: skip
    assert advice.decided.held_back == {}
    assert {one.reason for one in advice.decided.refused} == {Reason.DENIED, Reason.NOT_DECIDED, Reason.OUTSIDE_MESH}
    changed = check(flows, convert([document.content for document in advice.documents]), Workloads(known))
    assert (changed.refused, len(changed.changed)) == (63, 0)
