"""One access line as a row: a plain tuple in the order of `schema.RECORD`. `objects.AccessRecord` is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from ztflow.schema import RECORD

Row: TypeAlias = tuple[object, ...]
"""Values of one access line in the order of `schema.RECORD`; `time` is microseconds since 1970 UTC or None."""

RECORD_NAMES: tuple[str, ...] = tuple(column.name for column in RECORD)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_from_micros(micros: int) -> datetime:
    """Microseconds since 1970 as an aware UTC time; exact, unlike going through a float."""
    return _EPOCH + timedelta(microseconds=micros)


def micros_from_time(time: datetime) -> int:
    """The inverse of `time_from_micros`; `time` must be aware."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def join_host_port(host: str | None, port: int | None) -> str | None:
    """`host:port` as ztunnel prints it, IPv6 in brackets; None when the host is unknown."""
    if host is None:
        return None
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"
