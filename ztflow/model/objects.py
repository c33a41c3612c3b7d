"""One row of the tables as an object: `AccessRecord` of the halves, `Flow` of the flows.

Cost: importing this module imports pydantic (about 60 ms), so the tables load it late.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ztflow.model import vocabulary as words
from ztflow.model.provenance import RECORD_NAMES, Row, join_host_port, micros_from_time, time_from_micros


class AccessRecord(BaseModel):
    """One access line of ztunnel, typed.

    Every attribute is a column of the halves table (`docs/reference/fields.md`). None means the log does not say.
    Sizes are bytes as this side saw them: `bytes_sent` of an outbound record is the request, of an inbound one the
    response. `time` is when the line was written, which is the end of the connection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_timedelta="float")

    time: datetime | None = None
    level: words.LogLevelWord | None = None
    message: words.MessageWord
    direction: words.DirectionWord | None = None
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
    error_class: words.ErrorClassWord | None = None
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


class Flow(BaseModel):
    """One connection. Every attribute is a column of the flows table (`docs/reference/fields.md`); None is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime | None = None
    end: datetime | None = None
    src_ip: str | None = None
    src_port: int | None = None
    src_name: str | None = None
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
    dst_name: str | None = None
    dst_workload: str | None = None
    dst_namespace: str | None = None
    dst_identity: str | None = None
    dst_trust_domain: str | None = None
    dst_service_account: str | None = None
    dst_cluster: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    duration_ms: int | None = None
    inbound_duration_ms: int | None = None
    path: words.FlowPathWord | None = None
    dialled: words.DialledWord | None = None
    verdict: words.VerdictWord | None = None
    error_class: words.ErrorClassWord | None = None
    policy: str | None = None
    mtls: bool | None = None
    src_node: str | None = None
    dst_node: str | None = None
    src_zone: str | None = None
    dst_zone: str | None = None
    src_pod: str | None = None
    dst_pod: str | None = None
    locality: words.NodeLocalityWord | None = None
    zone_locality: words.ZoneLocalityWord | None = None
    locality_evidence: str | None = None
    paired: words.PairedWord | None = None
    alternatives: int | None = None
    confidence: float | None = None
    unpaired_reason: words.UnpairedWord | None = None
    outbound_error: str | None = None
    inbound_error: str | None = None
    outbound_ztunnel: str | None = None
    inbound_ztunnel: str | None = None
    outbound_file: str | None = None
    outbound_line: int | None = None
    inbound_file: str | None = None
    inbound_line: int | None = None
    next_hop_file: str | None = None
    next_hop_line: int | None = None
    requests: int | None = None
    waypoint_file: str | None = None
    waypoint_lines: list[int] | None = None
    waypoint_candidates: list[int] | None = None

    @property
    def id(self) -> str | None:
        """`file:line` of the client's log line, else of the server's: what `ztflow show` takes."""
        if self.outbound_file is not None:
            return f"{self.outbound_file}:{self.outbound_line}"
        return None if self.inbound_file is None else f"{self.inbound_file}:{self.inbound_line}"

    @property
    def src_addr(self) -> str | None:
        """`ip:port` of the source."""
        return join_host_port(self.src_ip, self.src_port)

    @property
    def dst_addr(self) -> str | None:
        """`ip:port` of the destination."""
        return join_host_port(self.dst_ip, self.dst_port)

    @property
    def hbone_addr(self) -> str | None:
        """The CONNECT authority."""
        return join_host_port(self.hbone_host, self.hbone_port)
