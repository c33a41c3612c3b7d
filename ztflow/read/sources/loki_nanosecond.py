"""All entries of one nanosecond that has more of them than Loki gives at once.

An agent that reads a file anew, or a log whose times are whole seconds, gives thousands of entries one time, and
`query_range` can be asked for no span below a nanosecond. So it is asked from both ends, then one label's value after
the other, and then for how many there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import orjson

from ztflow.errors import SourceError
from ztflow.read.sources.loki_answer import Entry, Page, shown_time
from ztflow.read.sources.loki_http import Client
from ztflow.text.patterns import lazy_pattern

_QUESTIONS = 200
"""Questions one nanosecond may cost."""

_VALUES = 50
"""Values of a label that are asked for one by one; what differs from entry to entry divides nothing."""

_LABEL = lazy_pattern(r"[A-Za-z_]\w*", re.ASCII)
_SELECTOR = lazy_pattern(r"""[^{"`]*+\{(?:[^"`}]++|"(?:[^"\\]++|\\.)*+"|`[^`]*+`)*+(?=\})""", re.DOTALL)


def everything_at(client: Client, time: int) -> tuple[list[Page], SourceError | None]:
    """What Loki gives of one nanosecond, and what it is known to keep.

    Returns:
        Answers that may have entries in common; an error that says how many are missing, or None.

    Raises:
        SourceError: Loki cannot be reached or refuses.
    """
    return _Nanosecond(client, time).read()


class _Nanosecond:
    def __init__(self, client: Client, time: int) -> None:
        self._client = client
        self._at = time
        self._pages: list[Page] = []
        self._got: Counter[Entry] = Counter()
        self._asked = 0
        self._whole = True
        self._number: int | None = None
        self._metadata: set[str] = set()

    def read(self) -> tuple[list[Page], SourceError | None]:
        """Ask as long as it helps."""
        query = self._client.query.query
        # The range (t - 1 ns, t] is what Loki counts at t: exactly this nanosecond.
        number = self._client.number(f"sum(count_over_time({query} [1ns]))", self._at)
        if number is not None and number < self._client.limit:
            number = None  # a full page was seen: this server counts otherwise
        self._number = number
        self._both(query, set())
        got = self._got.total()
        if self._done() or (number is None and self._whole):
            return self._pages, None
        missing = f"{number - got}" if number is not None else "an unknown number of"
        held = f"holds {number}" if number is not None else f"holds more than {got}"
        detail = (
            f"{missing} entries of {shown_time(self._at)} are missing: this nanosecond {held}, and Loki gives {got}"
        )
        hint = f"ask with a larger limit (it was {self._client.limit}), or with a narrower query"
        return self._pages, SourceError(self._client.query.name, detail, hint=hint)

    def _done(self) -> bool:
        return self._number is not None and self._got.total() >= self._number

    def _both(self, query: str, fixed: set[str]) -> None:
        """A selection from both ends; where they do not meet, by the labels that were seen."""
        first = self._page(query, "forward")
        if not first.full or self._done():
            return
        last = self._page(query, "backward")
        if self._done() or (self._number is None and first.entries & last.entries):
            return
        self._by_labels(query, [*first.streams, *last.streams], fixed)

    def _by_labels(self, query: str, streams: Iterable[Mapping[str, Mapping[str, str]]], fixed: set[str]) -> None:
        """Each value of the label with the fewest, but several; then what has another value."""
        values: dict[str, set[str]] = {}
        for stream in streams:
            for label, value in stream["stream"].items():
                if label not in fixed and _LABEL.fullmatch(label) and isinstance(value, str):
                    values.setdefault(label, set()).add(value)
        several = sorted((len(those), label) for label, those in values.items() if len(those) > 1)
        for _, label in several:
            if not self._divides(query, label, min(values[label])):
                continue
            for value in sorted(values[label]):
                self._narrower(query, label, "=", value, fixed | {label})
            self._others(query, label, values[label], fixed)
            return
        # One stream, as far as is seen: what it has was taken from both ends. Another may stand between.
        before = self._got.total()
        for label, those in values.items():
            if len(those) > 1:
                continue
            self._others(query, label, those, fixed | {label})
            if self._done():
                return
        if self._got.total() == before:
            self._whole = False

    def _divides(self, query: str, label: str, value: str) -> bool:
        """Whether the server selects by a label it showed."""
        page = self._page(self._narrowed(query, label, "=", value), "forward")
        if not page.entries and label not in self._metadata:  # it belongs to the entries: no selector knows it
            self._metadata.add(label)
            page = self._page(self._narrowed(query, label, "=", value), "forward")
        return bool(page.entries) and all(stream["stream"].get(label) == value for stream in page.streams)

    def _others(self, query: str, label: str, values: set[str], fixed: set[str]) -> None:
        if not self._done():
            for value in sorted(values)[:-1]:
                query = self._narrowed(query, label, "!=", value)
            self._narrower(query, label, "!=", max(values), fixed)

    def _narrower(self, query: str, label: str, sign: str, value: str, fixed: set[str]) -> None:
        if self._done():
            return
        if self._asked >= _QUESTIONS:
            self._whole = False
            return
        self._both(self._narrowed(query, label, sign, value), fixed)

    def _page(self, query: str, direction: str) -> Page:
        self._asked += 1
        page = self._client.page(query, self._at, self._at + 1, direction)
        self._got |= page.entries
        self._pages.append(page)
        return page

    def _narrowed(self, query: str, label: str, sign: str, value: str) -> str:
        """A query for the entries whose label has this value, or another."""
        found = None if label in self._metadata else _SELECTOR.match(query)
        quoted = orjson.dumps(value).decode()
        if found is None:
            return f"{query} | {label}{sign}{quoted}"
        selector = found[0]
        comma = "" if selector.rstrip().endswith(("{", ",")) else ", "
        return f"{selector}{comma}{label}{sign}{quoted}{query[found.end() :]}"
