"""Command line and library give the same answers, over every report and every level, with owners an inventory states."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

import ztflow
from ztflow import api
from ztflow.aggregate.fold import Fold
from ztflow.cli import added_up
from ztflow.graph import LEVELS
from ztflow.graph.formats import write_graph
from ztflow.place.inventory import found as inventory_files
from ztflow.reports import NEEDS_HALVES, REPORTS, diff, make_report, render, summary

FIXTURES = Path(__file__).parents[2] / "fixtures"
LOGS = [str(FIXTURES / "captured/1.29.5-json" / f"ztunnel-{name}.log") for name in ("4k7rb", "9xw2d", "m8s5v")]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """An inventory of the capture's pods with owners that no pattern of their names would give."""
    pods = ["ip,pod,namespace,node,workload"]
    for line in (FIXTURES / "captured/1.29.5-json/pods.txt").read_text().splitlines()[1:]:
        namespace, name, *_, address, node, _, _ = line.split()
        pods.append(f"{address},{name},{namespace},{node},team-{name.partition('-')[0]}")
    listed = tmp_path_factory.mktemp("inventory") / "pods.csv"
    listed.write_text("\n".join(pods) + "\n")
    return [str(listed)]


@pytest.fixture(scope="module")
def flows(files) -> ztflow.Flows:
    return ztflow.read_flows(*LOGS, inventory=files)


@pytest.fixture(autouse=True)
def _added_up(monkeypatch):
    """Have the command line add up flows as it does with a million, not only with the few that are here."""
    monkeypatch.setattr(added_up, "Fold", partial(Fold, portion=50, few=0))


def known(files: list[str]) -> list[str]:
    return [word for name in files for word in ("--inventory", name)]


def test_the_owners_are_not_what_the_pattern_gives(flows):
    assert any(name.startswith("shop/team-") for name in flows.graph(by="workload"))


@pytest.mark.parametrize("by", LEVELS)
def test_graphs(cli, flows, files, by):
    printed = cli("graph", "--by", by, "-o", "json", *known(files), *LOGS)
    assert json.loads(printed.out) == json.loads(write_graph(flows.graph(by=by), "json"))


def test_a_graph_with_what_a_cluster_states(cli):
    stated = [str(FIXTURES / "inventory/captured/pods.json")]
    flows = ztflow.read_flows(*LOGS, inventory=stated)
    assert flows.owners["shop/web-6b7f9c5d4-x2x9q"] == "web"
    printed = cli("graph", "--by", "workload", "-o", "json", *known(stated), *LOGS)
    assert json.loads(printed.out) == json.loads(write_graph(flows.graph(by="workload"), "json"))


@pytest.mark.parametrize("name", REPORTS)
def test_reports(cli, flows, files, name):
    halves = ztflow.read_records(*LOGS, inventory=files) if name in NEEDS_HALVES else None
    printed = cli("report", name, "-o", "json", *known(files), *LOGS)
    assert json.loads(printed.out) == json.loads(render(make_report(name, flows, halves=halves), "json"))


def test_the_summary(cli, flows, files):
    printed = cli("-o", "json", *known(files), *LOGS)
    assert json.loads(printed.out) == json.loads(render(summary(flows), "json"))


@pytest.mark.parametrize("by", LEVELS)
def test_diffs(cli, files, by):
    printed = cli("diff", LOGS[0], LOGS[1], "--by", by, "-o", "json", *known(files))
    before, after = (ztflow.read_flows(log, inventory=files) for log in LOGS[:2])
    assert json.loads(printed.out) == json.loads(render(diff(before, after, by), "json"))


def test_rows(cli, flows, files):
    printed = cli("flows", "-o", "jsonl", "--to-workload", "team-cart", *known(files), *LOGS)
    chosen = ztflow.filters.make_filter(to_workload="team-cart").apply(flows)
    assert 0 < len(chosen) == len(printed.lines) < len(flows)
    printed = cli("records", "-o", "jsonl", *known(files), *LOGS)
    nodes = ztflow.read_records(*LOGS, inventory=files).to_arrow()["ztunnel_node"].to_pylist()
    assert [json.loads(line).get("ztunnel_node") for line in printed.lines] == nodes


def test_both_tables_of_one_reading_are_those_of_two(flows, files):
    halves, found = api.read_capture(*LOGS, inventory=files)
    assert found.to_arrow().equals(flows.to_arrow())
    assert len(halves) == len(ztflow.read_records(*LOGS))
    assert halves.stats == found.stats == flows.stats


@pytest.mark.parametrize(
    "words",
    [["flows", "-o", "jsonl"], ["records", "-o", "jsonl"], ["graph"], ["report", "traffic"], ["report", "tunnels"], [],
     ["diff", LOGS[0], LOGS[1]]],
)  # fmt: skip
def test_an_inventory_is_read_once(cli, monkeypatch, files, words):
    read, names = inventory_files._read, []

    def counting(name, into):
        names.append(name)
        read(name, into)

    monkeypatch.setattr(inventory_files, "_read", counting)
    assert cli(*words, *known(files), *([] if words[:1] == ["diff"] else LOGS)).code == 0
    assert names == files
