"""Conditions on `src_workload` of flows that mean the name as logged, which that column held in earlier builds."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ztflow.errors import RenamedColumnWarning
from ztflow.model.schema import LOGGED_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

    from ztflow.filters import Filter


def former_columns(rows: Filter, table: pa.Table) -> dict[str, str]:
    """The columns a filter's expressions name that once held what another column holds now; none for halves."""
    asked = {name for condition in rows.expressions for name in condition.expression.columns}
    return {old: new for new, old in LOGGED_NAMES.items() if old in asked and new in table.column_names}


def as_it_was(table: pa.Table, former: dict[str, str]) -> pa.Table:
    """The table with these columns as earlier builds had them."""
    for old, new in former.items():
        table = table.set_column(table.schema.get_field_index(old), table.schema.field(old), table[new])
    return table


def warn_of(former: dict[str, str]) -> None:
    """Say that nothing was found by a workload which the name as logged would have found."""
    old, new = (" and ".join(names) for names in (former, former.values()))
    warnings.warn(
        f"no flow has this {old}, which is the workload (web); by {new}, the name as logged (web-6b7f9c5d4-x2x9q), "
        f"there are some: filter by {new}",
        RenamedColumnWarning,
        stacklevel=2,
    )
