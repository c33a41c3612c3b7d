"""The rows a fold keeps: each stands for many connections, and has the texts of the first of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ztflow.aggregate.numbering import TextColumn
from ztflow.aggregate.view import View
from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers

SUMS = ("request_bytes", "response_bytes")
"""Columns that are added up."""
_NUMBERS = (*SUMS, "duration_ms")
_COUNTED = (*_NUMBERS, "start", "end")


class KeptRows:
    """Rows that only become more: of those there are, numbers change, and texts are not touched again.

    Args:
        schema: Columns of `schema.FLOWS`, those of `aggregate.measures.MEASURED` among them.

    Attributes:
        weights: How many connections each stands for.
        first: Place, among all, of the first connection of each.
        last: Place of the one of each row that ended last; of equal ones the last.
        sums: Each of `SUMS`, and the longest life, by column.

    Memory: some 100 bytes a row, and each word once.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._texts: dict[str, TextColumn] = {}
        self._others: dict[str, list[pa.Array]] = {}
        for field in schema:
            if pa.types.is_dictionary(field.type) or pa.types.is_string(field.type):
                self._texts[field.name] = TextColumn()
            elif field.name not in _COUNTED:
                self._others[field.name] = []
        self.weights = self.first = self.last = np.zeros(0, np.int64)
        self._start = self._end = self.weights
        self.sums: dict[str, IntArray] = dict.fromkeys(_NUMBERS, self.weights)
        self._known: dict[str, BoolArray] = dict.fromkeys(_NUMBERS, np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return len(self.weights)

    def add(self, view: View, rows: Integers, first: Integers, places: IntArray) -> None:
        """Take in connections.

        Args:
            view: The connections, or rows of other folds; it forgets its columns.
            rows: The row each is in; new ones have the numbers behind those there are.
            first: The first connection of each new row.
            places: The place of each connection among all.
        """
        new = np.zeros(len(first), np.int64)
        self.weights = np.append(self.weights, new)
        if view.weights is None:
            self.weights += np.bincount(rows, minlength=len(self.weights))
        else:
            np.add.at(self.weights, rows, view.weights)
        self.first = np.append(self.first, places[first])
        began, ended = view.seen()
        self._start = np.append(self._start, began[first])
        np.minimum.at(self._start, rows, began)
        self._end, before = np.append(self._end, np.full(len(first), NO_TIME)), self._end
        np.maximum.at(self._end, rows, ended)
        self.last[self._end[: len(before)] > before] = 0
        self.last = np.append(self.last, new)
        final = ended == self._end[rows]
        np.maximum.at(self.last, rows[final], places[final])
        for name in _NUMBERS:
            values, known = view.numbers(name)
            self._known[name] = np.append(self._known[name], known[first])
            self.sums[name] = found = np.append(self.sums[name], new if name in SUMS else values[first])
            (np.add if name in SUMS else np.maximum).at(found, rows, values)
        taken = pa.array(first)
        for name, chunks in self._others.items():
            chunks.append(view.table.column(name).chunk(0).take(taken))
        for name, column in self._texts.items():
            column.add(view.labels(name).take(first))
            view.forget(name)

    def table(self) -> pa.Table:
        """All rows; they are forgotten here, a column at a time, so that no more is there twice."""
        columns = []
        for field in self._schema:
            name, kind = field.name, field.type
            if name in self._texts:
                columns.append(self._texts.pop(name).array(kind))
            elif name in self._others:
                columns.append(pa.concat_arrays(self._others.pop(name) or [pa.array([], kind)]))
            elif name in _NUMBERS:
                columns.append(pa.array(self.sums.pop(name), mask=~self._known.pop(name)).cast(kind))
            else:
                times = self._start if name == "start" else self._end
                columns.append(pa.array(times, mask=times == NO_TIME).cast(kind))
        return pa.Table.from_arrays(columns, schema=self._schema)
