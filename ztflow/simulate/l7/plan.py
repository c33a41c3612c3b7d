"""The requests of each connection to a waypoint: when, how big, and how they end; drawn before anything is timed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.simulate.cluster import NO_NODE, Cluster
from ztflow.simulate.kinds import Kind
from ztflow.simulate.l7.settings import Http
from ztflow.simulate.scenario import Scenario
from ztflow.simulate.traffic import Connections


class End(IntEnum):
    """How a request ends."""

    GOOD = 0
    REFUSED = 1
    MISSING = 2
    BROKEN = 3
    UNAVAILABLE = 4
    RESET = 5
    LATE = 6
    ABORTED = 7
    TCP = 8
    """No request: a connection of plain TCP."""


BY_ITSELF = (End.REFUSED, End.UNAVAILABLE)
"""Ends of requests that the waypoint answers without a server; it counts nothing of what the client sent."""
NO_SERVICE_TIME = (*BY_ITSELF, End.RESET, End.LATE, End.TCP)

_BODY = {End.REFUSED: 19, End.UNAVAILABLE: 19, End.RESET: 95, End.LATE: 24}
"""Bytes of the waypoint's own answers."""
_STATUS_LINE = {End.REFUSED: -3, End.MISSING: 6, End.BROKEN: 18, End.UNAVAILABLE: 16, End.RESET: 16, End.LATE: 12}
"""Bytes an answer's head is longer than a good one's."""
_REQUEST_HEAD, _LENGTH_HEAD = 118, 18
_ANSWER_HEAD, _SERVICE_HEAD = 104, 30
"""Bytes of the captured clients' heads beside the path, and of the answers' beside what the line tells."""
ADDED, SERVER_HEAD = 88, 68
"""Bytes the waypoint adds to a request's head, and of the answer's head before it adds any; both of captured runs."""
_FRAME, _FRAME_HOLDS = 9, 16_384
_PREFACE_UP, _PREFACE_DOWN = 24 + 9 + 18 + 13, 9 + 18 + 9 + 13
_FIRST_UP, _FIRST_DOWN, _LATER_UP, _LATER_DOWN = 70, 60, 14, 22
"""HTTP/2: the beginning of a connection (RFC 9113, 3.4), and heads as HPACK (RFC 7541) shortens them from then on."""


@dataclass(slots=True)
class Requests:
    """Requests, connection by connection and in order of their start; a connection of plain TCP is one.

    Attributes:
        connection: Place of the client's connection.
        nth: Which of that connection, from 0.
        offset: Seconds after the waypoint has the connection.
        takes: Seconds until the waypoint is done with it.
        served: Of these, how many the server takes.
        end: Place in `End`.
        post: Whether it has a body.
        number: What its path ends with.
        received: Bytes of the body that came.
        sent: Bytes of the body that went back.
        head_up: Bytes of the head that came.
        head_down: Bytes of the head that went back.
        http2: Whether the client speaks HTTP/2.
        retried: Whether it took a second attempt.
    """

    connection: IntArray
    nth: IntArray
    offset: FloatArray
    takes: FloatArray
    served: FloatArray
    end: IntArray
    post: BoolArray
    number: IntArray
    received: IntArray
    sent: IntArray
    head_up: IntArray
    head_down: IntArray
    http2: BoolArray
    retried: BoolArray

    def of(self, *ends: End) -> BoolArray:
        """Which requests end so."""
        return np.isin(self.end, [int(one) for one in ends])


def path_of(number: int, *, refused: bool) -> str:
    """The path of a request."""
    return f"/admin/{number}" if refused else f"/items/{number}"


def plan_requests(
    scenario: Scenario, http: Http, cluster: Cluster, made: Connections, rng: np.random.Generator
) -> Requests:
    """Draw the requests, and give their connections the life and the bytes that makes.

    Cost: some 2 µs a request.
    """
    rows = np.flatnonzero((made.via != NO_NODE) & ~made.of(Kind.DOUBLE_HBONE))
    count = len(rows)
    behind = [number for number, service in enumerate(cluster.services) if service.waypoint != NO_NODE]
    tcp = np.isin(made.service[rows], behind[len(behind) - http.tcp_services :])
    kept = (rng.random(count) < http.kept) & ~tcp & (http.most > 1)
    many = np.where(kept, rng.integers(2, max(http.most, 2) + 1, count), 1)
    place = np.repeat(np.arange(count), many)
    first = np.cumsum(many) - many
    total = len(place)
    nth = np.arange(total) - first[place]
    last = nth == many[place] - 1
    http2 = ((rng.random(len(cluster.pods)) < http.http2)[made.client[rows]] & ~tcp)[place]
    end = _ends(http, tcp[place], last & (rng.random(count) < http.aborted)[place], rng)

    def drawn(median: float, spread: float, size: int) -> FloatArray:
        return median * np.exp(rng.standard_normal(size) * spread)

    served = drawn(http.served, http.served_spread, total)
    served = np.where(np.isin(end, BY_ITSELF), 0.0, np.where(end == End.LATE, http.timeout, served))
    takes = served + rng.exponential(0.0005, total)
    retried = (end == End.GOOD) & (rng.random(total) < http.retried)
    takes += np.where(retried, rng.exponential(0.004, total) + 0.025, 0.0)
    gap = np.where(nth == 0, drawn(http.first, http.first_spread, total),
                   drawn(http.apart, http.apart_spread, total))  # fmt: skip
    waits = np.where((nth == 0) | http2, 0.0, np.concatenate([[0.0], takes[:-1]]) if total else 0.0)
    steps = np.cumsum(gap + waits)
    offset = steps - (steps - gap - waits)[first[place]]
    post = (rng.random(total) < http.posts) & (end != End.TCP)
    received, sent = _bodies(scenario, http, made.service[rows][place], post, end, rng)
    requests = Requests(
        rows[place], nth, offset, takes, served, end, post, np.arange(total) + 1, received, sent,
        np.zeros(total, np.int64), np.zeros(total, np.int64), http2, retried,
    )  # fmt: skip
    _heads(requests, http, made, cluster, rng)
    if count:
        closes = drawn(http.closes, http.closes_spread, count)
        closes[kept & (rng.random(count) < http.idles)] += http.idle
        made.life[rows] = np.maximum.reduceat(offset + takes, first) + closes
        made.request[rows] = np.add.reduceat(received + requests.head_up, first)
        made.response[rows] = np.add.reduceat(sent + requests.head_down, first)
    return requests


def _ends(http: Http, tcp: BoolArray, aborted: BoolArray, rng: np.random.Generator) -> IntArray:
    shares = [http.refused, http.missing, http.broken, http.unavailable, http.reset, http.late]
    end = rng.choice(len(shares) + 1, len(tcp), p=[max(0.0, 1 - sum(shares)), *shares]).astype(np.int64)
    end[aborted] = End.ABORTED
    end[tcp] = End.TCP
    return end


def _bodies(
    scenario: Scenario, http: Http, service: IntArray, post: BoolArray, end: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Bytes of bodies, both ways: free, a few sizes a service, or one size."""
    total = len(end)
    free = np.exp(rng.standard_normal((2, total)) * 0.8) * 1500 * np.where(rng.random((2, total)) < http.big, 100, 1)
    usual = 700 + (service * 131 % 17) * 60 + rng.integers(0, 4, (2, total)) * 240
    equal = np.broadcast_to([[1000], [1400]], (2, total))
    mixed = np.where(rng.random((2, total)) < 0.5, usual, free)
    chosen = {"unique": free, "equal": equal, "mixed": mixed}[scenario.sizes]
    received, sent = (one.astype(np.int64) for one in chosen)
    received = np.where(post | (end == End.TCP), received, 0)
    for one, size in _BODY.items():
        sent[end == one] = size
    failed = np.isin(end, (End.MISSING, End.BROKEN))
    sent = np.where(failed, 35 + sent % 30, np.where(end == End.ABORTED, 8192, sent))
    return received, sent


def _heads(requests: Requests, http: Http, made: Connections, cluster: Cluster, rng: np.random.Generator) -> None:
    """Bytes of heads, both ways: what every client and server adds of its own, and what depends on the request."""
    total = len(requests.end)
    own = rng.integers(0, 300, (2, len(cluster.pods)))
    workloads = {pod.workload: number for number, pod in reversed(list(enumerate(cluster.pods)))}
    alike = np.array([workloads[pod.workload] for pod in cluster.pods])
    refused = requests.of(End.REFUSED)
    path = np.array([len(path_of(number, refused=no)) for number, no in
                     zip(requests.number.tolist(), refused.tolist(), strict=True)], np.int64)  # fmt: skip
    unseen = np.where(rng.random(total) < http.unseen, rng.integers(10, 60, total), 0)
    mine = own[0][alike[made.client[requests.connection]]]
    length = np.where(requests.post, _LENGTH_HEAD + _digits(requests.received), 0)
    up = _REQUEST_HEAD + mine + path + length + unseen
    theirs = own[1][alike[made.server[requests.connection]]]
    theirs = np.where(requests.of(*NO_SERVICE_TIME), 0, theirs + _SERVICE_HEAD + _digits(whole_ms(requests.served)))
    line = np.array([_STATUS_LINE.get(one, 0) for one in End])[requests.end]
    down = _ANSWER_HEAD + theirs + line + _digits(requests.sent)
    begins = requests.nth == 0
    frames_up = _FRAME * (1 + -(-requests.received // _FRAME_HOLDS))
    frames_down = _FRAME * (1 + -(-requests.sent // _FRAME_HOLDS))
    up2 = frames_up + path * 3 // 4 + np.where(begins, _PREFACE_UP + _FIRST_UP + mine * 3 // 4, _LATER_UP) + unseen
    down2 = frames_down + np.where(begins, _PREFACE_DOWN + _FIRST_DOWN + theirs * 3 // 4, _LATER_DOWN)
    tcp = requests.of(End.TCP)
    requests.head_up = np.where(tcp, 0, np.where(requests.http2, up2, up))
    requests.head_down = np.where(tcp, 0, np.where(requests.http2, down2, down))


def whole_ms(seconds: FloatArray) -> IntArray:
    """Whole milliseconds, as Envoy prints them."""
    return np.floor(seconds * 1000 + 1e-6).astype(np.int64)


def _digits(numbers: IntArray) -> IntArray:
    return np.floor(np.log10(np.maximum(numbers, 1))).astype(np.int64) + 1
