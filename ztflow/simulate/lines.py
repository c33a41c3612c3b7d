"""Every line the simulated ztunnels write, as columns: ztunnel, time, template, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.simulate.cluster import NO_NODE, Cluster
from ztflow.simulate.kinds import CODE, KINDS, WELL, Half, Kind
from ztflow.simulate.l7.waypoint import Waypoint
from ztflow.simulate.layout import OF_THEIR_OWN, Layout, Side, Speaker
from ztflow.simulate.scenario import Clocks, Scenario
from ztflow.simulate.startup import other_statements
from ztflow.simulate.templates import Template, Templates
from ztflow.simulate.timing import Course
from ztflow.simulate.traffic import Connections

MICROS = 1_000_000
_NO_HALF = -1


@dataclass(frozen=True, slots=True)
class NodeClocks:
    """How wrong each node's clock is: `offset` seconds at the beginning, and `drift` seconds a second."""

    offset: FloatArray
    drift: FloatArray

    @classmethod
    def draw(cls, clocks: Clocks, nodes: int, rng: np.random.Generator) -> NodeClocks:
        """The clocks of a scenario."""
        offset = rng.standard_normal(nodes) * clocks.offset
        given = clocks.offsets[:nodes]
        offset[: len(given)] = given
        return cls(offset, rng.standard_normal(nodes) * clocks.drift * 1e-6)

    def shown(self, node: IntArray, moment: FloatArray) -> FloatArray:
        """What the clocks of these nodes show at true moments."""
        return moment + self.offset[node] + self.drift[node] * moment


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines, one place each, in no order.

    Attributes:
        node: Whose ztunnel writes it.
        moment: True seconds since the beginning.
        time: Microseconds since 1970 by the node's clock.
        template: Place in `templates`.
        templates: Texts with holes.
        connection: Place of its connection, those a waypoint's pool made after all others; `NO_NODE` for other lines.
        side: Which line of the connection (`Side`).
        port: Source port.
        sent: Bytes sent.
        received: Bytes received.
        duration: Milliseconds, truncated.
    """

    node: IntArray
    moment: FloatArray
    time: IntArray
    template: IntArray
    templates: tuple[Template, ...]
    connection: IntArray
    side: IntArray
    port: IntArray
    sent: IntArray
    received: IntArray
    duration: IntArray

    @property
    def count(self) -> int:
        """How many."""
        return len(self.node)


def write_lines(
    scenario: Scenario, cluster: Cluster, made: Connections, course: Course, waypoint: Waypoint | None,
    clocks: NodeClocks, begin: int, rng: np.random.Generator,
) -> Lines:  # fmt: skip
    """The lines of a course of events, and what else the ztunnels say meanwhile.

    Args:
        scenario: For layout, release and wrapper.
        cluster: Who is where.
        made: The connections.
        course: What became of them.
        waypoint: What a waypoint that works on requests made of some.
        clocks: What time the nodes believe it is.
        begin: Microseconds since 1970 at which the scenario begins.
        rng: For the other lines.

    Cost: about 2 µs a line, and 50 µs for each text that differs in more than its numbers.
    """
    templates = Templates(scenario, Layout(scenario, cluster))
    halves, half_of = _halves(made, course, waypoint)
    sides = [
        _side(side, cluster, made, course, half_of[side], templates, halves)
        for side in Side
        if (half_of[side] != _NO_HALF).any()
    ]  # fmt: skip
    if waypoint is not None:
        sides.append(_pooled(cluster, made, waypoint, templates, rng))
    ends = [float(course.outbound_end.max(initial=0.0)), float(course.inbound_end.max(initial=0.0)), scenario.duration]
    sides.append(_others(scenario, cluster, templates, max(ends), rng))
    every: list[Template] = []
    columns: list[dict[str, npt.NDArray[np.generic]]] = []
    for part, texts in sides:
        columns.append({**part, "template": part["template"] + len(every)})
        every += texts
    joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    shown = clocks.shown(joined["node"], joined["moment"])
    time = begin + np.floor(shown * MICROS).astype(np.int64)
    return Lines(time=time, templates=tuple(every), **joined)


def _halves(
    made: Connections, course: Course, waypoint: Waypoint | None
) -> tuple[tuple[Half, ...], dict[Side, IntArray]]:
    """Every half that can be written, and for each side which one a connection has."""
    halves: list[Half] = [WELL]
    table = np.full((len(Side), len(course.endings)), _NO_HALF)
    for place, ending in enumerate(course.endings):
        for side, half in ((Side.OUTBOUND, ending.outbound), (Side.INBOUND, ending.inbound)):
            if half is not None:
                if half not in halves:
                    halves.append(half)
                table[side, place] = halves.index(half)
    half_of = {side: table[side][course.ending] for side in Side}
    # A waypoint writes no line itself; what arrives at the pod behind it is a connection of the waypoint's own.
    through = (made.via != NO_NODE) & ~made.of(Kind.DOUBLE_HBONE)
    half_of[Side.HOP] = np.where(through & (half_of[Side.OUTBOUND] == 0), 0, _NO_HALF)
    half_of[Side.INBOUND] = np.where(through, _NO_HALF, half_of[Side.INBOUND])
    if waypoint is not None:
        half_of[Side.HOP][waypoint.requests.connection] = _NO_HALF
    return tuple(halves), half_of


def _side(
    side: Side, cluster: Cluster, made: Connections, course: Course, half: IntArray, templates: Templates,
    halves: Sequence[Half],
) -> tuple[dict[str, npt.NDArray[np.generic]], list[Template]]:  # fmt: skip
    """The lines of one side of all connections."""
    rows = np.flatnonzero(half != _NO_HALF)
    outbound = side is Side.OUTBOUND
    pods = np.array([pod.node for pod in cluster.pods])
    writer = pods[(made.client if outbound else made.server)[rows]]
    start, end = (
        (course.outbound_start, course.outbound_end) if outbound else (course.inbound_start, course.inbound_end)
    )
    form = np.array([CODE[kind if kind in OF_THEIR_OWN else Kind.PLAIN] for kind in KINDS])
    key = np.stack(
        [form[made.kind], made.client, made.server, made.via, made.service, made.port, made.ipv6, made.other, half]
    )[:, rows]
    first, template = _distinct(key)
    texts = []
    for row in rows[first].tolist():
        speaker = speaker_of(made, row, side, halves[half[row]])
        home = int(pods[speaker.client if outbound else speaker.server])
        texts.append(templates.access(speaker, cluster.nodes[home]))
    # The small constant keeps 2 ms from being 1.9999999 ms after a subtraction of large floats.
    duration = np.floor((end - start)[rows] * 1000 + 1e-6).astype(np.int64)
    columns: dict[str, npt.NDArray[np.generic]] = {
        "node": writer,
        "moment": end[rows],
        "template": template,
        "connection": rows,
        "side": np.full(len(rows), int(side)),
        "port": (course.client_port if outbound else course.tunnel_port)[rows],
        "sent": (course.sent if outbound else course.answered)[rows],
        "received": (course.received if outbound else course.asked)[rows],
        "duration": np.maximum(duration, 0),
    }
    return columns, texts


def _pooled(
    cluster: Cluster, made: Connections, waypoint: Waypoint, templates: Templates, rng: np.random.Generator
) -> tuple[dict[str, npt.NDArray[np.generic]], list[Template]]:
    """The lines of a waypoint's connections to servers."""
    hops = waypoint.hops
    count = len(hops.server)
    target = {pod: service.target for service in cluster.services for pod in service.pods}
    pods = np.array([pod.node for pod in cluster.pods])
    first, template = _distinct(np.stack([hops.server, waypoint.hop_half]))
    texts = []
    for hop in first.tolist():
        server = int(hops.server[hop])
        speaker = Speaker(
            Side.POOLED, Kind.WAYPOINT, waypoint.pod, server, waypoint.pod, NO_NODE, target[server], target[server],
            False, NO_NODE, waypoint.halves[waypoint.hop_half[hop]],
        )  # fmt: skip
        texts.append(templates.access(speaker, cluster.nodes[pods[server]]))
    seen = hops.closed + rng.exponential(_SEEN, count)
    columns: dict[str, npt.NDArray[np.generic]] = {
        "node": pods[hops.server],
        "moment": seen,
        "template": template,
        "connection": made.count + np.arange(count),
        "side": np.full(count, int(Side.POOLED)),
        "port": waypoint.hop_port,
        "sent": waypoint.hop_down,
        "received": waypoint.hop_up,
        "duration": np.floor((seen - hops.opened) * 1000).astype(np.int64),
    }
    return columns, texts


_SEEN = 0.0003
"""Mean seconds until a server's ztunnel sees that a waypoint closed a connection."""


def _distinct(key: IntArray) -> tuple[IntArray, IntArray]:
    """The first place of every distinct column of a table, and for each column which of them it is."""
    code = np.zeros(key.shape[1], dtype=np.int64)
    first = np.zeros(0, dtype=np.int64)
    for values in key:
        # Numbers are made dense after each row, so that the product never overflows.
        _, dense = np.unique(values, return_inverse=True)
        _, first, code = np.unique(code * (int(dense.max(initial=0)) + 1) + dense, return_index=True,
                                   return_inverse=True)  # fmt: skip
    return first, code


def speaker_of(made: Connections, row: int, side: Side, half: Half) -> Speaker:
    """What decides the text of one line."""
    return Speaker(
        side, KINDS[made.kind[row]], int(made.client[row]), int(made.server[row]), int(made.via[row]),
        int(made.service[row]), int(made.port[row]), int(made.asked_port[row]), bool(made.ipv6[row]),
        int(made.other[row]), half,
    )  # fmt: skip


def _others(
    scenario: Scenario, cluster: Cluster, templates: Templates, until: float, rng: np.random.Generator
) -> tuple[dict[str, npt.NDArray[np.generic]], list[Template]]:
    """Lines that are not access lines."""
    said = list(other_statements(scenario, cluster, until, rng))
    count = len(said)
    nothing = np.zeros(count, dtype=np.int64)
    columns: dict[str, npt.NDArray[np.generic]] = {
        "node": np.array([node for node, _, _ in said], dtype=np.int64),
        "moment": np.array([moment for _, moment, _ in said], dtype=float),
        "template": np.arange(count),
        "connection": np.full(count, NO_NODE),
        "side": np.full(count, NO_NODE),
    } | dict.fromkeys(("port", "sent", "received", "duration"), nothing)
    return columns, [templates.other(statement, cluster.nodes[node]) for node, _, statement in said]
