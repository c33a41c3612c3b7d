"""Signals that ask the program to end: Ctrl-C, SIGTERM of an orchestrator, SIGHUP of a terminal that closes.

A command that reads to an end is cut off by the first. One that follows is asked to finish, and cut off by the second.
What waits for another program (a pipe nobody reads) gets `LAST_MOMENT` seconds after either.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

LAST_MOMENT: Final = 0.6
"""Seconds a blocked write gets once the program is to end."""


class Stopped(BaseException):
    """A signal asked the program to end, and it ends now.

    Attributes:
        number: Which signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def code(self) -> int:
        """The exit code, as shells count it."""
        return 128 + self.number


class _State:
    """What came so far. One for the process, as its signals are."""

    def __init__(self) -> None:
        self.came: int | None = None
        self.patient = False
        self.waiting = 0


_STATE: Final = _State()


def asked() -> int | None:
    """The first signal that asked the program to end."""
    return _STATE.came


def stuck() -> bool:
    """Whether a write that waits for another program goes on although the program ends."""
    return _STATE.waiting > 0


def _ask(number: int, _frame: FrameType | None) -> None:
    first, _STATE.came = _STATE.came is None, _STATE.came or number
    if not (first and _STATE.patient):
        raise Stopped(_STATE.came)
    if _STATE.waiting:
        _alarm(LAST_MOMENT)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    if _STATE.came is not None:
        raise Stopped(_STATE.came)


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _asking_again(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """A hook that asks once more, a moment later, where Python could not raise `Stopped`: in a finalizer."""

    def lost(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Stopped):
            again = threading.Timer(0.02, os.kill, (os.getpid(), unraisable.exc_value.number))
            again.daemon = True
            again.start()
        else:
            hook(unraisable)

    return lost


@contextmanager
def watched() -> Iterator[None]:
    """While it is open, these signals raise `Stopped`; one that the caller had ignored (nohup) stays ignored."""
    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield
        return
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, _ask) for number in heard}
    if hasattr(signal, "SIGALRM"):
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _give_up)
    hook, sys.unraisablehook = sys.unraisablehook, _asking_again(sys.unraisablehook)
    try:
        yield
    finally:
        _alarm(0)
        sys.unraisablehook = hook
        for number, handler in before.items():
            if signal.getsignal(number) in {_ask, _give_up}:
                signal.signal(number, handler)
        _STATE.came = None


@contextmanager
def patiently() -> Iterator[Callable[[], bool]]:
    """While it is open, the first signal only makes the given function say yes; the second raises `Stopped`.

    Ctrl-C is how following ends, so here it is heard even from a shell that starts programs with it ignored.
    """
    before: Any = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _ask)
    _STATE.patient = True
    try:
        yield lambda: _STATE.came is not None
    finally:
        _STATE.patient = False
        if before is signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)


@contextmanager
def waiting() -> Iterator[None]:
    """For a write that may wait for another program: it gets `LAST_MOMENT` seconds once the program is to end."""
    _STATE.waiting += 1
    try:
        if _STATE.came is not None:
            _alarm(LAST_MOMENT)
        yield
    finally:
        _STATE.waiting -= 1
        if _STATE.came is not None and not _STATE.waiting:
            _alarm(0)


@contextmanager
def deaf() -> Iterator[None]:
    """While it is open nothing is asked any more, for tidying up; afterwards a signal ends the process silently."""
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, signal.SIG_IGN)
    yield
    for number in heard:
        signal.signal(number, signal.SIG_DFL)
