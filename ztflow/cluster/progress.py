"""How far a reading is: bytes of input, each counted step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distributed import Future

Progress = Callable[[int, int | None], None]

SHARE_READ: Final = 0.5
"""Share of the work that reading is, and parting (measured; see docs/how-to/many-machines.md)."""
SHARE_PAIRED: Final = 0.25
"""Likewise pairing, until the clock offsets are asked for."""
SHARE_PLACED: Final = 0.15
"""Likewise the rest of it, and placing. What is left is bringing all in order, and writing."""


class Meter:
    """Counts bytes of input as done, a share with each step; from several threads.

    Args:
        total: Bytes of all inputs that are known; 0 where none is.
        progress: Called with bytes done and, where known, bytes in all.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._done = 0.0
        self._over = False
        self._lock = Lock()

    def read(self, count: int) -> None:
        """So many bytes were read."""
        self._add(count * SHARE_READ)

    def after(self, tasks: Iterable[Future], share: float) -> None:
        """A share of the work will have been done when all of these tasks are over, a part of it with each."""
        if self._progress is None:
            return
        wanted = list(tasks)
        for one in wanted:
            one.add_done_callback(lambda _: self._add(share * self._total / len(wanted)))

    def finish(self) -> None:
        """All is done; nothing is told any more."""
        with self._lock:
            if not self._over and self._progress is not None and self._total:
                self._progress(self._total, self._total)
            self._over = True

    def _add(self, count: float) -> None:
        with self._lock:
            self._done += count
            if self._progress is not None and not self._over:
                done = int(self._done)
                self._progress(min(done, self._total) if self._total else done, self._total or None)
