"""Completion in shells: Click's scripts for bash, zsh and fish, and the answer kubectl asks a plugin for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")

VARIABLE = "_ZTFLOW_COMPLETE"
"""Click answers a shell where the environment has it; made of the program's name."""

PLUGIN = "kubectl-ztflow"
"""What kubectl looks for to run `kubectl ztflow`."""

_NO_FILES, _FILES = ":4", ":0"
"""What kubectl is told in the last line: whether file names may be offered too (cobra's directives)."""


def program_name() -> str:
    """What the user typed to get here: `kubectl ztflow` where kubectl runs it as a plugin."""
    called = os.path.basename(sys.argv[0])  # noqa: PTH119 - pathlib is not loaded yet
    return "kubectl ztflow" if called.removesuffix(".exe") == PLUGIN else "ztflow"


def _shell(name: str, program: click.Command) -> ShellComplete:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(name)
    assert kind is not None
    return kind(program, {}, "ztflow", VARIABLE)


def script(shell: str, program: click.Command) -> str:
    """What a shell has to read to complete `ztflow`.

    Args:
        shell: One of `SHELLS`.
        program: The program.
    """
    made = _shell(shell, program)
    return made.source_template % made.source_vars()  # not `source()`, which for bash asks whatever bash is there


def for_kubectl(words: Sequence[str], program: click.Command) -> str:
    """The answer of `kubectl_complete-ztflow`: what may stand in place of the last word, one a line, and a directive.

    Args:
        words: What follows `kubectl ztflow`; the last is the one to complete, and may be empty.
        program: The program.

    Source: kubernetes/kubectl `pkg/cmd/plugin/plugin_completion.go`; spf13/cobra `completions.go`.
    """
    *before, last = words or [""]
    items = _shell("bash", program).get_completions(before, last)
    named = [str(item.value) for item in items if item.type == "plain"]
    return "\n".join([*named, _NO_FILES if len(named) == len(items) else _FILES]) + "\n"
