"""A piece of a saved table as rows of ours: those whose values fit, and why the others do not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dtypes import IntArray
from ztflow.errors import Reason
from ztflow.model.earlier import renamed_flows
from ztflow.model.provenance import Problem, ReadStats
from ztflow.model.schema import Column, Type
from ztflow.model.table import LAYOUT_KEY
from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA, lines_of
from ztflow.model.vocabulary import unknown_word
from ztflow.parse.names import wrong_name
from ztflow.read.limits import PROBLEM_CHARS, PROBLEMS_KEPT
from ztflow.read.saved.columns import returned
from ztflow.read.saved.recognise import DECLARED, Kind

SCHEMAS = {"flows": FLOWS_SCHEMA, "records": HALVES_SCHEMA}
_KEY = {"flows": "paired", "records": "message"}
"""What every row has."""
_SHOWN = 60
"""Characters of a wrong value that are shown."""


class _Fault(NamedTuple):
    reason: Reason
    detail: str


class Ledger:
    """Counts what comes of the rows of one input, in the words in which lines are counted.

    A flow stands for the access lines it was made of, two or one, so a saved capture has the counts of the capture.

    Args:
        name: The input.
        stats: Counts to add to.
        problems: Takes the first problems.
    """

    def __init__(self, name: str, stats: ReadStats, problems: list[Problem]) -> None:
        self.name = name
        self.stats = stats
        self.problems = problems

    def take(self, kind: Kind, table: pa.Table, numbers: IntArray) -> pa.Table:
        """The rows of a piece that fit, with the columns of their table; the others become problems.

        Args:
            kind: Which table it is a piece of.
            table: The piece; columns in any order and of any type, others than ours are left out.
            numbers: Where each row stands in its input, from 1.
        """
        made, faults = _converted(kind, table)
        if faults:
            for row in sorted(faults):
                self.refuse(int(numbers[row]), *faults[row], _row_text(table, row, len(self.problems)))
            kept = np.ones(table.num_rows, np.bool_)
            kept[list(faults)] = False
            made, numbers = made.filter(pa.array(kept)), numbers[kept]
        if kind == "records":
            made = _placed(made, self.name, numbers)
        lines = lines_of(made) if kind == "flows" else made.num_rows
        self.stats.lines += lines
        self.stats.access += lines
        return made

    def refuse(self, number: int, reason: Reason, detail: str, text: str) -> None:
        """One row that cannot be read."""
        self.refuse_all(1, number, reason, detail, text)

    def refuse_all(self, rows: int, number: int, reason: Reason, detail: str, text: str = "") -> None:
        """Rows that cannot be read for one reason, which is told once, at the first of them."""
        self.stats.lines += rows
        self.stats.problems += rows
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(Problem(self.name, number, reason.value, detail, None, text[:PROBLEM_CHARS]))


def _converted(kind: Kind, table: pa.Table) -> tuple[pa.Table, dict[int, _Fault]]:
    """All rows with our columns, and the first fault of each row that has one."""
    if kind == "flows" and (table.schema.metadata or {}).get(LAYOUT_KEY) is None:
        table = renamed_flows(table)
    faults: dict[int, _Fault] = {}
    arrays = []
    names = set(table.schema.names)
    for column in DECLARED[kind]:
        field = SCHEMAS[kind].field(column.name)
        if column.name not in names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        raw = _one(table.column(table.schema.names.index(column.name)))
        values, wrong = returned(column, raw)
        arrays.append(values)
        if wrong.true_count:
            for row in np.flatnonzero(wrong.to_numpy(zero_copy_only=False)).tolist():
                faults.setdefault(row, _fault(column, raw[row].as_py()))
    made = pa.Table.from_arrays(arrays, schema=SCHEMAS[kind])
    for row in np.flatnonzero(_one(made[_KEY[kind]]).is_null().to_numpy(zero_copy_only=False)).tolist():
        faults.setdefault(row, _Fault(Reason.MISSING_FIELD, f"a row of {kind} without {_KEY[kind]}"))
    return made, faults


def _one(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # older Arrow keeps no chunk as a chunked array
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    return array


def _fault(column: Column, value: Any) -> _Fault:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    if column.type is Type.TIME:
        return _Fault(Reason.BAD_TIME, f"{column.name} is {shown}, no time ztflow can read")
    if isinstance(value, str):
        if column.words is not None:
            return _Fault(Reason.BAD_VALUE, unknown_word(column.words, column.name, value) or shown)
        if column.type is Type.CATEGORY and (wrong := wrong_name(value)) is not None:
            return _Fault(Reason.BAD_VALUE, f"{column.name} is {wrong.detail}")
    return _Fault(Reason.BAD_VALUE, f"{column.name} is {shown}, not of its type ({column.type.value})")


def _row_text(table: pa.Table, row: int, kept: int) -> str:
    if kept >= PROBLEMS_KEPT:
        return ""
    fields = {name: table.column(number)[row].as_py() for number, name in enumerate(table.schema.names)}
    known = {name: value for name, value in fields.items() if value is not None}
    return orjson.dumps(known, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _placed(records: pa.Table, name: str, numbers: IntArray) -> pa.Table:
    """With file and line where the rows do not state them: where they were found."""
    schema = HALVES_SCHEMA
    files = pc.coalesce(records["source_file"].cast(pa.string()), pa.scalar(name))
    lines = pc.coalesce(records["line_number"], pa.array(numbers, pa.int64()))
    records = records.set_column(
        schema.get_field_index("source_file"), schema.field("source_file"), files.dictionary_encode()
    )
    return records.set_column(schema.get_field_index("line_number"), schema.field("line_number"), lines)
