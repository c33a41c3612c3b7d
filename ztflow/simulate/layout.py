"""Which fields each simulated line has, by path, side and release.

Source: `Which fields` is decided in istio/ztunnel `src/proxy/metrics.rs`; the paths are those of captured runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ztflow.model.provenance import RECORD_NAMES, Row
from ztflow.model.vocabulary import Direction, LogLevel, Message
from ztflow.simulate.cluster import NO_NODE, Cluster, Pod, Role, Service
from ztflow.simulate.kinds import Half, Kind
from ztflow.simulate.scenario import Scenario

HBONE_PORT = 15008


class Side(IntEnum):
    """Which line of a connection."""

    OUTBOUND = 0
    INBOUND = 1
    HOP = 2
    """From a waypoint to the pod: an inbound line of another connection."""
    POOLED = 3
    """The same, of a connection that carries requests of many."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What decides the text of a line, except its numbers. Pods and services by number, `NO_NODE` for none."""

    side: Side
    kind: Kind
    client: int
    server: int
    via: int
    service: int
    port: int
    asked_port: int
    ipv6: bool
    other: int
    half: Half


@dataclass(frozen=True, slots=True)
class Numbers:
    """What differs between lines of one speaker."""

    time: int
    src_port: int
    bytes_sent: int
    bytes_recv: int
    duration_ms: int
    trace_id: str


_PLAINTEXT = frozenset({Kind.PLAINTEXT_IN, Kind.PLAINTEXT_OUT, Kind.EGRESS, Kind.DENIED_PLAINTEXT, Kind.NO_ENDPOINTS,
                        Kind.UNKNOWN_ADDRESS, Kind.UNKNOWN_WAYPOINT, Kind.TLS_FAILURE})  # fmt: skip


OF_THEIR_OWN = _PLAINTEXT | {Kind.DOUBLE_HBONE}
"""Kinds whose lines have other fields than those of `plain`."""


class Layout:
    """Rows of `schema.RECORD` for the lines of a scenario."""

    def __init__(self, scenario: Scenario, cluster: Cluster) -> None:
        self._scenario, self._cluster = scenario, cluster
        self._version = scenario.version

    def row(self, speaker: Speaker, numbers: Numbers) -> Row:
        """The record a line says."""
        half = speaker.half
        values: dict[str, object] = dict.fromkeys(RECORD_NAMES)
        outbound = speaker.side is Side.OUTBOUND
        values["direction"] = (Direction.OUTBOUND if outbound else Direction.INBOUND).value
        values["message"] = (Message.FAILED if half.failed else Message.COMPLETE).value
        level = LogLevel.WARN if half.failed else LogLevel.INFO if half.error is None else LogLevel.ERROR
        values["level"] = level.value
        values["time"], values["src_port"] = numbers.time, numbers.src_port
        if half.error is not None:
            values["error"] = self._said(speaker, half.error)
        if not half.failed:
            values["bytes_sent"], values["bytes_recv"] = numbers.bytes_sent, numbers.bytes_recv
            values["duration_ms"] = numbers.duration_ms
        if self._version < (1, 22, 1) and speaker.kind not in _PLAINTEXT and not half.failed:
            values["trace_id"] = numbers.trace_id
        values |= self._outbound(speaker) if outbound else self._inbound(speaker)
        return tuple(values[name] for name in RECORD_NAMES)

    def asked(self, speaker: Speaker) -> tuple[str, int]:
        """Address and port the client dials."""
        if speaker.service != NO_NODE:
            service = self._cluster.services[speaker.service]
            return (service.vip6 if speaker.ipv6 else service.vip), speaker.asked_port
        return self._ip(speaker.server, speaker), speaker.asked_port

    def _ip(self, pod: int, speaker: Speaker) -> str:
        found = self._cluster.pods[pod]
        return found.ip6 if speaker.ipv6 else found.ip

    def _said(self, speaker: Speaker, text: str) -> str:
        asked = ""
        if "{asked}" in text:
            host, port = self.asked(speaker)
            asked = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return text.format(
            asked=asked,
            server="" if speaker.server == NO_NODE else self._ip(speaker.server, speaker),
            other="" if speaker.other == NO_NODE else self._ip(speaker.other, speaker),
            namespace="" if speaker.service == NO_NODE else self._cluster.services[speaker.service].namespace,
        )

    def _names(self, side: str, pod: Pod, *, identity: bool) -> dict[str, object]:
        if pod.role is Role.OUTSIDE:
            return {}
        names: dict[str, object] = {f"{side}_workload": pod.name, f"{side}_namespace": pod.namespace}
        if identity:
            names[f"{side}_identity"] = pod.identity
        if self._version >= (1, 31, 0):
            names[f"{side}_cluster"] = self._cluster.nodes[pod.node].cluster
        return names

    def _outbound(self, speaker: Speaker) -> dict[str, object]:
        pods = self._cluster.pods
        client = pods[speaker.client]
        values: dict[str, object] = {"src_ip": self._ip(speaker.client, speaker)}
        if speaker.half.failed or speaker.kind is Kind.NO_ENDPOINTS:
            values["dst_ip"], values["dst_port"] = self.asked(speaker)
            return values if speaker.half.failed else values | self._names("src", client, identity=False)
        server = pods[speaker.server]
        if speaker.kind in _PLAINTEXT:
            values |= self._names("src", client, identity=False) | self._names("dst", server, identity=False)
            return values | {"dst_ip": self._ip(speaker.server, speaker), "dst_port": speaker.port}
        next_hop = speaker.server if speaker.via == NO_NODE else speaker.via
        values |= self._names("src", client, identity=True) | self._names("dst", pods[next_hop], identity=True)
        values |= {"dst_ip": self._ip(next_hop, speaker), "dst_port": HBONE_PORT}
        if speaker.service != NO_NODE:
            values["dst_service"] = self._cluster.services[speaker.service].hostname
        if speaker.kind is Kind.DOUBLE_HBONE:
            values |= self._hostname_authority(speaker)
            if self._version >= (1, 29, 0):
                # Since 1.29.0 the far side says who it is; it names its workload, not its pod.
                values |= self._names("dst", server, identity=True) | {"dst_workload": server.workload}
        elif speaker.via != NO_NODE:
            values["hbone_host"], values["hbone_port"] = self.asked(speaker)
        else:
            target = speaker.server if speaker.other == NO_NODE else speaker.other
            values |= {"hbone_host": self._ip(target, speaker), "hbone_port": speaker.port}
        return values

    def _hostname_authority(self, speaker: Speaker) -> dict[str, object]:
        service = self._cluster.services[speaker.service]
        port = speaker.asked_port if self._version >= (1, 27, 0) else speaker.port
        return {"hbone_host": service.hostname, "hbone_port": port}

    def _inbound(self, speaker: Speaker) -> dict[str, object]:
        pods = self._cluster.pods
        client, server = pods[speaker.client], pods[speaker.server]
        at = {"dst_ip": self._ip(speaker.server, speaker)}
        if speaker.half.failed:
            return at | {"dst_port": HBONE_PORT, "src_ip": self._ip(speaker.client, speaker)}
        service = self._inbound_service(speaker)
        values: dict[str, object] = {} if service is None else {"dst_service": service.hostname}
        if speaker.kind in _PLAINTEXT:
            values |= at | {"dst_port": speaker.port, "src_ip": self._ip(speaker.client, speaker)}
            return values | self._names("src", client, identity=False) | self._names("dst", server, identity=False)
        dialler = speaker.client if speaker.via == NO_NODE else speaker.via
        values |= self._names("src", pods[dialler], identity=True) | self._names("dst", server, identity=True)
        port = HBONE_PORT if self._version >= (1, 23, 0) else speaker.port
        values |= at | {"dst_port": port, "src_ip": self._ip(dialler, speaker)}
        values |= {"hbone_host": self._ip(speaker.server, speaker), "hbone_port": speaker.port}
        if speaker.kind is Kind.DOUBLE_HBONE:
            # The inner TLS tells the client; its baggage names the service it belongs to, not the pod.
            values |= self._names("src", client, identity=True) | {"src_workload": client.workload}
            values |= self._hostname_authority(speaker)
        return values

    def _inbound_service(self, speaker: Speaker) -> Service | None:
        """The service ztunnel finds: the one asked for, else the first that selects the pod with that port."""
        if speaker.kind is Kind.DOUBLE_HBONE:
            return self._cluster.services[speaker.service]
        if not self._scenario.inbound_service:
            return None
        fits = (
            service
            for service in self._cluster.services
            if speaker.server in service.pods and service.target == speaker.port
        )
        return next(fits, None)
