"""The manual page has everything, in a form man reads; the wheel is told where it goes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from ztflow.cli import run
from ztflow.cli.app import program
from ztflow.cli.completion import SHELLS, script
from ztflow.cli.manual import page, shared_data

ROOT = Path(__file__).parents[2]
PAGE = page(program)
SHOWN = PAGE.replace(r"\-", "-")


@pytest.mark.parametrize("name", program.commands)
def test_every_command_and_option_is_there(name):
    command = program.commands[name]
    assert f".SS ztflow {name}" in SHOWN
    for param in command.params:
        if isinstance(param, click.Option):
            assert all(option in SHOWN for option in param.opts)


def test_exit_codes_are_those_of_a_run():
    codes = re.search(r"\.SH EXIT STATUS\n(.*?)\.SH", PAGE, re.DOTALL)
    told = re.findall(r"\\fB([0-9, ]+)\\fR", codes[1])
    assert ", ".join(told) == "0, 1, 2, 3, 70, 129, 130, 143"
    assert {run.OK, run.FINDINGS, run.USAGE, run.UNREADABLE, run.BUG, run.INTERRUPTED} <= {
        int(code) for code in ", ".join(told).split(", ")
    }


def test_no_text_is_taken_for_a_request():
    assert PAGE.isascii()
    requests = {line.split()[0] for line in PAGE.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".B", ".br", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}
    assert not re.search(r"\\(?![-efb&(\[])", PAGE), "only escapes that are meant"


def test_the_page_is_printed(cli):
    assert (cli("man").out, cli("man").code) == (PAGE, run.OK)


def test_the_wheel_holds_page_and_completions():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert build["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["path"] == "hatch_build.py"
    assert "shared_data(program)" in (ROOT / "hatch_build.py").read_text(encoding="utf-8")
    held = shared_data(program)
    assert held["share/man/man1/ztflow.1"] == PAGE
    assert {text for place, text in held.items() if "/man/" not in place} == {
        script(shell, program) + "\n" for shell in SHELLS
    }
