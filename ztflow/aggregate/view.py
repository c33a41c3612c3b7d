"""Columns of a table as numpy arrays and dictionary codes, made on first use, so that grouping is fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.aggregate.folded import Folded, Piece
from ztflow.columns.dictionaries import NONE, Coded, coded
from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers
from ztflow.columns.grouping import Groups, group
from ztflow.model.provenance import time_from_micros


class View:
    """Rows of one table as numpy columns, made when first asked for and kept.

    Args:
        table: Any table of `schema.FLOWS` or `schema.HALVES` columns.
        folded: What is known of the connections behind its rows, where a row stands for several.

    Cost: a dictionary column is a unify and a copy of its indices; nothing is decoded row by row.
    """

    def __init__(self, table: pa.Table, folded: Folded | None = None) -> None:
        self.table = table
        self._folded = folded
        self._rows: Integers | None = None
        self._whole: View | None = None
        """The view whose rows these are. None where it is itself: a circle would keep all columns for long."""
        self._labels: dict[str, Coded] = {}
        self._numbers: dict[str, tuple[npt.NDArray[Any], BoolArray]] = {}
        self._masks: dict[tuple[str, ...], BoolArray] = {}
        self._seen: tuple[Integers, Integers] | None = None

    @property
    def weights(self) -> IntArray | None:
        """How many connections each row stands for; None for one each."""
        if self._folded is None or self._rows is None:
            return None if self._folded is None else self._folded.weights
        return self._folded.weights[self._rows]

    def count(self, mask: BoolArray | None = None) -> int:
        """How many connections there are, or those of the rows of a mask."""
        weights = self.weights
        if weights is None:
            return len(self) if mask is None else int(np.count_nonzero(mask))
        return int(weights.sum() if mask is None else weights[mask].sum())

    def order(self) -> Integers:
        """The place of each row among all connections: of one that stands for several, of that which ended last."""
        if self._folded is None:
            return np.arange(len(self))
        return self._folded.last if self._rows is None else self._folded.last[self._rows]

    def pieces(self, *names: str) -> Iterator[Piece]:
        """Numbers of single connections, in their order, 0 where null; which row each stands in.

        Args:
            names: Columns; of a folded table those that were kept so.
        """
        if self._folded is None:
            yield Piece(slice(None), {name: self.numbers(name)[0] for name in names})
            return
        if self._rows is None:
            yield from self._folded.values.pieces(names)
            return
        numbers = np.full(self.table.num_rows, NONE, np.int64)
        numbers[self._rows] = np.arange(len(self._rows))
        for rows, values in self._folded.values.pieces(names):
            mine = numbers[rows]
            here = mine != NONE
            yield Piece(mine[here], {name: column[here] for name, column in values.items()})

    def __len__(self) -> int:
        return int(self.table.num_rows) if self._rows is None else len(self._rows)

    def has(self, name: str) -> bool:
        """Whether the table has such a column."""
        return name in self.table.column_names

    def labels(self, name: str) -> Coded:
        """A text column as codes, every word once."""
        found = self._labels.get(name)
        if found is None:
            if self._rows is None or self._whole is None:
                found = coded(self.table, name).distinct()
            else:
                found = self._whole.labels(name).take(self._rows)
            self._labels[name] = found
        return found

    def forget(self, name: str) -> None:
        """Free a column that is not looked at again."""
        self.table = self.table.drop_columns([name])
        self._labels.pop(name, None)
        self._numbers.pop(name, None)

    def forget_codes(self) -> None:
        """Free the codes of all text columns; they are made anew when asked for, in some nanoseconds a row."""
        self._labels.clear()

    def numbers(self, name: str) -> tuple[npt.NDArray[Any], BoolArray]:
        """A numeric or time column as values (microseconds for times, 0 where null) and the mask of known rows."""
        found = self._numbers.get(name)
        if found is None:
            if self._rows is None or self._whole is None:
                found = _decode(self.table.column(name))
            else:
                values, known = self._whole.numbers(name)
                found = values[self._rows], known[self._rows]
            self._numbers[name] = found
        return found

    def known(self, name: str) -> BoolArray:
        """Rows whose column is not null."""
        kind = self.table.schema.field(name).type
        if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
            if self._rows is None and name not in self._labels:
                return self._valid(name)
            return self.labels(name).codes >= 0
        return self.numbers(name)[1]

    def _valid(self, name: str) -> BoolArray:
        column = self.table.column(name)
        if pa.types.is_dictionary(column.type) and any(chunk.dictionary.null_count for chunk in column.chunks):
            return self.labels(name).codes >= 0
        if not column.null_count:
            return np.ones(len(self), np.bool_)
        found: BoolArray = column.is_valid().to_numpy()
        return found

    def equals(self, name: str, *texts: str) -> BoolArray:
        """Rows whose text column has one of the values."""
        found = self._masks.get((name, *texts))
        if found is None:
            labels = self.labels(name)
            found = np.zeros(len(self), dtype=bool)
            for text in texts:
                found |= labels.codes == labels.code(text)
            found.flags.writeable = False
            self._masks[(name, *texts)] = found
        return found

    def group(self, *names: str) -> Groups:
        """Rows grouped by the values of text columns."""
        return group([self.part(name) for name in names], len(self))

    def part(self, name: str) -> tuple[Integers, int]:
        """A text column as a part of `group`."""
        return self.labels(name).part

    def where(self, mask: BoolArray) -> View:
        """The rows of a mask; columns are cut when asked for."""
        chosen = np.flatnonzero(mask)
        return self.take(chosen)

    def take(self, rows: Integers) -> View:
        """Some rows, by number."""
        part = View(self.table, self._folded)
        part._whole = self if self._whole is None else self._whole
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def copy(self, rows: Integers, names: Iterable[str]) -> View:
        """Some rows of some columns, in a table of its own: keeps nothing of the others in memory."""
        whole = rows if self._rows is None else self._rows[rows]
        table, folded = self.table.select(list(names)).take(pa.array(whole)), None
        if self._folded is not None:
            folded = Folded(self._folded.weights[whole], self._folded.last[whole], self._folded.values)
        return View(table, folded)

    def rows(self, rows: Integers, *names: str) -> list[tuple[Any, ...]]:
        """Values of some rows as Python objects, one tuple a row."""
        whole = rows if self._rows is None else self._rows[rows]
        taken = self.table.select(list(names)).take(pa.array(whole))
        return list(zip(*(column.to_pylist() for column in taken.columns), strict=True))

    def seen(self) -> tuple[Integers, Integers]:
        """When each connection began and ended in microseconds, one for the other; `NO_TIME` where neither is known."""
        if self._seen is None:
            start, start_known = self.numbers("start")
            end, end_known = self.numbers("end")
            if start_known.all() and end_known.all():
                self._seen = start, end
            else:
                began = np.where(start_known, start, np.where(end_known, end, NO_TIME)).astype(np.int64)
                ended = np.where(end_known, end, np.where(start_known, start, NO_TIME)).astype(np.int64)
                self._seen = began, ended
        return self._seen

    def span(self) -> tuple[datetime | None, datetime | None]:
        """First `start` (or `end` where the start is unknown) and last `end` of a flows table."""
        began, ended = self.seen()
        # `NO_TIME` is less than any time, and a row has both times or neither.
        last = int(ended.max()) if len(ended) else NO_TIME
        if last == NO_TIME:
            return None, None
        return time_from_micros(int(began[began != NO_TIME].min())), time_from_micros(last)


def _decode(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], BoolArray]:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # older Arrow keeps no chunk as a chunked array
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    if pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    if not array.null_count:
        return array.to_numpy(zero_copy_only=False), np.ones(len(array), bool)
    known = array.is_valid().to_numpy(zero_copy_only=False)
    filled = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return filled.to_numpy(zero_copy_only=False), known
