"""What a waypoint made of its requests: true times, servers, its connections to them, and the lines it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.simulate.cluster import Cluster
from ztflow.simulate.kinds import DISCONNECTED, WELL, Half
from ztflow.simulate.l7.plan import ADDED, BY_ITSELF, SERVER_HEAD, End, Requests
from ztflow.simulate.l7.pool import Hops, pooled
from ztflow.simulate.l7.settings import Http
from ztflow.simulate.scenario import Scenario
from ztflow.simulate.timing import Course
from ztflow.simulate.traffic import Connections
from ztflow.simulate.tunnels import assign_tunnels, tunnel_ports

_STOPS_AFTER: Final = 1.0
"""Seconds after the last request at which the waypoint is stopped, and closes its connections."""

_RESET: Final = Half("send: io error: stream error received: unexpected internal error encountered")
_ABORT: Final = {
    "1.36": Half(DISCONNECTED),
    "1.39": Half("while closing connection: receive: io error: protocol error: unexpected internal error encountered"),
    "1.40": _RESET,
}
_CLOSES: Final = {"1.36": WELL, "1.39": WELL, "1.40": _RESET}
"""How the line of a connection to a server ends that Envoy cut, and that it closed; seen in captured runs."""


@dataclass(slots=True)
class Waypoint:
    """The waypoint's side of a capture.

    Attributes:
        pod: Its pod.
        requests: What came.
        start: True seconds since the beginning at which each request came.
        server: Pod that answered, or was to.
        hops: Its connections to servers.
        hop: For each request the one that answered; -1 for none.
        first_hop: For each request the one of its first attempt; -1 for none.
        hop_up: Bytes each of them carried to the server.
        hop_down: And back.
        hop_port: Port of its tunnel at the server.
        remote_port: For each request the port of the client's tunnel.
        halves: How hops' lines end.
        hop_half: Which of these for each.
    """

    pod: int
    requests: Requests
    start: FloatArray
    server: IntArray
    hops: Hops
    hop: IntArray
    first_hop: IntArray
    hop_up: IntArray
    hop_down: IntArray
    hop_port: IntArray
    remote_port: IntArray
    halves: tuple[Half, Half]
    hop_half: IntArray

    @property
    def end(self) -> FloatArray:
        """True seconds since the beginning at which it was done with each request."""
        return self.start + self.requests.takes


def run_waypoint(
    scenario: Scenario, http: Http, cluster: Cluster, made: Connections, course: Course, requests: Requests,
    rng: np.random.Generator,
) -> Waypoint:  # fmt: skip
    """Carry the requests to servers.

    Cost: some 6 µs a request.
    """
    start = course.inbound_start[requests.connection] + requests.offset
    end = start + requests.takes
    members = [np.array(service.pods) for service in cluster.services]
    service = made.service[requests.connection]
    server = made.server[requests.connection].copy()
    # A client's connection is asked for by service: each of its requests may go to another pod.
    for number in np.unique(service).tolist():
        some = np.flatnonzero((service == number) & ~requests.of(End.TCP))
        server[some] = rng.choice(members[number], len(some))
    goes = np.flatnonzero(~requests.of(*BY_ITSELF))
    again = np.flatnonzero(requests.retried)
    over_http2 = rng.random(len(cluster.pods)) < http.upstream_http2
    attempt = np.concatenate([again, goes])
    begins, ends = start[attempt], end[attempt]
    fails = np.arange(len(attempt)) < len(again)
    ends[fails] = begins[fails] + 0.5 * (requests.takes - requests.served)[again]
    second = requests.retried[attempt] & ~fails
    begins[second] += 0.5 * (requests.takes - requests.served)[attempt[second]]
    many = over_http2[server[attempt]]
    cuts = (fails | requests.of(End.ABORTED, End.RESET)[attempt]) & ~many
    until = float(end.max(initial=0.0)) + _STOPS_AFTER
    hops = pooled(http, server[attempt], many, begins, ends, requests.of(End.TCP)[attempt], cuts, until)
    hop, first = np.full(len(start), -1), np.full(len(start), -1)
    hop[goes] = hops.of[len(again) :]
    first[goes] = hop[goes]
    first[again] = hops.of[: len(again)]
    up, down = _carried(requests, attempt, fails, hops)
    tunnel = assign_tunnels(hops.server, hops.opened, hops.closed, scenario.stream_limit, scenario.tunnel_idle)
    pod = int(made.via[requests.connection[0]]) if len(start) else -1
    aborted = np.zeros(len(hops.server), np.int64)
    aborted[hop[requests.of(End.ABORTED)]] = 1
    return Waypoint(
        pod, requests, start, server, hops, hop, first, up, down,
        tunnel_ports(tunnel, np.full(len(tunnel), pod), hops.opened, rng),
        _remote_ports(scenario, made, course, requests, rng),
        (_CLOSES[http.envoy], _ABORT[http.envoy]), aborted * hops.cut,
    )  # fmt: skip


def _carried(requests: Requests, attempt: IntArray, fails: BoolArray, hops: Hops) -> tuple[IntArray, IntArray]:
    """Bytes of each connection to a server: bodies, and heads as the waypoint writes and reads them."""
    tcp = requests.of(End.TCP)
    up = requests.received + np.where(tcp, 0, requests.head_up + ADDED)
    down = requests.sent + np.where(tcp, 0, SERVER_HEAD)
    down = np.where(requests.of(End.RESET, End.LATE), 0, down)
    count = len(hops.server)
    sums = (
        np.bincount(hops.of, weights, minlength=count).astype(np.int64)
        for weights in (up[attempt], np.where(fails, 0, down[attempt]))
    )
    one, other = sums
    return one, other


def _remote_ports(
    scenario: Scenario, made: Connections, course: Course, requests: Requests, rng: np.random.Generator
) -> IntArray:
    """For each request, the port of the tunnel from its client's node."""
    rows = np.unique(requests.connection)
    tunnel = assign_tunnels(
        made.client[rows] * 2 + made.ipv6[rows], course.inbound_start[rows], course.outbound_end[rows],
        scenario.stream_limit, scenario.tunnel_idle,
    )  # fmt: skip
    ports = tunnel_ports(tunnel, made.client[rows], course.inbound_start[rows], rng)
    return ports[np.searchsorted(rows, requests.connection)]
