"""`Fold`: connections in, batch by batch; what a report needs of them out, in memory that does not grow with them.

Connections that a report cannot tell apart become one row: counts and bytes are added up, of times the first and the
last are kept, and of columns that are the same in all of them, or of which only the vertex they name is looked at, the
first connection's. Folding what is folded gives the same, so it does not matter how the input was cut. The report is
made of the rows as of connections (`view_of`), and is exactly the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from ztflow.aggregate.folded import Folded, Values
from ztflow.aggregate.folded_flows import FoldedFlows
from ztflow.aggregate.kept_rows import SUMS, KeptRows
from ztflow.aggregate.levels import ends_columns, numbered_ends
from ztflow.aggregate.measures import MEASURED
from ztflow.aggregate.numbering import Combinations, Words
from ztflow.aggregate.view import View
from ztflow.columns.dictionaries import NONE
from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers
from ztflow.columns.grouping import factorize, group
from ztflow.model.schema import FLOWS
from ztflow.model.table import empty
from ztflow.model.tables import FLOWS_SCHEMA, Flows

PORTION = 1 << 15
"""Connections folded at once, at least."""
_ROWS_A_CONNECTION = 8
"""Rows there are, at most, for each of the connections folded at once."""
FEW = 1 << 17
"""Connections that are not folded: some 13 MiB of the columns of a summary."""
_LARGE, _FULL = 1 << 40, 1 << 62
"""Bytes of a connection, and of a row, that stay by themselves: sums of the others cannot pass 64 bits."""

LIFE = ("duration_ms",)
"""What `measure` wants of every connection: medians are of their lives."""

_KNOWN = ("request_bytes", "response_bytes", "duration_ms", "dst_pod", "dst_name")
_SAME = ("verdict", "mtls", "locality", "zone_locality", "paired")
_SIZES = {"bool": 2, "int32": 1 << 16}
"""Values a column of numbers may have, by Arrow's name of its type."""

Mask: TypeAlias = Callable[[View], BoolArray]
_Part: TypeAlias = tuple[Integers, int]
_Ends: TypeAlias = tuple[_Part, _Part]


class Together(NamedTuple):
    """Vertices that a report looks at together, whatever connections they are of: each combination keeps a row.

    Attributes:
        source: Levels at which the client is looked at.
        target: Likewise the server.
        having: A column: connections with and without a value in it keep rows of their own; none unless given.
    """

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    having: str | None = None


class Where(NamedTuple):
    """Connections of which more is told apart.

    Attributes:
        mask: Which; looks at nothing but what is told apart of all.
        same: Columns whose values make them apart.
        levels: Levels at which their ends do.
    """

    mask: Mask
    same: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a report tells apart; of what `MEASURED` names it always is.

    Attributes:
        levels: Connections are apart whose ends are different vertices at one of these levels.
        same: Likewise, whose values in one of these columns differ.
        known: Likewise, of which one has a value in one of these columns, and the other has none.
        where: More of the kind, for some connections only.
        targets: Likewise, whose servers are different vertices at a level, where a column has a value.
        kept: Each combination of vertices keeps a row that nothing else is in.
        described: A level of which each end keeps such a row for each combination of all columns that describe it.
        each: Columns of numbers wanted of every connection.
    """

    levels: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    kept: tuple[Together, ...] = ()
    described: str | None = None
    each: tuple[str, ...] = ()

    @property
    def all_levels(self) -> set[str]:
        """The levels ends are looked at."""
        return {
            *self.levels,
            *(level for _, level in self.targets),
            *chain.from_iterable(some.levels for some in self.where),
            *chain.from_iterable((*some.source, *some.target) for some in self.kept),
        }

    @property
    def columns(self) -> list[str]:
        """The columns of `schema.FLOWS` that are needed, in the order of the schema."""
        wanted = {
            *MEASURED, *self.same, *self.known, *self.each,
            *chain.from_iterable(some.same for some in self.where),
            *chain.from_iterable(map(ends_columns, self.all_levels)),
            *(name for name, _ in self.targets),
            *(() if self.described is None else ends_columns(self.described)),
        }  # fmt: skip
        return [column.name for column in FLOWS if column.name in wanted]


class FoldedPart(NamedTuple):
    """What was made of some connections, to be joined with that of others; one entry a row.

    Attributes:
        table: The rows, by their first connections.
        weights: How many connections each stands for.
        first: The moment of the first of these.
        last: The moment of the one that ended last.
        place: Its place among all here.
    """

    table: pa.Table
    weights: IntArray
    first: IntArray
    last: IntArray
    place: IntArray


class Fold:
    """Adds up connections for a report.

    Args:
        shape: What the report tells apart.
        portion: Connections folded at once.
        few: So many stay as they are, for that costs less.

    Cost: what the report costs. Memory: `few` connections, their columns only, and the rows: as many as there are
    combinations of what `shape` names.
    """

    def __init__(self, shape: Shape, *, portion: int = PORTION, few: int = FEW) -> None:
        self._shape, self._portion, self._few = shape, portion, few
        self._columns = shape.columns
        self._values = Values(shape.each)
        self._waiting: list[pa.Table] = []
        self._rows = self._total = 0
        self._keys = _Keys(shape)
        self._kept: KeptRows | None = None
        self._flows = Flows()

    def add(self, flows: Flows) -> None:
        """Take in connections."""
        self._flows = flows.with_rows(empty(Flows))
        if len(flows):
            self._waiting.append(flows.to_arrow().select(self._columns))
            self._rows += len(flows)
        if self._kept is not None or self._rows > self._few:
            while self._rows >= self._at_once:
                self._fold()

    def flows(self) -> Flows:
        """All connections taken in, with the owners of the last of them; as they are where they are few."""
        if self._kept is None and self._rows:
            table = pa.concat_tables(self._waiting).unify_dictionaries()
            return self._flows.with_rows(table)
        while self._rows:
            self._fold()
        self._values.finish()
        kept = KeptRows(_schema(self._columns)) if self._kept is None else self._kept
        made = FoldedFlows(kept.table(), Folded(kept.weights, kept.last, self._values))
        made.owners = self._flows.owners
        return made

    def part(self, moments: IntArray) -> tuple[FoldedPart, pa.Table]:
        """What was made of the connections taken in, and the numbers of each of them (`Values`).

        Args:
            moments: When each was, ascending: by that parts are put in order.
        """
        while self._rows:
            self._fold()
        self._values.finish()
        kept = KeptRows(_schema(self._columns)) if self._kept is None else self._kept
        part = FoldedPart(kept.table(), kept.weights, moments[kept.first], moments[kept.last], kept.last)
        return part, self._values.table()

    def join(self, parts: Sequence[FoldedPart], values: Iterable[pa.Table], owners: Mapping[str, str]) -> FoldedFlows:
        """All connections of which parts were made, with what `part` gave of each.

        Rows are taken by their first connections, as if these had come one after the other; so a row that has to be
        by itself, as the first of its kind, is so in its part, too.
        """
        tables = [part.table for part in parts if part.table.num_rows] or [_schema(self._columns).empty_table()]
        number = np.concatenate([np.full(len(part.weights), at) for at, part in enumerate(parts)])
        weights, first, last, place = (np.concatenate([part[at] for part in parts]) for at in range(1, 5))
        order = np.argsort(first, kind="stable")
        places = np.empty(len(order), np.int64)
        places[np.lexsort((place, number, last))] = np.arange(len(order))
        view = View(_whole(tables).take(pa.array(order)), Folded(weights[order], places[order], self._values))
        kept = self._kept = KeptRows(_schema(self._columns))
        rows = np.empty(len(order), np.int64)
        rows[order], fresh = self._keys.rows(view, owners)
        kept.add(view, rows[order], fresh, places[order])
        starts = np.cumsum([0, *(len(part.weights) for part in parts)])
        for start, each in zip(starts.tolist(), values, strict=False):
            row, *columns = (column.to_numpy() for column in each.columns)
            self._values.add(rows[start + row], columns)
        self._flows = Flows(owners=owners)
        made = self.flows()
        assert isinstance(made, FoldedFlows)
        return made

    @property
    def _at_once(self) -> int:
        """Connections folded at once: more where there are many rows, among which theirs have to be found."""
        return max(self._portion, 0 if self._kept is None else len(self._kept) // _ROWS_A_CONNECTION)

    def _next(self) -> list[pa.Table]:
        """A portion of what waits, the longest there first."""
        taken: list[pa.Table] = []
        room = portion = self._at_once
        while room and self._waiting:
            table = self._waiting.pop(0)
            taken.append(table.slice(0, room))
            room -= taken[-1].num_rows
            if taken[-1].num_rows < table.num_rows:
                self._waiting.insert(0, table.slice(taken[-1].num_rows))
        self._rows -= portion - room
        return taken

    def _fold(self) -> None:
        """Add a portion to the rows there are."""
        kept = self._kept = KeptRows(_schema(self._columns)) if self._kept is None else self._kept
        view = View(_whole(self._next()))
        places = self._total + np.arange(len(view))
        self._total += len(view)
        rows, first = self._keys.rows(view, self._flows.owners)
        self._values.add(rows, [_numbers(view, name)[0] for name in self._shape.each])
        kept.add(view, rows, first, places)
        self._keys.close(np.flatnonzero(np.logical_or(*(kept.sums[name] >= _FULL for name in SUMS))))


class _Keys:
    """Tells which row connections are in: those of a report that cannot tell them apart are in one.

    Args:
        shape: What the report tells apart.

    Memory: of each row what makes it different, some 20 bytes.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._words: defaultdict[str, Words] = defaultdict(Words)
        self._names: dict[str, dict[str, int]] = {level: {} for level in shape.all_levels}
        self._told, self._keys = Combinations(), Combinations()
        self._where = [Combinations() for _ in shape.where]
        self._alone: defaultdict[object, Combinations] = defaultdict(Combinations)
        self._row_of = np.zeros(0, np.int64)
        """The row of each key, `NONE` where it may take no more."""
        self._count = 0

    def rows(self, view: View, owners: Mapping[str, str]) -> tuple[Integers, Integers]:
        """The row of each connection, and the first connection of each new row: they are numbered by these."""
        ends = {level: self._ends(view, level, owners) for level in self._names}
        parts, alone = [*self._parts(view, ends)], self._by_themselves(view, ends)
        groups = group(parts, len(view))
        codes = groups.codes.astype(np.int64)
        codes[alone] = len(groups) + np.arange(len(alone))
        group_of, first = factorize(codes, len(groups) + len(alone))
        open_ones = np.ones(len(first), np.bool_)
        open_ones[group_of[alone]] = False
        chosen = first[open_ones]
        keys, fresh = self._keys.number([(part[chosen], size) for part, size in parts], len(chosen))
        self._row_of = np.append(self._row_of, np.full(len(fresh), NONE))
        row = np.full(len(first), NONE)
        row[open_ones] = self._row_of[keys]
        new = np.flatnonzero(row == NONE)
        row[new] = self._count + np.arange(len(new))
        self._count += len(new)
        self._row_of[keys] = row[open_ones]
        return row[group_of], first[new]

    def close(self, rows: Integers) -> None:
        """These rows take no more connections."""
        if len(rows):
            self._row_of[np.isin(self._row_of, rows)] = NONE

    def _ends(self, view: View, level: str, owners: Mapping[str, str]) -> _Ends:
        """Both ends of connections at a level, as parts of `group`."""
        names = self._names[level]
        source, target = numbered_ends(view, level, owners, names)
        return (source, len(names)), (target, len(names))

    def _parts(self, view: View, ends: dict[str, _Ends]) -> Iterator[_Part]:
        """What makes connections apart."""
        known = [view.known(name) for name in dict.fromkeys((*_KNOWN, *self._shape.known))]
        told = [_bits([view.known("start") | view.known("end"), *known])]
        told += [self._part(view, name) for name in dict.fromkeys((*_SAME, *self._shape.same))]
        yield self._told.number(told, len(view))[0], self._told.size
        for level in self._shape.levels:
            yield from ends[level]
        for some, combinations in zip(self._shape.where, self._where, strict=True):
            yield self._of_some(some, combinations, view, ends)
        for name, level in self._shape.targets:
            codes, size = ends[level][1]
            yield np.where(view.known(name), codes, NONE), size

    def _of_some(self, where: Where, combinations: Combinations, view: View, ends: dict[str, _Ends]) -> _Part:
        """What makes connections of a mask apart; all others are alike."""
        rows = np.flatnonzero(where.mask(view))
        some = view.take(rows)
        named = [(codes[rows], size) for level in where.levels for codes, size in ends[level]]
        codes = np.full(len(view), NONE, np.int32)
        codes[rows], _ = combinations.number([*(self._part(some, name) for name in where.same), *named], len(rows))
        return codes, combinations.size

    def _by_themselves(self, view: View, ends: dict[str, _Ends]) -> Integers:
        """Connections that nothing else may be in a row with."""
        alone: BoolArray = np.zeros(len(view), np.bool_)
        for name in SUMS:
            values, _ = view.numbers(name)
            alone |= (values < 0) | (values >= _LARGE)
        seen: dict[object, list[_Part]] = {}
        for some in self._shape.kept:
            parts = [ends[level][0] for level in some.source] + [ends[level][1] for level in some.target]
            seen[some] = parts if some.having is None else [*parts, _bits([view.known(some.having)])]
        if self._shape.described is not None:
            columns = ends_columns(self._shape.described)
            for end, others in (("src", ("dst_", "hbone_", "inbound_")), ("dst", ("src_", "outbound_"))):
                seen[end] = [self._part(view, name) for name in columns if not name.startswith(others)]
        for key, parts in seen.items():
            alone[self._alone[key].number(parts, len(view))[1]] = True
        return np.flatnonzero(alone)

    def _part(self, view: View, name: str) -> _Part:
        """A column as a part of `group`, its codes the same in all batches."""
        kind = view.table.schema.field(name).type
        if str(kind) not in _SIZES:
            return self._words[name].part(view.labels(name))
        values, known = view.numbers(name)
        return np.where(known, values.astype(np.int64), NONE), _SIZES[str(kind)]


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([FLOWS_SCHEMA.field(name) for name in columns])


def _numbers(view: View, name: str) -> tuple[IntArray, BoolArray]:
    """A column of numbers; of the two times one for the other where it is unknown, for that is how they are looked at.

    Else the first start of connections without an end would have to be kept beside the last.
    """
    if name not in ("start", "end"):
        return view.numbers(name)
    times = view.seen()[name == "end"]
    return times, times != NO_TIME


def _whole(tables: list[pa.Table]) -> pa.Table:
    """Several tables as one, in one chunk; empties the list, a column at a time, so that no more is there twice."""
    schema, columns = tables[0].schema, []
    for field in schema:
        chunks = [chunk for table in tables for chunk in table.column(0).chunks]
        tables[:] = [table.remove_column(0) for table in tables]
        columns.append(pa.chunked_array(chunks, field.type).unify_dictionaries().combine_chunks())
        del chunks
    tables.clear()
    return pa.Table.from_arrays(columns, schema=schema)


def _bits(masks: Sequence[BoolArray]) -> tuple[Integers, int]:
    found = np.zeros(len(masks[0]), np.int64)
    for number, mask in enumerate(masks):
        found |= mask.astype(np.int64) << number
    return found, 1 << len(masks)
