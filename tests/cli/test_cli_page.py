"""The reference page says what the program does."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from cli_page import PAGE, main, page

from ztflow.cli.options import FILTER_OPTIONS
from ztflow.cli.run import BUG, FINDINGS, INTERRUPTED, OK, UNREADABLE, USAGE
from ztflow.cli.signals import Stopped
from ztflow.filters import make_filter
from ztflow.writers import RAW, ROW_FORMATS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "reference" / PAGE).read_text(encoding="utf-8")


def test_the_page_is_current(tmp_path):
    assert page() == TEXT, "run: python tests/support/cli_page.py docs/reference"
    main(str(tmp_path))
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == TEXT


def test_every_exit_code_is_told():
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)]
    ended = [Stopped(number).code for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]
    assert told == [OK, FINDINGS, USAGE, UNREADABLE, BUG, *ended]
    assert INTERRUPTED in ended


def test_every_format_is_told():
    assert re.findall(r"^\| `(\w+)` \| (?:people|programs|spreadsheets)", TEXT, re.MULTILINE) == [*ROW_FORMATS, RAW]


@pytest.mark.parametrize("option", sorted(FILTER_OPTIONS))
def test_every_filter_is_told(option):
    assert option in TEXT


EXAMPLES = re.search(r"`hbone_addr`:\n\n```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("expression", EXAMPLES[1].splitlines())
def test_every_example_expression_is_one(expression):
    assert make_filter(expression)


BLOCKS = [
    (path.name, line)
    for path in sorted((DOCS / "how-to").glob("*.md"))
    for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    for line in re.sub(r"\\\n\s*", "", block).splitlines()
    if "ztflow" in line
]


@pytest.mark.parametrize(("page_name", "line"), BLOCKS)
def test_every_command_in_the_guides_is_understood(cli, page_name, line, monkeypatch, tmp_path):
    """Options, commands and values are real: only the files are not there."""
    import shlex

    monkeypatch.chdir(tmp_path)
    for folder in ("dump", "logs"):  # else such a word is refused as no command
        (tmp_path / folder).mkdir()

    words = shlex.split(
        line.split("| ztflow", 1)[1] if "| ztflow" in line else line.split("ztflow", 1)[1], comments=True
    )
    words = words[: words.index("|")] if "|" in words else words
    words = words[: words.index(">")] if ">" in words else words
    result = cli(*[word for word in words if word != "-f"])
    assert result.code != USAGE, result.talk
    assert result.code != BUG, result.talk


def test_the_notebook_page_prints_what_it_says(monkeypatch, capsys):
    monkeypatch.chdir(DOCS.parent)
    text = (DOCS / "how-to" / "notebook.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    steps = re.findall(r"```python\n(.*?)```\n\n(?:```text\n(.*?)```)?", text, re.DOTALL)
    assert len(steps) == 9
    for code, printed in steps:
        exec(code, names)
        assert capsys.readouterr().out == printed
