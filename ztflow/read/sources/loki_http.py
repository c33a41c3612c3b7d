"""Questions to Loki: entries of a span of time, and numbers."""

from __future__ import annotations

import re
from threading import Event

from ztflow.errors import SourceError
from ztflow.read.sources.http_answer import TooBigError, data_of
from ztflow.read.sources.http_client import TOO_BIG, HttpClient, RefusalError
from ztflow.read.sources.loki_answer import Page, page_of
from ztflow.read.sources.loki_query import LokiQuery
from ztflow.text.patterns import lazy_pattern

_API = "/loki/api/v1"
_LIMIT = lazy_pattern(r"max[ _]entries.{0,200}?\((\d{1,18}) > (\d{1,18})\)", re.DOTALL | re.IGNORECASE)


class Client(HttpClient):
    """Asks one Loki.

    Args:
        query: Where it is, and as whom to ask.
        stop: Ends waiting between two tries.

    Attributes:
        query: As above.
        limit: Entries asked for at once; falls to what the server allows.
    """

    def __init__(self, query: LokiQuery, stop: Event) -> None:
        super().__init__(query, stop)
        self.query = query
        self.limit = query.limit

    def page(self, logql: str, start: int, end: int, direction: str = "forward") -> Page:
        """Entries of a span of time, as many as the server allows.

        Raises:
            SourceError: Loki cannot be reached, refuses, or answers something else.
        """
        while True:
            limit = self.limit
            asked = {"query": logql, "start": start, "end": end, "limit": limit, "direction": direction}
            try:
                return page_of(self.body(f"{_API}/query_range", asked), limit, self.query.name, self.query.address)
            except RefusalError as error:
                self.limit = min(limit, self._lower(error.text))
                if self.limit == limit:
                    raise
            except TooBigError as error:
                if limit == 1:
                    raise SourceError(error.source, f"{error.detail}, with a single entry") from error
                self.limit = limit // 2
            except SourceError as error:
                raise self.error(self.clean(error.detail), error.hint) from error

    def _lower(self, text: str) -> int:
        """The limit that an error asks for."""
        if found := _LIMIT.search(text):
            return max(1, int(found[2]))
        return max(1, self.limit // 2) if TOO_BIG.search(text) else self.limit

    def number(self, logql: str, time: int) -> int | None:
        """The number a metric query gives at a time; None where the server cannot say."""
        try:
            body = self.body(f"{_API}/query", {"query": logql, "time": time}, patient=False)
            result = data_of(body, self.query.name, self.query.address, "Loki")["result"]
            return int(float(result[0]["value"][1])) if result else 0
        except (SourceError, LookupError, TypeError, ValueError, OverflowError):
            return None
