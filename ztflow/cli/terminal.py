"""What the terminal can take, and the one way anything is said on it besides the answer."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from ztflow.cli.options import Color
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
