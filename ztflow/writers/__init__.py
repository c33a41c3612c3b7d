"""Tables to streams: JSON lines, CSV, Parquet and text tables, for library and command line alike.

Every writer takes any number of tables of one schema and writes what it can at once, so a live pipe and a file go the
same way. `wide` and `table` are for people, `jsonl` and `parquet` for programs, `csv` for spreadsheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from ztflow.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_FORMATS = ("table", "wide", "jsonl", "csv", "parquet")
"""What `open_writer` can write."""

RAW = "raw"
"""What the command line can write besides: the lines of the log themselves."""


class TableWriter(Protocol):
    """Something tables are written to."""

    def write(self, table: pa.Table) -> None:
        """Write every row of the table."""

    def close(self) -> None:
        """Finish the output; the underlying stream stays open."""

    def abandon(self) -> None:
        """Instead of `close`: leave the output as it is, unfinished, and write nothing more."""


def open_writer(
    format_name: str,
    stream: BinaryIO,
    schema: pa.Schema,
    *,
    width: int | None = None,
    color: bool = False,
    live: bool = False,
    chosen: bool = False,
) -> TableWriter:
    """A writer of halves or flows.

    Args:
        format_name: One of `ROW_FORMATS`.
        stream: Where the bytes go; it is not closed.
        schema: `HALVES_SCHEMA` or `FLOWS_SCHEMA`; with `chosen` any columns of theirs.
        width: For `table`: cells of the terminal; None cuts only what is longer than `text.LONGEST`.
        color: For `table` and `wide`: whether to style.
        live: For `table`: whether tables keep coming.
        chosen: Whether the columns were named one by one, so that each is written, as it is, and no other.

    Raises:
        UsageError: If there is no such format.
    """
    if format_name == "jsonl":
        from ztflow.writers.jsonl import JsonLinesWriter

        return JsonLinesWriter(stream, addresses=not chosen)
    if format_name == "csv":
        from ztflow.writers.delimited import CsvWriter

        return CsvWriter(stream, schema)
    if format_name == "parquet":
        from ztflow.writers.parquet import ParquetWriter

        return ParquetWriter(stream, schema, whole=not chosen)
    if format_name not in ROW_FORMATS:
        raise UsageError(f"no output format {format_name!r}; there are {', '.join(ROW_FORMATS)}")
    from ztflow.writers import text_columns
    from ztflow.writers.text import TextTable, TextWriter

    if chosen:
        from ztflow.writers.chosen_columns import chosen_columns

        shown = chosen_columns(schema, width if format_name == "table" else None)
        return TextWriter(
            stream, TextTable(shown, width=width if format_name == "table" else None, color=color, live=live)
        )
    flows = "paired" in schema.names
    time = "end" if flows else "time"
    if format_name == "wide":
        columns = text_columns.wide_flow_columns() if flows else text_columns.wide_record_columns()
        return TextWriter(stream, TextTable(columns, color=color))
    columns = text_columns.flow_columns(width) if flows else text_columns.record_columns(width)
    if width is not None:
        columns = text_columns.fitting(columns, width)
    text_table = TextTable(columns, width=width, color=color, live=live)
    return TextWriter(stream, text_table, None if width is None else time)
