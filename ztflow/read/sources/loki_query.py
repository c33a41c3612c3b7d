"""What is asked of Loki, where and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LIMIT = 5000
"""Entries asked for at once: what servers allow unless configured otherwise (`max_entries_limit_per_query`)."""


@dataclass(frozen=True, slots=True)
class LokiQuery:
    """A query.

    Attributes:
        name: The input's name without credentials.
        address: `http://host:port/prefix`.
        query: LogQL.
        start: First nanosecond since 1970.
        end: The nanosecond after the last; None is now.
        limit: Entries a page.
        headers: Tenant and credentials.
        secrets: What no message may show, should the other side repeat it.
        transport: Proxy and TLS settings, by the name of their environment variable.
        deadline: Nanoseconds the whole reading may take; None is without end.
    """

    name: str
    address: str
    query: str
    start: int
    end: int | None = None
    limit: int = LIMIT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    transport: Mapping[str, str] = field(default_factory=dict, repr=False)
    deadline: int | None = None
