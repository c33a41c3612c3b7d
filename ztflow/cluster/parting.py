"""Parts access lines by group, so that a pair never straddles two parts; and takes from them what all have to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.cluster.sending import Sent, size_of
from ztflow.columns.dictionaries import coded, spans_of, without_unused
from ztflow.columns.dtypes import AFTER_ALL, BoolArray, Index, IntArray, UIntArray
from ztflow.columns.sorting import class_order
from ztflow.columns.timestamps import micros_of
from ztflow.model.provenance import Writer, Written
from ztflow.model.table import empty
from ztflow.model.tables import HALVES_SCHEMA, Halves
from ztflow.pair.by_group import groups_of
from ztflow.pair.features.basic import hashes_of, mix
from ztflow.pair.stages.unpaired_reasons import SeenAddresses
from ztflow.session.pairing import count_levels


@dataclass(slots=True)
class Known:
    """What all parts have to know of some access lines.

    Attributes:
        ends: Where each ztunnel wrote of which pods and addresses, and when: two lines for each such end.
        written: What each ztunnel wrote.
        seen: The addresses, by role.
        bytes: Of the lines, as they go to be paired.
    """

    ends: pa.Table
    written: dict[Writer, Written] = field(default_factory=dict)
    seen: SeenAddresses = field(default_factory=SeenAddresses)
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Merged:
    """Groups that are one, because a trace id is in both. Shape: one entry a group that has another's number now."""

    group: UIntArray
    instead: UIntArray

    def of(self, groups: UIntArray) -> UIntArray:
        """The numbers of groups, those of merged ones alike."""
        if not len(self.group):
            return groups
        place = np.searchsorted(self.group, groups).clip(max=len(self.group) - 1)
        return np.where(self.group[place] == groups, self.instead[place], groups)


_NOT_MERGED: Final = Merged(np.zeros(0, np.uint64), np.zeros(0, np.uint64))


@dataclass(frozen=True, slots=True)
class Parted:
    """Access lines in parts.

    Attributes:
        tables: The lines of each part, None for none.
        order: Which line each was as they came, part after part; None where they are as they came.
    """

    tables: list[Sent | None]
    order: Index | None = None

    def __sizeof__(self) -> int:
        return size_of(self.order, *self.tables)

    def whole(self) -> pa.Table:
        """The lines as they came."""
        table = one_table([one.table for one in self.tables if one is not None])
        if self.order is None:
            return table
        places = np.empty(len(self.order), np.int64)
        places[self.order] = np.arange(len(places))
        return table.take(pa.array(places))


Read = tuple[list[Parted], Any]
"""What a reading task gives: the access lines of each stream that was in an input, and the rest."""


def parted(halves: pa.Table, count: int, merged: Merged = _NOT_MERGED) -> tuple[Parted, Known]:
    """Access lines in so many parts, and what all have to know of them.

    Cost: 0.8 µs a line, a quarter of it moving rows.
    """
    known = Known(ends_of(halves))
    if not halves.num_rows:
        return Parted([None] * count), known
    count_levels(halves, known.written)
    number, known.seen = groups_of(halves)
    if count == 1:
        whole = Sent.of(halves)
        known.bytes = whole.nbytes
        return Parted([whole]), known
    part = mix(merged.of(number)) % np.uint64(count)
    order: Index = class_order(part)
    edges = np.searchsorted(part[order], np.arange(count + 1, dtype=np.uint64)).tolist()
    # Each part is taken by itself, so that none keeps the memory of the others.
    parts = [
        Sent.of(without_unused(halves.take(pa.array(order[start:stop])))) if stop > start else None
        for start, stop in pairwise(edges)
    ]
    known.bytes = sum(one.nbytes for one in parts if one is not None)
    return Parted(parts, order), known


def came(pieces: Pieces) -> Pieces:
    """A part, on the worker that is to pair it: it comes there while blocks are still read."""
    return pieces


def parted_again(
    read: Read, stream: int, mask: BoolArray | None, count: int, merged: Merged
) -> tuple[list[Parted], Known]:
    """Access lines in other parts than they were read in, or without copies; runs on a worker."""
    made, known = parted(kept_of(read, stream, mask), count, merged)
    return [made], known


Pieces = list[Sent | None]
"""One part of the access lines of each stream that was in an input."""


def part_of(read: Read, part: int) -> Pieces:
    """One part, its line numbers those of the block; runs on a worker."""
    return [stream.tables[part] for stream in read[0]]


def kept_of(read: Read, stream: int, mask: BoolArray | None, offset: int = 0) -> pa.Table:
    """All access lines without copies, as they came; runs on a worker."""
    halves = read[0][stream].whole()
    return numbered(halves if mask is None else halves.filter(pa.array(mask)).combine_chunks(), offset)


def numbered(halves: pa.Table, offset: int) -> pa.Table:
    """Access lines with the line numbers of their input, of which theirs lack some."""
    if not offset:
        return halves
    at = halves.schema.get_field_index("line_number")
    moved = pc.add(halves.column(at), pa.scalar(offset, halves.schema.field(at).type))
    return halves.set_column(at, halves.schema.field(at), moved)


def links(read: Read, stream: int) -> tuple[UIntArray, UIntArray]:
    """The trace ids of access lines and the group each is in, each two once; runs on a worker."""
    halves = read[0][stream].whole()
    group, trace = groups_of(halves)[0], hashes_of(halves.column("trace_id"))
    both = np.unique(np.column_stack([trace, group])[trace != 0], axis=0)
    return both[:, 0], both[:, 1]


def merged_by(found: Iterable[tuple[UIntArray, UIntArray]]) -> Merged:
    """Which groups are one, because a trace id is in several; of most logs none."""
    pairs = list(found)
    if not pairs:
        return _NOT_MERGED
    trace, group = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    trace, group = np.unique(np.column_stack([trace, group]), axis=0).T
    several = np.diff(trace, prepend=0) == 0
    several[:-1] |= several[1:]
    import networkx as nx

    known: nx.Graph[int] = nx.Graph()
    rows = zip(trace[several].tolist(), group[several].tolist(), strict=True)
    known.add_edges_from((one, other) for (a, one), (b, other) in pairwise(rows) if a == b)
    moved = sorted((one, min(joined)) for joined in nx.connected_components(known) for one in joined - {min(joined)})
    return Merged(*np.array(moved, np.uint64).reshape(-1, 2).T)


def ends_of(halves: pa.Table) -> pa.Table:
    """Access lines from which a topology learns what it learns from all: the first and the last of each end."""
    direction = coded(halves, "direction")
    names = ("ztunnel_pod", "ztunnel_node", "source_file")
    micros: IntArray = micros_of(halves.column("time"), AFTER_ALL)
    tables = []
    for side, word in (("src", "outbound"), ("dst", "inbound")):
        rows = np.flatnonzero(direction.mask(word))
        if not len(rows):
            continue
        columns = [f"{side}_namespace", f"{side}_workload", f"{side}_ip", *names]
        spans = spans_of([coded(halves, name).take(rows) for name in columns], micros[rows])
        made = {name: column.array() for name, column in zip(columns, spans.columns, strict=True)}
        for time in (spans.first, np.where(spans.first == AFTER_ALL, AFTER_ALL, spans.last)):
            when = pa.array(time, mask=time == AFTER_ALL).cast(pa.timestamp("us", "UTC"))
            whole = made | {"time": when, "direction": pa.repeat(word, len(time))}
            tables.append(_halves(whole, len(time)))
    return one_table(tables)


def one_table(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of access lines as one, with one dictionary a column."""
    filled = [table for table in tables if table.num_rows]
    return pa.concat_tables(filled or [empty(Halves)]).unify_dictionaries().combine_chunks()


def _halves(columns: dict[str, pa.Array], count: int) -> pa.Table:
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in HALVES_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=HALVES_SCHEMA)
