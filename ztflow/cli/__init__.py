"""The command line: one module per command, printers for people, writers for programs, documented exit codes.

Typer reads the words; nothing heavier is imported before a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The words after the program's name; those of the process when not given.

    Returns:
        The exit code; see `ztflow.cli.run`.
    """
    import typer

    from ztflow.cli.app import app
    from ztflow.cli.argv import prepare
    from ztflow.cli.lean import spare_pandas
    from ztflow.cli.options import FILTER_OPTIONS
    from ztflow.cli.run import INTERRUPTED, USAGE
    from ztflow.cli.terminal import say
    from ztflow.errors import UsageError

    if argv is None:
        spare_pandas()
    command: Any = typer.main.get_command(app)
    valued = {
        option
        for each in command.commands.values()
        for param in each.params
        for option in param.opts
        if option.startswith("-") and not param.is_flag
    }
    try:
        words = prepare(
            sys.argv[1:] if argv is None else argv,
            commands=command.commands,
            valued=valued,
            filters=FILTER_OPTIONS,
        )
        code: int | None = command.main(words, prog_name="ztflow", standalone_mode=False)
    except UsageError as error:
        say(str(error))
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        # Typer's own complaints about words have a message and the place they arose at. Their class moved between
        # releases (click's, then Typer's own), so they are told by what they carry.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "ztflow"
        detail = error.format_message().rstrip(".").replace("Value error, ", "")
        say(f"{detail}; '{path} --help' says what there is")
        return USAGE
    return code or 0
