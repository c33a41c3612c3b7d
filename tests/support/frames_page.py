"""`docs/reference/frames.md`: the type each column gets in each library, asked of the libraries themselves.

`python tests/support/frames_page.py` writes it; it needs the packages of the extra `frames`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask.dataframe
import duckdb
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from ztflow.model.schema import FLOWS, HALVES, Column
from ztflow.model.tables import Flows, Halves

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "frames.md"

HEAD = """# Types in frames

<!-- Made by `python tests/support/frames_page.py` from what the libraries say; a test holds every cell current. -->

Which type each column has in pandas, polars, DuckDB, Dask and Delta Lake. They are the same for a table without rows and
for columns without a value: no column becomes Arrow's `null`, or `object` in pandas.

| library | how it takes a table |
|---|---|
| pandas | `flows.to_pandas()`; `pandas.DataFrame.from_arrow(flows)` too, with plain dtypes |
| polars | `polars.DataFrame(flows)` |
| DuckDB | `duckdb.sql("from flows")` |
| Dask | `dask.dataframe.from_pandas(flows.to_pandas(), npartitions=8)` |
| Delta Lake | `deltalake.write_deltalake(path, flows)` |
| others | whatever reads an Arrow C stream: `pyarrow.table(flows)`, `narwhals.from_arrow(flows, backend=...)` |

- `pandas.DataFrame(flows)` is refused with a line that says so: pandas would make a column of each *value*.
- In pandas, unknown is `<NA>`. Columns that are compared with each other (`src_namespace` and `dst_namespace`, pods, nodes,
  names and workloads, addresses, files) share their categories. A category takes 1 to 4 bytes a cell and its text once;
  `to_pandas(text="string")` gives texts that Arrow holds, some 8 bytes and the text a cell.
- `to_pandas(durations=True)` adds `duration`, and for flows `inbound_duration`, as `timedelta64[ms]` beside the columns of
  whole milliseconds.
- Sizes are signed, so that one minus the other may be negative; ports are 32 bits wide because SQL and Delta know no
  unsigned 16.

What the columns mean: [fields](fields.md). A guide: [in a notebook](../how-to/notebook.md).

"""


def _pandas(rows: Flows | Halves) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in rows.to_pandas().dtypes.items()}


def _polars(rows: Flows | Halves) -> dict[str, str]:
    return {name: str(kind) for name, kind in pl.DataFrame(rows).schema.items()}


def _duckdb(rows: Flows | Halves) -> dict[str, str]:
    asked = duckdb.sql("describe from rows").fetchall()
    return {name: kind for name, kind, *_ in asked}


def _dask(rows: Flows | Halves) -> dict[str, str]:
    frame = dask.dataframe.from_pandas(rows.to_pandas(), npartitions=1)
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def _delta(rows: Flows | Halves) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows)
        fields = DeltaTable(folder).schema().fields
    return {field.name: _delta_name(field.type) for field in fields}


def _delta_name(kind: Any) -> str:
    if hasattr(kind, "key_type"):
        return f"map<{_delta_name(kind.key_type)}, {_delta_name(kind.value_type)}>"
    return str(kind.type)


LIBRARIES: dict[str, Callable[[Flows | Halves], dict[str, str]]] = {
    "pandas": _pandas,
    "polars": _polars,
    "DuckDB": _duckdb,
    "Dask": _dask,
    "Delta": _delta,
}


def page(flows: Flows, halves: Halves) -> str:
    """The page, made of two tables with or without rows."""
    return HEAD + f"## Flows\n\n{_table(FLOWS, flows)}\n" + f"## Records\n\n{_table(HALVES, halves)}"


def _table(columns: Sequence[Column], rows: Flows | Halves) -> str:
    kinds = [ask(rows) for ask in LIBRARIES.values()]
    lines = [["column", "Arrow", *LIBRARIES], ["---"] * (len(LIBRARIES) + 2)]
    for column in columns:
        arrow = str(rows.schema.field(column.name).type).replace(
            "dictionary<values=string, indices=int32, ordered=0>", "dictionary"
        )
        lines.append([f"`{column.name}`", arrow, *(kind[column.name] for kind in kinds)])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def without_rows(kind: type[Flows | Halves], rows: int = 0) -> Any:
    """A table without rows, or with rows of nothing but null."""
    return kind(pa.Table.from_arrays([pa.nulls(rows, field.type) for field in kind.schema], schema=kind.schema))


if __name__ == "__main__":
    PAGE.write_text(page(without_rows(Flows), without_rows(Halves)), encoding="utf-8")
