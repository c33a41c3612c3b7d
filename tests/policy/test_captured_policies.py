"""The evaluator and real ztunnels agree on every connection of runs with policies, and so do the log's dry-run lines."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import ztflow
from ztflow.aggregate import View
from ztflow.policy import Outcome, Why, Workloads, evaluate, load_policies
from ztflow.policy.connections import inbound_seen
from ztflow.policy.log_lines import PolicyLines
from ztflow.policy.observed import let_in, refused_by_policy
from ztflow.read import read_inputs
from ztflow.reports import check

FIXTURES = Path(__file__).parents[2] / "fixtures"
DUMP = FIXTURES / "policy" / "1.29.5-config_dump.json"
STATIC = "istio-system/istio_converted_static_strict"
RUNS = {
    "policy/1.31.0-head-strict": ("config.yaml", 63),
    "policy/1.31.0-head-strict-stale": ("config.yaml", 41),
    "policy/1.31.0-head-dryrun": ("config.yaml", 42),
    "captured/1.22.0-json": (FIXTURES / "policy" / "1.22.1-config_dump.json", 6),
    "captured/1.29.5-json": (DUMP, 10),
    "captured/1.29.5-multinetwork": (DUMP, 0),
}
"""Run → its policies, and connections that were refused in it."""


@cache
def run(name):
    folder = FIXTURES / name
    policies = load_policies([str(folder / RUNS[name][0])])
    logs = sorted(str(path) for path in folder.glob("ztunnel-*.log*"))
    return policies, logs, ztflow.read_flows(*logs, inventory=[folder / "pods.txt"])


@pytest.mark.parametrize("name", RUNS)
def test_every_verdict_of_the_log_is_the_evaluators(name):
    policies, _, flows = run(name)
    evaluation = evaluate(policies, flows)
    view = View(flows.to_arrow())
    decisions = [evaluation.decisions[code] for code in evaluation.codes.tolist()]
    was_in, refused = let_in(view).tolist(), refused_by_policy(view).tolist()
    asked = [(one.outcome, came) for one, came, went in zip(decisions, was_in, refused, strict=True) if came or went]
    wrong = [pair for pair in asked if pair != ((Outcome.ALLOWED, True) if pair[1] else (Outcome.REFUSED, False))]
    assert wrong == []
    assert sum(refused) == RUNS[name][1]
    unknown = {one.why for one in decisions if one.outcome is Outcome.UNKNOWN}
    assert unknown <= {Why.NOT_ASKED}


@pytest.mark.parametrize("name", [name for name in RUNS if "1.22" not in name])
def test_the_policy_is_the_one_the_log_names(name):
    policies, _, flows = run(name)
    evaluation = evaluate(policies, flows)
    decisions = [evaluation.decisions[code] for code in evaluation.codes.tolist()]
    table = flows.to_arrow()
    told = [
        (one.policy, named)
        for one, named, text in zip(
            decisions, table["policy"].to_pylist(), table["inbound_error"].to_pylist(), strict=True
        )
        if one.outcome is Outcome.REFUSED and text is not None
    ]
    assert all(mine == named for mine, named in told)
    if "strict" in name:
        assert Counter(mine for mine, _ in told)[STATIC] > 10


def test_a_client_that_does_not_know_its_server_has_joined_sees_nothing_of_the_refusal():
    policies, logs, _ = run("policy/1.31.0-head-strict-stale")
    of_clients = [log for log in logs if "m8s5v" not in log]  # not that of the server's node
    flows = ztflow.read_flows(*of_clients, inventory=[FIXTURES / "policy/1.31.0-head-strict-stale/pods.txt"])
    evaluation = evaluate(policies, flows)
    view = View(flows.to_arrow())
    refused = evaluation.rows(lambda one: one.policy == STATIC)
    alone = refused[~inbound_seen(view)[refused]]
    assert len(alone) > 10
    assert set(flows.to_arrow()["verdict"].take(alone).to_pylist()) == {"forwarded"}
    made = check(flows, policies)
    assert (made.newly_refused, made.newly_allowed, made.findings) == (0, 0, 0)


def test_the_logs_dry_run_lines_and_the_policies_agree():
    policies, logs, flows = run("policy/1.31.0-head-dryrun")
    lines = PolicyLines()
    for batch in read_inputs(logs):
        lines.learn(batch)
    assert lines.dry_run == 834
    made = check(flows, policies, Workloads(None, policies.keys), dry_lines=lines.refusals())
    rows = {(row.src, row.dst): row for row in made.dry_run}
    assert all(row.agrees and row.evaluated for row in rows.values())
    assert {pair: row.logged for pair, row in rows.items()} == {
        ("monitoring/prober", "shop/web"): 291,
        ("monitoring/prober", "shop/cart"): 255,
        ("shop/web", "data/db"): 119,
        ("monitoring/prober", "data/db"): 71,
        (None, "data/db"): 4,
    }
    assert rows["monitoring/prober", "shop/web"].policies == ("shop/try-no-prober",)
    assert rows["shop/web", "data/db"].policies == ("data/try-only-cart",)
    assert made.findings == 0


def test_without_the_policies_the_lines_say_it_alone_and_what_differs_is_said():
    policies, logs, flows = run("policy/1.31.0-head-dryrun")
    lines = PolicyLines()
    for batch in read_inputs(logs[:1]):
        lines.learn(batch)
    real, _, _ = run("captured/1.29.5-json")
    alone = check(flows, real, dry_lines=lines.refusals())
    assert {row.evaluated for row in alone.dry_run} == {None}
    half = check(flows, policies, dry_lines=lines.refusals())
    assert any(row.agrees is False for row in half.dry_run)
    assert any("differ" in note for note in half.notes())
    chosen = check(flows, policies, dry_lines=lines.refusals(), selected=True)
    assert not any("differ" in note for note in chosen.notes())
