"""Rows of saved tables as JSON objects, read as a line of an input is."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa

from ztflow.errors import ParseError, Reason
from ztflow.read import StreamParser


def own_record(fields: dict[str, Any]) -> pa.Table | None:
    """The row of one object; None when it is none of ours; the problem it is as an error."""
    parser = StreamParser()
    halves = parser.feed(orjson.dumps(fields) + b"\n").to_arrow()
    if parser.problems:
        raise ParseError(Reason(parser.problems[0].reason), parser.problems[0].detail)
    return halves if halves.num_rows else None
