"""Rows as a notebook shows them: the columns a person wants, as the command line has them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ztflow.text.format import ROWS_SHOWN, Unit, html_table
from ztflow.writers.text_columns import TextColumn, flow_columns


def flows_html(name: str, table: pa.Table) -> str:
    """The first flows as HTML.

    Args:
        name: What the rows are, for the caption.
        table: All columns of flows.
    """
    return _html(name, table, flow_columns(None))


def _html(name: str, table: pa.Table, columns: Sequence[TextColumn]) -> str:
    (batch,) = table.slice(0, ROWS_SHOWN).combine_chunks().to_batches()
    return html_table(
        [column.title.lower() for column in columns],
        list(zip(*(column.cells(batch) for column in columns), strict=True)),
        units=[
            Unit.TIME if column.title == "TIME" else Unit.NUMBER if column.right else Unit.TEXT for column in columns
        ],
        caption=f"{name}: {table.num_rows:,} rows",
        hidden=max(table.num_rows - ROWS_SHOWN, 0),
        notes=["to_arrow() and to_pandas() have every column"],
    )
