"""Tables as JSON lines: one object a row with every column as a key, null where it is unknown.

Readers that learn the keys from the first lines (polars, DuckDB, pandas in pieces) drop a key that first comes later,
so no key is left out.

Cost: about 2 µs a row of 40 filled columns (1.3 kB); no Python object is made per cell, see `fragments`.
"""

from __future__ import annotations

from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.text.escapes import json_printable
from ztflow.writers.cells import batches
from ztflow.writers.fragments import Escape, Fragment, RowText, column, rows_of, specials, where

ADDRESSES = {
    "src_port": ("src_addr", "src_ip"),
    "dst_port": ("dst_addr", "dst_ip"),
    "hbone_port": ("hbone_addr", "hbone_host"),
}
"""Column after which an address is written as text: its key, and the column with the host."""


def _json_string(text: str) -> str:
    """One string as JSON, safe to show on a terminal too."""
    return json_printable(orjson.dumps(text).decode())


def _json_host(text: str) -> str:
    return _json_string(f"[{text}]" if ":" in text else text)[1:-1]


_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\')
_TEXT = Escape(lambda text: _json_string(text)[1:-1], specials(_PLAIN))
_HOST = Escape(_json_host, specials(_PLAIN.replace(":", "")))


def _map_text(pairs: list[tuple[str, str]]) -> str:
    return json_printable(orjson.dumps(dict(pairs)).decode())


def _member(key: str, array: pa.Array) -> list[RowText]:
    """`"key":value` for every row."""
    start, kind = f'"{key}":', array.type
    if pa.types.is_map(kind):
        texts = ["null" if pairs is None else _map_text(pairs) for pairs in array.to_pylist()]
        return [start, Fragment(pa.array(texts, pa.string()))]
    if pa.types.is_list(kind) and array.null_count < len(array):
        return [start, Fragment(pa.array([orjson.dumps(row).decode() for row in array.to_pylist()], pa.string()))]
    quoted = pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_timestamp(kind)
    mark = '"' if quoted else ""
    return column(array, start + mark, mark, _TEXT, f"{start}null")


def _address(key: str, host: pa.Array, port: pa.Array) -> list[RowText]:
    """`"key":"host:port"` as ztunnel prints it, IPv6 in brackets; without `:port` where that is unknown."""
    if host.null_count:
        port = pc.if_else(host.is_valid(), port, None)
    start = column(host, f'"{key}":"', "", _HOST, f'"{key}":null')
    return [*start, *column(port, ":", "", _TEXT), *where(host.is_valid(), '"')]


def encode_jsonl(batch: pa.RecordBatch, *, addresses: bool = True) -> bytes | memoryview:
    """The rows as JSON lines, each ended by a newline; `*_addr` texts follow their columns if they are wanted."""
    members = []
    for name in batch.schema.names:
        members.append(_member(name, batch.column(name)))
        key, host = ADDRESSES.get(name, ("", ""))
        if addresses and host in batch.schema.names:
            members.append(_address(key, batch.column(host), batch.column(name)))
    texts = [text for member in members for text in (",", *member)]
    return rows_of(["{", *texts[1:], "}\n"], len(batch))


class JsonLinesWriter:
    """Writes tables as JSON lines, with the `*_addr` texts unless they are not wanted."""

    def __init__(self, stream: BinaryIO, *, addresses: bool = True) -> None:
        self._stream = stream
        self._addresses = addresses

    def write(self, table: pa.Table) -> None:
        """Write every row and flush."""
        for batch in batches(table):
            self._stream.write(encode_jsonl(batch, addresses=self._addresses))
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to write; the stream stays open."""

    def abandon(self) -> None:
        """Nothing is held that would be written."""
