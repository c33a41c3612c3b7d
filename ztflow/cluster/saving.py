"""Flows as a Parquet data set, written by the workers: a folder an hour, in it a file of each part.

Rows of a file are in order of their end. Those of a data set are in none, here as with Spark or Dask: that would be a
second time that all rows go from worker to worker.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.placing import InOrder
from ztflow.cluster.plan import is_address
from ztflow.columns.dtypes import AFTER_ALL
from ztflow.columns.timestamps import micros_of
from ztflow.files.placing import Placed
from ztflow.model.provenance import LogsHere
from ztflow.model.tables import lines_of
from ztflow.place import Topology
from ztflow.session.pairing import Session, logs_here
from ztflow.writers import open_writer

_HOUR: Final = 3_600_000_000
WITHOUT_TIME: Final = "hour=unknown"
"""The folder of flows without an end."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of the flows of a part.

    Attributes:
        files: Where they are, hour by hour.
        paired: How many have both halves, and how many of these are ambiguous.
        lines: Access lines they were made of.
        logs: Which nodes' logs they show.
    """

    files: list[str]
    paired: tuple[int, int]
    lines: int
    logs: LogsHere


class Counting(Session):
    """Counts flows where they are, not where they come together."""

    @classmethod
    def counts(cls, flows: pa.Table) -> tuple[int, int]:
        """How many are paired, and how many of these are ambiguous."""
        return cls._counts(flows)


def saved(made: InOrder, number: int, topology: Topology, folder: str) -> Saved:
    """Write the flows of a part; runs on a worker.

    A file is whole or not there, and done again it is the same file.
    """
    del topology
    table, files = made[0], []
    for hour, part in _by_hour(table):
        name = f"{folder.rstrip('/')}/{hour}/flows-{number:05d}.parquet"
        if is_address(folder):
            from fsspec.core import url_to_fs

            system, path = url_to_fs(name)
            whole = io.BytesIO()
            _write(part, whole)
            system.pipe_file(path, whole.getvalue())  # an object is there as a whole, or not
        else:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            with Placed(name) as placed:
                _write(part, placed.stream)
        files.append(name)
    return counted(table, files)


def counted(table: pa.Table, files: Sequence[str] = ()) -> Saved:
    """The counts of the flows of a part that do not come where they are counted."""
    return Saved([*files], Counting.counts(table), lines_of(table), logs_here(table))


def _write(table: pa.Table, stream: BinaryIO) -> None:
    writer = open_writer("parquet", stream, table.schema)
    writer.write(table)
    writer.close()


def _by_hour(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each hour, and what its folder is called."""
    micros = micros_of(table.column("end"), AFTER_ALL)
    hours = np.where(micros == AFTER_ALL, AFTER_ALL, micros // _HOUR)
    starts = np.flatnonzero(np.concatenate([[True], hours[1:] != hours[:-1]])).tolist() if len(hours) else []
    for start, stop in zip(starts, [*starts[1:], len(hours)], strict=True):
        hour = int(hours[start])
        name = WITHOUT_TIME if hour == AFTER_ALL else f"hour={np.datetime64(hour, 'h')}"
        yield name, table.slice(start, stop - start)
