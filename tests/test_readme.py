"""What the README shows is what happens. `python tests/test_readme.py` writes the true outputs into it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

CONSOLE = re.compile(r"```console\n\$ (?P<command>.*)\n(?P<output>(?:.*\n)*?)```\n")
PYTHON = re.compile(r"```python\n(?P<code>(?:.*\n)*?)```\n\n```text\n(?P<output>(?:.*\n)*?)```\n")


def printed(*command: str) -> str:
    env = os.environ | {"COLUMNS": "100", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout


def true_outputs(text: str) -> str:
    def console(match: re.Match[str]) -> str:
        return f"```console\n$ {match['command']}\n{printed('sh', '-c', match['command'])}```\n"

    def python(match: re.Match[str]) -> str:
        output = printed(sys.executable, "-c", match["code"])
        return f"```python\n{match['code']}```\n\n```text\n{output}```\n"

    return PYTHON.sub(python, CONSOLE.sub(console, text))


def test_outputs_are_true():
    text = README.read_text()
    assert CONSOLE.search(text)
    assert PYTHON.search(text)
    assert true_outputs(text) == text


def test_two_commands_set_it_up():
    commands = re.findall(r"```sh\n(.*)\n```", README.read_text())
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert (ROOT / target).exists(), target


if __name__ == "__main__":
    README.write_text(true_outputs(README.read_text()))
