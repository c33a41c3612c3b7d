"""`ztflow man`: the manual page."""

from __future__ import annotations

import click

from ztflow.cli.options import Talk, message_options
from ztflow.cli.run import Run, run_command


@message_options
def man(talk: Talk) -> int:
    """Print the manual page, as man reads it: ztflow man | man -l -.

    Installing ztflow puts it where man looks for the programs of that installation, so `man ztflow` shows it too.
    """
    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)

    def body(run: Run) -> None:
        from ztflow.cli.destinations import destination
        from ztflow.cli.manual import page

        del run
        with destination(None) as stream:
            stream.write(page(program).encode())

    return run_command(talk, body)
