"""One line of text to one row, and back: scanner, grammar, JSON, classification, facts, rendering, explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.parse.classify import Outcome, outcome
from ztflow.parse.facts import fact_of
from ztflow.parse.jsonlog import scan_fields
from ztflow.parse.render import render_line
from ztflow.parse.scanner import has_near_key, scan, was_damaged

if TYPE_CHECKING:
    from ztflow.model.objects import AccessRecord
    from ztflow.parse.explanation import Explanation


def parse_line(text: str) -> AccessRecord | None:
    r"""The typed record of one line as ztunnel wrote it, plain or JSON.

    Args:
        text: The line without what a wrapper put around it; a line end may follow.

    Returns:
        The record, or None when the text is not an access line.

    Raises:
        ParseError: An access line that is broken, with reason, column and hint.

    Examples:
        >>> from ztflow import parse_line
        >>> head = "2024-11-05T12:00:01.013201Z\twarn\taccess\tconnection failed\t"
        >>> ends = "src.addr=10.244.1.9:52350 dst.addr=10.96.40.11:8000"
        >>> record = parse_line(f'{head}{ends} direction="outbound" error="no healthy upstream: 10.96.40.11:8000"')
        >>> record.src_addr, record.error_class
        ('10.244.1.9:52350', 'no_endpoint')
    """
    from ztflow.model.objects import AccessRecord

    row = scan(text)
    return None if row is None else AccessRecord.from_row(row)


def explain(text: str) -> Explanation:
    """How a line of ztunnel's own text is read, or why not.

    Args:
        text: The line without what a wrapper put around it.

    Returns:
        The explanation; its `to_text()` is what `ztflow explain` prints.

    Cost: the first call loads pyparsing (about 70 ms).
    """
    from ztflow.parse.explanation import explain as explain_line

    return explain_line(text)


__all__ = [
    "Outcome",
    "explain",
    "fact_of",
    "has_near_key",
    "outcome",
    "parse_line",
    "render_line",
    "scan",
    "scan_fields",
    "was_damaged",
]
