"""What people see, letter by letter."""

from __future__ import annotations

import pytest
from golden import matches_golden

COMMANDS = [
    "summary",
    "records",
    "flows",
    "show",
    "top",
    "graph",
    "plot",
    "page",
    "report",
    "diff",
    "advise",
    "check",
    "explain",
    "simulate",
    "warmup",
    "completion",
    "man",
]


def test_help_of_the_program(cli):
    matches_golden("help/ztflow.txt", cli("--help").out)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(cli, command):
    matches_golden(f"help/{command}.txt", cli(command, "--help").out)


def test_every_command_is_here():
    from ztflow.cli.app import program

    assert list(program.commands) == COMMANDS


@pytest.mark.parametrize(
    ("name", "words", "options"),
    [
        ("flows-terminal-80", ["flows", "--color", "never"], {"terminal": True, "size": (80, 24)}),
        ("flows-terminal-120", ["flows", "--color", "never"], {"terminal": True, "size": (120, 24)}),
        ("flows-terminal-160-colour", ["flows"], {"terminal": True, "size": (160, 24)}),
        ("flows-pipe", ["flows"], {}),
        ("flows-wide", ["flows", "-o", "wide"], {}),
        ("flows-jsonl", ["flows", "-o", "jsonl"], {}),
        ("flows-csv", ["flows", "-o", "csv"], {}),
        ("records-terminal-80", ["records", "--color", "never"], {"terminal": True, "size": (80, 24)}),
        ("records-pipe", ["records"], {}),
        ("records-wide", ["records", "-o", "wide"], {}),
        ("records-jsonl", ["records", "-o", "jsonl"], {}),
        ("summary-terminal-80", ["--color", "never"], {"terminal": True, "size": (80, 24)}),
        ("summary-pipe", [], {}),
        ("graph-table", ["graph"], {}),
        ("graph-node-table", ["graph", "--by", "node"], {}),
        ("graph-json", ["graph", "-o", "json"], {}),
        ("graph-mermaid", ["graph", "--by", "workload", "-o", "mermaid"], {}),
        ("report-locality", ["report", "locality"], {}),
    ],
)
def test_seed(cli, monkeypatch, seed, name, words, options):
    monkeypatch.chdir(seed)
    logs = ["same-node.log", "cross-node.log", "ingress-wrapped.log"]
    inventories = (
        [] if words[:1] == ["records"] else ["--inventory", "pods-wide-1.txt", "--inventory", "pods-wide-2.txt"]
    )
    result = cli(*words, *logs, *inventories, **options)
    talk = "ztflow: pods-wide-1.txt: 8 pods on 3 nodes\nztflow: pods-wide-2.txt: 3 pods on 3 nodes\n"
    assert (result.code, result.talk) == (0, talk if inventories else "")
    matches_golden(f"seed/{name}.txt", result.out)


def test_the_seed_without_tables(cli, monkeypatch, seed):
    monkeypatch.chdir(seed)
    result = cli(*sorted(path.name for path in seed.glob("*.log")), "--stats=json")
    assert result.code == 0
    matches_golden("seed/summary-all-logs.txt", result.out)
    matches_golden("seed/talk-all-logs.txt", result.talk)


def test_the_storm_on_one_screen(cli, storm):
    logs = sorted(storm.glob("ztunnel-*.log*"))
    result = cli("--inventory", storm / "pods.txt", "--color", "never", *logs, terminal=True)
    assert len(result.lines) <= 23
    assert max(map(len, result.lines)) <= 80
    matches_golden("storm-summary-80.txt", result.out)


def test_explain(cli, seed):
    line = (seed / "same-node.log").read_text().splitlines()[2]
    matches_golden("seed/explain.txt", cli("explain", line).out)
    matches_golden("seed/explain-cut.txt", cli("explain", "-", stdin=line[:300].encode()).out)


@pytest.mark.parametrize("name", ["locality", "mtls"])
def test_the_library_writes_a_report_as_the_command_line_does(cli, monkeypatch, seed, name):
    from ztflow import read_flows
    from ztflow.reports import make_report, render

    monkeypatch.chdir(seed)
    logs = ["same-node.log", "cross-node.log"]
    assert cli("report", name, *logs).out == render(make_report(name, read_flows(*logs)), "text")
