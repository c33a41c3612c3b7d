"""Writing on a thread of its own, so that a live pipe is read and paired while the last batch is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from ztflow.writers import TableWriter


class Behind:
    """A writer that is at most one table behind; what went wrong with it is raised at the next call.

    Args:
        writer: Does the writing.
    """

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "ztflow-write")
        self._pending: Future[None] | None = None

    def write(self, table: pa.Table) -> None:
        """Have a table written when the one before it is."""
        self._settle()
        if table.num_rows:
            self._pending = self._thread.submit(self._writer.write, table)

    def close(self) -> None:
        """Wait until everything is written, and close the writer."""
        try:
            self._settle()
        finally:
            self._thread.shutdown()
            self._writer.close()

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
