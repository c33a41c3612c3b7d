"""Columns that no table stores because others make them: people sort by them and list them.

| name | of | what |
|---|---|---|
| `id` | both | `file:line` of the log line (of a flow the client's, else the server's): what `ztflow show` takes |
| `duration`, `time` | both | other words for `duration_ms`, and for the column of a row's time |
| `bytes` | both | payload both ways, as far as it is known; null where neither is |
| `bytes_per_s` | both | the same by the life of the connection; null for one of less than a millisecond |
| `src_addr`, `dst_addr`, `hbone_addr` | both | `host:port` as ztunnel prints it, IPv6 in brackets |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.errors import UsageError
from ztflow.text.nearest import nearest

_SIZES = (("request_bytes", "response_bytes"), ("bytes_sent", "bytes_recv"))
_FILES = (("outbound_file", "outbound_line"), ("inbound_file", "inbound_line"), ("source_file", "line_number"))


def _of(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table[name]
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _id(table: pa.Table) -> pa.ChunkedArray:
    held = [(file, line) for file, line in _FILES if file in table.column_names]
    made = [pc.binary_join_element_wise(_of(table, file), table[line].cast(pa.string()), ":") for file, line in held]
    return pc.coalesce(*made)


def _bytes(table: pa.Table) -> pa.ChunkedArray:
    one, other = next((table[a], table[b]) for a, b in _SIZES if a in table.column_names)
    # Of numbers as big as those of a hostile log the sum wraps around; it is at most 2^64 - 2.
    whole = pc.add(pc.fill_null(one, 0).cast(pa.uint64()), pc.fill_null(other, 0).cast(pa.uint64()))
    return pc.if_else(pc.or_(one.is_valid(), other.is_valid()), whole, None)


def _bytes_per_s(table: pa.Table) -> pa.ChunkedArray:
    life = table["duration_ms"].cast(pa.float64(), safe=False)
    size = pc.multiply(_bytes(table).cast(pa.float64(), safe=False), 1000.0)
    return pc.if_else(pc.greater(life, 0.0), pc.divide(size, life), None)


def _address(end: str, host: str) -> Callable[[pa.Table], pa.ChunkedArray]:
    def made(table: pa.Table) -> pa.ChunkedArray:
        name = _of(table, f"{end}_{host}")
        shown = pc.if_else(pc.match_substring(name, ":"), pc.binary_join_element_wise("[", name, "]", ""), name)
        port = pc.binary_join_element_wise(":", table[f"{end}_port"].cast(pa.string()), "")
        return pc.binary_join_element_wise(shown, pc.fill_null(port, ""), "")

    return made


_MADE: dict[str, Callable[[pa.Table], pa.ChunkedArray]] = {
    "id": _id,
    "duration": lambda table: table["duration_ms"],
    "time": lambda table: table["end"],
    "bytes": _bytes,
    "bytes_per_s": _bytes_per_s,
    "src_addr": _address("src", "ip"),
    "dst_addr": _address("dst", "ip"),
    "hbone_addr": _address("hbone", "host"),
}

DERIVED_COLUMNS = tuple(_MADE)
"""Names of the columns `column_of` makes."""


def check_columns(names: Sequence[str], stored: Sequence[str]) -> None:
    """Refuse a name that is neither a column nor a derived one.

    Raises:
        UsageError: Names the nearest.
    """
    known = [*stored, *DERIVED_COLUMNS]
    for name in names:
        if name not in known:
            near = nearest(str(name).replace("-", "_"), known)
            raise UsageError(f"no column {name!r}" + (f"; did you mean {near!r}?" if near else ""))


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of a whole table of flows or records, stored or derived; the name is a known one."""
    return table[name] if name in table.column_names else _MADE[name](table)


def select(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Some columns of a whole table of flows or records, stored or derived, each once.

    Raises:
        UsageError: There is no such column.
    """
    check_columns(names, table.column_names)
    return pa.table({name: column_of(table, name) for name in names})
