"""The command line: one module per command, printers for people, writers for programs, documented exit codes.

Typer reads the words; nothing heavier is imported before a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _command() -> tuple[Any, frozenset[str]]:
    """The program as Typer built it, and the options that take a value."""
    import typer

    from ztflow.cli.app import app

    command: Any = typer.main.get_command(app)
    params = (param for each in command.commands.values() for param in each.params)
    options = (param for param in params if param.param_type_name == "option" and not param.is_flag)
    return command, frozenset(name for option in options for name in option.opts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The words after the program's name; those of the process when not given.

    Returns:
        The exit code; see `ztflow.cli.run`.
    """
    from ztflow.cli.argv import prepare
    from ztflow.cli.lean import one_heap, spare_pandas
    from ztflow.cli.options import FILTER_OPTIONS
    from ztflow.cli.run import INTERRUPTED, USAGE
    from ztflow.cli.terminal import say
    from ztflow.errors import UsageError

    if argv is None:
        spare_pandas()
        one_heap()
    try:
        command, valued = _command()
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
