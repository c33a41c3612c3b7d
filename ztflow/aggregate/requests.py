"""Requests of waypoints' logs as rows that can be added up, and their sums in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.aggregate.durations import Buckets
from ztflow.columns.dictionaries import coded, combinations
from ztflow.model.request_outcomes import outcome
from ztflow.parse.values import ip_of

_WORD = pa.dictionary(pa.int32(), pa.string())
_WORDS = (
    "file", "pod", "client_ip", "client_pod", "authority", "host", "upstream", "server_pod", "outcome", "flags",
    "details", "fate",
)  # fmt: skip
_SUMS = ("requests", "received", "sent")

SERVED: Final = pa.schema(
    [(name, _WORD) for name in _WORDS]
    + [("tcp", pa.bool_()), ("code", pa.int64()), ("duration_ms", pa.int64()), ("service_ms", pa.int64())]
    + [(name, pa.int64()) for name in (*_SUMS, "first", "last")]
)
"""Requests that are alike, and how many they are.

`file` and `pod` say whose log it is. `client_ip`, `authority` (what the client's ztunnel asked the waypoint for,
`ip:port`), `host` (the service by Envoy's cluster) and `upstream` (the server, `ip:port`) are the log's; `client_pod`
and `server_pod` (`namespace/name`) are looked up. `tcp`: a connection of plain TCP. `outcome` is a
`vocabulary.RequestOutcome`, `fate` a `vocabulary.RequestFate`, null where nothing was joined. `service_ms`: what Envoy
calls the upstream service time. `received` and `sent` are bytes from and to clients; `first` and `last` microseconds
since 1970.
"""

MOST_ROWS: Final = 20_000
"""Rows of sums; with more the next of `COARSER` is no longer told apart."""

COARSER: Final = (
    ("service_ms", "duration_ms"), ("details",), ("client_ip", "client_pod"), ("upstream", "server_pod"),
    ("authority", "host", "flags", "code"), ("file", "pod"),
)  # fmt: skip
"""What is given up when there are too many different requests, in this order."""

_BUCKETS = Buckets(6)
_WAITING = MOST_ROWS
"""Requests that wait until they are added up."""


def served(requests: pa.Table) -> pa.Table:
    """The requests of a log as rows, one a request, that nothing was joined to yet.

    Args:
        requests: Columns `waypoint.requests.REQUESTS_SCHEMA`.
    """
    count = requests.num_rows
    nothing = pa.nulls(count, _WORD)
    tcp = pc.is_null(requests["method"])
    judged = (*(requests[name] for name in ("code", "flags", "details", "upstream")), tcp)
    distinct, which = combinations(judged)
    words = [outcome(*values, tcp=is_tcp).value for *values, is_tcp in distinct]
    end = pc.add(requests["start"], pc.multiply(requests["duration_ms"], 1000))
    columns: dict[str, Any] = {
        "client_ip": _each(requests, "remote_ip", _bare),
        "authority": requests["local"],
        "host": _each(requests, "cluster", _host),
        "tcp": tcp,
        "outcome": pa.array(words, _WORD).take(pa.array(which)) if words else nothing,
        "service_ms": pc.cast(_each(requests, "service_ms", _whole).cast(pa.string()), pa.int64()),
        "requests": pa.array(np.ones(count, np.int64)),
        "first": requests["start"],
        "last": end,
    }
    arrays = [
        columns.get(field.name, requests[field.name] if field.name in requests.schema.names else nothing)
        for field in SERVED
    ]
    return pa.Table.from_arrays(arrays, schema=SERVED)


def with_words(rows: pa.Table, name: str, words: list[str | None]) -> pa.Table:
    """Another column of words."""
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, SERVED.field(name), pa.array(words, pa.string()).dictionary_encode().cast(_WORD))


def _each(table: pa.Table, name: str, change: Callable[[str], str | None]) -> pa.Array:
    """A column of words, each distinct one changed."""
    column = coded(table, name)
    words = pa.array([*map(change, column.words), None], pa.string())
    return (
        words.take(pa.array(np.where(column.codes < 0, len(words) - 1, column.codes))).dictionary_encode().cast(_WORD)
    )


def _bare(ip: str) -> str:
    return ip_of(f"[{ip}]") or ip if ":" in ip else ip


def _host(cluster: str) -> str | None:
    """The service in the name of a cluster as Istio writes it: `inbound-vip|8080|http|cart.shop.svc.cluster.local`."""
    host = cluster.rpartition("|")[2] if cluster.count("|") == _BARS else ""
    return host or None


_BARS = 3
_MOST_DIGITS = 18


def _whole(text: str) -> str | None:
    return text if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


class RequestSums:
    """Requests added up as they come.

    Counts, bytes and times are exact; durations keep two digits. When there are more than `MOST_ROWS` kinds of
    requests, less is told apart.

    Attributes:
        given_up: Columns that are no longer told apart.
    """

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._most = most
        self._level = 0
        self._rows = SERVED.empty_table()
        self._waiting: list[pa.Table] = []

    @property
    def given_up(self) -> tuple[str, ...]:
        """Columns that are no longer told apart."""
        return tuple(name for names in COARSER[: self._level] for name in names)

    def add(self, requests: pa.Table) -> None:
        """Take in requests (`waypoint.requests.REQUESTS_SCHEMA`)."""
        self._waiting.append(requests)
        if sum(table.num_rows for table in self._waiting) > _WAITING:
            self._add_up()

    def rows(self) -> pa.Table:
        """What there is so far (`SERVED`)."""
        self._add_up()
        return self._rows

    def _add_up(self) -> None:
        if self._waiting:
            rows = served(pa.concat_tables(self._waiting).unify_dictionaries())
            for name in ("duration_ms", "service_ms"):
                rows = rows.set_column(rows.schema.get_field_index(name), SERVED.field(name), _rounded(rows[name]))
            self._rows = self._summed(pa.concat_tables([self._rows, rows]))
            self._waiting = []
        while self._rows.num_rows > self._most and self._level < len(COARSER):
            self._level += 1
            self._rows = self._summed(self._rows)

    def _summed(self, rows: pa.Table) -> pa.Table:
        for name in self.given_up:
            field = SERVED.field(name)
            rows = rows.set_column(rows.schema.get_field_index(name), field, pa.nulls(rows.num_rows, field.type))
        return added_up(rows)


def added_up(rows: pa.Table) -> pa.Table:
    """Rows that are alike as one."""
    plain = pa.schema([(one.name, pa.string() if one.type == _WORD else one.type) for one in SERVED])
    keys = [name for name in SERVED.names if name not in {*_SUMS, "first", "last"}]
    measures = [*((name, "sum") for name in _SUMS), ("first", "min"), ("last", "max")]
    found = rows.cast(plain).group_by(keys, use_threads=False).aggregate(measures)
    sums = {f"{name}_{how}": name for name, how in measures}
    named = found.rename_columns([sums.get(name, name) for name in found.column_names])
    return named.select(SERVED.names).cast(SERVED)


def _rounded(values: pa.ChunkedArray) -> pa.Array:
    known = values.is_valid().to_numpy()
    numbers = pc.fill_null(values, 0).to_numpy()
    return pa.array(_BUCKETS.value(_BUCKETS.of(numbers)), pa.int64(), mask=~known)
