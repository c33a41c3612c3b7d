"""One line of text: read, refused with a reason, or no access line; by every way of reading it."""

from __future__ import annotations

from contextlib import suppress

from fuzz.corpus import lines
from fuzz.edits import WORDS, edited
from fuzz.target import Target
from ztflow.errors import ParseError
from ztflow.model.objects import AccessRecord
from ztflow.model.provenance import NOBODY, LogLine
from ztflow.model.schema import LOG_FIELDS
from ztflow.model.tables import HalvesBuilder
from ztflow.parse import Outcome, explain, fact_of, outcome, parse_line, render_line, scan, was_damaged
from ztflow.read.framing.repair import mended

_FIELDS = tuple(f" {field.key}=".encode() for field in LOG_FIELDS)


def check(data: bytes) -> None:
    """All readings of one line agree; what is read fits its table and can be written again."""
    text = data.decode("utf-8", "surrogateescape")
    row = error = None
    try:
        row = scan(text)
    except ParseError as refused:
        error = refused
        assert str(error)
        assert error.column is None or 1 <= error.column <= len(text) + 1, "the column is none of the line"
    line = LogLine(text, 1)
    with suppress(ParseError):
        assert isinstance(outcome(line)[0], Outcome)
    assert was_damaged(text) in {True, False}
    fact_of(line, "-")
    for other in mended(text):
        with suppress(ParseError):
            scan(other)
    explained = explain(text)
    assert explained.to_text()
    if error is not None:
        assert explained.record is None or explained.error is not None
        return
    assert parse_line(text) == (None if row is None else AccessRecord.from_row(row))
    if row is not None:
        builder = HalvesBuilder()
        builder.append(row, NOBODY, 1)
        table = builder.take("-")
        table.validate(full=True)
        assert len(table) == 1
        again = scan(render_line(row, "1.31.0"))
        assert again == row, "what is read and written is read differently"


TARGET = Target(edited(lines(), (*WORDS, *_FIELDS)), check)
