"""Loki as a live source, through its HTTP API: `loki://HOST:PORT?query={app="ztunnel"}&since=1h`.

`query_range` is asked forward in time, page after page; `start` is inclusive and `end` exclusive there, so a page
begins at the last entry's own nanosecond and what was seen of it is left out. Following asks again and again; the
API's `tail` would need a web socket. What comes out is the answer's own JSON, for the ordinary reader.

Source: grafana/loki `docs/sources/reference/loki-http-api.md`; environment variables as in its `logcli`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from time import time_ns
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson

from ztflow.errors import SourceError

LIMIT = 5000
"""Entries asked for at once: what servers allow unless configured otherwise (`max_entries_limit_per_query`)."""

POLL = 1.0
"""Seconds between two questions while following."""

LATE = 10_000_000_000
"""Nanoseconds that following looks back: entries arrive late by the agents' batching, a few seconds at most."""

SCHEMES = {"loki": "http", "loki+http": "http", "loki+https": "https", "lokis": "https"}
_PORTS = {"http": 3100, "https": 443}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d|w)")
_UNITS = {
    "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
}  # fmt: skip
_KNOWN = frozenset({"query", "since", "start", "end", "limit", "org"})

Entry: TypeAlias = tuple[int, str, str]
"""Time, labels (as text), line: what makes an entry the same one."""


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
    """

    name: str
    address: str
    query: str
    start: int
    end: int | None = None
    limit: int = LIMIT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def loki_url(address: str, query: str, **options: str) -> str:
    """The input's name for an `http(s)://` address and a LogQL query (what `--loki URL --query Q` mean).

    Args:
        address: Base address, with a path where Loki has one.
        query: LogQL.
        options: `since`, `start`, `end`, `limit`, `org`; see docs/reference/inputs.md#loki.

    Examples:
        >>> from ztflow import loki_url
        >>> loki_url("https://logs.example.com/loki", '{app="ztunnel"}', since="30m")
        'loki+https://logs.example.com/loki?query=%7Bapp%3D%22ztunnel%22%7D&since=30m'
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "http", address
    scheme = scheme if scheme.lower() in SCHEMES else f"loki+{scheme}"
    return f"{scheme}://{rest.rstrip('/')}?{urlencode({'query': query, **options}, quote_via=quote)}"


def parse_loki(name: str, *, environ: Mapping[str, str] | None = None, now: int | None = None) -> LokiQuery:
    """The query in an input's name.

    Args:
        name: `loki[+https]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]?query=…[&since=1h|&start=…][&end=…][&limit=N][&org=T]`.
            Times are RFC 3339 or nanoseconds since 1970.
        environ: `LOKI_USERNAME`, `LOKI_PASSWORD`, `LOKI_BEARER_TOKEN`, `LOKI_ORG_ID` as logcli has them.
        now: Nanoseconds since 1970, for tests.

    Raises:
        SourceError: The name cannot be understood.
    """
    environ = os.environ if environ is None else environ
    now = time_ns() if now is None else now
    shown = re.sub(r"(?<=://)[^/?#@]*@", "", name)
    try:
        parts = urlsplit(name)
        scheme, port = SCHEMES[parts.scheme.lower()], parts.port
    except ValueError as error:
        raise SourceError(shown, f"is not an address: {error}") from error
    asked = {key: values[-1] for key, values in parse_qs(parts.query, strict_parsing=False).items()}
    unknown = sorted(asked.keys() - _KNOWN)
    if not parts.hostname or unknown:
        what = f"does not know {', '.join(unknown)}" if unknown else "names no host"
        raise SourceError(shown, f"a Loki address {what}", hint='loki://host:3100?query={app="ztunnel"}&since=1h')
    query = asked.get("query")
    if not query:
        raise SourceError(shown, "asks for nothing", hint='add ?query={app="ztunnel"}')
    try:
        end = _instant(asked["end"]) if "end" in asked else None
        since = _duration(asked.get("since", "1h"))
        start = _instant(asked["start"]) if "start" in asked else (now if end is None else end) - since
        limit = max(1, int(asked.get("limit", LIMIT)))
    except ValueError as error:
        raise SourceError(shown, f"cannot be understood: {error}", hint="times are RFC 3339 or nanoseconds") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{scheme}://{host}:{port or _PORTS[scheme]}{parts.path.rstrip('/')}"
    user = parts.username or environ.get("LOKI_USERNAME")
    password = parts.password or environ.get("LOKI_PASSWORD")
    headers = _headers(user, password, environ.get("LOKI_BEARER_TOKEN"), asked.get("org") or environ.get("LOKI_ORG_ID"))
    return LokiQuery(shown, address, query, start, end, limit, headers)


def _headers(user: str | None, password: str | None, token: str | None, org: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    if user is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password or ''}".encode()).decode()
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    if org:
        headers["X-Scope-OrgID"] = org
    return headers


def _instant(text: str) -> int:
    """RFC 3339 or nanoseconds to nanoseconds."""
    if text.isdigit():
        return int(text)
    when = datetime.fromisoformat(text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp()) * 10**9 + when.microsecond * 1000


def _duration(text: str) -> int:
    """A Go duration (`1h30m`) to nanoseconds."""
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in found)


def pages(query: LokiQuery) -> Iterator[bytes]:
    """All entries of a finished span of time, oldest first, as answers of one line each.

    Raises:
        SourceError: Loki cannot be reached or refuses.
    """
    end = time_ns() if query.end is None else query.end
    yield from _span(query, query.start, end, _Seen())


def tail(query: LokiQuery, stop: Event) -> Iterator[bytes]:
    """All entries from the start, then new ones as they come, until *stop* is set.

    Raises:
        SourceError: As for `pages`.
    """
    seen = _Seen()
    start = query.start
    while not stop.is_set():
        end = time_ns()
        yield from _span(query, start, end, seen)
        start = max(query.start, min(end, seen.last or end) - LATE)
        seen.forget_before(start)
        stop.wait(POLL)


class _Seen:
    """Entries that were given, as far as the next question may bring them again."""

    def __init__(self) -> None:
        self._entries: dict[Entry, int] = {}
        self.last: int | None = None

    def new(self, result: list[Any]) -> tuple[list[Any], int, int | None]:
        """The streams of an answer without entries given before; how many entries it had; the newest time in it.

        An entry that appears twice in one answer was logged twice.
        """
        came: dict[Entry, int] = {}
        streams: list[Any] = []
        count, newest = 0, None
        for stream in result:
            labels = orjson.dumps(stream.get("stream"), option=orjson.OPT_SORT_KEYS).decode()
            values = []
            for value in stream.get("values", ()):
                entry = (int(value[0]), labels, str(value[1]))
                count += 1
                newest = entry[0] if newest is None else max(newest, entry[0])
                came[entry] = came.get(entry, 0) + 1
                if came[entry] > self._entries.get(entry, 0):
                    values.append(value)
            if values:
                streams.append({**stream, "values": values})
        for entry, times in came.items():
            self._entries[entry] = max(times, self._entries.get(entry, 0))
        if newest is not None:
            self.last = newest if self.last is None else max(self.last, newest)
        return streams, count, newest

    def forget_before(self, start: int) -> None:
        """Entries no later question asks for."""
        self._entries = {entry: times for entry, times in self._entries.items() if entry[0] >= start}


def _span(query: LokiQuery, start: int, end: int, seen: _Seen) -> Iterator[bytes]:
    from ztflow.read.sources.loki_http import ask

    while start < end:
        asked = {"query": query.query, "start": start, "end": end, "limit": query.limit, "direction": "forward"}
        result = ask(query.name, query.address, query.headers, asked)
        streams, count, newest = seen.new(result)
        if streams:
            yield orjson.dumps({"status": "success", "data": {"resultType": "streams", "result": streams}}) + b"\n"
        if count < query.limit or newest is None:
            return
        if newest == start and not streams:
            raise SourceError(
                query.name, f"more than {query.limit} entries in one nanosecond", hint="ask with a larger limit"
            )
        start = newest
        if query.end is not None:
            seen.forget_before(start)
