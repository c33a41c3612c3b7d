"""Simulated truth of each connection: when each side saw it begin and end, and the bytes each side counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray
from ztflow.simulate.cluster import NO_NODE, Cluster, Role
from ztflow.simulate.congestion import Congestion
from ztflow.simulate.kinds import DRAIN, KINDS, Ending, Half, Kind, Order, denial, drained, endings
from ztflow.simulate.scenario import Delays, Scenario
from ztflow.simulate.traffic import Connections
from ztflow.simulate.tunnels import assign_tunnels, draw_ports, first_of_tunnel, tunnel_ports

STOPS_AFTER = 4.0
"""Seconds after the rest of the traffic at which a node is drained and a pod deleted."""
GRACE = 2.0
"""Seconds a stopped ztunnel waits before it cuts connections."""

TOGETHER = 0.0001
"""Seconds within which what one pool sends travels together."""

_UNCAPTURED = (Role.UNMESHED, Role.GATEWAY, Role.OUTSIDE)
_DENY = "secure/no-prober"


@dataclass(slots=True)
class Course:
    """What became of each connection. Times are true seconds since the beginning, of one perfect clock.

    Attributes:
        ending: Place in `endings`.
        endings: Every ending there is.
        outbound_start: When the client's ztunnel began.
        outbound_end: When it saw the end.
        inbound_start: When the server's ztunnel began.
        inbound_end: When it saw the end.
        sent, received: Bytes the outbound side counted.
        answered, asked: Bytes the inbound side counted as sent and received.
        client_port: Port of the client's socket.
        tunnel_port: Port of the tunnel at the server's side; the client's where there is no tunnel.
        tunnel: Number of that tunnel; `NO_NODE` where there is none.
    """

    ending: IntArray
    endings: tuple[Ending, ...]
    outbound_start: FloatArray
    outbound_end: FloatArray
    inbound_start: FloatArray
    inbound_end: FloatArray
    sent: IntArray
    received: IntArray
    answered: IntArray
    asked: IntArray
    client_port: IntArray
    tunnel_port: IntArray
    tunnel: IntArray


def run_course(scenario: Scenario, cluster: Cluster, made: Connections, rng: np.random.Generator) -> Course:
    """Compute the course of the connections.

    Cost: about 5 µs each, most of it for batches and tunnels.
    """
    ending, every = _choose_endings(scenario, cluster, made, rng)
    takes = np.array([NO_NODE if one.takes is None else one.takes for one in every])[ending]
    holds = np.array([one.holds for one in every])[ending]
    outbound_first = np.array([one.order is Order.OUTBOUND for one in every])[ending]
    life = np.where(takes >= 0, takes + rng.exponential(0.0001, made.count), made.life)

    nodes = np.array([pod.node for pod in cluster.pods])
    captured = np.array([pod.role not in _UNCAPTURED for pod in cluster.pods])
    source = nodes[made.client]
    target = np.where(made.server == NO_NODE, NO_NODE, nodes[made.server])
    ways = _Ways(scenario.delays, nodes, made, rng)
    both = np.concatenate([source, target])

    def congestion(moment: FloatArray) -> Congestion:
        """At both ends, when something happens there at these moments."""
        return Congestion(len(cluster.nodes), both, np.concatenate([moment, moment]), scenario.delays, rng)

    starts = congestion(made.start)
    outbound_start = np.where(captured[made.client], starts.handled(source, made.start), made.start)
    pooled, dialler, pool = _pools(made, cluster)
    ready = outbound_start + _setup(scenario, made, pool, pooled, outbound_start, life, rng)
    inbound_start = starts.handled(target, ways.arrive(pool, ready), pool)
    applications = Congestion(len(cluster.nodes), target, made.start + life, _in_order(scenario.delays), rng)
    over = applications.handled(target, inbound_start + life)
    stopped = made.of(Kind.DRAINED, Kind.POD_DELETED)
    if stopped.any():
        over = np.where(stopped, _stop(scenario, every, ending, made, rng), over)
    near_end, far_end = np.where(outbound_first, source, target), np.where(outbound_first, target, source)
    ends = congestion(over)
    first = ends.handled(near_end, over)
    second = ends.handled(far_end, ways.arrive(pool, first), pool)
    second = np.where(holds, np.maximum(second, inbound_start + holds + rng.exponential(0.003, made.count)), second)
    outbound_end, inbound_end = np.where(outbound_first, first, second), np.where(outbound_first, second, first)

    tunnel = np.full(made.count, NO_NODE)
    held = np.flatnonzero(pooled)
    tunnel[held] = assign_tunnels(
        pool[held], inbound_start[held], inbound_end[held], scenario.stream_limit, scenario.tunnel_idle
    )
    client_port = draw_ports(made.client, rng, 0)
    tunnel_port = tunnel_ports(tunnel, dialler, inbound_start, rng)
    alone = made.of(Kind.PLAINTEXT_IN, Kind.DENIED_PLAINTEXT, Kind.TLS_FAILURE)
    sent, received, answered, asked = _bytes(scenario, made, takes >= 0, rng)
    return Course(
        ending, every, outbound_start, outbound_end, inbound_start, inbound_end, sent, received, answered, asked,
        client_port, np.where(alone, client_port, tunnel_port), tunnel,
    )  # fmt: skip


def _in_order(delays: Delays) -> Delays:
    """An application's own loop: one thread that handles what comes in order."""
    return replace(
        delays, crowding=delays.application_crowding, pause=delays.application_pause, wake=0.0,
        reading=delays.work, last_first=0.0, stolen=0.0, stirred=0.0,
    )  # fmt: skip


class _Ways:
    """Draws the time things take on the way; what one pool sends in the same moment travels together."""

    def __init__(self, delays: Delays, nodes: IntArray, made: Connections, rng: np.random.Generator) -> None:
        self._rng, self._spread = rng, delays.way_spread
        via = np.where(made.via == NO_NODE, made.server, made.via)
        at = [np.where(pod == NO_NODE, NO_NODE, nodes[pod]) for pod in (made.client, via, made.server)]
        near, far = (np.where(a == b, delays.same_node, delays.cross_node) for a, b in ((at[0], at[1]), (at[1], at[2])))
        self._median = near + np.where(made.via == NO_NODE, 0.0, far)

    def arrive(self, pool: IntArray, moment: FloatArray) -> FloatArray:
        """When what leaves at these moments arrives: nothing overtakes in a tunnel."""
        count = len(moment)
        if not count:
            return moment
        order = np.lexsort((moment, pool))
        another = np.diff(pool[order]) != 0
        group = np.concatenate([[0], np.cumsum(another | (np.diff(moment[order]) > TOGETHER))])
        drawn = self._rng.standard_normal(int(group[-1]) + 1)[group]
        arrives = moment[order] + self._median[order] * np.exp(drawn * self._spread)
        # The latest so far in each pool, by ranks: sums of times and pools would lose microseconds.
        ascending = np.argsort(arrives, kind="stable")
        rank = np.empty(count, dtype=np.int64)
        rank[ascending] = np.arange(count)
        first_rank = np.concatenate([[0], np.cumsum(another)]) * count
        result = np.empty(count)
        result[order] = arrives[ascending][np.maximum.accumulate(rank + first_rank) - first_rank]
        return result


def _pools(made: Connections, cluster: Cluster) -> tuple[BoolArray, IntArray, IntArray]:
    """Which connections reach their server in a tunnel, which pod opened it, and from which pool it comes."""
    plain = made.of(
        Kind.PLAINTEXT_IN, Kind.PLAINTEXT_OUT, Kind.EGRESS, Kind.DENIED_PLAINTEXT, Kind.NO_ENDPOINTS,
        Kind.UNKNOWN_ADDRESS, Kind.UNKNOWN_WAYPOINT, Kind.TLS_FAILURE,
    )  # fmt: skip
    dialler = np.where(made.via == NO_NODE, made.client, made.via)
    pool = ((dialler * len(cluster.pods) + made.server) * 2 + made.ipv6).astype(np.int64)
    # The inner tunnel of double HBONE is not pooled: a pool for each.
    double = made.of(Kind.DOUBLE_HBONE)
    pool[double] = -1 - np.arange(int(double.sum()))
    return ~plain, dialler, pool


def _setup(
    scenario: Scenario, made: Connections, pool: IntArray, pooled: BoolArray, start: FloatArray, life: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Seconds until a connection is through its tunnel: a handshake for the first, the rest of it for later ones."""
    delays = scenario.delays
    setup = delays.setup * np.exp(rng.standard_normal(made.count) * delays.setup_spread)
    held = np.flatnonzero(pooled)
    opener = held[first_of_tunnel(pool[held], start[held], start[held] + life[held], scenario.tunnel_idle)]
    handshake = delays.handshake * np.exp(rng.standard_normal(made.count) * delays.handshake_spread)
    setup[held] += np.maximum(0.0, start[opener] + handshake[opener] - start[held])
    return setup


def _choose_endings(
    scenario: Scenario, cluster: Cluster, made: Connections, rng: np.random.Generator
) -> tuple[IntArray, tuple[Ending, ...]]:
    """An ending for each connection, by kind, chance, and the places of its two pods."""
    every: list[Ending] = []
    chosen = np.zeros(made.count, dtype=np.int64)

    def choose(which: BoolArray, some: tuple[Ending, ...]) -> None:
        places = np.flatnonzero(which)
        weights = np.array([one.weight for one in some])
        chosen[places] = len(every) + rng.choice(len(some), len(places), p=weights / weights.sum())
        every.extend(some)

    version = scenario.version
    for kind in KINDS:
        which = made.of(kind)
        if which.any() and kind is not Kind.DRAINED:
            choose(which, endings(kind, version))
    nodes = np.array([pod.node for pod in cluster.pods])
    denied = made.of(Kind.DENIED, Kind.DENIED_PLAINTEXT)
    if denied.any():
        roles = np.array([pod.role for pod in cluster.pods])
        named = made.of(Kind.DENIED) & (roles[made.client] == Role.PROBER) & (roles[made.server] == Role.GUARDED)
        outbound = endings(Kind.DENIED, version)[0].outbound
        by_name = Half(denial(version, _DENY))
        nobody = Half(denial(version, None))
        choose(named, (Ending(outbound, by_name, takes=0.0),))
        choose(made.of(Kind.DENIED) & ~named, (Ending(outbound, nobody, takes=0.0),))
        choose(made.of(Kind.DENIED_PLAINTEXT), (Ending(None, nobody, takes=0.0),))
    open_then = made.of(Kind.DRAINED)
    if open_then.any():
        node = stopped_node(cluster)
        leaves, arrives = nodes[made.client] == node, nodes[made.server] == node
        cut = Ending(*(drained(version, client_stops=False)[-1].outbound,) * 2)
        choose(open_then & leaves & ~arrives, drained(version, client_stops=True))
        choose(open_then & arrives & ~leaves, drained(version, client_stops=False))
        choose(open_then & arrives & leaves, (cut if version >= (1, 23, 0) else Ending(),))
        choose(open_then & ~arrives & ~leaves, endings(Kind.PLAIN, version))
    # A pod that dials itself never passes ztunnel.
    itself = (made.client == made.server) & (made.via == NO_NODE)
    choose(itself, (Ending(),))
    return chosen, tuple(every)


def stopped_node(cluster: Cluster) -> int:
    """The node whose ztunnel is stopped in kind `drained`."""
    return len(cluster.nodes) // 2


def _stop(
    scenario: Scenario, every: tuple[Ending, ...], ending: IntArray, made: Connections, rng: np.random.Generator
) -> FloatArray:
    """When connections that are open at the stop end: cut ones after the grace, others at once."""
    cut = [
        one.outbound is None or any(half is not None and half.error == DRAIN for half in (one.outbound, one.inbound))
        for one in every
    ]
    wait = np.where(np.array(cut)[ending] & ~made.of(Kind.POD_DELETED), GRACE, 0.0)
    return scenario.duration + STOPS_AFTER + wait + rng.exponential(0.003, made.count)


def _bytes(
    scenario: Scenario, made: Connections, refused: BoolArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Byte counts of each side: equal and swapped, except for empty connections and bytes lost in a reset."""
    request = np.where(refused, 0, made.request)
    response = np.where(refused, 0, made.response)
    unequal = rng.random(made.count) < scenario.unequal_resets
    kept = rng.random(made.count)
    # A reset drops the bytes under way to the side that resets, and those it sent that were not yet passed on.
    to_client = made.of(Kind.SERVER_RESET, Kind.CLIENT_RESET) & unequal
    to_server = made.of(Kind.CLIENT_RESET, Kind.POLICY_CHANGE) & unequal
    received = np.where(to_client, (response * kept).astype(np.int64), response)
    asked = np.where(to_server, (request * kept).astype(np.int64), request)
    return request, received, response, asked
