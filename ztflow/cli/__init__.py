"""The command line: `main` starts it; the commands are in `commands`, the exit codes in `run`.

Click reads the words; nothing heavier is imported before a command needs it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The words after the program's name; those of the process when not given.

    Returns:
        The exit code; see `ztflow.cli.run`.
    """
    from ztflow.cli.signals import Stopped, asked, deaf, watched
    from ztflow.cli.spared import spare
    from ztflow.files.scratch import remove_all

    with watched():
        try:
            if argv is None:
                no_stream_missing()
                load_undisturbed()
                spare()
                one_heap()
            code = _run(list(sys.argv[1:] if argv is None else argv))
        except Stopped as stop:
            code = stop.code
        if argv is None:
            with deaf():
                remove_all()
                if asked() is not None:
                    # Python's own end may wait for a thread, and that for somebody who does not read.
                    os._exit(code)
    return code


def complete_for_kubectl() -> int:
    """The program `kubectl_complete-ztflow`: what kubectl asks when its user wants a word completed."""
    from ztflow.cli.app import program
    from ztflow.cli.completion import for_kubectl

    sys.stdout.write(for_kubectl(sys.argv[1:], program))
    return 0


def _run(words: list[str]) -> int:
    import click

    from ztflow.cli.app import program
    from ztflow.cli.completion import VARIABLE
    from ztflow.cli.output import hush, program_name, say
    from ztflow.cli.run import INTERRUPTED, OK, USAGE

    stdout = sys.stdout
    called = program_name()
    try:
        code: int | None = program.main(words, prog_name=called, standalone_mode=False, complete_var=VARIABLE)
        if stdout is not None:
            stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        message = error.format_message()
        end = "" if message.endswith((".", "?")) else "."
        say(f"{message}{end} See '{error.ctx.command_path if error.ctx else called} --help'")
        return USAGE
    except BrokenPipeError:
        hush(stdout)
        return OK
    except SystemExit:
        if sys.stdout is stdout:
            raise
        return OK  # Click has replaced it: the reader of a help page has gone
    except OSError as error:  # a help page that finds no room
        hush(stdout)
        say(f"cannot write standard output: {error.strerror or error}")
        return USAGE
    return code or OK


def no_stream_missing() -> None:
    """Open what the caller has closed of stdin, stdout and stderr (`>&-`) on nothing; Python's own stay None.

    Else the next file that is opened gets its number, and whatever a library prints on number 2 ends up in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


_LOADED = 100_000
"""More containers than there are once everything is loaded that a command takes (85 000)."""


def load_undisturbed() -> None:
    """Look for cyclic garbage only when the program is loaded, and never again in what it is made of.

    Measured: a tenth of the time a small capture takes.
    """
    usual = gc.get_threshold()

    def loaded(phase: str, _counts: Any) -> None:
        if phase == "stop":
            gc.callbacks.remove(loaded)
            gc.freeze()
            gc.set_threshold(*usual)

    gc.callbacks.append(loaded)
    gc.set_threshold(_LOADED)


_ARENAS = -8
"""`M_ARENA_MAX` of glibc's mallopt(3)."""


def one_heap() -> None:
    """Have Arrow take its memory where the rest of the process does, from one heap, unless the user chose otherwise.

    A batch is made by one thread and dropped by another, half of it numpy's and half Arrow's. Arrow's own allocators
    keep apart what they freed, and glibc gives every thread a heap of its own, whose end goes back to the system again
    and again. Measured with pyarrow 26 and glibc 2.36: `ztflow flows -o parquet` of 1 M lines peaks at 0.71 instead of
    0.88 GB; a live pipe takes 0.8 instead of 1.3 s a million lines in the operating system. Must come before pyarrow is
    imported and threads are made.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        import ctypes

        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_ARENAS, 1)
