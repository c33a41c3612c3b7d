"""Parts access lines by group, so that a pair never straddles two parts; and takes from them what all have to know."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.cluster.parsing import one_table
from ztflow.columns.dictionaries import coded, spans_of, without_unused
from ztflow.columns.dtypes import AFTER_ALL, BoolArray, Index, IntArray, UIntArray
from ztflow.columns.sorting import class_order
from ztflow.columns.timestamps import micros_of
from ztflow.model.provenance import Writer, Written
from ztflow.model.tables import HALVES_SCHEMA
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
        bytes: What was sent on, bytes of Arrow columns.
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


def whole_halves(halves: pa.Table, mask: BoolArray | None, offset: int) -> pa.Table:
    """Access lines without copies, with the line numbers of their input."""
    if mask is not None:
        halves = halves.filter(pa.array(mask))
    if offset:
        at = halves.schema.get_field_index("line_number")
        moved = pc.add(halves.column(at), pa.scalar(offset, halves.schema.field(at).type))
        halves = halves.set_column(at, halves.schema.field(at), moved)
    return halves


def parted(
    halves: pa.Table, mask: BoolArray | None, offset: int, count: int, merged: Merged
) -> tuple[list[pa.Table | None], Known]:
    """Access lines in so many parts, and what all have to know of them; runs on a worker."""
    table = whole_halves(halves, mask, offset).combine_chunks()
    known = Known(ends_of(table))
    if not table.num_rows:
        return [None] * count, known
    count_levels(table, known.written)
    number, known.seen = groups_of(table)
    part = mix(merged.of(number)) % np.uint64(count)
    order: Index = class_order(part)
    edges = np.searchsorted(part[order], np.arange(count + 1, dtype=np.uint64)).tolist()
    table = table.take(pa.array(order))
    parts = [
        without_unused(table.slice(start, stop - start)) if stop > start else None
        for start, stop in itertools.pairwise(edges)
    ]
    known.bytes = sum(one.nbytes for one in parts if one is not None)
    return parts, known


def links(halves: pa.Table) -> tuple[UIntArray, UIntArray]:
    """The trace ids of access lines and the group each is in, each two once; runs on a worker."""
    group, trace = groups_of(halves)[0], hashes_of(halves.column("trace_id"))
    both = np.unique(np.column_stack([trace, group])[trace != 0], axis=0)
    return both[:, 0], both[:, 1]


def merged_by(found: Iterable[tuple[UIntArray, UIntArray]]) -> Merged:
    """Which groups are one, because a trace id is in several; of most logs none."""
    pairs = list(found)
    nothing = np.zeros(0, np.uint64)
    if not pairs:
        return Merged(nothing, nothing)
    trace, group = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    traces, number = np.unique(trace, return_inverse=True)
    groups, place = np.unique(group, return_inverse=True)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(traces) + len(groups)
    edges = coo_array((np.ones(len(number), np.int8), (number, len(traces) + place)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    _, first, same = np.unique(component[len(traces) :], return_index=True, return_inverse=True)
    instead = groups[first[same]]
    moved = instead != groups
    return Merged(groups[moved], instead[moved])


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


def _halves(columns: dict[str, pa.Array], count: int) -> pa.Table:
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in HALVES_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=HALVES_SCHEMA)
