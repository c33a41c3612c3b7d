"""`Flow` and `Flows`: one connection, both halves where seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ztflow.origin import Problem, ReadStats
from ztflow.records import join_host_port
from ztflow.schema import FLOWS, Column
from ztflow.tables import FLOWS_SCHEMA, Table

if TYPE_CHECKING:
    import networkx as nx


class Flow(BaseModel):
    """One connection. Every attribute is a column of the flows table (`docs/reference/fields.md`); None is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime | None = None
    end: datetime | None = None
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
    request_bytes: int | None = None
    response_bytes: int | None = None
    duration_ms: int | None = None
    inbound_duration_ms: int | None = None
    path: str | None = None
    verdict: Literal["forwarded", "denied", "failed", "unknown"] | None = None
    error_class: str | None = None
    policy: str | None = None
    mtls: bool | None = None
    src_node: str | None = None
    dst_node: str | None = None
    src_zone: str | None = None
    dst_zone: str | None = None
    src_pod: str | None = None
    dst_pod: str | None = None
    locality: Literal["same_node", "cross_node", "unknown"] | None = None
    zone_locality: Literal["same_zone", "cross_zone", "unknown"] | None = None
    locality_evidence: str | None = None
    paired: Literal["exact", "unique", "ambiguous", "relaxed", "outbound_only", "inbound_only"] | None = None
    alternatives: int | None = None
    confidence: float | None = None
    unpaired_reason: str | None = None
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


class Flows(Table):
    """Connections as an Arrow table (`schema.FLOWS`), with the counts of how the input was read.

    Attributes:
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read.
        evicted: Halves given up because a memory bound was hit.
    """

    columns: ClassVar[Sequence[Column]] = FLOWS
    schema: ClassVar[pa.Schema] = FLOWS_SCHEMA

    def __init__(
        self,
        table: pa.Table | None = None,
        *,
        stats: ReadStats | None = None,
        problems: Sequence[Problem] = (),
        evicted: int = 0,
    ) -> None:
        super().__init__(table)
        self.stats = stats or ReadStats()
        self.problems = tuple(problems)
        self.evicted = evicted

    def __iter__(self) -> Iterator[Flow]:
        for row in self.rows():
            yield Flow.model_validate(row)

    def graph(self, by: str = "pod") -> nx.MultiDiGraph[str]:
        """The traffic graph; see `ztflow.graph.build_graph`."""
        from ztflow.graph import build_graph

        return build_graph(self, by=by)
