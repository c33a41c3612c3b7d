"""Simulated lines other than access lines: start, pods, control plane, shutdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ztflow.parse.render import Format
from ztflow.simulate.cluster import Cluster, Role
from ztflow.simulate.kinds import Release
from ztflow.simulate.scenario import Scenario
from ztflow.text.escapes import quote

STARTS_BEFORE = 3.0
"""Seconds before the first connection at which every ztunnel starts."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A line that is not an access line.

    Attributes:
        scope: Module path without `ztunnel::`.
        message: As logged; may have several lines.
        fields: Keys and values; text is quoted in plain, numbers, flags and `Display` values (`shown`) are not.
        spans: Names and fields of the enclosing spans.
        level: Lower case.
        shown: Keys of text that is printed bare.
    """

    scope: str
    message: str
    fields: tuple[tuple[str, str | int | bool], ...] = ()
    spans: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    level: str = "info"
    shown: tuple[str, ...] = ()

    def render(self, time: str, release: Release, form: Format) -> str:
        """The line, several physical ones when plain and the message has several."""
        if form == "json":
            return self._json(time, release)
        scope = self.scope
        for name, fields in self.spans:
            scope += f":{name}"
            if fields:
                scope += "{" + " ".join(f"{key}={value}" for key, value in fields) + "}"
        said = " ".join(f"{key}={self._plain(key, value)}" for key, value in self.fields)
        return f"{time}\t{self.level}\t{scope}\t{self.message}\t{said}"

    def _plain(self, key: str, value: str | int | bool) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return quote(value) if isinstance(value, str) and key not in self.shown else str(value)

    def _json(self, time: str, release: Release) -> str:
        scope = self.scope if self.scope in {"ztunnel", "dns"} else f"ztunnel::{self.scope}"
        fields = dict(self.fields)
        spans = [{**dict(fields_), "name": name} for name, fields_ in self.spans]
        line: dict[str, object]
        if release < (1, 22, 1):
            line = {"timestamp": time, "level": self.level.upper(), "message": self.message, **fields, "target": scope}
            if spans:
                line |= {"span": spans[-1], "spans": spans}
        else:
            line = {"level": self.level, "time": time, "scope": scope, "message": self.message, **fields}
            line |= {name: dict(fields_) for name, fields_ in self.spans}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def other_statements(
    scenario: Scenario, cluster: Cluster, until: float, rng: np.random.Generator
) -> Iterator[tuple[int, float, Statement]]:
    """Node, true seconds and line of everything the ztunnels say besides access lines."""
    for node in range(len(cluster.nodes)):
        if scenario.startup:
            moment = -STARTS_BEFORE + float(rng.random()) * 0.2
            for statement in _starting(scenario, cluster, node):
                yield node, moment, statement
                moment += float(rng.exponential(0.0003))
        for second in np.sort(rng.random(rng.poisson(scenario.other_lines * until)) * until):
            yield node, float(second), _chatter(scenario.version, rng)


def _starting(scenario: Scenario, cluster: Cluster, number: int) -> Iterator[Statement]:
    release, node = scenario.version, cluster.nodes[number]
    git = ', GitTag:""' if release < (1, 27, 0) else ""
    crypto = ', CryptoProvider:"tls-ring"' if release >= (1, 27, 0) else ""
    name = scenario.release
    yield Statement(
        "ztunnel",
        f'version: version.BuildInfo{{Version:"{name}", GitRevision:"unknown", RustVersion:"1.85.1", '
        f'BuildProfile:"release", BuildStatus:"Clean"{git}, IstioVersion:"{name}"{crypto}}}',
    )
    yield Statement("ztunnel", f"running with config: {_config(release, node.name, node.cluster, node.network)}")
    yield Statement("hyper_util", "listener established", (("address", "[::]:15021"), ("component", "readiness")),
                    shown=("address",))  # fmt: skip
    in_pod = "shared proxy mode - in-pod mode enabled" if release >= (1, 24, 0) else "in-pod mode enabled"
    yield Statement("app", in_pod)
    yield Statement("readiness", "Task 'proxy' complete (5.562332ms), still awaiting 2 tasks")
    yield Statement("xds::client", "Stream established", spans=(("xds", (("id", "1"),)),))
    yield Statement("inpod::workloadmanager", "handling new stream")
    meshed = {Role.APP, Role.GUARDED, Role.CLOSED, Role.FAR, Role.PROBER}
    for place, pod in enumerate(cluster.pods):
        if pod.node != number or pod.role not in meshed:
            continue
        uid = f"00000000-0000-4000-8000-{number:04x}{place:08x}"
        if release >= (1, 23, 0):
            said = (("uid", uid), ("name", pod.name), ("namespace", pod.namespace))
            yield Statement("inpod::statemanager", "pod received, starting proxy", said)
        else:
            yield Statement("inpod::statemanager", f'pod WorkloadUid("{uid}") received netns, starting proxy')
        for module, port, component in (
            ("proxy::inbound", 15008, "inbound"), ("proxy::inbound_passthrough", 15006, "inbound plaintext"),
            ("proxy::outbound", 15001, "outbound"),
        ):  # fmt: skip
            fields = (("address", f"[::]:{port}"), ("component", component), ("transparent", True))
            yield Statement(module, "listener established", fields, shown=("address",))
    snapshot = "received snapshot sent" if release >= (1, 23, 0) else "pod received snapshot sent"
    yield Statement("inpod::statemanager", snapshot)
    yield Statement("readiness", "Task 'workload proxy manager' complete (20.029708ms), marking server ready")


def _config(release: Release, node: str, cluster: str, network: str) -> str:
    """The YAML of the start-up block: the keys a reader may care for, in ztunnel's order."""
    return (
        "proxy: true\ndnsProxy: true\nwindowSize: 4194304\npoolMaxStreamsPerConn: 100\npoolUnusedReleaseTimeout:\n"
        "  secs: 300\n  nanos: 0\nsocks5Addr: null\nadminAddr: !Localhost\n- true\n- 15000\n"
        "inboundAddr: '[::]:15008'\ninboundPlaintextAddr: '[::]:15006'\noutboundAddr: '[::]:15001'\n"
        f"network: '{network}'\nlocalNode: {node}\nproxyMode: Shared\n"
        + ("proxyWorkloadInformation: null\n" if release >= (1, 23, 0) else "localIp: 172.18.0.11\n")
        + f"clusterId: {cluster}\nclusterDomain: cluster.local\n"
        "caAddress: https://istiod.istio-system.svc:15012\nxdsAddress: https://istiod.istio-system.svc:15012\n"
        "proxyMetadata: {}\nnumWorkerThreads: 2\ninpodUds: /var/run/ztunnel/ztunnel.sock\n"
    )


def _chatter(release: Release, rng: np.random.Generator) -> Statement:
    """A line of every day."""
    span = (("xds", (("id", str(int(rng.integers(1, 40)))),)),)
    what = int(rng.integers(0, 4))
    if what == 0:
        return Statement("xds::client", "Stream established", spans=span)
    if what == 1:
        name = str(rng.choice(["secure/only-web", "secure/no-prober", "closed/nothing"]))
        return Statement("xds", f"handling RBAC update {name}")
    if what == 2 and release < (1, 30, 0):
        said = (
            ("type_url", "type.googleapis.com/istio.workload.Address"),
            ("size", int(rng.integers(1, 60))),
            ("removes", 0),
        )
        return Statement("xds::client", "received response", said, spans=span)
    text = "XDS client connection error: gRPC connection error:status: Unavailable, retrying in 15s"
    return Statement("xds::client", text, spans=span, level="warn")
