"""Rows of saved tables that come as JSON objects, one by one among other lines; made into columns by the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from ztflow.model.provenance import Problem, ReadStats
from ztflow.read.saved.recognise import DECLARED, Kind
from ztflow.read.saved.rows import Ledger


class OwnRows:
    """Collects rows of both tables until they are taken.

    Args:
        name: The input.
        stats: Counts to add to.
        problems: Takes the first problems.
    """

    def __init__(self, name: str, stats: ReadStats, problems: list[Problem]) -> None:
        self._ledger = Ledger(name, stats, problems)
        self._rows: dict[Kind, list[dict[str, Any]]] = {"flows": [], "records": []}
        self._numbers: dict[Kind, list[int]] = {"flows": [], "records": []}

    def add(self, kind: Kind, fields: dict[str, Any], number: int) -> None:
        """Take in a decoded object of which `recognise.own_row` said which row it is."""
        self._rows[kind].append(fields)
        self._numbers[kind].append(number)

    def take(self, kind: Kind) -> pa.Table | None:
        """The rows of one table since the last call; None for none."""
        rows, numbers = self._rows[kind], self._numbers[kind]
        if not rows:
            return None
        self._rows[kind], self._numbers[kind] = [], []
        columns = {column.name: [row.get(column.name) for row in rows] for column in DECLARED[kind]}
        table = pa.table({name: _array(values) for name, values in columns.items()})
        return self._ledger.take(kind, table, np.array(numbers, np.int64))


def wrong_values(kind: Kind, fields: dict[str, Any]) -> list[str]:
    """Why an object cannot be a row of that table; nothing for one that can."""
    problems: list[Problem] = []
    rows = OwnRows("-", ReadStats(), problems)
    rows.add(kind, fields, 1)
    rows.take(kind)
    return [f"{problem.reason}: {problem.detail}" for problem in problems]


def _array(values: list[Any]) -> pa.Array:
    """Values as Arrow takes them; where they are of several types, as text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, ValueError):
        return pa.array([None if value is None else _spelled(value) for value in values], pa.string())


def _spelled(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text.encode("utf-8", "replace").decode()
