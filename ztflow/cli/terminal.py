"""What the terminal can take, and the one way anything is said on it besides the answer."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any, TextIO

from ztflow.cli.options import Color
from ztflow.errors import SlowPathWarning
from ztflow.text.escapes import visible


def say(text: str) -> None:
    """One line of talk on stderr, `ztflow: …`; whatever stands in it is made safe to show."""
    tell(f"ztflow: {text}")


def tell(text: str) -> None:
    """One line on stderr as it is, made safe to show. A closed stderr is nobody's loss."""
    try:
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()
    except (BrokenPipeError, ValueError, AttributeError):
        pass


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether the stream is one; a closed or missing stream is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def wants_color(choice: Color, stream: IO[Any] | None) -> bool:
    """Whether to colour what goes to the stream (https://no-color.org: NO_COLOR set to anything but nothing)."""
    if choice is not Color.AUTO:
        return choice is Color.ALWAYS
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def slow_paths_said() -> Iterator[None]:
    """While it is open, each `SlowPathWarning` is one line on stderr; on a terminal so is a wait for the compiler."""
    with warnings.catch_warnings(), _waits_said() if is_terminal(sys.stderr) else nullcontext():
        others = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, SlowPathWarning):
                say(str(message))
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", SlowPathWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _waits_said() -> Iterator[None]:
    import logging

    class Saying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    logger, saying = logging.getLogger("ztflow"), Saying()
    level = logger.level
    logger.addHandler(saying)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(saying)
        logger.setLevel(level)
