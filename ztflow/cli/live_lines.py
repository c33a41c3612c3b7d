"""The latest access lines of a live input, for whoever opens a pair."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import without_unused
from ztflow.model.tables import Flows, Halves
from ztflow.parse.render import render_line
from ztflow.read import ReadBatch

LATEST_LINES = 5_000
"""Access lines kept, and at most as many again; about 8 MB where every line has names of its own."""
_FEW = 64
"""Small tables that are joined into one: each takes some kilobytes beside its rows."""

_SIDES = (("outbound_file", "outbound_line"), ("inbound_file", "inbound_line"))


class LatestLines:
    """Keeps the latest access lines, whatever they are of."""

    def __init__(self) -> None:
        self._tables: deque[pa.Table] = deque()
        self._small = 0

    def note(self, batch: ReadBatch) -> None:
        """Keep what a batch has."""
        table = batch.halves.to_arrow()
        if not table.num_rows:
            return
        self._tables.append(without_unused(table.slice(max(0, table.num_rows - LATEST_LINES))))
        self._small = self._small + 1 if table.num_rows < _FEW else 0
        if self._small >= _FEW:
            small = [self._tables.pop() for _ in range(self._small)]
            self._tables.append(without_unused(pa.concat_tables(reversed(small)).unify_dictionaries()))
            self._small = 0
        while sum(one.num_rows for one in self._tables) - self._tables[0].num_rows >= LATEST_LINES:
            self._tables.popleft()
            self._small = min(self._small, len(self._tables))

    def of(self, flows: Flows) -> list[str]:
        """The lines some flows were made of, as ztunnel writes them, in the order they were read."""
        table = flows.to_arrow()
        wanted = {
            (file, line)
            for names in _SIDES
            for file, line in zip(*(table.column(name).to_pylist() for name in names), strict=True)
            if line is not None
        }
        return list(self._lines(wanted))

    def _lines(self, wanted: set[tuple[str, int]]) -> Iterable[str]:
        numbers = pa.array(sorted({line for _, line in wanted}), pa.int64())
        for table in self._tables:
            near = table.filter(pc.is_in(table.column("line_number").cast(pa.int64()), value_set=numbers))
            names = zip(near.column("source_file").to_pylist(), near.column("line_number").to_pylist(), strict=True)
            rows = [number for number, name in enumerate(names) if name in wanted]
            yield from map(render_line, Halves(near.take(pa.array(rows, pa.int64()))))
