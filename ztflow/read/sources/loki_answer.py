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
from ztflow.read.limits import DOCUMENT_CHARS
from ztflow.read.sources.compression import compression_of, decompressed

Streams: TypeAlias = list[dict[str, Any]]
"""`data.result` of an answer."""

Entry: TypeAlias = tuple[int, str, str]
"""Time, labels and metadata (as text), line: what makes an entry the same one."""


class TooBigError(SourceError):
    """An answer longer than is held; a smaller limit would help."""


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


def unpacked(body: bytes, encoding: str, name: str) -> bytes:
    """The body of an answer, decompressed.

    Args:
        body: As it came.
        encoding: `Content-Encoding`. A proxy may compress without saying so, or say so without compressing.
        name: The input's name, for messages.

    Raises:
        SourceError: It is cut, damaged, too long, or compressed in a way nobody asked for.
    """
    packed = compression_of(body[:8])
    if packed is None:
        if encoding in {"gzip", "x-gzip"} and body[:1] not in {b"", b"{", b"<"}:
            raise SourceError(name, "the answer is damaged: it is said to be gzip and is not")
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise SourceError(name, f"the answer is compressed as {encoding[:20]!r}, which was not asked for")
        return body
    pieces, size = [], 0
    try:
        for piece in decompressed(iter((body,)), packed, name):
            pieces.append(piece)
            size += len(piece)
            if size > DOCUMENT_CHARS:
                break
    except SourceError as error:
        raise SourceError(name, f"the answer is damaged: {error.detail}") from error
    if size > DOCUMENT_CHARS:
        raise TooBigError(name, f"one answer is longer than {DOCUMENT_CHARS >> 20} MiB")
    return b"".join(pieces)


def data_of(body: bytes, name: str, address: str) -> dict[str, Any]:
    """`data` of an answer.

    Raises:
        SourceError: It is not JSON, or not Loki's.
    """
    hint = f"is {address} a Loki?"
    try:
        value = orjson.loads(body)
    except ValueError as error:
        text = body[:60].decode("utf-8", "replace").strip()
        what = "is empty" if not text else f'begins with "{text.splitlines()[0]}" and is no JSON: {error}'
        raise SourceError(name, f"the answer is not Loki's: it {what}", hint=hint) from error
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("resultType"), str) or "result" not in data:
        raise SourceError(name, "the answer is not Loki's: it has no data with a resultType and a result", hint=hint)
    if value.get("status", "success") != "success":
        raise SourceError(name, f"Loki says {_short(value['status'])} instead of success", hint=hint)
    return data


def page_of(body: bytes, limit: int, name: str, address: str) -> Page:
    """The entries of an answer to `query_range`.

    Raises:
        SourceError: It has another shape, and the message says where.
    """
    data = data_of(body, name, address)
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


def _short(value: Any) -> str:
    """A value for a message; a long one is not cut, for the cut might go through a password."""
    text = "".join(one if one.isprintable() else " " for one in str(value))
    return f'"{text}"' if len(text) <= 40 else "a long text"


def _time(value: Any, where: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    raise ValueError(f"{where} has {_short(value)} for a time, not nanoseconds since 1970")


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
