"""Pipes: emptied on a thread of their own, so that the program that writes need not wait for ztflow.

What came while the previous bytes were worked on is given together. So a lone line comes at once, and under load the
batches grow until what a batch costs does not matter.
"""

from __future__ import annotations

import contextlib
import os
import selectors
from io import FileIO
from threading import Condition, Thread
from time import monotonic
from typing import Final

_PIPE: Final = 1 << 20
"""Bytes asked for as a pipe's buffer, and read at once; the usual 64 KiB make a busy producer wait."""

_HELD: Final = 16 << 20
"""Bytes held until they are taken, unless the reader says otherwise."""

_ENOUGH: Final = 4 << 20
"""Bytes that are delivered at once, without waiting for more."""

_GATHER: Final = 0.03
"""Seconds between two deliveries of a pipe that never falls silent, unless enough came before."""

_FIRST: Final = 1 << 16
"""Bytes taken at once to see whether somebody writes."""

_LOOK: Final = 0.05
"""Seconds between two looks whether somebody opened a named pipe to write."""

Selector = selectors.PollSelector if hasattr(selectors, "PollSelector") else selectors.SelectSelector
"""Serves also terminals and devices."""


class PipeReader:
    """Empties a pipe, terminal or socket as its bytes come.

    Args:
        fd: What to read; it is not closed.
        changed: Notified of new bytes and of the end; for waiting on several pipes.
        held: Bytes held until they are taken, and so given at once; past this the writing program waits.

    Memory: `held` and a megabyte, as far as it was ever needed.
    """

    def __init__(self, fd: int, changed: Condition | None = None, held: int | None = None) -> None:
        widen(fd)
        self._fd = fd
        self._changed = Condition() if changed is None else changed
        self._held = _HELD if held is None else held
        self._room = bytearray(self._held + _PIPE)
        self._size = 0
        self._over = self._stopped = False
        self._error: OSError | None = None
        self._taken = 0.0
        self._stop, self._stopping = os.pipe()
        self._thread = Thread(target=self._run, name="ztflow-pipe", daemon=True)
        self._thread.start()

    def due(self) -> float | None:
        """Seconds until the bytes should be taken: 0 for now, None when there are none.

        Call it with the condition held.
        """
        if self._over or self._size >= _ENOUGH:
            return 0.0
        return max(0.0, self._taken + _GATHER - monotonic()) if self._size else None

    def now(self) -> bytes:
        """What is there, as far as the lines are whole; empty at the end only, so call it when something is.

        Raises:
            OSError: It cannot be read any further; what came before was given.
        """
        with self._changed:
            if not self._size and self._error is not None:
                raise self._error
            whole = self._room.rfind(b"\n", 0, self._size) + 1
            count = self._size if self._over or not whole else whole
            self._size -= count
            with memoryview(self._room) as view:
                data = bytes(view[:count])
                view[: self._size] = bytes(view[count : count + self._size])
            self._taken = monotonic()
            self._changed.notify_all()
        return data

    def take(self) -> bytes:
        """`now`, but waits until the bytes are due."""
        with self._changed:
            while (due := self.due()) != 0:
                self._changed.wait(due)
        return self.now()

    def close(self) -> None:
        """Stop reading; bytes not taken are lost."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        os.close(self._stopping)
        self._thread.join()
        os.close(self._stop)

    def _run(self) -> None:
        try:
            with Selector() as ready, FileIO(self._fd, closefd=False) as file:
                ready.register(self._fd, selectors.EVENT_READ)
                ready.register(self._stop, selectors.EVENT_READ)
                while self._has_room() and not any(key.fd == self._stop for key, _ in ready.select()):
                    with self._changed, memoryview(self._room) as view:
                        count = file.readinto(view[self._size : self._size + _PIPE])
                        if count:
                            self._size += count
                            self._changed.notify_all()
                    if count == 0:  # None: another reader shares it, made it not wait, and was faster
                        break
        except OSError as error:
            self._error = error
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait for room; False when no more is wanted."""
        with self._changed:
            while self._size >= self._held and not self._stopped:
                self._changed.wait()
            return not self._stopped


def open_pipe(path: str, patience: float | None) -> tuple[FileIO, bytes]:
    """Open a named pipe without waiting for ever for somebody who writes.

    Args:
        path: The pipe.
        patience: Seconds to wait for a writer; None waits as long as it takes.

    Returns:
        The open pipe, and what was taken out of it to see that somebody writes.

    Raises:
        OSError: It cannot be opened, or nobody came (`TimeoutError`).
    """
    file = FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    end = None if patience is None else monotonic() + patience
    while end is None or monotonic() < end:
        try:
            first = os.read(file.fileno(), _FIRST)
        except BlockingIOError:  # somebody has it open and wrote nothing yet
            return file, b""
        if first:
            return file, first
        with Selector() as ready:
            ready.register(file, selectors.EVENT_READ)
            if ready.select(_LOOK):  # there was a writer, and it is gone
                return file, b""
    file.close()
    raise TimeoutError("nobody writes to this pipe")


def widen(fd: int) -> None:
    """Ask for a larger pipe buffer; only Linux has one, and only pipes."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
