"""The summary repainted in place while lines come in."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ztflow.cli.output import Paper

if TYPE_CHECKING:
    from rich.live import Live

FIRST_AFTER = 0.4
"""Seconds before the first picture: a short file piped in is answered at once, without a flicker."""

REFRESH = 0.5
"""Seconds between pictures."""

SHARE_OF_TIME = 0.2
"""Largest share of the time spent on pictures; the rest is for reading."""


class LiveScreen:
    """Paints what `picture` gives on a terminal, leaves no trace when done; does nothing elsewhere."""

    def __init__(self, paper: Paper, picture: Callable[[], list[str]]) -> None:
        self._paper = paper
        self._picture = picture
        self._due = monotonic() + FIRST_AFTER
        self._news = True
        self._live: Live | None = None

    def tick(self, *, news: bool) -> None:
        """Called with or without new lines: paint when it is time and there is something new."""
        self._news |= news
        if self._paper.width is None or not self._news or monotonic() < self._due:
            return
        from rich.text import Text

        started = monotonic()
        picture = Text.from_ansi("\n".join(self._picture()), no_wrap=True)
        if self._live is None:
            self._live = self._start()
        self._live.update(picture, refresh=True)
        spent = monotonic() - started
        self._due = monotonic() + max(REFRESH, spent / SHARE_OF_TIME)
        self._news = False

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(no_color=not self._paper.color, highlight=False)
        live = Live(console=console, transient=True, auto_refresh=False)
        live.start()
        return live

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
