"""Flows tables that an earlier build saved, under the names of today."""

from __future__ import annotations

import pyarrow as pa

from ztflow.model.schema import LOGGED_NAMES


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
