"""What is asked of Loki, where and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ztflow.read.sources.http_server import Server

LIMIT = 5000
"""Entries asked for at once: what servers allow unless configured otherwise (`max_entries_limit_per_query`)."""


@dataclass(frozen=True, slots=True)
class LokiQuery(Server):
    """A query.

    Attributes:
        query: LogQL.
        start: First nanosecond since 1970.
        end: The nanosecond after the last; None is now.
        limit: Entries a page.
    """

    query: str
    start: int
    end: int | None = None
    limit: int = LIMIT
    product: ClassVar[str] = "Loki"
    variables: ClassVar[str] = "LOKI"
    example: ClassVar[str] = "loki://host/path?query=…"
    refused: ClassVar[str] = "is the query valid, and the limit within the server's?"
