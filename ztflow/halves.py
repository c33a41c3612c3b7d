"""`Halves`: the table of access lines, one row a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from ztflow.origin import Origin, Problem, ReadStats
from ztflow.records import Row
from ztflow.schema import HALVES, RECORD, Column
from ztflow.tables import HALVES_SCHEMA, Table

if TYPE_CHECKING:
    from ztflow.objects import AccessRecord


class Halves(Table):
    """Access lines as an Arrow table (`schema.HALVES`), with the counts of how they were read.

    Attributes:
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read (the first `reader.PROBLEMS_KEPT` of each input).
    """

    columns: ClassVar[Sequence[Column]] = HALVES
    schema: ClassVar[pa.Schema] = HALVES_SCHEMA

    def __init__(
        self, table: pa.Table | None = None, *, stats: ReadStats | None = None, problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(table)
        self.stats = stats or ReadStats()
        self.problems = tuple(problems)

    def __iter__(self) -> Iterator[AccessRecord]:
        from ztflow.objects import AccessRecord

        for row in self.rows():
            if row["extra"] is not None:
                row["extra"] = dict(row["extra"])
            yield AccessRecord.model_validate(row)


class HalvesBuilder:
    """Collects scanner rows and turns them into one Arrow batch.

    Cost: one tuple a row until `take`; columns are built by Arrow, not by Python loops over cells.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._origins: list[Origin] = []
        self._lines: list[int] = []
        self._files: list[str | None] = []

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row, origin: Origin, line_number: int, source_file: str | None = None) -> None:
        """Add one access line; `source_file` where it says itself which file it stood in."""
        self._files.append(source_file)
        self._rows.append(row)
        self._origins.append(origin)
        self._lines.append(line_number)

    def take(self, source_file: str) -> pa.Table:
        """The collected rows as a table of `schema.HALVES`; the builder is empty afterwards."""
        count = len(self._rows)
        if not count:
            return HALVES_SCHEMA.empty_table()
        columns: list[Sequence[Any]] = list(zip(*self._rows, strict=True))
        columns[-1] = [None if extra is None else list(extra.items()) for extra in columns[-1]]
        pods, namespaces, nodes, _, _ = zip(*self._origins, strict=True)
        columns += [pods, namespaces, nodes, [name or source_file for name in self._files], self._lines]
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, HALVES_SCHEMA, strict=True)]
        assert HALVES_SCHEMA.names[: len(RECORD)][-1] == "extra"
        self._rows, self._origins, self._lines, self._files = [], [], [], []
        return pa.Table.from_arrays(arrays, schema=HALVES_SCHEMA)
