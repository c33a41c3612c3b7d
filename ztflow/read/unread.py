"""Why a text that shows the marks of an access line gave no record: it is a problem, never "other" or "not ours"."""

from __future__ import annotations

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import LogLine
from ztflow.parse import Outcome
from ztflow.parse.classify import statement_of
from ztflow.read.framing.repair import is_escaped_access
from ztflow.read.framing.wrecks import is_broken_record
from ztflow.read.unwrap.marks import is_marked


def unread(line: LogLine, what: Outcome, place: str) -> ParseError | None:
    """The problem with a line that is not read as an access line; None when nothing shows that it is one.

    Args:
        line: The line, unwrapped.
        what: What it was taken for.
        place: Where it was found, when no known reader proposed it.

    A line of ztunnel's of another scope may quote an access line; it stays what it is.
    """
    text = line.text
    if line.fields is None and is_escaped_access(text):
        detail = "the JSON object around an access line is broken"
        return ParseError(Reason.BAD_JSON, detail, hint="the export may be cut")
    if line.fields is None and '":' in text and what is not Outcome.OTHER and is_broken_record(text):
        detail = "an access line as JSON is broken"
        return ParseError(Reason.BAD_JSON, detail, hint="its beginning or its end may be lost")
    if not is_marked(text) or (what is Outcome.OTHER and statement_of(text, line.fields) is not None):
        return None
    if place:
        return ParseError(Reason.BAD_SYNTAX, f"{place} holds an access line, in no form that is known")
    return ParseError(Reason.BAD_SYNTAX, "shows an access line, in no form that is known")
