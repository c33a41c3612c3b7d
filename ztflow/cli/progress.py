"""Messages on stderr while reading takes long: a progress bar, a hint when a pipe does not end."""

from __future__ import annotations

import os
import select
import stat
import sys
from contextlib import suppress
from threading import Timer
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ztflow.cli.output import is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds of reading before the progress bar appears."""

ENDLESS = 2.0
"""Seconds until the hint that output comes only when the pipe ends; `stern` never ends."""


class ReadingBar:
    """Shows how much was read, on a terminal only, and leaves no trace.

    Call it with bytes read and, where known, bytes in all. Rich is loaded when the bar is first needed.
    """

    def __init__(self) -> None:
        self._due = monotonic() + PATIENCE
        self._visible = is_terminal(sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Show the state."""
        if not self._visible or monotonic() < self._due:
            return
        if self._bar is None or self._task is None:
            self._bar, self._task = self._start(total)
        what = "pairing" if total is not None and done >= total else "reading"
        self._bar.update(self._task, completed=done, total=total, description=what)

    @staticmethod
    def _start(total: int | None) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as SpeedColumn

        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bar.start()
        return bar, bar.add_task("reading", total=total)

    def hide(self) -> None:
        """The reading is over, or something else is to be printed."""
        self._visible = False
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()


class EndlessPipe:
    """Prints once, on stderr, that standard input is read to its end, when it is a pipe that has not ended yet.

    Args:
        inputs: What is read.
        hint: What to do about it.
    """

    def __init__(self, inputs: list[str], hint: str) -> None:
        self._timer = Timer(ENDLESS, self._speak, [f"reading standard input to its end; {hint}"])
        self._timer.daemon = True
        self._waiting = "-" in inputs and _stdin_is_a_pipe() and hasattr(select, "poll")

    def __enter__(self) -> Self:
        if self._waiting:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @staticmethod
    def _speak(text: str) -> None:
        poll = select.poll()
        poll.register(sys.stdin, select.POLLIN)
        if not any(event & select.POLLHUP for _, event in poll.poll(0)):
            say(text)


def _stdin_is_a_pipe() -> bool:
    with suppress(OSError, ValueError, AttributeError):
        mode = os.fstat(sys.stdin.fileno()).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    return False
