"""A progress bar on stderr for reading that takes longer than a moment."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ztflow.cli.terminal import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds of reading without a word."""


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
