"""JSON lines of records come back in as they went out."""

from __future__ import annotations

import io
import re

from truth import logs

import ztflow
from ztflow.writers import open_writer


def as_jsonl(halves):
    stream = io.BytesIO()
    writer = open_writer("jsonl", stream, halves.schema)
    writer.write(halves.to_arrow())
    writer.close()
    return stream.getvalue()


def test_records_come_back_byte_for_byte_and_give_the_same_flows():
    first = as_jsonl(ztflow.read_records(*logs("1.29.5-json")))
    again = ztflow.read_records(io.BytesIO(first))
    assert as_jsonl(again) == first
    assert (again.stats.access, again.stats.problems) == (452, 0)
    pairs = ["outbound_line", "inbound_line", "paired", "locality"]  # node names stood in other lines
    flows = [
        ztflow.read_flows(*inputs).to_arrow().select(pairs) for inputs in ([io.BytesIO(first)], logs("1.29.5-json"))
    ]
    assert flows[0].to_pylist() == flows[1].to_pylist()


def test_a_damaged_one_is_a_problem_and_its_neighbour_is_read():
    first, second, *_ = as_jsonl(ztflow.read_records(*logs("1.29.5-json"))).splitlines(keepends=True)
    halves = ztflow.read_records(io.BytesIO(re.sub(rb'"bytes_sent":\d+', b'"bytes_sent":"many"', first) + second))
    assert (halves.stats.access, halves.stats.problems) == (1, 1)
