"""What words mean: the default command, options before it, `--stats` without a value, `--not`, suggestions, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ztflow.cli.app import program, spelled_out
from ztflow.cli.completion import SHELLS, for_kubectl
from ztflow.cli.help_page import HEADINGS
from ztflow.cli.options import EXCLUDED, GRAPH_LEVELS, REPORT_FORMATS
from ztflow.cli.run import OK, USAGE


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], ["summary"]),
        (["a.log"], ["summary", "a.log"]),
        (["-"], ["summary", "-"]),
        (["flows"], ["flows"]),
        (["flows", "graph"], ["flows", "graph"]),
        (["./flows"], ["summary", "./flows"]),
        (["a.log", "flows"], ["summary", "a.log", "flows"]),
        (["--strict", "flows", "a.log"], ["flows", "--strict", "a.log"]),
        (["--color", "never", "flows", "a.log"], ["flows", "--color", "never", "a.log"]),
        (["--color=never", "flows"], ["flows", "--color=never"]),
        (["--pod", "flows", "a.log"], ["summary", "--pod", "flows", "a.log"]),
        (["--price", "flows", "report"], ["report", "--price", "flows"]),
        (["-o", "flows", "a.log"], ["summary", "-o", "flows", "a.log"]),
        (["-ojsonl", "flows"], ["flows", "-ojsonl"]),
        (["-fo", "jsonl", "flows"], ["flows", "-fo", "jsonl"]),
        (["--", "flows"], ["summary", "--", "flows"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        (["a.log", "--help"], ["summary", "a.log", "--help"]),
        (["--stats", "a.log"], ["summary", "--stats", "a.log"]),
        (["--stats", "flows"], ["flows", "--stats"]),
        (["--not", "--pod=x", "flows"], ["flows", "--not", "--pod=x"]),
        (["--not", "--pod", "flows", "graph"], ["graph", "--not", "--pod", "flows"]),
    ],
)
def test_the_first_word_is_a_command_or_an_input(words, meant):
    assert program.command_first(words) == meant


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--stats", "a.log"], ["--stats=text", "a.log"]),
        (["--stats=json", "a.log"], ["--stats=json", "a.log"]),
        (["a.log", "--stats"], ["a.log", "--stats=text"]),
        (["--", "--stats"], ["--", "--stats"]),
        (["--not", "--pod", "x"], [f"--pod={EXCLUDED}x"]),
        (["--not", "--pod=x", "y"], [f"--pod={EXCLUDED}x", "y"]),
        (["--not", "--pod", "--x"], [f"--pod={EXCLUDED}--x"]),
        (["--pod", "y", "--not", "--verdict", "denied"], ["--pod", "y", f"--verdict={EXCLUDED}denied"]),
        (["--not", "--pod", "x", "--not", "--ip", "y"], [f"--pod={EXCLUDED}x", f"--ip={EXCLUDED}y"]),
        (["--", "--not", "--pod", "x"], ["--", "--not", "--pod", "x"]),
        (["--not", "--stats"], ["--not", "--stats=text"]),
    ],
)
def test_words_are_spelled_out_for_click(words, read):
    assert spelled_out(words) == read


@pytest.mark.parametrize(
    "words",
    [
        ["--not"], ["--not", "--pod"], ["--not", "--color", "never"], ["--not", "a.log"], ["--not", "--not"],
        ["--not", "--not", "--pod", "x"], ["explain", "--not", "--pod", "x"],
    ],
)  # fmt: skip
def test_not_goes_before_a_filter_only(cli, words):
    result = cli(*words)
    assert (result.code, result.out) == (USAGE, "")


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["flow", "a.log"], "'flows'"),
        (["--color", "never", "grpah"], "'graph'"),
        (["Records"], "'records'"),
        (["sumary", "x.log"], "'summary'"),
        (["sum"], "'summary'"),
        (["denied", "x.log"], "'report denied'"),
        (["localty"], "'report locality'"),
        (["report", "loc"], "'locality'"),
        (["flows", "--from-pdo", "x"], "--from-pod"),
        (["graph", "--by", "nod"], "'node'"),
        (["diff", "--by", "workloads", "a", "b"], "'workload'"),
        (["flows", "-o", "jsnol"], "'jsonl'"),
        (["graph", "-o", "graphlm"], "'graphml'"),
        (["report", "deneid"], "'denied'"),
        (["flows", "--verdict", "denyed"], "'denied'"),
        (["flows", "--not", "--direction", "outbund"], "'outbound'"),
        (["--color", "nver"], "'never'"),
        (["--wrapper", "sternn"], "'stern'"),
        (["--wrapper", "containred"], "'containerd'"),
        (["simulate", "--scenario", "idel"], "'idle'"),
    ],
)
def test_what_was_meant_is_suggested(cli, words, suggested):
    result = cli(*words)
    assert (result.code, result.out) == (USAGE, "")
    (line,) = result.talk.splitlines()
    assert line.startswith("ztflow: ")
    assert re.search("[Dd]id you mean|Possible options", line), "Click before 8.4 says the latter for several options"
    assert suggested in line
    assert line.endswith(" --help'")


def test_a_word_far_from_all_is_only_refused(cli):
    result = cli("graph", "--by", "planet")
    assert "id you mean" not in result.talk
    assert result.talk.startswith("ztflow: Invalid value for '--by': 'planet' is not one of pod, workload, ")


def test_a_word_that_is_no_command_is_never_a_file_name(cli, seed):
    result = cli("show-me", seed / "same-node.log")
    assert (result.code, result.out) == (USAGE, "")
    assert result.talk.startswith("ztflow: No command and no file is called 'show-me'; the commands are summary, ")


def test_a_file_may_be_called_almost_like_a_command(cli, seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow").write_bytes((seed / "same-node.log").read_bytes())
    assert cli("flow", "-o", "json").code == OK


@pytest.mark.parametrize(
    ("words", "where"), [(["--nonsense"], "summary"), (["flows", "--nonsense"], "flows"), (["-x", "graph"], "graph")]
)
def test_a_complaint_names_the_help_page_that_helps(cli, words, where):
    assert f"See 'ztflow {where} --help'" in cli(*words).talk


def test_short_lists_are_those_of_the_rooms():
    from ztflow import aggregate
    from ztflow.reports import RENDERERS

    assert aggregate.LEVELS == GRAPH_LEVELS
    assert set(REPORT_FORMATS) == {"table", *RENDERERS} - {"text"}


def test_every_option_is_under_a_heading(cli):
    for name, command in program.commands.items():
        shown = cli(name, "--help").out
        headings = [line[:-1] for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
        assert headings == [heading for heading in HEADINGS if heading in headings]
        for param in command.params:
            if isinstance(param, click.Option):
                assert all(option in shown for option in param.opts)


def completed(*words: str, shell: str = "bash") -> list[str]:
    """What the shell is told to offer for the last word, by a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from ztflow.cli import main; sys.exit(main())"],
        env=os.environ
        | {"_ZTFLOW_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(("ztflow", *words)), "COMP_CWORD": str(len(words))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_commands_options_and_words_are_completed():
    assert completed("") == [f"plain,{name}" for name in program.commands]
    assert completed("fl") == ["plain,flows"]
    assert completed("./a") == ["file,./a"]
    assert completed("a.log", "b") == ["file,b"]
    assert {"plain,--version", "plain,--verdict"} <= set(completed("--ver"))
    assert completed("flows", "--from-p") == ["plain,--from-pod", "plain,--from-port"]
    assert completed("flows", "--not", "--verdict", "d") == ["plain,denied"]
    assert completed("--color", "never", "graph", "--by", "no") == ["plain,node"]
    assert completed("report", "tu") == ["plain,tunnels"]
    assert completed("--wrapper", "st") == ["plain,stern", "plain,stern-json"]
    assert completed("flows", "--inventory", "p") == ["file,p"]
    assert completed("flows", "--not", "") == ["file,"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_given_its_script(cli, shell):
    result = cli("completion", shell)
    assert (result.code, result.talk) == (OK, "")
    assert f"_ZTFLOW_COMPLETE={shell}_complete" in result.out
    assert "Did you mean 'bash'?" in cli("completion", "bsh").talk


def test_kubectl_is_told_what_it_asks_of_a_plugin():
    def asked(*words):
        return for_kubectl(words, program).split("\n")

    assert asked("report", "tu") == ["tunnels", ":4", ""]
    assert asked("fl") == ["flows", ":4", ""]
    assert asked("flows", "--from-p") == ["--from-pod", "--from-port", ":4", ""]
    assert asked("flows", "--inventory", "p") == [":0", ""]
    assert asked() == [*program.commands, ":4", ""]


def test_as_a_plugin_of_kubectl_it_is_called_so(cli, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-ztflow"])
    assert cli("flows", "--help").out.startswith("Usage: kubectl ztflow flows [OPTIONS] [INPUT]...\n")
    assert cli("flows", "--nonsense").talk.endswith("See 'kubectl ztflow flows --help'\n")
    assert cli(stdin=None).talk.startswith("Usage: kubectl ztflow [COMMAND]")


def test_the_documented_line_makes_bash_complete(tmp_path):
    """A real bash, asked for what it would offer after `ztflow flows --from-p`."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
    (line,) = re.findall(r"^(eval .*completion bash.*?) +#", page.read_text(encoding="utf-8"), re.MULTILINE)
    command = tmp_path / "ztflow"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ztflow "$@"\n')
    command.chmod(0o755)
    script = (
        f"{line}\nCOMP_WORDS=(ztflow flows --from-p) COMP_CWORD=2\n_ztflow_completion ztflow\necho ${{COMPREPLY[@]}}"
    )
    run = subprocess.run(
        ["bash", "--norc", "-c", script], env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["--from-pod", "--from-port"], run.stderr
