"""`Table`: what the two tables of ztflow have in common. They show themselves, and convert to what people use."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Never, Self

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.errors import UsageError
from ztflow.model.derived import check_columns, column_of, select
from ztflow.model.provenance import Problem, ReadStats
from ztflow.model.schema import Column, Type
from ztflow.text.format import table_html

if TYPE_CHECKING:
    import pandas as pd

    from ztflow.model.frames import TextAs

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
    Type.LINES: pa.list_(pa.int64()),
}


LAYOUT = "2"
"""Version of the columns; before 2 flows had ztunnel's name of an end in its workload's column."""
LAYOUT_KEY, TABLE_KEY = b"ztflow.layout", b"ztflow.table"
"""Keys in the metadata of a Parquet file: that version, and `flows` or `records`."""


def marked(schema: pa.Schema) -> pa.Schema:
    """A schema with the layout in its metadata, as it is written to Parquet."""
    table = "flows" if "paired" in schema.names else "records"
    return schema.with_metadata({**(schema.metadata or {}), LAYOUT_KEY: LAYOUT, TABLE_KEY: table})


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of a column table."""
    return pa.schema([pa.field(column.name, ARROW_TYPE[column.type]) for column in columns])


_EMPTY: Final[dict[str, pa.Table]] = {}


def empty(kind: type[Table]) -> pa.Table:
    """The table without rows, made once: that takes some 2 ms, and a lone line of a live log needs several."""
    if kind.__name__ not in _EMPTY:
        _EMPTY[kind.__name__] = kind.schema.empty_table()
    return _EMPTY[kind.__name__]


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
        self._table = empty(type(self)) if table is None else table
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

    def to_pandas(self, *, text: TextAs = "category", durations: bool = False) -> pd.DataFrame:
        """A DataFrame, with unknown as `<NA>`.

        Its dtypes are nullable: `Int64`, `Int32`, `Float64`, `boolean`, `string`, `datetime64[us, UTC]` (all of them:
        docs/reference/frames.md). Like columns of both ends have the same categories, so `frame.src_namespace ==
        frame.dst_namespace` works. With `groupby`, give `observed=True`: else pandas before 3 makes a
        group of every category.

        Args:
            text: How columns of few distinct texts come: `category` (1 to 4 bytes a cell), or `string` (backed by
                Arrow; the length of the text and 8 bytes).
            durations: Whether to add `duration` (and, for flows, `inbound_duration`) as `timedelta64[ms]`.
        """
        from ztflow.model.frames import to_pandas

        return to_pandas(self._table, text=text, durations=durations)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file with the columns and types of this table, whole or not at all.

        Args:
            path: Where to; a file that is there is replaced once the new one is whole, and keeps its mode and owner.

        Raises:
            OutputError: The file cannot be written; an old one stands as it was.
        """
        import pyarrow.parquet as pq

        from ztflow.files.placing import Placed, told

        table = self._table.replace_schema_metadata(marked(self._table.schema).metadata)
        with told(str(path)):
            if (place := Path(path)).exists() and not place.is_file():  # a device, a FIFO: there is nothing to replace
                with place.open("wb") as stream:
                    pq.write_table(table, stream)
                return
        with Placed(str(path)) as placed:
            pq.write_table(table, placed.stream)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream: what lets polars, DuckDB, narwhals and pandas' `from_arrow` take the table as it is."""
        return self._table.__arrow_c_stream__(requested_schema)

    def __array__(self, dtype: object = None, copy: object = None) -> Never:
        """Refuse: numpy, and `pandas.DataFrame(...)` by way of it, would make an array of objects without columns.

        Raises:
            TypeError: Always; says what to call instead.
        """
        raise TypeError(
            f"{type(self).__name__} is a table of typed columns, not an array: call .to_pandas(), or .to_arrow()"
        )

    def _get(self, key: int | slice | str | list[str]) -> Any:
        if isinstance(key, str):
            return self._table[self._known([key])[0]]
        if isinstance(key, list):
            return self.select(*key)
        if isinstance(key, slice):
            return self.with_rows(self._table.take(pa.array(range(len(self))[key], pa.int64())))
        at = range(len(self))[operator.index(key)]
        return self._object(self._table.slice(at, 1).to_pylist()[0])

    if not TYPE_CHECKING:  # subclasses say what a row is
        __getitem__ = _get

    @staticmethod
    def _object(row: dict[str, Any]) -> Any:
        """A row as an object."""
        raise NotImplementedError

    def _known(self, names: Sequence[str]) -> Sequence[str]:
        """The names, all of columns of this table.

        Raises:
            UsageError: One is none; names the nearest.
        """
        for name in names:
            if name not in self._table.column_names:
                check_columns([name], self._table.column_names)
                raise UsageError(f"column {name!r} is derived from others; `select` and `sort` take it")
        return names

    def head(self, rows: int = 5) -> Self:
        """The first rows."""
        return self.with_rows(self._table.slice(0, max(0, rows)))

    def select(self, *columns: str) -> pa.Table:
        """Some columns, stored or derived (`model.derived`), as an Arrow table (with its own `.to_pandas()`).

        Raises:
            UsageError: There is no such column.
        """
        return select(self._table, columns)

    def filter(self, *expressions: str, **criteria: str | int | Sequence[str | int]) -> Self:
        """The rows that pass the filters the command line has; see `ztflow.make_filter`.

        Args:
            expressions: Conditions in words; all must hold.
            criteria: `namespace="shop"`, `from_pod="web-0"`, `verdict=["denied", "failed"]`, `not_node="node-a"`, ….

        Raises:
            UsageError: No such filter or column, or a value cannot be one of its kind.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> len(flows.filter("duration_ms > 100", from_workload="doks-debug"))
            1
        """
        from ztflow.filters import make_filter

        return make_filter(*expressions, **criteria).apply(self)  # type: ignore[type-var]

    def sort(self, *columns: str) -> Self:
        """The rows in order of some columns; `-` before a name is descending. Unknown comes last, ties stay in order.

        Args:
            columns: Stored ones, or derived ones (`model.derived`), such as `bytes` and `duration`.

        Raises:
            UsageError: There is no such column, or it has no order.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> flows.sort("-duration")["duration_ms"].to_pylist()
            [203, 61]
        """
        keys, orders = {}, []
        for column in columns:
            name = column.removeprefix("-")
            check_columns([name], self._table.column_names)
            values = column_of(self._table, name)
            if pa.types.is_map(values.type) or pa.types.is_list(values.type):
                raise UsageError(f"column {name} has no order")
            keys[name] = values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
            orders.append((name, "descending" if column.startswith("-") else "ascending"))
        if not orders:
            return self
        keys["row"] = pa.chunked_array([pa.array(range(len(self)), pa.int64())])
        order = pc.sort_indices(pa.table(keys), [*orders, ("row", "ascending")])
        return self.with_rows(self._table.take(order))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as dictionaries of column → value, unknown as None; made on demand, 4,096 in memory at a time."""
        for batch in self._table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} rows>"

    def _repr_html_(self) -> str:
        return table_html(type(self).__name__, self._table)
