"""What waypoints say of requests in their own logs: who asked whom through them, and what came of it.

Every sum is over lines of the waypoint's log, so it is exact, whether a line is joined to a connection or not. Clients
and servers are known by their addresses in it. Which connection carried a request is another question: how many are
decided is counted in each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RequestSums:
    """Sums over lines of waypoints' logs.

    Attributes:
        requests: Requests.
        tcp: Connections of plain TCP.
        received: Bytes of bodies client → waypoint; of plain TCP all bytes.
        sent: The other way.
        codes: Response code → requests; 0 where there was none.
        refused: Requests and connections the waypoint refused.
        failed: Those to which it got no whole answer from a server.
        gave_up: Those whose client broke off.
        own_answers: Those it answered by itself.
        untold: Those of which nothing in the log tells who answered.
        joined: Those whose connection in ztunnel's log is decided.
        maybe: Those that may be of several connections.
        stray: Those in no connection of ztunnel's log. The three are None where nothing was joined.
        measured: Requests that a server answered; the times are theirs.
        p50_ms: Median time from a request's first byte to its answer's last, at the waypoint; None without any.
        p90_ms: 90th percentile; all are of nearest rank.
        p99_ms: 99th percentile.
        max_ms: Longest.
        server_p50_ms: Median of the time until the server's answer began, which Envoy calls upstream service time.
        server_p99_ms: 99th percentile.
        first_seen: When the first began.
        last_seen: When the last ended.
    """

    requests: int
    tcp: int
    received: int
    sent: int
    codes: Mapping[int, int]
    refused: int
    failed: int
    gave_up: int
    own_answers: int
    untold: int
    joined: int | None
    maybe: int | None
    stray: int | None
    measured: int
    p50_ms: int | None
    p90_ms: int | None
    p99_ms: int | None
    max_ms: int | None
    server_p50_ms: int | None
    server_p99_ms: int | None
    first_seen: datetime | None
    last_seen: datetime | None

    @property
    def lines(self) -> int:
        """Requests and connections of plain TCP."""
        return self.requests + self.tcp

    def coded(self, hundreds: int) -> int:
        """Requests with a code of that hundred: 5 for 500 to 599."""
        return sum(count for code, count in self.codes.items() if code // 100 == hundreds)


@dataclass(frozen=True, slots=True)
class RequestPair:
    """Requests of a client to a server through a waypoint.

    Attributes:
        source: The client's workload, or its address.
        waypoint: The waypoint's workload; None where it is not clear whose log it is.
        service: The service asked for.
        target: The server's workload, or its address; None where the waypoint asked none.
        port: The server's port.
        sums: Sums.
    """

    source: str
    waypoint: str | None
    service: str
    target: str | None
    port: int | None
    sums: RequestSums


@dataclass(frozen=True, slots=True)
class RequestServer:
    """Requests a waypoint sent to one server, and its connections to it in ztunnel's log.

    Attributes:
        waypoint: As in `RequestPair`.
        target: The server's workload, or its address.
        pod: Its pod; None where it is not known.
        port: Its port.
        sums: Sums.
        hops: Connections of the waypoint to it that ztunnel's log has, each for many requests perhaps.
        hops_refused: Of these, denied or failed by ztunnel's word.
    """

    waypoint: str | None
    target: str
    pod: str | None
    port: int | None
    sums: RequestSums
    hops: int
    hops_refused: int


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests a waypoint refused, for one reason.

    Attributes:
        source: As in `RequestPair`.
        waypoint: Likewise.
        service: Likewise.
        code: The code it answered with.
        by: What refused them: `policy`, `token`, `external authorizer`, `rate limit`, `header`.
        policy: The policy, `namespace/name`, where one is named.
        why: What else is known, as a phrase.
        requests: How many.
        servers_own: Answers with that code that the same client got of the service's servers themselves.
        last_seen: When the last was refused.
    """

    source: str
    waypoint: str | None
    service: str
    code: int | None
    by: str
    policy: str | None
    why: str | None
    requests: int
    servers_own: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class FailedRequests:
    """Requests that failed, in the waypoint's words.

    Attributes:
        waypoint: As in `RequestPair`.
        service: Likewise.
        target: Likewise.
        port: Likewise.
        outcome: `failed`, `gave_up`, or `answered` for a server's own answer of 500 and above.
        code: The code; None or 0 for none.
        flags: Envoy's response flags.
        meaning: What they mean.
        details: Envoy's response code details.
        clients: Whose they were: workloads, or addresses.
        requests: How many.
        first_seen: When the first began.
        last_seen: When the last ended.
    """

    waypoint: str | None
    service: str
    target: str | None
    port: int | None
    outcome: str
    code: int | None
    flags: str | None
    meaning: str
    details: str | None
    clients: tuple[str, ...]
    requests: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class WaypointLog:
    """One waypoint's log.

    Attributes:
        file: The input.
        pod: The pod that wrote it, where that is told.
        waypoint: As in `RequestPair`.
        sums: Sums.
    """

    file: str
    pod: str | None
    waypoint: str | None
    sums: RequestSums


@dataclass(frozen=True, slots=True)
class Requests:
    """What the logs of waypoints say.

    Attributes:
        total: Sums of all.
        pairs: Client, waypoint, service and server; each request is in one row.
        servers: Waypoint and server; each request that was sent on is in one row.
        refused: What the waypoints refused.
        failed: What failed.
        logs: The logs; each request is in one row.
        left_out: Requests of clients and services without a connection among those chosen by filters.
        unexplained: Connections that no request explains, where they are so many that a log must lack lines; else 0.
        unnamed: Requests whose client is not told apart any more, for there were too many different ones.
    """

    total: RequestSums
    pairs: tuple[RequestPair, ...]
    servers: tuple[RequestServer, ...]
    refused: tuple[RefusedRequests, ...]
    failed: tuple[FailedRequests, ...]
    logs: tuple[WaypointLog, ...]
    left_out: int
    unexplained: int
    unnamed: int
