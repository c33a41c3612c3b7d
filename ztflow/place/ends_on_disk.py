"""Ends that do not fit in memory: which ztunnel wrote of which pod and address, and when, in files of Arrow.

Rows are in parts by the pod's name, so that all that is said of a pod can be looked at with little memory. Files are
merged as they become many, so each end is there a few times at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple
from weakref import finalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import coded, coded_of
from ztflow.columns.dtypes import IntArray, UIntArray
from ztflow.columns.grouping import group
from ztflow.files.placing import told
from ztflow.files.scratch import Scratch, temporary_folder

PARTS: Final = 32
"""Parts of a file."""
KEYS: Final = ("namespace", "workload", "ip", "pod", "node", "file")
"""The end as its lines name it, and the ztunnel that wrote them: its pod, its node, the input."""
SCHEMA: Final = pa.schema([*((name, pa.string()) for name in KEYS), ("first", pa.int64()), ("last", pa.int64())])
_NO_ROOM: Final = "what does not fit in memory waits there; set TMPDIR to a folder with room"
_AT_ONCE: Final = 8192
"""Names worked on together, which takes some 40 bytes a byte of theirs."""


class _File(NamedTuple):
    path: Path
    rows: int


class EndsOnDisk:
    """Ends in temporary files, which go with this object."""

    def __init__(self) -> None:
        self._files: list[_File] = []
        self._count = 0
        self._folder: Scratch | None = None

    def put(self, ends: pa.Table) -> None:
        """Take in ends (`SCHEMA`).

        Raises:
            OutputError: The place for temporary files is full, missing or not to be written to.
        """
        parts = _part_of(ends.column("workload"))
        order = np.argsort(parts, kind="stable")
        edges = np.searchsorted(parts[order], np.arange(PARTS + 1))
        ends = ends.take(pa.array(order))
        self._write(ends.slice(start, stop - start) for start, stop in pairwise(edges))
        while len(self._files) > 1 and self._files[-2].rows < 2 * self._files[-1].rows:
            self._merge()

    def part(self, number: int) -> pa.Table:
        """All ends of a part, each once."""
        return _distinct([_read(file, number) for file in self._files])

    def named(self, names: Collection[str], ips: Collection[str]) -> Iterator[pa.Table]:
        """The ends with one of these names or addresses, in tables; one may come more than once.

        Cost: about 0.1 µs for each end there is.
        """
        some_names, some_ips = (pa.array([*words], pa.string()) for words in (names, ips))
        for file in self._files:
            with pa.OSFile(str(file.path)) as source:
                parts = pa.ipc.open_file(source)
                for number in range(PARTS):
                    ends = parts.get_batch(number)
                    wanted = pc.or_(
                        pc.is_in(ends.column("workload"), some_names), pc.is_in(ends.column("ip"), some_ips)
                    )
                    if wanted.true_count:
                        yield pa.Table.from_batches([ends]).filter(wanted)

    def _merge(self) -> None:
        """Make the last two files one."""
        last = self._files[-2:]
        del self._files[-2:]
        self._write(_distinct([_read(file, number) for file in last]) for number in range(PARTS))
        for file in last:
            file.path.unlink()

    def _write(self, parts: Iterator[pa.Table]) -> None:
        parent = temporary_folder() if self._folder is None else self._folder.path.parent
        with told(str(parent), _NO_ROOM):
            if self._folder is None:
                self._folder = Scratch(parent)
                finalize(self, self._folder.remove)
            self._count += 1
            path, rows = self._folder.path / f"ends-{self._count}.arrow", 0
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
                for part in parts:
                    rows += part.num_rows
                    batches = part.combine_chunks().to_batches()
                    writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], SCHEMA))
        self._files.append(_File(path, rows))


def of_several(ends: pa.Table) -> pa.Array:
    """Which ends are of a pod of which more than one ztunnel wrote; the table has all ends of its pods."""
    named = (pc.binary_join_element_wise(pa.scalar(kind), ends.column(kind), "/") for kind in KEYS[3:])
    pods = [coded(ends, name) for name in KEYS[:2]]
    groups = group([pod.part for pod in pods], ends.num_rows)
    writer = coded_of(pc.coalesce(*named)).codes
    least, most = np.full(len(groups.first), np.iinfo(np.int32).max), np.full(len(groups.first), -1)
    np.minimum.at(least, groups.codes, writer)
    np.maximum.at(most, groups.codes, writer)
    return pa.array((least != most)[groups.codes] & pods[0].known() & pods[1].known())


def of_bare_files(ends: pa.Table) -> list[str]:
    """The inputs with a pod whose ztunnel nothing else names."""
    bare = ends.filter(pc.and_(pc.is_null(ends.column("pod")), pc.is_null(ends.column("node"))))
    bare = bare.filter(pc.and_(pc.is_valid(bare.column("namespace")), pc.is_valid(bare.column("workload"))))
    files: list[str] = bare.column("file").unique().drop_null().to_pylist()
    return files


def _read(file: _File, number: int) -> pa.Table:
    with pa.OSFile(str(file.path)) as source:
        return pa.Table.from_batches([pa.ipc.open_file(source).get_batch(number)])


def _distinct(tables: list[pa.Table]) -> pa.Table:
    """Each end once, with its whole span."""
    table = pa.concat_tables(tables)
    spans = table.group_by([*KEYS], use_threads=False).aggregate([("first", "min"), ("last", "max")])
    return spans.select([*KEYS, "first_min", "last_max"]).rename_columns(SCHEMA.names)


@cache
def _factors() -> UIntArray:
    """Weights of a byte by its place in a name. Made late, for numpy's generators take 15 ms to load."""
    factors: UIntArray = np.random.default_rng(0).integers(0, 1 << 63, 256, np.int64).astype(np.uint64) | np.uint64(1)
    return factors


def _part_of(names: pa.ChunkedArray) -> IntArray:
    """A part for each name, the same in every file; 0 for none."""
    array = names.fill_null("").combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    parts = [_part_of_some(array.slice(start, _AT_ONCE)) for start in range(0, len(array), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _part_of_some(names: pa.Array) -> IntArray:
    """The same for a few names: a sum over the bytes of each, with weights by their places."""
    offsets = np.frombuffer(names.buffers()[1], np.int32)[names.offset : names.offset + len(names) + 1]
    lengths = np.diff(offsets)
    if not lengths.any():
        return np.zeros(len(names), np.int64)
    text = np.frombuffer(names.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64)
    place = np.arange(len(text)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    factors = _factors()
    sums = np.concatenate([[np.uint64(0)], np.cumsum((text + np.uint64(1)) * factors[place % len(factors)])])
    hashed = sums[offsets[1:] - offsets[0]] - sums[offsets[:-1] - offsets[0]]
    hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    parts: IntArray = ((hashed >> np.uint64(32)) % np.uint64(PARTS)).astype(np.int64)
    return parts
