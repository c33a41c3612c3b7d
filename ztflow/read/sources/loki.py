"""Loki as a live source, through its HTTP API: `loki://HOST:PORT?query={app="ztunnel"}&since=1h`.

This module has the address and the way through time. `query_range` is asked forward, page after page; `start` is
inclusive and `end` exclusive there, so a page begins at the last entry's own nanosecond and what was seen of it is left
out. Following asks again and again; the API's `tail` would need a web socket. What comes out is the answer's own JSON,
for the ordinary reader. HTTP is in `loki_http`, what an answer must look like in `loki_answer`, a nanosecond with more
entries than a page in `loki_nanosecond`.

Source: grafana/loki `docs/sources/reference/loki-http-api.md`; environment variables as in its `logcli`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from time import time_ns
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson

from ztflow.errors import SourceError
from ztflow.read.sources.http_server import credentials, settings_of
from ztflow.read.sources.loki_answer import Seen, Streams
from ztflow.read.sources.loki_query import LIMIT, LokiQuery
from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    from ztflow.read.sources.loki_http import Client

POLL = 1.0
"""Seconds between two questions while following."""

LATE = 10_000_000_000
"""Nanoseconds that following looks back: entries arrive late by the agents' batching, a few seconds at most."""

SCHEMES = {"loki": "http", "loki+http": "http", "loki+https": "https", "lokis": "https"}
_PORTS = {"http": 3100, "https": 443}
_DURATION = lazy_pattern(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d|w)")
_UNITS = {
    "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
}  # fmt: skip
_KNOWN = frozenset({"query", "since", "start", "end", "limit", "org", "deadline"})
_OPTIONS = lazy_pattern(rf"\?(?:{'|'.join(sorted(_KNOWN))})=")
_RFC3339 = lazy_pattern(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|z|[+-]\d\d:?\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def loki_url(address: str, query: str, **options: str) -> str:
    """The input's name for an `http(s)://` address and a LogQL query (what `--loki URL --query Q` mean).

    Args:
        address: Base address, with a path where Loki has one.
        query: LogQL.
        options: `since`, `start`, `end`, `limit`, `org`, `deadline`; see docs/reference/inputs.md#loki.

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
    scheme, _, rest = name.partition("://")
    scheme = scheme.lower()
    userinfo, where, options = _split(rest)
    asked = {key: values[-1] for key, values in parse_qs(options).items()}
    unknown = sorted(asked.keys() - _KNOWN)
    shown = f"{scheme}://{where}"
    if unknown:  # their values may be somebody's password
        asked = {key: value for key, value in asked.items() if key in _KNOWN}
        options = urlencode({**asked, **dict.fromkeys(unknown, "***")}, safe="*", quote_via=quote)
    shown += f"?{options}" if options else ""
    try:
        parts = urlsplit(f"//{where}")
        host, port = parts.hostname, parts.port or _PORTS[SCHEMES[scheme]]
    except ValueError as error:  # what stands there may be a password without its @
        hint = "a password's own @, /, ? and : are written %40, %2F, %3F and %3A"
        raise SourceError(
            f"{scheme}://…", "is not an address: the host or its port cannot be read", hint=hint
        ) from error
    if not host or unknown:
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
        deadline = _duration(asked["deadline"]) if "deadline" in asked else None
    except (ValueError, OverflowError) as error:
        raise SourceError(shown, f"cannot be understood: {error}", hint="times are RFC 3339 or nanoseconds") from error
    host = f"[{host}]" if ":" in host else host
    address = f"{SCHEMES[scheme]}://{host}:{port}{parts.path.rstrip('/')}"
    headers, secrets = credentials(environ, "LOKI", userinfo, asked.get("org"), shown)
    transport = settings_of(environ, "LOKI")
    return LokiQuery(
        shown, address, query, start, end, limit,
        headers=headers, secrets=secrets, transport=transport, deadline=deadline,
    )  # fmt: skip


def _split(rest: str) -> tuple[str, str, str]:
    """User and password, host with path, options: of what follows `://`.

    A password may hold anything, also `@`, `/`, `?` and `#` that should have been percent-encoded: the options begin
    at the last `?` with one of their names, and the host after the last `@` before them.
    """
    marks = [found.start() for found in _OPTIONS.finditer(rest)]
    begin = marks[-1] if marks else rest.find("?", rest.rfind("@") + 1)
    base, options = (rest, "") if begin < 0 else (rest[:begin], rest[begin + 1 :])
    userinfo, at, where = base.rpartition("@")
    if at and "/" in userinfo and ":" not in userinfo:  # an @ in the path
        userinfo, where = "", base
    where, mark, early = where.partition("?")  # an option's own value had such a mark
    return userinfo, where, f"{early}?{options}" if mark else options


def _instant(text: str) -> int:
    """RFC 3339 with up to nine digits, or nanoseconds, to nanoseconds."""
    if text.isascii() and text.isdigit():
        return int(text)
    parts = _RFC3339.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"{text!r} is no time")
    when = datetime.fromisoformat(parts[1] + (parts[3] or "Z").upper())
    return (when - _EPOCH) // timedelta(seconds=1) * 10**9 + int((parts[2] or "").ljust(9, "0"))


def _duration(text: str) -> int:
    """A Go duration (`1h30m`) to nanoseconds."""
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in found)


def pages(query: LokiQuery) -> Iterator[bytes]:
    """All entries of a finished span of time, oldest first, as answers of one line each.

    Raises:
        SourceError: Loki cannot be reached, refuses, or did not give everything. It comes last: what was read before
            is given first, and the message says how far it goes.
    """
    from ztflow.read.sources.loki_http import Client

    end = time_ns() if query.end is None else query.end
    seen = Seen()
    lost: list[SourceError] = []
    with Client(query, Event()) as client:
        try:
            yield from _span(client, query.start, end, seen, lost.append)
        except SourceError as error:
            raise SourceError(query.name, f"{error.detail}; {seen.reached}", hint=error.hint) from error
    if lost:
        more = f"; and {len(lost) - 1} more such nanoseconds" if len(lost) > 1 else ""
        raise SourceError(query.name, f"{lost[0].detail}{more}; everything else was read", hint=lost[0].hint)


def tail(query: LokiQuery, stop: Event, lost: Callable[[SourceError], None]) -> Iterator[bytes]:
    """All entries from the start, then new ones as they come, until *stop* is set.

    Args:
        query: What to ask for; its end does not count.
        stop: Ends it, also while it waits.
        lost: Called with what is known to be missing; reading goes on.

    Raises:
        SourceError: As for `pages`, without what is missing.
    """
    from ztflow.read.sources.loki_http import Client

    seen = Seen()
    told: set[str] = set()

    def tell(error: SourceError) -> None:
        if error.detail not in told:  # looking back finds it again
            told.add(error.detail)
            lost(error)

    start = query.start
    with Client(query, stop) as client:
        while not stop.is_set():
            end = time_ns()
            try:
                yield from _span(client, start, end, seen, tell, keep=True)
            except SourceError as error:
                raise SourceError(query.name, f"{error.detail}; {seen.reached}", hint=error.hint) from error
            start = max(query.start, min(end, seen.last or end) - LATE)
            seen.forget_before(start)
            stop.wait(POLL)


def _span(
    client: Client, start: int, end: int, seen: Seen, lost: Callable[[SourceError], None], *, keep: bool = False
) -> Iterator[bytes]:
    """A span of time, page after page; *keep* what was seen, for it will be asked for again."""
    while start < end:
        page = client.page(client.query.query, start, end)
        if new := seen.new(page):
            yield _answer(new)
        if not page.full:
            return
        if page.newest < start:
            raise SourceError(client.query.name, "Loki gives entries of another time than was asked for")
        if page.newest == start:
            from ztflow.read.sources.loki_nanosecond import everything_at

            found, missing = everything_at(client, start)
            for streams in map(seen.new, found):
                if streams:
                    yield _answer(streams)
            if missing is not None:
                lost(missing)
            start += 1
        else:
            start = page.newest
        if not keep:
            seen.forget_before(start)


def _answer(streams: Streams) -> bytes:
    return orjson.dumps({"status": "success", "data": {"resultType": "streams", "result": streams}}) + b"\n"
