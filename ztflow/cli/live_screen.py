"""The summary repainted in place while lines come in: when, on what, and how the terminal is given back."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from time import monotonic, thread_time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from ztflow.cli.live_keys import Keys, in_foreground
from ztflow.cli.output import Paper, aside, say_again

if TYPE_CHECKING:
    from rich.live import Live

    from ztflow.cli.live_view import LiveView

FIRST_AFTER = 0.4
"""Seconds before the first picture: a short file piped in is answered at once, without a flicker."""

REFRESH = 0.5
"""Seconds between pictures."""

SHARE_OF_TIME = 0.2
"""Largest share of processor time spent on pictures; the rest is for reading."""

AGAIN = 1.0
"""Seconds until what is shown is painted anew though nothing came: rates fall while nothing comes."""

SAID_FOR = 10.0
"""Seconds a message stands on the screen; all are said again when it is left."""


class LiveScreen:
    """Paints a view on a terminal, leaves no trace when done; does nothing elsewhere.

    It is the terminal's other screen (as of `less` and `top`), in the size the terminal has at each painting. Left
    while another job has the terminal (Ctrl-Z, `bg`). What `timeout` runs never has it: no keys.

    Args:
        paper: What the answer is written on; without a width nothing is painted.
        view: What is shown.
        look: Shows the view what the input has given so far.
    """

    def __init__(self, paper: Paper, view: LiveView, look: Callable[[], None]) -> None:
        self._paper, self._view, self._look = paper, view, look
        self._due = monotonic() + FIRST_AFTER
        self._again = 0.0
        self._news = True
        self._size: os.terminal_size | None = None
        self._said: list[tuple[float, str]] = []
        self._stopping = self._ours = False
        self._open: ExitStack | None = None
        self._live: Live | None = None
        self._keys: Keys | None = None

    def tick(self, *, news: bool) -> None:
        """Called with or without new lines: hear keys, paint what is due."""
        self._news |= news
        if self._paper.width is None:
            return
        ours = in_foreground()
        self._ours |= ours
        if self._stopping or (self._ours and not ours):
            self._leave()
            if self._stopping:
                self._stop()
            return
        now = monotonic()
        pressed = self._keys.pressed() if self._keys is not None else []
        for key in pressed:
            self._view.press(key)
        spent = thread_time()
        looked = self._news and not self._view.held and now >= self._due
        if looked:
            self._news = False
            self._look()
        elif self._live is None:
            return
        if looked or pressed or now >= self._again or self._size != _size():
            self._paint()
        if looked:
            self._due = monotonic() + max(REFRESH, (thread_time() - spent) / SHARE_OF_TIME)

    def _paint(self) -> None:
        from rich.text import Text

        live = self._live or self._enter()
        size = self._size = _size()
        now = monotonic()
        self._again = now + AGAIN
        self._view.quiet = not self._news
        said = [text for at, text in self._said if now - at < SAID_FOR]
        lines = self._view.painted(self._paper._replace(width=size.columns, height=size.lines), said)
        live.console.size = size
        live.update(Text.from_ansi("\n".join(lines), no_wrap=True), refresh=True)

    def _enter(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(no_color=not self._paper.color, highlight=False, width=80, height=24)
        with ExitStack() as stack:
            self._keys = stack.enter_context(Keys())
            self._view.with_keys = self._keys.there
            self._live = stack.enter_context(
                Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            )
            stack.enter_context(aside(self._hear))
            if hasattr(signal, "SIGTSTP") and threading.current_thread() is threading.main_thread():
                stack.callback(signal.signal, signal.SIGTSTP, signal.signal(signal.SIGTSTP, self._asked_to_stop))
            self._open = stack.pop_all()
        return self._live

    def _leave(self) -> None:
        stack, self._open = self._open, None
        self._live = self._keys = None
        if stack is not None:
            stack.close()
        for _, text in self._said:
            say_again(text)
        self._said.clear()

    def _hear(self, text: str) -> None:
        """A message: shown at once, for what is said may be why nothing moves for a while (compiling)."""
        self._said.append((monotonic(), text))
        if self._live is not None and threading.current_thread() is threading.main_thread():
            self._paint()

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: not in the middle of a painting."""
        self._stopping = True

    def _stop(self) -> None:
        """Stop as Ctrl-Z does; goes on from here."""
        self._stopping = False
        os.kill(os.getpid(), signal.SIGSTOP)
        self._again = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()


def _size() -> os.terminal_size:
    """The size of the terminal now; what COLUMNS says does not change with it."""
    with suppress(OSError, ValueError, AttributeError):
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.columns and size.lines:
            return size
    return os.terminal_size((80, 24))
