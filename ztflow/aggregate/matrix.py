"""A number for each pair of values of two columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ztflow.aggregate.levels import UNKNOWN
from ztflow.aggregate.measures import sums, tally
from ztflow.aggregate.view import View
from ztflow.columns.dictionaries import Coded, coded_of
from ztflow.columns.dtypes import Codes
from ztflow.errors import UsageError


class Matrix(NamedTuple):
    """Cells by row and column.

    Attributes:
        rows: Names of the rows, in order; `UNKNOWN` last.
        columns: Names of the columns likewise.
        cells: Numbers, one list a row; Python integers, for a sum may be past 64 bits.
    """

    rows: list[str]
    columns: list[str]
    cells: list[list[int]]


def matrix(table: pa.Table, rows: str, columns: str, value: str) -> Matrix:
    """Count connections, or sum a column, for each pair of values of two columns.

    Raises:
        UsageError: `value` is neither `flows` nor a column of whole numbers, or a column cannot name rows.
    """
    view = View(table)
    (across, row_names), (down, column_names) = (column_labels(table, name) for name in (rows, columns))
    codes = across.astype(np.int64) * len(column_names) + down
    cells = len(row_names) * len(column_names)
    if value == "flows":
        numbers = tally(codes, cells).tolist()
    elif value in table.column_names and pa.types.is_integer(table.schema.field(value).type):
        numbers = sums(view, value, codes, cells)
    else:
        raise UsageError(f"value {value!r} is no column of whole numbers, such as request_bytes, nor flows")
    width = len(column_names)
    return Matrix(row_names, column_names, [numbers[at * width : (at + 1) * width] for at in range(len(row_names))])


def column_labels(table: pa.Table, name: str) -> tuple[Codes, list[str]]:
    """The place of each row's value among the sorted values; unknown is the last where there is any."""
    column = table[name]
    if pa.types.is_nested(column.type) or pa.types.is_timestamp(column.type):
        raise UsageError(f"column {name} cannot name rows or columns")
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    labels: Coded = coded_of(column).distinct()
    used = np.unique(labels.codes)
    names = sorted(labels.words[code] for code in used.tolist() if code >= 0)
    place = {word: at for at, word in enumerate(names)}
    number = np.array([*(place.get(word, 0) for word in labels.words), len(names)], np.int32)
    return number[labels.codes], [*names, UNKNOWN] if len(used) and used[0] < 0 else names
