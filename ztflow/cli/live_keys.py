"""Keys pressed on the terminal while standard input is the log; its modes are restored whatever happens."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from ztflow.text.patterns import lazy_pattern

UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END, ENTER, BACK = "up", "down", "pgup", "pgdn", "home", "end", "enter", "back"
"""Names of the keys that write no character of their own."""

_SEQUENCES: Final = {
    b"\x1b[A": UP, b"\x1bOA": UP, b"\x1b[B": DOWN, b"\x1bOB": DOWN, b"\x1b[D": BACK, b"\x1bOD": BACK,
    b"\x1b[C": ENTER, b"\x1bOC": ENTER, b"\x1b[5~": PAGE_UP, b"\x1b[6~": PAGE_DOWN, b"\x1b[H": HOME, b"\x1bOH": HOME,
    b"\x1b[F": END, b"\x1bOF": END, b"\x1b[1~": HOME, b"\x1b[4~": END,
    b"\r": ENTER, b"\n": ENTER, b"\x1b": BACK, b"\x7f": BACK, b"\x08": BACK,
}  # fmt: skip
_KEY: Final = lazy_pattern(rb"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|[\xc0-\xff][\x80-\xbf]{1,3}|[\x00-\xff]")
_AT_ONCE: Final = 256
"""Bytes read at once; what was typed or pasted beyond them comes at the next look."""


def keys_of(typed: bytes) -> list[str]:
    r"""What was typed, key by key: characters as themselves, the others by name; what is no key here is left out.

    >>> keys_of(b"s\x1b[B\r")
    ['s', 'down', 'enter']
    """
    found = []
    for key in _KEY.findall(typed):
        name = _SEQUENCES.get(key)
        if name is None and len(key) == 1 and key.isascii() and key.decode().isprintable():
            name = key.decode()
        if name is not None:
            found.append(name)
    return found


def in_foreground() -> bool:
    """Whether the terminal that stdout goes to, if it is ours, is not in use by another job (`&`, Ctrl-Z and `bg`)."""
    with suppress(OSError, ValueError, AttributeError):
        return os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp()
    return True


class Keys:
    """Keys of the terminal the process runs on; none where there is no such terminal or stdout goes to another one.

    Keys come one by one and are not shown, and Ctrl-C stays Ctrl-C. Used in a `with` statement.

    Attributes:
        there: Whether keys can come.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        self._modes: list[Any] = []
        with suppress(ImportError, OSError, ValueError, AttributeError):
            self._open()
        self.there = self._file is not None

    def _open(self) -> None:
        import termios

        os.tcgetpgrp(sys.stdout.fileno())  # raises where stdout goes to another terminal than ours
        if not in_foreground():
            return
        file = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._modes = termios.tcgetattr(file)
            modes = list(self._modes)
            modes[3] &= ~(termios.ICANON | termios.ECHO)
            modes[6] = [*modes[6]]
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            termios.tcsetattr(file, termios.TCSADRAIN, modes)
        except (OSError, termios.error):
            os.close(file)
            return
        self._file = file

    def pressed(self) -> list[str]:
        """The keys that were pressed since the last look; never waits."""
        if self._file is None:
            return []
        with suppress(OSError):  # nothing was typed, or the terminal is gone
            return keys_of(os.read(self._file, _AT_ONCE))
        return []

    def close(self) -> None:
        """Give the terminal back as it was."""
        file, self._file = self._file, None
        if file is None:
            return
        import termios

        with suppress(OSError, termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, self._modes)
        os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
