"""What goes over the connections to a waypoint, and how it treats them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ztflow.errors import UsageError

ENVOYS: Final = ("1.36", "1.39", "1.40")
"""Releases that end their connections in words of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Http:
    """HTTP through a waypoint. Times are seconds; log-normal ones are given by median and spread of the logarithm.

    Medians, spreads and shares are near those of captured runs with a real Envoy (1.39.3), unless said otherwise.

    Attributes:
        envoy: Release of the waypoint's Envoy.
        tcp_services: How many of the services with a waypoint speak plain TCP; their connections are not pooled.
        kept: Share of the other connections that carry more than one request.
        most: Most requests of a connection.
        http2: Share of clients that speak HTTP/2, with requests that overlap; none did in the captured runs.
        upstream_http2: Share of servers that the waypoint speaks HTTP/2 to; none in the captured runs.
        first: Median time from when the waypoint has a connection to its first request.
        first_spread: Its spread.
        apart: Median time from an answer to the next request.
        apart_spread: Its spread.
        served: Median time a server takes.
        served_spread: Its spread.
        closes: Median time from the last answer until the client closes.
        closes_spread: Its spread.
        idles: Share of kept connections that the client leaves open instead, for its idle time-out.
        idle: That time-out.
        posts: Share of requests with a body.
        big: Share of bodies a hundred times as big.
        unseen: Share of requests with a header now and then that no line tells of; not seen in captured runs.
        refused: Share of requests refused by a policy at L7.
        missing: Share answered 404.
        broken: Share answered 500.
        unavailable: Share for which the waypoint finds no healthy server (503 UH).
        reset: Share whose server connection ends before the answer (503 UC).
        late: Share that run into the route's time-out (504 UT).
        timeout: That time-out.
        retried: Share whose first attempt fails and whose second succeeds.
        aborted: Share of connections whose client goes away in the midst of the last answer (DC).
        pool_idle: Seconds after which the waypoint closes an unused connection to a server; Envoy's default is 3,600.
        pool_requests: Requests after which it closes one; 0 for no limit.
    """

    envoy: str = "1.39"
    tcp_services: int = 0
    kept: float = 0.46
    most: int = 8
    http2: float = 0.0
    upstream_http2: float = 0.0
    first: float = 0.0009
    first_spread: float = 1.2
    apart: float = 0.03
    apart_spread: float = 1.6
    served: float = 0.02
    served_spread: float = 1.1
    closes: float = 0.0016
    closes_spread: float = 0.6
    idles: float = 0.05
    idle: float = 2.0
    posts: float = 0.64
    big: float = 0.03
    unseen: float = 0.005
    refused: float = 0.04
    missing: float = 0.035
    broken: float = 0.02
    unavailable: float = 0.002
    reset: float = 0.01
    late: float = 0.002
    timeout: float = 0.5
    retried: float = 0.01
    aborted: float = 0.04
    pool_idle: float = 10.0
    pool_requests: int = 0

    def __post_init__(self) -> None:
        if self.envoy not in ENVOYS:
            raise UsageError(f"envoy must be one of {', '.join(ENVOYS)}")
        shares = ("kept", "http2", "upstream_http2", "idles", "posts", "big", "unseen", "refused", "missing",
                  "broken", "unavailable", "reset", "late", "retried", "aborted")  # fmt: skip
        for name in self.__slots__:
            value = getattr(self, name)
            if name in shares and not 0 <= value <= 1:
                raise UsageError(f"{name} must be between 0 and 1")
            if name != "envoy" and value < 0:
                raise UsageError(f"{name} cannot be negative")
        if self.most < 1 or self.pool_idle <= 0:
            raise UsageError("a connection carries at least one request, and a pool keeps it for some time")
        if self.refused + self.missing + self.broken + self.unavailable + self.reset + self.late > 1:
            raise UsageError("the shares of answers that are not good exceed the whole")
