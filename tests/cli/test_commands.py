"""What each command answers, told by cases a person can check."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

import ztflow
from ztflow.cli.run import FINDINGS, OK, USAGE


@pytest.fixture
def logs(seed):
    return [seed / "same-node.log", seed / "cross-node.log"]


def rows(result):
    assert result.code == OK, result.talk
    return [json.loads(line) for line in result.lines]


def test_the_first_word_may_stand_behind_options(cli, logs):
    assert cli("--color", "never", "flows", "-o", "jsonl", *logs).out == cli("flows", "-o", "jsonl", *logs).out


def test_stdin_is_the_default_and_may_be_named(cli, logs):
    data = logs[0].read_bytes()
    assert cli("flows", "-o", "jsonl", stdin=data).out == cli("flows", "-o", "jsonl", "-", stdin=data).out
    assert rows(cli("flows", "-o", "jsonl", stdin=data))[0]["outbound_file"] == "-"


def test_every_format_tells_the_same(cli, logs, tmp_path):
    lines = rows(cli("flows", "-o", "jsonl", *logs))
    table = list(csv.DictReader(io.StringIO(cli("flows", "-o", "csv", *logs).out)))
    parquet = pq.read_table(io.BytesIO(cli("flows", "-o", "parquet", *logs).data)).to_pylist()
    assert [row["request_bytes"] for row in lines] == [84, 84]
    assert [row["request_bytes"] for row in table] == ["84", "84"]
    assert [row["request_bytes"] for row in parquet] == [84, 84]
    for suffix in ("jsonl", "csv", "parquet"):
        file = tmp_path / f"flows.{suffix}"
        result = cli("flows", "--output", file, *logs)
        assert (result.code, result.out) == (OK, "")
        assert file.read_bytes() == cli("flows", "-o", suffix, *logs).data
    text = tmp_path / "flows.txt"
    assert cli("flows", "--output", text, "--color", "always", *logs).code == OK
    assert text.read_text() == cli("flows", *logs).out


def test_colour_follows_the_option_the_environment_and_the_terminal(cli, logs, monkeypatch):
    assert "\x1b" not in cli("flows", *logs).out
    assert "\x1b" in cli("flows", *logs, terminal=True).out
    assert "\x1b" in cli("flows", "--color", "always", *logs).out
    assert "\x1b" not in cli("flows", "--color", "never", *logs, terminal=True).out

    from ztflow.cli.options import Color
    from ztflow.cli.output import wants_color

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    for value, wanted in (("1", False), ("", True)):
        monkeypatch.setenv("NO_COLOR", value)
        assert wants_color(Color.AUTO, Terminal()) is wanted
        assert wants_color(Color.ALWAYS, Terminal()) is True
    monkeypatch.setenv("TERM", "dumb")
    assert wants_color(Color.AUTO, Terminal()) is False


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ([], ["12:40:48.708070", "12:48:51.793112"]),
        (["--first", "1"], ["12:40:48.708070"]),
        (["--last", "1"], ["12:48:51.793112"]),
        (["--first", "0"], []),
        (["--last", "0"], []),
        (["--first", "9"], ["12:40:48.708070", "12:48:51.793112"]),
        (["--since", "5m"], ["12:48:51.793112"]),
        (["--since", "9m"], ["12:40:48.708070", "12:48:51.793112"]),
        (["--until", "5m"], ["12:40:48.708070"]),
        (["--since", "2024-06-16T12:45:00Z"], ["12:48:51.793112"]),
        (["--until", "2024-06-16T12:45:00Z"], ["12:40:48.708070"]),
        (["--since", "2024-06-16T12:48:51.793112Z"], ["12:48:51.793112"]),
        (["--to-pod", "httpbin-6f4dc97cb-5dpz9"], ["12:48:51.793112"]),
        (["--not", "--to-pod", "httpbin-6f4dc97cb-5dpz9"], ["12:40:48.708070"]),
        (["--not", "--to-pod=*5dpz9"], ["12:40:48.708070"]),
        (["--verdict", "forwarded"], ["12:40:48.708070", "12:48:51.793112"]),
        (["--not", "--verdict", "forwarded"], []),
        (["--not", "--direction=inbound"], []),
        (["--not", "--verdict", "denied"], ["12:40:48.708070", "12:48:51.793112"]),
        (["--filter", "duration_ms < 100"], ["12:48:51.793112"]),
        (["--not", "--filter", "duration_ms < 100"], ["12:40:48.708070"]),
        (["--to-workload", "httpbin", "--last", "1"], ["12:48:51.793112"]),
        (["--service", "httpbin"], ["12:40:48.708070", "12:48:51.793112"]),
        (["--from-service", "httpbin"], []),
        (["--to-ip", "192.168.246.0/24"], ["12:48:51.793112"]),
    ],
)
def test_selection(cli, logs, options, ends):
    found = rows(cli("flows", "-o", "jsonl", *options, *logs))
    assert [row["end"] for row in found] == [f"2024-06-16T{end}Z" for end in ends]


def test_an_inventory_places_records_too(cli, seed):
    words = ["records", "-o", "jsonl", seed / "same-node.log"]
    assert all(row["ztunnel_node"] is None for row in rows(cli(*words)))
    placed = rows(cli(*words, "--inventory", seed / "pods-wide-1.txt", "--inventory", seed / "pods-wide-3.txt"))
    assert {row["ztunnel_node"] for row in placed} == {"ambient-worker"}


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("table", "SOURCE"), ("json", "{"), ("dot", "digraph"), ("mermaid", "flowchart"), ("graphml", "<graphml"),
        ("gexf", "<gexf"), ("cytoscape", "{"), ("html", "<!doctype html>"), ("svg", "<svg"), ("csv", "source"),
    ],
)  # fmt: skip
def test_every_graph_format(cli, logs, form, begins):
    result = cli("graph", "-o", form, "--by", "workload", *logs)
    assert result.code == OK
    assert result.out.lower().startswith(begins.lower())
    assert "httpbin" in result.out


def test_graph_formats_are_those_of_the_graph_room(cli):
    from ztflow.cli.commands.graph import GRAPH_FORMATS
    from ztflow.graph.formats import GRAPH_WRITERS as MADE

    assert set(GRAPH_FORMATS) == {"table", *MADE}


def test_edges_add_up_to_the_flows(cli, logs):
    graph = json.loads(cli("graph", "-o", "json", *logs).out)
    assert sum(edge["flows"] for edge in graph["edges"]) == 2
    assert sum(edge["response_bytes"] for edge in graph["edges"]) == 2 * 9832
    assert (sum(edge["same_node"] for edge in graph["edges"]), sum(edge["cross_node"] for edge in graph["edges"])) == (
        1,
        1,
    )


@pytest.mark.parametrize("level", ["pod", "workload", "service", "namespace", "identity", "node", "zone", "cluster"])
def test_every_level(cli, logs, level):
    assert cli("graph", "--by", level, *logs).code == OK


def test_report_names_are_those_of_the_report_room():
    from ztflow.cli.commands.report import REPORT_NAMES
    from ztflow.reports import REPORTS

    assert REPORT_NAMES == REPORTS


@pytest.mark.parametrize(
    "name", ["traffic", "locality", "mtls", "denied", "failures", "egress", "loss", "tunnels", "clocks", "waypoints"]
)
def test_every_report_in_every_form(cli, logs, name):
    for form, begins in (("table", ""), ("json", "{"), ("markdown", "# "), ("html", "<!doctype html>")):
        result = cli("report", name, "-o", form, *logs)
        assert (result.code, result.talk) == (OK, "")
        assert result.out.startswith(begins)
    assert json.loads(cli("report", name, "-o", "json", *logs).out)["report"] == name
    narrow = cli("report", name, *logs, terminal=True, size=(80, 24))
    assert narrow.code == OK


def test_the_summary_in_other_forms(cli, logs):
    assert json.loads(cli("-o", "json", *logs).out)["report"] == "summary"
    assert cli("-o", "markdown", *logs).out.startswith("# Summary")


def test_prices_make_locality_a_bill(cli, logs, tmp_path):
    table = tmp_path / "prices.csv"
    table.write_text("from_zone,to_zone,egress_per_gb\n*,*,0.01\n")
    assert cli("report", "locality", "--price", "0.01", *logs).code == OK
    assert cli("report", "locality", "--price", table, *logs).code == OK
    assert "is no price" in cli("report", "locality", "--price", "cheap", *logs).talk


def test_findings_are_code_1_only_when_asked(cli, seed):
    ours, theirs = seed / "same-node.log", seed / "ingress-wrapped.log"
    assert cli("diff", ours, theirs).code == OK
    assert cli("diff", ours, theirs, "--exit-code").code == FINDINGS
    assert cli("diff", ours, ours, "--exit-code").code == OK
    assert cli("report", "denied", ours, "--exit-code").code == OK


def test_diff_counts_both_captures(cli, seed):
    result = cli("diff", seed / "same-node.log", seed / "cross-node.log", "--stats=json")
    counts = json.loads(result.talk.splitlines()[-1])
    assert (counts["access"], counts["paired_flows"]) == (4, 2)


def test_explain_takes_a_line_apart_wherever_it_comes_from(cli, seed):
    line = (seed / "same-node.log").read_text().splitlines()[2]
    told = cli("explain", line)
    assert told.code == OK
    assert "src.workload" in told.out
    assert cli("explain", *line.split(" ")).out == told.out
    assert cli("explain", stdin=line.encode() + b"\n\n").out == told.out
    cut = cli("explain", "--strict", line[:300])
    assert cut.code == FINDINGS
    assert "cut short" in cut.out
    assert "^" in cut.out
    assert cli("explain", stdin=b"\xff\xfe\x00\x1b[2J\n").code == OK


def test_explain_shows_the_envelopes_and_those_that_were_not(cli, seed):
    line = (seed / "same-node.log").read_text().splitlines()[2].partition(" istio-proxy ")[2]
    document = {"log": {"offset": 3}, "kubernetes": {"pod": {"name": "ztunnel-4k7rb"}}, "data": {}, "message": line}
    pretty = json.dumps(document, indent=2)
    told = cli("explain", stdin=pretty.encode())
    assert told.out.startswith("envelope   fluent: ")
    assert "not its shape: stern, logcli" in told.out
    assert "written by pod ztunnel-4k7rb" in told.out
    assert "src.workload" in told.out
    assert told.out == cli("explain", json.dumps(document)).out
    nested = cli(
        "explain", json.dumps({"message": json.dumps({"podName": "p", "containerName": "c", "message": line})})
    )
    assert nested.out.index("envelope   json: ") < nested.out.index("envelope   stern: ")
    empty = cli("explain", json.dumps({"events": [], "x": {"y": line}}))
    assert "its shape, but nothing in it reads as a line: cloudwatch" in empty.out
    assert "found in   the key `x.y`" in empty.out
    prose = cli("explain", "--strict", json.dumps({"a": ["connection complete at src.addr of a pod"]}))
    assert prose.code == FINDINGS
    assert "problem: the key `a[0]` holds an access line, in no form that is known" in prose.out


def test_explain_is_deaf_to_hostile_lines(cli, seed):
    line = (seed / "same-node.log").read_text().splitlines()[2].replace("doks-debug", "\x1b[31mdoks\u202e")
    assert "\x1b" not in cli("explain", line).out
    assert "\u202e" not in cli("explain", line).out


def test_conservation_from_lines_to_edges(cli, storm):
    files = sorted(storm.glob("ztunnel-*.log*"))
    result = cli("graph", "-o", "json", "--stats=json", *files)
    counts = json.loads(result.talk.splitlines()[-1])
    assert counts["lines"] == counts["access"] + counts["other"] + counts["not_ours"] + counts["problems"]
    assert counts["halves"] == counts["access"] - counts["duplicates"]
    assert counts["halves"] == 2 * counts["paired_flows"] + counts["unpaired_halves"]
    edges = json.loads(result.out)["edges"]
    assert sum(edge["flows"] for edge in edges) == counts["paired_flows"] + counts["unpaired_halves"]


def test_the_map_offers_commands_that_read_the_same_again(cli):
    pods = "fixtures/seed/pods-wide-1.txt"
    for command in (("graph", "-o", "html"), ("page",)):
        run = cli(*command, "fixtures/seed/cross-node.log", "--inventory", pods)
        assert run.code == 0
        assert f'"inputs":["fixtures/seed/cross-node.log","--inventory","{pods}"]' in run.out


def test_a_page_says_what_changed(cli):
    seed = "fixtures/seed"
    run = cli("page", f"{seed}/cross-node.log", "--before", f"{seed}/same-node.log")
    assert run.code == 0
    assert "<summary>What changed</summary>" in run.out
    assert "<summary>What changed</summary>" not in cli("page", f"{seed}/cross-node.log").out
    refused = cli("page", f"{seed}/cross-node.log", "--before", f"{seed}/same-node.log", "-f")
    assert refused.code == 2
    assert "cannot follow" in refused.talk


def test_plots_are_those_of_the_plot_room(cli):
    from ztflow.cli.commands.plot import PLOT_KINDS, PLOT_VALUES
    from ztflow.plot.accessor import PLOTS
    from ztflow.plot.groups import VALUES

    assert PLOT_KINDS == PLOTS
    assert tuple(VALUES) == PLOT_VALUES


def test_every_plot_is_written_as_its_file_is_called(cli, logs, tmp_path):
    from ztflow.cli.commands.plot import PLOT_KINDS

    for kind in PLOT_KINDS:
        result = cli("plot", kind, *logs)
        assert result.code == OK
        assert result.out.startswith("<svg")
        assert result.out == cli("plot", kind, *logs, "--format", "svg").out
    made = tmp_path / "lives.HTML"
    assert cli("plot", "hist", *logs, "-o", made, "--by", "locality").code == OK
    assert made.read_text().startswith("<!doctype html>")
    refused = cli("plot", "hist", *logs, "-o", tmp_path / "lives.png")
    assert refused.code == USAGE
    assert "--format svg|html" in refused.talk
    assert "no option value" in cli("plot", "hist", *logs, "--value", "flows").talk


def test_a_plot_is_the_librarys(cli, logs):
    shown = cli("plot", "heatmap", *logs, "--by", "node", "--value", "bytes", "--from-workload", "doks-debug").out
    flows = ztflow.read_flows(*logs).filter(from_workload="doks-debug")
    assert shown == flows.plot.svg.heatmap(by="node", value="bytes").svg + "\n"
