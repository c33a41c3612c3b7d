"""Messages on stderr while something takes long: a progress bar, a hint when a pipe does not end."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import RLock, Timer
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ztflow.cli.output import is_aside, is_terminal, say
from ztflow.text.format import bytes_text

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
"""Seconds of work before the progress bar appears."""

ENDLESS = 1.0
"""Seconds until the hint that output comes only when the pipe ends; `stern` never ends."""


class ProgressBar:
    """Shows on a terminal what takes long, and how far it is: reading, pairing, compiling. Leaves no trace.

    It appears after a second whether or not anything is called meanwhile, and its clock goes on. Call it with bytes
    read and, where known, bytes in all. Rich is loaded when the bar is first needed.

    Args:
        then: What is done when all is read.
    """

    def __init__(self, then: str = "pairing") -> None:
        self._began = monotonic()
        self._visible = is_terminal(sys.stderr) and not is_aside()
        self._then = then
        self._task: dict[str, Any] = {"description": "reading", "completed": 0, "total": None, "far": ""}
        self._bar: Progress | None = None
        self._lock = RLock()
        self._timer = Timer(PATIENCE, self._appear)
        self._timer.daemon = True

    def __call__(self, done: int, total: int | None) -> None:
        """So many bytes were read, of so many in all."""
        if total is not None and done >= total:
            self._show(description=self._then, completed=0, total=None, far="")
            return
        speed = bytes_text(round(done / max(monotonic() - self._began, 0.1)))
        far = bytes_text(done) + ("" if total is None else f" of {bytes_text(total)}")
        self._show(description="reading", completed=done, total=total, far=f"{far}, {speed}/s")

    def paired(self, lines: int, total: int) -> None:
        """So many access lines are paired."""
        far = f"{lines:,} of {total:,} access lines"
        self._show(description=self._then, completed=lines, total=total, far=far)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """While it is open, something else is done first."""
        before = dict(self._task)
        self._show(description=what, total=None, far="")
        try:
            yield
        finally:
            self._show(**before)

    def _show(self, **fields: Any) -> None:
        with self._lock:
            self._task |= fields
            if self._visible and monotonic() >= self._began + PATIENCE:
                self._appear()

    def _appear(self) -> None:
        with self._lock:
            if not self._visible:
                return
            if self._bar is None:
                self._bar = self._start()
            self._bar.update(self._bar.task_ids[0], **self._task)

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[far]}"),
            TimeElapsedColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bar.add_task(**self._task)
        bar.start()
        return bar

    def hide(self) -> None:
        """The work is done, or something else is to be printed."""
        self._timer.cancel()
        with self._lock:
            self._visible = False
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def __enter__(self) -> Self:
        _SHOWN.append(self)
        if self._visible:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _SHOWN.remove(self)
        self.hide()


_SHOWN: list[ProgressBar] = []


@contextmanager
def compiling() -> Iterator[None]:
    """While it is open, the progress bar says that something is compiled; there is one for that if there was none."""
    with nullcontext(_SHOWN[-1]) if _SHOWN else ProgressBar() as bar, bar.doing("compiling"):
        yield


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
