"""Turns the kernel's columns into an Arrow table of `schema.HALVES`, mostly without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.columns.dtypes import BoolArray, Codes, IntArray
from ztflow.kernel.known_words import Vocabulary
from ztflow.kernel.table_layout import CODE_ROWS, NUMBER_ROWS, PORT_ROWS, Columns
from ztflow.model.provenance import Origin
from ztflow.model.tables import HALVES_SCHEMA

_IDENTITY_PARTS = ("trust_domain", "service_account")
_ORIGIN_COLUMNS = {"ztunnel_pod": 0, "ztunnel_namespace": 1, "ztunnel_node": 2}


class LineSpan(NamedTuple):
    """Neighbouring lines the kernel leaves to the slow path, or a line inside the JSON of a physical line.

    Attributes:
        line: Index of the first in the block, from 0.
        lines: How many; 0 for a line inside JSON, while others on the same physical line were proved.
        start: Its first byte in the block.
        stop: Where the last one's line end is over; where the line inside JSON stops.
        prefix: Number of what is around the line inside JSON; -1 for whole lines.
    """

    line: int
    lines: int
    start: int
    stop: int
    prefix: int = -1


@dataclass(slots=True)
class BlockPart:
    """Neighbouring lines read with one set of dictionaries: each is a proved row, one of the others, or left.

    Attributes:
        rows: How many rows were proved.
        columns: Their values; room past `rows` is not written.
        vocabulary: What their numbers mean, once it has learned these many texts.
        texts: How many texts there were.
        slow: Lines left to the slow path, in order.
        others: Lines of ztunnel that are only counted: index, number of the prefix (-1 for none), first byte, and where
            they stop. Shape: (4, lines).
        lines: Physical lines.
    """

    rows: int
    columns: Columns
    vocabulary: Vocabulary
    texts: int
    slow: list[LineSpan]
    others: IntArray
    lines: int

    def codes(self, name: str) -> Codes:
        """Numbers of a column's texts, -1 where there is none. Shape: rows."""
        return self.columns.codes[CODE_ROWS.index(name), : self.rows]

    def number(self, name: str) -> IntArray:
        """A column of integers. Shape: rows."""
        return self.columns.numbers[NUMBER_ROWS.index(name), : self.rows]

    def table(self, origins: Sequence[Origin], writers: Codes, source_file: str, first_line: int) -> pa.Table:
        """The rows as halves.

        Args:
            origins: Who may have written them.
            writers: Which of those wrote each row; a row whose writer is -1 is left out. Shape: rows.
            source_file: The input.
            first_line: Number of the block's first line.

        Cost: about 0.1 µs a row; texts, times, sizes and numbers are not copied.
        """
        table = pa.Table.from_arrays(
            [self._array(field, origins, writers, source_file, first_line) for field in HALVES_SCHEMA],
            schema=HALVES_SCHEMA,
        )
        kept = writers >= 0
        return table if kept.all() else table.filter(pa.array(kept))

    def refused(self) -> BoolArray:
        """Which rows have a text that the vocabulary refused. Shape: rows."""
        found = np.zeros(self.rows, np.bool_)
        for column, codes in self.vocabulary.refused.items():
            found |= np.isin(self.codes(column), codes)
        return found

    def _array(
        self, field: pa.Field, origins: Sequence[Origin], writers: Codes, source_file: str, first_line: int
    ) -> pa.Array:
        name, vocabulary = field.name, self.vocabulary
        side, _, what = name.partition("_")
        if what in _IDENTITY_PARTS:
            derived = vocabulary.derived[name]
            return _encoded(derived.codes(self.codes(f"{side}_identity")), derived.distinct.array())
        if name == "error":
            return _decoded(self.codes(name), vocabulary.columns[name].array())
        if name == "error_class":
            derived = vocabulary.derived[name]
            return _encoded(derived.codes(self.codes("error")), derived.distinct.array())
        if name in vocabulary.columns:
            return _encoded(self.codes(name), vocabulary.columns[name].array())
        if name in PORT_ROWS:
            ports = self.columns.ports[PORT_ROWS.index(name), : self.rows]
            return _plain(field.type, ports, self.codes("hbone_host") < 0 if name == "hbone_port" else None)
        if name in {"bytes_sent", "bytes_recv", "duration_ms"}:
            return _plain(field.type, self.number(name), self.number("duration_ms") < 0)
        if name == "time":
            return _plain(field.type, self.number(name), None)
        if name == "line_number":
            return _plain(field.type, self.number("line") + first_line, None)
        if name in _ORIGIN_COLUMNS:
            return _of_origin([origin[_ORIGIN_COLUMNS[name]] for origin in origins], writers)
        if name == "source_file":
            return _encoded(np.zeros(self.rows, np.int32), pa.array([source_file], pa.string()))
        return pa.nulls(self.rows, field.type)


def _plain(kind: pa.DataType, values: npt.NDArray[Any], missing: BoolArray | None) -> pa.Array:
    """Fixed-width values as they are."""
    bits = None if missing is None or not missing.any() else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(values)])


_SPARE = 4096
"""Texts a dictionary may have beyond four a row; with more, those that no row has are left out."""


def _encoded(codes: Codes, dictionary: pa.Array) -> pa.DictionaryArray:
    """Dictionary-encoded text; -1 becomes null."""
    if len(dictionary) > 4 * len(codes) + _SPARE:
        used = np.unique(codes)
        used = used[used >= 0]
        lookup = np.full(len(dictionary) + 1, -1, np.int32)
        lookup[used] = np.arange(len(used), dtype=np.int32)
        codes, dictionary = lookup[codes], dictionary.take(pa.array(used))
    if len(codes) and codes.min() < 0:
        indices = _plain(pa.int32(), np.maximum(codes, 0), codes < 0)
    else:
        indices = _plain(pa.int32(), codes, None)
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def _decoded(codes: Codes, dictionary: pa.Array) -> pa.Array:
    """Text as such; -1 becomes null."""
    if not len(dictionary) or not len(codes) or codes.max() < 0:
        return pa.nulls(len(codes), pa.string())
    return _encoded(codes, dictionary).dictionary_decode()


def _of_origin(values: list[str | None], writers: Codes) -> pa.DictionaryArray:
    distinct: dict[str, int] = {}
    codes = [-1 if value is None else distinct.setdefault(value, len(distinct)) for value in values]
    return _encoded(np.array(codes or [-1], np.int32)[writers], pa.array(list(distinct), pa.string()))
