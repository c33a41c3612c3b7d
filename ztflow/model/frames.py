"""Arrow tables as pandas DataFrames whose columns can be compared, subtracted and saved again.

What a plain conversion would give breaks later: categories of `src_namespace` and `dst_namespace` that cannot be
compared, columns without a value whose type becomes Arrow's `null` when they are written, numbers that become floats
where one is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow as pa

from ztflow.columns.dictionaries import encoded, used

if TYPE_CHECKING:
    import pandas as pd

TextAs: TypeAlias = Literal["category", "string"]

_DURATIONS = {"duration_ms": "duration", "inbound_duration_ms": "inbound_duration"}
"""Column of whole milliseconds → the column of durations that is made of it."""

_ENDS = ("src_", "dst_", "outbound_", "inbound_", "next_hop_", "hbone_", "source_")
_ALIKE = {"host": "ip", "name": "workload"}


def with_durations(table: pa.Table) -> pa.Table:
    """The table with durations as such in columns of their own: `duration`, and `inbound_duration` in flows."""
    for name, made in _DURATIONS.items():
        if name in table.column_names:
            table = table.append_column(made, table[name].cast(pa.duration("ms")))
    return table


def to_pandas(table: pa.Table, *, text: TextAs = "category", durations: bool = False) -> pd.DataFrame:
    """Any Arrow table of our types as a DataFrame with nullable dtypes, so that unknown stays unknown.

    Args:
        table: The table.
        text: How columns of few distinct texts come: `category`, or `string` (backed by Arrow).
        durations: Whether to add `with_durations`' columns, as `timedelta64`.

    Cost: as `pyarrow.Table.to_pandas`, and one pass over the distinct texts of columns that share their categories.
    """
    import pandas as pd

    if durations:
        table = with_durations(table)
    nullable: dict[pa.DataType, Any] = {
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype() if text == "category" else pd.StringDtype("pyarrow"),
    }
    nullable |= {kind: pd.ArrowDtype(kind) for kind in table.schema.types if pa.types.is_nested(kind)}
    places = [at for at, kind in enumerate(table.schema.types) if pa.types.is_dictionary(kind)]
    if text == "string":
        for at in places:
            name = table.column_names[at]
            table = table.set_column(at, name, table.column(at).cast(pa.string()))
        places = []
    frame: pd.DataFrame = table.drop_columns([table.column_names[at] for at in places]).to_pandas(
        types_mapper=nullable.get
    )
    if not places:
        return frame
    columns: dict[str, Any] = dict.fromkeys(table.column_names) | {str(name): frame[name] for name in frame}
    columns |= _categories(table.select(places))
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)


def _categories(table: pa.Table) -> dict[str, pd.Categorical]:
    """Columns of texts as categoricals; like columns share their categories, so that they can be compared."""
    import pandas as pd

    cells = {name: used(encoded(table[name])) for name in table.column_names}
    families: dict[str, list[pa.Array]] = {}
    for name, (_, words) in cells.items():
        families.setdefault(_family(name), []).append(words.drop_null())
    known = {family: pa.concat_arrays(words).unique() for family, words in families.items()}
    kinds = {
        family: pd.CategoricalDtype(
            pd.Index(words.to_pylist()) if len(words) else pd.Index(pd.array([], dtype="string"))
        )
        for family, words in known.items()
    }
    made: dict[str, pd.Categorical] = {}
    for name, (codes, words) in cells.items():
        place = pa.concat_arrays([pa.compute.index_in(words, value_set=known[_family(name)]), pa.nulls(1, pa.int32())])
        numbers = place.fill_null(-1).to_numpy(zero_copy_only=False)
        made[name] = pd.Categorical.from_codes(numbers[codes], dtype=kinds[_family(name)])
    return made


def _family(name: str) -> str:
    """What a column is compared with: the other end's, and the workload with the name as logged."""
    for end in _ENDS:
        if name.startswith(end):
            name = name.removeprefix(end)
            break
    return _ALIKE.get(name, name)
