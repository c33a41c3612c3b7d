"""What the lines of a waypoint's log say, kept in columns: a row a request, or a connection of plain TCP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from ztflow.model.provenance import LogLine
from ztflow.parse.classify import begins_as_request, host_port
from ztflow.parse.values import ValueFault, time_micros
from ztflow.text.patterns import lazy_pattern
from ztflow.waypoint.formats import Layout, default_layouts

_WORD = pa.dictionary(pa.int32(), pa.string())
REQUESTS_SCHEMA: Final = pa.schema(
    [
        ("file", _WORD), ("line", pa.int64()), ("pod", _WORD), ("start", pa.int64()), ("duration_ms", pa.int64()),
        ("received", pa.int64()), ("sent", pa.int64()), ("method", _WORD), ("target_bytes", pa.int64()),
        ("protocol", _WORD), ("code", pa.int64()), ("flags", _WORD), ("details", _WORD), ("service_ms", _WORD),
        ("authority", _WORD), ("agent", _WORD), ("upstream", _WORD), ("cluster", _WORD), ("local", _WORD),
        ("remote_ip", _WORD), ("remote_port", pa.int64()),
    ]
)  # fmt: skip
"""`start` in microseconds since 1970; `details` of a connection of plain TCP say how it was ended; `target_bytes` is
the length of the path; `upstream` and `local` are host:port. What the line says nothing of is null."""

_AT_ONCE = 8192
"""Rows that wait as Python objects before they become columns."""

_TUNNELS = ":15008"
_INSIDE = "envoy://"
_UPSTREAM = "envoy://connect_originate/"
_LONGEST_MS = 10 * 366 * 86_400_000
_LARGEST = 1 << 62
_KEPT = 500
"""Characters of a text that are kept."""


class RequestLog:
    """The requests found in one input, and what else was there.

    Args:
        source_file: The input.
        layouts: How its lines may be written, when the user says that it is a waypoint's log: then a line that is none
            of ztunnel's is counted here whatever it is. None for any other input: then only what is written as Istio
            sets it is, and what Envoy says of itself after that.

    Attributes:
        taken: Lines that are of a waypoint's log.
        problems: Those of them that begin as a request's and cannot be read, or are not of the layouts given.
    """

    def __init__(self, source_file: str, layouts: Sequence[Layout] | None = None) -> None:
        self.source_file = source_file
        self.taken = self.problems = 0
        self._declared = layouts is not None
        self._layouts = default_layouts() if layouts is None else layouts
        self._own_format = bool(layouts) and set(self._layouts).isdisjoint(default_layouts())
        self._rows: list[tuple[Any, ...]] = []
        self._tables: list[pa.Table] = []

    def take(self, line: LogLine) -> None:
        """Take a line that is not ztunnel's, if it is of a waypoint's log."""
        begins = begins_as_request(line)
        if begins or self._declared:
            for layout in self._layouts:
                fields = layout.fields(line.text, line.fields)
                if fields is not None and _is_of_a_tunnel(fields):
                    self.taken += 1
                    return
                row = None if fields is None else _row(fields)
                if row is not None:
                    self.taken += 1
                    self._rows.append((self.source_file, line.line_number, line.origin.pod, *row))
                    if len(self._rows) >= _AT_ONCE:
                        self._pack()
                    return
        own = _ENVOY.match(line.text) is not None
        if begins or self._declared or own:
            self.taken += 1
            self.problems += begins or (self._own_format and not own)

    def take_table(self) -> pa.Table | None:
        """Rows since the last call (`REQUESTS_SCHEMA`); None for none."""
        self._pack()
        tables, self._tables = self._tables, []
        return pa.concat_tables(tables) if tables else None

    def _pack(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, REQUESTS_SCHEMA, strict=True)]
            self._tables.append(pa.Table.from_arrays(arrays, schema=REQUESTS_SCHEMA))
            self._rows = []


_ENVOY = lazy_pattern(r"\S{19,40}[\t ]+[a-z]+[\t ]+envoy ")
"""What Envoy says of itself, as Istio's proxy prints it."""


def _is_of_a_tunnel(fields: Mapping[str, Any]) -> bool:
    """Whether a line is about a tunnel and not about what came through it.

    Istio has a waypoint log the CONNECT requests it refuses, at the tunnels' port, and the tunnels to servers it cannot
    open, besides the request that failed for it (istio/istio pilot/pkg/networking/core/accesslog.go,
    `hboneTerminationAccessLogFilter` and `hboneOriginationAccessLogFilter`). ztunnel's log has the former.
    """
    local, remote = fields.get("local"), fields.get("remote")
    return (isinstance(local, str) and local.endswith(_TUNNELS)) or (
        isinstance(remote, str) and remote.startswith(_INSIDE)
    )


def _row(fields: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """A row from `start` on; None when a value that the join needs is none."""
    start = _micros(fields.get("start"))
    numbers = [_whole(fields.get(name)) for name in ("duration", "received", "sent")]
    local, remote = (_text(fields.get(name)) for name in ("local", "remote"))
    ip, port = host_port(remote)
    if start is None or None in numbers or local is None or ip is None or (numbers[0] or 0) > _LONGEST_MS:
        return None
    path, upstream = _text(fields.get("path")), _text(fields.get("upstream"))
    service = fields.get("service_time")
    words = [_text(fields.get("flags")), _text(fields.get("details")) or _text(fields.get("ended"))]
    return (
        start, *numbers, _text(fields.get("method")), None if path is None else len(path.encode()),
        _text(fields.get("protocol")), _whole(fields.get("code")), *words, None if service is None else str(service),
        _text(fields.get("authority")), _text(fields.get("agent")),
        None if upstream is None else upstream.removeprefix(_UPSTREAM), _text(fields.get("cluster")), local, ip, port,
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return value[:_KEPT] if isinstance(value, str) and value not in {"", "-"} else None


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    return value if isinstance(value, int) and 0 <= value < _LARGEST else None


def _micros(value: Any) -> int | None:
    """A time as Envoy writes it unless told otherwise, or seconds since 1970 with or without a part."""
    if not isinstance(value, str):
        return None
    whole, _, part = value.partition(".")
    if whole.isascii() and whole.isdigit() and len(whole) in {9, 10} and (part.isdigit() or not part):
        return int(whole) * 1_000_000 + int(part[:6].ljust(6, "0"))
    try:
        return time_micros(value)
    except ValueFault:
        return None
