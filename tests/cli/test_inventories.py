"""What the command line says of inventories, and which it uses."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.cli.conftest import FIXTURES

SEED = FIXTURES / "seed"
LOG = "ztunnel-fv5f8.log"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a log and, beside it, a table of pods."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    shutil.copy(SEED / "same-node.log", tmp_path / "d" / LOG)
    shutil.copy(SEED / "pods-wide-1.txt", tmp_path / "d" / "pods.txt")
    return tmp_path / "d"


def nodes(result) -> set[str | None]:
    return {json.loads(line).get("src_node") for line in result.lines}


SAID = "ztflow: d: pods: 8, nodes: 3, from pods.txt (not used with --inventory none)\n"


def test_a_table_beside_the_logs_is_used_and_said(cli, folder):
    result = cli("flows", "d", "-o", "jsonl")
    assert (result.code, result.talk) == (0, SAID)
    assert nodes(result) == {"ambient-worker"}


@pytest.mark.parametrize(
    "words", [["records"], ["graph"], ["report", "traffic"], [], ["diff", "d"], ["report", "tunnels"]]
)
def test_by_every_command(cli, folder, words):
    result = cli(*words, "d")
    assert result.talk.startswith(SAID)


def test_none_uses_none(cli, folder):
    result = cli("flows", "d", "-o", "jsonl", "--inventory", "none")
    assert (result.code, result.talk) == (0, "")
    assert nodes(result) == {None}
    assert cli("flows", "d", "--inventory", "none", "--inventory", "d/pods.txt").code == 2


def test_one_that_is_named_is_used_instead(cli, folder):
    (folder / "nodes.csv").write_text("ip,node\n10.0.0.1,x\n")
    result = cli("flows", "d", "-o", "jsonl", "--inventory", "d/nodes.csv")
    assert result.talk == "ztflow: d/nodes.csv: 1 address\n"
    assert nodes(result) == {None}


def test_the_library_does_the_same(folder):
    import ztflow

    assert set(ztflow.read_flows("d").to_arrow()["src_node"].to_pylist()) == {"ambient-worker"}
    assert set(ztflow.read_flows("d", inventory=None).to_arrow()["src_node"].to_pylist()) == {None}
    assert set(ztflow.read_records("d").to_arrow()["ztunnel_node"].to_pylist()) == {"ambient-worker"}


def test_logs_of_other_programs_are_one_line(cli, folder):
    (folder / "sub").mkdir()
    for name in "abcdef":
        (folder / "sub" / f"{name}.log").write_text("other\n" * 3)
    result = cli("flows", "d", "--inventory", "none", "--stats=json")
    said, counts = result.talk.splitlines()
    assert said == "ztflow: no ztunnel line in 6 other files of folders and archives"
    assert json.loads(counts)["not_ours"] == 18


def test_a_ztunnel_without_access_lines_is_named(cli, folder):
    (folder / "ztunnel-9xw2d.log").write_text("2024-06-16T12:40:48.707707Z\tinfo\tproxy\tready\t\n")
    talk = cli("flows", "d", "--inventory", "none").talk
    assert "d/ztunnel-9xw2d.log: no ztunnel access line in 1 line (1 other line of ztunnel, 0 not ours)" in talk


def test_copies_are_counted(cli, folder):
    place = folder / "node" / "pods" / "istio-system_ztunnel-fv5f8_u" / "istio-proxy"
    place.mkdir(parents=True)
    shutil.copy(folder / LOG, place / "0.log")
    (folder / LOG).unlink()
    again = folder / "node" / "containers"
    again.mkdir()
    shutil.copy(place / "0.log", again / f"ztunnel-fv5f8_istio-system_istio-proxy-{'0' * 64}.log")
    result = cli("records", "d", "--inventory", "none", "-o", "jsonl", "--stats=json")
    counts = json.loads(result.talk.splitlines()[-1])
    assert (counts["duplicates"], counts["access"]) == (0, len(result.lines))
    assert "left out 1 file that is a copy of another, as kind writes each log twice" in result.talk


def test_one_bad_entry_hides_nobody(cli, folder):
    (folder / "gone.log").symlink_to("nowhere")
    result = cli("flows", "d", "-o", "jsonl")
    assert (result.code, len(result.lines)) == (3, 1)
    assert "ztflow: d/gone.log: is a link to nothing" in result.talk


def test_a_table_among_the_logs_is_told_how_to_be_used(cli, folder):
    talk = cli("flows", "d/pods.txt", f"d/{LOG}").talk
    assert talk.startswith("ztflow: d/pods.txt: no ztunnel access line in ")
    assert talk.endswith("; is it an inventory? Then --inventory d/pods.txt\n")
