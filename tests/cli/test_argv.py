"""What words mean: the default command, `--stats` without a value, `--not`."""

from __future__ import annotations

import pytest

from ztflow.cli.argv import EXCLUDED, prepare
from ztflow.errors import UsageError

COMMANDS = {"summary", "flows", "graph"}
VALUED = {"--pod", "--color", "--stats", "--output", "-o"}
FILTERS = {"--pod", "--verdict"}


def prepared(*words):
    return prepare(words, commands=COMMANDS, valued=VALUED, filters=FILTERS)


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
        (["-o", "flows", "a.log"], ["summary", "-o", "flows", "a.log"]),
        (["-ojsonl", "flows"], ["flows", "-ojsonl"]),
        (["-fo", "jsonl", "flows"], ["flows", "-fo", "jsonl"]),
        (["--", "flows"], ["summary", "--", "flows"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        (["a.log", "--help"], ["summary", "a.log", "--help"]),
        (["--stats", "a.log"], ["summary", "--stats=text", "a.log"]),
        (["--stats=json", "a.log"], ["summary", "--stats=json", "a.log"]),
        (["flows", "a.log", "--stats"], ["flows", "a.log", "--stats=text"]),
        (["--", "--stats"], ["summary", "--", "--stats"]),
        (["--not", "--pod", "x"], ["summary", f"--pod={EXCLUDED}x"]),
        (["--not", "--pod=x", "flows"], ["flows", f"--pod={EXCLUDED}x"]),
        (
            ["flows", "--pod", "y", "--not", "--verdict", "denied"],
            ["flows", "--pod", "y", f"--verdict={EXCLUDED}denied"],
        ),
        (["--", "--not"], ["summary", "--", "--not"]),
    ],
)
def test_words(words, meant):
    assert prepared(*words) == meant


@pytest.mark.parametrize(
    "words", [["--not"], ["--not", "--pod"], ["--not", "--color", "never"], ["--not", "a.log"], ["--not", "--not"]]
)
def test_not_stands_before_a_filter(words):
    with pytest.raises(UsageError):
        prepared(*words)
