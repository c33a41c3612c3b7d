"""Turns columns of a table into columns of text, with Arrow instead of a loop over cells.

Text is escaped once per distinct value, numbers are cast in bulk; what comes out is one `pa.StringArray` a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import used
from ztflow.columns.timestamps import rfc3339

CHUNK_ROWS = 16_384
"""Rows handled at once: small enough to stay in the cache, big enough that Arrow's cost per call does not show."""


def batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The table in pieces of `CHUNK_ROWS` rows, the last of them of fewer: small chunks are put together."""
    if any(column.num_chunks > 1 for column in table.columns):
        table = table.unify_dictionaries()
    for start in range(0, table.num_rows, CHUNK_ROWS):
        yield from table.slice(start, CHUNK_ROWS).combine_chunks().to_batches()


def map_distinct(array: pa.Array, change: Callable[[str], str]) -> pa.StringArray:
    """Every text changed by `change`, which is called once per distinct value that occurs; null stays null."""
    codes, texts = used(array if pa.types.is_dictionary(array.type) else array.dictionary_encode())
    changed = [None if text is None else change(text) for text in texts.to_pylist()]
    return pa.array([None, *changed], pa.string()).take(pa.array(codes + 1))


def joined(parts: Sequence[pa.Array], separator: str) -> pa.StringArray:
    """Texts joined without those that are null; null where all are.

    Arrow's own `null_handling="skip"` leaves rows of nothing but nulls out altogether (seen in pyarrow 26).
    """
    first, *rest = parts
    for part in rest:
        both = pc.binary_join_element_wise(first, part, separator)
        first = pc.coalesce(both, first, part)
    return first


def time_texts(array: pa.Array) -> pa.StringArray:
    """RFC 3339 with six digits and `Z`."""
    micros = array.cast(pa.int64()).fill_null(0).to_numpy()
    return rfc3339(micros, array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None)


def float_text(array: pa.Array) -> pa.StringArray:
    """Shortest decimal that reads back to the same number, null for what is none."""
    return finite(array).cast(pa.string())


def finite(array: pa.Array) -> pa.Array:
    """Numbers; what is not finite, for which there is no JSON, becomes null."""
    return pc.if_else(pc.is_finite(array), array, None)


def address_text(host: pa.Array, port: pa.Array, change: Callable[[str], str]) -> pa.StringArray:
    """`host:port` as ztunnel prints it, IPv6 in brackets; null where the host is unknown.

    `change` makes the host safe for where the text goes; it is called once per distinct host.
    """
    shown = map_distinct(host, lambda text: change(f"[{text}]" if ":" in text else text))
    suffix = pc.fill_null(pc.binary_join_element_wise(":", port.cast(pa.string()), ""), "")
    return pc.binary_join_element_wise(shown, suffix, "")
