"""What Loki answers: whether it is whole and of the documented shape, and which of its entries are new.

Source: grafana/loki `docs/sources/reference/loki-http-api.md`, `pkg/loghttp/query.go`: `values` holds
`[NANOSECONDS, LINE]`, both text, and a third element with metadata where labels are categorised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from ztflow.errors import SourceError
from ztflow.read.sources.http_answer import data_of, short

Streams: TypeAlias = list[dict[str, Any]]
"""`data.result` of an answer."""

Entry: TypeAlias = tuple[int, str, str]
"""Time, labels and metadata (as text), line: what makes an entry the same one."""


@dataclass(slots=True)
class Page:
    """One answer.

    Attributes:
        streams: As they came.
        full: Whether it has as many entries as were allowed, so that there may be more.
        entries: How often each entry is in it. One that is there twice was logged twice.
    """

    streams: Streams
    full: bool = False
    entries: Counter[Entry] = field(default_factory=Counter)

    @property
    def newest(self) -> int:
        """The newest time in it; -1 when it is empty."""
        return max((entry[0] for entry in self.entries), default=-1)


def page_of(body: bytes, limit: int, name: str, address: str) -> Page:
    """The entries of an answer to `query_range`.

    Raises:
        SourceError: It has another shape, and the message says where.
    """
    data = data_of(body, name, address, "Loki")
    if data["resultType"] != "streams":
        raise SourceError(name, "the query gives numbers, not log lines", hint="ask for a plain selector")
    page = Page([])
    if data["result"] is not None:  # null is what Go makes of an empty list
        try:
            page.streams = _streams(data["result"])
            for entry, _ in _entries(page.streams):
                page.entries[entry] += 1
        except (ValueError, TypeError) as error:
            raise SourceError(name, f"the answer is not Loki's: {error}", hint=f"is {address} a Loki?") from error
    page.full = page.entries.total() >= limit
    return page


def _streams(result: Any) -> Streams:
    if not isinstance(result, list):
        raise TypeError("its result is no list of streams")
    for number, stream in enumerate(result, 1):
        if not isinstance(stream, dict) or not isinstance(stream.get("stream"), dict):
            raise TypeError(f"stream {number} has no labels")
        if not isinstance(stream.get("values"), list):
            raise TypeError(f"stream {number} has no list of values")
    return result


def _entries(streams: Streams) -> Iterator[tuple[Entry, Any]]:
    """Each entry with the value it was made of."""
    for number, stream in enumerate(streams, 1):
        labels = orjson.dumps(stream["stream"], option=orjson.OPT_SORT_KEYS).decode()
        for at, value in enumerate(stream["values"], 1):
            where = f"entry {at} of stream {number}"
            if not isinstance(value, list) or len(value) < 2 or not isinstance(value[1], str):
                raise TypeError(f"{where} is not a time and a line")
            more = orjson.dumps(value[2:], option=orjson.OPT_SORT_KEYS).decode() if len(value) > 2 else ""
            yield (_time(value[0], where), labels + more, value[1]), value


def _time(value: Any, where: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    raise ValueError(f"{where} has {short(value)} for a time, not nanoseconds since 1970")


def shown_time(nanos: int) -> str:
    """A time in RFC 3339 with all nine digits."""
    return f"{datetime.fromtimestamp(nanos // 10**9, tz=UTC):%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09}Z"


class Seen:
    """Entries that were given, as far as the next question may bring them again.

    Attributes:
        count: How many were given in all.
        last: The newest time.
    """

    def __init__(self) -> None:
        self._entries: Counter[Entry] = Counter()
        self.count = 0
        self.last: int | None = None

    def new(self, page: Page) -> Streams:
        """The streams of an answer without entries given before."""
        came: Counter[Entry] = Counter()
        fresh: set[int] = set()
        for entry, value in _entries(page.streams):
            came[entry] += 1
            if came[entry] > self._entries[entry]:
                fresh.add(id(value))
        self._entries |= came
        self.count += len(fresh)
        if came:
            self.last = max(page.newest, self.last or 0)
        kept = [{**one, "values": [value for value in one["values"] if id(value) in fresh]} for one in page.streams]
        return [one for one in kept if one["values"]]

    def forget_before(self, start: int) -> None:
        """Entries no later question asks for."""
        self._entries = Counter({entry: times for entry, times in self._entries.items() if entry[0] >= start})

    @property
    def reached(self) -> str:
        """How far it came, in words."""
        if self.last is None:
            return "nothing was read"
        shown = shown_time(self.last)
        many = "1 entry was" if self.count == 1 else f"{self.count} entries were"
        return f"{many} read, up to {shown} (go on with start={self.last})"
