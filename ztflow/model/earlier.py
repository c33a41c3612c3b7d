"""Flows tables that an earlier build saved, in the columns and types of today."""

from __future__ import annotations

import pyarrow as pa

from ztflow.errors import UsageError
from ztflow.model.schema import LOGGED_NAMES
from ztflow.model.tables import FLOWS_SCHEMA


def is_earlier_flows(table: pa.Table) -> bool:
    """Whether a table of flows has ztunnel's names under `src_workload`: it lacks `src_name` and `dst_name`."""
    names = table.column_names
    return not any(new in names for new in LOGGED_NAMES) and any(old in names for old in LOGGED_NAMES.values())


def renamed_flows(table: pa.Table) -> pa.Table:
    """A table of flows with the names of today for its columns; no copy."""
    if not is_earlier_flows(table):
        return table
    new = {old: new for new, old in LOGGED_NAMES.items()}
    return table.rename_columns([new.get(name, name) for name in table.column_names])


def upgraded_flows(table: pa.Table) -> pa.Table:
    """A table of flows in the columns and types of `schema.FLOWS`.

    What an earlier build saved as `src_workload` and `dst_workload` becomes `src_name` and `dst_name`; the workloads
    are null until the flows are placed. Columns that are not there are null; others than those of flows are dropped.

    Args:
        table: Columns of flows, by name, in any order.

    Raises:
        UsageError: A column holds what its type today cannot: a size of 2^63 bytes or more, or another type altogether.
    """
    table = renamed_flows(table)
    columns = []
    for field in FLOWS_SCHEMA:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        try:
            columns.append(_cast(table[field.name], field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise UsageError(f"column {field.name} is no {field.type}: {str(error).splitlines()[0]}") from None
    return pa.Table.from_arrays(columns, schema=FLOWS_SCHEMA)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
        return column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)
