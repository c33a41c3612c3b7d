"""Exit codes and complaints: one clear line, never a traceback."""

from __future__ import annotations

import json
import sys

import pytest

import ztflow
from ztflow.cli import main
from ztflow.cli.run import BUG, FINDINGS, INTERRUPTED, OK, UNREADABLE, USAGE

BROKEN = (
    b"2024-06-16T12:40:48.707707Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:80 "
    b'direction="inbound" bytes_sent=9832 bytes_re\n'
)


def test_no_words_and_a_terminal_is_a_hint_and_code_2(cli):
    for words in ([], ["flows"], ["graph"], ["explain"]):
        result = cli(*words, stdin=None)
        assert result.code == USAGE
        assert result.out == ""
        assert "Nothing to read" in result.talk
        assert len(result.talk.splitlines()) == 3


def test_version(cli):
    assert cli("--version").out == f"ztflow {ztflow.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["flows", "--help"], ["a.log", "-h"]])
def test_help_is_on_stdout_and_done(cli, words):
    result = cli(*words)
    assert (result.code, result.talk) == (OK, "")
    assert result.out.startswith("Usage: ztflow ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nonsense", "a.log"], "--nonsense"),
        (["flows", "--from-pdo", "x"], "--from-pod"),
        (["flows", "--color", "pink", "-"], "'pink'"),
        (["flows", "--stats=yaml", "-"], "'yaml'"),
        (["flows", "--first", "-1", "-"], "--first"),
        (["flows", "--first", "some", "-"], "'some' is not a valid number"),
        (["flows", "--first", "1", "--last", "1", "-"], "not both"),
        (["flows", "--last", "1", "-f", "-"], "--last"),
        (["flows", "--since", "soon", "-"], "--since"),
        (["flows", "--until", "2024-99-01", "-"], "--until"),
        (["flows", "--window", "0s", "-"], "--window"),
        (["flows", "--window", "wide", "-"], "--window"),
        (["flows", "-o", "yaml", "-"], "jsonl"),
        (["flows", "--output", "jsonl", "-"], "-o jsonl"),
        (["flows", "--output", "/no/such/folder/x.csv", "-"], "cannot write /no/such/folder/x.csv"),
        (["flows", "--not", "-"], "--not"),
        (["flows", "--ip", "10.0.0", "-"], "CIDR"),
        (["flows", "--verdict", "dropped", "-"], "forwarded"),
        (
            ["flows", "--verdict", "denyed", "-"],
            "'denyed' is not one of forwarded, denied, failed, unknown, open. Did you mean 'denied'?",
        ),
        (
            ["flows", "--not", "--direction", "in-bound", "-"],
            "'in-bound' is not one of outbound, inbound. Did you mean 'inbound'?",
        ),
        (["flows", "--filter", "verdict == denyed", "-"], "verdict cannot be 'denyed'; did you mean 'denied'?"),
        (["records", "--filter", "level not in [info, eror]", "-"], "level cannot be 'eror'; did you mean 'error'?"),
        (["graph", "--by", "planet", "-"], "planet"),
        (["graph", "--by", "name_space", "-"], "Did you mean 'namespace'?"),
        (["diff", "--by", "nodes", "a", "b"], "Did you mean 'node'?"),
        (["graph", "-o", "png", "-"], "png"),
        (["records", "--filter", "mtls", "-"], "no column 'mtls'"),
        (["flows", "--output", "g.svg", "-"], "nothing is written as .svg here ('ztflow graph' does), but as .csv"),
        (["graph", "--output", "g.png", "-"], "nothing is written as .png here, but as "),
        (["report", "denied", "--output", "x.jsonl.gz", "-"], "say the form: -o table|json|markdown|html"),
        (["flows", "--filter", "prot == 5432", "-"], "no column 'prot'; did you mean port?"),
    ],
)
def test_a_command_line_that_means_nothing_is_code_2(cli, words, said):
    result = cli(*words)
    assert result.code == USAGE
    assert said in result.talk
    assert "Traceback" not in result.talk
    assert result.out == ""


def test_an_expression_is_complained_about_with_a_caret(cli):
    result = cli("flows", "--filter", "verdict == denied and bogus > 1", "-")
    assert result.code == USAGE
    complaint, text, caret = result.talk.splitlines()
    assert complaint == "ztflow: --filter: no column 'bogus'"
    assert text[caret.index("^") :].startswith("bogus")


def test_a_missing_file_is_one_line_and_the_others_are_read(cli, seed):
    result = cli("flows", "-o", "jsonl", seed / "same-node.log", seed / "nowhere.log", seed / "cross-node.log")
    assert result.code == UNREADABLE
    assert len(result.lines) == 2
    (line,) = result.talk.splitlines()
    assert line.startswith(f"ztflow: {seed / 'nowhere.log'}: ")


def test_only_missing_files(cli):
    result = cli("nowhere-1.log", "nowhere-2.log", "--stats=json")
    assert result.code == UNREADABLE
    assert json.loads(result.talk.splitlines()[-1])["lines"] == 0
    assert [line.split(":")[1].strip() for line in result.talk.splitlines()[:2]] == ["nowhere-1.log", "nowhere-2.log"]


def test_a_missing_inventory_cannot_be_read_either(cli, seed):
    result = cli("flows", seed / "same-node.log", "--inventory", "nowhere.txt")
    assert result.code == UNREADABLE
    assert "nowhere.txt" in result.talk


def test_problems_are_told_counted_and_fail_only_when_asked(cli):
    good = cli("flows", "-", stdin=BROKEN)
    assert good.code == OK
    assert "1 access line could not be read" in good.talk
    assert "-:1: cut short" in good.talk
    assert cli("flows", "-", "--strict", stdin=BROKEN).code == FINDINGS
    assert cli("flows", "-", "--strict", stdin=b"hello\n").code == OK


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty, nothing to read"),
        (b"hello\nworld\n", "-: no ztunnel access line in 2 lines (2 not ours)"),
        (bytes(range(256)) * 40, "no ztunnel access line"),
        (b"x" * 1_000_000, "no ztunnel access line"),
    ],
)
@pytest.mark.parametrize("command", ["summary", "flows", "records", "graph"])
def test_input_without_anything_of_ours_is_done_and_says_so(cli, command, data, said):
    result = cli(command, stdin=data)
    assert result.code == OK
    assert said in result.talk


def test_inputs_without_anything_of_ours_are_named_beside_others(cli, seed, tmp_path):
    empty, binary, long = (tmp_path / name for name in ("empty.log", "binary.log", "long.log"))
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 40)
    long.write_bytes(b"x" * 10_000_000)
    result = cli("flows", empty, binary, long, seed / "same-node.log", "-o", "jsonl")
    assert (result.code, len(result.lines)) == (OK, 1)
    assert [line.split(": ")[1] for line in result.talk.splitlines()] == [str(empty), str(binary), str(long)]
    assert "empty, nothing to read" in result.talk


def test_a_directory_is_read_and_what_is_left_out_is_named(cli, seed, tmp_path):
    (tmp_path / "a.log").write_bytes((seed / "same-node.log").read_bytes())
    (tmp_path / "notes.md").write_text("# notes")
    result = cli("flows", tmp_path, "-o", "jsonl")
    assert (result.code, len(result.lines)) == (OK, 1)
    assert "left out 1 file that looks like no log" in result.talk
    assert "notes.md" in result.talk
    (tmp_path / "a.log").unlink()
    assert cli("flows", tmp_path).code == UNREADABLE


def test_a_bad_input_of_many_names_only_a_few(cli, tmp_path):
    names = [tmp_path / f"{number}.log" for number in range(6)]
    for name in names:
        name.write_text("hello\n")
    broken = tmp_path / "broken.log"
    broken.write_bytes(BROKEN * 5)
    result = cli("flows", *names, broken)
    assert "… and 3 more inputs without an access line" in result.talk
    assert "5 access lines could not be read:" in result.talk
    assert "… and 2 more" in result.talk


def test_stats_json_is_the_last_line_whatever_the_code(cli, seed):
    keys = ["physical_lines", "lines", "access", "other", "not_ours", "problems", "waypoint",
            "waypoint_problems", "repaired", "duplicates", "joined", "came_joined", "cut_times", "halves", "paired_flows", "ambiguous_flows", "unpaired_halves", "evicted", "forgotten", "slow_lines"]  # fmt: skip
    for words, code in (
        (["flows", seed / "same-node.log"], OK),
        (["flows", seed / "same-node.log", "nowhere"], UNREADABLE),
        (["flows", "--strict", "-"], FINDINGS),
        (["flows", "--since", "soon", "-"], USAGE),
        ([seed / "same-node.log"], OK),
        (["graph", seed / "same-node.log"], OK),
        (["records", seed / "same-node.log"], OK),
    ):
        result = cli(*words, "--stats=json", stdin=BROKEN)
        assert result.code == code
        assert list(json.loads(result.talk.splitlines()[-1])) == keys


def test_stats_swallows_no_file_and_counts_the_whole_input(cli, seed):
    result = cli("flows", "--stats", seed / "same-node.log", "--from-pod", "nobody")
    assert result.code == OK
    assert "none of 1 rows passed the filters" in result.talk
    assert "2 access" in result.talk
    assert "1 paired (0 ambiguous), 0 unpaired halves" in result.talk


def test_an_output_file_is_never_an_input(cli, tmp_path, seed):
    copy = tmp_path / "a.log"
    copy.write_bytes((seed / "same-node.log").read_bytes())
    result = cli("flows", copy, "-o", "table", "--output", copy)
    assert result.code == USAGE
    assert "overwritten" in result.talk
    assert copy.read_bytes() == (seed / "same-node.log").read_bytes()


def test_parquet_does_not_go_to_a_terminal(cli, seed):
    result = cli("flows", "-o", "parquet", seed / "same-node.log", terminal=True)
    assert result.code == USAGE
    assert "--output FILE" in result.talk


def test_a_bug_is_one_line_unless_debugged(cli, monkeypatch):
    import ztflow.cli.reading

    def broken(*_args):
        raise RuntimeError("boom \x1b[2J")

    monkeypatch.setattr(ztflow.cli.reading.Reader, "rows", broken)
    result = cli("flows", "-")
    assert result.code == BUG
    assert "RuntimeError: boom" in result.talk
    assert "--debug" in result.talk
    assert "\x1b" not in result.talk
    with pytest.raises(RuntimeError):
        cli("flows", "-", "--debug")


def test_interrupted_without_follow(cli, monkeypatch):
    import ztflow.cli.reading

    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(ztflow.cli.reading.Reader, "rows", interrupted)
    assert cli("flows", "-").code == INTERRUPTED


def test_hostile_names_are_shown_harmlessly(cli):
    result = cli("flows", "no\x1b[2Jwhere\n.log")
    assert result.code == UNREADABLE
    assert "\x1b" not in result.talk
    assert len(result.talk.splitlines()) == 1


def test_a_closed_stdin_is_nothing_to_read(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", None)
    assert main([]) == USAGE
    assert "Nothing to read" in capfd.readouterr().err
