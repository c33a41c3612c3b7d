"""What to simulate: the cluster, the traffic, the delays, the clocks and what goes wrong with the logs.

Everything is frozen; `dataclasses.replace` makes variants. Times are seconds, sizes bytes, shares between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeAlias, get_args

from ztflow.errors import UsageError
from ztflow.parse.render import Format, release_tuple
from ztflow.simulate.kinds import SINCE, Kind, Release
from ztflow.simulate.l7.settings import Http

Wrapper: TypeAlias = Literal["files", "cri", "stern", "stern-json", "kubectl-prefix"]
"""How lines are wrapped: bare or with the container runtime's prefix in one file per ztunnel, or one merged file."""

Sizes: TypeAlias = Literal["unique", "mixed", "equal"]

LOG_WRAPPERS: tuple[Wrapper, ...] = get_args(Wrapper)
SIZES: tuple[Sizes, ...] = get_args(Sizes)
LOG_FORMATS: tuple[Format, ...] = get_args(Format)

Mix: TypeAlias = tuple[tuple[Kind, float], ...]
"""Kinds and their share of the connections, relative to each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The cluster.

    Attributes:
        nodes: Nodes, each with one ztunnel. With two networks the last third of them is the second one.
        zones: Zones the nodes are spread over.
        apps: Services that any client may call, beside the few that policies guard.
        replicas: Pods of each.
        waypoint_services: How many of those services have a waypoint.
        networks: 1 or 2; the second is another cluster, reached through an east-west gateway (double HBONE).
        ipv6: Share of connections over IPv6.
    """

    nodes: int = 3
    zones: int = 2
    apps: int = 4
    replicas: int = 2
    waypoint_services: int = 0
    networks: int = 1
    ipv6: float = 0.0

    def __post_init__(self) -> None:
        _check(1 <= self.nodes <= 250, "between 1 and 250 nodes")
        _check(1 <= self.zones <= 26, "between 1 and 26 zones")
        _check(self.apps >= 1 and 1 <= self.replicas <= 5000, "at least one service with at least one pod")
        _check(0 <= self.waypoint_services <= self.apps, "waypoint_services cannot exceed apps")
        _check(self.networks in {1, 2} and self.nodes >= 2 * self.networks - 1, "one network, or two and three nodes")
        _check_share(self.ipv6, "ipv6")


@dataclass(frozen=True, kw_only=True, slots=True)
class Delays:
    """What makes the two halves of a connection differ.

    The defaults are fitted to captured runs: `benchmarks/fit_delays.py`.

    A node reads what has come in one go, handles it task by task, and is away now and then, more often under load. That
    gives delays that grow with the load and that neighbours in time share, and ends in another order than they came.
    Log-normal delays are given by their median and the standard deviation of their logarithm.

    Attributes:
        same_node: Median way between two ends on one node.
        cross_node: Median way between nodes.
        way_spread: Spread of both.
        setup: Median time a CONNECT takes on a tunnel that is there.
        setup_spread: Its spread.
        handshake: Median time to open a tunnel.
        handshake_spread: Its spread.
        wake: Median time until a node that has nothing to do notices that something came.
        wake_spread: Its spread.
        reading: Median time from reading a batch of starts or ends to the first of them.
        reading_spread: Its spread.
        work: Mean time from one of a batch to the next.
        settle: Median time to the next after one that was woken last and runs first.
        settle_spread: Its spread.
        last_first: Share of batches of two or more whose last runs first; the others run in order.
        stolen: Share of a batch's tasks after which another thread takes the older half of what waits.
        stirred: Share of the work that is put off.
        stir: Mean time by which it is.
        pauses: How often an idle node is away, a second.
        pause: Median time it is away.
        pause_spread: Its spread.
        crowding: Share of starts and ends after which a crowded node is away.
        calm: How many others within 5 ms before or after a node bears without that.
        crowd: How many more make it half as likely as it can get.
        application_crowding: As `crowding`, for the applications' own loops, which end many connections at once.
        application_pause: As `pause`, for them.
    """

    same_node: float = 0.000015
    cross_node: float = 0.00006
    way_spread: float = 0.6
    setup: float = 0.00035
    setup_spread: float = 0.5
    handshake: float = 0.0028
    handshake_spread: float = 0.35
    wake: float = 0.00009
    wake_spread: float = 0.6
    reading: float = 0.000025
    reading_spread: float = 0.3
    work: float = 0.000017
    settle: float = 0.00004
    settle_spread: float = 0.6
    last_first: float = 0.65
    stolen: float = 0.025
    stirred: float = 0.015
    stir: float = 0.0003
    pauses: float = 3.0
    pause: float = 0.0014
    pause_spread: float = 0.5
    crowding: float = 0.35
    calm: float = 10.0
    crowd: float = 25.0
    application_crowding: float = 0.8
    application_pause: float = 0.005

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _check(getattr(self, name) >= 0, f"{name} cannot be negative")
        for name in ("last_first", "stolen", "stirred"):
            _check_share(getattr(self, name), name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clocks:
    """How wrong the nodes' clocks are.

    Attributes:
        offset: Standard deviation of a node's offset, seconds.
        drift: Standard deviation of a node's drift, millionths.
        offsets: Offsets of the first nodes, instead of random ones.
        waypoint: Seconds the waypoint's clock is ahead of its node's.
    """

    offset: float = 0.0
    drift: float = 0.0
    offsets: tuple[float, ...] = ()
    waypoint: float = 0.0

    def __post_init__(self) -> None:
        _check(self.offset >= 0 and self.drift >= 0, "standard deviations cannot be negative")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What goes wrong between ztunnel and the reader.

    Attributes:
        lost: Share of lines that never arrive.
        lost_run: How many lines in a row are lost at a time.
        lost_nodes: Nodes, counted from 0, whose log was not collected.
        late: Seconds by which streams arrive later than the others, for the first nodes; matters when merged or live.
        replays: How often each stream starts again some lines before where it was, as after a reconnect.
        replayed: Seconds of lines that come again.
        disorder: Mean displacement between the time in a line and its place in the file.
    """

    lost: float = 0.0
    lost_run: int = 1
    lost_nodes: tuple[int, ...] = ()
    late: tuple[float, ...] = ()
    replays: int = 0
    replayed: float = 2.0
    disorder: float = 0.000005

    def __post_init__(self) -> None:
        _check_share(self.lost, "lost")
        _check(self.lost_run >= 1, "lost_run must be at least 1")
        _check(self.replays >= 0 and self.replayed >= 0 and self.disorder >= 0, "faults cannot be negative")
        _check(all(seconds >= 0 for seconds in self.late), "a stream cannot be early")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Traffic to simulate.

    Attributes:
        name: What it is called.
        about: What it is for.
        release: The ztunnel whose layout and words are written, `1.22.0` or later.
        format: `plain` or `json`.
        wrapper: What is put around the lines.
        connections: How many; a connection may leave two lines, three (waypoint), one or none.
        duration: Seconds over which they start.
        mix: What they do.
        burst: Fewest and most connections of a burst.
        burst_width: Seconds within which a burst's connections start.
        sizes: `unique`: no two connections move equal bytes; `mixed`: a few sizes a service, and some that are free;
            `equal`: one size a kind.
        long_life: Shortest and longest life of kind `long`.
        unequal_resets: Share of resets after which the two halves count different bytes.
        by_service: Share of connections that ask for a service instead of a pod's address.
        inbound_service: Whether inbound lines name a service, as they do with a control plane.
        stream_limit: Connections a tunnel carries at once.
        tunnel_idle: Seconds after which an unused tunnel is closed.
        startup: Whether the logs begin with ztunnel's start-up lines.
        other_lines: Other lines a ztunnel writes, a second.
        http: What goes over connections to a waypoint; None where it passes on bytes it does not understand, one
            connection for each, and writes no log.
    """

    name: str = "custom"
    about: str = ""
    release: str = "1.29.5"
    format: Format = "plain"
    wrapper: Wrapper = "files"
    connections: int = 2000
    duration: float = 60.0
    mix: Mix = ((Kind.PLAIN, 1.0),)
    burst: tuple[int, int] = (20, 160)
    burst_width: float = 0.05
    sizes: Sizes = "unique"
    long_life: tuple[float, float] = (5.0, 40.0)
    unequal_resets: float = 0.0
    by_service: float = 0.6
    inbound_service: bool = True
    stream_limit: int = 100
    tunnel_idle: float = 300.0
    startup: bool = True
    other_lines: float = 0.05
    shape: Shape = field(default_factory=Shape)
    delays: Delays = field(default_factory=Delays)
    clocks: Clocks = field(default_factory=Clocks)
    faults: Faults = field(default_factory=Faults)
    http: Http | None = None

    def __post_init__(self) -> None:
        release_tuple(self.release)
        _check(self.format in LOG_FORMATS, f"format must be one of {', '.join(LOG_FORMATS)}")
        _check(self.wrapper in LOG_WRAPPERS, f"wrapper must be one of {', '.join(LOG_WRAPPERS)}")
        _check(self.sizes in SIZES, f"sizes must be one of {', '.join(SIZES)}")
        _check(0 <= self.connections <= 100_000_000, "connections must be between 0 and 100 million")
        _check(self.duration > 0, "duration must be positive")
        _check(1 <= self.burst[0] <= self.burst[1], "burst must be a rising pair")
        _check(0 < self.long_life[0] <= self.long_life[1], "long_life must be a rising pair")
        _check(self.stream_limit >= 1 and self.tunnel_idle > 0, "a tunnel carries at least one connection")
        _check_share(self.unequal_resets, "unequal_resets")
        _check_share(self.by_service, "by_service")
        _check(bool(self.mix) and all(share >= 0 for _, share in self.mix), "mix needs shares that are not negative")
        _check(sum(share for _, share in self.mix) > 0, "mix needs a share above zero")
        _check(len({kind for kind, _ in self.mix}) == len(self.mix), "mix names a kind twice")
        for kind, _ in self.mix:
            _check(kind in set(Kind), f"{kind!r} is not a kind of connection")
            since = SINCE.get(Kind(kind))
            if since is not None:
                _check(self.version >= since, f"kind {kind} needs release {'.'.join(map(str, since))} or later")
        kinds = {kind for kind, share in self.mix if share}
        _check(Kind.WAYPOINT not in kinds or self.shape.waypoint_services > 0, "kind waypoint needs waypoint_services")
        _check(Kind.DOUBLE_HBONE not in kinds or self.shape.networks > 1, "kind double-hbone needs two networks")
        _check(all(0 <= node < self.shape.nodes for node in self.faults.lost_nodes), "lost_nodes names no node")

    @property
    def version(self) -> Release:
        """The numbers of `release`."""
        return release_tuple(self.release)

    def scaled(self, connections: int) -> Self:
        """The same traffic at the same rate with another number of connections, so for longer or shorter."""
        rate = self.connections / self.duration
        return replace(self, connections=connections, duration=max(1.0, connections / rate) if rate else self.duration)

    def lasting(self, seconds: float) -> Self:
        """The same traffic at the same rate for another time, so with more or fewer connections."""
        return replace(self, connections=round(self.connections / self.duration * seconds), duration=seconds)


def _check(right: bool, otherwise: str) -> None:
    if not right:
        raise UsageError(otherwise)


def _check_share(value: float, name: str) -> None:
    _check(0 <= value <= 1, f"{name} must be between 0 and 1")
