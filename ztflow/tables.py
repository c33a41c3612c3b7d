"""Arrow tables with a declared schema: the base of `Halves` and `Flows`.

Cost: importing this module imports pyarrow (about 90 ms); the package root therefore loads it late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow as pa

from ztflow.display import table_html
from ztflow.schema import FLOWS, HALVES, Column, Type

if TYPE_CHECKING:
    import pandas as pd

ARROW_TYPE: dict[Type, pa.DataType] = {
    Type.CATEGORY: pa.dictionary(pa.int32(), pa.string()),
    Type.TEXT: pa.string(),
    Type.INT: pa.int64(),
    Type.UINT: pa.uint64(),
    Type.PORT: pa.uint16(),
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
    """

    columns: ClassVar[Sequence[Column]]
    schema: ClassVar[pa.Schema]

    def __init__(self, table: pa.Table | None = None) -> None:
        self._table = self.schema.empty_table() if table is None else table

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """All rows of several tables, dictionaries unified."""
        tables = [part.to_arrow() for part in parts]
        if not tables:
            return cls()
        return cls(pa.concat_tables(tables).unify_dictionaries())

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def to_arrow(self) -> pa.Table:
        """The table itself; no copy."""
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """A DataFrame with nullable dtypes: `Int64`, `UInt64`, `boolean`, `category`, `datetime64[us, UTC]`."""
        return to_pandas(self._table)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file."""
        import pyarrow.parquet as pq

        pq.write_table(self._table, path)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as dictionaries, one batch in memory at a time."""
        for batch in self._table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} rows>"

    def _repr_html_(self) -> str:
        return table_html(type(self).__name__, self._table)
