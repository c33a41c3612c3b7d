"""Names a filter asks for that are nowhere, and columns that mean less than one would think: what is said on stderr."""

from __future__ import annotations

import pytest

from tests.cli.conftest import FIXTURES
from ztflow.cli.run import OK

FLOWS = FIXTURES / "captured" / "1.29.5-json"
"""234 connections; 35 of them to port 5432, all through tunnels."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Those connections, read once."""
    from ztflow.cli import main

    file = tmp_path_factory.mktemp("names") / "flows.parquet"
    assert main(["flows", str(FLOWS), "--output", str(file)]) == OK
    return file


def said(cli, saved, *words):
    result = cli("flows", saved, "-o", "jsonl", *words)
    assert result.code == OK
    return len(result.lines), [line.removeprefix("ztflow: ") for line in result.talk.splitlines()]


NONE = "none of 234 rows passed the filters"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--namespace", "shopp"], "no namespace 'shopp'; did you mean shop? There are also closed, data, legacy, "),
        (["--to-namespace", "xyz"], "no destination namespace 'xyz'; there are closed, data, legacy, secure, shop"),
        (["--from-namespace", "data"], "no source namespace 'data'; the other end has it: --to-namespace data"),
        (["--from-node", "node-x"], "no source node 'node-x'; did you mean node-c? There are also node-a, node-b"),
        (["--workload", "wbe"], "no workload 'wbe'; did you mean shop/web? There are also "),
        (["--to-service", "dbb"], "no destination service 'dbb'; did you mean db.data.svc.cluster.local? There are "),
        (["--to-port", "5433"], "no destination port '5433'; there are 80, 81, 443, 5432, 8080, 8200, 9999"),
        (["--from-identity", "shop/wbe"], "no source identity 'shop/wbe'; did you mean shop/web? There are also "),
        (["--from-ip", "192.168.0.0/16"], "no source ip '192.168.0.0/16'; there are 10."),
        (["--filter", "src_namespace == shopp"], "no src_namespace 'shopp'; did you mean shop? There are also "),
        (["--filter", "from_pod == wbe*"], "no source pod 'wbe*'; there are "),
        (["--filter", "src_workload == shop/wbe"], "no source workload 'shop/wbe'; did you mean shop/web? "),
    ],
)
def test_a_name_that_is_nowhere_is_told_with_those_there_are(cli, saved, words, line):
    rows, talk = said(cli, saved, *words)
    assert (rows, talk[0], len(talk)) == (0, NONE, 2)
    assert talk[1].startswith(line)


def test_one_of_several_names_and_one_that_is_left_out(cli, saved):
    rows, (line,) = said(cli, saved, "--to-namespace", "data", "--to-namespace", "sohp")
    assert rows > 0
    assert line.startswith("no destination namespace 'sohp'; did you mean shop?")
    rows, (line,) = said(cli, saved, "--not", "--to-namespace", "shopp")
    assert rows == 234
    assert line.startswith("no destination namespace 'shopp'; ")


@pytest.mark.parametrize(
    "words",
    [
        ["--to-namespace", "data", "--verdict", "denied"],
        ["--filter", "to_port == 5432 and duration > 1d"],
        ["--filter", "error_class == dns"],
    ],
)
def test_where_every_name_is_there_nothing_is_told_of_names(cli, saved, words):
    assert said(cli, saved, *words) == (0, [NONE])


def test_a_node_nobody_told_is_not_known(cli, seed):
    result = cli("flows", seed / "same-node.log", "--from-node", "x", "--inventory", "none")
    assert "no source node 'x', nor any other: it is not known; --inventory tells it" in result.talk


def test_what_was_dialled_and_what_is_behind_the_tunnel(cli, saved):
    for expression, rows in (("dst_port == 5432", 0), ("dst_port != 5432", 234), ("dst_port < 6000", 5)):
        found, talk = said(cli, saved, "--filter", expression)
        assert found == rows
        assert any("rows have it behind the tunnel; to_port, as --to-port, means both" in line for line in talk)
    assert said(cli, saved, "--filter", "to_port == 5432") == said(cli, saved, "--to-port", "5432") == (35, [])
    assert said(cli, saved, "--filter", "dst_port == 15008")[1] == []
    assert said(cli, saved, "--filter", "dst_port == 5432 or hbone_port == 5432") == (35, [])


@pytest.mark.parametrize("command", [[], ["graph"], ["report", "traffic"], ["records"]])
def test_every_command_tells(cli, command):
    result = cli(*command, FLOWS / "ztunnel-4k7rb.log", "--inventory", "none", "--to-namespace", "shopp")
    assert result.code == OK
    assert "rows passed the filters\nztflow: no destination namespace 'shopp'; did you mean shop?" in result.talk


def test_hostile_names_are_told_harmlessly():
    from flows_by_hand import flow, table

    from ztflow.filters import make_filter
    from ztflow.filters.ends import Known

    known = Known()
    make_filter("src_namespace == shopp", from_pod="nobody").mask(table(flow(src_namespace="shop\x1b[2J")), known=known)
    assert list(known.remarks()) == [
        "no source pod 'nobody'; there is shop\x1b[2J/web-0",
        "no src_namespace 'shopp'; did you mean shop\x1b[2J?",
    ], "escaped where it is printed (`cli.output.tell`)"


def test_many_names_are_counted():
    from ztflow.filters.asked import Asked

    asked = Asked("pod", ["x"], lambda value: lambda text: text == value)
    for number in range(5_000):
        assert not asked.passes(f"p{number}", f"p{number}")
    (line,) = asked.remarks()
    assert line.endswith("p1001, p1002, p1003 and 1,992 more")
    assert asked.passes("x", "x")
    assert list(asked.remarks()) == []
