"""Bytes to halves: sources, decompression, lines, wrappers, joining, counting, facts, following."""

from __future__ import annotations

from ztflow.model.provenance import ReadReport
from ztflow.read.following import follow
from ztflow.read.inputs import read_inputs
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.stream import StreamParser
from ztflow.read.tally import ReadBatch
from ztflow.read.unwrap import WRAPPERS

__all__ = [
    "WRAPPERS",
    "ReadBatch",
    "ReadReport",
    "StreamParser",
    "follow",
    "origin_of_path",
    "read_inputs",
]
