"""`ztflow completion SHELL`: the script that has a shell complete ztflow's words."""

from __future__ import annotations

import click

from ztflow.cli.completion import SHELLS
from ztflow.cli.options import Talk, Word, argument, message_options
from ztflow.cli.run import Run, run_command


@argument("shell", metavar="|".join(SHELLS), type=Word(SHELLS), about="Which shell: bash (4.4 or later), zsh or fish.")
@message_options
def completion(shell: str, talk: Talk) -> int:
    """Print what makes a shell complete commands, options, their words and file names.

    \b
      eval "$(ztflow completion bash)"        # in ~/.bashrc
      eval "$(ztflow completion zsh)"         # in ~/.zshrc, after compinit
      ztflow completion fish | source         # in ~/.config/fish/config.fish
    """  # noqa: D301 - it is a backspace that tells Click to keep these lines
    program = click.get_current_context().find_root().command

    def body(run: Run) -> None:
        from ztflow.cli.completion import script
        from ztflow.cli.destinations import destination

        del run
        with destination(None) as stream:
            stream.write(script(shell, program).encode() + b"\n")

    return run_command(talk, body)
