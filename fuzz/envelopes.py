"""Bytes of a log in any envelope: nothing leaves the reader, every line is counted once, and no way differs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import patch

from fuzz.corpus import logs
from fuzz.edits import edited
from fuzz.target import Target
from ztflow.api import read_flows
from ztflow.model.tables import Halves
from ztflow.model.vocabulary import ONE_HALF
from ztflow.pair.trace_id_releases import MESSAGE_KINDS
from ztflow.read import ReadReport, StreamParser, bulk, read_inputs
from ztflow.read.limits import PROBLEMS_KEPT


class _Decided:
    """Whether the compiled reader is used, in place of the policy."""

    def __init__(self, *, use: bool) -> None:
        self.use = use

    def ready(self, size: int) -> bool:
        return self.use and size >= 0


@contextmanager
def compiled(*, use: bool) -> Iterator[None]:
    """While it is open, the compiled reader is used for every block, or for none."""
    with patch.multiple(bulk, POLICY=_Decided(use=use), LEAST=1, _ACCESS=b""):
        yield


def reading(chunks: list[bytes]) -> tuple[Any, ...]:
    """All that is read of a stream that comes in pieces."""
    parser = StreamParser("x.log")
    parts, facts = [], []
    for chunk in chunks:
        parts.append(parser.feed(chunk))
        facts += parser.take_facts()
    parts.append(parser.finish())
    facts += parser.take_facts()
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems, (
        "a line is lost, or counted twice"
    )
    table = Halves.concat(parts).to_arrow()
    table.validate(full=True)
    assert len(table) == stats.access
    assert len(parser.problems) == min(stats.problems, PROBLEMS_KEPT)
    return table.to_pylist(), replace(stats, slow_lines=0), facts, parser.problems


def pieces(data: bytes) -> list[bytes]:
    """The data in pieces, at places that follow from it."""
    digest = sha256(data).digest()
    edges = sorted(int.from_bytes(digest[at : at + 4]) % (len(data) + 1) for at in range(0, 16, 4))
    return [data[begin:end] for begin, end in zip([0, *edges], [*edges, len(data)], strict=True)]


def check(data: bytes) -> None:
    """The same whole, in pieces, and with the compiled reader; and its flows have every half once."""
    with compiled(use=False):
        careful = reading([data])
        assert reading(pieces(data)) == careful, "where it is cut matters"
    with compiled(use=True):
        assert reading([data]) == careful, "the compiled reader differs"
    report = ReadReport()
    batches = list(read_inputs([io.BytesIO(data)], report=report))
    flows = read_flows(io.BytesIO(data))
    flows.to_arrow().validate(full=True)
    stats = flows.stats
    halves = sum(1 if one in ONE_HALF else 2 for one in flows.to_arrow()["paired"].to_pylist())
    assert stats.access - stats.duplicates == report.stats.access - report.stats.duplicates
    if not any(fact.kind in MESSAGE_KINDS for batch in batches for fact in batch.facts):  # flows without access lines
        assert halves == stats.access - stats.duplicates, "a half is lost, or in two flows"


TARGET = Target(edited(logs()), check)
