"""What the pages show is what happens. `python tests/test_pages.py` writes the true outputs into them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHOWN = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "tutorial").glob("*.md"))]

CONSOLE = re.compile(r"```console\n\$ (?P<command>.*)\n(?P<output>(?:.*\n)*?)```\n")
PYTHON = re.compile(r"```python\n(?P<code>(?:.*\n)*?)```\n\n```text\n(?P<output>(?:.*\n)*?)```\n")


def printed(*command: str) -> str:
    env = os.environ | {"COLUMNS": "100", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    ).stdout


def true_outputs(text: str) -> str:
    def console(match: re.Match[str]) -> str:
        return f"```console\n$ {match['command']}\n{printed('sh', '-c', match['command'])}```\n"

    def python(match: re.Match[str]) -> str:
        output = printed(sys.executable, "-c", match["code"])
        return f"```python\n{match['code']}```\n\n```text\n{output}```\n"

    return PYTHON.sub(python, CONSOLE.sub(console, text))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", SHOWN, ids=name)
def test_outputs_are_true(page):
    text = page.read_text()
    assert len(CONSOLE.findall(text)) == text.count("```console\n") > 0
    assert len(PYTHON.findall(text)) == text.count("```python\n")
    assert true_outputs(text) == text


def test_two_commands_set_it_up():
    commands = re.findall(r"```sh\n(.*)\n```", README.read_text())
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)


if __name__ == "__main__":
    for shown in SHOWN:
        shown.write_text(true_outputs(shown.read_text()))
