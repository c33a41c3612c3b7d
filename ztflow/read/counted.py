"""Hashes that came, and how often: millions of them, seldom asked for."""

from __future__ import annotations

import tempfile
from typing import IO, Final
from weakref import finalize

import numpy as np
import numpy.typing as npt

from ztflow.read.fingerprint import Hashes

SEGMENT: Final = 1 << 22
"""Hashes held in memory (32 MB) before they go to a file."""


class Counted:
    """Hashes that came, sorted only when somebody asks.

    Args:
        keep: Forget the oldest beyond this many (at least; at most twice as many are held). None keeps all.

    Memory: with *keep*, 16 bytes a hash to be kept. Without, 8 bytes a hash up to `SEGMENT` hashes; then they go to a
    temporary file that has no name, and stay in memory only where there is none to be had.

    Cost: nothing but an append when never asked; O(log² n) a hash when asked after every batch.
    """

    def __init__(self, keep: int | None = None, segment: int = SEGMENT) -> None:
        self._limit = segment if keep is None else keep
        self._file = _Segments() if keep is None else None
        self._size = 0
        self._new: list[Hashes] = []
        self._runs: list[Hashes] = []
        self._older: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        """These came."""
        self._new.append(hashes)
        self._size += len(hashes)
        if self._size < self._limit:
            return
        if self._file is None:
            self._sort()
            self._older = self._runs
        elif not self._file.take([*self._runs, *self._new]):
            self._limit = 1 << 62
            return
        self._new, self._runs, self._size = [], [], 0

    def count(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """How often each of these came."""
        self._sort()
        total = np.zeros(len(hashes), dtype=np.int64)
        for run in (*self._older, *self._runs, *(self._file.runs() if self._file is not None else ())):
            total += np.searchsorted(run, hashes, "right") - np.searchsorted(run, hashes, "left")
        return total

    def _sort(self) -> None:
        if not self._new:
            return
        self._runs.append(np.sort(np.concatenate(self._new)))
        self._new = []
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")


class _Segments:
    """Segments of hashes in a temporary file, each sorted once somebody asks."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._written: list[tuple[int, int]] = []
        self._sorted: list[Hashes] = []

    def take(self, parts: list[Hashes]) -> bool:
        """Write a segment; False when it cannot be."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
                finalize(self, self._file.close)
            start = self._file.seek(0, 2)
            for part in parts:
                self._file.write(part.data)
            self._file.flush()
        except OSError:
            return False
        self._written.append((start, sum(map(len, parts))))
        return True

    def runs(self) -> list[Hashes]:
        """All segments, sorted; they are mapped, so that memory they take is given back when it is needed."""
        for start, count in self._written[len(self._sorted) :]:
            assert self._file is not None
            run = np.memmap(self._file, np.uint64, "r+", start, (count,))
            run.sort()
            self._sorted.append(run)
        return self._sorted
