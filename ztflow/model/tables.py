"""`Halves` and `Flows`: the two Arrow tables of ztflow, each with a declared schema.

Cost: importing this module imports pyarrow (about 90 ms); the package root therefore loads it late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow as pa

from ztflow.model.provenance import Origin, Problem, ReadStats, Row
from ztflow.model.schema import FLOWS, HALVES, RECORD, Column, Type
from ztflow.text.format import table_html

if TYPE_CHECKING:
    import pandas as pd
if TYPE_CHECKING:
    from ztflow.model.objects import AccessRecord
if TYPE_CHECKING:
    import networkx as nx

    from ztflow.model.objects import Flow
    from ztflow.model.vocabulary import GraphLevelWord

ARROW_TYPE: dict[Type, pa.DataType] = {
    Type.CATEGORY: pa.dictionary(pa.int32(), pa.string()),
    Type.TEXT: pa.string(),
    Type.INT: pa.int64(),
    Type.PORT: pa.int32(),
    Type.LINE: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.TIME: pa.timestamp("us", tz="UTC"),
    Type.MAP: pa.map_(pa.string(), pa.string()),
}


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of a column table."""
    return pa.schema([pa.field(column.name, ARROW_TYPE[column.type]) for column in columns])


HALVES_SCHEMA = arrow_schema(HALVES)
FLOWS_SCHEMA = arrow_schema(FLOWS)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Any Arrow table of these types as a DataFrame with nullable dtypes, so that unknown stays unknown."""
    import pandas as pd

    nullable = {
        pa.int64(): pd.Int64Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.uint16(): pd.UInt16Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


class Table:
    """A table of declared columns that shows itself in a notebook and converts to what people use.

    Immutable. Iterating gives one object a row, made on demand.

    Attributes:
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read, the first of each input (`read.limits.PROBLEMS_KEPT`).
        owners: Pod (`namespace/name`) → the workload that owns it, as far as an inventory states it. Graphs,
            reports and filters use it first; other pods are rolled up by the pattern of their name.
    """

    columns: ClassVar[Sequence[Column]]
    schema: ClassVar[pa.Schema]
    time: ClassVar[str]
    """The column of a row's time."""

    def __init__(
        self,
        table: pa.Table | None = None,
        *,
        stats: ReadStats | None = None,
        problems: Sequence[Problem] = (),
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self._table = self.schema.empty_table() if table is None else table
        self.stats = stats or ReadStats()
        self.problems = tuple(problems)
        self.owners: Mapping[str, str] = owners or {}

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """All rows of several tables, dictionaries unified, and the owners that any of them knows.

        Without any part, an empty table. Counts (`stats`, …) begin anew.
        """
        tables: list[pa.Table] = []
        owners: Mapping[str, str] = {}
        for part in parts:
            tables.append(part.to_arrow())
            if part.owners is not owners:
                owners = {**owners, **part.owners} if owners else part.owners
        return cls(pa.concat_tables(tables).unify_dictionaries(), owners=owners) if tables else cls()

    def with_rows(self, rows: pa.Table) -> Self:
        """Other rows or columns with what is known beside them: counts and owners."""
        made: Self = copy(self)
        made.__dict__["_table"] = rows
        return made

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def to_arrow(self) -> pa.Table:
        """The table itself; no copy."""
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """A DataFrame, with unknown as `<NA>`.

        Its dtypes are nullable: `Int64`, `UInt64`, `boolean`, `category`, `datetime64[us, UTC]`.
        """
        return to_pandas(self._table)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file with the columns and types of this table, whole or not at all.

        Args:
            path: Where to; a file that is there is replaced once the new one is whole, and keeps its mode and owner.

        Raises:
            OutputError: The file cannot be written; an old one stands as it was.
        """
        import pyarrow.parquet as pq

        from ztflow.files.placing import Placed, told

        with told(str(path)):
            if (place := Path(path)).exists() and not place.is_file():  # a device, a FIFO: there is nothing to replace
                with place.open("wb") as stream:
                    pq.write_table(self._table, stream)
                return
        with Placed(str(path)) as placed:
            pq.write_table(self._table, placed.stream)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as dictionaries of column → value, unknown as None; made on demand, 4,096 in memory at a time."""
        for batch in self._table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} rows>"

    def _repr_html_(self) -> str:
        return table_html(type(self).__name__, self._table)


class Halves(Table):
    """Access lines as an Arrow table (`schema.HALVES`), with the counts of how they were read.

    Iterating gives one `AccessRecord` a row. In a notebook the table shows itself.

    Args:
        table: Columns `schema.HALVES`; None for no rows.
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read (the first 1,000 of each input).
        owners: Pod (`namespace/name`) → owning workload, as an inventory stated it.

    Examples:
        >>> import ztflow
        >>> halves = ztflow.read_records("fixtures/seed/cross-node.log")
        >>> [(record.direction, record.bytes_sent, record.bytes_recv) for record in halves]
        [('inbound', 9832, 84), ('outbound', 84, 9832)]
    """

    columns: ClassVar[Sequence[Column]] = HALVES
    schema: ClassVar[pa.Schema] = HALVES_SCHEMA
    time: ClassVar[str] = "time"

    def __iter__(self) -> Iterator[AccessRecord]:
        from ztflow.model.objects import AccessRecord

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
        """Add one access line; `source_file` where it says itself which file it was in."""
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


class Flows(Table):
    """Connections as an Arrow table (`schema.FLOWS`), with the counts of how the input was read.

    Iterating gives one `Flow` a row. In a notebook the table shows itself.

    Args:
        table: Columns `schema.FLOWS`; None for no rows.
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read.
        owners: Pod (`namespace/name`) → owning workload, as an inventory stated it.
        evicted: Halves given up because a memory bound was hit.

    Examples:
        >>> import ztflow
        >>> flows = ztflow.read_flows("fixtures/seed/cross-node.log")
        >>> [(flow.src_workload, flow.locality, flow.response_bytes) for flow in flows]
        [('doks-debug-rdhgq', 'cross_node', 9832)]
        >>> flows.stats.access
        2
    """

    columns: ClassVar[Sequence[Column]] = FLOWS
    schema: ClassVar[pa.Schema] = FLOWS_SCHEMA
    time: ClassVar[str] = "end"

    def __init__(
        self,
        table: pa.Table | None = None,
        *,
        stats: ReadStats | None = None,
        problems: Sequence[Problem] = (),
        owners: Mapping[str, str] | None = None,
        evicted: int = 0,
    ) -> None:
        super().__init__(table, stats=stats, problems=problems, owners=owners)
        self.evicted = evicted

    def __iter__(self) -> Iterator[Flow]:
        from ztflow.model.objects import Flow

        for row in self.rows():
            yield Flow.model_validate(row)

    def graph(self, by: GraphLevelWord = "pod") -> nx.MultiDiGraph[str]:
        """The traffic graph, with workloads named by `owners` where it knows them; see `ztflow.build_graph`.

        Args:
            by: Level of the vertices: `pod`, `workload`, `service`, `namespace`, `identity`, `node`, `zone`, `cluster`.

        Raises:
            UsageError: `by` is no level.
        """
        from ztflow.graph import build_graph

        return build_graph(self, by=by)
