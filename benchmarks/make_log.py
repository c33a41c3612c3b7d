"""Write a big log with a seed: `python benchmarks/make_log.py LINES FILE [--seed 7] [--mix MIX] [--wrapper WRAPPER]`.

`production` is what `stern -n istio-system ztunnel` prints on a mixed cluster: direct connections, waypoints, denials,
failures with escaped quotes, egress, clients outside the mesh, IPv6, host names, bare names of 1.22.1, other lines of
ztunnel. Lines are nearly in order of time, as from a merged stream. `plain` has only direct connections, two lines
each, so that a short SQL script can do the whole job and answers can be compared.

Wrappers: `stern` is its default output, `stern-json` its `-o json` with the labels and annotations of a Helm
installation, `docker` Docker's json-file, `own-json` ztunnel's `LOG_FORMAT=json` without a wrapper.

The same arguments give the same bytes. About 150 000 lines a second.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
NODES = 20
PODS = 600
APPS = 60
NAMESPACES = 12
SORTED_AT_ONCE = 20_000


@dataclass(frozen=True)
class Pod:
    """A pod in the mesh."""

    ip: str
    name: str
    namespace: str
    app: str
    node: int
    port: int

    @property
    def shown(self) -> str:
        """Its address as written before a port."""
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    @property
    def identity(self) -> str:
        """Its SPIFFE identity."""
        return f"spiffe://cluster.local/ns/{self.namespace}/sa/{self.app}"


class Cluster:
    """Who is there, and how each ztunnel writes."""

    def __init__(self, chance: random.Random, *, plain: bool) -> None:
        self.chance = chance
        letters = "bcdfghjklmnpqrstvwxz2456789"
        name = lambda: "".join(chance.choices(letters, k=5))  # noqa: E731
        template = lambda: "".join(chance.choices("456789bcdf", k=9))  # noqa: E731
        self.ztunnels = [f"ztunnel-{name()}" for _ in range(NODES)]
        self.old = set() if plain else {NODES - 1}
        """Nodes whose ztunnel is 1.22.1: bare names, application port as destination of an inbound line."""
        self.pods = []
        for number in range(PODS):
            app, node = f"svc-{number % APPS}", chance.randrange(NODES)
            six = not plain and number % 10 == 3
            ip = f"fd00:10:{node:x}::{number + 1:x}" if six else f"10.{node}.{number // 250}.{number % 250 + 1}"
            pod = f"{app}-{template()}-{name()}"
            self.pods.append(Pod(ip, pod, f"ns{number % NAMESPACES}", app, node, 8080))
        self.waypoints = [
            Pod(f"10.{n}.9.{n + 1}", f"waypoint-{template()}-{name()}", f"ns{n}", "waypoint", n, 15008)
            for n in range(3)
        ]
        self.tunnels: dict[tuple[str, str], int] = {}

    def text(self, value: str, node: int) -> str:
        """A text value as the ztunnel of that node prints it."""
        return value if node in self.old else f'"{value}"'

    def tunnel_port(self, source: Pod, target: Pod) -> int:
        """Port of the pooled tunnel between two pods."""
        key = source.ip, target.ip
        if key not in self.tunnels or self.chance.random() < 0.05:
            self.tunnels[key] = self.chance.randrange(32768, 60999)
        return self.tunnels[key]


def stamp(micros: int) -> str:
    """The time as ztunnel prints it."""
    return (START + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Line = tuple[int, int, str]
"""Time, node, text behind the time."""


def half(
    cluster: Cluster,
    direction: str,
    node: int,
    source: Pod | None,
    source_addr: str,
    target: Pod | None,
    target_addr: str,
    hbone: str | None,
    service: str | None,
    sent: int,
    received: int,
    millis: int,
    error: str | None = None,
) -> str:
    """One `connection complete` line from its level on."""
    text = cluster.text
    parts = [f"src.addr={source_addr}"]
    if source is not None:
        parts.append(f"src.workload={text(source.name, node)} src.namespace={text(source.namespace, node)}")
        if hbone is not None:
            parts.append(f'src.identity="{source.identity}"')
    parts.append(f"dst.addr={target_addr}")
    if hbone is not None:
        parts.append(f"dst.hbone_addr={hbone}")
    if service is not None:
        parts.append(f"dst.service={text(service, node)}")
    if target is not None:
        parts.append(f"dst.workload={text(target.name, node)} dst.namespace={text(target.namespace, node)}")
        if hbone is not None:
            parts.append(f'dst.identity="{target.identity}"')
    parts.append(f'direction="{direction}" bytes_sent={sent} bytes_recv={received} duration="{millis}ms"')
    level = "info"
    if error is not None:
        level = "error"
        parts.append(f'error="{error}"')
    return f"{level}\taccess\tconnection complete\t{' '.join(parts)}"


def direct(cluster: Cluster, at: int, source: Pod, target: Pod) -> Iterator[Line]:
    """Pod to pod: two halves, or a denial seen from both sides."""
    chance = cluster.chance
    sent, received, millis = chance.randrange(50, 5000), chance.randrange(100, 90000), chance.randrange(1, 3000)
    service = f"{target.app}.{target.namespace}.svc.cluster.local"
    hbone = f"{target.shown}:{target.port}"
    denied = cluster.old and chance.random() < 0.02
    inbound_error = outbound_error = None
    if denied:
        sent = received = 0
        inbound_error = (
            f"connection closed due to policy rejection: explicitly denied by: {target.namespace}/deny-{target.app}"
            if chance.random() < 0.5
            else "connection closed due to policy rejection: allow policies exist, but none allowed"
        )
        outbound_error = "http status: 401 Unauthorized"
    elif cluster.old and chance.random() < 0.004:
        outbound_error = r"receive: io error: Custom { kind: Other, error: \"h2: stream closed\" }"
    source_at, target_at = f"{source.shown}:{chance.randrange(32768, 60999)}", f"{target.shown}:15008"
    tunnel = f"{source.shown}:{cluster.tunnel_port(source, target)}"
    inbound_at = f"{target.shown}:{target.port}" if target.node in cluster.old else target_at
    yield (
        at,
        target.node,
        half(
            cluster,
            "inbound",
            target.node,
            source,
            tunnel,
            target,
            inbound_at,
            hbone,
            service,
            received,
            sent,
            millis,
            inbound_error,
        ),
    )
    yield (
        at + chance.randrange(50, 900),
        source.node,
        half(
            cluster,
            "outbound",
            source.node,
            source,
            source_at,
            target,
            target_at,
            hbone,
            service,
            sent,
            received,
            millis + chance.randrange(3),
            outbound_error,
        ),
    )


def through_waypoint(cluster: Cluster, at: int, source: Pod, target: Pod) -> Iterator[Line]:
    """Client to waypoint, waypoint to pod: two connections, one line each."""
    chance = cluster.chance
    waypoint = chance.choice(cluster.waypoints)
    sent, received, millis = chance.randrange(50, 5000), chance.randrange(100, 90000), chance.randrange(1, 3000)
    service = f"{target.app}.{target.namespace}.svc.cluster.local"
    virtual = f"10.96.{APPS}.{int(target.app[4:]) + 1}:80"
    source_at = f"{source.shown}:{chance.randrange(32768, 60999)}"
    yield (
        at,
        target.node,
        half(
            cluster,
            "inbound",
            target.node,
            waypoint,
            f"{waypoint.shown}:{cluster.tunnel_port(waypoint, target)}",
            target,
            f"{target.shown}:15008",
            f"{target.shown}:{target.port}",
            service,
            received + 200,
            sent + 300,
            millis,
        ),
    )
    yield (
        at + chance.randrange(50, 900),
        source.node,
        half(
            cluster,
            "outbound",
            source.node,
            source,
            source_at,
            waypoint,
            f"{waypoint.shown}:15008",
            virtual,
            service,
            sent,
            received,
            millis + 1,
        ),
    )


def outside(cluster: Cluster, at: int, source: Pod) -> Iterator[Line]:
    """Egress, a client outside the mesh, another network, an early denial: one line."""
    chance = cluster.chance
    kind = chance.random()
    port, sent, received = chance.randrange(32768, 60999), chance.randrange(50, 5000), chance.randrange(100, 90000)
    if kind < 0.5:
        there = f"203.0.{chance.randrange(3)}.{chance.randrange(250)}:443"
        text = half(
            cluster,
            "outbound",
            source.node,
            source,
            f"{source.shown}:{port}",
            None,
            there,
            None,
            None,
            sent,
            received,
            chance.randrange(9000),
        )
    elif kind < 0.8:
        client = f"192.168.{chance.randrange(4)}.{chance.randrange(250)}:{port}"
        text = half(
            cluster,
            "inbound",
            source.node,
            None,
            client,
            source,
            f"{source.shown}:8080",
            None,
            f"{source.app}.{source.namespace}.svc.cluster.local",
            received,
            sent,
            chance.randrange(900),
        )
    elif kind < 0.9:
        remote = f"svc-{chance.randrange(APPS)}.remote.svc.cluster.local"
        gateway = Pod("10.7.8.9", "east-west-gateway", "istio-system", "gateway", 7, 15008)
        text = half(
            cluster,
            "outbound",
            source.node,
            source,
            f"{source.shown}:{port}",
            gateway,
            "10.7.8.9:15008",
            f"{remote}:8080",
            remote,
            sent,
            received,
            chance.randrange(900),
        )
    else:
        cause = r"tls handshake error: Custom { kind: UnexpectedEof, error: \"tls handshake eof\" }"
        text = (
            f"warn\taccess\tconnection failed\tsrc.addr=192.168.1.{chance.randrange(250)}:{port} "
            f'dst.addr={source.shown}:15008 direction="inbound" error="{cause}"'
        )
    yield at, source.node, text


def other(cluster: Cluster, at: int, source: Pod) -> Iterator[Line]:
    """A line of ztunnel that is no access line."""
    chance = cluster.chance
    kind = chance.random()
    if kind < 0.7:
        text = (
            'info\txds::client:xds{id=29}\treceived response\ttype_url="type.googleapis.com/istio.workload.Address" '
            f"size={chance.randrange(1, 40)} removes={chance.randrange(3)}"
        )
    elif kind < 0.9:
        uid = f"{chance.randrange(16**8):08x}-0000-4000-8000-{chance.randrange(16**12):012x}"
        text = (
            f'info\tinpod::statemanager\tpod received, starting proxy\tuid="{uid}" name="{source.name}" '
            f'namespace="{source.namespace}"'
        )
    else:
        text = f"info\tproxy::outbound{{wl={source.namespace}/{source.name}}}\tlistener drained\taddress=0.0.0.0:15001"
    yield at, source.node, text


def lines(cluster: Cluster, *, plain: bool) -> Iterator[Line]:
    """Lines without end."""
    chance, at = cluster.chance, 0
    while True:
        at += chance.randrange(200)
        source, target = chance.choice(cluster.pods), chance.choice(cluster.pods)
        kind = 1.0 if plain else chance.random()
        if kind > 0.2:
            yield from direct(cluster, at, source, target)
        elif kind > 0.14:
            yield from through_waypoint(cluster, at, source, target)
        elif kind > 0.05:
            yield from outside(cluster, at, source)
        else:
            yield from other(cluster, at, source)


_LABELS = {
    "app": "ztunnel", "app.kubernetes.io/instance": "ztunnel", "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/name": "ztunnel", "app.kubernetes.io/part-of": "istio", "app.kubernetes.io/version": "1.29.5",
    "controller-revision-hash": "6d9f7c8b5", "helm.sh/chart": "ztunnel-1.29.5", "istio.io/dataplane-mode": "none",
    "pod-template-generation": "1", "sidecar.istio.io/inject": "false",
}  # fmt: skip
_ANNOTATIONS = {"prometheus.io/port": "15020", "prometheus.io/scrape": "true", "sidecar.istio.io/inject": "false"}
_FIELD = re.compile(r'([a-z_.]+)=("(?:[^"\\]|\\.)*"|\S+)')


def _dumped(value: object) -> str:
    """JSON as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def stern(pod: str, node: int, line: str) -> str:
    """Stern's default."""
    del node
    return f"{pod} istio-proxy {line}"


def stern_json(pod: str, node: int, line: str) -> str:
    """`stern -o json`."""
    return _dumped({
        "message": line, "nodeName": f"node-{node}", "namespace": "istio-system", "podName": pod,
        "containerName": "istio-proxy", "labels": _LABELS, "annotations": _ANNOTATIONS,
    })  # fmt: skip


def docker(pod: str, node: int, line: str) -> str:
    """Docker's json-file; it says nothing about the pod."""
    del pod, node
    return _dumped({"log": f"{line}\n", "stream": "stdout", "time": line[:26] + "789Z"}).replace("\\t", "\\u0009")


def own_json(pod: str, node: int, line: str) -> str:
    """Ztunnel's own JSON."""
    del pod, node
    time, level, scope, message, *rest = line.split("\t")
    fields: dict[str, object] = {"level": level, "time": time, "scope": scope.partition("{")[0], "message": message}
    for key, value in _FIELD.findall(rest[0] if rest else ""):
        if value[0] == '"':
            fields[key] = value[1:-1].replace('\\"', '"')
        else:
            fields[key] = int(value) if value.isdigit() and "." not in key else value
    return json.dumps(fields, separators=(",", ":"))


WRAPPERS: dict[str, Callable[[str, int, str], str]] = {
    "stern": stern, "stern-json": stern_json, "docker": docker, "own-json": own_json,
}  # fmt: skip


def write(count: int, path: Path, *, seed: int, plain: bool, wrapper: str = "stern") -> None:
    """Write `count` lines, nearly in order of time."""
    wrapped = WRAPPERS[wrapper]
    cluster = Cluster(random.Random(seed), plain=plain)
    source = lines(cluster, plain=plain)
    held: list[Line] = []
    with path.open("w", encoding="ascii") as file:
        written = 0
        while written < count:
            held += [next(source) for _ in range(min(SORTED_AT_ONCE, count - written - len(held)))]
            held.sort(key=lambda line: line[0])
            ready = held if written + len(held) >= count else held[: -SORTED_AT_ONCE // 4]
            file.writelines(
                wrapped(cluster.ztunnels[node], node, f"{stamp(at)}\t{text}") + "\n" for at, node, text in ready
            )
            written += len(ready)
            held = held[len(ready) :]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--mix", choices=["production", "plain"], default="production")
    parser.add_argument("--wrapper", choices=[*WRAPPERS], default="stern")
    chosen = parser.parse_args()
    write(chosen.lines, chosen.file, seed=chosen.seed, plain=chosen.mix == "plain", wrapper=chosen.wrapper)
