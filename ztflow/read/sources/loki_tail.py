"""A Loki query that is repeated, read like a pipe."""

from __future__ import annotations

import contextlib
import os
from threading import Event, Thread

from ztflow.errors import SourceError
from ztflow.read.sources.loki import tail
from ztflow.read.sources.loki_query import LokiQuery


class LokiTail:
    """Asks again and again on a thread of its own, and writes what comes to a pipe.

    Args:
        query: What to ask.

    Attributes:
        errors: What went wrong since somebody looked.
    """

    def __init__(self, query: LokiQuery) -> None:
        self.errors: list[SourceError] = []
        self._query = query
        self._stop = Event()
        self._reading, self._writing = os.pipe()
        self._thread = Thread(target=self._run, name="loki", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The pipe's end to read from."""
        return self._reading

    def _run(self) -> None:
        with os.fdopen(self._writing, "wb", buffering=0) as out, contextlib.suppress(BrokenPipeError):
            try:
                for page in tail(self._query, self._stop, self.errors.append):
                    left = memoryview(page)
                    while left:
                        left = left[out.write(left) :]
            except SourceError as error:
                self.errors.append(error)

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        os.close(self._reading)
        self._thread.join(timeout=0.3)
