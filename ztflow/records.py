"""`AccessRecord`: one row of the halves table as an object.

The row is a plain tuple in the order of `schema.RECORD` on the hot path; objects are made only when somebody asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from ztflow.schema import HALVES, RECORD

Row: TypeAlias = tuple[object, ...]
"""Values of one access line in the order of `schema.RECORD`; `time` is microseconds since 1970 UTC or None."""

RECORD_NAMES: tuple[str, ...] = tuple(column.name for column in RECORD)
HALF_NAMES: tuple[str, ...] = tuple(column.name for column in HALVES)

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


class AccessRecord(BaseModel):
    """One access line of ztunnel, typed.

    Every attribute is a column of the halves table (`docs/reference/fields.md`). None means the log does not say.
    Sizes are bytes as this side saw them: `bytes_sent` of an outbound record is the request, of an inbound one the
    response. `time` is when the line was written, which is the end of the connection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_timedelta="float")

    time: datetime | None = None
    level: str | None = None
    message: Literal["complete", "opened", "failed"]
    direction: Literal["inbound", "outbound"] | None = None
    src_ip: str | None = None
    src_port: int | None = None
    src_workload: str | None = None
    src_namespace: str | None = None
    src_identity: str | None = None
    src_trust_domain: str | None = None
    src_service_account: str | None = None
    src_cluster: str | None = None
    dst_ip: str | None = None
    dst_port: int | None = None
    hbone_host: str | None = None
    hbone_port: int | None = None
    dst_service: str | None = None
    dst_workload: str | None = None
    dst_namespace: str | None = None
    dst_identity: str | None = None
    dst_trust_domain: str | None = None
    dst_service_account: str | None = None
    dst_cluster: str | None = None
    bytes_sent: int | None = None
    bytes_recv: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    error_class: str | None = None
    trace_id: str | None = None
    extra: dict[str, str] | None = None
    ztunnel_pod: str | None = None
    ztunnel_namespace: str | None = None
    ztunnel_node: str | None = None
    source_file: str | None = None
    line_number: int | None = None

    @classmethod
    def from_row(cls, row: Row) -> AccessRecord:
        """The validated object of a scanner row."""
        values = dict(zip(RECORD_NAMES, row, strict=True))
        micros = values["time"]
        if micros is not None:
            assert isinstance(micros, int)
            values["time"] = time_from_micros(micros)
        return cls.model_validate(values)

    def to_row(self) -> Row:
        """The tuple the scanner would give for this record."""
        values = [getattr(self, name) for name in RECORD_NAMES]
        if self.time is not None:
            values[0] = micros_from_time(self.time)
        return tuple(values)

    @property
    def src_addr(self) -> str | None:
        """`ip:port` of the source as logged."""
        return join_host_port(self.src_ip, self.src_port)

    @property
    def dst_addr(self) -> str | None:
        """`ip:port` of the destination as logged."""
        return join_host_port(self.dst_ip, self.dst_port)

    @property
    def hbone_addr(self) -> str | None:
        """The CONNECT authority."""
        return join_host_port(self.hbone_host, self.hbone_port)
