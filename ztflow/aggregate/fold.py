"""`Fold`: connections in, batch by batch; what a report needs of them out, in memory that does not grow with them.

Connections that a report cannot tell apart become one row: counts and bytes are added up, of times the first and the
last are kept, and of columns that are the same in all of them, or of which only the vertex they name is looked at, the
first connection's. Folding what is folded gives the same, so it does not matter how the input was cut. The report is
made of the rows as of connections (`view_of`), and is exactly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from ztflow.aggregate.folded import Folded, Values
from ztflow.aggregate.folded_flows import FoldedFlows
from ztflow.aggregate.levels import ends_columns, numbered_ends
from ztflow.aggregate.measures import MEASURED, tally
from ztflow.aggregate.view import View
from ztflow.columns.dictionaries import NONE, Coded
from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers
from ztflow.columns.grouping import Groups, factorize, group
from ztflow.model.schema import FLOWS
from ztflow.model.tables import FLOWS_SCHEMA, Flows

PORTION = 1 << 17
"""Connections folded at once, together with the rows there are."""
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


class _Ends(NamedTuple):
    """Both ends of rows, at one level.

    Attributes:
        source: Number of each row's client.
        target: Of its server.
        size: How many ends there are.
    """

    source: Integers
    target: Integers
    size: int

    @property
    def parts(self) -> tuple[tuple[Integers, int], tuple[Integers, int]]:
        """As parts of `group`."""
        return (self.source, self.size), (self.target, self.size)


class _Kept(NamedTuple):
    """Folded connections; see `Folded`."""

    table: pa.Table
    weights: IntArray
    last: IntArray
    ends: dict[str, _Ends]


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
        self._kept: _Kept | None = None
        self._names: dict[str, dict[str, int]] = {level: {} for level in shape.all_levels}
        self._flows = Flows()

    def add(self, flows: Flows) -> None:
        """Take in connections."""
        self._flows = flows.with_rows(FLOWS_SCHEMA.empty_table())
        if len(flows):
            self._waiting.append(flows.to_arrow().select(self._columns))
            self._rows += len(flows)
        if self._kept is not None or self._rows > self._few:
            while self._rows >= self._portion:
                self._fold()

    def flows(self) -> Flows:
        """All connections taken in, with the owners of the last of them; as they are where they are few."""
        if self._kept is None and self._rows:
            table = pa.concat_tables(self._waiting).unify_dictionaries()
            return self._flows.with_rows(table)
        while self._rows:
            self._fold()
        self._values.finish()
        if self._kept is None:
            nothing = np.zeros(0, np.int64)
            self._kept = _Kept(FLOWS_SCHEMA.empty_table().select(self._columns), nothing, nothing, {})
        made = FoldedFlows(self._kept.table, Folded(self._kept.weights, self._kept.last, self._values))
        made.owners = self._flows.owners
        return made

    def _next(self) -> list[pa.Table]:
        """A portion of what waits, the longest there first."""
        taken: list[pa.Table] = []
        room = self._portion
        while room and self._waiting:
            table = self._waiting.pop(0)
            taken.append(table.slice(0, room))
            room -= taken[-1].num_rows
            if taken[-1].num_rows < table.num_rows:
                self._waiting.insert(0, table.slice(taken[-1].num_rows))
        self._rows -= self._portion - room
        return taken

    def _fold(self) -> None:
        """Put a portion together with what is folded: its rows come first, and are different, so keep their numbers."""
        tables, kept = self._next(), self._kept
        count = sum(table.num_rows for table in tables)
        last, folded, rows = self._total + np.arange(count), None, 0
        self._total += count
        if kept is not None:
            rows = len(kept.weights)
            tables.insert(0, kept.table)
            weights = np.concatenate([kept.weights, np.ones(count, np.int64)])
            last = np.concatenate([kept.last, last])
            folded = Folded(weights, last, self._values)
        ends = {} if kept is None else kept.ends
        self._kept = kept = None
        view = View(_whole(tables), folded)
        ends = {level: self._named(view, level, rows, ends.get(level)) for level in self._names}
        view.forget_codes()
        groups = _groups(self._shape, view, ends)
        view.forget_codes()
        self._values.add(groups.codes[rows:], [_numbers(view, name)[0][rows:] for name in self._shape.each])
        self._kept = _reduced(view, groups, last, ends)

    def _named(self, view: View, level: str, rows: int, before: _Ends | None) -> _Ends:
        """The ends at a level; those of the rows there were are known."""
        names = self._names[level]
        new = view if before is None else view.take(np.arange(rows, len(view)))
        source, target = numbered_ends(new, level, self._flows.owners, names)
        if before is not None:
            source, target = np.concatenate([before.source, source]), np.concatenate([before.target, target])
        return _Ends(source, target, len(names))


def _groups(shape: Shape, view: View, ends: dict[str, _Ends]) -> Groups:
    """Rows that a report cannot tell apart, numbered by first appearance."""
    alone = _alone(shape, view, ends)
    groups = group(_parts(shape, view, ends), len(view))
    if not len(alone):
        return groups
    codes = groups.codes.astype(np.int64)
    codes[alone] = len(groups) + np.arange(len(alone))
    return Groups(*factorize(codes, len(groups) + len(alone)))


def _parts(shape: Shape, view: View, ends: dict[str, _Ends]) -> Iterator[tuple[Integers, int]]:
    """What makes rows apart, as parts of `group`."""
    known = [view.known(name) for name in dict.fromkeys((*_KNOWN, *shape.known))]
    yield _bits([view.known("start") | view.known("end"), *known])
    for name in dict.fromkeys((*_SAME, *shape.same)):
        yield _part(view, name)
    for level in shape.levels:
        yield from ends[level].parts
    for some in shape.where:
        yield _of_some(some, view, ends)
    for name, level in shape.targets:
        yield _where(view.known(name), *ends[level].parts[1])


def _of_some(where: Where, view: View, ends: dict[str, _Ends]) -> tuple[Integers, int]:
    """What makes rows of a mask apart; all others are alike."""
    rows = np.flatnonzero(where.mask(view))
    part = view.take(rows)
    named = [(codes[rows], size) for level in where.levels for codes, size in ends[level].parts]
    groups = group([*(_part(part, name) for name in where.same), *named], len(rows))
    codes = np.full(len(view), NONE, np.int64)
    codes[rows] = groups.codes
    return codes, len(groups)


def _alone(shape: Shape, view: View, ends: dict[str, _Ends]) -> Integers:
    """Rows that nothing else may be in."""
    weights = view.weights
    most: int | IntArray = _LARGE if weights is None else np.where(weights == 1, _LARGE, _FULL)
    alone: BoolArray = np.zeros(len(view), np.bool_)
    for name in ("request_bytes", "response_bytes"):
        values, _ = view.numbers(name)
        alone |= (values < 0) | (values >= most)
    seen = []
    for some in shape.kept:
        parts = [ends[level].parts[0] for level in some.source] + [ends[level].parts[1] for level in some.target]
        seen.append(parts if some.having is None else [*parts, _bits([view.known(some.having)])])
    if shape.described is not None:
        columns = ends_columns(shape.described)
        for end in ("src", "dst"):
            others = {"src": ("dst_", "hbone_", "inbound_"), "dst": ("src_", "outbound_")}[end]
            seen.append([_part(view, name) for name in columns if not name.startswith(others)])
    for parts in seen:
        alone[group(parts, len(view)).first] = True
    return np.flatnonzero(alone)


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


def _part(view: View, name: str) -> tuple[Integers, int]:
    """A column as a part of `group`."""
    kind = view.table.schema.field(name).type
    if str(kind) not in _SIZES:
        return view.part(name)
    values, known = view.numbers(name)
    return np.where(known, values.astype(np.int64), NONE), _SIZES[str(kind)]


def _where(mask: BoolArray, codes: Integers, size: int) -> tuple[Integers, int]:
    return np.where(mask, codes, NONE), size


def _words(labels: Coded, kind: pa.DataType) -> pa.Array:
    """A text column as Arrow has it, without words no row has where these may be many."""
    if not pa.types.is_dictionary(kind) or labels.size > len(labels.codes):
        return labels.array().cast(kind)
    nulls = labels.codes == NONE
    codes = pa.array(labels.codes, mask=nulls) if nulls.any() else pa.array(labels.codes)
    return pa.DictionaryArray.from_arrays(codes, labels.dictionary.cast(kind.value_type))


def _reduced(view: View, groups: Groups, last: IntArray, ends: dict[str, _Ends]) -> _Kept:
    """One row a group."""
    codes, count = groups.codes, len(groups)
    ended = view.seen()[1]
    latest = np.full(count, NO_TIME, np.int64)
    np.maximum.at(latest, codes, ended)
    final = ended == latest[codes]
    place = np.zeros(count, np.int64)
    np.maximum.at(place, codes[final], last[final])
    columns, schema = [], view.table.schema
    for field in schema:
        name = field.name
        if pa.types.is_dictionary(field.type) or pa.types.is_string(field.type):
            columns.append(_words(view.labels(name).take(groups.first), field.type))
            view.forget(name)
            continue
        values, known = _numbers(view, name)
        found = values[groups.first].copy()
        if name in ("request_bytes", "response_bytes"):
            found[:] = 0
            np.add.at(found, codes, values)
        elif name == "start":
            np.minimum.at(found, codes, values)
        elif name == "end":
            found = latest
        elif name == "duration_ms":
            np.maximum.at(found, codes, values)
        columns.append(pa.array(found, mask=~known[groups.first]).cast(field.type))
        view.forget(name)
    table = pa.Table.from_arrays(columns, schema=schema)
    first = groups.first
    named = {level: _Ends(one.source[first], one.target[first], one.size) for level, one in ends.items()}
    return _Kept(table, tally(codes, count, weights=view.weights), place, named)
